// Package icc reads colour profiles (ICC.1:2022) as far as pictures need them: to tell sRGB, to
// write a profile again with nothing in it but numbers, and to convert samples to sRGB.
//
// Known are grey and RGB profiles of curves and a matrix (8.3, 8.4) and those of any space with a
// lookup table (lut8Type, lut16Type: 10.10, 10.11) as their AToB0.
package icc

import (
	"encoding/binary"
	"errors"
	"math"
)

// What Parse can fail with.
var (
	ErrUnknown     = errors.New("ICC profile is damaged, or of an unknown kind")
	ErrUnsupported = errors.New("ICC profile has a table of another type") // lutAToBType: 10.12
)

// Space is the colour space of a profile's samples: 7.2.6.
type Space string

// The spaces that pictures have.
const (
	Grey Space = "GRAY"
	RGB  Space = "RGB "
	CMYK Space = "CMYK"
)

func (s Space) channels() int {
	return map[Space]int{Grey: 1, RGB: 3, CMYK: 4}[s]
}

// Profile is a profile that was read. It keeps no part of the bytes that it was read from.
type Profile struct {
	Space  Space
	curves [][]uint16 // by channel: of red, green and blue, or of grey; tables of equal steps
	matrix [3][3]float64
	table  *table // used instead where there is one
}

const (
	headerSize = 128
	maxTags    = 100
)

// Parse reads a profile, which may be followed by other bytes.
func Parse(data []byte) (*Profile, error) {
	if len(data) < headerSize+4 || string(data[36:40]) != "acsp" {
		return nil, ErrUnknown
	}
	p := &Profile{Space: Space(data[16:20])}
	tags := map[string][]byte{}
	count := int(binary.BigEndian.Uint32(data[headerSize:]))
	for i := range min(count, maxTags) {
		at := headerSize + 4 + 12*i
		if at+12 > len(data) {
			return nil, ErrUnknown
		}
		offset, size := binary.BigEndian.Uint32(data[at+4:]), binary.BigEndian.Uint32(data[at+8:])
		if uint64(offset)+uint64(size) > uint64(len(data)) {
			return nil, ErrUnknown
		}
		tags[string(data[at:at+4])] = data[offset : offset+size]
	}
	if p.Space.channels() == 0 {
		return nil, ErrUnknown
	}
	if err := p.read(tags, string(data[20:24])); err != nil {
		return nil, err
	}
	return p, nil
}

// read takes the table, which is the finer description, or else the curves.
func (p *Profile) read(tags map[string][]byte, connection string) (err error) {
	if lut := tags["A2B0"]; lut != nil {
		p.table, err = readTable(lut, p.Space.channels(), connection)
		return err
	}
	names := map[Space][]string{Grey: {"k"}, RGB: {"r", "g", "b"}}[p.Space]
	if names == nil || connection != "XYZ " && p.Space == RGB {
		return ErrUnknown
	}
	for column, name := range names {
		curve, err := readCurve(tags[name+"TRC"])
		if err != nil {
			return err
		}
		p.curves = append(p.curves, curve)
		if p.Space == Grey {
			continue
		}
		xyz := tags[name+"XYZ"]
		if len(xyz) < 20 || string(xyz[:4]) != "XYZ " {
			return ErrUnknown
		}
		for row := range 3 {
			p.matrix[row][column] = fixed(xyz[8+4*row:])
		}
	}
	return nil
}

// fixed reads an s15Fixed16Number: 4.6.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// samples is how many steps a curve is kept in that does not have fewer.
const samples = 1024

// readCurve reads a curveType or parametricCurveType: 10.6 and 10.18.
func readCurve(tag []byte) ([]uint16, error) {
	if len(tag) < 12 {
		return nil, ErrUnknown
	}
	var at func(x float64) float64
	steps := samples
	switch string(tag[:4]) {
	case "curv":
		n := int(binary.BigEndian.Uint32(tag[8:]))
		if n > 1<<16 || len(tag) < 12+2*n {
			return nil, ErrUnknown
		}
		at = func(x float64) float64 { return interpolate(tag[12:12+2*n], x) }
		if n > 1 {
			steps = min(n, samples)
		}
		if n == 0 {
			at = func(x float64) float64 { return x }
		}
		if n == 1 {
			gamma := float64(binary.BigEndian.Uint16(tag[12:])) / 256
			at = func(x float64) float64 { return math.Pow(x, gamma) }
		}
	case "para":
		if at = parametric(tag); at == nil {
			return nil, ErrUnknown
		}
	default:
		return nil, ErrUnknown
	}
	curve := make([]uint16, steps)
	for i := range curve {
		y := at(float64(i) / float64(steps-1))
		curve[i] = uint16(math.Round(65535 * min(max(y, 0), 1)))
	}
	return curve, nil
}

func interpolate(table []byte, x float64) float64 {
	last := len(table)/2 - 1
	position := x * float64(last)
	i := min(int(position), last-1)
	a, b := binary.BigEndian.Uint16(table[2*i:]), binary.BigEndian.Uint16(table[2*i+2:])
	return (float64(a) + (float64(b)-float64(a))*(position-float64(i))) / 65535
}

// parametric gives the functions of table 68.
func parametric(tag []byte) func(x float64) float64 {
	kind := binary.BigEndian.Uint16(tag[8:])
	counts := []int{1, 3, 4, 5, 7}
	if int(kind) >= len(counts) || len(tag) < 12+4*counts[kind] {
		return nil
	}
	v := make([]float64, 7) // g a b c d e f
	for i := range counts[kind] {
		v[i] = fixed(tag[12+4*i:])
	}
	g, a, b, c, d, e, f := v[0], v[1], v[2], v[3], v[4], v[5], v[6]
	switch kind {
	case 0:
		a, d = 1, -1
	case 1, 2:
		if a == 0 {
			return nil
		}
		c, d, e, f = 0, -b/a, v[3], v[3]
	}
	return func(x float64) float64 {
		if x < d {
			return c*x + f
		}
		return math.Pow(max(a*x+b, 0), g) + e
	}
}
