package probe

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coraclehq/coracle/internal/sys"
)

func TestConclusiveAnswersAreKept(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer error
		tries  int
		want   string
	}{
		{"there", nil, 1, ""},
		{"unknown call", sys.ENOSYS, 1, "flight: not supported on this host, needs Linux 9.9 (grow wings): function not implemented"},
		{"refused", fmt.Errorf("wrapped: %w", sys.EPERM), 1, "flight: not supported on this host, needs Linux 9.9 (grow wings): wrapped: operation not permitted"},
		{"no descriptors", sys.EMFILE, 3, "probe flight: too many open files"},
		{"no memory", fmt.Errorf("wrapped: %w", sys.ENOMEM), 3, "probe flight: wrapped: cannot allocate memory"},
		{"nothing to try", errCannotTell, 3, "probe flight: nothing here to try it on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tries := 0
			f := feature("flight", "9.9", "grow wings", func() error { tries++; return tt.answer })
			for range 3 {
				err := f.Check()
				assert.Equal(t, err == nil, f.kept.Load() != nil && f.Supported())
				if tt.want == "" {
					require.NoError(t, err)
					continue
				}
				require.EqualError(t, err, tt.want)
				require.ErrorIs(t, err, tt.answer)
				var u *UnsupportedError
				assert.Equal(t, tt.tries == 1, errors.As(err, &u))
				assert.Equal(t, tt.tries == 1, errors.Is(err, errors.ErrUnsupported))
			}
			want := tt.tries
			if tt.want != "" && tt.tries > 1 {
				want = 3
			}
			assert.Equal(t, want, tries)
		})
	}
}

func TestShortageThenAnswer(t *testing.T) {
	t.Parallel()
	answers := []error{sys.EMFILE, sys.ENOSYS, nil}
	f := feature("flight", "", "", func() error {
		a := answers[0]
		answers = answers[1:]
		return a
	})
	assert.ErrorIs(t, f.Check(), sys.EMFILE)
	copied := f
	assert.ErrorIs(t, copied.Check(), sys.ENOSYS)
	assert.EqualError(t, f.Check(), "flight: not supported on this host: function not implemented")
	assert.Len(t, answers, 1)
	assert.NoError(t, Feature{}.Check())
	assert.Error(t, Missing("x", "", nil).Unsupported(nil))
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		release string
		want    Version
	}{
		{"6.18.44-fc-v595", Version{6, 18, 44, "6.18.44-fc-v595"}},
		{"5.10", Version{5, 10, 0, "5.10"}},
		{"6.1.0-42-cloud-amd64", Version{6, 1, 0, "6.1.0-42-cloud-amd64"}},
		{"4.18.0+", Version{4, 18, 0, "4.18.0+"}},
		{"7", Version{7, 0, 0, "7"}},
		{"6.x", Version{6, 0, 0, "6.x"}},
		{"", Version{}},
		{"linux", Version{Release: "linux"}},
		{"5.12-rc1", Version{5, 12, 0, "5.12-rc1"}},
	} {
		assert.Equal(t, tt.want, ParseVersion(tt.release))
	}
	assert.True(t, ParseVersion("5.12").AtLeast("5.12"))
	assert.True(t, ParseVersion("5.12.1").AtLeast("5.9.9"))
	assert.True(t, ParseVersion("6.0").AtLeast("5.19"))
	assert.False(t, ParseVersion("5.9").AtLeast("5.10"))
	assert.Zero(t, ParseVersion("5.9-a").Compare(ParseVersion("5.9.0-b")))
	assert.Equal(t, "5.9-a", ParseVersion("5.9-a").String())
	assert.Equal(t, "5.9.1", Version{Major: 5, Minor: 9, Patch: 1}.String())
}

func FuzzParseVersion(f *testing.F) {
	f.Add("6.18.44-fc-v595")
	f.Add("99999999999999999999.1")
	f.Fuzz(func(t *testing.T, s string) {
		v := ParseVersion(s)
		assert.Zero(t, v.Compare(ParseVersion(s)))
		assert.Equal(t, s, v.Release)
	})
}
