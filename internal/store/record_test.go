package store

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	id := NewID()
	for _, text := range []string{
		`{"version":1,"id":"` + id + `","created":"2026-11-01T00:00:00Z"}`,
		`{"version":1,"id":"` + id + `","created":"2026-11-01T00:00:00Z","z":null,"ä\"":[1,{"x":2}]}`,
	} {
		var r Record
		require.NoError(t, json.Unmarshal([]byte(text), &r))
		out, err := json.Marshal(r)
		require.NoError(t, err)
		assert.JSONEq(t, text, string(out))
	}
	var st State
	require.NoError(t, json.Unmarshal([]byte(`{"x":1}`), &st))
	out, err := json.Marshal(st)
	require.NoError(t, err)
	assert.JSONEq(t, `{"started":"0001-01-01T00:00:00Z","pid":0,"x":1}`, string(out))
}
