package coracle

import (
	"encoding/json"
	"errors"
	"math"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/sys"
)

// specCache keeps parsed specs by the file that they were read from: the document
// of ten kilobytes takes a tenth of a start to parse. The zero specCache is ready.
type specCache struct {
	mu    sync.Mutex // guards what follows
	specs map[fileID]*specs.Spec
}

// fileID changes whenever a file is replaced.
type fileID struct {
	dev, ino uint64
	size     int64
	changed  int64 // nanoseconds
}

// read returns the resolved spec of the container in dir, which is not to be
// changed.
func (c *specCache) read(dir *sys.FD) (*specs.Spec, error) {
	const most = 256
	st, err := dir.StatAt("config.json", false)
	if err != nil {
		return nil, err
	}
	id := fileID{st.Dev, st.Ino, st.Size, st.Ctim.UnixNano()}
	c.mu.Lock()
	spec := c.specs[id]
	c.mu.Unlock()
	if spec != nil {
		return spec, nil
	}
	document, err := dir.ReadFile("config.json", math.MaxInt32)
	if err != nil {
		return nil, err
	}
	spec = &specs.Spec{}
	if err := json.Unmarshal(document, spec); err != nil {
		return nil, errors.Join(ErrDamaged, err)
	}
	if spec.Process == nil || spec.Linux == nil || spec.Root == nil {
		return nil, errors.Join(ErrDamaged, errors.New("config.json lacks process, linux or root"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.specs == nil || len(c.specs) >= most {
		c.specs = map[fileID]*specs.Spec{}
	}
	c.specs[id] = spec
	return spec, nil
}

// adapted is the spec as this host can carry it out: what would need a right that
// this program lacks (CAP_SYS_RESOURCE) is taken as far as it goes. Limits are not
// raised above the program's own hard ones, and the score by which the kernel
// chooses whom to kill is not lowered.
func adapted(spec *specs.Spec) (*specs.Spec, error) {
	process := *spec.Process
	var err error
	if process.Rlimits, err = cred.Clamp(process.Rlimits); err != nil {
		return nil, err
	}
	if process.OOMScoreAdj != nil {
		score, err := cred.OOMScoreAdj(*process.OOMScoreAdj)
		if err != nil {
			return nil, err
		}
		process.OOMScoreAdj = &score
	}
	changed := *spec
	changed.Process = &process
	return &changed, nil
}
