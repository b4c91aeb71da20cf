package jpeg

import (
	"context"
	"fmt"
)

// progressive decodes all scans of a progressive picture, G.2, and hands its blocks on.
func (f *File) progressive(ctx context.Context, channels []*channel) error {
	stores := make([]*coefficients, len(f.Components))
	for i := range stores {
		stores[i] = newCoefficients(&f.Components[i])
	}
	var data entropy
	for i := range f.scans {
		if err := f.progressiveScan(ctx, &f.scans[i], &data, stores); err != nil {
			return err
		}
	}
	for i, store := range stores {
		if !f.complete && !store.whole() {
			return errMissing
		}
		c := &f.Components[i]
		var list [blockSize]uint32
		for y := range c.usedY {
			if err := ctx.Err(); err != nil {
				return err
			}
			for x := range c.usedX {
				dc, ac := store.list(y*store.stride+x, &list)
				channels[i].block(x, y, dc, ac)
			}
		}
		stores[i].values = nil
	}
	return nil
}

// A pass is one scan over the coefficients of a progressive picture.
type pass struct {
	*scan
	geometry
	stores []*coefficients
	endRun int // blocks that an EOBn has left: G.1.2.2
	dc     [4]int32
}

func (f *File) progressiveScan(
	ctx context.Context,
	s *scan,
	data *entropy,
	stores []*coefficients,
) error {
	p := pass{scan: s, geometry: f.geometry(s), stores: stores}
	if err := p.follows(); err != nil {
		return err
	}
	if err := p.tables(s, s.ss == 0 && s.ah == 0, s.se > 0); err != nil {
		return err
	}
	if err := data.unstuff(f.data[s.start:s.end]); err != nil {
		return err
	}
	return s.intervals(data, p.mcusX*p.mcusY, func(r *bitReader, first, count int) error {
		return p.decode(ctx, r, first, count)
	})
}

// follows checks that the scan sends the bits that come next, and notes that it does. A picture in
// which scans overlap or leave gaps is one that decoders disagree on.
func (p *pass) follows() error {
	for _, i := range p.components {
		for k := p.ss; k <= p.se; k++ {
			last := &p.stores[i].bit[k]
			first := *last < 0 && p.ah == 0
			if !first && (p.ah == 0 || int(*last) != p.ah) {
				return fmt.Errorf(
					"%w: coefficient %d is sent at bit %d after bit %d",
					ErrCorrupt,
					k,
					p.al,
					*last,
				)
			}
			*last = int8(p.al)
		}
	}
	return nil
}

func (p *pass) decode(ctx context.Context, r *bitReader, first, count int) error {
	p.endRun, p.dc = 0, [4]int32{}
	for m := first; m < first+count; m++ {
		x, y := m%p.mcusX, m/p.mcusX
		if x == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		for i := range p.blocks {
			b := &p.blocks[i]
			store := p.stores[b.component]
			index := (y*p.stepY[b.component]+b.v)*store.stride + x*p.stepX[b.component] + b.h
			if err := p.block(r, b, store, index); err != nil {
				return err
			}
			if r.overrun() {
				return errMissing
			}
		}
	}
	return nil
}

func (p *pass) block(r *bitReader, b *mcuBlock, store *coefficients, index int) error {
	r.fill()
	values := store.block(index)
	switch {
	case p.ss == 0 && p.ah == 0:
		if err := p.firstDC(r, b, values); err != nil {
			return err
		}
	case p.ss == 0:
		values[0] |= int16(r.take(1) << p.al)
	}
	if p.se == 0 {
		return nil
	}
	if p.ah == 0 {
		return p.firstAC(r, b.ac, values, &store.nonzero[index])
	}
	return p.refineAC(r, b.ac, values, &store.nonzero[index])
}

// firstDC is G.1.2.1.
func (p *pass) firstDC(r *bitReader, b *mcuBlock, values *[blockSize]int16) error {
	size, err := r.symbol(b.dc)
	if err != nil {
		return err
	}
	if size > 0 {
		p.dc[b.component] += extend(r.take(uint(size)), uint(size))
	}
	values[0] = int16(p.dc[b.component] << p.al)
	return nil
}

// firstAC is G.1.2.2.
func (p *pass) firstAC(
	r *bitReader,
	table *huffman,
	values *[blockSize]int16,
	nonzero *uint64,
) error {
	if p.endRun > 0 {
		p.endRun--
		return nil
	}
	k := max(p.ss, 1) - 1
	for k < p.se {
		r.fill()
		e := table.lookup[r.word>>(64-lookupBits)]
		if e != 0 {
			r.skip(uint(e & entryLength))
		} else {
			symbol, err := r.symbol(table)
			if err != nil {
				return err
			}
			run, size := uint32(symbol>>4), uint(symbol&15)
			switch {
			case size > 0:
				e = uint32(extend(r.take(size), size))<<16 | (run+1)<<entryAdvance
			case run == 15:
				e = 16 << entryAdvance
			default:
				e = (endOfBlock + run) << entryAdvance
			}
		}
		advance := int(e >> entryAdvance & 0xff)
		if advance >= endOfBlock {
			n := uint(advance - endOfBlock)
			p.endRun = 1<<n + int(r.take(n)) - 1
			return nil
		}
		k += advance
		if k > p.se {
			return errIndex
		}
		if value := int32(e) >> 16; value != 0 {
			values[k&(blockSize-1)] = int16(value << p.al)
			*nonzero |= 1 << k
		}
	}
	return nil
}

// refineAC is G.1.2.3: it adds one bit to the coefficients that are not zero, and new ones in
// between.
func (p *pass) refineAC(
	r *bitReader,
	table *huffman,
	values *[blockSize]int16,
	nonzero *uint64,
) error {
	k := max(p.ss, 1)
	if p.endRun == 0 {
		for k <= p.se {
			r.fill()
			symbol, err := r.symbol(table)
			if err != nil {
				return err
			}
			run, size := int(symbol>>4), symbol&15
			var value int16
			switch {
			case size == 1:
				value = -1 << p.al
				if r.take(1) == 1 {
					value = 1 << p.al
				}
			case size > 1:
				return errCode
			case run < 15:
				p.endRun = 1<<run + int(r.take(uint(run)))
			}
			if p.endRun > 0 {
				break
			}
			k = p.refine(r, values, *nonzero, k, run)
			if k > p.se {
				if value != 0 {
					return errIndex
				}
				break
			}
			if value != 0 {
				values[k&(blockSize-1)] = value
				*nonzero |= 1 << k
			}
			k++
		}
	}
	if p.endRun > 0 {
		p.endRun--
		p.refine(r, values, *nonzero, k, blockSize)
	}
	return nil
}

// refine reads a correction bit for each nonzero coefficient from k on, until it has passed so many
// zeros and stands at another, or after the band's end.
func (p *pass) refine(r *bitReader, values *[blockSize]int16, nonzero uint64, k, zeros int) int {
	for ; k <= p.se; k++ {
		if nonzero&(1<<k) == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		r.fill()
		if r.take(1) == 0 {
			continue
		}
		if v := &values[k&(blockSize-1)]; *v >= 0 {
			*v += 1 << p.al
		} else {
			*v -= 1 << p.al
		}
	}
	return k
}
