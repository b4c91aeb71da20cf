package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"io"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/icc"
)

// maxProfile bounds an embedded ICC profile. Display profiles have 0.5 to 4 KB and table-based RGB
// ones some hundred; what is larger is dropped rather than repeated in every thumbnail.
const maxProfile = 1 << 20

// colour says what the numbers of the pixels mean. The zero value is sRGB, as the web has it.
type colour struct {
	table   *icc.Profile // of a profile that is a table and stays with the full size alone
	profile []byte       // ICC, of an RGB or grey space
	zipped  []byte       // the profile as the source compressed it, where that holds nothing else
	chunks  []pngChunk   // what a PNG says instead: cICP, sRGB, or gAMA and cHRM
	pngOnly bool         // chunks say something that only a PNG can say
}

// profileFor gives the profile when it fits the pixels of an output.
func (c colour) profileFor(pixels image.Image) []byte {
	if profileSpace(c.profile) == grey && !isGrey(pixels) ||
		profileSpace(c.profile) == rgb && isGrey(pixels) {
		return nil
	}
	return c.profile
}

// describe replaces a profile by the least that says the same: nothing for sRGB, and one with
// nothing in it but its numbers where it is of curves and a matrix.
func (c *colour) describe() {
	p, err := icc.Parse(c.profile)
	switch {
	case errors.Is(err, icc.ErrUnsupported): // stays, for those who can read it
	case err != nil:
		c.profile, c.zipped = nil, nil
	case !p.Matrix():
		c.table = p
	case p.IsSRGB():
		c.profile, c.zipped = nil, nil
	default:
		c.profile, c.zipped = p.Bytes(), nil
	}
}

// compact is the most bytes of a profile that is worth a place in each thumbnail.
const compact = 4 << 10

// small gives the colour of thumbnails. They are converted where the profile is a table, and go
// without one that cannot be read and is larger than they are.
func (c colour) small() colour {
	if c.table != nil || len(c.profile) > compact {
		c.profile, c.zipped = nil, nil
	}
	return c
}

// toSRGB converts opaque or transparent pixels through a table.
func toSRGB(pixels image.Image, table *icc.Profile) image.Image {
	convert := table.Converter()
	bounds := pixels.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, bounds.Dx(), bounds.Dy()))
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			at := pixels.At(bounds.Min.X+x, bounds.Min.Y+y)
			v := color.NRGBAModel.Convert(at).(color.NRGBA)
			if table.Space == icc.Grey {
				v.R, v.G, v.B = convert.Convert(v.R)
			} else {
				v.R, v.G, v.B = convert.Convert(v.R, v.G, v.B)
			}
			out.SetNRGBA(x, y, v)
		}
	}
	return out
}

// The data colour space signatures of ICC.1:2022, table 19, that outputs can have.
const (
	grey = "GRAY"
	rgb  = "RGB "
)

// profileOf checks an embedded profile by its header (ICC.1:2022, 7.2) and cuts it at the size that
// it declares. A profile that is damaged or describes another space than want gives nil.
func profileOf(data []byte, want string) []byte {
	const header = 132
	if len(data) < header || len(data) > maxProfile || string(data[36:40]) != "acsp" ||
		profileSpace(data) != want {
		return nil
	}
	size := binary.BigEndian.Uint32(data)
	if size < header || int64(size) > int64(len(data)) {
		return nil
	}
	return data[:size]
}

func profileSpace(profile []byte) string {
	if len(profile) < 20 {
		return ""
	}
	return string(profile[16:20])
}

func isGrey(pixels image.Image) bool {
	switch pixels.(type) {
	case *image.Gray, *image.Gray16:
		return true
	}
	return false
}

// inflateProfile reads the profile of a PNG's iCCP chunk: a name, a zero, compression method 0,
// zlib data.
func inflateProfile(chunk []byte, want string) (profile, zipped []byte) {
	_, data, found := bytes.Cut(chunk, []byte{0})
	if !found || len(data) == 0 || data[0] != 0 {
		return nil, nil
	}
	zipped = data[1:]
	source := bytes.NewReader(zipped)
	reader, err := zlib.NewReader(source)
	if err != nil {
		return nil, nil
	}
	whole, err := io.ReadAll(io.LimitReader(reader, maxProfile+1))
	if err != nil {
		return nil, nil
	}
	profile = profileOf(whole, want)
	if len(profile) < len(whole) || source.Len() > 0 {
		zipped = nil
	}
	return profile, zipped
}

// iccp is the reverse, under a neutral name, as the source had it where that is smaller.
func (c colour) iccp() pngChunk {
	var body bytes.Buffer
	writer, _ := zlib.NewWriterLevel(&body, zlib.BestCompression) // fails on an unknown level only
	_, _ = writer.Write(c.profile)                                // a bytes.Buffer takes everything
	_ = writer.Close()
	data := body.Bytes()
	if c.zipped != nil && len(c.zipped) <= len(data) {
		data = c.zipped
	}
	return pngChunk{"iCCP", append([]byte("p\x00\x00"), data...)}
}
