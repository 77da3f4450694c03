package coracle

import (
	"context"
	"net"

	"github.com/coraclehq/coracle/internal/namespace"
)

// Dial connects to an address inside the container's network namespace: it needs
// no network, no published port and no address of the container. The networks are
// tcp and udp, with or without 4 or 6, and unix for abstract sockets; hosts are IP
// addresses or localhost. The caller closes the connection, which ends with the
// container otherwise. A container that does not run is ErrNotRunning.
func (c *Container) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, address)
	return conn, wrap("dial", c.id, err)
}

func (c *Container) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ns, err := c.pidfd()
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	return namespace.Dial(ctx, ns, network, address)
}
