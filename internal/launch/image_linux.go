//go:build linux && (amd64 || arm64)

package launch

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// image makes the helper's file: a fresh one for every start, so that whatever a
// container does to its own does not reach another's.
func (l *Launcher) image(o Options) (*sys.FD, error) {
	front := elf(host(), code(), o.Program)
	if !l.noMemfdRun.Load() {
		fd, err := memoryImage(front, o.Program.Image())
		if !errors.Is(err, syscall.EACCES) {
			return fd, err
		}
		// EACCES: vm.memfd_noexec is 2. See memfd_create(2); 105ff5339f49
		// ("mm/memfd: add MFD_NOEXEC_SEAL and MFD_EXEC"), Linux 6.3.
		l.noMemfdRun.Store(true)
	}
	if o.Dir == nil {
		return nil, fmt.Errorf("make the helper: vm.memfd_noexec is 2, and there is no directory for a file: %w", syscall.EACCES)
	}
	return fileImage(o.Dir, front, o.Program.Image())
}

// memoryImage writes the helper to a memory file and seals it against every
// change: what enters the container cannot be written to (CVE-2019-5736).
func memoryImage(front, program []byte) (*sys.FD, error) {
	const flags = sys.MFD_CLOEXEC | sys.MFD_ALLOW_SEALING
	fd, err := sys.MemfdCreate("coracle", flags|sys.MFD_EXEC)
	if errors.Is(err, syscall.EINVAL) { // before Linux 6.3 every one can be run
		fd, err = sys.MemfdCreate("coracle", flags)
	}
	if err != nil {
		return nil, err
	}
	if err = errors.Join(writeAll(fd, front, program), fd.Seal(sys.F_SEAL_SEAL|sys.F_SEAL_SHRINK|sys.F_SEAL_GROW|sys.F_SEAL_WRITE)); err != nil {
		return nil, errors.Join(err, fd.Close())
	}
	return fd, nil
}

// fileImage writes the helper to a file without a name. A file that is open for
// writing cannot be run (ETXTBSY), so it is opened again.
func fileImage(dir *sys.FD, front, program []byte) (*sys.FD, error) {
	w, err := dir.Open(".", sys.O_TMPFILE|sys.O_RDWR, 0o500)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := writeAll(w, front, program); err != nil {
		return nil, err
	}
	return w.Reopen(sys.O_RDONLY)
}

func writeAll(fd *sys.FD, parts ...[]byte) error {
	for _, p := range parts {
		for len(p) > 0 {
			n, err := fd.Write(p)
			if err != nil {
				return err
			}
			p = p[n:]
		}
	}
	return nil
}
