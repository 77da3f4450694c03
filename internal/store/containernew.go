package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coraclehq/coracle/internal/sys"
)

// NewContainer says what [Store.CreateContainer] is to make.
type NewContainer struct {
	// Record is completed by the store: Version, Created and, if it is empty, ID.
	Record Record
	// Spec is the resolved OCI spec, kept as config.json.
	Spec []byte
	// Files are further files of the container's directory, by name: hosts, hostname,
	// resolv.conf. They are not synced; a start makes them anew.
	Files map[string][]byte
}

// CreateContainer makes a container: its directory with record.json, config.json,
// the given files, and the empty directories upper, work and rootfs. The upper
// directory has owner and permissions of the top layer's root, because it decides
// those of "/" inside. A name or ID that is taken is ErrExists; an image or layer that is not
// there (any more) is ErrNotFound.
func (s *Store) CreateContainer(ctx context.Context, n NewContainer) (_ Record, err error) {
	if err := s.begin(); err != nil {
		return Record{}, err
	}
	defer s.end(&err)
	r := n.Record
	r.Version = layoutVersion
	if r.ID == "" {
		r.ID = NewID()
	}
	if r.Created.IsZero() {
		r.Created = time.Now().UTC()
	}
	if err := r.check(); err != nil {
		return Record{}, err
	}
	w, err := s.aside()
	if err != nil {
		return Record{}, err
	}
	name := w.next()
	if err := s.makeContainer(w.dir, name, r, n); err != nil {
		return Record{}, errors.Join(err, w.dir.RemoveAll(name))
	}
	s.step("container made")
	if err := s.publish(ctx, w.dir, name, r); err != nil {
		return Record{}, errors.Join(err, w.dir.RemoveAll(name))
	}
	return r, nil
}

// makeContainer makes the directory aside.
func (s *Store) makeContainer(dir *sys.FD, name string, r Record, n NewContainer) (err error) {
	record, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("container configuration: %w: %w", ErrInvalid, err)
	}
	if err := makeIn(dir, name, dirPerm); err != nil {
		return err
	}
	d, err := dir.Open(name, sys.O_RDONLY|sys.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for name, data := range n.Files {
		if err := checkFileName(name); err != nil {
			return err
		}
		if err := s.create(d, name, data, false); err != nil {
			return err
		}
	}
	for _, sub := range []string{"work", "rootfs", "upper"} {
		if err := makeIn(d, sub, dirPerm); err != nil {
			return err
		}
	}
	if err := s.likeTop(d, "upper", r); err != nil {
		return err
	}
	if err := s.create(d, "config.json", n.Spec, true); err != nil {
		return err
	}
	if err := s.create(d, "record.json", record, true); err != nil {
		return err
	}
	return s.sync(d)
}

// likeTop gives a directory owner and permissions of the root of the top layer.
func (s *Store) likeTop(d *sys.FD, name string, r Record) error {
	if len(r.Layers) == 0 {
		return d.ChmodAt(name, rootPerm)
	}
	st, err := s.layers.StatAt(r.Layers[0]+"/fs", false)
	if err != nil {
		return missing(err, "layer %s", r.Layers[0])
	}
	if err := d.ChownAt(name, int(st.UID), int(st.GID)); err != nil {
		return err
	}
	return d.ChmodAt(name, st.Perm())
}

// create makes a file in a directory that nobody else sees yet.
func (s *Store) create(d *sys.FD, name string, data []byte, sync bool) error {
	f, err := d.Open(name, sys.O_WRONLY|sys.O_CREAT|sys.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	if err := f.Chmod(filePerm); err != nil {
		return errors.Join(err, f.Close())
	}
	return s.fill(f, data, sync)
}

// checkFileName refuses names of files that the store or the supervisor writes.
func checkFileName(name string) error {
	reserved := []string{"record.json", "config.json", "undo.json", "state", "exit", "alive", "ctl", "log", "upper", "work", "rootfs"}
	if CheckContainerName(name) != nil || slices.Contains(reserved, name) {
		return fmt.Errorf("container file %.100q: %w", name, ErrInvalid)
	}
	return nil
}

// publish makes a container visible and then durable.
func (s *Store) publish(ctx context.Context, dir *sys.FD, name string, r Record) error {
	err := s.claimed(ctx, r.Name, func() error { return s.place(dir, name, r) })
	if err != nil {
		return err
	}
	parents := []*sys.FD{s.containers, s.containerNames}
	if r.Name == "" {
		parents = parents[:1]
	}
	if err := s.sync(parents...); err != nil {
		// Not on the disk is not made.
		return errors.Join(err, s.locked(context.WithoutCancel(ctx), false, func() error {
			return errors.Join(s.containers.Rename(r.ID, dir, name), s.unclaim(r.Name, r.ID))
		}))
	}
	return nil
}

// place moves the container into place if what it refers to is there. The caller
// holds the store's lock, shared: names of different containers do not meet, and
// what is checked here cannot be collected.
func (s *Store) place(dir *sys.FD, name string, r Record) error {
	if err := s.checkRefs(r); err != nil {
		return err
	}
	claimed, err := s.claim(r.Name, r.ID)
	if err != nil {
		return err
	}
	s.step("container named")
	if err := dir.RenameNoReplace(name, s.containers, r.ID); err != nil {
		if errors.Is(err, sys.EEXIST) {
			err = fmt.Errorf("container %s: %w", r.ID, ErrExists)
		}
		if claimed {
			err = errors.Join(err, s.unclaim(r.Name, r.ID))
		}
		return err
	}
	s.step("container placed")
	return nil
}

// checkRefs says whether image and layers of a container are there.
func (s *Store) checkRefs(r Record) error {
	if r.Image != "" {
		// Parsing names.json costs more than all the rest of making a container; an
		// ID stands nowhere else in it than in this member, as we write it.
		data, err := s.root.ReadFile("names.json", maxDocument)
		if err != nil {
			return err
		}
		if !bytes.Contains(data, []byte(`"config":"`+string(r.Image)+`"`)) {
			return fmt.Errorf("image %s: %w", r.Image, ErrNotFound)
		}
	}
	for _, l := range r.Layers {
		if _, err := s.layers.StatAt(l+"/fs", false); err != nil {
			return missing(err, "layer %s", l)
		}
	}
	return nil
}
