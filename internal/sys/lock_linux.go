package sys

import "golang.org/x/sys/unix"

// TryLock takes a flock(2) on d's open file without waiting, exclusive or
// shared, and says whether it was free. The lock belongs to the open file: all
// duplicates hold it, also in children, until one of them unlocks or the last is
// closed. A held lock can be converted, not atomically.
func (d *FD) TryLock(exclusive bool) (bool, error) {
	how := LOCK_SH
	if exclusive {
		how = LOCK_EX
	}
	err := call("flock", d.Name(), func() error { return unix.Flock(d.Int(), how|LOCK_NB) })
	if errnoOf(err) == EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}

// Unlock releases the lock at once, even if a child has inherited a duplicate of
// the descriptor.
func (d *FD) Unlock() error {
	return call("flock", d.Name(), func() error { return unix.Flock(d.Int(), LOCK_UN) })
}
