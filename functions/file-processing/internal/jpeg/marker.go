package jpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Markers: T.81, table B.1.
const (
	markerSOF0, markerSOF1, markerSOF2, markerSOF15 = 0xc0, 0xc1, 0xc2, 0xcf
	markerDHT, markerJPG, markerDAC                 = 0xc4, 0xc8, 0xcc
	markerRST0, markerRST7                          = 0xd0, 0xd7
	markerSOI, markerEOI, markerSOS                 = 0xd8, 0xd9, 0xda
	markerDQT, markerDNL, markerDRI                 = 0xdb, 0xdc, 0xdd
	markerAPP0, markerAPP1, markerAPP2, markerAPP14 = 0xe0, 0xe1, 0xe2, 0xee
)

const (
	exifHeader = "Exif\x00\x00"
	// then a segment's number from 1 and the count of segments: ICC.1:2022, B.4
	profileHeader = "ICC_PROFILE\x00"
)

// A rawTable is a Huffman table as its segment has it: sixteen counts and the values. Nil is none.
type rawTable []byte

// reader is what is in force while the segments are walked.
type reader struct {
	*File
	maxScans     int
	quantization [4]*[blockSize]uint16
	huffman      [2][4]rawTable // DC and AC
	restart      int
	profile      [][]byte
	profileCount int
}

// Read walks the segments of a JPEG and allocates nothing that depends on what it claims. Bytes
// after the end of the image are not looked at. A file without EOI is accepted when every component
// has a scan; Transform then says whether all of it is there.
func Read(data []byte, maxScans int) (*File, error) {
	r := reader{File: &File{data: data, Adobe: -1}, maxScans: maxScans}
	r.huffman[0] = [4]rawTable{rawTable(standardDCLuminance), rawTable(standardDCChrominance)}
	r.huffman[1] = [4]rawTable{rawTable(standardACLuminance), rawTable(standardACChrominance)}
	if len(data) < 4 || data[0] != 0xff || data[1] != markerSOI {
		return nil, fmt.Errorf("%w: no start of image", ErrCorrupt)
	}
	if err := r.walk(2); err != nil {
		return nil, err
	}
	if r.Components == nil {
		return nil, fmt.Errorf("%w: no frame header", ErrCorrupt)
	}
	if !r.allSeen() {
		return nil, fmt.Errorf("%w: a component has no scan", ErrCorrupt)
	}
	if len(r.profile) == r.profileCount {
		r.Profile = bytes.Join(r.profile, nil)
	}
	return r.File, nil
}

// Plausible refuses a file that has not even a bit for every block, the least that a scan can send.
// Without it nothing need be allocated for what the frame header claims.
func (f *File) Plausible() error {
	blocks := 0
	for i := range f.Components {
		blocks += f.Components[i].usedX * f.Components[i].usedY
	}
	if blocks > 8*f.coded() {
		return errMissing
	}
	return nil
}

func (f *File) allSeen() bool {
	for i := range f.Components {
		if !f.Components[i].seen {
			return false
		}
	}
	return len(f.Components) > 0
}

// walk visits the segments up to EOI, or up to where nothing is readable any more. Bytes between
// two segments are skipped, as decoders do.
func (r *reader) walk(at int) error {
	for {
		start := bytes.IndexByte(r.data[at:], 0xff)
		if start < 0 || at+start+1 >= len(r.data) {
			return nil
		}
		at += start + 1
		marker := r.data[at]
		switch {
		case marker == 0xff: // a fill byte: B.1.1.2
			continue
		case marker == 0 || marker >= markerRST0 && marker <= markerRST7:
			continue
		case marker == markerEOI:
			r.complete = true
			return nil
		case marker < markerSOF0 || marker == markerSOI || len(r.data)-at < 3:
			return r.ends(marker)
		}
		at++
		size := int(binary.BigEndian.Uint16(r.data[at:]))
		if size < 2 || size > len(r.data)-at {
			return r.ends(marker)
		}
		body := r.data[at+2 : at+size]
		at += size
		if err := r.segment(marker, body); err != nil {
			return err
		}
		if marker == markerSOS {
			s := &r.scans[len(r.scans)-1]
			s.start, s.end = at, at+entropyCoded(r.data[at:])
			at = s.end
		}
	}
}

// ends decides on a place where no segment can be read: the rest is a maker's trailer when the
// picture may be whole before it.
func (r *reader) ends(marker byte) error {
	if r.allSeen() {
		return nil
	}
	return fmt.Errorf("%w: marker %02x with no segment", ErrCorrupt, marker)
}

// entropyCoded is the length of a scan's data: everything up to a marker that is not a restart.
func entropyCoded(data []byte) int {
	for i := 0; ; {
		n := bytes.IndexByte(data[i:], 0xff)
		if n < 0 || i+n+1 >= len(data) {
			return len(data)
		}
		i += n
		next := data[i+1]
		switch {
		case next == 0xff:
			i++
		case next == 0 || next >= markerRST0 && next <= markerRST7:
			i += 2
		default:
			return i
		}
	}
}

func (r *reader) segment(marker byte, body []byte) error {
	switch marker {
	case markerDQT:
		return r.quantizationTables(body)
	case markerDHT:
		return r.huffmanTables(body)
	case markerDRI:
		if len(body) != 2 {
			return fmt.Errorf("%w: restart interval", ErrCorrupt)
		}
		r.restart = int(binary.BigEndian.Uint16(body))
	case markerSOS:
		return r.scan(body)
	case markerJPG, markerDAC:
		return fmt.Errorf("%w: arithmetic coding", ErrUnsupported)
	case markerAPP0:
		r.jfif = r.jfif || bytes.HasPrefix(body, []byte("JFIF\x00"))
	case markerAPP1:
		if tiff, found := bytes.CutPrefix(body, []byte(exifHeader)); found && r.Exif == nil {
			r.Exif = tiff
		}
	case markerAPP2:
		r.profilePart(body)
	case markerAPP14:
		if bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12 {
			r.Adobe = int(body[11])
		}
	default:
		if marker >= markerSOF0 && marker <= markerSOF15 {
			return r.frameHeader(marker, body)
		}
	}
	return nil
}

// quantizationTables reads a DQT segment: B.2.4.1.
func (r *reader) quantizationTables(body []byte) error {
	for len(body) > 0 {
		precision, id := int(body[0]>>4), body[0]&15
		body = body[1:]
		if precision > 1 || id > 3 || len(body) < blockSize*(1+precision) {
			return fmt.Errorf("%w: quantisation table", ErrCorrupt)
		}
		var table [blockSize]uint16
		for k := range table {
			if precision == 0 {
				table[k] = uint16(body[k])
			} else {
				table[k] = binary.BigEndian.Uint16(body[2*k:])
			}
		}
		r.quantization[id] = &table
		body = body[blockSize*(1+precision):]
	}
	return nil
}

// huffmanTables reads a DHT segment: B.2.4.2. The tables are built when a scan uses them.
func (r *reader) huffmanTables(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return fmt.Errorf("%w: Huffman table", ErrCorrupt)
		}
		class, id, total := body[0]>>4, body[0]&15, 0
		for _, n := range body[1:17] {
			total += int(n)
		}
		if class > 1 || id > 3 || total > 256 || len(body) < 17+total {
			return fmt.Errorf("%w: Huffman table", ErrCorrupt)
		}
		r.huffman[class][id] = rawTable(body[1 : 17+total])
		body = body[17+total:]
	}
	return nil
}

// profilePart collects a part of an ICC profile. Parts that do not come in order make it invalid.
func (r *reader) profilePart(body []byte) {
	part, found := bytes.CutPrefix(body, []byte(profileHeader))
	if !found || len(part) < 2 {
		return
	}
	if int(part[0]) == len(r.profile)+1 {
		r.profile = append(r.profile, part[2:])
		r.profileCount = int(part[1])
	} else {
		r.profileCount = -1
	}
}
