package coracle

import (
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
	"github.com/coraclehq/coracle/internal/union"
)

// viewLayers opens the union of layers, top first, for reading. Over the host's
// root file system it is that: what lies above it does not change who is who.
func (e *Engine) viewLayers(ids []string, host bool) (*sys.FD, error) {
	if host {
		return sys.Open("/", sys.O_PATH|sys.O_DIRECTORY, 0)
	}
	var layers []string
	for _, id := range ids {
		layers = append(layers, store.LayerPath(id))
	}
	return union.View(e.store.Dir(), layers)
}
