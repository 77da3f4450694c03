package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle"
)

func TestByteSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"0": 0, "512": 512, "512b": 512, "1k": 1024, "1K": 1024, "100kb": 102400, "64m": 64 << 20, "1.5g": 3 << 29, "2GiB": 2 << 30, "1t": 1 << 40,
	} {
		got, err := byteSize(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got, in)
	}
	for _, in := range []string{"", "b", "k", "x", "-1", "1x", "1 k", "1kk", "nan", "inf", "1e30", "99999999999t"} {
		_, err := byteSize(in)
		assert.Error(t, err, in)
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]coracle.Mount{
		"/a:/b":    {Source: "/a", Target: "/b"},
		"/a:/b:ro": {Source: "/a", Target: "/b", ReadOnly: true},
		"/a:/b:rw": {Source: "/a", Target: "/b"},
	} {
		got, err := mount(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got, in)
	}
	got, err := mount("./x:/b")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(got.Source, "/") && strings.HasSuffix(got.Source, "/x"), got.Source)
	for in, want := range map[string]string{
		"": "invalid", ":": "invalid", "/a": "invalid", ":/b": "invalid", "/a:/b:rx": "invalid", "/a:/b:ro:x": "invalid", "data:/b": "no named volumes",
	} {
		_, err := mount(in)
		assert.ErrorContains(t, err, want, in)
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "Less than a second", time.Second: "1 second", 59 * time.Second: "59 seconds", 61 * time.Second: "About a minute",
		59 * time.Minute: "59 minutes", 61 * time.Minute: "About an hour", 100 * time.Minute: "2 hours", 47 * time.Hour: "47 hours",
		3 * day: "3 days", 13 * day: "13 days", 15 * day: "2 weeks", 59 * day: "8 weeks", 61 * day: "2 months", 729 * day: "24 months", 800 * day: "2 years",
	} {
		assert.Equal(t, want, ago(time.Now().Add(-d-time.Millisecond)), d)
	}
}

func TestDecimal(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0B", 7: "7B", 999: "999B", 1000: "1kB", 1982256: "1.98MB", 119_000_000: "119MB", 999_900_000: "1GB", 1<<63 - 1: "9.22EB",
	} {
		assert.Equal(t, want, decimal(n))
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `"sh -c 'echo a b'"`, line([]string{"sh", "-c", "echo a b"}, false))
	assert.Equal(t, `"sh -c 'echo a b; ec…"`, line([]string{"sh", "-c", "echo a b; echo c"}, false))
	assert.Equal(t, `"sh -c 'echo a b; echo c'"`, line([]string{"sh", "-c", "echo a b; echo c"}, true))
	assert.Equal(t, `"\x1b[31m"`, line([]string{"\x1b[31m"}, false), "nothing of it reaches the terminal")
	assert.Equal(t, `""`, line(nil, false))
}

func TestLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"all": 0, "-1": 0, "0": -1, "5": 5} {
		got, err := lines(in)
		require.NoError(t, err, in)
		assert.Equal(t, want, got, in)
	}
	_, err := lines("some")
	assert.Error(t, err)
}

func TestMoment(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]time.Time{
		"":                               {},
		"1700000000":                     time.Unix(1700000000, 0),
		"1700000000.5":                   time.Unix(1700000000, 5e8),
		"2023-11-14T22:13:20Z":           time.Unix(1700000000, 0),
		"2023-11-14T22:13:20.123456789Z": time.Unix(1700000000, 123456789),
		"2023-11-14T22:13:20":            time.Date(2023, 11, 14, 22, 13, 20, 0, time.Local),
		"2023-11-14":                     time.Date(2023, 11, 14, 0, 0, 0, 0, time.Local),
	} {
		got, err := moment(in)
		require.NoError(t, err, in)
		assert.True(t, want.Equal(got), "%s: %s", in, got)
	}
	got, err := moment("42m")
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(-42*time.Minute), got, time.Second)
	_, err = moment("yesterday")
	assert.Error(t, err)
}

func TestStamper(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := stamper{to: &out, on: true}
	at := time.Unix(1700000000, 5)
	for _, data := range []string{"a", "b\nc\n\n", "d", "", "e\n"} {
		require.NoError(t, s.write(coracle.LogRecord{Time: at, Data: []byte(data)}))
		at = at.Add(time.Second)
	}
	assert.Equal(t, "2023-11-14T22:13:20.000000005Z ab\n"+
		"2023-11-14T22:13:21.000000005Z c\n2023-11-14T22:13:21.000000005Z \n"+
		"2023-11-14T22:13:22.000000005Z de\n", out.String())
}

func TestParseSignal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"KILL": 9, "SIGTERM": 15, "term": 15, "hup": 1, "15": 15, "64": 64, "USR2": 12, "SYS": 31, "WINCH": 28} {
		got, err := parseSignal(in)
		require.NoError(t, err, in)
		assert.EqualValues(t, want, got, in)
	}
	for _, in := range []string{"", "SIG", "0", "-1", "65", "NONE"} {
		_, err := parseSignal(in)
		assert.ErrorContains(t, err, "invalid signal", in)
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	cfg := coracle.ImageConfig{Env: []string{"A=1"}}
	for _, text := range []string{
		`CMD ["a", "b c"]`, "entrypoint a b", "ENV A=2", "ENV B 3", `LABEL k="v w"`, "USER nobody", "WORKDIR /w", "STOPSIGNAL QUIT", "EXPOSE 80 53/udp", "VOLUME /v",
	} {
		do, err := change(text)
		require.NoError(t, err, text)
		do(&cfg)
	}
	assert.Equal(t, coracle.ImageConfig{
		Cmd: []string{"a", "b c"}, Entrypoint: []string{"/bin/sh", "-c", "a b"}, Env: []string{"A=2", "B=3"}, Labels: map[string]string{"k": "v w"},
		User: "nobody", Dir: "/w", StopSignal: "QUIT", ExposedPorts: []string{"80/tcp", "53/udp"}, Volumes: []string{"/v"},
	}, cfg)
	for _, text := range []string{"", "CMD", "RUN x", "ENV A", "LABEL"} {
		_, err := change(text)
		assert.Error(t, err, text)
	}
}

func TestDetachKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typed, passed string
		detached      bool
	}{
		{"abc", "abc", false},
		{"a\x10\x11b", "a", true},
		{"\x10a\x11", "\x10a\x11", false},
		{"\x10\x10\x11", "\x10", true},
		{"\x11\x10", "\x11\x10", false},
	} {
		detached := false
		got, err := io.ReadAll(&keys{from: strings.NewReader(tt.typed), detach: func() { detached = true }})
		require.NoError(t, err)
		assert.Equal(t, tt.passed, string(got), "%q", tt.typed)
		assert.Equal(t, tt.detached, detached, "%q", tt.typed)
	}
}
