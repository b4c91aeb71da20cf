// Package objectkey names stored objects. Keys are made of ids alone, so that no filename, path or
// name of a person can reach the object store, and each kind of object has a prefix of its own, so
// that what is written can never match what the upload trigger listens to.
package objectkey

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// IncomingPrefix is what every uploaded object's key begins with, and no other key.
const IncomingPrefix = "incoming/"

// Key is what an incoming object's key says.
type Key struct {
	Organization uuid.UUID
	File         uuid.UUID
	Version      int // from 1
}

// Incoming is where a client puts a version of a file.
func Incoming(organization, file uuid.UUID, version int) string {
	return IncomingPrefix + tail(organization, file, version)
}

// Original is where an accepted version is kept as it came. Fence, here and below, is the one of
// the claim that wrote it: no two attempts share a key, so that a late one overwrites nothing.
func Original(organization, file uuid.UUID, version int, fence int64) string {
	return "original/" + tail(organization, file, version) + "/" + strconv.FormatInt(fence, 10)
}

// Variant is where a picture that was made from a version is kept. With no name it is what the keys
// of all variants of one attempt begin with.
func Variant(organization, file uuid.UUID, version int, fence int64, name string) string {
	return "variant/" + tail(organization, file, version) + "/" +
		strconv.FormatInt(fence, 10) + "/" + name
}

// Quarantine is where an infected version is kept, which nobody may read.
func Quarantine(organization, file uuid.UUID, version int, fence int64) string {
	return "quarantine/" + tail(organization, file, version) + "/" + strconv.FormatInt(fence, 10)
}

// Held is where a version is kept that ended without a verdict. Processing may read it again, and
// by this key's "held" its IAM role tells it from what is infected.
func Held(organization, file uuid.UUID, version int, fence int64) string {
	return "quarantine/" + tail(organization, file, version) + "/held/" +
		strconv.FormatInt(fence, 10)
}

// ParseHeld is the inverse of Held, without the fence.
func ParseHeld(key string) (Key, error) {
	parts := strings.Split(key, "/")
	if len(parts) != 6 || parts[0] != "quarantine" || parts[4] != "held" {
		return Key{}, fmt.Errorf("object key %q is not "+
			"quarantine/<organization>/<file>/<version>/held/<fence>", key)
	}
	of, err := ParseIncoming(IncomingPrefix + strings.Join(parts[1:4], "/"))
	if err != nil {
		return Key{}, err
	}
	fence, err := strconv.ParseInt(parts[5], 10, 64)
	if err != nil || Held(of.Organization, of.File, of.Version, fence) != key {
		return Key{}, fmt.Errorf("object key %q: fence %q is not a number", key, parts[5])
	}
	return of, nil
}

// Prefixes are what every key of a file begins with, for all its versions, whichever bucket it is
// in.
func Prefixes(organization, file uuid.UUID) (incoming, original, variant, quarantine string) {
	of := organization.String() + "/" + file.String() + "/"
	return IncomingPrefix + of, "original/" + of, "variant/" + of, "quarantine/" + of
}

func tail(organization, file uuid.UUID, version int) string {
	return organization.String() + "/" + file.String() + "/" + strconv.Itoa(version)
}

// ParseIncoming is the inverse of Incoming. It accepts nothing that Incoming would not have made.
func ParseIncoming(key string) (Key, error) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0]+"/" != IncomingPrefix {
		return Key{}, fmt.Errorf("object key %q is not incoming/<organization>/<file>/<version>",
			key)
	}
	organization, err := uuid.Parse(parts[1])
	if err != nil {
		return Key{}, fmt.Errorf("object key %q: organization: %w", key, err)
	}
	file, err := uuid.Parse(parts[2])
	if err != nil {
		return Key{}, fmt.Errorf("object key %q: file: %w", key, err)
	}
	// file_uploads.version is an integer: a longer one would wrap
	number, err := strconv.ParseInt(parts[3], 10, 32)
	version := int(number)
	if err != nil || version < 1 {
		return Key{}, fmt.Errorf("object key %q: version %q is not a positive number", key,
			parts[3])
	}
	if Incoming(organization, file, version) != key {
		return Key{}, fmt.Errorf("object key %q is not in its canonical form", key)
	}
	return Key{Organization: organization, File: file, Version: version}, nil
}
