package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	digest "github.com/opencontainers/go-digest"
)

// A LayerSink takes in unpacked layers.
type LayerSink interface {
	// Has reports whether it has the layer with a diffID.
	Has(ctx context.Context, diffID digest.Digest) (bool, error)

	// New begins a layer that nobody else sees.
	New(ctx context.Context) (LayerWriter, error)
}

// A LayerWriter is a layer in the making. It ends with Commit or with Abort.
type LayerWriter interface {
	// Unpack decompresses and unpacks r, which it reads to its end, and returns
	// the digest of the uncompressed stream. An error of r is returned wrapped.
	Unpack(ctx context.Context, r io.Reader) (diffID digest.Digest, err error)

	// Commit makes the layer visible under its diffID.
	Commit(ctx context.Context, diffID digest.Digest) error

	// Abort removes the layer.
	Abort() error
}

// Unpack unpacks the layers of an image which dst does not have, up to parallel at
// a time; less than 1 means 1. Each is verified three times over: size and digest
// of the blob, and the diffID of what came out. When all of them are right, they
// are committed, the lowest first; after an error none is, except that those below
// one whose Commit returned the error stay.
func Unpack(ctx context.Context, img Image, src Source, dst LayerSink, parallel int) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	jobs, err := absent(ctx, img, dst)
	if err != nil {
		return err
	}
	slots := make(chan struct{}, max(parallel, 1))
	var running sync.WaitGroup
	for _, j := range jobs {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if j.err = j.run(ctx, src, dst); j.err != nil {
				cancel(j.err)
			}
		})
	}
	running.Wait()
	if err := context.Cause(ctx); err != nil {
		return errors.Join(err, abort(jobs))
	}
	for i, j := range jobs {
		if err := j.writer.Commit(ctx, j.layer.DiffID); err != nil {
			return errors.Join(fmt.Errorf("commit layer %s: %w", j.layer.DiffID, err), abort(jobs[i:]))
		}
	}
	return nil
}

// A job is one layer to unpack.
type job struct {
	layer  Layer
	writer LayerWriter
	err    error
}

// absent are the layers that dst does not have, each once, the lowest first.
func absent(ctx context.Context, img Image, dst LayerSink) ([]*job, error) {
	var jobs []*job
	seen := make(map[digest.Digest]bool)
	for _, l := range img.Layers {
		if seen[l.DiffID] {
			continue
		}
		seen[l.DiffID] = true
		has, err := dst.Has(ctx, l.DiffID)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.DiffID, err)
		}
		if !has {
			jobs = append(jobs, &job{layer: l})
		}
	}
	return jobs, nil
}

// run unpacks the layer and verifies it.
func (j *job) run(ctx context.Context, src Source, dst LayerSink) (err error) {
	name := "layer " + j.layer.Digest.String()
	if err := ctx.Err(); err != nil {
		return err
	}
	blob, err := src.Open(ctx, j.layer.Digest)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, blob.Close()) }()
	if j.writer, err = dst.New(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	r := verified(&input{ctx: ctx, r: blob}, name, j.layer.Digest, j.layer.Size)
	diffID, err := j.writer.Unpack(ctx, r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	// What Unpack did not read is verified, too.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if diffID != j.layer.DiffID {
		return &MismatchError{Name: name, What: "diffID", Got: diffID.String(), Want: j.layer.DiffID.String()}
	}
	return nil
}

// abort removes layers that are not committed.
func abort(jobs []*job) error {
	var errs []error
	for _, j := range jobs {
		if j.writer != nil {
			errs = append(errs, j.writer.Abort())
		}
	}
	return errors.Join(errs...)
}
