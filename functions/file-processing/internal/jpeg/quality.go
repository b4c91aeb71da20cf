package jpeg

// lossless is the gain below which a component keeps its quantisation steps. From 1.15 on, that is
// from quality 83 when 80 is wanted, a picture of the same size loses about a tenth of its bytes.
const lossless = 1.15

// gain says how much coarser the steps of a quality are than a component's own: the ratio of the
// sums over the ten lowest frequencies, where nearly all bits go.
func (f *File) gain(component, quality int) float64 {
	wanted, own := 0, 0
	table := quantization(quality, min(component, 1))
	for k := range 10 {
		wanted += int(table[k])
		own += int(f.Components[component].quantization[k])
	}
	return float64(wanted) / float64(max(own, 1))
}

// steps gives the quantisation of a component of the full size, as shown. None is finer than the
// source's: that would take bits for nothing.
func (p *plan) steps(i int) *[blockSize]uint16 {
	own := p.turn.table(p.file.Components[i].quantization)
	if p.file.gain(i, p.job.Quality) < lossless {
		for k := range own {
			own[k] = max(own[k], 1)
		}
		return own
	}
	steps := quantization(p.job.Quality, min(i, 1))
	for k := range steps {
		steps[k] = max(steps[k], own[k])
	}
	return steps
}

// unchanged reports whether all coefficients of the full size are the source's.
func (p *plan) unchanged() bool {
	for i := range p.file.Components {
		if p.channels[i].steps == nil || p.file.gain(i, p.job.Quality) >= lossless {
			return false
		}
	}
	return true
}
