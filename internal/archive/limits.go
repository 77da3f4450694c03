package archive

// MaxDocument is the size that no document may exceed, in bytes: manifests,
// indexes, configs and the archive's own documents. Registries refuse larger
// manifests (OCI distribution specification, "Pushing Manifests").
const MaxDocument = 4 << 20

// maxIndexDepth is how many indexes may lie within each other, index.json being
// the first.
const maxIndexDepth = 4

// maxTrailer is how many zero bytes may follow the end of a tar stream. GNU tar
// fills its last record, by default 10 KiB and at most 256 KiB in practice.
const maxTrailer = 1 << 20

// maxHeader is how many bytes may lie between two entries of a tar stream: PAX
// records and long names, each of at most 1 MiB in archive/tar, but as many of them
// as one likes.
const maxHeader = 4 << 20

// Limits bound what reading one archive may cost. Zero fields have the default
// named; exceeding one is a [LimitError].
type Limits struct {
	Bytes     int64 // content of all entries, in bytes; 64 GiB
	Entries   int64 // entries of the tar stream of any kind; 50,000
	Blobs     int64 // blobs given to the sink; 10,000
	Documents int64 // bytes of all documents read; 64 MiB
}

// budget counts down what is left of the limits.
type budget struct {
	limits                           Limits
	bytes, entries, blobs, documents int64
}

func newBudget(l Limits) *budget {
	or := func(n, standard int64) int64 {
		if n == 0 {
			return standard
		}
		return n
	}
	l = Limits{
		Bytes:     or(l.Bytes, 64<<30),
		Entries:   or(l.Entries, 50_000),
		Blobs:     or(l.Blobs, 10_000),
		Documents: or(l.Documents, 64<<20),
	}
	return &budget{l, l.Bytes, l.Entries, l.Blobs, l.Documents}
}

// entry takes one entry of the archive with its content.
func (b *budget) entry(name string, size int64) error {
	if b.entries--; b.entries < 0 {
		return &LimitError{"Entries", b.limits.Entries, name}
	}
	return b.content(name, size)
}

// content takes bytes that are read from the archive.
func (b *budget) content(name string, size int64) error {
	// Compared before it is subtracted: a size may be near 2^63.
	if size > b.bytes {
		return &LimitError{"Bytes", b.limits.Bytes, name}
	}
	b.bytes -= size
	return nil
}

// blob takes one blob.
func (b *budget) blob(name string) error {
	if b.blobs--; b.blobs < 0 {
		return &LimitError{"Blobs", b.limits.Blobs, name}
	}
	return nil
}

// document takes a document of which size bytes are about to be read.
func (b *budget) document(name string, size int64) error {
	if size > MaxDocument {
		return &LimitError{"document size", MaxDocument, name}
	}
	if b.documents -= size; b.documents < 0 {
		return &LimitError{"Documents", b.limits.Documents, name}
	}
	return nil
}
