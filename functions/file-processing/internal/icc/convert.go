package icc

import "math"

// fromD50 leads from XYZ, relative to D50, to linear light of the primaries of sRGB (IEC 61966-2-1,
// adapted as its ICC profile is).
var fromD50 = [3][3]float64{
	{3.1338561, -1.6168667, -0.4906146},
	{-0.9787684, 1.9161415, 0.0334540},
	{0.0719453, -0.2289914, 1.4052427},
}

// Converter gives the sRGB colour of samples of eight bits, one of each channel of the profile. It
// remembers the last, for pictures have areas; use one in each goroutine.
type Converter struct {
	profile *Profile
	last    [4]uint8
	rgb     [3]uint8
	primed  bool
	encode  []uint8 // from linear light, in 4096 steps
}

// Converter makes one for the profile.
func (p *Profile) Converter() *Converter {
	c := &Converter{profile: p, encode: make([]uint8, 4096)}
	for i := range c.encode {
		x := float64(i) / float64(len(c.encode)-1)
		y := 12.92 * x
		if x > 0.0031308 {
			y = 1.055*math.Pow(x, 1/2.4) - 0.055
		}
		c.encode[i] = uint8(math.Round(255 * y))
	}
	return c
}

// Convert takes as many samples as the profile has channels.
func (c *Converter) Convert(samples ...uint8) (r, g, b uint8) {
	var key [4]uint8
	copy(key[:], samples)
	if !c.primed || key != c.last {
		c.last, c.primed = key, true
		x, y, z := c.profile.xyz(key)
		for i, row := range fromD50 {
			linear := row[0]*x + row[1]*y + row[2]*z
			c.rgb[i] = c.encode[int(math.Round(min(max(linear, 0), 1)*float64(len(c.encode)-1)))]
		}
	}
	return c.rgb[0], c.rgb[1], c.rgb[2]
}

func (p *Profile) xyz(samples [4]uint8) (x, y, z float64) {
	if p.table != nil {
		var unit [4]float32
		for i, v := range samples {
			unit[i] = float32(v) / 255
		}
		return p.table.xyz(unit[:p.Space.channels()])
	}
	var linear [3]float64
	for i, curve := range p.curves {
		linear[i] = at(curve, float64(samples[i])/255)
	}
	if p.Space == Grey {
		return whiteX * linear[0], linear[0], whiteZ * linear[0]
	}
	product := func(row [3]float64) float64 {
		return row[0]*linear[0] + row[1]*linear[1] + row[2]*linear[2]
	}
	return product(p.matrix[0]), product(p.matrix[1]), product(p.matrix[2])
}

func at(curve []uint16, x float64) float64 {
	position := x * float64(len(curve)-1)
	i := min(int(position), len(curve)-2)
	a, b := float64(curve[i]), float64(curve[i+1])
	return (a + (b-a)*(position-float64(i))) / 65535
}

// IsSRGB reports whether the profile says what a picture without one says: no sample is shown more
// than one step of 255 off.
func (p *Profile) IsSRGB() bool {
	if p.table != nil {
		return false
	}
	c := p.Converter()
	for v := 0; v < 256; v += 17 {
		if p.Space == Grey {
			if r, _, _ := c.Convert(uint8(v)); apart(int(r), v) {
				return false
			}
			continue
		}
		for _, in := range [][3]int{{v, v, v}, {v, 0, 0}, {0, v, 0}, {0, 0, v}, {255, v, 0},
			{v, 255, 255}} {
			r, g, b := c.Convert(uint8(in[0]), uint8(in[1]), uint8(in[2]))
			if apart(int(r), in[0]) || apart(int(g), in[1]) || apart(int(b), in[2]) {
				return false
			}
		}
	}
	return true
}

func apart(a, b int) bool { return max(a-b, b-a) > 1 }
