package cred

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/testenv"
)

// program makes an ELF program of one PT_INTERP segment, for Linux.
func program(m elf.Machine, c elf.Class, interpreter string) []byte {
	var b bytes.Buffer
	ident := [elf.EI_NIDENT]byte{0: '\x7f', 1: 'E', 2: 'L', 3: 'F', elf.EI_CLASS: byte(c), elf.EI_DATA: byte(elf.ELFDATA2LSB), elf.EI_VERSION: 1}
	name := []byte(interpreter + "\x00")
	count := uint16(1)
	kind := elf.PT_INTERP
	if interpreter == "" {
		kind = elf.PT_NOTE
	}
	w := func(v any) { binary.Write(&b, binary.LittleEndian, v) }
	if c == elf.ELFCLASS32 {
		w(elf.Header32{Ident: ident, Type: uint16(elf.ET_EXEC), Machine: uint16(m), Version: 1, Phoff: 52, Ehsize: 52, Phentsize: 32, Phnum: count})
		w(elf.Prog32{Type: uint32(kind), Off: 84, Filesz: uint32(len(name)), Memsz: uint32(len(name))})
	} else {
		w(elf.Header64{Ident: ident, Type: uint16(elf.ET_DYN), Machine: uint16(m), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: count})
		w(elf.Prog64{Type: uint32(kind), Off: 120, Filesz: uint64(len(name)), Memsz: uint64(len(name))})
	}
	b.Write(name)
	return b.Bytes()
}

// native and foreign are this machine and another one.
func native() elf.Machine {
	if sys.HostArch() == sys.ARM64 {
		return elf.EM_AARCH64
	}
	return elf.EM_X86_64
}

func foreign() (elf.Machine, string) {
	if sys.HostArch() == sys.ARM64 {
		return elf.EM_X86_64, "amd64"
	}
	return elf.EM_AARCH64, "arm64"
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	other, otherName := foreign()
	host := string(sys.HostArch())
	loader := program(native(), elf.ELFCLASS64, "")
	type files map[string]string
	for _, tt := range []struct {
		name  string
		files files // executable, unless the name ends in "-"; "->x" is a link to x
		try   []string
		errno syscall.Errno
		want  string
		as    syscall.Errno
	}{
		{"not there", nil, []string{"/app"}, sys.ENOENT, "exec /app: it is not in the image", sys.ENOENT},
		{"nowhere in PATH", nil, []string{"/usr/bin/app", "/bin/app"}, sys.ENOENT, "exec app: not found in /usr/bin:/bin", sys.ENOENT},
		{"directory", files{"/app/x": ""}, []string{"/app"}, sys.EACCES, "exec /app: it is a directory", sys.EACCES},
		{"directory found first", files{"/bin/app/x": ""}, []string{"/bin/app", "/sbin/app"}, sys.ENOENT, "exec /bin/app: it is a directory", sys.EACCES},
		{"not executable", files{"/app-": "x"}, []string{"/app-"}, sys.EACCES, "exec /app-: it is not executable (mode 0644)", sys.EACCES},
		{"through a file", files{"/app": "x"}, []string{"/app/x"}, sys.ENOTDIR, "exec /app/x: a directory on its way is none", sys.ENOTDIR},
		{"dangling link", files{"/app": "->/opt/app"}, []string{"/app"}, sys.ENOENT, "exec /app: it is a link to /opt/app, which is not in the image", sys.ENOENT},
		{"link to the outside", files{"/app": "->/../../../../../../proc/self/exe"}, []string{"/app"}, sys.ENOENT, "it is a link to", sys.ENOENT},
		{"link to nothing executable", files{"/app": "->/data-", "/data-": "x"}, []string{"/app"}, sys.EACCES, "exec /app: it is not executable (mode 0644)", sys.EACCES},

		{"script", files{"/app": "#!/bin/bash\n"}, []string{"/app"}, sys.ENOENT, "exec /app: its interpreter /bin/bash is not in the image", sys.ENOENT},
		{"script with an argument", files{"/app": "#! \t/usr/bin/env bash\n"}, []string{"/app"}, sys.ENOENT, "its interpreter /usr/bin/env is not in the image", sys.ENOENT},
		{"script without an end", files{"/app": "#!/bin/sh"}, []string{"/app"}, sys.ENOENT, "its interpreter /bin/sh is not in the image", sys.ENOENT},
		{"script of Windows", files{"/app": "#!/bin/sh\r\n", "/bin/sh": string(loader)}, []string{"/app"}, sys.ENOENT,
			`its interpreter "/bin/sh\r" is not in the image (the line ends with a carriage return)`, sys.ENOENT},
		{"script naming nothing", files{"/app": "#! \nx"}, []string{"/app"}, sys.ENOEXEC, "its first line names no interpreter", sys.ENOEXEC},
		{"script with a long name", files{"/app": "#!/" + strings.Repeat("x", 300)}, []string{"/app"}, sys.ENOEXEC, "its first line is longer than 256 bytes", sys.ENOEXEC},
		{"script with a hostile name", files{"/app": "#!/\x1b[2J\"\n"}, []string{"/app"}, sys.ENOENT, `its interpreter "/\x1b[2J\"" is not in the image`, sys.ENOENT},
		{"interpreter not executable", files{"/app": "#!/sh-\n", "/sh-": "x"}, []string{"/app"}, sys.EACCES, "exec /app: its interpreter /sh- is not executable (mode 0644)", sys.EACCES},
		{"interpreter is a directory", files{"/app": "#!/lib\n", "/lib/x": ""}, []string{"/app"}, sys.EACCES, "exec /app: its interpreter /lib is a directory", sys.EACCES},
		{"interpreter of the interpreter", files{"/app": "#!/a\n", "/a": "#!/b\n"}, []string{"/app"}, sys.ENOENT, "exec /app: its interpreter /b is not in the image", sys.ENOENT},
		{"interpreter of itself", files{"/app": "#!/app\n"}, []string{"/app"}, sys.ELOOP, "exec /app: interpreters of interpreters are nested too deep", sys.ELOOP},
		{"loader of the interpreter", files{"/app": "#!/sh\n", "/sh": string(program(native(), elf.ELFCLASS64, "/lib/ld.so"))}, []string{"/app"}, sys.ENOENT,
			"exec /app: its loader /lib/ld.so is not in the image", sys.ENOENT},
		{"interpreter for another machine", files{"/app": "#!/sh\n", "/sh": string(program(other, elf.ELFCLASS64, ""))}, []string{"/app"}, sys.ENOEXEC,
			"exec /app: its interpreter /sh is a program for " + otherName, sys.ENOEXEC},

		{"loader", files{"/app": string(program(native(), elf.ELFCLASS64, "/lib64/ld-linux-x86-64.so.2"))}, []string{"/app"}, sys.ENOENT,
			"exec /app: its loader /lib64/ld-linux-x86-64.so.2 is not in the image", sys.ENOENT},
		{"another machine", files{"/app": string(program(other, elf.ELFCLASS64, "/lib/ld.so"))}, []string{"/app"}, sys.ENOEXEC,
			"exec /app: it is a program for " + otherName + ", and this machine is " + host, sys.ENOEXEC},
		{"machine without a name", files{"/app": string(program(elf.EM_SPARC, elf.ELFCLASS64, ""))}, []string{"/app"}, sys.ENOEXEC, "it is a program for machine 2,", sys.ENOEXEC},
		{"loader for another machine", files{"/app": string(program(native(), elf.ELFCLASS64, "/ld.so")), "/ld.so": string(program(other, elf.ELFCLASS64, ""))},
			[]string{"/app"}, sys.ENOEXEC, "exec /app: its loader /ld.so is a program for " + otherName, sys.ENOEXEC},
		{"object file", files{"/app": strings.Replace(string(loader), "\x03\x00", "\x01\x00", 1)}, []string{"/app"}, sys.ENOEXEC, "it is an object file, not a program", sys.ENOEXEC},
		{"cut off", files{"/app": string(loader[:60])}, []string{"/app"}, sys.ENOEXEC, "exec /app: it is cut off", sys.ENOEXEC},
		{"headers cut off", files{"/app": string(loader[:100])}, []string{"/app"}, sys.ENOEXEC, "exec /app: it is cut off", sys.ENOEXEC},

		{"empty", files{"/app": ""}, []string{"/app"}, sys.ENOEXEC, "exec /app: it is empty", sys.ENOEXEC},
		{"text", files{"/app": "echo hello\n"}, []string{"/app"}, sys.ENOEXEC, "it is neither a program nor a script that begins with #!", sys.ENOEXEC},
		{"nothing to be seen", files{"/app": string(loader)}, []string{"/app"}, sys.EACCES, "exec /app: permission denied", sys.EACCES},
		{"the first that is there", files{"/b/app": "#!/sh\n", "/c/app": "#!/zsh\n"}, []string{"/a/app", "/b/app", "/c/app"}, sys.ENOENT,
			"exec /b/app: its interpreter /sh is not in the image", sys.ENOENT},
		{"relative", files{"/app": "#!/sh\n"}, []string{"./app"}, sys.ENOENT, "exec ./app: its interpreter /sh is not in the image", sys.ENOENT},
		{"long argument", nil, []string{"/app"}, sys.E2BIG, "longer than 128 KiB", sys.E2BIG},
		{"open for writing", files{"/app": string(loader)}, []string{"/app"}, sys.ETXTBSY, "open for writing", sys.ETXTBSY},
		{"no memory", files{"/app": "x"}, []string{"/app"}, sys.ENOMEM, "cannot allocate memory", sys.ENOMEM},
		{"no program", nil, nil, sys.ENOENT, "no such file", sys.ENOENT},
		{"hostile name", nil, []string{"/a\n\x1b"}, sys.ENOENT, `exec "/a\n\x1b": it is not in the image`, sys.ENOENT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, root := image(t)
			for name, text := range tt.files {
				p := filepath.Join(dir, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
				if target, ok := strings.CutPrefix(text, "->"); ok {
					require.NoError(t, os.Symlink(target, p))
					continue
				}
				mode := os.FileMode(0o755)
				if strings.HasSuffix(name, "-") {
					mode = 0o644
				}
				require.NoError(t, os.WriteFile(p, []byte(text), mode))
				require.NoError(t, os.Chmod(p, mode))
			}
			err := Diagnose(root, tt.try, tt.errno)
			require.ErrorContains(t, err, tt.want)
			require.ErrorIs(t, err, tt.as)
			var why *ExecError
			require.ErrorAs(t, err, &why)
		})
	}
}

// What stands in the way of a program can be anything.
func TestDiagnoseDoesNotWait(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	dir, root := image(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o755))
	require.NoError(t, syscall.Mknod(filepath.Join(dir, "zero"), syscall.S_IFCHR|0o755, 1<<8|5))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script"), []byte("#!/fifo\n"), 0o755))
	big := filepath.Join(dir, "big")
	require.NoError(t, os.WriteFile(big, nil, 0o755))
	require.NoError(t, os.Truncate(big, 1<<40))

	for name, want := range map[string]string{
		"/fifo":   "exec /fifo: it is a FIFO",
		"/zero":   "exec /zero: it is a device",
		"/script": "exec /script: its interpreter /fifo is a FIFO",
		"/big":    "it is neither a program nor a script",
	} {
		require.ErrorContains(t, Diagnose(root, []string{name}, sys.EACCES), want)
	}
}

// What Diagnose says agrees with what the kernel does, on the machine's own
// kernel: execve in a chroot of the same files.
func TestDiagnoseAgreesWithTheKernel(t *testing.T) {
	t.Parallel()
	testenv.Root(t)
	other, _ := foreign()
	for name, text := range map[string]string{
		"script":         "#!/bin/bash\n",
		"of Windows":     "#!/bin/sh\r\n",
		"long line":      "#!/" + strings.Repeat("x", 300),
		"names nothing":  "#!\n",
		"of itself":      "#!/app\n",
		"loader":         string(program(native(), elf.ELFCLASS64, "/lib/ld.so")),
		"other machine":  string(program(other, elf.ELFCLASS64, "")),
		"cut off":        string(program(native(), elf.ELFCLASS64, "")[:60]),
		"empty":          "",
		"text":           "echo\n",
		"odd headers":    strings.Replace(string(program(native(), elf.ELFCLASS64, "")), "\x38\x00\x01\x00", "\x38\x00\x00\x00", 1),
		"loader unnamed": string(program(native(), elf.ELFCLASS64, "\x00")[:121]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, root := image(t)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "app"), []byte(text), 0o755))
			cmd := exec.Command("/app")
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir}
			cmd.Dir = "/"
			err := cmd.Run()
			var errno syscall.Errno
			require.True(t, errors.As(err, &errno), "%v", err)
			why := Diagnose(root, []string{"/app"}, errno)
			var e *ExecError
			require.ErrorAs(t, why, &e)
			assert.Equal(t, errno, e.Err, "%v", why)
			assert.NotEmpty(t, e.Reason)
		})
	}
}
