//go:build !linux

package compile

import (
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/sys"
)

// Probe knows nothing on other systems.
func Probe() Kernel { return Kernel{} }

// MaskedHere finds nothing on other systems.
func MaskedHere() []string { return nil }

// Look is not possible on other systems.
func Look(*specs.Spec, Kernel) (map[string]Source, error) { return nil, sys.ErrNotLinux }
