package testenv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"github.com/coraclehq/coracle/internal/sys"
)

// Numbers of netlink(7) and linux/netfilter/nf_tables.h.
const (
	nlmsgError = 2
	nlmsgDone  = 3

	nlmRequest = 0x1
	nlmAck     = 0x4
	nlmDump    = 0x300
	nlmCreate  = 0x400

	nfnlSubsysNFTables = 10
	nftNewTable        = 0
	nftGetTable        = 1
	nftaTableName      = 1
)

// nftTables lists the nftables tables of the calling thread's network namespace.
func nftTables() ([]item, error) {
	s, err := sys.Socket(sys.AF_NETLINK, sys.SOCK_RAW, sys.NETLINK_NETFILTER)
	if errors.Is(err, sys.EPROTONOSUPPORT) || errors.Is(err, sys.EAFNOSUPPORT) {
		return nil, nil // no nftables in this kernel
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if _, err := s.Write(nftMessage(nftGetTable, nlmRequest|nlmDump, 0, nil)); err != nil {
		return nil, err
	}
	var items []item
	buf := make([]byte, 64<<10)
	for {
		n, err := s.Read(buf)
		if err != nil {
			return nil, err
		}
		tables, done, err := parseTables(buf[:n])
		if errors.Is(err, sys.EPERM) {
			return nil, nil // an ordinary user sees none, and makes none
		}
		if err != nil {
			return nil, fmt.Errorf("list nftables: %w", err)
		}
		items = append(items, tables...)
		if done {
			return items, nil
		}
	}
}

// nftMessage is one message to nfnetlink, header, family and attributes.
func nftMessage(op, flags uint16, family byte, attrs []byte) []byte {
	n := binary.NativeEndian
	b := make([]byte, 20, 20+len(attrs))
	n.PutUint32(b, uint32(20+len(attrs)))
	n.PutUint16(b[4:], nfnlSubsysNFTables<<8|op)
	n.PutUint16(b[6:], flags)
	b[16] = family
	return append(b, attrs...)
}

// parseTables reads an answer to nftGetTable, and says whether it was the last.
func parseTables(b []byte) (items []item, done bool, err error) {
	n := binary.NativeEndian
	for len(b) >= 16 {
		size, kind := int(n.Uint32(b)), n.Uint16(b[4:])
		if size < 16 || size > len(b) {
			return nil, false, fmt.Errorf("message of %d bytes in %d", size, len(b))
		}
		body := b[16:size]
		b = b[min(len(b), (size+3)&^3):]
		switch {
		case kind == nlmsgDone:
			return items, true, nil
		case kind == nlmsgError && len(body) >= 4:
			if e := -int32(n.Uint32(body)); e != 0 {
				return nil, true, syscall.Errno(e)
			}
			return items, true, nil
		case kind == nfnlSubsysNFTables<<8|nftNewTable && len(body) >= 4:
			items = append(items, newItem(NFTTable, "", "%d %s", body[0], tableName(body[4:])))
		}
	}
	return items, false, nil
}

func tableName(attrs []byte) string {
	n := binary.NativeEndian
	for len(attrs) >= 4 {
		size, kind := int(n.Uint16(attrs)), n.Uint16(attrs[2:])
		if size < 4 || size > len(attrs) {
			break
		}
		if kind == nftaTableName {
			name, _, _ := bytes.Cut(attrs[4:size], []byte{0})
			return string(name)
		}
		attrs = attrs[min(len(attrs), (size+3)&^3):]
	}
	return "?"
}
