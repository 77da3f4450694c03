package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// threads carry out commands at once, each on a thread in a mount namespace of its
// own: what is mounted for a container is seen by its runtime alone, and when the
// program is killed nothing stays mounted.
type threads struct {
	unified bool // cgroup v2 is mounted over /sys/fs/cgroup
	jobs    chan func()
	n       int
}

// grow has n threads.
func (t *threads) grow(n int) error {
	if t.jobs == nil {
		t.jobs = make(chan func())
	}
	for ; t.n < n; t.n++ {
		ready := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			err := t.separate()
			ready <- err
			if err != nil {
				return
			}
			for job := range t.jobs {
				job()
			}
		}()
		if err := <-ready; err != nil {
			return fmt.Errorf("a mount namespace for the runtimes: %w", err)
		}
	}
	return nil
}

func (t *threads) separate() error {
	if err := syscall.Unshare(syscall.CLONE_FS | syscall.CLONE_NEWNS); err != nil {
		return err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	if t.unified {
		return syscall.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	}
	return nil
}

// atOnce runs a function n times at once. What each returns is called when all are
// done, on the same thread.
func (t *threads) atOnce(n int, f func(i int) (after func(), err error)) (answer, error) {
	if err := t.grow(n); err != nil {
		return answer{}, err
	}
	a := answer{Ended: make([]int64, n)}
	errs := make([]error, n)
	var working, tidying sync.WaitGroup
	working.Add(n)
	tidying.Add(n)
	begin := time.Now()
	for i := range n {
		t.jobs <- func() {
			defer tidying.Done()
			var after func()
			after, errs[i] = f(i)
			a.Ended[i] = int64(time.Since(begin))
			working.Done()
			working.Wait()
			after()
		}
	}
	tidying.Wait()
	return a, errors.Join(errs...)
}

// close ends the threads.
func (t *threads) close() {
	if t.jobs != nil {
		close(t.jobs)
	}
}
