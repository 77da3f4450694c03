package cred

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// signals are the names of signal(7) by number, from 1; the same on amd64 and
// arm64.
var signals = [...]string{
	"", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
	"STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
}

// Real-time signals as a C library counts them: it keeps the first two.
const (
	rtMin = 34
	rtMax = 64
)

// ParseSignal reads a signal's number or name, as "15", "TERM", "SIGTERM" or
// "RTMIN+3". Anything else wraps fs.ErrInvalid.
func ParseSignal(s string) (int, error) {
	invalid := fmt.Errorf("signal %.50q: %w", s, fs.ErrInvalid)
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > rtMax {
			return 0, invalid
		}
		return n, nil
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	for n, known := range signals {
		if name == known && n > 0 {
			return n, nil
		}
	}
	switch name {
	case "CLD":
		return 17, nil
	case "IOT":
		return 6, nil
	case "POLL":
		return 29, nil
	}
	for prefix, base := range map[string]int{"RTMIN": rtMin, "RTMAX": rtMax} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			n, err := strconv.Atoi(rest)
			if rest == "" {
				n, err = 0, nil
			}
			if n += base; err == nil && n >= rtMin && n <= rtMax {
				return n, nil
			}
		}
	}
	return 0, invalid
}
