package sys

import "golang.org/x/sys/unix"

// LinkUp turns on the network interface of that name ("lo") in the network
// namespace of the calling thread.
func LinkUp(name string) error {
	s, err := Socket(AF_INET, SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer s.Close()
	req, err := unix.NewIfreq(name)
	if err != nil {
		return named("ioctl SIOCSIFFLAGS", name, err)
	}
	if err := ifreq(s, SIOCGIFFLAGS, "ioctl SIOCGIFFLAGS", req); err != nil {
		return err
	}
	req.SetUint16(req.Uint16() | IFF_UP)
	return ifreq(s, SIOCSIFFLAGS, "ioctl SIOCSIFFLAGS", req)
}

func ifreq(s *FD, op uint, opName string, req *unix.Ifreq) error {
	return call(opName, req.Name(), func() error { return unix.IoctlIfreq(s.Int(), op, req) })
}
