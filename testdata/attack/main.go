//go:build linux

// Command attack is what hostile images run in the tests of the root package, and
// the naive host programs that the tests hold their attacks against. It is static.
// What it does until its input ends it reports as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

func main() {
	runtime.LockOSThread() // setns and the keyring are a thread's
	name, args := "", []string(nil)
	if len(os.Args) > 1 {
		name, args = os.Args[1], os.Args[2:]
	}
	switch name {
	case "exes":
		exes()
	case "links":
		links(args[0])
	case "swap":
		swap(args)
	case "call":
		calls(args)
	case "sockets":
		sockets()
	case "masks":
		masks(args)
	case "keyring":
		keyring(args)
	case "key":
		key()
	case "join":
		join(args[0], args[1])
	case "hold":
		io.Copy(io.Discard, os.Stdin)
	case "chroot":
		chroot(args)
	default:
		fmt.Println("the host's program runs:", os.Args)
	}
}

// until is false once the input has ended.
func until() func() bool {
	var stop atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop.Store(true)
	}()
	fmt.Println("ready")
	return func() bool { return !stop.Load() }
}

func report(v any) { check(json.NewEncoder(os.Stdout).Encode(v)) }

func check(err error) {
	if err != nil {
		fmt.Println("attack:", err)
		os.Exit(1)
	}
}

// outcome is an error as a word.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err.Error()
		}
		err = u.Unwrap()
	}
}

// others yields the numbers of the processes that are not this one.
func others(yield func(string)) {
	dir, err := os.Open("/proc")
	check(err)
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && pid != os.Getpid() {
			yield("/proc/" + n)
		}
	}
}

// own says whether a file is the one that its name leads to in here.
func own(file, name string) bool {
	a, err := os.Stat(file)
	b, err2 := os.Stat(name)
	return err == nil && err2 == nil && os.SameFile(a, b)
}

// swap exchanges names, given in pairs, until the input ends. Pairs that cannot be,
// such as mount points, are left alone.
func swap(names []string) {
	const exchange, atFDCWD = 2, ^uintptr(99)
	n, more := 0, until()
	for more() {
		for i := 0; i+1 < len(names); i += 2 {
			a, b := bytePtr(names[i]), bytePtr(names[i+1])
			_, _, e := syscall.Syscall6(renameat2, atFDCWD, uintptr(unsafe.Pointer(a)), atFDCWD, uintptr(unsafe.Pointer(b)), exchange, 0)
			if e == 0 {
				n++
			}
		}
	}
	report(n)
}

// masks tells what a reader and a writer meet at each path.
func masks(paths []string) {
	found := map[string]string{}
	for _, p := range paths {
		found[p] = mask(p)
	}
	report(found)
}

func mask(p string) string {
	st, err := os.Stat(p)
	if err != nil {
		return outcome(err)
	}
	if st.IsDir() {
		list, err := os.ReadDir(p)
		made := os.Mkdir(p+"/new", 0o755)
		return fmt.Sprintf("directory of %d %s, make in it: %s", len(list), outcome(err), outcome(made))
	}
	if f, err := os.OpenFile(p, os.O_WRONLY, 0); err == nil {
		f.WriteString("coracle")
		f.Close()
	}
	data, err := os.ReadFile(p)
	return fmt.Sprintf("file of %d %s", len(data), outcome(err))
}

// join has a process of this program in the pid namespace of another, as a runtime
// does that joins with its own binary. It holds dir open.
func join(pid, dir string) {
	ns, err := os.Open("/proc/" + pid + "/ns/pid")
	check(err)
	held, err := os.Open(dir)
	check(err)
	_, _, e := syscall.RawSyscall(setns, ns.Fd(), 0, 0)
	if e != 0 {
		check(e)
	}
	p, err := os.StartProcess("/proc/self/exe", []string{"attack", "hold"}, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, held}})
	check(err)
	_, err = p.Wait()
	check(err)
}

// chroot goes to a directory as a runtime would that works with names, in a mount
// namespace of its own: then it executes a file there, or lists what the working
// directory "cwd:NAME" leads to.
func chroot(args []string) {
	root, what := args[0], args[1]
	check(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	check(syscall.Mount("proc", root+"/proc", "proc", 0, ""))
	check(syscall.Chroot(root))
	if dir, ok := strings.CutPrefix(what, "cwd:"); ok {
		check(os.Chdir(dir))
		list, err := os.ReadDir(".")
		check(err)
		fmt.Println(list)
		return
	}
	check(os.Chdir("/"))
	check(syscall.Exec(what, []string{what}, nil))
}
