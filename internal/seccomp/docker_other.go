//go:build !linux

package seccomp

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// Docker returns Docker's default profile, which is there on Linux only.
func Docker(sys.Arch, []string) (*specs.LinuxSeccomp, error) { return nil, sys.ErrNotLinux }

func dockerRules(sys.Arch, []string) ([]specs.LinuxSyscall, error) { return nil, sys.ErrNotLinux }
