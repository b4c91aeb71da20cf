package objectkey_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/objectkey"
)

func TestParseIncomingIsTheInverse(t *testing.T) {
	t.Parallel()
	organization, file := uuid.New(), uuid.New()
	for _, version := range []int{1, 7} {
		key, err := objectkey.ParseIncoming(objectkey.Incoming(organization, file, version))
		want := objectkey.Key{Organization: organization, File: file, Version: version}
		if err != nil || key != want {
			t.Errorf("got %v, %v, want %v", key, err, want)
		}
	}
}

// No key that a function writes may match the trigger's prefix, whatever the ids: a trigger that
// hears its own output never stops.
func TestNothingWeWriteMatchesTheTrigger(t *testing.T) {
	t.Parallel()
	for range 1000 {
		organization, file := uuid.New(), uuid.New()
		for _, key := range []string{
			objectkey.Original(organization, file, 1, 1),
			objectkey.Quarantine(organization, file, 1, 1),
			objectkey.Held(organization, file, 1, 1),
			objectkey.Variant(organization, file, 1, 1, "thumbnail"),
			objectkey.Variant(organization, file, 1, 1, "../../../../incoming/x"),
		} {
			if strings.HasPrefix(key, objectkey.IncomingPrefix) {
				t.Fatalf("%s would trigger processing again", key)
			}
			if _, err := objectkey.ParseIncoming(key); err == nil {
				t.Fatalf("%s parses as an upload", key)
			}
		}
	}
}

func FuzzParseIncoming(f *testing.F) {
	f.Add(objectkey.Incoming(uuid.New(), uuid.New(), 1))
	f.Add("incoming/../../etc/passwd/1")
	f.Add("incoming//" + uuid.NewString() + "/1")
	f.Add("incoming/" + strings.ToUpper(uuid.NewString()) + "/" + uuid.NewString() + "/1")
	f.Add("incoming/" + uuid.NewString() + "/" + uuid.NewString() + "/+1")
	f.Add("incoming/" + uuid.NewString() + "/" + uuid.NewString() + "/4294967297")
	f.Fuzz(func(t *testing.T, key string) {
		parsed, err := objectkey.ParseIncoming(key)
		if err == nil &&
			objectkey.Incoming(parsed.Organization, parsed.File, parsed.Version) != key {
			t.Errorf("%q parses but is not what Incoming makes", key)
		}
	})
}

func TestParseHeldIsTheInverse(t *testing.T) {
	t.Parallel()
	organization, file := uuid.New(), uuid.New()
	held := objectkey.Held(organization, file, 7, 3)
	key, err := objectkey.ParseHeld(held)
	want := objectkey.Key{Organization: organization, File: file, Version: 7}
	if err != nil || key != want {
		t.Errorf("got %v, %v, want %v", key, err, want)
	}
	for _, other := range []string{
		objectkey.Quarantine(organization, file, 7, 3), // infected
		objectkey.Incoming(organization, file, 7),
		strings.Replace(held, "quarantine/", "original/", 1),
		strings.Replace(held, "/held/", "/kept/", 1),
		strings.Replace(held, file.String(), "x", 1),
		held + "/1", held + "x", strings.Replace(held, "/held/", "/held/0", 1),
	} {
		if key, err := objectkey.ParseHeld(other); err == nil || key != (objectkey.Key{}) {
			t.Errorf("%s parses as %v, %v", other, key, err)
		}
	}
}

// What is deleted by prefix is all of one file, and nothing of another.
func TestPrefixesAreOfOneFile(t *testing.T) {
	t.Parallel()
	organization, file := uuid.New(), uuid.New()
	incoming, original, variant, quarantine := objectkey.Prefixes(organization, file)
	for prefix, key := range map[string]string{
		incoming:   objectkey.Incoming(organization, file, 2),
		original:   objectkey.Original(organization, file, 2, 1),
		variant:    objectkey.Variant(organization, file, 2, 1, "thumbnail"),
		quarantine: objectkey.Held(organization, file, 2, 1),
	} {
		of, rest, _ := strings.Cut(prefix, "/")
		if !strings.HasPrefix(key, prefix) || of == "" ||
			rest != organization.String()+"/"+file.String()+"/" {
			t.Errorf("%s is not all of the file of %s", prefix, key)
		}
	}
}
