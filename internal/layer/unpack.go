package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/coraclehq/coracle/internal/sys"
)

// Options are how a layer is unpacked. The zero value is for the bottom layer of
// an image, strictly.
type Options struct {
	Limits Limits
	// Devices makes the character and block devices of the layer. Without it they
	// are left out and recorded: containers get their devices from the engine. A
	// device 0:0, which is overlayfs' whiteout, is refused in any case.
	Devices bool
	// UserXattr is for layers that are mounted with overlayfs' option userxattr,
	// as in a user namespace: their marks are user.overlay.*.
	UserXattr bool
	// Base is a directory that shows the lower layers merged. The caller keeps it,
	// and nothing is changed in it. Without it and without Defer, this is the
	// bottom layer: whiteouts hide nothing and are not made, and a hard link to a
	// file that is not in the layer is refused.
	Base *sys.FD
	// Defer leaves what needs the lower layers to Settle. Base is not used then.
	Defer bool
	// AllowMissingEnd accepts an archive that ends after an entry without the two
	// blocks of zeros. Set it when a digest of the stream is checked, which would
	// notice that it was cut there.
	AllowMissingEnd bool
}

// Result says what a layer was.
type Result struct {
	// Entries of the archive.
	Entries int64
	// Bytes of uncompressed tar.
	Bytes int64
	// Size is the sum of the files' sizes, Written what they take without holes.
	Size, Written int64
	// Skipped are the first 100 things that were left out on purpose, SkippedCount
	// is how many there were. The names are foreign text.
	Skipped      []Skipped
	SkippedCount int64
	// Depends says that the tree is what it is because of the lower layers (or
	// without them, at the bottom): it may be used again in an image only on the
	// same ones.
	Depends bool
	// unsettled is what Settle goes on with.
	unsettled *unpacker
}

// Skipped is something in a layer that did not come into the directory.
type Skipped struct{ Name, What string }

// Deferred says that the layer is not complete until Settle is called.
func (r *Result) Deferred() bool { return r.unsettled != nil }

const maxSkipped = 100

func (r *Result) skip(name, what string) {
	r.SkippedCount++
	if len(r.Skipped) < maxSkipped {
		r.Skipped = append(r.Skipped, Skipped{name, what})
	}
}

// Unpack reads an uncompressed tar stream to its end and makes its files in dir,
// an empty directory that nobody else uses until the layer is complete; dir stays
// the caller's and may be opened with O_PATH. It needs root, or a user namespace
// in which the owners of the files are mapped, and Linux 5.8.
//
// Whatever is in the stream, nothing outside of dir is changed, opened or waited
// for. The error is a *FormatError or a *LimitError if it is the layer's fault.
// After an error dir holds a part of the layer, which the caller removes. Files
// are not synced.
//
// The result does not depend on umask, time, or what the machine did otherwise.
// ctx is looked at between entries and pieces of data; a read from r is not
// interrupted.
func Unpack(ctx context.Context, r io.Reader, dir *sys.FD, o Options) (res Result, err error) {
	u, err := newUnpacker(ctx, r, dir, o)
	if err != nil {
		return Result{}, err
	}
	defer u.tree.close()
	u.files.start()
	err = u.run()
	if werr := u.files.wait(); err == nil || errors.Is(err, errWorker) {
		err = errOr(werr, err)
	}
	if err == nil {
		err = u.complete()
	}
	if err != nil {
		return Result{}, fmt.Errorf("unpack: %w", err)
	}
	u.count()
	return u.res, nil
}

// unpacker is one layer being unpacked.
type unpacker struct {
	ctx context.Context
	o   Options
	r   *reader
	res Result
	// skipMu guards res.Skipped and SkippedCount against files.
	skipMu  sync.Mutex
	tree    *tree
	files   *files
	entries budget
	size    budget
	xattrs  budget
	// skipped are the names of devices that were left out: a link to one is, too.
	skipped map[place]bool
	buf     []byte
}

func newUnpacker(ctx context.Context, r io.Reader, dir *sys.FD, o Options) (*unpacker, error) {
	o.Limits = o.Limits.filled()
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("unpack into %s: %w", dir.Name(), sys.ENOTEMPTY)
	}
	room, err := spare(dir, o.Limits)
	if err != nil {
		return nil, err
	}
	l := o.Limits
	u := &unpacker{
		ctx: ctx, o: o, r: newReader(r, l.Bytes),
		entries: newBudget("Entries", l.Entries), size: newBudget("Size", l.Size), xattrs: newBudget("Xattrs", l.Xattrs),
	}
	u.r.laxEnd = o.AllowMissingEnd
	u.tree = newTree(dir, l, &u.entries)
	if !o.Defer {
		u.tree.base = o.Base
	}
	u.files = newFiles(ctx, room, u.skip)
	return u, nil
}

// bottom says that there are no lower layers.
func (u *unpacker) bottom() bool { return u.o.Base == nil && !u.o.Defer }

func (u *unpacker) skip(name, what string) {
	u.skipMu.Lock()
	defer u.skipMu.Unlock()
	u.res.skip(name, what)
}

func (u *unpacker) run() error {
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		e, err := u.r.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.entries.take(1); err != nil {
			return err
		}
		u.res.Entries++
		if err := u.apply(e); err != nil {
			return u.explain(err)
		}
	}
}

// explain adds the entry to an error that does not have it.
func (u *unpacker) explain(err error) error {
	var f *FormatError
	if errors.As(err, &f) {
		return u.r.locate(err)
	}
	return fmt.Errorf("entry %s: %w", quote(u.r.raw), err)
}

// count fills in what the result says.
func (u *unpacker) count() {
	u.res.Bytes = u.r.bytes.used()
	u.res.Size = u.size.used()
	u.res.Written = u.files.written()
}
