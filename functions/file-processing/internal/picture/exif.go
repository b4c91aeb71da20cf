package picture

import "encoding/binary"

const (
	upright        = 1
	tagOrientation = 0x0112 // Exif 3.0, table 4
	typeShort      = 3
)

// orientation reads EXIF orientation (1 to 8) from a TIFF structure. Whatever cannot be read is
// upright: viewers ignore damaged EXIF too.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	offset := int64(order.Uint32(tiff[4:]))
	if offset+2 > int64(len(tiff)) {
		return upright
	}
	entries := tiff[offset+2:]
	for range order.Uint16(tiff[offset:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == tagOrientation {
			value := int(order.Uint16(entries[8:]))
			if order.Uint16(entries[2:]) == typeShort && value >= 1 && value <= 8 {
				return value
			}
			break
		}
		entries = entries[12:]
	}
	return upright
}

// turned reports whether an orientation exchanges width and height.
func turned(orientation int) bool { return orientation >= 5 }

// shown gives the dimensions after an orientation was applied.
func shown(width, height, orientation int) (int, int) {
	if turned(orientation) {
		return height, width
	}
	return width, height
}
