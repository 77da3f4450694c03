package layer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"
)

// fixture is an odd or hostile image of some layers above an ordinary one, and
// what becomes of it. Result and why are printed into docs/layers.md.
type fixture struct {
	name, what string
	// layers makes the layers, the lowest first. An attack goes for the canary
	// directory c, which exists outside of the image: it wants to make a file in
	// it, or to change or remove what is there.
	layers func(a func() *archive, c string) [][]byte
	// err is the refusal; with "" the layers are accepted.
	err string
	// want is what the image then has besides the ordinary layer's files; CANARY
	// stands for the canary's path, taken as one inside the image.
	want []string
	// skipped is what the layers' results record.
	skipped []string
	// control says that a naive program reaches the canary with it.
	control bool
	result  string
	why     string
}

// one is a fixture of a single layer.
func one(f func(a *archive, c string) []byte) func(func() *archive, string) [][]byte {
	return func(a func() *archive, c string) [][]byte { return [][]byte{f(a(), c)} }
}

// ordinaryLayer is the layer below each fixture.
func ordinaryLayer(t testing.TB) []byte {
	return newArchive(t).dir("bin").file("bin/sh", "#!").dir("etc").file("etc/passwd", "root:x:0:0\n").
		symlink("lib", "usr/lib").dir("usr").dir("usr/lib").file("usr/lib/libc", "c").end()
}

const pwned = "PWNED\n"

// up leads from anywhere to the root of the machine.
func up(c string) string { return strings.Repeat("../", 24) + strings.TrimPrefix(c, "/") }

func xattrs(kv ...string) map[string]string {
	m := map[string]string{}
	for ; len(kv) > 0; kv = kv[2:] {
		m[paxXattr+kv[0]] = kv[1]
	}
	return m
}

const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func fixtures() []fixture {
	all := pathFixtures()
	all = append(all, whiteoutFixtures()...)
	all = append(all, typeFixtures()...)
	all = append(all, headerFixtures()...)
	return append(all, streamFixtures()...)
}

const (
	inRoot = "links are followed inside the image, as the container will: the path is one of the image's own"
	noDots = "no packer writes `..` into a name"
)

// pathFixtures want to leave the directory.
func pathFixtures() []fixture {
	return []fixture{
		{name: "00-control", what: "an ordinary layer",
			layers: one(func(a *archive, _ string) []byte { return a.dir("d").file("d/ok", "ok").end() }),
			want:   []string{`d d`, `- d/ok "ok"`}, result: "unpacked", why: "it is ordinary"},
		{name: "01-abs-symlink-file", what: "an absolute symbolic link, then a file through it", control: true,
			layers: one(func(a *archive, c string) []byte { return a.symlink("esc", c).file("esc/pwned", pwned).end() }),
			want:   []string{`- CANARY/pwned "PWNED\n"`, `l esc -> CANARY`}, result: "contained", why: inRoot},
		{name: "02-rel-symlink-file", what: "a symbolic link with many `../`, then a file through it", control: true,
			layers: one(func(a *archive, c string) []byte { return a.symlink("esc", up(c)).file("esc/pwned", pwned).end() }),
			want:   []string{`- CANARY/pwned "PWNED\n"`, `l esc -> UP/CANARY`}, result: "contained", why: inRoot + "; above the root is the root"},
		{name: "03-dotdot-name", what: "a name with `../`", control: true,
			layers: one(func(a *archive, c string) []byte { return a.file(up(c)+"/pwned", pwned).end() }),
			err:    `the name contains ".."`, why: noDots},
		{name: "04-abs-name", what: "an absolute name", control: true,
			layers: one(func(a *archive, c string) []byte { return a.file(c+"/pwned", pwned).end() }),
			want:   []string{`- CANARY/pwned "PWNED\n"`}, result: "contained", why: "every tar drops a leading slash"},
		{name: "05-hardlink-abs", what: "a hard link to an absolute name outside, then the link overwritten", control: true,
			layers: one(func(a *archive, c string) []byte { return a.link("hl", c+"/victim").file("hl", pwned).end() }),
			err:    "which is not there", why: "the target of a hard link is a name in the image"},
		{name: "06-hardlink-dotdot", what: "a hard link to `../` outside, then overwritten", control: true,
			layers: one(func(a *archive, c string) []byte { return a.link("hl", up(c)+"/victim").file("hl", pwned).end() }),
			err:    `link target: the name contains ".."`, why: noDots},
		{name: "07-hardlink-via-symlink", what: "a symbolic link to a directory, then a hard link through it", control: true,
			layers: one(func(a *archive, c string) []byte {
				return a.symlink("s", c).link("hl", "s/victim").file("hl", pwned).end()
			}),
			err: "which is not there", why: inRoot + ", and there is no such file in it"},
		{name: "08-hardlink-to-symlink", what: "a hard link to a symbolic link that leaves, then files over both", control: true,
			layers: one(func(a *archive, c string) []byte {
				return a.symlink("s", c+"/pwned").link("hl", "s").file("hl", pwned).file("s", pwned).end()
			}),
			want: []string{`- hl "PWNED\n"`, `- s "PWNED\n"`}, result: "contained", why: "a file is made new, in place of what had its name; nothing is opened to be overwritten"},
		{name: "09-wh-via-symlink", what: "a whiteout of an outside file through a symbolic link", control: true,
			layers: one(func(a *archive, c string) []byte { return a.symlink("s", c).file("s/.wh.victim", "").end() }),
			want:   []string{`l s -> CANARY`}, result: "contained", why: "it hides a name of the image; nothing has it, so nothing is made"},
		{name: "12-opq-via-symlink", what: "an opaque mark through a symbolic link of the layer below", control: true,
			layers: func(a func() *archive, c string) [][]byte {
				return [][]byte{a().symlink("s", c).end(), a().file("s/.wh..wh..opq", "").end()}
			},
			want: []string{`l s -> CANARY`}, result: "contained", why: inRoot},
		{name: "13-cross-layer-symlink", what: "a symbolic link, a file through it in the next layer", control: true,
			layers: func(a func() *archive, c string) [][]byte {
				return [][]byte{a().symlink("s", c).end(), a().file("s/pwned", pwned).end()}
			},
			want: []string{`- CANARY/pwned "PWNED\n"`, `l s -> CANARY`}, result: "contained", why: inRoot},
		{name: "14-dir-swapped-symlink", what: "a directory, a symbolic link of the same name, a file in it", control: true,
			layers: one(func(a *archive, c string) []byte {
				return a.dir("d").file("d/a", "a").symlink("d", c).file("d/pwned", pwned).end()
			}),
			want: []string{`- CANARY/pwned "PWNED\n"`, `l d -> CANARY`}, result: "contained", why: "the last entry of a name counts; " + inRoot},
		{name: "15-root-symlink", what: "the root `./` as a symbolic link", control: true,
			layers: one(func(a *archive, c string) []byte { return a.symlink(".", c).file("pwned", pwned).end() }),
			err:    "the root of the layer is not a directory", why: "the root is a directory"},
		{name: "15b-root-device", what: "the root `./` as a device",
			layers: one(func(a *archive, _ string) []byte { return a.head("./", typeChar, "").end() }),
			err:    "the root of the layer is not a directory", why: "the root is a directory"},
		{name: "16-chmod-via-symlink", what: "a directory entry, mode 0777 and owner 1234, over a symbolic link to outside", control: true,
			layers: one(func(a *archive, c string) []byte {
				return a.symlink("s", c).add(tar.Header{Name: "s/", Typeflag: tar.TypeDir, Mode: 0o777, Uid: 1234, Gid: 1234}, "").end()
			}),
			want: []string{`d s`}, result: "contained", why: "the link is replaced by a directory; metadata is set on what was made"},
		{name: "41-proc-symlink", what: "symbolic links where an engine will mount, and one through `/proc/self/root`", control: true,
			layers: one(func(a *archive, c string) []byte {
				return a.symlink("proc", c).symlink("newdir", "/proc/self/root"+c).file("newdir/pwned", pwned).end()
			}),
			want: []string{`- CANARY/self/rootCANARY/pwned "PWNED\n"`, `l newdir -> /proc/self/rootCANARY`, `l proc -> CANARY`}, result: "contained", why: inRoot + "; the image's `/proc` is no procfs, and mounts resolve inside the root too"},
		{name: "44-symlink-dotdot-missing", what: "a symbolic link `nothere/../x`, then a file through it",
			layers: one(func(a *archive, _ string) []byte { return a.symlink("s", "nothere/../x").file("s/f", "").end() }),
			err:    `".." behind a directory`, why: "where it leads depends on what is made at `nothere` later"},
		{name: "45-usrmerge", what: "a file below `lib`, which is a symbolic link to `usr/lib` in the layer below",
			layers: one(func(a *archive, _ string) []byte { return a.file("lib/new", "n").end() }),
			want:   []string{`- usr/lib/new "n"`}, result: "unpacked", why: "the link of the lower layer is followed, and not replaced by a directory"},
	}
}

// whiteoutFixtures concern what hides lower layers.
func whiteoutFixtures() []fixture {
	const never = "after `.wh.` comes the name of an entry in this directory, and this is none"
	return []fixture{
		{name: "10-wh-dotdot", what: "a whiteout `d/.wh...` (of `..`)", control: true,
			layers: one(func(a *archive, _ string) []byte {
				return a.dir("d").file("d/keep", "k").file("d/.wh...", "").end()
			}),
			err: `a whiteout of ".."`, why: never},
		{name: "10b-wh-dotdot-root", what: "a whiteout `.wh...` at the top: the parent of the root file system", control: true,
			layers: one(func(a *archive, _ string) []byte { return a.file(".wh...", "").end() }),
			err:    `a whiteout of ".."`, why: never},
		{name: "11-wh-dot", what: "whiteouts `.wh..` (of `.`)", control: true,
			layers: one(func(a *archive, _ string) []byte { return a.dir("d").file("d/.wh..", "").file(".wh..", "").end() }),
			err:    `a whiteout of "."`, why: never},
		{name: "11b-wh-empty", what: "a whiteout `.wh.` of nothing",
			layers: one(func(a *archive, _ string) []byte { return a.dir("d").file("d/.wh.", "").end() }),
			err:    `a whiteout of ""`, why: never},
		{name: "18-char00-smuggle", what: "a character device 0:0, overlayfs' whiteout, over `/etc/passwd`",
			layers: one(func(a *archive, _ string) []byte { return a.device("etc/passwd", tar.TypeChar, 0, 0).end() }),
			err:    "a character device 0:0", why: "whiteouts are written `.wh.`; as a device it would delete a file unseen by scanners"},
		{name: "38-wh-and-file", what: "a whiteout and a file of one name in one layer, in both orders",
			layers: func(a func() *archive, _ string) [][]byte {
				return [][]byte{a().file("base1", "x").file("base2", "x").end(),
					a().file(".wh.base1", "").file("base1", "new").file("base2", "new").file(".wh.base2", "").end()}
			},
			want: []string{`- base1 "new"`, `- base2 "new"`}, result: "unpacked", why: "a whiteout is about lower layers only (image-spec), in any order"},
		{name: "38b-wh-and-dir", what: "a whiteout and a directory of one name, in both orders",
			layers: one(func(a *archive, _ string) []byte {
				return a.file(".wh.etc", "").dir("etc").file("etc/new", "n").dir("bin").file("bin/new", "n").file(".wh.bin", "").end()
			}),
			want: []string{`! bin/sh`, `! etc/passwd`, `- bin/new "n"`, `- etc/new "n"`}, result: "unpacked", why: "the directory becomes opaque: of lower layers nothing is seen in it"},
		{name: "38c-opaque-last", what: "an opaque mark behind the entries of its directory, and a whiteout beside it",
			layers: one(func(a *archive, _ string) []byte {
				return a.dir("etc").file("etc/new", "n").file("etc/.wh.passwd", "").file("etc/.wh..wh..opq", "").end()
			}),
			want: []string{`! etc/passwd`, `- etc/new "n"`}, result: "unpacked", why: "in any order; the whiteout has nothing left to hide and is not made, for overlayfs would list it"},
		{name: "38d-opaque-root", what: "an opaque mark at the top",
			layers: one(func(a *archive, _ string) []byte { return a.file("new", "n").dir("etc").file(".wh..wh..opq", "").end() }),
			want:   []string{`! bin`, `! bin/sh`, `! etc/passwd`, `! lib`, `! usr`, `! usr/lib`, `! usr/lib/libc`, `- new "n"`}, result: "unpacked",
			why: "overlayfs does not heed the mark on a root: a whiteout is made for each name of the lower layers"},
		{name: "38e-wh-hardlink", what: "a whiteout that is a hard link to another, as AUFS wrote them",
			layers: one(func(a *archive, _ string) []byte {
				return a.file("etc/.wh.passwd", "").link("bin/.wh.sh", "etc/.wh.passwd").end()
			}),
			want: []string{`! bin/sh`, `! etc/passwd`}, result: "unpacked", why: "old images have them"},
		{name: "38f-wh-of-nothing", what: "a whiteout of a name that no lower layer has",
			layers: one(func(a *archive, _ string) []byte {
				return a.dir("d").file("d/.wh.nothing", "").file(".wh.neither", "").end()
			}),
			want: []string{`d d`}, result: "unpacked, not made", why: "overlayfs would list a name that cannot be looked at"},
		{name: "39-wh-nested-wh", what: "a file below `.wh.dir/`",
			layers: one(func(a *archive, _ string) []byte { return a.file(".wh.dir/x", "x").end() }),
			err:    "a directory of the name is a whiteout", why: "names starting in `.wh.` are reserved; what it hides cannot have contents"},
		{name: "39b-aufs", what: "AUFS's `.wh..wh.foo`, `.wh..wh.plnk/x`",
			layers: one(func(a *archive, _ string) []byte {
				return a.file(".wh..wh.foo", "").dir(".wh..wh.plnk").file(".wh..wh.plnk/x", "x").file("ok", "").end()
			}),
			want: []string{`- ok ""`}, skipped: []string{".wh..wh.foo: a file of AUFS", ".wh..wh.plnk: a file of AUFS", ".wh..wh.plnk/x: a file of AUFS"},
			result: "left out, recorded", why: "bookkeeping of another file system"},
		{name: "39c-wh-directory", what: "a whiteout that is a directory",
			layers: one(func(a *archive, _ string) []byte { return a.dir(".wh.etc").end() }),
			err:    "a whiteout that is not a file", why: "a whiteout is an empty file (image-spec)"},
		{name: "39d-link-to-whiteout", what: "a hard link to a whiteout, to have a whiteout of another name",
			layers: one(func(a *archive, _ string) []byte {
				return a.file("etc/.wh.passwd", "").link("bin/sh", "etc/.wh.passwd").end()
			}),
			err: "a hard link to a whiteout", why: "only a `.wh.` name makes one"},
		{name: "39e-link-to-hidden", what: "a hard link to a name that this layer hides",
			layers: one(func(a *archive, _ string) []byte {
				return a.file("etc/.wh.passwd", "").link("copy", "etc/passwd").end()
			}),
			want: []string{`! etc/passwd`, `- copy "root:x:0:0\n"`}, result: "unpacked", why: "the whiteout on disk is not the target, the lower layer's file is"},
	}
}

// typeFixtures have entries of odd types, or of one name after another.
func typeFixtures() []fixture {
	return []fixture{
		{name: "17-devnodes", what: "devices 1:3, 10:229 (fuse) and a disk, mode 0666, and a hard link to one",
			layers: one(func(a *archive, _ string) []byte {
				return a.dir("dev").device("dev/null", tar.TypeChar, 1, 3).device("dev/fuse", tar.TypeChar, 10, 229).
					device("dev/vda", tar.TypeBlock, 254, 0).link("dev/vdb", "dev/vda").end()
			}),
			want:    []string{`d dev`},
			skipped: []string{"dev/fuse: a device", "dev/null: a device", "dev/vda: a device", "dev/vdb: a link to a device"},
			result:  "left out, recorded", why: "containers get their devices from the engine; `Devices` makes them"},
		{name: "19-xattr-overlay", what: "`trusted.overlay.{opaque,redirect,metacopy}`, `user.overlay.opaque`, and `security.capability`",
			layers: one(func(a *archive, _ string) []byte {
				return a.add(tar.Header{Name: "etc/", Typeflag: tar.TypeDir, PAXRecords: xattrs("trusted.overlay.opaque", "y",
					"trusted.overlay.redirect", "/../../tmp", "user.overlay.opaque", "y", "user.containers.override_stat", "0:0:0755")}, "").
					add(tar.Header{Name: "meta", PAXRecords: xattrs("trusted.overlay.metacopy", "", "trusted.overlay.redirect", "/etc/shadow", "user.ok", "1")}, "m").
					add(tar.Header{Name: "ping", Mode: 0o755, PAXRecords: xattrs(xattrCapability, netRaw)}, "c").end()
			}),
			want: []string{`- meta "m" user.ok="1"`, `- ping "c" security.capability="\x01\x00\x00\x02\x00 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"`},
			skipped: []string{`etc: the attribute "trusted.overlay.opaque"`, `etc: the attribute "trusted.overlay.redirect"`,
				`etc: the attribute "user.containers.override_stat"`, `etc: the attribute "user.overlay.opaque"`, `meta: the attribute "trusted.overlay.metacopy"`, `meta: the attribute "trusted.overlay.redirect"`},
			result: "those of overlayfs dropped and recorded, the others kept", why: "`redirect` makes overlayfs show any directory of a lower layer, `override_stat` is obeyed by fuse-overlayfs"},
		{name: "19b-capability-rootid", what: "`security.capability` of revision 3 with a root ID, and a torn one",
			layers: one(func(a *archive, _ string) []byte {
				return a.add(tar.Header{Name: "a", PAXRecords: xattrs(xattrCapability, netRaw[:3]+"\x03"+netRaw[4:]+"\xe8\x03\x00\x00")}, "").
					add(tar.Header{Name: "b", PAXRecords: xattrs(xattrCapability, "\x01\x02")}, "").
					add(tar.Header{Name: "c", PAXRecords: xattrs(xattrCapability, netRaw[:3]+"\x03"+netRaw[4:]+"\x00\x00\x00\x00")}, "").end()
			}),
			want:    []string{`- a ""`, `- b ""`, `- c "" security.capability="\x01\x00\x00\x02\x00 \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"`},
			skipped: []string{`a: the attribute "security.capability"`, `b: the attribute "security.capability"`},
			result:  "dropped and recorded; with root ID 0 kept as revision 2", why: "the number is a user of this machine, who would own the privilege"},
		{name: "20-xattr-bogus-ns", what: "an attribute of an unknown namespace, a damaged `system.posix_acl_access`, `security.selinux`",
			layers: one(func(a *archive, _ string) []byte {
				return a.add(tar.Header{Name: "x", PAXRecords: xattrs("bogus.name", "1", "system.posix_acl_access", "junk", "security.selinux", "unconfined_u")}, "x").end()
			}),
			want: []string{`- x "x"`}, skipped: []string{`x: the attribute "bogus.name"`, `x: the attribute "security.selinux"`, `x: the attribute "system.posix_acl_access"`},
			result: "dropped and recorded", why: "not on the list of what passes (`user.*`, `security.capability`)"},
		{name: "30-fifo-then-file", what: "a fifo, then a file of the same name",
			layers: one(func(a *archive, _ string) []byte { return a.fifo("p").file("p", "now a file").end() }),
			want:   []string{`- p "now a file"`}, result: "unpacked", why: "the fifo is replaced, not opened: nothing waits"},
		{name: "31-fifo-cross-layer", what: "a fifo, in the next layer a file of the same name",
			layers: func(a func() *archive, _ string) [][]byte {
				return [][]byte{a().fifo("p").end(), a().file("p", "now a file").end()}
			},
			want: []string{`- p "now a file"`}, result: "unpacked", why: "each layer has a directory of its own"},
		{name: "32-symlink-loop", what: "`a -> b`, `b -> a`, then `a/x`",
			layers: one(func(a *archive, _ string) []byte { return a.symlink("a", "b").symlink("b", "a").file("a/x", "x").end() }),
			err:    "more than 40 symbolic links", why: "as the kernel does"},
		{name: "33-file-as-dir", what: "a file `f`, then `f/x`",
			layers: one(func(a *archive, _ string) []byte { return a.file("f", "f").file("f/x", "x").end() }),
			err:    `"f" in the path is not a directory`, why: "one of both would be lost"},
		{name: "33b-lower-file-as-dir", what: "`bin/sh/x`, where `bin/sh` is a file of the layer below",
			layers: one(func(a *archive, _ string) []byte { return a.file("bin/sh/x", "x").end() }),
			err:    "not a directory", why: "as within one layer"},
		{name: "34-dup-entries", what: "a file three times; a directory, a file and a directory of one name",
			layers: one(func(a *archive, _ string) []byte {
				return a.file("f", "one").file("f", "two").file("f", "three").dir("g").file("g/x", "x").file("g", "file").dir("g").end()
			}),
			want: []string{`- f "three"`, `d g`}, result: "the last one counts", why: "as every tar does"},
		{name: "34b-dir-over-file-over-lower", what: "a file, then a directory, in place of a lower layer's directory",
			layers: one(func(a *archive, _ string) []byte { return a.file("etc", "file").dir("etc").file("etc/new", "n").end() }),
			want:   []string{`! etc/passwd`, `- etc/new "n"`}, result: "unpacked", why: "the file had removed the lower directory: the new one shows nothing of it"},
		{name: "35-unknown-type", what: "types `Z`, `V`",
			layers: one(func(a *archive, _ string) []byte {
				return a.head("zz", 'Z', "").head("vol", 'V', "").file("after", "x").end()
			}),
			err: "unknown type 'Z'", why: "POSIX says a regular file, others skip it: no two agree"},
		{name: "36-hardlink-missing", what: "a hard link to nothing",
			layers: one(func(a *archive, _ string) []byte { return a.link("h1", "nope").end() }),
			err:    `a hard link to "nope", which is not there`, why: "the layer is incomplete"},
		{name: "36b-hardlink-dir", what: "a hard link to a directory",
			layers: one(func(a *archive, _ string) []byte { return a.dir("dd").link("h2", "dd").end() }),
			err:    "a hard link to a directory", why: "there is no such thing"},
		{name: "36c-hardlink-self", what: "a hard link to itself",
			layers: one(func(a *archive, _ string) []byte { return a.file("h3", "").link("h3", "h3").end() }),
			err:    "a hard link to itself", why: "there is nothing to link to"},
		{name: "36d-hardlink-lower", what: "a hard link to a file of the layer below",
			layers: one(func(a *archive, _ string) []byte { return a.link("copy", "etc/passwd").end() }),
			want:   []string{`- copy "root:x:0:0\n"`, `- etc/passwd = copy`}, result: "unpacked", why: "the file is copied up, as overlayfs does, and has both names"},
	}
}

// headerFixtures have odd numbers and names.
func headerFixtures() []fixture {
	return []fixture{
		{name: "21-long-names", what: "a component of 300 bytes",
			layers: one(func(a *archive, _ string) []byte { return a.file(strings.Repeat("n", 300), "x").end() }),
			err:    "longer than 255 bytes", why: "no file system of Linux has it"},
		{name: "21b-long-path", what: "a path of 5000 bytes",
			layers: one(func(a *archive, _ string) []byte { return a.file(strings.Repeat("p/", 2500)+"f", "x").end() }),
			err:    "longer than 4095 bytes", why: "no program could open it"},
		{name: "22-deep-4000", what: "4000 directories in each other by one entry",
			layers: one(func(a *archive, _ string) []byte { return a.dir(strings.Repeat("a/", 3999) + "a").end() }),
			err:    "longer than 4095 bytes", why: "no program could open it"},
		{name: "22b-deep-2000", what: "2000 directories in each other",
			layers: one(func(a *archive, _ string) []byte { return a.dir(strings.Repeat("a/", 1999) + "a").end() }),
			err:    "exceeds the limit Depth of 256", why: "the limit `Depth`"},
		{name: "23-newline-esc-name", what: "names with a newline, an escape sequence, invalid UTF-8",
			layers: one(func(a *archive, _ string) []byte {
				return a.head("a\nlevel=fatal msg=forged", typeReg, "x").head("b\x1b[2Jc", typeReg, "x").head("c\xff\xfe", typeReg, "x").end()
			}),
			want:   []string{`- "a\nlevel=fatal msg=forged" "x"`, `- "b\x1b[2Jc" "x"`, `- "c\xff\xfe" "x"`},
			result: "unpacked", why: "names are bytes; errors and logs print them quoted"},
		{name: "24-nul-pax-path", what: "a PAX path with a NUL byte",
			layers: one(func(a *archive, _ string) []byte {
				return a.pax(paxPath, "ok\x00/../../x").head("short", typeReg, "x").end()
			}),
			err: "contains a NUL byte", why: "a C program sees another name"},
		{name: "25-negative-size", what: "a negative size",
			layers: one(func(a *archive, _ string) []byte { return a.head("neg", typeReg, "", base256Size(-256)).end() }),
			err:    "the size is negative", why: "there is no such file"},
		{name: "26-huge-size-truncated", what: "a size of 2^62, and nothing behind it",
			layers: one(func(a *archive, _ string) []byte { return a.head("huge", typeReg, "", base256Size(1<<62)).end() }),
			err:    "exceeds the limit Size", why: "the limit `Size`, before anything is made"},
		{name: "26b-truncated", what: "a size of 1 GiB, and nothing behind it",
			layers: one(func(a *archive, _ string) []byte { return a.head("cut", typeReg, "", octalSize(1<<30)).end() }),
			err:    "truncated", why: "the file is not all there; no disk was taken for it"},
		{name: "27-pax-size-mismatch", what: "size 0 in the header, 1024 in its PAX record; the contents are a header themselves",
			layers: one(func(a *archive, _ string) []byte {
				return a.pax(paxSize, "1024").head("a", typeReg, "").head("smuggled", typeReg, "").raw(make([]byte, 512)).end()
			}),
			err: "the header says size 0, its PAX record 1024", why: "two parsers see two archives (CVE-2025-62518)"},
		{name: "28-sparse-2g", what: "a sparse file of 2 GiB in 1 KiB",
			layers: one(func(a *archive, _ string) []byte {
				return a.pax(paxSparseMajor, "1", paxSparseMinor, "0", paxSparseName, "sp", paxSparseReal, "2147483648").
					head("GNUSparseFile.0/sp", typeReg, pad("1\n0\n512\n")+strings.Repeat("S", 512)).end()
			}),
			want: []string{`- sp (2147483648 bytes)`}, result: "unpacked as a hole", why: "it takes one block; the limit `Size` counts it"},
		{name: "29-sparse-8e", what: "a sparse file of 2^63-1 bytes",
			layers: one(func(a *archive, _ string) []byte {
				return a.pax(paxSparseMajor, "1", paxSparseMinor, "0", paxSparseName, "sp8", paxSparseReal, "9223372036854775807").
					head("GNUSparseFile.0/sp8", typeReg, pad("0\n")).end()
			}),
			err: "exceeds the limit Size", why: "the limit `Size`"},
		{name: "37-no-eof", what: "an archive cut inside a file",
			layers: one(func(a *archive, _ string) []byte {
				return append(a.head("t", typeReg, "", octalSize(4096)).cut(), bytes.Repeat([]byte("t"), 1000)...)
			}),
			err: "the archive is truncated", why: "it is"},
		{name: "37b-no-end-mark", what: "an archive without the two blocks of zeros",
			layers: one(func(a *archive, _ string) []byte { return a.file("f", "x").cut() }),
			err:    "without an end mark", why: "it may have been cut between two entries; where a diffID is checked, which would tell, `AllowMissingEnd` accepts it"},
		{name: "40-setuid-world", what: "set-user-ID root, a world-writable directory, owner 4294967294",
			layers: one(func(a *archive, _ string) []byte {
				return a.add(tar.Header{Name: "su", Mode: 0o4755}, "x").add(tar.Header{Name: "bigid", Uid: 1<<32 - 2, Gid: 1<<32 - 2}, "x").
					add(tar.Header{Name: "ww/", Typeflag: tar.TypeDir, Mode: 0o1777}, "").end()
			}),
			want: []string{`- bigid "x"`, `- su "x"`, `d ww`}, result: "unpacked", why: "images have them; the container's own settings decide what they can do"},
		{name: "40b-uid-minus-one", what: "owner 4294967295",
			layers: one(func(a *archive, _ string) []byte { return a.add(tar.Header{Name: "x", Uid: 1<<32 - 1}, "").end() }),
			err:    "uid 4294967295 is not between", why: "to chown(2) it means \"leave as it is\": the file would be root's"},
		{name: "46-global-header", what: "a global PAX header that sets the path of all entries",
			layers: one(func(a *archive, _ string) []byte {
				return a.paxType(typePAXGlobal, paxPath, "etc/shadow").file("f", "x").end()
			}),
			err: "a global header sets", why: "tars obey it, engines do not; a comment, as git writes, is ignored"},
	}
}

// streamFixtures are about what lies around the archive.
func streamFixtures() []fixture {
	return []fixture{
		{name: "42-gzip-multi-trailing", what: "two gzip members, then garbage",
			layers: one(func(a *archive, _ string) []byte {
				return append(append(zip(a.file("visible", "v").end()), zip(newArchive(a.t).file("hidden", "h").end())...), "TRAILING GARBAGE"...)
			}),
			err: "has something behind it", why: "members are one stream (RFC 1952), garbage is not part of it"},
		{name: "42b-gzip-multi", what: "two gzip members, the second behind the archive's end mark",
			layers: one(func(a *archive, _ string) []byte {
				return append(zip(a.file("visible", "v").end()), zip(newArchive(a.t).file("hidden", "h").end())...)
			}),
			want: []string{`- visible "v"`}, result: "unpacked, the second archive ignored", why: "what follows the end mark is hashed into the diffID and is nothing else"},
		{name: "43-gzip-bomb-1g", what: "1 GiB of zeros in 1 MiB of gzip",
			layers: one(func(a *archive, _ string) []byte { return zeroBomb(a, 1<<30) }),
			err:    "exceeds the limit Ratio of 200", why: "the limit `Ratio`; what came before it became a hole"},
		{name: "43b-zeros", what: "50 MiB of zeros",
			layers: one(func(a *archive, _ string) []byte { return zeroBomb(a, 50<<20) }),
			want:   []string{fmt.Sprintf(`- bomb (52428800 bytes, %x)`, zeroSum(50<<20))}, result: "unpacked as a hole", why: "files of zeros are ordinary, and cost nothing"},
	}
}

func zip(b []byte) []byte {
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	_, _ = w.Write(b)
	_ = w.Close()
	return z.Bytes()
}

// zeroBomb is a file of zeros, in gzip members of 1 MiB.
func zeroBomb(a *archive, size int) []byte {
	z := zip(a.head("bomb", typeReg, "", octalSize(int64(size))).cut())
	mib := zip(make([]byte, 1<<20))
	for range size >> 20 {
		z = append(z, mib...)
	}
	return append(z, zip(make([]byte, 1024))...)
}

func zeroSum(n int) uint64 { return sum(make([]byte, n)) }
