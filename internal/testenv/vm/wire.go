package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// What passes through the port, in this order:
//
//	agent   → host    ready   once, when the guest is up
//	wrapper → agent   job     what to run
//	wrapper → agent   data    a tar stream of its files, in pieces; an empty one ends it
//	agent   → wrapper stdout, stderr
//	agent   → wrapper exit    and the next job may come
const (
	frameReady  = 'r'
	frameJob    = 'j'
	frameData   = 'd'
	frameStdout = 'o'
	frameStderr = 'e'
	frameExit   = 'x'
)

// A job is one run of a test binary.
type job struct {
	Dir  string   // of the package, from the top of the module
	Args []string // the first is the file name of the binary in Dir
	Env  []string
	UID  int // 0, or that of the ordinary user
}

// maxFrame bounds what one end allocates at the word of the other.
const maxFrame = 1 << 20

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	head := append(make([]byte, 0, 5+len(payload)), kind)
	head = binary.BigEndian.AppendUint32(head, uint32(len(payload)))
	_, err := w.Write(append(head, payload...))
	return err
}

func readFrame(r io.Reader) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("frame %q of %d bytes", head[0], n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return head[0], payload, err
}

func writeJSON(w io.Writer, kind byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return writeFrame(w, kind, b)
}

// A frameWriter sends what is written to it as frames of one kind.
type frameWriter struct {
	w    io.Writer
	kind byte
}

func (f frameWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), 64<<10)]
		if err := writeFrame(f.w, f.kind, piece); err != nil {
			return n, err
		}
		n, p = n+len(piece), p[len(piece):]
	}
	return n, nil
}

// A frameReader is the stream in the frames of one kind, up to an empty one.
type frameReader struct {
	r    io.Reader
	kind byte
	rest []byte
	done bool
}

func (f *frameReader) Read(p []byte) (int, error) {
	for len(f.rest) == 0 {
		if f.done {
			return 0, io.EOF
		}
		kind, payload, err := readFrame(f.r)
		if err != nil {
			return 0, err
		}
		if kind != f.kind {
			return 0, fmt.Errorf("frame %q within a stream of %q", kind, f.kind)
		}
		f.rest, f.done = payload, len(payload) == 0
	}
	n := copy(p, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}
