package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"

	"github.com/coraclehq/coracle/internal/sys"
	digest "github.com/opencontainers/go-digest"
)

// MaxManifest is the greatest size of a manifest or image configuration.
const MaxManifest = 4 << 20

// BlobWriter takes the content of a new blob, which becomes visible at Commit. It
// is for one goroutine.
type BlobWriter struct {
	s    *Store
	w    *writer
	f    *sys.FD // nil after Commit or Abort
	name string
	hash hash.Hash
	size int64
}

// NewBlob begins a blob. The caller ends it with Commit or Abort.
func (s *Store) NewBlob() (_ *BlobWriter, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	w, err := s.aside()
	if err != nil {
		return nil, err
	}
	f, name, err := w.create()
	if err != nil {
		return nil, err
	}
	return &BlobWriter{s: s, w: w, f: f, name: name, hash: sha256.New()}, nil
}

// Write adds to the blob. After an error only Abort makes sense.
func (w *BlobWriter) Write(p []byte) (int, error) {
	if w.f == nil {
		return 0, os.ErrClosed
	}
	n, err := w.f.Write(p)
	w.hash.Write(p[:n])
	w.size += int64(n)
	return n, classify(err)
}

// Size returns the number of bytes written so far.
func (w *BlobWriter) Size() int64 { return w.size }

// Commit makes the blob visible if it has the wanted digest and size, else it is
// ErrMismatch and the blob is gone. An empty digest or a negative size stands for
// any. A blob that exists already is replaced by the same content, which repairs a
// damaged one. Commit or Abort after Commit is os.ErrClosed.
func (w *BlobWriter) Commit(want digest.Digest, size int64) (_ digest.Digest, _ int64, err error) {
	if w.f == nil {
		return "", 0, os.ErrClosed
	}
	if err := w.s.begin(); err != nil {
		return "", 0, err
	}
	defer w.s.end(&err)
	got := digest.NewDigest(digest.SHA256, w.hash)
	if err := w.check(got, want, size); err != nil {
		return "", 0, errors.Join(err, w.abort())
	}
	if err := w.s.sync(w.f); err != nil {
		return "", 0, errors.Join(err, w.abort())
	}
	if err := w.w.dir.Rename(w.name, w.s.blobs, digestHex(got)); err != nil {
		return "", 0, errors.Join(err, w.abort())
	}
	err = w.f.Close()
	w.f = nil
	if err := errors.Join(err, w.s.sync(w.s.blobs)); err != nil {
		return "", 0, err
	}
	return got, w.size, nil
}

func (w *BlobWriter) check(got, want digest.Digest, size int64) error {
	if want != "" {
		if err := CheckDigest(want); err != nil {
			return err
		}
	}
	if size >= 0 && w.size != size {
		return fmt.Errorf("blob %s has %d bytes, want %d: %w", got, w.size, size, ErrMismatch)
	}
	if want != "" && got != want {
		return fmt.Errorf("blob has digest %s, want %s: %w", got, want, ErrMismatch)
	}
	return nil
}

// Abort gives the blob up. After Commit or Abort it does nothing but return
// os.ErrClosed, so it can be deferred.
func (w *BlobWriter) Abort() (err error) {
	if w.f == nil {
		return os.ErrClosed
	}
	if err := w.s.begin(); err != nil {
		// The file went with the store's writer.
		return errors.Join(err, w.f.Close())
	}
	defer w.s.end(&err)
	return w.abort()
}

func (w *BlobWriter) abort() error {
	err := w.f.Close()
	w.f = nil
	return errors.Join(err, w.w.dir.Unlink(w.name))
}

// PutBlob stores a document.
func (s *Store) PutBlob(data []byte) (digest.Digest, error) {
	w, err := s.NewBlob()
	if err != nil {
		return "", err
	}
	if _, err := w.Write(data); err != nil {
		return "", errors.Join(err, w.Abort())
	}
	d, _, err := w.Commit("", -1)
	return d, err
}

// OpenBlob opens a blob for reading; the caller closes it. Its content had the
// digest when it was stored, and is not checked again.
func (s *Store) OpenBlob(d digest.Digest) (_ *os.File, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	if err := CheckDigest(d); err != nil {
		return nil, err
	}
	f, err := s.blobs.Open(digestHex(d), sys.O_RDONLY, 0)
	if err != nil {
		return nil, missing(err, "blob %s", d)
	}
	return f.File(), nil
}

// HasBlob says whether a blob exists and what size it has.
func (s *Store) HasBlob(d digest.Digest) (size int64, ok bool, err error) {
	if err := s.begin(); err != nil {
		return 0, false, err
	}
	defer s.end(&err)
	return s.hasBlob(d)
}

func (s *Store) hasBlob(d digest.Digest) (size int64, ok bool, err error) {
	if err := CheckDigest(d); err != nil {
		return 0, false, err
	}
	st, err := s.blobs.StatAt(digestHex(d), false)
	if err != nil {
		return 0, false, ignoreMissing(err)
	}
	return st.Size, true, nil
}

// ReadBlob returns a document, at most MaxManifest bytes, whose digest has been
// checked again.
func (s *Store) ReadBlob(d digest.Digest) (_ []byte, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.end(&err)
	return s.readBlob(d)
}

func (s *Store) readBlob(d digest.Digest) ([]byte, error) {
	if err := CheckDigest(d); err != nil {
		return nil, err
	}
	data, err := s.blobs.ReadFile(digestHex(d), MaxManifest)
	if err != nil {
		return nil, missing(err, "blob %s", d)
	}
	if digest.FromBytes(data) != d {
		return nil, fmt.Errorf("blob %s: %w", d, ErrDamaged)
	}
	return data, nil
}
