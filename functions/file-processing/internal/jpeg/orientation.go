package jpeg

// An orientation says how the stored picture becomes the shown one: its axes are reversed, then
// exchanged.
type orientation struct {
	flipX, flipY bool // of the stored picture
	transpose    bool
}

// orientationOf takes the number of Exif 3.0, table 4: where in the scene the stored rows and
// columns begin.
func orientationOf(exif int) orientation {
	switch exif {
	case 2:
		return orientation{flipX: true}
	case 3:
		return orientation{flipX: true, flipY: true}
	case 4:
		return orientation{flipY: true}
	case 5:
		return orientation{transpose: true}
	case 6:
		return orientation{flipY: true, transpose: true}
	case 7:
		return orientation{flipX: true, flipY: true, transpose: true}
	case 8:
		return orientation{flipX: true, transpose: true}
	}
	return orientation{}
}

func (o orientation) upright() bool { return o == orientation{} }

// size gives a width and height as shown, of what is stored.
func (o orientation) size(width, height int) (int, int) {
	if o.transpose {
		return height, width
	}
	return width, height
}

// place gives where something of a stored width × height grid is shown.
func (o orientation) place(x, y, width, height int) (int, int) {
	if o.flipX {
		x = width - 1 - x
	}
	if o.flipY {
		y = height - 1 - y
	}
	return o.size(x, y)
}

// coefficient gives where a coefficient goes, both in zigzag order, and whether its sign changes.
// Reversing an axis negates the cosines of odd frequency along it: A.3.3.
func (o orientation) coefficient(k int) (to int, negate bool) {
	u, v := int(zigzag[k])&7, int(zigzag[k])>>3
	negate = (o.flipX && u&1 == 1) != (o.flipY && v&1 == 1)
	if !o.transpose {
		return k, negate
	}
	for to, place := range zigzag {
		if int(place) == u<<3|v {
			return to, negate
		}
	}
	return k, negate
}

// table gives a quantisation table as the shown picture has it.
func (o orientation) table(stored *[blockSize]uint16) *[blockSize]uint16 {
	var shown [blockSize]uint16
	for k, step := range stored {
		to, _ := o.coefficient(k)
		shown[to] = step
	}
	return &shown
}

// inBlocks reports whether a component can be turned block by block: each reversed side has to end
// where a block does.
func (o orientation) inBlocks(f *File, c *Component) bool {
	hMax, vMax := f.maxSampling()
	return (!o.flipX || f.Width*c.H%(8*hMax) == 0) && (!o.flipY || f.Height*c.V%(8*vMax) == 0)
}
