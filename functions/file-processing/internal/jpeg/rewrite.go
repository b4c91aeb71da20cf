package jpeg

import (
	"bytes"
	"slices"
)

// Rewrite gives the picture with its own scans and tables, and nothing else: what Transform refuses
// as a kind can be decoded from it by others. Its entropy-coded data is as it came, so it may hold
// bytes behind the last MCU.
func (f *File) Rewrite() []byte { return f.rewrite(nil) }

// rewrite cuts each scan's data where its last MCU ends, when Transform has found that out.
func (f *File) rewrite(profile []byte) []byte {
	out := []byte{0xff, markerSOI}
	if f.Adobe >= 0 {
		out = segment(
			out,
			markerAPP14,
			[]byte("Adobe\x00\x64\x00\x00\x00\x00"+string([]byte{byte(f.Adobe)})),
		)
	}
	if f.jfif || f.Adobe < 0 && len(f.Components) != 4 {
		out = segment(out, markerAPP0, []byte(jfif))
	}
	out = profileSegments(out, profile)
	out = f.frameSegments(out)
	restart := 0
	var kept [2][4]rawTable
	for i := range f.scans {
		s := &f.scans[i]
		out = s.tableSegments(out, &kept)
		if s.restart != restart {
			restart = s.restart
			out = segment(out, markerDRI, []byte{byte(restart >> 8), byte(restart)})
		}
		out = segment(out, markerSOS, s.header)
		out = f.scanData(out, s)
	}
	return append(out, 0xff, markerEOI)
}

// frameSegments writes the quantisation tables and the frame header, with one table for each
// component that has another than those before it.
func (f *File) frameSegments(out []byte) []byte {
	frame := slices.Clone(f.frame)
	var o output
	for i := range f.Components {
		o.layers = append(o.layers, &layer{quantization: f.Components[i].quantization})
	}
	tables, selectors, _ := o.quantizations()
	for id, table := range tables {
		out = segment(out, markerDQT, dqt(id, table, slices.Max(table[:]) > 255))
	}
	for i, selector := range selectors {
		frame[6+3*i+2] = selector
	}
	return segment(out, f.sof, frame)
}

// tableSegments writes the Huffman tables that the scan uses and that are not in force.
func (s *scan) tableSegments(out []byte, kept *[2][4]rawTable) []byte {
	n := int(s.header[0])
	for i := range n {
		selectors := s.header[2+2*i]
		for class, raw := range []rawTable{s.dc[i], s.ac[i]} {
			id := selectors >> 4
			if class == 1 {
				id = selectors & 15
			}
			used := class == 0 && s.ss == 0 && s.ah == 0 || class == 1 && s.se > 0
			if !used || raw == nil || bytes.Equal(kept[class][id], raw) {
				continue
			}
			kept[class][id] = raw
			out = segment(out, markerDHT, append([]byte{byte(class)<<4 | id}, raw...))
		}
	}
	return out
}

// scanData writes a scan's intervals, each with its last bits set as T.81 wants them.
func (f *File) scanData(out []byte, s *scan) []byte {
	coded := f.data[s.start:s.end]
	if s.used == nil {
		return append(out, coded...)
	}
	var data entropy
	if data.unstuff(coded) != nil {
		return out // unreachable: Transform has read it
	}
	start := 0
	for i, used := range s.used {
		if i > 0 {
			out = append(out, 0xff, markerRST0+byte(i-1)%8)
		}
		interval := data.data[start : (used+7)/8]
		if spare := uint(-used) & 7; spare > 0 {
			interval[len(interval)-1] |= 1<<spare - 1 // F.1.2.3
		}
		out = stuff(out, interval)
		start = data.ends[i]
	}
	return out
}
