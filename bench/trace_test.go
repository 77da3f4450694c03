package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const started = `100 execve("/bench", ["bench"], 0x7ff /* 1 vars */) = 0
101 execveat(49, "", ["coracle", "x"], 0x7f, AT_EMPTY_PATH) = 0
101 clone(child_stack=NULL, flags=CLONE_PIDFD <unfinished ...>
102 close(20) = 0
101 <... clone resumed>, parent_tid=[50]) = 102
102 mount("overlay", "/", "overlay", 0, "x") = 0
102 execve("/bin/a", ["a"], 0x7f) = -1 ENOENT (No such file or directory)
102 execve("/bin/true", ["true"], 0x7f) = 0
102 exit_group(0) = ?
102 +++ exited with 0 +++
`

const limited = `200 clone3({flags=CLONE_VM|CLONE_VFORK}, 88 <unfinished ...>
201 mount("overlay", "/", "overlay", 0, "x") = 0
201 execve("/bin/a", ["a"], 0x7f) = -1 ENOENT (No such file or directory)
201 execve("/bin/true", ["true"], 0x7f <unfinished ...>
200 <... clone3 resumed> => {pidfd=[5]}) = 201
201 <... execve resumed>) = 0
201 exit_group(0) = ?
`

func TestTraces(t *testing.T) {
	t.Parallel()
	library, err := ofLibrary(parseTrace(started), false)
	require.NoError(t, err)
	limit, err := ofLimit(parseTrace(limited))
	require.NoError(t, err)
	assert.Len(t, library, 4)
	assert.NoError(t, compareTraces(library, limit, 1))

	assert.ErrorContains(t, compareTraces(library, limit, 0), "call 0 is close")
	assert.ErrorContains(t, compareTraces(library, limit, 2), "1 of them closes")
	assert.ErrorContains(t, compareTraces(library, limit[:2], 1), "the library makes 4 calls")
	_, err = ofLimit(parseTrace(started[:60]))
	assert.Error(t, err)
	_, err = ofLibrary(parseTrace(limited), false)
	assert.Error(t, err)
}

func TestPairs(t *testing.T) {
	t.Parallel()
	r := pairs([]time.Duration{20, 40, 90}, []time.Duration{10, 10, 30})
	assert.Equal(t, ratio{median: 3, low: 3, high: 4, minima: 2}, r)
	assert.Equal(t, 2, quantile([]int{3, 1, 2}, 0.5))
	assert.Equal(t, 35, rounds(200, 32))
	assert.Equal(t, 5, rounds(1, 50))
}
