package union

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// MaxLayers is how many lower layers the kernel stacks, OVL_MAX_STACK in
// fs/overlayfs/params.h.
const MaxLayers = 500

// maxData is what fits into the page that mount(2) copies its options to, with
// the NUL at its end.
const maxData = 4095

// ErrTooLong says that the options do not fit into what mount(2) takes. Params
// may do, from Linux 6.7 on.
var ErrTooLong = errors.New("overlay options are longer than 4095 bytes")

// Opts are the choices of an overlay. The zero Opts are those of root.
type Opts struct {
	// UserXattr keeps overlay's marks in user.overlay.* instead of trusted.*,
	// which a mount made inside a user namespace needs. Linux 5.11.
	UserXattr bool
}

// settled turns off, on every mount, what a kernel may have been built or booted
// to do by itself: each of these puts references to other layers into extended
// attributes, so that a layer could not be understood alone, nor trusted.
// redirect_dir has two ways to be off, and the one of that name follows redirects
// that it finds, where the kernel is set to (redirect_always_follow, the default):
// a layer that smuggles in the attribute trusted.overlay.redirect would show one
// directory of the layers below in place of another. See overlayfs.rst, "redirect_dir".
var settled = [...]Param{{"metacopy", "off"}, {"redirect_dir", "nofollow"}, {"index", "off"}}

// Param is one parameter for fsconfig(2). An empty value makes it a flag.
type Param struct{ Key, Value string }

// Options returns the data argument of mount(2) for an overlay of lowers, top
// first, under upper with work, or read-only with both empty. Names may be relative to the
// current directory of whoever mounts, and hold any byte but NUL. The result is
// ErrTooLong if it exceeds 4095 bytes; what cannot be an overlay wraps
// fs.ErrInvalid.
func Options(lowers []string, upper, work string, o Opts) (string, error) {
	if err := check(lowers, upper, work); err != nil {
		return "", err
	}
	// The comma ends an option, the colon a layer, and the backslash protects all
	// three, in names of uppers as well.
	const special = `\:,`
	var b strings.Builder
	b.WriteString("lowerdir=")
	for i, l := range lowers {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(escape(l, special))
	}
	for _, p := range rest(upper, work, o) {
		b.WriteString("," + p.Key)
		if p.Value != "" {
			b.WriteString("=" + escape(p.Value, special))
		}
	}
	if b.Len() > maxData {
		return "", fmt.Errorf("%d layers, %d bytes: %w", len(lowers), b.Len(), ErrTooLong)
	}
	return b.String(), nil
}

// Params returns the same as a list for fsconfig(2), with each layer as a
// lowerdir+, which needs Linux 6.7. A name of 256 bytes or more is ErrTooLong.
func Params(lowers []string, upper, work string, o Opts) ([]Param, error) {
	if err := check(lowers, upper, work); err != nil {
		return nil, err
	}
	var ps []Param
	for _, l := range lowers {
		// Taken as it stands, unlike everything else.
		ps = append(ps, Param{"lowerdir+", l})
	}
	for _, p := range rest(upper, work, o) {
		ps = append(ps, Param{p.Key, escape(p.Value, `\`)})
	}
	for _, p := range ps {
		if len(p.Value) > 255 {
			return nil, fmt.Errorf("%s=%.40s...: names are limited to 255 bytes here: %w", p.Key, p.Value, ErrTooLong)
		}
	}
	return ps, nil
}

// rest is everything but the lower layers, unescaped.
func rest(upper, work string, o Opts) []Param {
	var ps []Param
	if upper != "" {
		ps = append(ps, Param{"upperdir", upper}, Param{"workdir", work})
	}
	ps = append(ps, settled[:]...)
	if o.UserXattr {
		ps = append(ps, Param{Key: "userxattr"})
	}
	return ps
}

func check(lowers []string, upper, work string) error {
	switch {
	case len(lowers) == 0:
		return fmt.Errorf("overlay without a lower layer: %w", fs.ErrInvalid)
	case len(lowers) > MaxLayers:
		return fmt.Errorf("overlay of %d layers, %d are possible: %w", len(lowers), MaxLayers, fs.ErrInvalid)
	case upper == "" && work != "", upper != "" && work == "":
		return fmt.Errorf("overlay with one of upper %.100q and work %.100q: %w", upper, work, fs.ErrInvalid)
	case upper == "" && len(lowers) < 2:
		// The kernel says EINVAL: without an upper it wants two lowers.
		return fmt.Errorf("overlay of one layer alone: %w", fs.ErrInvalid)
	}
	for _, l := range lowers {
		if l == "" {
			return fmt.Errorf("overlay layer without a name: %w", fs.ErrInvalid)
		}
	}
	for _, l := range append([]string{upper, work}, lowers...) {
		if strings.ContainsRune(l, 0) {
			return fmt.Errorf("overlay layer %.100q: %w", l, fs.ErrInvalid)
		}
	}
	return nil
}

// escape puts a backslash before each of the special bytes.
func escape(s, special string) string {
	if !strings.ContainsAny(s, special) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(special, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
