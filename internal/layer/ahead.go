package layer

import (
	"io"
	"sync"
)

const (
	aheadSize  = 256 << 10
	aheadCount = 6
)

// ahead reads a stream in a goroutine of its own, some buffers in advance, so that
// decompression overlaps with what is done with the bytes.
type ahead struct {
	src  io.ReadCloser
	full chan chunk
	free chan []byte
	stop chan struct{}
	wg   sync.WaitGroup
	once sync.Once
	cur  chunk
	rest []byte
}

// chunk is a buffer and what ended it.
type chunk struct {
	buf []byte
	err error
}

// readAhead starts to read src. Close stops it, waits, and closes src.
func readAhead(src io.ReadCloser) io.ReadCloser {
	a := &ahead{
		src:  src,
		full: make(chan chunk, aheadCount),
		free: make(chan []byte, aheadCount),
		stop: make(chan struct{}),
	}
	for range aheadCount {
		a.free <- nil // made when first needed: most layers are small
	}
	a.wg.Go(a.run)
	return a
}

func (a *ahead) run() {
	defer close(a.full)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			return
		}
		if buf == nil {
			buf = make([]byte, aheadSize)
		}
		n, err := fill(a.src, buf[:aheadSize])
		select {
		case a.full <- chunk{buf[:n], err}:
		case <-a.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// fill is io.ReadFull that keeps what came before an error, and the error as it is.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.buf != nil {
			a.free <- a.cur.buf[:0]
		}
		c, ok := <-a.full
		if !ok {
			c.err = io.ErrClosedPipe
		}
		a.cur, a.rest = c, c.buf
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

func (a *ahead) Close() (err error) {
	a.once.Do(func() {
		close(a.stop)
		a.wg.Wait()
		err = a.src.Close()
	})
	return err
}
