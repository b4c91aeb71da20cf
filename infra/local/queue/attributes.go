package queue

import (
	"crypto/md5"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
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

// chosen keeps what a client asked for, by name or as All.
func chosen[V any](all map[string]V, names []string) map[string]V {
	kept := maps.Clone(all)
	if !slices.Contains(names, "All") {
		maps.DeleteFunc(kept, func(name string, _ V) bool { return !slices.Contains(names, name) })
	}
	return kept
}

func md5Hex(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}
