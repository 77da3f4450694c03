package cgroup

import (
	"io"

	"github.com/moby/sys/mountinfo"

	"github.com/coraclehq/coracle/internal/sys"
)

// mounts reads the cgroup mounts out of a /proc/<pid>/mountinfo.
func mounts(r io.Reader) ([]mount, error) {
	infos, err := mountinfo.GetMountsFromReader(r, mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, err
	}
	var all []mount
	for _, i := range infos {
		all = append(all, mount{
			fsType: i.FSType, root: i.Root, point: i.Mountpoint, options: i.VFSOptions,
			dev: sys.Mkdev(uint32(i.Major), uint32(i.Minor)),
		})
	}
	return all, nil
}
