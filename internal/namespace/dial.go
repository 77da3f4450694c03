package namespace

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/netip"

	"github.com/coraclehq/coracle/internal/sys"
)

// Dial connects to an address inside network namespace ns, as net.Dialer does.
// The host is an IP address, "localhost", or empty for the same: names are not
// resolved, since the resolver would ask from the program's own namespace. Networks
// are tcp, udp with or without 4 or 6, and unix for abstract sockets ("@name"): a
// path would be looked up in the program's own files. What cannot be dialled so wraps fs.ErrInvalid.
func Dial(ctx context.Context, ns *sys.FD, network, address string) (net.Conn, error) {
	targets, err := targets(network, address)
	if err != nil {
		return nil, fmt.Errorf("dial %.20s %.300q: %w", network, address, err)
	}
	var conn net.Conn
	err = Do(ns, func() error {
		var err error
		for _, t := range targets {
			// With one numeric address Dialer makes the socket in this goroutine;
			// with several it would race them in goroutines of its own.
			if conn, err = new(net.Dialer).DialContext(ctx, network, t); err == nil {
				break
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// targets turns an address into numeric ones, to be tried in order.
func targets(network, address string) ([]string, error) {
	switch network {
	case "unix", "unixpacket", "unixgram":
		if len(address) < 2 || address[0] != '@' {
			return nil, fmt.Errorf("a socket that is no abstract one: %w", fs.ErrInvalid)
		}
		return []string{address}, nil
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return nil, fmt.Errorf("unknown network: %w", fs.ErrInvalid)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, fs.ErrInvalid)
	}
	if host == "" || host == "localhost" {
		switch network[3:] {
		case "4":
			return []string{"127.0.0.1:" + port}, nil
		case "6":
			return []string{"[::1]:" + port}, nil
		}
		return []string{"127.0.0.1:" + port, "[::1]:" + port}, nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return nil, fmt.Errorf("host is no IP address: %w", fs.ErrInvalid)
	}
	return []string{address}, nil
}
