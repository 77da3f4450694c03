package coracle

import (
	"context"

	"github.com/coraclehq/coracle/internal/compile"
	"github.com/coraclehq/coracle/internal/monitor"
	"github.com/coraclehq/coracle/internal/script"
	"github.com/coraclehq/coracle/internal/sys"
)

// output connects what the process reads and writes: with the caller and the log
// by this program, or with the log alone by the supervisor, which also works when
// this program is gone.
func (s *starting) output(io IO) func(context.Context) error {
	return func(context.Context) error {
		if s.dry {
			return s.pumpedBySupervisor(nil)
		}
		log, err := s.lock.Dir.Open("log", sys.O_WRONLY|sys.O_CREAT|sys.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		if s.spec.Process.Terminal {
			s.spec.Process.ConsoleSize = io.size()
		}
		if io.none() {
			return s.pumpedBySupervisor(log)
		}
		if s.config.Detach {
			return s.followed(io, log)
		}
		limit, files := s.config.Log.bounds()
		w, err := monitor.NewLogWriter(s.lock.Dir, log, limit, files)
		if err != nil {
			return err
		}
		if s.io, err = monitor.Connect(s.spec.Process.Terminal, io.monitor(), w); err != nil {
			return err
		}
		return s.connected(&s.in.FDs)
	}
}

// followed lets the supervisor pump what a detached container writes, since it goes
// on when this program is gone, and the caller read it from the log. Input ends with
// this program.
func (s *starting) followed(io IO, log *sys.FD) (err error) {
	s.follow = &io
	if err := s.pumpedBySupervisor(log); err != nil || s.spec.Process.Terminal || io.Stdin == nil {
		return err
	}
	if s.io, err = monitor.Connect(false, monitor.IO{Stdin: io.Stdin}, nil); err != nil {
		return err
	}
	return s.connected(&s.in.FDs)
}

// connected gives the process its ends of the connection.
func (s *starting) connected(fds *compile.FDs) error {
	for i, fd := range s.io.Child {
		if fd != nil {
			if err := s.stdio(fds, i, fd); err != nil {
				return err
			}
		}
	}
	if s.io.Terminal != nil {
		return s.terminal(fds, s.io.Terminal)
	}
	return nil
}

// pumpedBySupervisor gives the supervisor the log and the other ends of the
// process's pipes or terminal.
func (s *starting) pumpedBySupervisor(log *sys.FD) (err error) {
	if s.dry {
		s.sup.Log = dryFD(3, "log")
	} else if s.sup.Log, s.sup.LogSize, err = s.openLog(log); err != nil {
		return err
	}
	s.sup.LogLimit, s.sup.LogFiles = s.config.Log.bounds()
	if s.spec.Process.Terminal {
		ours, theirs, err := sys.SocketPair(sys.SOCK_SEQPACKET)
		if err != nil {
			return err
		}
		s.owned = append(s.owned, theirs)
		if s.sup.Terminal, err = s.inherit(ours, "terminal of the supervisor"); err != nil {
			return err
		}
		return s.terminal(&s.in.FDs, theirs)
	}
	for i, to := range []*script.FD{&s.sup.Stdout, &s.sup.Stderr} {
		r, w, err := sys.Pipe(0)
		if err != nil {
			return err
		}
		s.owned = append(s.owned, w)
		if *to, err = s.inherit(r, "pipe"); err != nil {
			return err
		}
		if err := s.stdio(&s.in.FDs, i+1, w); err != nil {
			return err
		}
	}
	return nil
}

func (s *starting) openLog(log *sys.FD) (script.FD, int64, error) {
	fd, err := s.inherit(log, "log")
	if err != nil {
		return fd, 0, err
	}
	size, err := monitor.MendLog(log)
	return fd, size, err
}

// stdio gives the process a pipe's end, which becomes its user's.
func (s *starting) stdio(fds *compile.FDs, i int, fd *sys.FD) (err error) {
	fds.Stdio[i], err = s.lend(fd, [...]string{"stdin", "stdout", "stderr"}[i])
	fds.Give[i] = true
	s.sup.ChildOnly = append(s.sup.ChildOnly, fds.Stdio[i])
	return err
}

// terminal gives the process the socket over which it sends its terminal.
func (s *starting) terminal(fds *compile.FDs, fd *sys.FD) (err error) {
	fds.Terminal, err = s.lend(fd, "terminal")
	s.sup.ChildOnly = append(s.sup.ChildOnly, fds.Terminal)
	return err
}
