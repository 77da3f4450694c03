package archive

import "syscall"

// nonblock makes the opening of a FIFO return at once.
const nonblock = syscall.O_NONBLOCK
