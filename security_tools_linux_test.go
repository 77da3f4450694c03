package coracle

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hostileTools are programs and libraries that a runtime might run or load out of an
// image in its own context. Each tells of it in the file reached.
func hostileTools(t testing.TB, reached string) func(root string) {
	library := filepath.Join(t.TempDir(), "library.so")
	source := `#include <stdio.h>
__attribute__((constructor)) static void run(void) { FILE *f = fopen("` + reached + `", "a"); if (f) { fputs("library\n", f); fclose(f); } }
`
	gcc := exec.Command("gcc", "-shared", "-fPIC", "-x", "c", "-o", library, "-")
	gcc.Stdin = strings.NewReader(source)
	if out, err := gcc.CombinedOutput(); err != nil {
		t.Logf("without libraries: %v: %s", err, out)
		library = ""
	}
	return func(root string) {
		write := func(name string, data []byte) {
			file := filepath.Join(root, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			if err := os.Remove(file); err != nil {
				require.ErrorIs(t, err, os.ErrNotExist)
			}
			require.NoError(t, os.WriteFile(file, data, 0o755))
		}
		tool := []byte("#!/bin/sh\necho \"$0\" >> " + reached + "\n")
		for _, name := range []string{
			"bin/tar", "bin/gzip", "usr/bin/unpigz", "bin/ps", "bin/top", "bin/cp", "bin/mount", "bin/umount", "sbin/ldconfig", "sbin/modprobe",
			"sbin/init", "usr/bin/nsenter", "usr/bin/newuidmap", "usr/bin/newgidmap", "usr/bin/getent", "usr/bin/id", "usr/sbin/iptables",
		} {
			write(name, tool)
		}
		write("etc/nsswitch.conf", []byte("passwd: evil files\ngroup: evil files\nhosts: evil files\n"))
		write("etc/ld.so.preload", []byte("/lib/libevil.so\n"))
		if library == "" {
			return
		}
		data, err := os.ReadFile(library)
		require.NoError(t, err)
		for _, dir := range []string{"lib", "lib64", "usr/lib", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"} {
			for _, name := range []string{"libevil.so", "libnss_evil.so.2", "libnss_files.so.2", "libnss_compat.so.2", "libnss_dns.so.2", "libc.so.6"} {
				write(filepath.Join(dir, name), data)
			}
		}
	}
}

// Nothing of an image is run or loaded by this program, whatever is done with image
// and container (CVE-2019-14271, CVE-2022-1227).
func TestNothingOfAnImageRunsOutside(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	dir := t.TempDir()
	reached := filepath.Join(dir, "reached")
	tools := hostileTools(t, reached)
	img := hostileImage(t, e, ImageConfig{User: "app:wheel"}, tools)
	ctx := t.Context()

	c := of(t, e, img, Config{Stop: Stop{Signal: "KILL"}}, "sh", "-c", "echo one > /tmp/file; echo ready; sleep 1000")
	ready := newSink("ready")
	require.NoError(t, c.Start(ctx, IO{Stdout: ready}))
	ready.wait(t)
	for _, user := range []string{"", "app", "root", "1000:wheel"} {
		outputOfExec(t, c, Cmd{Args: []string{"true"}, User: user})
	}
	_, err := c.Dial(ctx, "tcp", "localhost:1")
	require.Error(t, err)
	committed, err := c.Commit(ctx, "committed", CommitOptions{})
	require.NoError(t, err)
	for _, step := range []func() error{
		func() error { _, err := c.Status(ctx); return err },
		func() error { _, err := c.Explain(ctx); return err },
		func() error { return c.Stop(ctx) },
		func() error { return img.Tag(ctx, "tools") },
	} {
		require.NoError(t, step())
	}
	for _, err := range c.Logs(ctx, LogOptions{}) {
		require.NoError(t, err)
	}
	var archive bytes.Buffer
	require.NoError(t, committed.WriteArchive(ctx, &archive, DockerArchive))
	_, err = e.NewImage(ctx, "again", FromArchive(io.Reader(&archive)))
	require.NoError(t, err)
	output(t, of(t, e, committed, Config{}, "cat", "/tmp/file"))
	require.NoError(t, c.Remove(ctx, true))
	said, err := os.ReadFile(reached)
	require.ErrorIs(t, err, os.ErrNotExist, "%s", said)

	tree := layerTree(t, e, img)
	require.NoError(t, exec.Command(filepath.Join(tree, "bin/tar")).Run())
	said, err = os.ReadFile(reached)
	require.NoError(t, err)
	assert.Contains(t, string(said), "bin/tar", "the control")
	if _, err := os.Stat(filepath.Join(tree, "lib/libevil.so")); err == nil {
		cmd := exec.Command("/bin/true")
		cmd.Env = []string{"LD_PRELOAD=" + filepath.Join(tree, "lib/libnss_files.so.2")}
		require.NoError(t, cmd.Run())
		said, err = os.ReadFile(reached)
		require.NoError(t, err)
		assert.Contains(t, string(said), "library", "the control")
	}
}
