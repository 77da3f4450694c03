// Package union puts layers of an image on top of each other with the kernel's
// overlay file system: the options of a container's root mount, a read-only view
// of layers that is mounted nowhere, and the question whether a file system can
// hold a store at all.
//
// Layers are listed as the kernel wants them, top first. A container's upper is
// a layer like any other, below something else, once the container has stopped;
// while it runs the kernel leaves the result undefined (overlayfs.rst, "Changes to
// underlying filesystems"), so a live upper is never given as a lower.
package union
