package jpeg

import "fmt"

// A plan is how the outputs come from the components.
type plan struct {
	file     *File
	job      Job
	turn     orientation
	source   sampling
	output   sampling // of the full size
	fits     []size
	channels []*channel
	tokens   *tokens
}

// A sampling says how many samples of luminance a sample of chrominance stands for, along each
// side, as stored.
type sampling struct{ x, y int }

// halved is the sampling that is called 4:2:0.
var halved = sampling{2, 2}

// known reports whether the usual decoders know a sampling, turned or not.
func (s sampling) known() bool {
	switch s {
	case sampling{1, 1},
		sampling{2, 1},
		sampling{1, 2},
		sampling{2, 2},
		sampling{4, 1},
		sampling{4, 2}:
		return true
	}
	return false
}

func (s sampling) turned(o orientation) sampling {
	x, y := o.size(s.x, s.y)
	return sampling{x, y}
}

// sampling gives a picture's, or the zero value where it is none of the usual: luminance that is
// not the finest, or two chrominances that differ.
func (f *File) sampling() sampling {
	if len(f.Components) == 1 {
		return sampling{1, 1}
	}
	luminance, blue, red := f.Components[0], f.Components[1], f.Components[2]
	h, v := f.maxSampling()
	if luminance.H != h || luminance.V != v || blue.H != red.H || blue.V != red.V ||
		h%blue.H != 0 ||
		v%blue.V != 0 {
		return sampling{}
	}
	s := sampling{h / blue.H, v / blue.V}
	if !s.known() {
		return sampling{}
	}
	return s
}

func (f *File) decide(job Job, detailed bool) *plan {
	p := &plan{file: f, job: job, turn: orientationOf(job.Orientation), source: f.sampling()}
	p.chooseSampling()
	if detailed {
		p.output = p.source
	}
	for _, longer := range job.Fits {
		p.fits = append(p.fits, size{f.Width, f.Height}.within(longer))
	}
	return p
}

// plan decides, and allocates what the budget allows. A detailed picture keeps its sampling.
func (f *File) plan(job Job, detailed bool) (*plan, error) {
	p := f.decide(job, detailed)
	need := p.memory()
	if need > job.Memory {
		return nil, fmt.Errorf(
			"%w: %d × %d samples take %d MiB, at most %d",
			ErrTooLarge,
			f.Width,
			f.Height,
			need>>20,
			job.Memory>>20,
		)
	}
	var err error
	if p.tokens, err = newTokens(job.Memory-need, len(f.data)); err != nil {
		return nil, err
	}
	for i := range f.Components {
		p.channels = append(p.channels, p.channel(i))
	}
	return p, nil
}

// chooseSampling decides on the full size's. Chrominance finer than 4:2:0 is halved unless the
// source is already coarse, where that would not save enough to lose anything for it.
func (p *plan) chooseSampling() {
	p.output = p.source
	switch {
	case len(p.file.Components) == 1:
	case p.source == sampling{} || !p.source.turned(p.turn).known():
		p.output = halved
	case p.source.x*p.source.y < 4 && p.file.gain(1, p.job.Quality) >= keepChrominance:
		p.output = halved
	}
}

// keepChrominance is the gain below which chrominance keeps its sampling: see gain.
const keepChrominance = 0.5

// ratio gives how many samples of the frame's grid one of a component stands for, along each side.
func (f *File) ratio(c *Component) (x, y float64) {
	h, v := f.maxSampling()
	return float64(h) / float64(c.H), float64(v) / float64(c.V)
}

// unit is the sampling of one component of an output.
func (s sampling) unit(component int) sampling {
	if component == 0 {
		return sampling{1, 1}
	}
	return s
}

// stays reports whether a component's blocks are those of the full size, perhaps turned.
func (p *plan) stays(i int) bool {
	x, y := p.file.ratio(&p.file.Components[i])
	unit := p.output.unit(i)
	return x == float64(unit.x) && y == float64(unit.y) &&
		p.turn.inBlocks(p.file, &p.file.Components[i])
}

// halves reports along which sides a component of the full size is halved, being twice as fine as
// it has to be.
func (p *plan) halves(i int) (x, y bool) {
	ratioX, ratioY := p.file.ratio(&p.file.Components[i])
	unit := p.output.unit(i)
	return unit.x == 2 && ratioX == 1, unit.y == 2 && ratioY == 1
}

// merges reports whether a component's blocks are made into those of the full size by a merger:
// where they come in rows, nothing but halving is done, and each reversed side ends where a block
// of the output does.
func (p *plan) merges(i int) bool {
	c := &p.file.Components[i]
	halfX, halfY := p.halves(i)
	x, y := p.file.ratio(c)
	unit := p.output.unit(i)
	return (halfX || halfY) && (p.file.Progressive || c.H == 1 && c.V == 1) &&
		(halfX || x == float64(unit.x)) && (halfY || y == float64(unit.y)) &&
		(!p.turn.flipX || p.file.Width%(8*unit.x) == 0) &&
		(!p.turn.flipY || p.file.Height%(8*unit.y) == 0)
}

// scaleOf gives the samples to take of each block for the full size, along a side that is halved
// or not.
func scaleOf(half bool) int {
	if half {
		return 4
	}
	return 8
}

// smallScale gives the samples to take of each block for the thumbnails: the fewest that need not
// be enlarged for the largest of them.
func (p *plan) smallScale(i int) int {
	x, y := p.file.ratio(&p.file.Components[i])
	unit := p.fitSampling().unit(i)
	largest := p.fits[0]
	for n := 1; n < 8; n *= 2 {
		if float64(p.file.Width*n*unit.x) >= 8*x*float64(largest.width) &&
			float64(p.file.Height*n*unit.y) >= 8*y*float64(largest.height) {
			return n
		}
	}
	return 8
}

// fitSampling is what the thumbnails have.
func (p *plan) fitSampling() sampling {
	if p.output == (sampling{1, 1}) {
		return p.output
	}
	return halved
}

func (p *plan) channel(i int) *channel {
	c := &p.file.Components[i]
	ch := &channel{component: c, turn: p.turn}
	if len(p.fits) > 0 {
		n := p.smallScale(i)
		ch.small = newRaster(c, n, n)
	}
	halfX, halfY := p.halves(i)
	if p.source == (sampling{1, 1}) && halfX && halfY {
		ch.detail = newDetail(c)
	}
	switch {
	case p.merges(i):
		steps := quantization(p.job.Quality, min(i, 1))
		ch.layer = &layer{class: min(i, 1), quantization: p.turn.table(steps), tokens: p.tokens}
		ch.merger = newMerger(c, halfX, halfY, steps, p.turn)
		ch.layer.allocate(p.turn.size(8*ch.merger.across, 8*ch.merger.down))
	case p.stays(i):
		ch.layer = &layer{class: min(i, 1), quantization: p.steps(i), tokens: p.tokens}
		ch.layer.allocate(p.turn.size(c.width, c.height))
		ch.steps = newRequantizer(c.quantization, ch.layer.quantization, p.turn)
	default:
		ch.samples = newRaster(c, scaleOf(halfX), scaleOf(halfY))
	}
	return ch
}
