//go:build !linux

package archive

// nonblock is nothing here: that the file is looked at before it is opened is all
// the protection against a FIFO.
const nonblock = 0
