package jpeg

import (
	"context"
	"fmt"
	"slices"
)

// stores are the coefficients of all components.
type stores []*coefficients

// progressive decodes all scans of a progressive picture: G.2.
func (f *File) progressive(ctx context.Context) (stores, error) {
	all := make(stores, len(f.Components))
	for i := range all {
		all[i] = newCoefficients(&f.Components[i])
	}
	var data entropy
	for i := range f.scans {
		if err := f.progressiveScan(ctx, &f.scans[i], &data, all); err != nil {
			return nil, err
		}
	}
	for _, store := range all {
		if !f.complete && !store.whole() {
			return nil, errMissing
		}
	}
	return all, nil
}

// handOn gives all blocks to their channels: chrominance first, so that a drawing shows early.
func (s stores) handOn(ctx context.Context, channels []*channel) error {
	for i, store := range slices.Backward(s) {
		c := channels[i].component
		var list [blockSize]uint32
		for y := range c.usedY {
			if err := row(ctx, channels); err != nil {
				return err
			}
			for x := range c.usedX {
				dc, ac := store.list(y*store.stride+x, &list)
				channels[i].block(x, y, dc, ac)
			}
		}
	}
	return nil
}

// A pass is one scan over the coefficients of a progressive picture.
type pass struct {
	*scan
	geometry
	stores stores
}

func (f *File) progressiveScan(ctx context.Context, s *scan, data *entropy, all stores) error {
	p := pass{scan: s, geometry: f.geometry(s), stores: all}
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
		if s.ss == 0 {
			return p.dc(ctx, r, first, count)
		}
		return p.ac(ctx, r, first, count)
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
				return fmt.Errorf("%w: coefficient %d is sent at bit %d after bit %d",
					ErrCorrupt, k, p.al, *last)
			}
			*last = int8(p.al)
		}
	}
	return nil
}

// dc reads a restart interval of DC coefficients: G.1.2.1.
func (p *pass) dc(ctx context.Context, r *bitReader, first, count int) error {
	var predict [4]int32
	x, y := first%p.mcusX, first/p.mcusX
	for range count {
		for i := range p.blocks {
			b := &p.blocks[i]
			store := p.stores[b.component]
			at := &store.dc[(y*p.stepY[b.component]+b.v)*store.stride+x*p.stepX[b.component]+b.h]
			r.fill()
			if p.ah > 0 {
				*at |= int16(r.take(1) << p.al)
				continue
			}
			size, err := r.symbol(b.dc)
			if err != nil {
				return err
			}
			if size > 0 {
				predict[b.component] += extend(r.take(uint(size)), uint(size))
			}
			*at = int16(predict[b.component] << p.al)
		}
		if r.overrun() {
			return errMissing
		}
		if x++; x == p.mcusX {
			x, y = 0, y+1
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// ac reads a restart interval of a band of AC coefficients, of one component: G.1.2.2 and G.1.2.3.
func (p *pass) ac(ctx context.Context, r *bitReader, first, count int) error {
	band := band{ss: p.ss, se: p.se, al: p.al, table: p.blocks[0].ac}
	store := p.stores[p.components[0]]
	for m, end := first, first+count; m < end; {
		row := m / p.mcusX
		index := row*store.stride + m%p.mcusX
		for stop := min(end, (row+1)*p.mcusX); m < stop; m, index = m+1, index+1 {
			var err error
			switch nonzero := &store.nonzero[index]; {
			case p.ah > 0:
				err = band.refine(r, store.block(index), nonzero)
			case band.endRun > 0:
				band.endRun--
			default:
				err = band.first(r, store.block(index), nonzero)
			}
			if err != nil {
				return err
			}
			if r.overrun() {
				return errMissing
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
