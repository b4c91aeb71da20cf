package jpeg

import (
	"encoding/binary"
	"fmt"
)

// frameHeader reads an SOF segment: B.2.2.
func (r *reader) frameHeader(marker byte, body []byte) error {
	if marker > markerSOF2 || len(body) > 0 && body[0] != 8 {
		return fmt.Errorf(
			"%w: lossless, hierarchical, arithmetic or not 8 bits deep",
			ErrUnsupported,
		)
	}
	if r.Components != nil || len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return fmt.Errorf("%w: frame header", ErrCorrupt)
	}
	r.Progressive, r.frame, r.sof = marker == markerSOF2, body, marker
	r.Height, r.Width = int(
		binary.BigEndian.Uint16(body[1:]),
	), int(
		binary.BigEndian.Uint16(body[3:]),
	)
	if n := int(body[5]); n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%w: %d components", ErrUnsupported, n)
	}
	if r.Height == 0 || r.Width == 0 {
		return fmt.Errorf("%w: %d × %d samples", ErrCorrupt, r.Width, r.Height)
	}
	for part := body[6:]; len(part) > 0; part = part[3:] {
		c := Component{ID: part[0], H: int(part[1] >> 4), V: int(part[1] & 15), tq: part[2]}
		if c.H < 1 || c.H > 4 || c.V < 1 || c.V > 4 || c.tq > 3 {
			return fmt.Errorf("%w: component of %d × %d samples", ErrCorrupt, c.H, c.V)
		}
		r.Components = append(r.Components, c)
	}
	if len(r.Components) == 1 {
		// one component is never interleaved, so they say nothing
		r.Components[0].H, r.Components[0].V = 1, 1
	}
	r.measure()
	return nil
}

// measure works out the sizes of A.1.1 and A.2.
func (f *File) measure() {
	hMax, vMax := f.maxSampling()
	mcusX, mcusY := f.mcus()
	for i := range f.Components {
		c := &f.Components[i]
		c.width, c.height = ceilDiv(f.Width*c.H, hMax), ceilDiv(f.Height*c.V, vMax)
		c.usedX, c.usedY = ceilDiv(c.width, 8), ceilDiv(c.height, 8)
		c.blocksX, c.blocksY = mcusX*c.H, mcusY*c.V
	}
}

func (f *File) maxSampling() (h, v int) {
	for _, c := range f.Components {
		h, v = max(h, c.H), max(v, c.V)
	}
	return h, v
}

func (f *File) mcus() (x, y int) {
	h, v := f.maxSampling()
	return ceilDiv(f.Width, 8*h), ceilDiv(f.Height, 8*v)
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// scan reads a scan header, B.2.3, and notes the tables that it uses.
func (r *reader) scan(body []byte) error {
	if r.Components == nil || len(body) < 1 || body[0] < 1 || body[0] > 4 ||
		len(body) != 4+2*int(body[0]) {
		return fmt.Errorf("%w: scan header", ErrCorrupt)
	}
	if len(r.scans) >= r.maxScans {
		return fmt.Errorf("%w: more than %d scans", ErrTooLarge, r.maxScans)
	}
	n := int(body[0])
	rest := body[1+2*n:]
	s := scan{
		header:  body,
		ss:      int(rest[0]),
		se:      int(rest[1]),
		ah:      int(rest[2] >> 4),
		al:      int(rest[2] & 15),
		restart: r.restart,
	}
	if !r.Progressive {
		s.ss, s.se, s.ah, s.al = 0, blockSize-1, 0, 0
	}
	if err := s.check(n, r.Progressive); err != nil {
		return err
	}
	used := 0 // a bit for each component of this scan: identifiers may be repeated in the frame
	for part := body[1 : 1+2*n]; len(part) > 0; part = part[2:] {
		i := r.selected(part[0], used)
		if i < 0 || part[1]>>4 > 3 || part[1]&15 > 3 {
			return fmt.Errorf("%w: a scan of unknown component %d", ErrCorrupt, part[0])
		}
		used |= 1 << i
		s.components = append(s.components, i)
		s.dc, s.ac = append(s.dc, r.huffman[0][part[1]>>4]), append(s.ac, r.huffman[1][part[1]&15])
		if err := r.begin(&r.Components[i], &s); err != nil {
			return err
		}
	}
	r.scans = append(r.scans, s)
	return r.blocksInMCU(&s)
}

// check refuses what G.1.1.1 does not allow.
func (s *scan) check(components int, progressive bool) error {
	dc := s.ss == 0
	if s.se > blockSize-1 || s.ss > s.se || s.al > 13 || s.ah > 13 || s.ah > 0 && s.al != s.ah-1 ||
		progressive && dc && s.se > 0 || !dc && components > 1 {
		return fmt.Errorf(
			"%w: scan of coefficients %d to %d at bit %d",
			ErrCorrupt,
			s.ss,
			s.se,
			s.al,
		)
	}
	return nil
}

// selected finds a component of the frame that the scan does not have yet.
func (r *reader) selected(id byte, used int) int {
	for i := range r.Components {
		if r.Components[i].ID == id && used&(1<<i) == 0 {
			return i
		}
	}
	return -1
}

// begin notes what is fixed for a component by its first scan.
func (r *reader) begin(c *Component, s *scan) error {
	if c.seen && !r.Progressive {
		return fmt.Errorf("%w: component %d has two scans", ErrCorrupt, c.ID)
	}
	if s.ss == 0 && s.ah == 0 {
		c.seen = true
	}
	if c.quantization == nil {
		c.quantization = r.quantization[c.tq]
	}
	if c.quantization == nil {
		return fmt.Errorf("%w: component %d has no quantisation table", ErrCorrupt, c.ID)
	}
	return nil
}

// blocksInMCU holds an interleaved MCU to ten blocks: B.2.3.
func (r *reader) blocksInMCU(s *scan) error {
	if len(s.components) == 1 {
		return nil
	}
	blocks := 0
	for _, i := range s.components {
		blocks += r.Components[i].H * r.Components[i].V
	}
	if blocks > 10 {
		return fmt.Errorf("%w: %d blocks in an MCU", ErrUnsupported, blocks)
	}
	return nil
}
