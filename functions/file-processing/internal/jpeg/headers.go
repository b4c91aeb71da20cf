package jpeg

import "slices"

// jfif is an APP0 segment's body: version 1.2, square samples, no preview. T.871, 10.1.
const jfif = "JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x00\x00"

// headers writes everything before the entropy-coded data.
func (o *output) headers(out []byte, books *[2][2]*codebook, classes int) []byte {
	out = append(out, 0xff, markerSOI)
	out = segment(out, markerAPP0, []byte(jfif))
	out = profileSegments(out, o.profile)
	tables, selectors, wide := o.quantizations()
	for id, table := range tables {
		out = segment(out, markerDQT, dqt(id, table, wide))
	}
	frame := []byte{
		8,
		byte(o.height >> 8),
		byte(o.height),
		byte(o.width >> 8),
		byte(o.width),
		byte(len(o.layers)),
	}
	scan := []byte{byte(len(o.layers))}
	for i, l := range o.layers {
		id := byte(i + 1) // Y, Cb, Cr: T.871, 7
		frame = append(frame, id, byte(l.h<<4|l.v), selectors[i])
		scan = append(scan, id, byte(l.class<<4|l.class))
	}
	sof := byte(markerSOF0)
	if wide {
		sof = markerSOF1 // baseline has steps of eight bits: B.2.4.1
	}
	out = segment(out, sof, frame)
	for class := range classes {
		for kind := range books {
			book := books[kind][class]
			body := append([]byte{byte(kind<<4 | class)}, book.counts[:]...)
			out = segment(out, markerDHT, append(body, book.values...))
		}
	}
	return segment(out, markerSOS, append(scan, 0, blockSize-1, 0))
}

// quantizations lists the tables that differ, which of them each layer has, and whether any needs
// 16 bits.
func (o *output) quantizations() (tables []*[blockSize]uint16, selectors []byte, wide bool) {
	for _, l := range o.layers {
		at := slices.IndexFunc(
			tables,
			func(t *[blockSize]uint16) bool { return *t == *l.quantization },
		)
		if at < 0 {
			at = len(tables)
			tables = append(tables, l.quantization)
			wide = wide || slices.Max(l.quantization[:]) > 255
		}
		selectors = append(selectors, byte(at))
	}
	return tables, selectors, wide
}

// dqt is a quantisation table's segment: B.2.4.1.
func dqt(id int, table *[blockSize]uint16, wide bool) []byte {
	if !wide {
		body := []byte{byte(id)}
		for _, step := range table {
			body = append(body, byte(step))
		}
		return body
	}
	body := []byte{1<<4 | byte(id)}
	for _, step := range table {
		body = append(body, byte(step>>8), byte(step))
	}
	return body
}

func segment(out []byte, marker byte, body []byte) []byte {
	size := len(body) + 2
	return append(append(out, 0xff, marker, byte(size>>8), byte(size)), body...)
}

// profileSegments writes an ICC profile: ICC.1:2022, B.4.
func profileSegments(out, profile []byte) []byte {
	const room = 65535 - 2 - len(profileHeader) - 2
	count := ceilDiv(len(profile), room)
	for i := range count {
		part := profile[i*room : min((i+1)*room, len(profile))]
		out = segment(
			out,
			markerAPP2,
			slices.Concat([]byte(profileHeader), []byte{byte(i + 1), byte(count)}, part),
		)
	}
	return out
}
