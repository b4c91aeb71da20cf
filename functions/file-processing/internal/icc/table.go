package icc

import "encoding/binary"

// A table is a lut8Type or lut16Type: 10.10 and 10.11. Its matrix is for XYZ input only, so that
// pictures' profiles do not have one.
type table struct {
	inputs, grid int
	curves       [][]float32 // by input: 0 to 1
	points       []float32   // of the grid, three values each; the last input runs fastest
	outputs      [][]float32 // curves of the three values
	lab          bool        // CIELAB, otherwise XYZ
	wide         bool        // lut16Type
}

const maxPoints = 1 << 20

func readTable(tag []byte, channels int, connection string) (*table, error) {
	if len(tag) >= 4 && string(tag[:4]) == "mAB " {
		return nil, ErrUnsupported
	}
	if len(tag) < 52 || int(tag[8]) != channels || tag[9] != 3 || tag[10] < 2 {
		return nil, ErrUnknown
	}
	t := &table{inputs: channels, grid: int(tag[10]), lab: connection == "Lab "}
	inputs, outputs, at, width := 256, 256, 48, 1
	switch string(tag[:4]) {
	case "mft1":
	case "mft2":
		t.wide, at, width = true, 52, 2
		inputs, outputs = int(
			binary.BigEndian.Uint16(tag[48:]),
		), int(
			binary.BigEndian.Uint16(tag[50:]),
		)
	default:
		return nil, ErrUnknown
	}
	points := 3
	for range channels {
		if points *= t.grid; points > maxPoints {
			return nil, ErrUnknown
		}
	}
	if inputs < 2 || outputs < 2 || inputs > 4096 || outputs > 4096 ||
		len(tag) < at+width*(inputs*channels+points+3*outputs) {
		return nil, ErrUnknown
	}
	read := func(n int) []float32 {
		values := make([]float32, n)
		for i := range values {
			if width == 1 {
				values[i] = float32(tag[at]) / 255
			} else {
				values[i] = float32(binary.BigEndian.Uint16(tag[at:])) / 65535
			}
			at += width
		}
		return values
	}
	for range channels {
		t.curves = append(t.curves, read(inputs))
	}
	t.points = read(points)
	for range 3 {
		t.outputs = append(t.outputs, read(outputs))
	}
	return t, nil
}

func along(curve []float32, x float32) float32 {
	position := min(max(x, 0), 1) * float32(len(curve)-1)
	i := min(int(position), len(curve)-2)
	return curve[i] + (curve[i+1]-curve[i])*(position-float32(i))
}

// xyz gives the colour, relative to D50, of samples from 0 to 1. Between the points of the grid it
// interpolates along every axis.
func (t *table) xyz(sample []float32) (x, y, z float64) {
	var corner [16]int // offsets of the grid points around the sample
	var weight [16]float32
	weight[0] = 1
	for i := range t.inputs {
		position := along(t.curves[i], sample[i]) * float32(t.grid-1)
		low := min(int(position), t.grid-2)
		part := position - float32(low)
		for j := range 1 << i {
			base := corner[j] + low
			corner[j], corner[j|1<<i] = base*t.next(i), (base+1)*t.next(i)
			weight[j], weight[j|1<<i] = weight[j]*(1-part), weight[j]*part
		}
	}
	var value [3]float32
	for j := range 1 << t.inputs {
		if weight[j] == 0 {
			continue
		}
		for c := range value {
			value[c] += weight[j] * t.points[3*corner[j]+c]
		}
	}
	for c := range value {
		value[c] = along(t.outputs[c], value[c])
	}
	return t.connection(value)
}

// next is by what an offset is multiplied before the following input is added.
func (t *table) next(input int) int {
	if input == t.inputs-1 {
		return 1
	}
	return t.grid
}

// connection reads a colour of the profile connection space as the types encode it: 6.3.4, and
// table 42 for the legacy encoding that lut16Type has.
func (t *table) connection(value [3]float32) (x, y, z float64) {
	a, b, c := float64(value[0]), float64(value[1]), float64(value[2])
	if !t.lab {
		const whole = 65535.0 / 32768
		return a * whole, b * whole, c * whole
	}
	l := 100 * a
	u, v := 255*b-128, 255*c-128
	if t.wide {
		l, u, v = l*65535/65280, b*65535/256-128, c*65535/256-128
	}
	cube := func(t float64) float64 {
		if t > 6.0/29 {
			return t * t * t
		}
		return (t - 4.0/29) * 3 * (6.0 / 29) * (6.0 / 29)
	}
	f := (l + 16) / 116
	return whiteX * cube(f+u/500), cube(f), whiteZ * cube(f-v/200)
}

// D50, the white of the profile connection space: 7.2.16.
const whiteX, whiteZ = 0.9642, 0.8249
