package queue

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

func arn(queue string) string { return "arn:aws:sqs:" + region + ":" + account + ":" + queue }

// systemAttributes are those that SQS itself gives a message.
func systemAttributes(m message) map[string]string {
	milliseconds := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	return map[string]string{
		"SenderId":                         "LOCAL",
		"SentTimestamp":                    milliseconds(m.Sent),
		"ApproximateReceiveCount":          strconv.Itoa(m.Receives),
		"ApproximateFirstReceiveTimestamp": milliseconds(m.First),
	}
}

// chosen keeps what a client asked for: by name, by a prefix ("name.*"), or
// all ("All" or ".*").
func chosen[V any](all map[string]V, names []string) map[string]V {
	asked := func(name string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			prefix, isPrefix := strings.CutSuffix(n, ".*")
			return n == "All" || n == name || isPrefix && strings.HasPrefix(name, prefix)
		})
	}
	kept := maps.Clone(all)
	maps.DeleteFunc(kept, func(name string, _ V) bool { return !asked(name) })
	return kept
}

// attributesSize is what attributes count towards a message's size.
func attributesSize(attributes map[string]attribute) int {
	size := 0
	for name, a := range attributes {
		size += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			size += len(*a.StringValue)
		}
	}
	return size
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is the digest of SQS's developer guide, "Calculating the MD5
// message digest for message attributes": sorted by name, each of name, type and
// value with its length before it. It is empty when there are no attributes.
func attributesMD5(attributes map[string]attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var encoded []byte
	add := func(part []byte) {
		encoded = binary.BigEndian.AppendUint32(encoded, uint32(len(part)))
		encoded = append(encoded, part...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add([]byte(name))
		add([]byte(a.DataType))
		if a.StringValue != nil {
			encoded = append(encoded, 1)
			add([]byte(*a.StringValue))
		} else {
			encoded = append(encoded, 2)
			add(a.BinaryValue)
		}
	}
	return md5Hex(string(encoded))
}
