package cgroup

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
)

// Supervisors is the group of a store's supervisors, beside its containers'.
const Supervisors = "supervisors"

type levelKey struct {
	tree  int
	store string
}

// A level is the directory <top>/<store> in one hierarchy. Its lock is a shared
// flock on that directory, which every Host holds that works there: only who gets
// an exclusive one removes the directory, so it does not vanish between the steps
// of another process. The descriptor that groups are handed is another one, since
// children that inherit a duplicate would hold the lock as well.
type level struct {
	key     levelKey
	dir     *sys.FD  // O_PATH
	lock    *sys.FD  // O_RDONLY, locked
	enabled []string // controllers, on v2
}

// level returns the directory of a store in tree i, made if need be, on v2 with
// the controllers enabled.
func (h *Host) level(i int, store string, controllers []string) (*level, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.levels == nil {
		return nil, fs.ErrClosed
	}
	t, key := h.trees[i], levelKey{i, store}
	l := h.levels[key]
	if l == nil {
		var err error
		if l, err = t.enter(h.top, key); err != nil {
			return nil, hint(err)
		}
		h.levels[key] = l
	}
	if !t.V2 {
		return l, nil
	}
	missing := slices.DeleteFunc(slices.Clone(controllers), func(c string) bool { return slices.Contains(l.enabled, c) })
	if len(missing) > 0 {
		if err := t.enable([]string{".", h.top, h.top + "/" + store}, missing); err != nil {
			return nil, hint(err)
		}
		l.enabled = append(l.enabled, missing...)
	}
	return l, nil
}

// forget drops a level whose directory somebody has removed in spite of the lock.
// Groups may still use its descriptors, so they stay open until Close.
func (h *Host) forget(l *level) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.levels[l.key] == l {
		delete(h.levels, l.key)
		h.stale = append(h.stale, l)
	}
}

// enter makes and locks the directory of a store.
func (t tree) enter(top string, key levelKey) (*level, error) {
	for p := (pause{}); ; p.wait() {
		l, err := t.tryEnter(top, key)
		if l != nil || err != nil && !gone(err) || p.total > time.Second {
			return l, err
		}
	}
}

// tryEnter returns nil or a gone error when another Host is just removing the
// directory.
func (t tree) tryEnter(top string, key levelKey) (_ *level, err error) {
	path := top + "/" + key.store
	l := &level{key: key}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close(), t.tidy(top, path))
		}
	}()
	for _, name := range []string{top, path} {
		if err := t.mkdir(name); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	if l.lock, err = t.root.Open(path, sys.O_RDONLY|sys.O_DIRECTORY, 0); err != nil {
		return nil, err
	}
	if l.dir, err = t.root.Open(path, sys.O_PATH|sys.O_DIRECTORY, 0); err != nil {
		return nil, err
	}
	ok, err := l.lock.TryLock(false)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &fs.PathError{Op: "flock", Path: l.lock.Name(), Err: syscall.ENOENT}
	}
	// Whoever removed the directory had unlocked it by then: ask whether what was
	// locked is what is there, by both descriptors.
	for _, fd := range []*sys.FD{l.lock, l.dir} {
		st, err := fd.Stat()
		if err != nil {
			return nil, err
		}
		now, err := t.root.StatAt(path, false)
		if err != nil {
			return nil, err
		}
		if !st.Same(now) {
			return nil, &fs.PathError{Op: "flock", Path: l.lock.Name(), Err: syscall.ENOENT}
		}
	}
	return l, nil
}

// tidy removes what tryEnter may have made, as Close would.
func (t tree) tidy(top, path string) error {
	lock, err := t.root.Open(path, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	if gone(err) {
		if err = remove(t.root, top); errors.Is(err, syscall.EBUSY) {
			err = nil
		}
		return err
	}
	if err != nil {
		return err
	}
	l := &level{lock: lock}
	if err := l.retire(t.root, top, path); err != nil && !errors.Is(err, syscall.EBUSY) {
		return errors.Join(err, l.close())
	}
	return l.close()
}

// mkdir makes a group. In the cpuset hierarchy of v1 a new group has no CPUs and
// nothing can join it, so it gets what its parent has. See cpuset(7), "The
// cpuset.cpus and cpuset.mems files".
func (t tree) mkdir(name string) error {
	if err := t.root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return t.seed(t.root, name)
}

// seed copies the CPUs and memory nodes from the parent of a new group, unless
// it has some, by cgroup.clone_children.
func (t tree) seed(dir *sys.FD, name string) error {
	if t.V2 || !t.has("cpuset") {
		return nil
	}
	parent := "."
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		parent = name[:i]
	}
	for _, f := range [...]string{"/cpuset.cpus", "/cpuset.mems"} {
		own, err := read(dir, name+f)
		if err != nil {
			return err
		}
		if strings.TrimSpace(own) != "" {
			continue
		}
		all, err := read(dir, parent+f)
		if err != nil {
			return err
		}
		if err := write(dir, name+f, strings.TrimSpace(all)); err != nil {
			return err
		}
	}
	return nil
}

// enable makes controllers usable below each of the groups, from the top down.
func (t tree) enable(groups, controllers []string) error {
	for _, g := range groups {
		file := g + "/cgroup.subtree_control"
		on, err := read(t.root, file)
		if err != nil {
			return err
		}
		var words []string
		for _, c := range controllers {
			if !slices.Contains(strings.Fields(on), c) {
				words = append(words, "+"+c)
			}
		}
		if len(words) == 0 {
			continue
		}
		err = write(t.root, file, strings.Join(words, " "))
		if errors.Is(err, syscall.EBUSY) {
			// cgroups(7), "No internal processes" rule: it holds for every group but
			// the root of the machine, so also for the root that a container sees.
			return &probe.UnsupportedError{
				Feature: "cgroup controllers " + strings.Join(controllers, ", ") + " below " + t.Mountpoint,
				Hint:    "move the processes of that group into a group below it before the program starts",
				Err:     err,
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leave closes the level and removes its directory if it is empty and nobody else
// works there.
func (l *level) leave(root *sys.FD, top string) error {
	path := top + "/" + l.key.store
	for p := (pause{}); ; p.wait() {
		err := l.retire(root, top, path)
		// Supervisors that are about to end are waited for, briefly; containers
		// and other stores are none of our business.
		waiting := errors.Is(err, syscall.EBUSY) && onlySupervisors(root, path) && p.total < 250*time.Millisecond
		if waiting {
			continue
		}
		if errors.Is(err, syscall.EBUSY) {
			err = nil
		}
		return errors.Join(err, l.close())
	}
}

// retire removes the directory, the store's supervisors first and the top last. EBUSY: not
// all of it is empty.
func (l *level) retire(root *sys.FD, top, path string) error {
	// This converts the lock: other Hosts may hold a shared one, too.
	alone, err := l.lock.TryLock(true)
	if err != nil || !alone {
		return err
	}
	for _, dir := range [...]string{path + "/" + Supervisors, path} {
		if err := remove(root, dir); err != nil {
			return errors.Join(err, l.lock.Unlock())
		}
	}
	if err := remove(root, top); err != nil && !errors.Is(err, syscall.EBUSY) {
		return err
	}
	return nil
}

func onlySupervisors(root *sys.FD, path string) bool {
	names, err := groups(root, path)
	return err == nil && len(names) == 1 && names[0] == Supervisors
}

func (l *level) close() error { return errors.Join(closeFD(l.dir), closeFD(l.lock)) }
