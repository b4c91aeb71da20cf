// Package jpeg makes smaller JPEGs of a JPEG without decoding it to pixels, as ITU-T T.81 names
// things.
//
// One pass of Huffman decoding gives the quantised DCT coefficients. The full-size output is
// written from them again, with coarser quantisation and optimal Huffman tables; an orientation
// transposes and mirrors blocks. Thumbnails come from the lowest frequencies of each block, which
// are the picture at 1/8, 1/4 or 1/2 of its size. Only what cannot stay in its blocks (chroma that
// is subsampled anew, a mirrored edge that lies inside a block) goes through samples, one component
// at a time.
//
// Nothing of the source reaches an output but coefficients, sample counts and quantisation steps:
// no segment, no byte between segments, no table that is not used, and no block outside the
// picture.
//
// Supported are baseline, extended sequential (8 bits) and progressive DCT with Huffman coding, of
// one component (grey) or three (YCbCr), with any sampling factors and restart intervals.
package jpeg

import "errors"

// Errors of this package wrap one of these, or are the context's error.
var (
	ErrCorrupt = errors.New(
		"malformed JPEG",
	) // against T.81, or a part of the picture is missing
	ErrUnsupported = errors.New(
		"kind of JPEG not supported",
	) // arithmetic, lossless, 12 bits, other colours
	ErrTooLarge = errors.New("JPEG exceeds a limit") // scans, or the memory budget
)

// File is a JPEG whose segments were read. It refers to the bytes that it was read from.
type File struct {
	Width, Height int // samples of the frame, not oriented
	Progressive   bool
	Components    []Component
	// transform of the Adobe APP14 segment: 0 RGB or CMYK, 1 YCbCr, 2 YCCK; -1 without one
	Adobe   int
	Exif    []byte // TIFF structure of the first Exif segment
	Profile []byte // ICC profile, joined from its segments; nil where one is missing

	data     []byte
	jfif     bool
	frame    []byte // body of the frame header
	sof      byte
	scans    []scan
	complete bool // ended with EOI
}

// Component is a colour component as its frame header has it: T.81, B.2.2.
type Component struct {
	ID   byte
	H, V int // sampling factors

	width, height    int                // samples
	usedX, usedY     int                // blocks that hold samples: A.2.2
	blocksX, blocksY int                // blocks of whole MCUs: A.2.3
	tq               byte               // selects the quantisation table
	quantization     *[blockSize]uint16 // in zigzag order, as it was at the component's first scan
	seen             bool               // by a scan that sends it from the start
}

// A scan is a scan header with what was in force where it stood.
type scan struct {
	header         []byte // the body of its SOS segment
	components     []int  // indexes into File.Components
	dc, ac         []rawTable
	ss, se, ah, al int // B.2.3: spectral selection and successive approximation
	restart        int // MCUs in a restart interval, 0 without
	start, end     int // of its entropy-coded data in File.data
	// bits up to which each restart interval was read, without stuffing; nil before Transform
	used []int
}

const blockSize = 64 // coefficients of an 8 × 8 block
