//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// What keyctl(2) is asked for.
const (
	addKey, keyctl      = syscall.SYS_ADD_KEY, syscall.SYS_KEYCTL
	joinSession, search = 1, 10 // of keyctl
	sessionKeyring      = ^uintptr(2)
)

func bytePtr(s string) *byte {
	p, err := syscall.BytePtrFromString(s)
	check(err)
	return p
}

// calls makes system calls, each "number:argument:...", and reports their errors,
// 0 for none.
func calls(args []string) {
	var errnos []int
	for _, call := range args {
		var n [7]uintptr
		for i, text := range strings.Split(call, ":") {
			v, err := strconv.ParseUint(text, 0, 64)
			check(err)
			n[i] = uintptr(v)
		}
		_, _, e := syscall.RawSyscall6(n[0], n[1], n[2], n[3], n[4], n[5], n[6])
		errnos = append(errnos, int(e))
	}
	report(errnos)
}

// sockets opens a socket of every family and reports the errors of those that
// could not be had in any type, by family; 0: it could.
func sockets() {
	found := map[int]int{}
	for family := range 47 {
		for _, kind := range []int{syscall.SOCK_STREAM, syscall.SOCK_DGRAM, syscall.SOCK_RAW, syscall.SOCK_SEQPACKET} {
			fd, err := syscall.Socket(family, kind, 0)
			if err == nil {
				syscall.Close(fd)
				found[family] = 0
				break
			}
			e, _ := err.(syscall.Errno)
			if before, ok := found[family]; !ok || e != syscall.ESOCKTNOSUPPORT && before != int(syscall.EPERM) {
				found[family] = int(e)
			}
		}
	}
	report(found)
}

// keyring puts a key into a session keyring of its own and goes on as another
// program.
func keyring(args []string) {
	if _, _, e := syscall.RawSyscall(keyctl, joinSession, 0, 0); e != 0 {
		check(e)
	}
	payload := bytePtr("secret")
	_, _, e := syscall.RawSyscall6(addKey, uintptr(unsafe.Pointer(bytePtr("user"))), uintptr(unsafe.Pointer(bytePtr("coracle-canary"))), uintptr(unsafe.Pointer(payload)), 6, sessionKeyring, 0)
	if e != 0 {
		check(e)
	}
	check(syscall.Exec(args[0], args, os.Environ()))
}

// key looks for that key.
func key() {
	_, _, e := syscall.RawSyscall6(keyctl, search, sessionKeyring, uintptr(unsafe.Pointer(bytePtr("user"))), uintptr(unsafe.Pointer(bytePtr("coracle-canary"))), 0, 0)
	if e == 0 {
		fmt.Println("found")
		return
	}
	fmt.Println(e.Error())
}
