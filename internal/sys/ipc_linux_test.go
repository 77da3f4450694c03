package sys_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

func pair(t *testing.T, typ int) (a, b *sys.FD) {
	t.Helper()
	a, b, err := sys.SocketPair(typ)
	require.NoError(t, err)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func openFDs(t *testing.T, name string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, f := range fds {
		if to, _ := os.Readlink("/proc/self/fd/" + f.Name()); to == name {
			n++
		}
	}
	return n
}

func TestDescriptorsTravel(t *testing.T) {
	t.Parallel()
	a, b := pair(t, sys.SOCK_SEQPACKET)
	d := tempDir(t)
	path := d.Name() + "/f"
	write(t, d, "f", "text")
	f, err := d.Open("f", sys.O_RDONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, a.SendFDs([]byte("two"), f, f))
	buf := make([]byte, 10)
	n, fds, err := b.RecvFDs(buf, 4)
	require.NoError(t, err)
	assert.Equal(t, "two", string(buf[:n]))
	require.Len(t, fds, 2)
	for _, got := range fds {
		text, err := got.ReadWhole(10)
		require.NoError(t, err)
		assert.Equal(t, "text", string(text))
		assert.True(t, closeOnExec(t, got))
		require.NoError(t, got.Close())
	}
	require.NoError(t, a.SendFDs([]byte("none")))
	n, fds, err = b.RecvFDs(buf, 0)
	require.NoError(t, err)
	assert.Equal(t, "none", string(buf[:n]))
	assert.Empty(t, fds)

	// More than was expected leaves nothing open.
	before := openFDs(t, path)
	for _, tt := range []struct {
		data string
		max  int
	}{{"two", 1}, {"two", 0}, {strings.Repeat("x", 20), 4}} {
		require.NoError(t, a.SendFDs([]byte(tt.data), f, f))
		_, fds, err = b.RecvFDs(buf, tt.max)
		assert.ErrorIs(t, err, sys.ErrTruncated)
		assert.Empty(t, fds)
		assert.Equal(t, before, openFDs(t, path))
	}

	require.NoError(t, a.Close())
	_, _, err = b.RecvFDs(buf, 1)
	assert.ErrorIs(t, err, io.EOF)
	assert.ErrorIs(t, b.SendFDs([]byte("x")), sys.EPIPE)
}

func TestTooManyDescriptors(t *testing.T) {
	t.Parallel()
	a, b := pair(t, sys.SOCK_STREAM)
	fds := make([]*sys.FD, sys.MaxFDs+1)
	for i := range fds {
		fds[i] = a
	}
	assert.ErrorIs(t, a.SendFDs([]byte("x"), fds...), sys.EINVAL)
	require.NoError(t, a.SendFDs([]byte("x"), fds[1:]...))
	_, got, err := b.RecvFDs(make([]byte, 1), sys.MaxFDs)
	require.NoError(t, err)
	require.Len(t, got, sys.MaxFDs)
	for _, f := range got {
		f.Close()
	}
}

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	// A path longer than the 108 bytes of sun_path.
	d := tempDir(t)
	for range 3 {
		name := strings.Repeat("long", 20)
		require.NoError(t, d.Mkdir(name, 0o700))
		d = openDir(t, filepath.Join(d.Name(), name))
	}
	l, err := d.ListenUnix("ctl", sys.SOCK_SEQPACKET, 4)
	require.NoError(t, err)
	defer l.Close()
	_, err = d.ListenUnix("ctl", sys.SOCK_SEQPACKET, 4)
	assert.ErrorIs(t, err, sys.EADDRINUSE)
	c, err := d.ConnectUnix("ctl", sys.SOCK_SEQPACKET)
	require.NoError(t, err)
	defer c.Close()
	s, err := l.Accept(0)
	require.NoError(t, err)
	defer s.Close()
	cred, err := s.PeerCred()
	require.NoError(t, err)
	assert.EqualValues(t, os.Getpid(), cred.PID)
	assert.EqualValues(t, os.Geteuid(), cred.UID)
	require.NoError(t, c.ShutdownSocket(sys.SHUT_WR))
	_, _, err = s.RecvFDs(make([]byte, 1), 0)
	assert.ErrorIs(t, err, io.EOF)
	require.NoError(t, l.Close())
	_, err = d.ConnectUnix("ctl", sys.SOCK_SEQPACKET)
	assert.ErrorIs(t, err, sys.ECONNREFUSED)
}

func TestPipeServedByThePoller(t *testing.T) {
	t.Parallel()
	r, w, err := sys.Pipe(sys.O_NONBLOCK)
	require.NoError(t, err)
	f := r.File()
	done := make(chan string)
	go func() {
		b, _ := io.ReadAll(f)
		done <- string(b)
	}()
	_, err = w.Write([]byte("through"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Equal(t, "through", <-done)
	require.NoError(t, f.Close())
}

func TestSealedMemory(t *testing.T) {
	t.Parallel()
	f, err := sys.MemfdCreate("coracle", sys.MFD_ALLOW_SEALING)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Write([]byte("fixed"))
	require.NoError(t, err)
	seals := sys.F_SEAL_SEAL | sys.F_SEAL_SHRINK | sys.F_SEAL_GROW | sys.F_SEAL_WRITE
	require.NoError(t, f.Seal(seals))
	got, err := f.Seals()
	require.NoError(t, err)
	assert.Equal(t, seals, got&seals)
	_, err = f.WriteAt([]byte("x"), 0)
	assert.ErrorIs(t, err, sys.EPERM)
	assert.ErrorIs(t, f.Truncate(0), sys.EPERM)
	assert.ErrorIs(t, f.Seal(sys.F_SEAL_FUTURE_WRITE), sys.EPERM)

	m, err := sys.Mmap(f, 0, 5, sys.PROT_READ, sys.MAP_PRIVATE)
	require.NoError(t, err)
	assert.Equal(t, "fixed", string(m))
	require.NoError(t, sys.Munmap(m))
	m, err = sys.Mmap(nil, 0, 4096, sys.PROT_READ|sys.PROT_WRITE, sys.MAP_PRIVATE|sys.MAP_ANONYMOUS)
	require.NoError(t, err)
	m[4095] = 1
	require.NoError(t, sys.Munmap(m))
}

func TestInotify(t *testing.T) {
	t.Parallel()
	d := tempDir(t)
	in, err := sys.Inotify()
	require.NoError(t, err)
	wd, err := in.AddWatch(d, sys.IN_CREATE|sys.IN_MOVED_TO)
	require.NoError(t, err)
	write(t, d, "f", "")
	require.NoError(t, in.RemoveWatch(wd))
	f := in.File()
	defer f.Close()
	buf := make([]byte, 4096)
	n, err := f.Read(buf)
	require.NoError(t, err)
	events := sys.ParseInotify(buf[:n])
	require.Len(t, events, 3)
	assert.EqualValues(t, wd, events[1].Watch)
	assert.Equal(t, "f", events[1].Name)
	assert.EqualValues(t, sys.IN_MOVED_TO, events[1].Mask)
	assert.EqualValues(t, sys.IN_IGNORED, events[2].Mask)
	assert.Empty(t, events[2].Name)
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	master, peer, err := sys.OpenPTY("/dev/ptmx")
	require.NoError(t, err)
	defer master.Close()
	defer peer.Close()
	assert.True(t, peer.IsTerminal())
	n, err := master.PTYNumber()
	require.NoError(t, err)
	to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", peer.Int()))
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("/dev/pts/%d", n), to)

	size := sys.Winsize{Row: 24, Col: 80, Xpixel: 1, Ypixel: 2}
	require.NoError(t, master.SetWinsize(size))
	got, err := peer.Winsize()
	require.NoError(t, err)
	assert.Equal(t, size, got)

	was, err := peer.Termios()
	require.NoError(t, err)
	require.NoError(t, peer.SetTermios(was.Raw()))
	raw, err := peer.Termios()
	require.NoError(t, err)
	assert.Equal(t, was.Raw(), raw)
	_, err = master.Write([]byte("a\x03\r"))
	require.NoError(t, err)
	buf := make([]byte, 10)
	k, err := peer.Read(buf)
	require.NoError(t, err)
	assert.Equal(t, "a\x03\r", string(buf[:k]))
	require.NoError(t, peer.SetTermios(was))

	d := tempDir(t)
	assert.False(t, d.IsTerminal())
	_, err = d.Termios()
	assert.ErrorIs(t, err, sys.ENOTTY)
	_, _, err = sys.OpenPTY("/dev/null")
	assert.ErrorIs(t, err, sys.ENOTTY)
}
