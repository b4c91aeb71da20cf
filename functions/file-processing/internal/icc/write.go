package icc

import (
	"encoding/binary"
	"math"
	"slices"
)

// Matrix reports whether Bytes can write the profile.
func (p *Profile) Matrix() bool { return p.table == nil }

// Bytes writes a display profile that says the same with curves and a matrix: nothing of the source
// but those numbers, in 2 to 4 KB at most. It is nil for a profile with a table.
func (p *Profile) Bytes() []byte {
	if p.table != nil {
		return nil
	}
	names := map[Space][]string{Grey: {"k"}, RGB: {"r", "g", "b"}}[p.Space]
	type tag struct {
		name string
		data []byte
	}
	tags := []tag{
		{
			"desc",
			description("Display"),
		}, {"cprt", append([]byte("text\x00\x00\x00\x00"), "None\x00"...)},
		{"wtpt", xyz(whiteX, 1, whiteZ)},
	}
	for i, name := range names {
		tags = append(tags, tag{name + "TRC", curve(p.curves[i])})
		if p.Space == RGB {
			tags = append(
				tags,
				tag{name + "XYZ", xyz(p.matrix[0][i], p.matrix[1][i], p.matrix[2][i])},
			)
		}
	}
	out := make([]byte, headerSize, 1024)
	out = binary.BigEndian.AppendUint32(out, uint32(len(tags)))
	out = append(out, make([]byte, 12*len(tags))...)
	places := map[string]uint32{} // equal data is written once
	for i, t := range tags {
		at, written := places[string(t.data)]
		if !written {
			out = append(out, make([]byte, -len(out)&3)...)
			at = uint32(len(out))
			places[string(t.data)] = at
			out = append(out, t.data...)
		}
		entry := out[headerSize+4+12*i:]
		copy(entry, t.name)
		binary.BigEndian.PutUint32(entry[4:], at)
		binary.BigEndian.PutUint32(entry[8:], uint32(len(t.data)))
	}
	out = append(out, make([]byte, -len(out)&3)...)
	p.header(out)
	return out
}

// header fills what 7.2 requires, for version 2.4.
func (p *Profile) header(out []byte) {
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	binary.BigEndian.PutUint32(out[8:], 0x02400000)
	copy(out[12:], "mntr")
	copy(out[16:], p.Space)
	copy(out[20:], "XYZ ")
	binary.BigEndian.PutUint16(out[24:], 2000) // a date has to be there
	out[27], out[29] = 1, 1
	copy(out[36:], "acsp")
	copy(out[68:], xyz(whiteX, 1, whiteZ)[8:])
}

func xyz(values ...float64) []byte {
	out := []byte("XYZ \x00\x00\x00\x00")
	for _, v := range values {
		out = binary.BigEndian.AppendUint32(out, uint32(int32(math.Round(v*65536))))
	}
	return out
}

// written is how many steps of a curve are written at most. Between them an error is far below a
// step of 255 for every gamma of displays.
const written = 256

// curve writes a curveType: as a gamma where it is one, otherwise as a table.
func curve(values []uint16) []byte {
	out := []byte("curv\x00\x00\x00\x00")
	if gamma, pure := gammaOf(values); pure {
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(out, 1), gamma)
	}
	n := min(written, len(values))
	out = binary.BigEndian.AppendUint32(out, uint32(n))
	for i := range n {
		y := at(values, float64(i)/float64(n-1))
		out = binary.BigEndian.AppendUint16(out, uint16(math.Round(65535*y)))
	}
	return out
}

// gammaOf finds the exponent in 1/256 that gives the same curve to 1/4096.
func gammaOf(values []uint16) (gamma uint16, pure bool) {
	middle := float64(values[len(values)/2]) / 65535
	if middle <= 0 || middle >= 1 {
		return 0, false
	}
	x := float64(len(values)/2) / float64(len(values)-1)
	if x >= 1 {
		return 0, false
	}
	exponent := math.Round(256*math.Log(middle)/math.Log(x)) / 256
	last := len(values) - 1
	pure = !slices.ContainsFunc([]int{last / 16, last / 4, last * 2 / 3, last}, func(i int) bool {
		want := math.Pow(float64(i)/float64(last), exponent)
		return math.Abs(float64(values[i])/65535-want) > 1.0/4096
	})
	return uint16(256 * exponent), pure
}

// description is a textDescriptionType: ICC.1:2001-04, 6.5.17.
func description(text string) []byte {
	out := []byte("desc\x00\x00\x00\x00")
	out = binary.BigEndian.AppendUint32(out, uint32(len(text)+1))
	out = append(append(out, text...), 0)
	return append(out, make([]byte, 4+4+2+1+67)...)
}
