package layer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPackFS(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"bin":      {Mode: fs.ModeDir | 0o755, ModTime: testTime},
		"bin/tool": {Data: []byte("#!"), Mode: 0o755 | fs.ModeSetuid, ModTime: testTime},
		"etc/conf": {Data: []byte("x=1"), Mode: 0o644, ModTime: testTime.Add(time.Millisecond)},
		"link":     {Data: []byte("bin/tool"), Mode: fs.ModeSymlink | 0o777},
		"pipe":     {Mode: fs.ModeNamedPipe},
	}
	var b bytes.Buffer
	res, err := PackFS(context.Background(), &b, fsys)
	require.NoError(t, err)
	require.Equal(t, int64(6), res.Entries)
	require.Equal(t, "pipe", res.Skipped[0].Name)
	es, data, err := readAll(b.Bytes())
	require.NoError(t, err)
	compareWithStandard(t, b.Bytes())
	var got []string
	for i, e := range es {
		got = append(got, fmt.Sprintf("%c %s%s %o %d:%d %s", e.typ, e.name, e.link, e.mode, e.uid, e.gid, data[i]))
	}
	require.Equal(t, []string{"5 . 555 0:0 ", "5 bin 755 0:0 ", "0 bin/tool 4755 0:0 #!", "5 etc 555 0:0 ", "0 etc/conf 644 0:0 x=1", "2 linkbin/tool 777 0:0 "}, got)
	require.True(t, es[0].mtime.Equal(time.Unix(0, 0)))
	require.True(t, es[4].mtime.Equal(testTime.Add(time.Millisecond)))

	var again bytes.Buffer
	_, err = PackFS(context.Background(), &again, fsys)
	require.NoError(t, err)
	require.Equal(t, b.Bytes(), again.Bytes())
}

func TestPackFSOfDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f"), []byte("x"), 0o600))
	require.NoError(t, os.Symlink("/outside", filepath.Join(dir, "s")))
	var b bytes.Buffer
	_, err := PackFS(context.Background(), &b, os.DirFS(dir))
	require.NoError(t, err)
	es, _, err := readAll(b.Bytes())
	require.NoError(t, err)
	require.Equal(t, "/outside", es[2].link)
}

func TestPackFSRefuses(t *testing.T) {
	t.Parallel()
	for want, fsys := range map[string]fs.FS{
		"reserved for whiteouts": fstest.MapFS{"d/.wh.x": {}},
		"became shorter":         lying{fstest.MapFS{"f": {Data: []byte("abc")}}},
		"longer than 255":        fstest.MapFS{strings.Repeat("n", 300): {}},
	} {
		_, err := PackFS(context.Background(), io.Discard, fsys)
		require.ErrorContains(t, err, want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := PackFS(ctx, io.Discard, fstest.MapFS{"f": {}})
	require.ErrorIs(t, err, context.Canceled)
}

// lying says that its files are longer than they are.
type lying struct{ fstest.MapFS }

func (l lying) ReadDir(name string) ([]fs.DirEntry, error) {
	es, err := l.MapFS.ReadDir(name)
	for i, e := range es {
		es[i] = lyingEntry{e}
	}
	return es, err
}

type lyingEntry struct{ fs.DirEntry }

func (l lyingEntry) Info() (fs.FileInfo, error) {
	i, err := l.DirEntry.Info()
	return lyingInfo{i}, err
}

type lyingInfo struct{ fs.FileInfo }

func (l lyingInfo) Size() int64 { return l.FileInfo.Size() + 1 }

// FuzzWriter: what is written is read back.
func FuzzWriter(f *testing.F) {
	f.Add("a", "", uint32(0o644), uint32(0), int64(0), int64(0), "x", "user.a", "v")
	f.Add(strings.Repeat("d/", 90)+"f", "target", uint32(0o7777), uint32(1<<32-2), int64(-5), int64(5), "", "user.é", "\x00\n")
	f.Fuzz(func(t *testing.T, name, link string, mode, uid uint32, sec, nsec int64, data, key, value string) {
		name, err := clean(name)
		if err != nil || name == "." || uid == 1<<32-1 || key == "" || strings.ContainsAny(key, "=\x00") || sec > 1<<40 || sec < -1<<40 {
			return
		}
		e := &entry{name: name, typ: typeReg, mode: mode & 0o7777, uid: uid, gid: uid, mtime: time.Unix(sec, nsec%1e9),
			size: int64(len(data)), xattrs: []xattr{{key, value}}}
		if link != "" && len(link) <= pathMax && !strings.Contains(link, "\x00") {
			e.typ, e.link, e.size, data = typeSymlink, link, 0, ""
		}
		var b bytes.Buffer
		w := newWriter(&b)
		if err := w.entry(e); err != nil {
			return // attributes too large
		}
		_, err = io.WriteString(w, data)
		require.NoError(t, err)
		require.NoError(t, w.close())
		es, got, err := readAll(b.Bytes())
		require.NoError(t, err)
		require.Len(t, es, 1)
		require.True(t, e.mtime.Equal(es[0].mtime), "%v %v", e.mtime, es[0].mtime)
		es[0].mtime = e.mtime
		require.Equal(t, e, es[0])
		require.Equal(t, data, got[0])
		compareWithStandard(t, b.Bytes())
	})
}
