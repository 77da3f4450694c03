package cred

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSignal(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{
		"1": 1, "15": 15, "64": 64, "TERM": 15, "SIGTERM": 15, "sigterm": 15, "kill": 9, "SIGWINCH": 28, "SYS": 31, "SIGCLD": 17,
		"IOT": 6, "POLL": 29, "RTMIN": 34, "SIGRTMIN+3": 37, "RTMAX": 64, "RTMAX-14": 50,
	} {
		got, err := ParseSignal(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "0", "-1", "65", "SIG", "SIGSIGTERM", "TERM ", "NOSUCH", "RTMIN-1", "RTMAX+1", "RTMIN+31", "9999999999999999999", "15\n"} {
		_, err := ParseSignal(s)
		require.ErrorIs(t, err, fs.ErrInvalid, s)
	}
}
