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
}

// S3Objects returns the objects that the S3 event in body says were created: none for the
// s3:TestEvent that S3 sends when a notification is set up, and none for other kinds of record.
// Keys in an event are form-encoded (a space is "+") and are decoded here, once. An error means
// that body is no S3 event, which delivering it again does not help; then no object is returned, so
// that a message is never half done.
func S3Objects(body string) ([]Object, error) {
	objects, err := s3Objects(body)
	if err != nil {
		return nil, fmt.Errorf("malformed S3 event: %w", err)
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
					VersionID string `json:"versionId"`
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
		objects = append(objects, Object{record.S3.Bucket.Name, key, entry.VersionID, entry.Size})
	}
	return objects, nil
}
