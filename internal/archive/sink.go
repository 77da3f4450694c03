package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	digest "github.com/opencontainers/go-digest"
)

// A Source gives back blobs by their digest.
type Source interface {
	// Open opens a blob, and returns an error that matches fs.ErrNotExist for
	// one that it does not have. The caller closes it and verifies what it
	// reads.
	Open(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
}

// A Sink takes in the blobs of an archive and gives them back. It only stages
// them: what reading returned in [Image.Blobs] may be kept, and only then and by
// the sink's owner is it made visible; the rest, and all of it after an error, is
// to be dropped.
type Sink interface {
	// Source opens what was put before.
	Source

	// Put takes in one blob. It reads r to its end, also if it has the blob
	// already, and returns the digest and size of what it read. If want is not
	// empty and the content has another digest, or size is not negative and it
	// has another size, it keeps nothing and returns an error that matches
	// ErrInvalid, such as a [MismatchError]. An error of r is returned wrapped.
	// The same blob may be put more than once.
	Put(ctx context.Context, r io.Reader, want digest.Digest, size int64) (digest.Digest, int64, error)
}

// stored is a file of an archive that the sink has taken in.
type stored struct {
	digest digest.Digest
	size   int64
	form   compression
}

// put gives a file to the sink. A file in blobs has to be what its name says.
func put(ctx context.Context, sink Sink, name string, size int64, r io.Reader) (stored, error) {
	var want digest.Digest
	if hex, ok := strings.CutPrefix(name, blobDir); ok && isHex64(hex) {
		want = digest.NewDigestFromEncoded(digest.SHA256, hex)
	}
	h := &headReader{r: r}
	got, n, err := sink.Put(ctx, h, want, size)
	if err != nil {
		return stored{}, err
	}
	// The sink's word is taken for the digest, but not that it looked at all.
	if n != size || want != "" && got != want {
		return stored{}, fmt.Errorf("the sink took %d bytes with digest %s, not %d with %s", n, got, size, want)
	}
	return stored{got, n, compressionOf(h.head)}, nil
}

// A headReader gives on what it reads and keeps the first bytes.
type headReader struct {
	r    io.Reader
	head []byte
}

func (h *headReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if missing := headSize - len(h.head); missing > 0 {
		h.head = append(h.head, p[:min(n, missing)]...)
	}
	return n, err
}

// readBlob reads the whole of a small blob and verifies it.
func readBlob(ctx context.Context, src Source, name string, d digest.Digest, size int64) (data []byte, err error) {
	f, err := src.Open(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(verified(f, name, d, size))
}
