package jpeg

import (
	"context"
	"math"
)

// size is in samples.
type size struct{ width, height int }

// within gives the size inside a square, with the aspect kept and nothing enlarged.
func (s size) within(longer int) size {
	if max(s.width, s.height) <= longer {
		return s
	}
	scale := float64(longer) / float64(max(s.width, s.height))
	side := func(n int) int { return max(1, int(math.Round(float64(n)*scale))) }
	return size{side(s.width), side(s.height)}
}

// full makes the picture at its size.
func (p *plan) full() (Picture, error) {
	unit := p.output
	out := p.newOutput(size{p.file.Width, p.file.Height}, unit, p.job.Profile)
	for i, c := range p.channels {
		l := c.layer
		if l == nil {
			// The blocks are others than the source's, so its own steps, where they are coarse,
			// would cost quality again.
			l = &layer{
				class:        min(i, 1),
				quantization: quantization(p.job.Quality, min(i, 1)),
				tokens:       p.tokens,
			}
			grid := grid{size{p.file.Width, p.file.Height}, unit.unit(i), p.turn}
			plane := c.samples.plane(c.component).resample(p.axes(grid, c.component, c.samples))
			l.allocate(p.turn.size(plane.width, plane.height))
			if err := l.encode(plane, p.turn); err != nil {
				return Picture{}, err
			}
		}
		if l.failed != nil {
			return Picture{}, l.failed
		}
		out.add(l, unit.turned(p.turn), i)
	}
	return out.picture(), nil
}

func (p *plan) newOutput(stored size, s sampling, profile []byte) *output {
	o := &output{profile: profile}
	o.width, o.height = p.turn.size(stored.width, stored.height)
	return o
}

func (o *output) add(l *layer, s sampling, component int) {
	l.h, l.v = 1, 1
	if component == 0 {
		l.h, l.v = s.x, s.y
	}
	o.layers = append(o.layers, l)
}

func (o *output) picture() Picture {
	return Picture{o.width, o.height, o.write()}
}

// A grid is where the samples of a component of an output are, on the stored picture.
type grid struct {
	size // of the output, as stored
	unit sampling
	turn orientation
}

// samples is how many there are along each side.
func (g grid) samples() size {
	return size{ceilDiv(g.width, g.unit.x), ceilDiv(g.height, g.unit.y)}
}

// origin is where the first begins, in pixels of the output. A sample of chrominance that stands
// for fewer pixels than the others is the last that is shown, so it is the first that is stored
// where a side is reversed.
func (g grid) origin() (x, y int) {
	n := g.samples()
	if g.turn.flipX {
		x = g.width - n.width*g.unit.x
	}
	if g.turn.flipY {
		y = g.height - n.height*g.unit.y
	}
	return x, y
}

// axes places a grid over the samples of a raster.
func (p *plan) axes(g grid, c *Component, r *raster) (x, y axis) {
	ratioX, ratioY := p.file.ratio(c)
	place := func(origin, n, unit, of, whole int, ratio float64, scale int) axis {
		pixel := float64(
			whole,
		) / float64(
			of,
		) / ratio * float64(
			scale,
		) / 8 // of the output, in samples of the raster
		return axis{float64(origin) * pixel, float64(unit) * pixel, n}
	}
	originX, originY := g.origin()
	n := g.samples()
	return place(originX, n.width, g.unit.x, g.width, p.file.Width, ratioX, r.nx),
		place(originY, n.height, g.unit.y, g.height, p.file.Height, ratioY, r.ny)
}

// from places a grid over the samples of a larger one.
func (g grid) from(larger grid) (x, y axis) {
	place := func(origin, n, unit, of, largerOrigin, largerUnit, whole int) axis {
		pixel := float64(whole) / float64(of)
		return axis{
			(float64(origin)*pixel - float64(largerOrigin)) / float64(largerUnit),
			float64(unit) * pixel / float64(largerUnit),
			n,
		}
	}
	originX, originY := g.origin()
	largerX, largerY := larger.origin()
	n := g.samples()
	return place(originX, n.width, g.unit.x, g.width, largerX, larger.unit.x, larger.width),
		place(originY, n.height, g.unit.y, g.height, largerY, larger.unit.y, larger.height)
}

// thumbnails makes each from the one before it, the first from the rasters.
func (p *plan) thumbnails(ctx context.Context) ([]Picture, error) {
	unit := p.fitSampling()
	var planes []plane
	var before size
	var pictures []Picture
	for n, fit := range p.fits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out := p.newOutput(fit, unit, p.job.FitProfile)
		store, err := newTokens(1<<40, fit.width*fit.height/8)
		if err != nil {
			return nil, err
		}
		for i, c := range p.channels {
			g := grid{fit, unit.unit(i), p.turn}
			if n == 0 {
				planes = append(
					planes,
					c.small.plane(c.component).resample(p.axes(g, c.component, c.small)),
				)
			} else {
				planes[i] = planes[i].resample(g.from(grid{before, g.unit, p.turn}))
			}
			l := &layer{
				class:        min(i, 1),
				quantization: quantization(p.job.Quality, min(i, 1)),
				tokens:       store,
			}
			l.allocate(p.turn.size(planes[i].width, planes[i].height))
			if err := l.encode(planes[i], p.turn); err != nil {
				return nil, err
			}
			out.add(l, unit.turned(p.turn), i)
		}
		before = fit
		pictures = append(pictures, out.picture())
	}
	return pictures, nil
}
