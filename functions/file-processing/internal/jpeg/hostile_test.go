package jpeg_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/jpeg"
)

func refused(t *testing.T, name string, source []byte, want error) {
	t.Helper()
	f, err := jpeg.Read(source, maxScans)
	if err == nil {
		_, err = f.Transform(
			t.Context(),
			jpeg.Job{Orientation: 6, Quality: 80, Fits: []int{20}, Memory: plenty},
		)
	}
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
	}
}

// The rule for what is cut short: every MCU of every scan has to be there, and without EOI every
// bit of every coefficient. Only EOI itself may be missing.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, name := range all(t) {
		source := testdata(t, name)
		for n := range len(source) - 2 {
			refused(t, name, source[:n], jpeg.ErrCorrupt)
		}
		want := transform(t, source, jpeg.Job{Quality: 80}).Full.Data
		for trailer, end := range map[string]string{
			"no EOI": "", "half of EOI": "\xff", "zeros": "\x00\x00\x00\x00\x00",
			"a maker's trailer": "\x00\x00SEFH\xff\xe1\xff\xffSEFT",
		} {
			if got := transform(t, append(bytes.Clone(source[:len(source)-2]), end...),
				jpeg.Job{Quality: 80}).Full.Data; !bytes.Equal(
				got,
				want,
			) {
				t.Errorf("%s with %s differs", name, trailer)
			}
		}
	}
}

func TestProgressiveWithoutItsLastScanNeedsEOI(t *testing.T) {
	t.Parallel()
	source := testdata(t, "odd-2x2-progressive.jpg")
	short := source[:bytes.LastIndex(source, []byte{0xff, 0xda})]
	short = short[:bytes.LastIndex(short, []byte{0xff, 0xc4})]
	refused(t, "without EOI", short, jpeg.ErrCorrupt)
	transform(t, append(bytes.Clone(short), 0xff, 0xd9), jpeg.Job{Quality: 80})
}

// cut replaces a part of a copy.
func cut(source []byte, at, n int, by string) []byte {
	return append(append(bytes.Clone(source[:at]), by...), source[at+n:]...)
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	source, restarts, progressive := testdata(
		t,
		"odd-2x2.jpg",
	), testdata(
		t,
		"odd-2x2-restart.jpg",
	), testdata(
		t,
		"odd-2x2-progressive.jpg",
	)
	marker := func(data []byte, code byte) int { return bytes.Index(data, []byte{0xff, code}) }
	scan, frame, dqt := marker(source, 0xda), marker(source, 0xc0), marker(source, 0xdb)
	tables := marker(source, 0xc4)
	for name, broken := range map[string][]byte{
		"nothing": nil, "no SOI": source[1:], "no frame": cut(source, frame, 19, ""),
		"no scan":                    append(bytes.Clone(source[:scan]), 0xff, 0xd9),
		"no quantisation table":      cut(source, dqt, 138, ""),
		"a scan twice":               append(bytes.Clone(source[:len(source)-2]), source[scan:]...),
		"a frame twice":              cut(source, frame, 0, string(source[frame:frame+19])),
		"factor 0":                   cut(source, frame+11, 1, "\x00"),
		"factor 5":                   cut(source, frame+11, 1, "\x52"),
		"quantisation table 4":       cut(source, frame+12, 1, "\x04"),
		"Huffman table 4":            cut(source, scan+6, 1, "\x40"),
		"Huffman table 3":            cut(source, scan+6, 1, "\x30"),
		"too many codes":             cut(source, tables+5, 1, "\xff"),
		"code lengths that overflow": cut(source, tables+5, 2, "\x03\x00"),
		"a DC size of 16":            cut(source, tables+21, 1, "\x10"),
		"unknown component":          cut(source, scan+5, 1, "\x09"),
		"a reserved marker":          cut(source, frame, 0, "\xff\x02"),
		"height 0":                   cut(source, frame+5, 2, "\x00\x00"),
		"a marker in the data":       cut(source, len(source)/2+600, 2, "\xff\x01"),
		"restarts out of order": cut(restarts, bytes.LastIndex(restarts, []byte{0xff, 0xd3}), 2,
			"\xff\xd5"),
		"restarts without an interval": cut(restarts, marker(restarts, 0xdd), 6, ""),
		"an interval without restarts": cut(source, scan, 0, "\xff\xdd\x00\x04\x00\x02"),
		"a band that is sent twice": append(bytes.Clone(progressive[:len(progressive)-2]),
			progressive[bytes.LastIndex(progressive, []byte{0xff, 0xda}):]...),
	} {
		refused(t, name, broken, jpeg.ErrCorrupt)
	}
	refused(t, "arithmetic coding", testdata(t, "arithmetic.jpg"), jpeg.ErrUnsupported)
	refused(t, "twelve bits", cut(source, frame+4, 1, "\x0c"), jpeg.ErrUnsupported)
	refused(
		t,
		"RGB",
		cut(source, frame, 0, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"),
		nil,
	) // JFIF says YCbCr
	jfif := marker(source, 0xe0)
	refused(
		t,
		"RGB without JFIF",
		cut(
			cut(source, frame, 0, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"),
			jfif,
			18,
			"",
		),
		jpeg.ErrUnsupported,
	)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	progressive := testdata(t, "odd-2x2-progressive.jpg")
	if _, err := jpeg.Read(progressive, 5); !errors.Is(err, jpeg.ErrTooLarge) {
		t.Errorf("more scans than allowed: %v", err)
	}
	for _, name := range all(t) {
		f, err := jpeg.Read(testdata(t, name), maxScans)
		if err != nil {
			t.Fatal(err)
		}
		job := jpeg.Job{Orientation: 1, Quality: 80, Fits: []int{40}}
		job.Memory = f.Memory(job) - 1
		if _, err := f.Transform(t.Context(), job); !errors.Is(err, jpeg.ErrTooLarge) {
			t.Errorf("%s in too little memory: %v", name, err)
		}
		job.Memory++
		if _, err := f.Transform(t.Context(), job); !errors.Is(err, jpeg.ErrTooLarge) {
			t.Errorf("%s without memory for tokens: %v", name, err)
		}
	}
}

// What a header claims is checked against the bytes that came before anything is allocated for it.
func TestClaimsAllocateNothing(t *testing.T) {
	for _, name := range []string{"odd-2x2.jpg", "odd-1x1-progressive-restart.jpg"} {
		source := bytes.Clone(testdata(t, name))
		frame := max(
			bytes.Index(source, []byte{0xff, 0xc0}),
			bytes.Index(source, []byte{0xff, 0xc2}),
		)
		binary.BigEndian.PutUint16(source[frame+5:], 20_000)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		refused(t, name, source, jpeg.ErrCorrupt)
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%s: refused after %d bytes", name, grown)
		}
	}
}

// Nothing but the picture: a mark in every gap of the source is in no output.
func TestMarksDoNotSurvive(t *testing.T) {
	t.Parallel()
	mark := []byte("MARK-51.4779N")
	segment := func(code byte) string {
		return string(append([]byte{0xff, code, 0, byte(len(mark) + 2)}, mark...))
	}
	for _, name := range []string{"odd-2x2.jpg", "aligned-2x2-coarse.jpg",
		"odd-2x2-progressive.jpg", "aligned-2x2-progressive-coarse.jpg", "odd-2x2-restart.jpg",
		"odd-2x2-three-scans.jpg"} {
		source := testdata(t, name)
		var marked [][]byte
		for at := 2; at < len(source)-1; at++ {
			if source[at] != 0xff || source[at+1] < 0xc0 ||
				source[at+1] >= 0xd0 && source[at+1] < 0xd8 {
				continue
			}
			marked = append(marked, cut(source, at, 0, string(mark))) // also behind the last MCU
			for _, code := range []byte{0xe0, 0xe1, 0xe2, 0xe5, 0xed, 0xee, 0xf0, 0xfe} {
				if source[at-1] != 0xff && bytes.LastIndex(source, []byte{0xff, 0xda}) != at {
					marked = append(marked, cut(source, at, 0, segment(code)))
				}
			}
		}
		table := append(
			[]byte{0xff, 0xdb, 0, 67, 3},
			bytes.Repeat(mark, 5)[:64]...) // is used by no component
		marked = append(
			marked,
			cut(source, 2, 0, string(table)),
			append(bytes.Clone(source), mark...),
		)
		for i, broken := range marked {
			for _, orientation := range []int{1, 6} {
				result := transform(
					t,
					broken,
					jpeg.Job{Orientation: orientation, Quality: 80, Fits: []int{40}},
				)
				for _, output := range append(result.Fits, result.Full) {
					if bytes.Contains(output.Data, mark) {
						t.Errorf(
							"%s %d: mark %d survives at orientation %d",
							name,
							len(source),
							i,
							orientation,
						)
					}
				}
			}
		}
	}
}
