package monitor

import (
	"context"
	"io"

	"github.com/coraclehq/coracle/internal/sys"
)

// Type serves the input side of a terminal whose output somebody else reads:
// Stdin is typed into it and Resize followed, until ctx ends. It returns at once
// and duplicates master. A Stdin whose Read blocks holds its goroutine until it
// returns.
func Type(ctx context.Context, master *sys.FD, streams IO) error {
	copied, err := master.Dup()
	if err != nil {
		return err
	}
	typing := newStream(copied)
	context.AfterFunc(ctx, func() { typing.Close() })
	if streams.Stdin != nil {
		go io.Copy(typing.f, streams.Stdin) // ends with Stdin, or when typing is closed
	}
	if streams.Resize == nil {
		return nil
	}
	sizes, err := master.Dup()
	if err != nil {
		return err
	}
	go func() {
		defer sizes.Close()
		for {
			select {
			case s, ok := <-streams.Resize:
				if !ok {
					return
				}
				sizes.SetWinsize(sys.Winsize{Row: s.Height, Col: s.Width}) // the terminal may be gone
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}
