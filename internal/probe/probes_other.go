//go:build !linux

package probe

import "github.com/coraclehq/coracle/internal/sys"

// Root returns sys.ErrNotLinux.
func Root() error { return sys.ErrNotLinux }

// ExecutableMemfd returns sys.ErrNotLinux.
func ExecutableMemfd() error { return sys.ErrNotLinux }

func probeCgroupKill() error            { return sys.ErrNotLinux }
func probeUserNamespaces() error        { return sys.ErrNotLinux }
func probeClone3() error                { return sys.ErrNotLinux }
func probeCloneIntoCgroup() error       { return sys.ErrNotLinux }
func probeCloseRange() error            { return sys.ErrNotLinux }
func probePidFD() error                 { return sys.ErrNotLinux }
func probePidFDSetns() error            { return sys.ErrNotLinux }
func probeMemfdExec() error             { return sys.ErrNotLinux }
func probeOpenat2() error               { return sys.ErrNotLinux }
func probeMountAPI() error              { return sys.ErrNotLinux }
func probeMountSetattr() error          { return sys.ErrNotLinux }
func probeIDMappedMounts() error        { return sys.ErrNotLinux }
func probeOverlay() error               { return sys.ErrNotLinux }
func probeOverlayLowerdirAppend() error { return sys.ErrNotLinux }
func probeOverlayLayerFD() error        { return sys.ErrNotLinux }
func probeTimeNamespace() error         { return sys.ErrNotLinux }
func probeCgroupNamespace() error       { return sys.ErrNotLinux }
func probeSeccompFilter() error         { return sys.ErrNotLinux }
