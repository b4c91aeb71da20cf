package lambdaevent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Object is a version of a stored object that S3 says was created.
type Object struct {
	Bucket    string
	Key       string // decoded
	VersionID string // empty in a bucket without versioning
	Size      int64
	ETag      string
	Sequencer string // not an order: S3's documents disagree on how to compare two of them
}

// MalformedError says that a message is no S3 event. Delivering it again does not help.
type MalformedError struct{ Cause error }

func (e *MalformedError) Error() string { return "malformed S3 event: " + e.Cause.Error() }
func (e *MalformedError) Unwrap() error { return e.Cause }

// S3Objects returns the objects that the S3 event in body says were created: none for the s3:TestEvent that S3 sends when a notification is
// set up, and none for other kinds of record. Keys in an event are form-encoded (a space is "+") and are decoded here, once. The error is a
// *MalformedError; then no object is returned at all, so that a message is never half done.
func S3Objects(body string) ([]Object, error) {
	objects, err := s3Objects(body)
	if err != nil {
		return nil, &MalformedError{err}
	}
	return objects, nil
}

func s3Objects(body string) ([]Object, error) {
	var event struct {
		Event   string `json:"Event"`
		Records []struct {
			EventName string `json:"eventName"`
			S3        struct {
				Bucket struct {
					Name string `json:"name"`
				} `json:"bucket"`
				Object struct {
					Key       string `json:"key"`
					Size      int64  `json:"size"`
					ETag      string `json:"eTag"`
					VersionID string `json:"versionId"`
					Sequencer string `json:"sequencer"`
				} `json:"object"`
			} `json:"s3"`
		} `json:"Records"`
	}
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		return nil, err
	}
	if event.Event == "s3:TestEvent" {
		return nil, nil
	}
	if len(event.Records) == 0 {
		return nil, errors.New("it has no records")
	}
	var objects []Object
	for i, record := range event.Records {
		if record.EventName == "" {
			return nil, fmt.Errorf("record %d has no eventName", i)
		}
		if !strings.HasPrefix(record.EventName, "ObjectCreated:") {
			continue
		}
		entry := record.S3.Object
		key, err := url.QueryUnescape(entry.Key)
		if err != nil {
			return nil, fmt.Errorf("record %d: key: %w", i, err)
		}
		if record.S3.Bucket.Name == "" || key == "" || entry.Size < 0 {
			return nil, fmt.Errorf("record %d lacks a bucket, a key or a size", i)
		}
		objects = append(objects, Object{record.S3.Bucket.Name, key, entry.VersionID, entry.Size, entry.ETag, entry.Sequencer})
	}
	return objects, nil
}
