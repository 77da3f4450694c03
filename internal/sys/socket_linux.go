package sys

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Pipe makes a pipe, close-on-exec; flags may add O_NONBLOCK or O_DIRECT.
func Pipe(flags int) (r, w *FD, err error) {
	var p [2]int
	err = call("pipe2", "", func() error { return unix.Pipe2(p[:], flags|O_CLOEXEC) })
	if err != nil {
		return nil, nil, err
	}
	return NewFD(p[0], "pipe"), NewFD(p[1], "pipe"), nil
}

// SocketPair makes two connected Unix sockets of a SOCK_* type, close-on-exec;
// the type may include SOCK_NONBLOCK.
func SocketPair(typ int) (a, b *FD, err error) {
	var p [2]int
	err = call("socketpair", "", func() (err error) {
		p, err = unix.Socketpair(AF_UNIX, typ|SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return NewFD(p[0], "socketpair"), NewFD(p[1], "socketpair"), nil
}

// Socket makes a socket, close-on-exec.
func Socket(family, typ, proto int) (*FD, error) {
	return callFD("socket", "", func() (int, error) { return unix.Socket(family, typ|SOCK_CLOEXEC, proto) })
}

// ListenUnix makes a listening Unix socket name in d. The path has no limit of
// 108 bytes, and the socket is subject to the umask.
func (d *FD) ListenUnix(name string, typ, backlog int) (*FD, error) {
	s, err := Socket(AF_UNIX, typ, 0)
	if err != nil {
		return nil, err
	}
	err = call("bind", d.join(name), func() error {
		return unix.Bind(s.Int(), &unix.SockaddrUnix{Name: d.procAt(name)})
	})
	if err == nil {
		err = call("listen", d.join(name), func() error { return unix.Listen(s.Int(), backlog) })
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// ConnectUnix connects to the Unix socket name in d, blocking the thread while
// the listener's queue is full unless the type includes SOCK_NONBLOCK.
func (d *FD) ConnectUnix(name string, typ int) (*FD, error) {
	s, err := Socket(AF_UNIX, typ, 0)
	if err != nil {
		return nil, err
	}
	err = call("connect", d.join(name), func() error {
		return unix.Connect(s.Int(), &unix.SockaddrUnix{Name: d.procAt(name)})
	})
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Accept takes the next connection; flags may be SOCK_NONBLOCK.
func (d *FD) Accept(flags int) (*FD, error) {
	return callFD("accept4", d.Name(), func() (int, error) {
		n, _, err := unix.Accept4(d.Int(), flags|SOCK_CLOEXEC)
		return n, err
	})
}

// ShutdownSocket is shutdown(2) with SHUT_RD, SHUT_WR or SHUT_RDWR.
func (d *FD) ShutdownSocket(how int) error {
	return call("shutdown", d.Name(), func() error { return unix.Shutdown(d.Int(), how) })
}

// PeerCred returns the process at the other end of a connected Unix socket.
func (d *FD) PeerCred() (Ucred, error) {
	var u *unix.Ucred
	err := call("getsockopt SO_PEERCRED", d.Name(), func() (err error) {
		u, err = unix.GetsockoptUcred(d.Int(), SOL_SOCKET, SO_PEERCRED)
		return err
	})
	if err != nil {
		return Ucred{}, err
	}
	return Ucred{PID: u.Pid, UID: u.Uid, GID: u.Gid}, nil
}

// SendFDs sends one message of data, not empty, with descriptors, which stay
// open here. A peer that is gone is EPIPE, without a signal.
func (d *FD) SendFDs(data []byte, fds ...*FD) error {
	var oob []byte
	if len(fds) > 0 {
		ns := make([]int, len(fds))
		for i, f := range fds {
			ns[i] = f.Int()
		}
		oob = unix.UnixRights(ns...)
	}
	return call("sendmsg", d.Name(), func() error {
		n, err := unix.SendmsgN(d.Int(), data, oob, nil, MSG_NOSIGNAL)
		if err == nil && n < len(data) {
			return io.ErrShortWrite
		}
		return err
	})
}

// RecvFDs receives one message into data and at most max descriptors, which are
// close-on-exec and the caller's. At the end of the stream it returns io.EOF.
func (d *FD) RecvFDs(data []byte, max int) (n int, fds []*FD, err error) {
	oob := make([]byte, unix.CmsgSpace(4*max))
	var oobn, flags int
	err = call("recvmsg", d.Name(), func() (err error) {
		n, oobn, flags, _, err = unix.Recvmsg(d.Int(), data, oob, MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	fds = rights(oob[:oobn])
	// The room for descriptors is rounded up: one more may fit.
	if flags&(MSG_CTRUNC|MSG_TRUNC) != 0 || len(fds) > max {
		for _, f := range fds {
			f.Close()
		}
		return 0, nil, &os.PathError{Op: "recvmsg", Path: d.Name(), Err: ErrTruncated}
	}
	if n == 0 && len(fds) == 0 {
		return 0, nil, io.EOF
	}
	return n, fds, nil
}

// rights takes the descriptors out of control messages. The kernel wrote them:
// what cannot be parsed is nothing that was received.
func rights(oob []byte) (fds []*FD) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range msgs {
		ns, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue
		}
		for _, n := range ns {
			fds = append(fds, NewFD(n, "received"))
		}
	}
	return fds
}
