package jpeg

import "slices"

// A codebook is an optimal Huffman table: K.2.
type codebook struct {
	counts [16]byte // codes by length, from 1
	values []byte   // in order of their codes
	// by symbol: the code with room for its additional bits, and in the low byte the length of both
	codes [256]uint64
}

// maxCode is the longest code that T.81 allows; trees of more symbols than samples have may be
// deeper.
const maxCode = 16

// newCodebook builds the table for symbols that occur so often. It is never empty.
func newCodebook(frequency *[256]uint32) *codebook {
	type leaf struct {
		count  uint64
		symbol int
	}
	leaves := []leaf{{1, 256}} // takes the code of all ones, which is reserved: K.2
	for symbol, count := range frequency {
		if count > 0 {
			leaves = append(leaves, leaf{uint64(count), symbol})
		}
	}
	if len(leaves) == 1 {
		leaves = append(leaves, leaf{1, 0})
	}
	slices.SortFunc(leaves, func(a, b leaf) int {
		switch {
		case a.count != b.count:
			return int(min(max(int64(a.count)-int64(b.count), -1), 1))
		default:
			// the reserved one first, so that its code is among the longest
			return b.symbol - a.symbol
		}
	})
	counts := make([]uint64, len(leaves))
	for i := range leaves {
		counts[i] = leaves[i].count
	}
	lengths := codeLengths(counts)
	var byLength [maxCode + 1]int
	for _, length := range lengths {
		byLength[length]++
	}
	longest := maxCode
	for byLength[longest] == 0 {
		longest--
	}
	byLength[longest]-- // the reserved code
	c := &codebook{}
	// The most frequent symbols get the shortest codes. Equal ones are in the order of their value.
	slices.Reverse(leaves)
	code, next := uint64(0), 0
	for length := 1; length <= maxCode; length++ {
		c.counts[length-1] = byte(byLength[length])
		for range byLength[length] {
			symbol := leaves[next].symbol
			size := uint(symbol & 15)
			c.values = append(c.values, byte(symbol))
			c.codes[symbol] = code<<size<<8 | uint64(length) + uint64(size)
			code++
			next++
		}
		code <<= 1
	}
	return c
}

// codeLengths gives the length of each code for counts in ascending order, none above maxCode:
// figures K.1 and K.3. The two lowest are always at the heads of two queues, one of leaves and one
// of what was merged.
func codeLengths(counts []uint64) []int {
	n := len(counts)
	weight := append(slices.Clone(counts), make([]uint64, n-1)...)
	parent := make([]int, 2*n-1)
	leaf, inner := 0, n
	lowest := func(next int) int {
		if leaf < n && (inner >= next || weight[leaf] <= weight[inner]) {
			leaf++
			return leaf - 1
		}
		inner++
		return inner - 1
	}
	for next := n; next < 2*n-1; next++ {
		a := lowest(next)
		b := lowest(next)
		weight[next] = weight[a] + weight[b]
		parent[a], parent[b] = next, next
	}
	depth := make([]int, 2*n-1)
	byLength := make([]int, 2*n)
	for i := 2*n - 3; i >= 0; i-- {
		depth[i] = depth[parent[i]] + 1
		if i < n {
			byLength[depth[i]]++
		}
	}
	shorten(byLength)
	lengths := make([]int, n)
	length := 1
	for i := n - 1; i >= 0; i-- {
		for byLength[length] == 0 {
			length++
		}
		byLength[length]--
		lengths[i] = length
	}
	return lengths
}

// shorten brings codes that are too long to maxCode: figure K.3. Two of the longest become one a
// bit shorter, and a shorter one gives its place to two.
func shorten(byLength []int) {
	for length := len(byLength) - 1; length > maxCode; length-- {
		for byLength[length] > 0 {
			shorter := length - 2
			for byLength[shorter] == 0 {
				shorter--
			}
			byLength[length] -= 2
			byLength[length-1]++
			byLength[shorter+1] += 2
			byLength[shorter]--
		}
	}
}
