package main

import "strings"

// skips are the reasons for which a test may be skipped in the guest: a part of
// what the test says, and what it means here. Whatever else is skipped fails.
var skips = []struct {
	text string
	why  string
	user bool // for the ordinary user only
}{
	{text: "needs root", why: "needs root", user: true},
	{text: "needs the go command", why: "needs the sources of x/sys, which are not in the guest"},
	{text: "needs Linux 6.2", why: "the guest has Linux 6.1"},
	{text: "needs Linux 6.7", why: "the guest has Linux 6.1"},
	{text: "needs cgroup v1", why: "the guest has cgroup v2 alone"},
	{text: "CORACLE_IMAGES names no folder", why: "needs images that are not in the tree"},
	{text: "this machine gives CAP_SYS_RESOURCE", why: "the guest has no limit that root cannot raise"},
	{text: "qemu-aarch64-static", why: "emulates another processor: make test does it"},
}

// expected says what a skip with this output means, if it is in the list.
func expected(uid int, output string) (why string, ok bool) {
	for _, s := range skips {
		if strings.Contains(output, s.text) && (!s.user || uid != 0) {
			return s.why, true
		}
	}
	return "", false
}
