// Package layer turns a tar stream into a directory and back. It is where
// foreign bytes become files, so it is written for hostile ones:
//
//   - the tar dialects (v7, ustar, PAX, GNU, star's numbers, all four forms of
//     sparse files) are read by one strict parser that refuses whatever two
//     parsers could read differently; it accepts a subset of archive/tar;
//   - every name is walked one directory descriptor at a time, links resolved
//     inside the layer's own directory and never by the kernel, metadata set
//     through descriptors;
//   - everything that a layer can make large has a [Limits] field.
//
// docs/layers.md is the table of what is done with odd and hostile layers; the
// package's tests hold that table.
//
// # On disk
//
// A layer is a directory in overlayfs' own form: a whiteout is a character
// device 0:0, made only for a name ".wh."+name, and a directory that hides those
// below has the attribute trusted.overlay.opaque (user.overlay.opaque with
// [Options.UserXattr]). Neither can be brought in by an image: a device 0:0 is
// refused and attributes of overlayfs are dropped.
//
// # What a layer needs from those below it
//
// A layer is unpacked into a directory of its own, apart from the layers below.
// Most need nothing else. Some lean on what lies below: parents that the layer
// does not list (their owner and mode are those of the lower layer's directory,
// or they are a link there and the files belong elsewhere), hard links to files
// of a lower layer, and whiteouts of things that are not there. [Options.Base]
// gives the merged lower layers, or [Options.Defer] puts these off until
// [Settle], so that the layers of an image can be unpacked at the same time.
//
// Do not use this package for archives that are not layers: names starting in
// ".wh." have no meaning there, and ".." is refused.
package layer
