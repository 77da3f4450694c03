package union

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// tree makes files, and directories for names that end in a slash, in a new
// directory.
func tree(t *testing.T, names ...string) (string, *sys.FD) {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		p := filepath.Join(dir, n)
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		if n[len(n)-1] == '/' {
			require.NoError(t, os.MkdirAll(p, 0o755))
		} else {
			require.NoError(t, os.WriteFile(p, []byte(n), 0o644))
		}
	}
	fd, err := sys.Open(dir, sys.O_PATH|sys.O_DIRECTORY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { fd.Close() })
	return dir, fd
}

// aside runs f with dir as the current directory and mounts that nobody else
// sees.
func aside(t *testing.T, dir string, f func() error) {
	t.Helper()
	require.NoError(t, sys.OnThread(func() error {
		if err := errors.Join(
			sys.Unshare(sys.CLONE_NEWNS|sys.CLONE_FS),
			sys.Mount("", "/", "", sys.MS_REC|sys.MS_PRIVATE, ""),
			syscall.Chdir(dir),
		); err != nil {
			return err
		}
		return f()
	}))
}

// The kernel takes the names for what they are, by either interface, with every
// byte that is special to it.
func TestKernelAgrees(t *testing.T) {
	testenv.Root(t)
	testenv.Census(t)
	for _, c := range []string{"-", ":", ",", `\`, `\:`, `\,`, " ", "\n", "=", "\xff", "::"} {
		t.Run(strconv.Quote(c), func(t *testing.T) {
			a, b, u, w := "a"+c+"x", "b"+c, "u"+c+"x", "w"+c
			dir, fd := tree(t, a+"/top", b+"/bottom", u+"/", w+"/")
			data, err := Options([]string{a, b}, u, w, Opts{})
			require.NoError(t, err)
			aside(t, dir, func() error {
				if err := sys.Mount("overlay", a, "overlay", 0, data); err != nil {
					return err
				}
				for _, f := range []string{a + "/top", a + "/bottom"} {
					if err := syscall.Access(f, 0); err != nil {
						return err
					}
				}
				return nil
			})
			if probe.OverlayLowerdirAppend.Check() != nil {
				return
			}
			ps, err := Params([]string{below(fd, a), below(fd, b)}, below(fd, u), below(fd, w), Opts{})
			require.NoError(t, err)
			merged, err := detached(ps, 0)
			require.NoError(t, err)
			defer merged.Close()
			names, err := merged.Names()
			require.NoError(t, err)
			assert.Equal(t, []string{"bottom", "top"}, names)
		})
	}
}

// A layer with the attribute that redirects to another directory has no effect;
// with redirect_dir=off, it has.
func TestSmuggledRedirect(t *testing.T) {
	testenv.Root(t)
	follow, err := os.ReadFile("/sys/module/overlay/parameters/redirect_always_follow")
	require.NoError(t, err)
	dir, fd := tree(t, "top/etc/", "bottom/secret/key", "bottom/etc/")
	require.NoError(t, fd.SetXattrAt("top/etc", "trusted.overlay.redirect", []byte("/secret"), 0))
	see := func(data string) (err error) {
		aside(t, dir, func() error {
			if err := sys.Mount("overlay", "bottom/etc", "overlay", 0, data); err != nil {
				return err
			}
			err = syscall.Access("bottom/etc/etc/key", 0)
			return nil
		})
		return err
	}
	if string(follow) == "Y\n" {
		require.NoError(t, see("lowerdir=top:bottom,redirect_dir=off"), "the control: the attack works where it is not prevented")
	}
	data, err := Options([]string{"top", "bottom"}, "", "", Opts{})
	require.NoError(t, err)
	// The kernel says EPERM: it refuses to follow.
	assert.ErrorIs(t, see(data), fs.ErrPermission)
}

func TestView(t *testing.T) {
	testenv.Root(t)
	for _, tt := range []struct {
		name string
		view func(*sys.FD, []string) (*sys.FD, error)
		need probe.Feature
	}{
		{"View", View, probe.Feature{}},
		{"appended", viewAppended, probe.OverlayLowerdirAppend},
		{"mounted", viewMounted, probe.Feature{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testenv.Need(t, tt.need)
			testenv.Census(t)
			_, fd := tree(t, "layers/2/fs/etc/passwd", "layers/1/fs/etc/group", "layers/1/fs/gone", "layers/0/fs/etc/passwd", "layers/0/fs/bin/")
			require.NoError(t, fd.Mknod("layers/2/fs/gone", sys.S_IFCHR, 0))
			require.NoError(t, fd.Mknod("layers/0/fs/null", sys.S_IFCHR|0o666, sys.Mkdev(1, 3)))
			v, err := tt.view(fd, []string{"layers/2/fs", "layers/1/fs", "layers/0/fs"})
			require.NoError(t, err)
			defer v.Close()

			names, err := v.Names()
			require.NoError(t, err)
			assert.Equal(t, []string{"bin", "etc", "null"}, names)
			f, err := v.OpenInRoot("/../etc/passwd", sys.O_RDONLY, 0)
			require.NoError(t, err)
			b, err := f.ReadWhole(100)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			assert.Equal(t, "layers/2/fs/etc/passwd", string(b), "the top layer wins")

			assert.ErrorIs(t, v.Mkdir("new", 0o755), syscall.EROFS)
			_, err = v.Open("null", sys.O_RDONLY, 0)
			assert.ErrorIs(t, err, fs.ErrPermission, "devices cannot be opened")
		})
	}
}

func TestViewOfOneLayer(t *testing.T) {
	_, fd := tree(t, "layers/0/fs/a")
	v, err := View(fd, []string{"layers/0/fs"})
	require.NoError(t, err)
	defer v.Close()
	names, err := v.Names()
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, names)
}

func TestViewOfNothing(t *testing.T) {
	testenv.Root(t)
	_, fd := tree(t, "a/")
	for _, view := range []func(*sys.FD, []string) (*sys.FD, error){View, viewMounted} {
		_, err := view(fd, nil)
		assert.ErrorIs(t, err, fs.ErrInvalid)
		_, err = view(fd, []string{"a", "b"})
		assert.ErrorIs(t, err, fs.ErrNotExist)
	}
	_, err := View(fd, []string{"b"})
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// A view of more layers than fit into the options of mount(2).
func TestViewOfMany(t *testing.T) {
	testenv.Root(t)
	testenv.Need(t, probe.OverlayLowerdirAppend)
	var names, layers []string
	for i := range MaxLayers {
		layers = append(layers, "layers/"+strconv.Itoa(10000+i)+"/fs")
		names = append(names, layers[i]+"/f"+strconv.Itoa(i))
	}
	_, fd := tree(t, names...)
	v, err := View(fd, layers)
	require.NoError(t, err)
	defer v.Close()
	got, err := v.Names()
	require.NoError(t, err)
	assert.Len(t, got, MaxLayers)
	_, err = viewMounted(fd, layers)
	assert.ErrorIs(t, err, ErrTooLong)
}

func TestCheck(t *testing.T) {
	testenv.Root(t)
	testenv.Census(t)
	_, fd := tree(t)
	require.NoError(t, Check(fd))
	names, err := fd.Names()
	require.NoError(t, err)
	assert.Empty(t, names)
}

// On an overlay, which takes no upper on another overlay.
func TestCheckRefuses(t *testing.T) {
	testenv.Root(t)
	_, fd := tree(t, "a/", "b/", "u/", "w/")
	merged, err := detached(append([]Param{{"lowerdir", below(fd, "a") + ":" + below(fd, "b")}},
		rest(below(fd, "u"), below(fd, "w"), Opts{})...), 0)
	require.NoError(t, err)
	defer merged.Close()
	err = Check(merged)
	var unsupported *probe.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	assert.Contains(t, err.Error(), "containers that write to overlay")
	assert.Contains(t, err.Error(), "ext4")
	names, err := merged.Names()
	require.NoError(t, err)
	assert.Empty(t, names, "nothing is left")
}
