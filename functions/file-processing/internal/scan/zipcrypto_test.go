package scan_test

import "hash/crc32"

// zipCrypto encrypts as APPNOTE.TXT 6.1.5 to 6.1.7 say.
func zipCrypto(password string, plain []byte) []byte {
	keys := [3]uint32{0x12345678, 0x23456789, 0x34567890}
	update := func(b byte) {
		keys[0] = crc32.IEEETable[byte(keys[0])^b] ^ keys[0]>>8
		keys[1] = (keys[1]+keys[0]&0xff)*134775813 + 1
		keys[2] = crc32.IEEETable[byte(keys[2])^byte(keys[1]>>24)] ^ keys[2]>>8
	}
	for _, b := range []byte(password) {
		update(b)
	}
	out := make([]byte, len(plain))
	for i, b := range plain {
		mask := uint16(keys[2]) | 2
		out[i] = b ^ byte(mask*(mask^1)>>8)
		update(b)
	}
	return out
}
