package coracle

import (
	"encoding/json"
	"errors"
	"math"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/coraclehq/coracle/internal/cred"
	"github.com/coraclehq/coracle/internal/seccomp"
	"github.com/coraclehq/coracle/internal/store"
	"github.com/coraclehq/coracle/internal/sys"
)

// known is what the files of a container say that only change as a whole. It is
// shared and not to be changed.
type known struct {
	record store.Record
	config Config
	spec   *specs.Spec
	filter seccomp.Filter // compiled from the spec; nil: none
	flags  uint32         // that the filter is loaded with
}

// knownCache keeps them by the files that they were read from: to parse the
// documents and compile the filter takes a tenth of a start. The zero knownCache is
// ready.
type knownCache struct {
	mu  sync.Mutex // guards what follows
	all map[[2]fileID]*known
}

// fileID changes whenever a file is replaced.
type fileID struct {
	dev, ino uint64
	size     int64
	changed  int64 // nanoseconds
}

// recall returns what is known of the container whose directory is given.
func (e *Engine) recall(id string, dir *sys.FD) (*known, error) {
	const most = 256
	var key [2]fileID
	for i, name := range []string{"record.json", "config.json"} {
		st, err := dir.StatAt(name, false)
		if err != nil {
			return nil, err
		}
		key[i] = fileID{st.Dev, st.Ino, st.Size, st.Ctim.UnixNano()}
	}
	c := &e.cache
	c.mu.Lock()
	k := c.all[key]
	c.mu.Unlock()
	if k != nil {
		return k, nil
	}
	k, err := e.readKnown(id, dir)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[[2]fileID]*known{}
	}
	for old := range c.all {
		if len(c.all) < most {
			break
		}
		delete(c.all, old)
	}
	c.all[key] = k
	return k, nil
}

func (e *Engine) readKnown(id string, dir *sys.FD) (_ *known, err error) {
	k := &known{spec: &specs.Spec{}}
	if k.record, err = e.store.Container(id); err != nil {
		return nil, err
	}
	document, err := dir.ReadFile("config.json", math.MaxInt32)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(json.Unmarshal(k.record.Config, &k.config), json.Unmarshal(document, k.spec)); err != nil {
		return nil, errors.Join(ErrDamaged, err)
	}
	if k.spec.Process == nil || k.spec.Linux == nil || k.spec.Root == nil {
		return nil, errors.Join(ErrDamaged, errors.New("config.json lacks process, linux or root"))
	}
	if profile := k.spec.Linux.Seccomp; profile != nil {
		if k.filter, err = e.filters.Compile(profile, sys.HostArch()); err != nil {
			return nil, err
		}
		k.flags, err = seccomp.Flags(profile)
	}
	return k, err
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
