package jpeg

// Memory estimates what Transform allocates for a job, in bytes.
func (f *File) Memory(job Job) int64 { return f.decide(job, false).memory() }

// memory estimates what the outputs take in bytes, tokens apart, which have what is left of the
// budget.
func (p *plan) memory() int64 {
	f := p.file
	need := int64(4 * len(f.data)) // without stuffing, and twice the output
	for i := range f.Components {
		c := &f.Components[i]
		blocks := int64(c.blocksX) * int64(c.blocksY)
		if f.Progressive {
			need += blocks * coefficientBytes
		}
		need += blocks * layerBytes
		if len(p.fits) > 0 {
			n := p.smallScale(i)
			need += rasterBytes(c, n, n)
		}
		if !p.stays(i) && !p.merges(i) {
			halfX, halfY := p.halves(i)
			nx, ny := scaleOf(halfX), scaleOf(halfY)
			need += 2 * rasterBytes(c, nx, ny)
			if p.source == (sampling{}) {
				need += 6 * int64(
					f.Width,
				) * int64(
					f.Height,
				) // resampled: four bytes between rows and columns
			}
		}
	}
	return need
}
