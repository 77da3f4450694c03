package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coraclehq/coracle/internal/sys"
	imagespec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layoutVersion is the newest layout that this program writes, and so far the only
// one: a store of an older version would be brought up to date by Open, one step
// per version, under the store's lock.
const layoutVersion = 1

// version is the file of that name. Its presence makes a directory a store.
type version struct {
	Version int    `json:"version"`
	ID      string `json:"id"`
}

func readVersion(root *sys.FD) (v version, err error) {
	data, err := root.ReadFile("version", 4096)
	if err != nil {
		return version{}, missing(err, "version")
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return version{}, fmt.Errorf("version: %w: %w", ErrDamaged, err)
	}
	if v.Version < 1 || !isHex(v.ID, 16) {
		return version{}, fmt.Errorf("version: number %d, id %q: %w", v.Version, v.ID, ErrDamaged)
	}
	return v, nil
}

// layout returns the directories of a new store, parents first, and its files.
func layout() (dirs []string, files map[string]string) {
	return []string{
			"blobs", "blobs/sha256", "layers", "layer-ids", "containers", "container-names", "locks", "tmp",
		}, map[string]string{
			imagespec.ImageLayoutFile: `{"imageLayoutVersion":"` + imagespec.ImageLayoutVersion + `"}`,
			imagespec.ImageIndexFile:  string(must(index{}.render())),
			"names.json":              string(must(json.Marshal(index{Version: layoutVersion}))),
			"hold.lock":               "",
		}
}

// create makes a store in a directory that has none. When several processes do so
// at once, one makes it and the others find it. A creation that was cut short is
// taken up. A directory with anything else in it is refused: a mistyped path must
// not become a store.
func create(ctx context.Context, root *sys.FD, sync bool) (v version, err error) {
	if err := checkForeign(root); err != nil {
		return version{}, err
	}
	lock, err := acquire(ctx, root, "lock", true)
	if err != nil {
		return version{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if v, err := readVersion(root); !errors.Is(err, ErrNotFound) {
		return v, err
	}
	v = version{Version: layoutVersion, ID: randomHex(8)}
	if err := fillLayout(root, v, sync); err != nil {
		return version{}, errors.Join(err, clearLayout(root))
	}
	return v, nil
}

func checkForeign(root *sys.FD) error {
	names, err := root.Names()
	if err != nil {
		return err
	}
	dirs, files := layout()
	for _, n := range names {
		known := slices.Contains(dirs, n) || n == "lock" || n == "version" || n == "lost+found" ||
			strings.HasPrefix(n, sys.AsidePrefix)
		if _, ok := files[n]; !ok && !known {
			return fmt.Errorf("the directory is not empty and not a store (it has %q): %w", n, ErrInvalid)
		}
	}
	return nil
}

func fillLayout(root *sys.FD, v version, sync bool) error {
	if err := root.Chmod(dirPerm); err != nil {
		return err
	}
	if err := removeAside(root); err != nil {
		return err
	}
	dirs, files := layout()
	for _, d := range dirs {
		if err := makeIn(root, d, dirPerm); err != nil && !errors.Is(err, sys.EEXIST) {
			return err
		}
	}
	for name, text := range files {
		if err := root.WriteFile(name, []byte(text), filePerm, sync); err != nil {
			return err
		}
	}
	// Last: the file that makes it a store.
	return root.WriteFile("version", must(json.Marshal(v)), filePerm, sync)
}

// clearLayout takes back what fillLayout made. The caller holds the store's lock,
// whose file goes last.
func clearLayout(root *sys.FD) (err error) {
	dirs, files := layout()
	slices.Reverse(dirs)
	for _, d := range dirs {
		err = errors.Join(err, ignoreMissing(root.Rmdir(d)))
	}
	for name := range files {
		err = errors.Join(err, ignoreMissing(root.Unlink(name)))
	}
	return errors.Join(err, removeAside(root), ignoreMissing(root.Unlink("version")), ignoreMissing(root.Unlink("lock")))
}

// removeAside removes the files of writes that a crash cut short. The caller holds
// the store's lock.
func removeAside(root *sys.FD) error {
	names, err := root.Names()
	for _, n := range names {
		if strings.HasPrefix(n, sys.AsidePrefix) {
			err = errors.Join(err, root.Unlink(n))
		}
	}
	return err
}

// makeIn makes a directory with exactly these permissions.
func makeIn(dir *sys.FD, name string, perm uint32) error {
	if err := dir.Mkdir(name, perm); err != nil {
		return err
	}
	return dir.ChmodAt(name, perm)
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails, since Go 1.24
	return hex.EncodeToString(b)
}

func isHex(s string, digits int) bool {
	if len(s) != digits {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// must is for values of our own types that always have a JSON form.
func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
