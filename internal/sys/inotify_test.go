package sys

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func FuzzParseInotify(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 'f', 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'f'})
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, e := range ParseInotify(b) {
			assert.NotContains(t, e.Name, "\x00")
			assert.LessOrEqual(t, len(e.Name), len(b))
		}
	})
}
