package sys

import "crypto/rand"

// RemoveAll removes name from d with all that is in it. Links are removed, not
// followed; a mount point inside is refused with EXDEV or EBUSY. It is not an
// error if name does not exist. After an error the rest is removed all the same,
// and the first error is returned. Others may add and remove at the same time: a
// directory that is refilled faster than it is emptied is given up with
// ENOTEMPTY. The tree may be of any depth; few descriptors are open at a time.
func (d *FD) RemoveAll(name string) error {
	r := remover{top: d, queue: []string{name}}
	for len(r.queue) > 0 {
		next := r.queue[len(r.queue)-1]
		r.queue = r.queue[:len(r.queue)-1]
		r.keep(r.remove(d, next, 0))
	}
	return r.first
}

// remover removes a tree. Directories deeper than maxRemoveDepth are moved up to
// top and queued, which bounds the descriptors and the stack that an unpacked
// image can make it use.
type remover struct {
	top   *FD
	queue []string
	first error
}

const maxRemoveDepth = 64

func (r *remover) keep(err error) {
	if r.first == nil && err != nil && errnoOf(err) != ENOENT {
		r.first = err
	}
}

// remove removes name in d, depth directories below the top.
func (r *remover) remove(d *FD, name string, depth int) error {
	err := d.Unlink(name)
	// unlink(2): EISDIR is Linux's answer for a directory, EPERM is POSIX's and
	// that of some file systems.
	if e := errnoOf(err); e != EISDIR && e != EPERM {
		return err
	}
	rmdir := d.Rmdir(name)
	if errnoOf(rmdir) == ENOTDIR {
		return err
	}
	for tries := 0; errnoOf(rmdir) == ENOTEMPTY && tries < 3; tries++ {
		if depth >= maxRemoveDepth {
			up := ".removed-" + rand.Text()
			if err := d.Rename(name, r.top, up); err != nil {
				return err
			}
			r.queue = append(r.queue, up)
			return nil
		}
		if err := r.empty(d, name, depth); err != nil {
			return err
		}
		rmdir = d.Rmdir(name)
	}
	return rmdir
}

// empty removes what is in directory name of d.
func (r *remover) empty(d *FD, name string, depth int) error {
	const resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV
	dir, err := d.OpenBeneath(name, O_RDONLY|O_DIRECTORY, 0, resolve)
	if errnoOf(err) == EACCES && d.ChmodAt(name, 0o700) == nil {
		// An ordinary user may meet a directory of its own without permissions.
		dir, err = d.OpenBeneath(name, O_RDONLY|O_DIRECTORY, 0, resolve)
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		r.keep(r.remove(dir, n, depth+1))
	}
	return nil
}
