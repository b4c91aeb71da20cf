package jpeg

import (
	"context"
	"encoding/binary"
)

// An mcuBlock is one of the blocks that an MCU of a scan consists of.
type mcuBlock struct {
	component int // index into File.Components
	dc, ac    *huffman
	h, v      int // samples of the component that lie before it in the MCU, in blocks
}

// geometry says how a scan's blocks follow each other: A.2.
type geometry struct {
	mcusX, mcusY int
	stepX, stepY []int // by component: blocks from one MCU to the next
	blocks       []mcuBlock
}

func (f *File) geometry(s *scan) geometry {
	g := geometry{stepX: make([]int, len(f.Components)), stepY: make([]int, len(f.Components))}
	if len(s.components) == 1 {
		i := s.components[0]
		g.mcusX, g.mcusY = f.Components[i].usedX, f.Components[i].usedY
		g.stepX[i], g.stepY[i] = 1, 1
		g.blocks = []mcuBlock{{component: i}}
		return g
	}
	g.mcusX, g.mcusY = f.mcus()
	for _, i := range s.components {
		c := &f.Components[i]
		g.stepX[i], g.stepY[i] = c.H, c.V
		for v := range c.V {
			for h := range c.H {
				g.blocks = append(g.blocks, mcuBlock{component: i, h: h, v: v})
			}
		}
	}
	return g
}

// tables builds the scan's decoders into the geometry's blocks, each table once.
func (g *geometry) tables(s *scan, wantDC, wantAC bool) error {
	built := map[*byte]*huffman{}
	table := func(raw rawTable, dc bool) (*huffman, error) {
		if raw == nil {
			return raw.build(dc)
		}
		if built[&raw[0]] == nil {
			h, err := raw.build(dc)
			if err != nil {
				return nil, err
			}
			built[&raw[0]] = h
		}
		return built[&raw[0]], nil
	}
	for i, component := range s.components {
		var dc, ac *huffman
		var err error
		if wantDC {
			if dc, err = table(s.dc[i], true); err != nil {
				return err
			}
		}
		if wantAC {
			if ac, err = table(s.ac[i], false); err != nil {
				return err
			}
		}
		for j := range g.blocks {
			if g.blocks[j].component == component {
				g.blocks[j].dc, g.blocks[j].ac = dc, ac
			}
		}
	}
	return nil
}

// sequential decodes the scans of a baseline or extended sequential picture: F.2.
func (f *File) sequential(ctx context.Context, channels []*channel) error {
	var data entropy
	for i := range f.scans {
		s := &f.scans[i]
		if err := data.unstuff(f.data[s.start:s.end]); err != nil {
			return err
		}
		g := f.geometry(s)
		if err := g.tables(s, true, true); err != nil {
			return err
		}
		err := s.intervals(&data, g.mcusX*g.mcusY, func(bits *bitReader, first, count int) error {
			return g.decode(ctx, bits, first, count, channels)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decode reads one restart interval. It is the loop that most of the time goes to, so the bits are
// in local variables: bitReader's methods, written out.
func (g *geometry) decode(
	ctx context.Context,
	r *bitReader,
	first, count int,
	channels []*channel,
) error {
	var (
		data     = r.data
		pos      = r.pos
		limit    = 8 * r.end
		word     uint64
		ready    uint
		predict  [4]int32
		ac       [blockSize]uint32
		mcuX     = first % g.mcusX
		mcuY     = first / g.mcusX
		lastData = len(data) - maxBlockBytes + 8 // a word may be read ahead
	)
	for range count {
		for i := range g.blocks {
			b := &g.blocks[i]
			if pos > lastData {
				return errMissing
			}
			word |= binary.BigEndian.Uint64(data[pos:]) >> ready
			pos += int((63 - ready) >> 3)
			ready |= 56
			e := b.dc.lookup[word>>(64-lookupBits)]
			if e != 0 {
				word <<= e & entryLength
				ready -= uint(e & entryLength)
				predict[b.component] += int32(e) >> 16
			} else {
				length, size := b.dc.slow(uint32(word >> 48))
				if length == 0 {
					return errCode
				}
				word <<= length
				if size > 0 {
					predict[b.component] += extend(uint32(word>>(64-size)), uint(size))
				}
				word <<= size
				ready -= length + uint(size)
			}
			n, k := 0, uint32(0)
			lookup := &b.ac.lookup
			for {
				word |= binary.BigEndian.Uint64(data[pos:]) >> ready
				pos += int((63 - ready) >> 3)
				ready |= 56
				e := lookup[word>>(64-lookupBits)]
				if e == 0 {
					length, symbol := b.ac.slow(uint32(word >> 48))
					if length == 0 {
						return errCode
					}
					size := uint(symbol & 15)
					word <<= length
					ready -= length
					switch {
					case size > 0:
						e = uint32(
							extend(uint32(word>>(64-size)), size),
						)<<16 | uint32(
							symbol>>4+1,
						)<<entryAdvance
					case symbol>>4 == 15:
						e = 16 << entryAdvance
					default:
						e = endOfBlock << entryAdvance
					}
					word <<= size
					ready -= size
				} else {
					word <<= e & entryLength
					ready -= uint(e & entryLength)
				}
				k += e >> entryAdvance & 0xff
				ac[n&(blockSize-1)] = e&entryValue | k
				n++
				if k >= blockSize-1 {
					break
				}
			}
			if k >= endOfBlock {
				n-- // what marks the end is no coefficient
			} else if k > blockSize-1 {
				return errIndex
			}
			channels[b.component].block(
				mcuX*g.stepX[b.component]+b.h,
				mcuY*g.stepY[b.component]+b.v,
				predict[b.component],
				ac[:n&(blockSize-1)],
			)
		}
		if 8*pos-int(ready) > limit {
			return errMissing
		}
		if mcuX++; mcuX == g.mcusX {
			mcuX, mcuY = 0, mcuY+1
			if err := row(ctx, channels); err != nil {
				return err
			}
		}
	}
	r.pos, r.count = pos, ready
	return nil
}
