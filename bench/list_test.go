package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/script"
)

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// helperFile is an ELF file with a program as its second segment.
func helperFile(t *testing.T, b *script.Builder) []byte {
	t.Helper()
	p, err := b.Link()
	require.NoError(t, err)
	const header, segment, at = 64, 56, 4096
	f := make([]byte, at)
	le := binary.LittleEndian
	copy(f, "\x7fELF\x02\x01\x01")
	le.PutUint16(f[16:], 2)
	le.PutUint16(f[18:], 62)
	le.PutUint32(f[20:], 1)
	le.PutUint64(f[32:], header)
	le.PutUint16(f[52:], header)
	le.PutUint16(f[54:], segment)
	le.PutUint16(f[56:], 2)
	for i, s := range [][4]uint64{{0, 0x400000, at, at}, {at, p.Entry(), uint64(len(p.Image())), uint64(p.Memory())}} {
		h := f[header+i*segment:]
		le.PutUint32(h, 1)
		for j, v := range []uint64{s[0], s[1], s[1], s[2], s[3], 4096} {
			le.PutUint64(h[8+8*j:], v)
		}
	}
	return append(f, p.Image()...)
}

// small is a helper that clones a process, which joins a cgroup, mounts and execs.
func small() *script.Builder {
	b := script.New(script.AMD64, script.Base)
	fd := b.Cell("fd", 0)
	b.Op(script.Setsid)
	b.Op(script.Clone, script.Num(0x20020000|17), script.Num(0), script.Num(0)).IfPositive("supervisor")
	b.Op(script.Close, script.FD{N: 20, Name: "alive"})
	b.Op(script.Write, script.FD{N: 21, Name: "cgroup"}, script.Str("0"), script.Num(1))
	b.Op(script.Openat, script.CWD, script.Str("/store/containers/"+testID), script.Num(0)).Into(fd)
	b.Op(script.Close, script.Load{From: fd})
	b.Op(script.Mount, script.Str("overlay"), script.Str("/"), script.Str("overlay"), script.Num(0), script.Str("lowerdir=layers/abc123/fs"))
	b.Op(script.Dup3, script.FD{N: 22, Name: "stdout"}, script.Num(1), script.Num(0))
	b.Op(script.Execve, script.Str("/bin/true"), script.Strings{"/bin/true"}, script.Strings{}).AllowAny()
	b.Op(script.Sendmsg, script.FD{N: 23, Name: "status"}, script.Num(0), script.Num(0)).AllowAny()
	b.Op(script.Execve, script.Str("/bin/true"), script.Strings{"/bin/true"}, script.Strings{})
	b.Op(script.ExitGroup, script.Num(127))
	b.Label("supervisor")
	b.Op(script.Close, script.FD{N: 22, Name: "stdout"})
	b.Op(script.ExitGroup, script.Num(0))
	return b
}

func TestList(t *testing.T) {
	t.Parallel()
	n, err := numbersOf("amd64")
	require.NoError(t, err)
	l, err := readList(bytes.NewReader(helperFile(t, small())), n, testID, "/store", "/limit", false)
	require.NoError(t, err)

	assert.EqualValues(t, 0x20020000, l.flags)
	assert.Equal(t, "abc123", l.layer)
	assert.Equal(t, 1, l.closed, "the close of the alive lock")
	require.Len(t, l.ids, 1)
	assert.True(t, bytes.HasPrefix(l.image[l.ids[0]:], []byte(testID)))
	assert.Contains(t, string(l.image), "/limit/containers/"+testID)
	assert.NotContains(t, string(l.image), "/store")
	var roles strings.Builder
	for _, h := range l.fds {
		roles.WriteByte(h.role)
	}
	assert.Equal(t, "gox", roles.String(), "cgroup, output, status; not what an op opens, not the supervisor's")
	assert.Equal(t, pseudo, int(l.op(int(l.entry-l.base)).nr()), "the list begins with the close that is left out")
	assert.Len(t, strings.Split(strings.TrimSpace(l.plan(0, "4096", []group{{dir: "/sys/fs/cgroup/pids/x", pids: true}})), "\n"), 4)
}

func TestListRefuses(t *testing.T) {
	t.Parallel()
	n, err := numbersOf("amd64")
	require.NoError(t, err)
	_, err = numbersOf("vax")
	require.Error(t, err)

	unknown := script.New(script.AMD64, script.Base)
	unknown.Op(script.Clone, script.Num(17), script.Num(0), script.Num(0))
	unknown.Op(script.Fchdir, script.FD{N: 30, Name: "store"})
	unknown.Op(script.Execve, script.Str("/bin/true"), script.Strings{}, script.Strings{})
	noClone := script.New(script.AMD64, script.Base)
	noClone.Op(script.Execve, script.Str("/bin/true"), script.Strings{}, script.Strings{})
	whole := helperFile(t, small())
	for name, file := range map[string][]byte{
		"empty": nil, "no ELF file": []byte("#!/bin/sh\n"), "cut off": whole[:4200],
		"a descriptor with no role": helperFile(t, unknown), "no clone": helperFile(t, noClone),
	} {
		_, err := readList(bytes.NewReader(file), n, testID, "/store", "/limit", false)
		assert.Error(t, err, name)
	}
	_, err = readList(bytes.NewReader(whole), n, testID, "/store", "/elsewhere", false)
	assert.Error(t, err, "a directory of another length")
}

func FuzzList(f *testing.F) {
	n, _ := numbersOf("amd64")
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, file []byte) {
		readList(bytes.NewReader(file), n, testID, "/store", "/limit", true)
	})
}
