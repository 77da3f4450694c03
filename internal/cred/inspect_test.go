package cred

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

// counted notes how much is read.
type counted struct {
	r       *bytes.Reader
	bytes   int
	pieces  int
	beyond  bool
	failing error
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.bytes += len(p)
	c.pieces++
	c.beyond = c.beyond || off < 0
	if c.failing != nil {
		return 0, c.failing
	}
	return c.r.ReadAt(p, off)
}

func TestInspectReportsReadErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := inspect(&counted{failing: broken})
	require.ErrorIs(t, err, broken)
}

func FuzzInspect(f *testing.F) {
	f.Add([]byte("#!/bin/sh -e\n"))
	f.Add([]byte("#!"))
	f.Add([]byte("\x7fELF"))
	f.Add(append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 200)...))
	f.Add([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x3e\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x00\x38\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
		"\x03\x00\x00\x00\x04\x00\x00\x00\x78\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x07\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00/ld.so\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &counted{r: bytes.NewReader(data)}
		is, err := inspect(c)
		require.NoError(t, err)
		require.LessOrEqual(t, c.bytes, shebangSize+maxHeaders+sys.PATH_MAX)
		require.LessOrEqual(t, c.pieces, 3)
		require.False(t, c.beyond)
		require.LessOrEqual(t, len(is.interpreter), sys.PATH_MAX)
		require.NotContains(t, is.interpreter, "\x00")
		require.False(t, is.script && is.elf)
		if is.script && is.wrong == "" {
			require.NotEmpty(t, is.interpreter)
		}
		printable(is.interpreter)
	})
}

var _ io.ReaderAt = (*counted)(nil)
