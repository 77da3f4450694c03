package coracle

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is not there is ErrNotFound, and what cannot be had is unsupported.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	ctx := t.Context()
	for _, name := range []string{"nosuch", "nosuch:tag", "sha256:" + strings.Repeat("0", 64), "0123456789ab", "host"} {
		_, err := e.Image(ctx, name)
		require.ErrorIs(t, err, ErrNotFound, name)
		require.EqualError(t, err, "image "+name+": "+err.(*Error).Err.Error())
		_, err = e.Container(ctx, name)
		assert.Error(t, err, name)
	}
	_, err := e.NewImage(ctx, "nosuch", nil)
	var unsupported *UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	_, err = e.Create(ctx, nil, Config{})
	require.ErrorIs(t, err, ErrInvalid)
	img := hostileImage(t, e, ImageConfig{}, nil)
	_, err = e.Create(ctx, img, Config{})
	require.ErrorIs(t, err, ErrInvalid, "no program")
	for _, name := range []string{"../x", "a/b", "-a", "a\x00", strings.Repeat("a", 129), "."} {
		_, err := e.Create(ctx, img, Config{Name: name, Cmd: Cmd{Args: []string{"true"}}})
		require.ErrorIs(t, err, ErrInvalid, "%q", name)
	}
	require.NoError(t, img.Remove(ctx, true))
	_, err = e.Create(ctx, img, Config{Cmd: Cmd{Args: []string{"true"}}})
	require.ErrorIs(t, err, ErrNotFound)
	assert.Empty(t, entries(t, filepath.Join(e.store.Path(), "containers")))
}

// A program that cannot be executed is a *StartError which says what is missing or
// wrong, in run and in exec; nothing of the attempt is left.
func TestProgramsThatCannotBeExecuted(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	canary := canaryDir(t)
	foreign := append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00\x01\x00\x00\x00"), make([]byte, 200)...) // RISC-V
	img := hostileImage(t, e, ImageConfig{}, func(root string) {
		for name, text := range map[string]string{
			"script": "#!/bin/nosuch -x\n", "windows": "#!/bin/sh\r\n", "foreign": string(foreign), "empty": "", "text": "just text\n",
			"canary": "#!" + canary + "/file\n", "nested": "#!/script\n",
		} {
			require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o755))
		}
		require.NoError(t, os.WriteFile(filepath.Join(root, "plain"), []byte("#!/bin/sh\n"), 0o644))
		require.NoError(t, os.Symlink(canary+"/file", filepath.Join(root, "link")))
	})
	running := of(t, e, img, Config{}, "sleep", "1000")
	require.NoError(t, running.Start(t.Context(), IO{}))
	long := strings.Repeat("x", 200<<10)
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"nosuch"}, 127, "exec nosuch: not found in "},
		{[]string{"/bin/nosuch"}, 127, "exec /bin/nosuch: it is not in the image"},
		{[]string{"./nosuch"}, 127, "nosuch: it is not in the image"},
		{[]string{"/script"}, 127, "exec /script: its interpreter /bin/nosuch is not in the image"},
		{[]string{"/windows"}, 127, "carriage return"},
		{[]string{"/canary"}, 127, "its interpreter " + canary + "/file is not in the image"},
		{[]string{"/link"}, 127, "it is a link to " + canary + "/file, which is not in the image"},
		{[]string{"/foreign"}, 126, "it is a program for "},
		{[]string{"/plain"}, 126, "it is not executable (mode 0644)"},
		{[]string{"/etc"}, 126, "it is a directory"},
		{[]string{"/etc/passwd/x"}, 126, "a directory on its way is none"},
		{[]string{"/text"}, 126, "exec format error"},
		{[]string{"/empty"}, 126, "exec /empty: "},
		{[]string{"echo", long}, 0, "argument 1 has 204800 bytes, of which the kernel takes 131071"},
		{[]string{long}, 0, "argument 0 has 204800 bytes"},
		{[]string{""}, 0, `program ""`},
	} {
		c := of(t, e, img, Config{}, tt.args...)
		run := c.Run(t.Context(), IO{})
		_, exec := running.Exec(t.Context(), Cmd{Args: tt.args}, IO{})
		for how, err := range map[string]error{"run": run, "exec": exec} {
			var failed *Error
			require.ErrorAs(t, err, &failed, "%s %.50q", how, tt.args)
			require.ErrorContains(t, err, tt.says, how)
			require.NotContains(t, err.Error(), long, "the message is long")
			var start *StartError
			if tt.code == 0 {
				continue
			}
			require.ErrorAs(t, err, &start, "%s %.50q", how, tt.args)
			require.Equal(t, tt.code, start.Code, "%s %.50q: %v", how, tt.args, err)
		}
		if len(tt.args) == 2 {
			require.ErrorIs(t, run, syscall.E2BIG)
		}
		s, err := c.Status(t.Context())
		require.NoError(t, err)
		require.NotEqual(t, Running, s.State)
		require.NoError(t, c.Remove(t.Context(), false))
	}
	require.NoError(t, running.Remove(t.Context(), true))
}

// Ten thousand variables arrive, in run and in exec.
func TestManyVariables(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	var env []string
	for i := range 10_000 {
		env = append(env, fmt.Sprintf("VARIABLE_%05d=%d", i, i))
	}
	img := hostileImage(t, e, ImageConfig{Env: env}, nil)
	const count = "env | grep -c '^VARIABLE_[0-9]*=[0-9]*$'; echo $VARIABLE_09999"
	assert.Equal(t, "10000\n9999\n", output(t, of(t, e, img, Config{}, "sh", "-c", count)))
	c := of(t, e, img, Config{}, "sleep", "1000")
	require.NoError(t, c.Start(t.Context(), IO{}))
	assert.Equal(t, "10000\n9999\n", outputOfExec(t, c, Cmd{Args: []string{"sh", "-c", count}, Env: env}))
	require.NoError(t, c.Remove(t.Context(), true))
	_, err := c.Exec(t.Context(), Cmd{Args: []string{"true"}}, IO{})
	require.ErrorIs(t, err, ErrNotFound)
}

// A spec that asks for what this kernel or this library cannot do is unsupported,
// one that makes no sense invalid; the error points at the field.
func TestSpecsThatCannotBe(t *testing.T) {
	t.Parallel()
	e := testEngine(t)
	img := hostileImage(t, e, ImageConfig{}, nil)
	for _, tt := range []struct {
		name        string
		change      func(*specs.Spec)
		unsupported bool
		says        string
	}{
		{"AppArmor", func(s *specs.Spec) { s.Process.ApparmorProfile = "docker-default" }, true, "/process/apparmorProfile"},
		{"SELinux", func(s *specs.Spec) { s.Process.SelinuxLabel = "x:y:z" }, true, "/process/selinuxLabel"},
		{"hooks", func(s *specs.Spec) { s.Hooks = &specs.Hooks{Poststart: []specs.Hook{{Path: "/bin/true"}}} }, true, "/hooks"},
		{"RDT", func(s *specs.Spec) { s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "x"} }, true, "/linux/intelRdt"},
		{"user namespace", func(s *specs.Spec) {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		}, true, "/linux/namespaces"},
		{"the host's mounts", func(s *specs.Spec) { s.Linux.Namespaces = s.Linux.Namespaces[:1] }, true, "mount namespace"},
		{"sysctl of the host", func(s *specs.Spec) { s.Linux.Sysctl["kernel.core_pattern"] = "|/x" }, true, "/linux/sysctl/kernel.core_pattern"},
		{"sysctl elsewhere", func(s *specs.Spec) { s.Linux.Sysctl["net/../kernel/core_pattern"] = "|/x" }, false, "/linux/sysctl"},
		{"capability", func(s *specs.Spec) { s.Process.Capabilities.Bounding = []string{"CAP_NOSUCH"} }, false, "/process/capabilities/bounding/0"},
		{"effective not permitted", func(s *specs.Spec) { s.Process.Capabilities.Permitted = nil }, false, "/process/capabilities/effective"},
		{"mount type", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/x", Type: "nosuchfs", Source: "x"})
		}, true, "nosuchfs"},
		{"rlimit", func(s *specs.Spec) { s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOSUCH"}} }, false, "RLIMIT_NOSUCH"},
		{"seccomp action", func(s *specs.Spec) { s.Linux.Seccomp.DefaultAction = "SCMP_ACT_NOSUCH" }, false, "defaultAction"},
		{"seccomp without execve", func(s *specs.Spec) {
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
		}, false, "/linux/seccomp"},
		{"relative working directory", func(s *specs.Spec) { s.Process.Cwd = "tmp" }, false, "/process/cwd"},
		{"clock", func(s *specs.Spec) { s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"wall": {}} }, false, "/linux/timeOffsets"},
		{"no arguments", func(s *specs.Spec) { s.Process.Args = nil }, false, "arguments"},
		{"no process", func(s *specs.Spec) { s.Process = nil }, false, "process"},
		{"no linux", func(s *specs.Spec) { s.Linux = nil }, false, "linux"},
		{"no root", func(s *specs.Spec) { s.Root = nil }, false, "root"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := e.Create(t.Context(), img, Config{Cmd: Cmd{Args: []string{"true"}}, Spec: func(s *specs.Spec) error { tt.change(s); return nil }})
			if err == nil {
				err = c.Run(t.Context(), IO{})
				defer func() { require.NoError(t, c.Remove(t.Context(), true)) }()
			}
			var failed *Error
			require.ErrorAs(t, err, &failed)
			assert.ErrorContains(t, err, tt.says)
			var unsupported *UnsupportedError
			if tt.unsupported {
				assert.ErrorAs(t, err, &unsupported)
			} else {
				assert.ErrorIs(t, err, ErrInvalid)
			}
		})
	}
	_, err := e.Create(t.Context(), img, Config{Cmd: Cmd{Args: []string{"true"}}, Spec: func(*specs.Spec) error { return fs.ErrClosed }})
	require.ErrorIs(t, err, fs.ErrClosed, "the caller's own error")
}
