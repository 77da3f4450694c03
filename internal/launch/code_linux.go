//go:build linux && (amd64 || arm64)

package launch

import (
	"bytes"
	"runtime"
	"sync"
	"unsafe"

	"github.com/coraclehq/coracle/internal/script"
)

// Implemented in assembler, one file per architecture.
//
//lint:ignore U1000 only assembler jumps to it
func interp()
func interpAddress() *byte
func spawn(number, a0, a1, a2, a3, a4, header uintptr) uintptr

// code is the interpreter's machine code, up to its end mark.
var code = sync.OnceValue(func() []byte {
	const most = 1024
	text := unsafe.Slice(interpAddress(), most)
	end := bytes.Index(text, []byte("crl-end."))
	if end < 0 {
		panic("launch: the interpreter has no end mark") // a fault of this build
	}
	return text[:end]
})

// host is the architecture of this program.
func host() script.Arch {
	if runtime.GOARCH == "arm64" {
		return script.ARM64
	}
	return script.AMD64
}
