package icc_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/icc"
)

// build makes a profile of tags, each a name of four letters and its data.
func build(space, connection string, tags ...string) []byte {
	out := make([]byte, 128)
	copy(out[16:], space)
	copy(out[20:], connection)
	copy(out[36:], "acsp")
	out = binary.BigEndian.AppendUint32(out, uint32(len(tags)/2))
	at := uint32(len(out) + 6*len(tags))
	for i := 0; i < len(tags); i += 2 {
		out = binary.BigEndian.AppendUint32(append(out, tags[i]...), at)
		out = binary.BigEndian.AppendUint32(out, uint32(len(tags[i+1])))
		at += uint32(len(tags[i+1]))
	}
	for i := 1; i < len(tags); i += 2 {
		out = append(out, tags[i]...)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	return out
}

func numbers(kind string, values ...float64) string {
	out := []byte(kind + "\x00\x00\x00\x00")
	for _, v := range values {
		out = binary.BigEndian.AppendUint32(out, uint32(int32(math.Round(v*65536))))
	}
	return string(out)
}

const parametric = "para\x00\x00\x00\x00\x00\x03\x00\x00"

// The curve of sRGB: IEC 61966-2-1.
var transfer = parametric + numbers("....", 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)[8:]

func matrix(curve string, r, g, b [3]float64) []byte {
	return build(
		"RGB ",
		"XYZ ",
		"rTRC",
		curve,
		"gTRC",
		curve,
		"bTRC",
		curve,
		"rXYZ",
		numbers("XYZ ", r[:]...),
		"gXYZ",
		numbers("XYZ ", g[:]...),
		"bXYZ",
		numbers("XYZ ", b[:]...),
	)
}

// The primaries of sRGB and Display P3, adapted to D50.
func srgb() []byte {
	return matrix(
		transfer,
		[3]float64{0.43607, 0.22249, 0.01392},
		[3]float64{0.38515, 0.71687, 0.09708},
		[3]float64{0.14307, 0.06061, 0.7141},
	)
}

func p3() []byte {
	return matrix(
		transfer,
		[3]float64{0.51512, 0.2412, -0.00105},
		[3]float64{0.29198, 0.69225, 0.04189},
		[3]float64{0.1571, 0.06657, 0.78407},
	)
}

func parse(t *testing.T, data []byte) *icc.Profile {
	t.Helper()
	p, err := icc.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestSRGBIsKnownWhateverItIsCalled(t *testing.T) {
	t.Parallel()
	if !parse(t, srgb()).IsSRGB() {
		t.Error("sRGB is not sRGB")
	}
	if parse(t, p3()).IsSRGB() {
		t.Error("Display P3 is sRGB")
	}
	gamma := matrix(
		"curv\x00\x00\x00\x00\x00\x00\x00\x01\x01\xcd",
		[3]float64{0.43607, 0.22249, 0.01392},
		[3]float64{0.38515, 0.71687, 0.09708},
		[3]float64{0.14307, 0.06061, 0.7141},
	)
	if parse(t, gamma).IsSRGB() {
		t.Error("a gamma of 1.8 is sRGB")
	}
}

// What is written says the same, in few bytes, and once more the same.
func TestBytes(t *testing.T) {
	t.Parallel()
	for name, data := range map[string][]byte{
		"P3": append(p3(), "MARK"...), "grey": build("GRAY", "XYZ ", "kTRC", transfer),
		"gamma": build("GRAY", "XYZ ", "kTRC", "curv\x00\x00\x00\x00\x00\x00\x00\x01\x02\x33"),
	} {
		p := parse(t, data)
		small := p.Bytes()
		if len(small) > 1200 || bytes.Contains(small, []byte("MARK")) {
			t.Errorf("%s: %d bytes", name, len(small))
		}
		again := parse(t, small)
		if !bytes.Equal(again.Bytes(), small) {
			t.Errorf("%s: written twice it differs", name)
		}
		a, b := p.Converter(), again.Converter()
		for v := range 256 {
			r1, g1, b1 := a.Convert(uint8(v), uint8(255-v), 128)
			r2, g2, b2 := b.Convert(uint8(v), uint8(255-v), 128)
			if far(r1, r2) || far(g1, g2) || far(b1, b2) {
				t.Fatalf("%s: %d is %d %d %d, then %d %d %d", name, v, r1, g1, b1, r2, g2, b2)
			}
		}
	}
}

func far(a, b uint8) bool { return max(int(a)-int(b), int(b)-int(a)) > 1 }

func TestDisplayP3(t *testing.T) {
	t.Parallel()
	// From the definition of both spaces: a red of 80 % that sRGB can show, and white.
	r, g, b := parse(t, p3()).Converter().Convert(204, 102, 102)
	if far(r, 219) || far(g, 94) || far(b, 98) {
		t.Errorf("%d %d %d", r, g, b)
	}
	if r, g, b := parse(t, p3()).Converter().Convert(255, 255, 255); far(r, 255) || far(g, 255) ||
		far(b, 255) {
		t.Errorf("white is %d %d %d", r, g, b)
	}
}

// lut16 is a table of two points along each of four inks: paper without any, black otherwise.
func lut16(channels int) string {
	out := []byte("mft2\x00\x00\x00\x00" + string([]byte{byte(channels), 3, 2, 0}))
	out = append(out, make([]byte, 36)...)
	out = append(out, 0, 2, 0, 2)
	for range channels {
		out = append(out, 0, 0, 0xff, 0xff)
	}
	for i := range 1 << channels {
		lightness := byte(0xff) // 100 in 65280 parts
		if i > 0 {
			lightness = 0
		}
		out = append(out, lightness, 0, 0x80, 0, 0x80, 0)
	}
	for range 3 {
		out = append(out, 0, 0, 0xff, 0xff)
	}
	return string(out)
}

func TestTable(t *testing.T) {
	t.Parallel()
	p := parse(t, build("CMYK", "Lab ", "A2B0", lut16(4)))
	if p.Matrix() || p.Bytes() != nil || p.IsSRGB() {
		t.Error("a table is taken for a matrix")
	}
	for _, c := range []struct {
		ink  [4]uint8
		want uint8
	}{
		{[4]uint8{}, 255}, {[4]uint8{0, 0, 0, 255}, 0}, {[4]uint8{255, 0, 0, 0}, 0},
		{[4]uint8{0, 0, 128, 0}, 118},  // a lightness of 49.8
		{[4]uint8{128, 0, 0, 128}, 58}, // of 24.8
	} {
		r, g, b := p.Converter().Convert(c.ink[:]...)
		if far(r, c.want) || far(g, c.want) || far(b, c.want) {
			t.Errorf("%v is %d %d %d, want %d", c.ink, r, g, b, c.want)
		}
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	whole := p3()
	for n := range len(whole) {
		if _, err := icc.Parse(whole[:n]); !errors.Is(err, icc.ErrUnknown) {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(whole), err)
		}
	}
	for name, data := range map[string][]byte{
		"without curves": build("RGB ", "XYZ "),
		"another space":  build("HSV ", "XYZ ", "kTRC", transfer),
		"a short table":  build("CMYK", "Lab ", "A2B0", lut16(4)[:100]),
		"of three inks":  build("CMYK", "Lab ", "A2B0", lut16(3)),
	} {
		if _, err := icc.Parse(data); !errors.Is(err, icc.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := icc.Parse(build("RGB ", "Lab ", "A2B0", "mAB ")); !errors.Is(
		err,
		icc.ErrUnsupported,
	) {
		t.Errorf("another type of table: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(p3())
	f.Add(build("CMYK", "Lab ", "A2B0", lut16(4)))
	f.Add(build("GRAY", "XYZ ", "kTRC", transfer))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := icc.Parse(data)
		if err != nil {
			return
		}
		p.IsSRGB()
		p.Converter().Convert(1, 2, 3, 4)
		if small := p.Bytes(); small != nil {
			if _, err := icc.Parse(small); err != nil {
				t.Fatal(err)
			}
		}
	})
}
