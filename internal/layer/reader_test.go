package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readAll returns the entries of an archive and their data, holes filled.
func readAll(b []byte) (es []*entry, data []string, err error) {
	r := newReader(bytes.NewReader(b), noLimit)
	for {
		e, err := r.next()
		if err == io.EOF {
			return es, data, nil
		}
		if err != nil {
			return es, data, err
		}
		s, err := expand(r, e)
		if err != nil {
			return es, data, err
		}
		es, data = append(es, e), append(data, s)
	}
}

const expandMost = 1 << 20

func expand(r *reader, e *entry) (string, error) {
	if !e.isSparse {
		b, err := io.ReadAll(r)
		return string(b), err
	}
	if e.size > expandMost {
		return "", nil
	}
	b := make([]byte, e.size)
	for _, p := range e.pieces {
		if _, err := io.ReadFull(r, b[p.off:p.off+p.len]); err != nil && p.len > 0 {
			return "", err
		}
	}
	return string(b), nil
}

// compareWithStandard holds that what this reader accepts, archive/tar reads in
// the same way.
func compareWithStandard(t testing.TB, b []byte) {
	es, data, err := readAll(b)
	if err != nil {
		return
	}
	tr := tar.NewReader(bytes.NewReader(b))
	for i := 0; ; i++ {
		h, err := tr.Next()
		if err == io.EOF {
			require.Len(t, es, i)
			return
		}
		require.NoError(t, err)
		if h.Typeflag == tar.TypeXGlobalHeader {
			i--
			continue
		}
		require.Less(t, i, len(es))
		e := es[i]
		name, err := clean(h.Name)
		require.NoError(t, err)
		require.Equal(t, name, e.name)
		typ := h.Typeflag
		if typ == tar.TypeCont || typ == tar.TypeGNUSparse {
			typ = tar.TypeReg
		}
		require.Equal(t, string(rune(typ)), string(rune(e.typ)))
		require.Equal(t, h.Mode&0o7777, int64(e.mode))
		require.Equal(t, []int{h.Uid, h.Gid}, []int{int(e.uid), int(e.gid)})
		require.True(t, h.ModTime.Equal(e.mtime), "%v %v", h.ModTime, e.mtime)
		if e.typ == typeReg {
			require.Equal(t, h.Size, e.size)
		}
		if e.typ == typeSymlink {
			require.Equal(t, h.Linkname, e.link)
		}
		if e.size <= expandMost {
			want, err := io.ReadAll(tr)
			require.NoError(t, err)
			require.Equal(t, string(want), data[i])
		}
	}
}

func TestReaderReadsDialects(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a/", 120) + "file"
	for _, tt := range []struct {
		name   string
		format tar.Format
		header tar.Header
	}{
		{"ustar", tar.FormatUSTAR, tar.Header{Name: "a/b", Mode: 0o4755, Uid: 1000, Gid: 100}},
		{"ustar prefix", tar.FormatUSTAR, tar.Header{Name: strings.Repeat("b/", 90) + "file"}},
		{"pax name", tar.FormatPAX, tar.Header{Name: long, ModTime: time.Unix(12, 345_678_901)}},
		{"pax time before 1970", tar.FormatPAX, tar.Header{Name: "old", ModTime: time.Unix(-2, 500_000_000)}},
		{"pax uid", tar.FormatPAX, tar.Header{Name: "u", Uid: 1 << 30, Gid: 1<<32 - 2}},
		{"gnu name", tar.FormatGNU, tar.Header{Name: long}},
		{"gnu link", tar.FormatGNU, tar.Header{Name: "s", Typeflag: tar.TypeSymlink, Linkname: long}},
		{"gnu uid and time", tar.FormatGNU, tar.Header{Name: "u", Uid: 1 << 30, ModTime: time.Unix(-7, 0), AccessTime: time.Unix(9, 0)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.header
			h.Format = tt.format
			if h.ModTime.IsZero() {
				h.ModTime = testTime
			}
			var buf bytes.Buffer
			w := tar.NewWriter(&buf)
			if h.Typeflag == 0 {
				h.Size = 3
			}
			require.NoError(t, w.WriteHeader(&h))
			if h.Size > 0 {
				_, err := w.Write([]byte("abc"))
				require.NoError(t, err)
			}
			require.NoError(t, w.Close())
			es, _, err := readAll(buf.Bytes())
			require.NoError(t, err)
			require.Len(t, es, 1)
			compareWithStandard(t, buf.Bytes())
		})
	}
}

func TestReaderReadsSparse(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("\x00", 1000) + "middle" + strings.Repeat("\x00", 94) + "end!"
	for name, b := range map[string][]byte{
		"PAX 1.0": newArchive(t).pax(paxSparseMajor, "1", paxSparseMinor, "0", paxSparseName, "s", paxSparseReal, "1104").
			head("x", typeReg, pad("2\n1000\n6\n1100\n4\n")+"middleend!").end(),
		"PAX 0.1": newArchive(t).pax(paxSparseSize, "1104", paxSparseCount, "2", paxSparseMap, "1000,6,1100,4", paxSparseName, "s").
			head("x", typeReg, "middleend!").end(),
		"PAX 0.0": newArchive(t).pax(paxSparseSize, "1104", paxSparseCount, "2", paxSparseOff, "1000", paxSparseLen, "6", paxSparseOff, "1100", paxSparseLen, "4").
			head("s", typeReg, "middleend!").end(),
		"old GNU": newArchive(t).head("s", typeGNUSparse, "middleend!", gnuMagic, func(b *block) {
			putSparse(b[386:], 1000, 6, 1100, 4)
			putOctal(b[483:495], 1104)
		}).end(),
		"old GNU, map in a second block": oldExtended(t),
	} {
		t.Run(name, func(t *testing.T) {
			es, data, err := readAll(b)
			require.NoError(t, err)
			require.Equal(t, "s", es[0].name)
			require.True(t, es[0].isSparse)
			require.Equal(t, want, data[0])
			compareWithStandard(t, b)
		})
	}
}

func pad(s string) string { return s + strings.Repeat("\x00", -len(s)&(blockSize-1)) }

func putSparse(f []byte, numbers ...int64) {
	for i, n := range numbers {
		putOctal(f[12*i:12*i+12], n)
	}
}

func oldExtended(t *testing.T) []byte {
	var more block
	putSparse(more[:], 1100, 4)
	return newArchive(t).head("s", typeGNUSparse, "", gnuMagic, func(b *block) {
		putSparse(b[386:], 1000, 6)
		b[482] = 1
		putOctal(b.size(), 10)
		putOctal(b[483:495], 1104)
	}).raw(more[:], []byte(pad("middleend!"))).end()
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	a := func() *archive { return newArchive(t) }
	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing at all", nil, "without an end mark"},
		{"no end mark", a().file("f", "x").cut(), "without an end mark"},
		{"one block of zeros", append(a().file("f", "x").cut(), make([]byte, 512)...), "truncated"},
		{"zeros inside", a().file("f", "x").raw(make([]byte, 512)).file("g", "").end(), "zeros inside"},
		{"half a header", a().file("f", "x").cut()[:300], "truncated"},
		{"half a file", a().file("f", strings.Repeat("x", 600)).cut()[:900], "truncated"},
		{"wrong sum", bytes.Replace(a().file("f", "x").end(), []byte("f\x00"), []byte("g\x00"), 1), "checksum"},
		{"negative size", a().head("f", typeReg, "", base256Size(-1)).end(), "size is negative"},
		{"size that is no number", a().head("f", typeReg, "", func(b *block) { copy(b.size(), "0000z") }).end(), "size is not a number"},
		{"size with a NUL inside", a().head("f", typeReg, "", func(b *block) { copy(b.size(), "1\x002") }).end(), "size is not a number"},
		{"size beyond 63 bits", a().head("f", typeReg, "", func(b *block) { copy(b.size(), "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff") }).end(), "size is not a number"},
		{"two sizes", a().pax(paxSize, "512").head("f", typeReg, "").end(), "its PAX record 512"},
		{"size given twice", a().pax(paxSize, "0", paxSize, "0").head("f", typeReg, "").end(), "twice"},
		{"size of a directory", a().head("d/", typeDir, "", octalSize(512)).end(), "has a size"},
		{"size of a link", a().head("l", typeLink, "", octalSize(1)).end(), "has a size"},
		{"NUL in a PAX path", a().pax(paxPath, "a\x00b").head("f", typeReg, "").end(), "NUL"},
		{"PAX record too long", a().head("x", typePAX, "99 path=a\n").head("f", typeReg, "").end(), "no proper length"},
		{"PAX record of length 0", a().head("x", typePAX, "0 path=a\n").head("f", typeReg, "").end(), "no proper length"},
		{"PAX record that does not end", a().head("x", typePAX, "9 path=abc").head("f", typeReg, "").end(), "does not end"},
		{"PAX header of 2 MiB", a().head("x", typePAX, "", octalSize(2<<20)).end(), "longer than"},
		{"GNU name of 2 MiB", a().head("x", typeGNUName, "", octalSize(2<<20)).end(), "longer than"},
		{"GNU name that is empty", a().head("x", typeGNUName, "").head("f", typeReg, "").end(), "empty"},
		{"two PAX headers", a().pax(paxPath, "a").pax(paxPath, "b").head("f", typeReg, "").end(), "two PAX headers"},
		{"two GNU names", a().head("x", typeGNUName, "a").head("x", typeGNUName, "b").head("f", typeReg, "").end(), "two long names"},
		{"GNU and PAX names", a().head("x", typeGNUName, "a").pax(paxPath, "b").head("f", typeReg, "").end(), "disagree"},
		{"end behind a PAX header", a().pax(paxPath, "a").end(), "behind an extended header"},
		{"cut behind a PAX header", a().pax(paxPath, "a").cut(), "without an end mark"},
		{"global path", a().paxType(typePAXGlobal, paxPath, "a").head("f", typeReg, "").end(), "global header sets"},
		{"global between", a().pax(paxPath, "a").paxType(typePAXGlobal, "comment", "a").head("f", typeReg, "").end(), "global header between"},
		{"unknown type", a().head("f", 'Z', "").end(), "unknown type"},
		{"volume label", a().head("f", 'V', "", gnuMagic).end(), "unknown type"},
		{"file with a slash", a().head("f/", typeReg, "").end(), "ends in a slash"},
		{"no name", a().head("", typeReg, "").end(), "empty"},
		{"dots", a().head("a/../b", typeReg, "").end(), `".."`},
		{"no target", a().head("s", typeSymlink, "").end(), "empty"},
		{"uid -1", a().pax(paxUID, "-1").head("f", typeReg, "").end(), "uid -1"},
		{"uid 2^32-1", a().pax(paxUID, "4294967295").head("f", typeReg, "").end(), "uid 4294967295"},
		{"uid with a plus", a().pax(paxUID, "+1").head("f", typeReg, "").end(), "not a number"},
		{"device number", a().head("c", typeChar, "", func(b *block) { putOctal(b.major(), 5000) }).end(), "no device"},
		{"sparse 2.0", a().pax(paxSparseMajor, "2", paxSparseMinor, "0").head("f", typeReg, "").end(), "unknown version"},
		{"sparse without a map", a().pax(paxSparseReal, "5").head("f", typeReg, "").end(), "incomplete"},
		{"sparse directory", a().pax(paxSparseMajor, "1", paxSparseMinor, "0").head("f/", typeDir, "").end(), "not a regular file"},
		{"sparse of star", a().head("f", typeGNUSparse, "").end(), "not in GNU's format"},
		{"sparse with two sizes", a().pax(paxSparseMajor, "0", paxSparseMinor, "1", paxSparseCount, "0", paxSparseMap, "", paxSparseReal, "1", paxSparseSize, "2").head("f", typeReg, "").end(), "two sizes"},
		{"pieces that overlap", a().pax(paxSparseCount, "2", paxSparseSize, "20", paxSparseMap, "0,5,4,5").head("f", typeReg, "0123456789").end(), "overlap"},
		{"pieces outside", a().pax(paxSparseCount, "1", paxSparseSize, "8", paxSparseMap, "4,5").head("f", typeReg, "01234").end(), "outside"},
		{"pieces without data", a().pax(paxSparseCount, "1", paxSparseSize, "8", paxSparseMap, "0,5").head("f", typeReg, "0").end(), "in pieces"},
		{"negative piece", a().pax(paxSparseCount, "1", paxSparseSize, "8", paxSparseMap, "4,-1").head("f", typeReg, "").end(), "outside"},
		{"map in data that does not end", a().pax(paxSparseMajor, "1", paxSparseMinor, "0", paxSparseReal, "8").head("f", typeReg, pad("5\n1\n")).end(), "does not end"},
		{"map in data of a million pieces", a().pax(paxSparseMajor, "1", paxSparseMinor, "0", paxSparseReal, "8").head("f", typeReg, pad("9999999999\n")).end(), "no proper length"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := readAll(tt.in)
			require.ErrorContains(t, err, tt.want)
			var f *FormatError
			require.ErrorAs(t, err, &f)
		})
	}
}

func TestReaderAcceptsOddButClear(t *testing.T) {
	t.Parallel()
	a := func() *archive { return newArchive(t) }
	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"v7", a().head("old", typeRegOld, "x", func(b *block) { clear(b[257:]) }).end(), "old"},
		{"v7 directory", a().head("old/", typeRegOld, "", func(b *block) { clear(b[257:]) }).end(), "old"},
		{"signed sum", signed(a().head("f\xff", typeReg, "").end()), "f\xff"},
		{"absolute", a().head("/etc/x", typeReg, "").end(), "etc/x"},
		{"dots and slashes", a().head("./a//b/./c", typeReg, "").end(), "a/b/c"},
		{"root", a().head("./", typeDir, "").end(), "."},
		{"PAX size as in the header", a().pax(paxSize, "3").head("f", typeReg, "abc").end(), "f"},
		{"empty PAX path", a().pax(paxPath, "").head("f", typeReg, "").end(), "f"},
		{"GNU and PAX agree", a().head("x", typeGNUName, "a").pax(paxPath, "a").head("f", typeReg, "").end(), "a"},
		{"global comment", a().paxType(typePAXGlobal, "comment", "0123abcd").head("f", typeReg, "").end(), "f"},
		{"spaces in numbers", a().head("f", typeReg, "x", func(b *block) { copy(b.size(), "         1 \x00") }).end(), "f"},
		{"contiguous", a().head("f", typeCont, "x").end(), "f"},
		{"something behind the end", append(a().head("f", typeReg, "").end(), "garbage"...), "f"},
		{"empty", make([]byte, 1024), ""},
		{"prefix in a GNU header, by Go 1.7", a().head("f", typeReg, "", gnuMagic, func(b *block) { copy(b.prefix(), "dir") }).end(), "dir/f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			es, _, err := readAll(tt.in)
			require.NoError(t, err)
			if tt.want == "" {
				require.Empty(t, es)
				return
			}
			require.Equal(t, tt.want, es[0].name)
			compareWithStandard(t, tt.in)
		})
	}
}

// signed replaces the sum of the first header by one of signed bytes.
func signed(b []byte) []byte {
	var sum int64
	for i, c := range b[:blockSize] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(int8(c))
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func TestReaderMissingEnd(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{
		newArchive(t).file("f", "x").cut(),
		append(newArchive(t).file("f", "x").cut(), make([]byte, 512)...),
	} {
		r := newReader(bytes.NewReader(b), noLimit)
		r.laxEnd = true
		_, err := r.next()
		require.NoError(t, err)
		_, err = r.next()
		require.Equal(t, io.EOF, err)
	}
}

func TestReaderReadsToTheEnd(t *testing.T) {
	t.Parallel()
	b := append(newArchive(t).file("f", "x").end(), bytes.Repeat([]byte("behind"), 5000)...)
	r := newReader(bytes.NewReader(b), noLimit)
	_, err := r.next()
	require.NoError(t, err)
	_, err = r.next()
	require.Equal(t, io.EOF, err)
	require.Equal(t, int64(len(b)), r.bytes.used())
}

func TestReaderLimitsBytes(t *testing.T) {
	t.Parallel()
	b := newArchive(t).file("f", strings.Repeat("x", 9000)).end()
	for limit := int64(0); limit < int64(len(b)); limit += 509 {
		r := newReader(bytes.NewReader(b), limit)
		var err error
		for err == nil {
			_, err = r.next()
		}
		var l *LimitError
		require.ErrorAs(t, err, &l)
		require.Equal(t, LimitError{"Bytes", limit}, *l)
	}
}

func TestErrorsAreQuoted(t *testing.T) {
	t.Parallel()
	_, _, err := readAll(newArchive(t).head("a\nlevel=fatal \x1b[2J", 'Z', "").end())
	require.EqualError(t, err, `layer: entry "a\nlevel=fatal \x1b[2J" at offset 0: unknown type 'Z'`)
	_, _, err = readAll(newArchive(t).file("first", "").pax(paxPath, strings.Repeat("n", 300)).head("x", typeReg, "").end())
	require.Error(t, err)
	assert.Less(t, len(err.Error()), 300)
	assert.Contains(t, err.Error(), "at offset 1536")
}

// TestReaderIsASubset mutates archives and compares what is still accepted with
// archive/tar.
func TestReaderIsASubset(t *testing.T) {
	t.Parallel()
	seeds := seedArchives(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		b := bytes.Clone(seeds[i%len(seeds)])
		for range 1 + rnd.IntN(3) {
			mutate(rnd, b)
		}
		compareWithStandard(t, b)
	}
}

// mutate changes a byte or two, and sometimes makes a header's sum right again.
func mutate(rnd *rand.Rand, b []byte) {
	at := rnd.IntN(len(b))
	switch rnd.IntN(3) {
	case 0:
		b[at] = byte(rnd.IntN(256))
	case 1:
		b[at] = "01234567 \x00\x80\xff./="[rnd.IntN(15)]
	case 2:
		from := rnd.IntN(len(b))
		copy(b[at:], b[from:min(len(b), from+rnd.IntN(12))])
	}
	if h := at &^ (blockSize - 1); h+blockSize <= len(b) && rnd.IntN(4) > 0 {
		(*block)(b[h : h+blockSize]).seal()
	}
}

// seedArchives are archives of every dialect and feature.
func seedArchives(t testing.TB) [][]byte {
	long := strings.Repeat("dir/", 60) + "file"
	return [][]byte{
		newArchive(t).dir("d").file("d/f", "hello").symlink("s", "d/f").link("h", "d/f").fifo("p").device("c", tar.TypeChar, 1, 3).end(),
		newArchive(t).file(long, "x").symlink("l", long).end(),
		newArchive(t).add(tar.Header{Name: long, Format: tar.FormatGNU, Typeflag: tar.TypeReg}, "y").end(),
		newArchive(t).add(tar.Header{Name: "x", Typeflag: tar.TypeReg, Uid: 1 << 30, ModTime: time.Unix(5, 6), Format: tar.FormatPAX,
			PAXRecords: map[string]string{"SCHILY.xattr.user.a": "b"}}, "z").end(),
		newArchive(t).pax(paxSparseMajor, "1", paxSparseMinor, "0", paxSparseName, "s", paxSparseReal, "1104").
			head("x", typeReg, pad("2\n1000\n6\n1100\n4\n")+"middleend!").end(),
		newArchive(t).pax(paxSparseSize, "1104", paxSparseCount, "2", paxSparseOff, "1000", paxSparseLen, "6", paxSparseOff, "1100", paxSparseLen, "4").
			head("s", typeReg, "middleend!").end(),
		newArchive(t).head("s", typeGNUSparse, "middleend!", gnuMagic, func(b *block) {
			putSparse(b[386:], 1000, 6, 1100, 4)
			putOctal(b[483:495], 1104)
		}).end(),
		newArchive(t).file(".wh.gone", "").file("d/.wh..wh..opq", "").paxType(typePAXGlobal, "comment", "c").file("f", "").end(),
	}
}

func FuzzReader(f *testing.F) {
	for _, b := range seedArchives(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { compareWithStandard(t, b) })
}
