// Package store is the directory in which an engine keeps everything: images and
// their layers, containers and their names. All state is in small files that are
// replaced whole, so any number of processes may work on one store, and a handle
// holds nothing that could become stale.
//
//	version             layout version and the store's ID
//	lock hold.lock locks/    see lock.go
//	oci-layout index.json blobs/sha256/    a valid OCI image layout; index.json is derived
//	names.json          the images and their names: the truth
//	layers/<id>/fs      an unpacked layer, never changed again; layer.json beside it
//	layer-ids/<digest> -> id    finds a layer by diffID or chainID
//	containers/<id>/    record.json config.json state undo.json alive upper/ work/ rootfs/ ...
//	container-names/<name> -> id    made with symlink(2), so that EEXIST decides
//	tmp/<writer>/       what a process is making or removing; it holds a lock on the directory
//
// Nothing is visible before it is whole: each object is made in the writer's
// directory, checked, synced and renamed into place; removal is a rename back
// there. After a crash the kernel has released the lock on that directory, which
// tells the next Open what to clear away.
//
// Blobs, layers, images, names and new containers are on the disk when the call
// that made them returns. State of a run is not synced: a power cut ends the run
// as well.
package store
