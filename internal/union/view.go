package union

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/coraclehq/coracle/internal/probe"
	"github.com/coraclehq/coracle/internal/sys"
)

// viewAttrs are the attributes of a view: it is for reading.
const viewAttrs = sys.MOUNT_ATTR_RDONLY | sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV | sys.MOUNT_ATTR_NOEXEC

// View opens the union of layers, top first, given by their names in dir: an
// O_PATH descriptor of its root, on a mount that is attached nowhere and goes with the
// descriptor. It is read-only, without devices or programs that can be run. One layer is just
// its directory, as it is. Links inside are the image's: resolve with
// FD.OpenInRoot. It needs root, and none of the layers in use as an upper.
func View(dir *sys.FD, layers []string) (*sys.FD, error) {
	if len(layers) == 1 {
		return dir.Open(layers[0], sys.O_PATH|sys.O_DIRECTORY, 0)
	}
	view := viewAppended
	if err := probe.OverlayLowerdirAppend.Check(); errors.Is(err, errors.ErrUnsupported) {
		view = viewMounted
	} else if err != nil {
		return nil, err
	}
	fd, err := view(dir, layers)
	if err != nil {
		return nil, fmt.Errorf("view of %d layers: %w", len(layers), err)
	}
	return fd, nil
}

// viewAppended gives each layer by a path through dir's descriptor, which is
// short and independent of the current directory.
func viewAppended(dir *sys.FD, layers []string) (*sys.FD, error) {
	paths := make([]string, len(layers))
	for i, l := range layers {
		paths[i] = below(dir, l)
	}
	params, err := Params(paths, "", "", Opts{})
	if err != nil {
		return nil, err
	}
	return detached(params, viewAttrs)
}

// below is a path to name in dir by the magic link of proc(5).
func below(dir *sys.FD, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(dir.Int()) + "/" + name
}

// detached mounts an overlay that is attached nowhere.
func detached(params []Param, attrs int) (*sys.FD, error) {
	o, err := sys.FsOpen("overlay")
	if err != nil {
		return nil, err
	}
	defer o.Close()
	for _, p := range params {
		if p.Value == "" {
			err = o.FsSetFlag(p.Key)
		} else {
			err = o.FsSet(p.Key, p.Value)
		}
		if err != nil {
			return nil, explain(o, fmt.Errorf("%s: %w", p.Value, err))
		}
	}
	if err := o.FsCreate(); err != nil {
		return nil, explain(o, err)
	}
	return o.FsMount(attrs)
}

// explain adds what the kernel says about a refusal.
func explain(o *sys.FD, err error) error {
	if lines := o.FsMessages(); len(lines) > 0 {
		return fmt.Errorf("%w (%s)", err, strings.Join(lines, "; "))
	}
	return err
}
