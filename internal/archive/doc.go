// Package archive reads and writes images as files: OCI image layouts (as a tar
// stream and as a folder) and the archives of docker save. It also holds the
// strict parsers of the documents that make up an image, for whoever gets them
// another way: [ParseIndex], [ParseManifest] and [ParseConfig].
//
// An archive is foreign bytes, and reading one goes like this:
//
//	tar stream ──► blobs, staged in a Sink, each verified against its name
//	           ──► index.json or manifest.json, kept in memory
//	documents  ──► index ► manifest ► config, every digest and size verified
//	           ──► one Image for each image that the archive names
//	caller     ──► Unpack: digest, size and diffID of each layer verified
//	           ──► keeps Image.Blobs, drops the rest of what was staged
//
// A stream is read once and never sought in, so blobs may come before the
// document that names them. Nothing is made visible by reading: a [Sink] stages,
// and what is staged is kept or dropped by its owner when all of it is known.
//
// Two documents that another reader could understand differently are refused
// rather than interpreted: see [ErrInvalid]. Names, labels and annotations are
// returned as data. URLs in descriptors are ignored, and nothing is fetched.
//
// Both directions work on uncompressed tar streams: a caller that accepts a
// compressed archive decompresses it first. The package makes no system calls of
// its own and works the same on every system.
package archive
