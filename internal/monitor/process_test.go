//go:build linux

package monitor

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/launch"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/supervisor"
)

func TestSpawnTrue(t *testing.T) {
	var l launch.Launcher
	defer l.Close()
	p, err := Spawn(context.Background(), Start{Launcher: &l, Name: "test", Supervisor: supervisor.Options{
		Attached: true,
		Body: func(b *script.Builder) error {
			b.Op(script.Execve, script.Str("/bin/true"), script.Strings{"true"}, script.Strings{})
			return nil
		},
	}})
	require.NoError(t, err)
	e, err := p.Wait(context.Background())
	require.NoError(t, err)
	require.Equal(t, 0, e.Code)
	<-p.Gone()
}

func TestSpawnFails(t *testing.T) {
	var l launch.Launcher
	defer l.Close()
	_, err := Spawn(context.Background(), Start{Launcher: &l, Name: "test", Supervisor: supervisor.Options{
		Attached: true,
		Body: func(b *script.Builder) error {
			b.Op(script.Execve, script.Str("/bin/nothing"), script.Strings{"true"}, script.Strings{}).Doing("run nothing")
			return nil
		},
	}})
	require.ErrorContains(t, err, "run nothing: no such file")
}
