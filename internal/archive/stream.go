package archive

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
)

// A stream is the tree of a tar stream, complete after scan. Names are clean and
// relative; they are keys of maps and never paths of a file system.
type stream struct {
	*reader
	docs  map[string][]byte // the documents of the archive itself
	files map[string]stored // files that are in the sink
	links map[string]string // symbolic and hard links with the name that they lead to
	lost  string            // a document below the top
}

// scan reads the whole stream.
func (s *stream) scan(ctx context.Context, r io.Reader) error {
	in := &input{ctx: ctx, r: r}
	tr := tar.NewReader(in)
	for {
		hdr, err := in.next(tr)
		if errors.Is(err, io.EOF) && in.err == nil {
			return in.trailer()
		}
		if err != nil {
			return in.failure("tar stream", invalidf("%w", err))
		}
		if err := s.entry(ctx, in, hdr, tr); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, tr); err != nil {
			return in.failure(shown(hdr.Name), invalidf("%w", err))
		}
		in.entryEnds(hdr.Size)
	}
}

// entry takes one entry of the stream.
func (s *stream) entry(ctx context.Context, in *input, hdr *tar.Header, r io.Reader) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return s.budget.entry("global header", 0)
	}
	name, err := cleanName(hdr.Name)
	if err != nil {
		return err
	}
	if isSparse(hdr) {
		// It would have 2^62 bytes for a few that are read.
		return invalidf("%s: a sparse file has no place in an image archive", shown(name))
	}
	if err := s.budget.entry(name, hdr.Size); err != nil {
		return err
	}
	if hdr.Typeflag == tar.TypeReg {
		return s.file(ctx, in, name, hdr.Size, r)
	}
	if hdr.Size != 0 {
		// Readers differ on whether content follows.
		return invalidf("%s: an entry of type %q with a size has no place in an image archive", shown(name), hdr.Typeflag)
	}
	switch hdr.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeSymlink:
		return s.link(name, path.Join(path.Dir(name), hdr.Linkname), hdr.Linkname)
	case tar.TypeLink:
		return s.link(name, path.Clean(hdr.Linkname), hdr.Linkname)
	}
	return invalidf("%s: an entry of type %q has no place in an image archive", shown(name), hdr.Typeflag)
}

// isSparse reports whether an entry is a sparse file of one of GNU tar's formats.
func isSparse(hdr *tar.Header) bool {
	for key := range hdr.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return hdr.Typeflag == tar.TypeGNUSparse
}

// cleanName is the name of an entry without "./" and a slash at the end. Archives
// made with `tar -C layout .` have them.
func cleanName(name string) (string, error) {
	clean := path.Clean(name)
	if name == "" || strings.ContainsRune(name, 0) || !fs.ValidPath(clean) {
		return "", invalidf("an entry named %s has no place in an image archive", quote(name))
	}
	return clean, nil
}

// file takes a regular file.
func (s *stream) file(ctx context.Context, in *input, name string, size int64, r io.Reader) error {
	switch name {
	case layoutName, indexName, dockerName:
		return s.keep(in, name, size, r)
	}
	if base := path.Base(name); base == indexName || base == dockerName {
		s.lost = name
	}
	if !s.wanted(name) {
		return nil
	}
	if err := s.budget.blob(name); err != nil {
		return err
	}
	b, err := put(ctx, s.sink, name, size, r)
	if err != nil {
		return in.failure(shown(name), err)
	}
	if before, ok := s.files[name]; ok && before != b || s.links[name] != "" {
		return twice(name)
	}
	s.files[name] = b
	return nil
}

// wanted reports whether a file can be a blob. In an image layout all of them are
// below blobs; in docker save's archives manifest.json, which comes last, names
// any file it likes.
func (s *stream) wanted(name string) bool {
	if hex, ok := strings.CutPrefix(name, blobDir); ok {
		return isHex64(hex)
	}
	_, layout := s.docs[layoutName]
	_, index := s.docs[indexName]
	if layout || index {
		return false
	}
	// What Docker wrote for its versions before 1.10, for each layer.
	switch path.Base(name) {
	case "VERSION", "json", "repositories":
		return false
	}
	return true
}

// keep takes a document of the archive itself.
func (s *stream) keep(in *input, name string, size int64, r io.Reader) error {
	if err := s.budget.document(name, size); err != nil {
		return err
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return in.failure(name, invalidf("%w", err))
	}
	if before, ok := s.docs[name]; ok && string(before) != string(data) || s.links[name] != "" {
		return twice(name)
	}
	s.docs[name] = data
	return nil
}

// link takes a link. Docker before version 25 and Podman write the second of two
// equal layers as one.
func (s *stream) link(name, target, raw string) error {
	if strings.HasPrefix(raw, "/") || !fs.ValidPath(target) {
		return invalidf("%s: link to %s, which is outside of the archive", shown(name), quote(raw))
	}
	_, file := s.files[name]
	_, doc := s.docs[name]
	if before, ok := s.links[name]; ok && before != target || file || doc {
		return twice(name)
	}
	s.links[name] = target
	return nil
}

func twice(name string) error {
	return invalidf("%s: stands twice, with different content", shown(name))
}

// resolve follows links to the name of a file. A loop ends at a name that is no
// file.
func (s *stream) resolve(name string) string {
	const longest = 8
	for range longest {
		target, ok := s.links[name]
		if !ok {
			break
		}
		name = target
	}
	return name
}

func (s *stream) has(name string) bool {
	if _, ok := s.docs[name]; ok {
		return true
	}
	_, ok := s.files[s.resolve(name)]
	return ok
}

func (s *stream) stray() string { return s.lost }

func (s *stream) blob(_ context.Context, name string) (stored, error) {
	b, ok := s.files[s.resolve(name)]
	if !ok {
		return stored{}, missing(name)
	}
	return b, nil
}

func (s *stream) document(ctx context.Context, name string) ([]byte, error) {
	if data, ok := s.docs[name]; ok {
		return data, nil
	}
	b, err := s.blob(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.budget.document(name, b.size); err != nil {
		return nil, err
	}
	return readBlob(ctx, s.sink, name, b.digest, b.size)
}
