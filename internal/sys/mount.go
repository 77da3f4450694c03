package sys

// MountAttr is what mount_setattr(2) changes: MOUNT_ATTR_* bits to set and to
// clear, an MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE propagation or 0,
// and the user namespace of an idmapped mount or nil.
type MountAttr struct {
	Set, Clear  uint64
	Propagation uint64
	UserNS      *FD
}
