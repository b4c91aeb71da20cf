package s3

import (
	"net/url"
	"strings"
	"time"
)

// The shapes below are those of S3's documentation, "Event message structure"
// 2.1. aws-lambda-go's structs are for reading: writing one adds a field
// urlDecodedKey that S3 never sends, and a function could come to rely on it.

type notification struct {
	Records []record `json:"Records"`
}

type record struct {
	EventVersion      string            `json:"eventVersion"`
	EventSource       string            `json:"eventSource"`
	AWSRegion         string            `json:"awsRegion"`
	EventTime         string            `json:"eventTime"`
	EventName         string            `json:"eventName"`
	UserIdentity      identity          `json:"userIdentity"`
	RequestParameters map[string]string `json:"requestParameters"`
	ResponseElements  map[string]string `json:"responseElements"`
	S3                entity            `json:"s3"`
}

type identity struct {
	PrincipalID string `json:"principalId"`
}

type entity struct {
	SchemaVersion   string      `json:"s3SchemaVersion"`
	ConfigurationID string      `json:"configurationId"`
	Bucket          eventBucket `json:"bucket"`
	Object          eventObject `json:"object"`
}

type eventBucket struct {
	Name          string   `json:"name"`
	OwnerIdentity identity `json:"ownerIdentity"`
	ARN           string   `json:"arn"`
}

type eventObject struct {
	Key       string `json:"key"`
	Size      int64  `json:"size"`
	ETag      string `json:"eTag"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// created is what one creation of an object tells.
type created struct {
	name      string // Put, Post, Copy or CompleteMultipartUpload
	bucket    string
	key       string
	size      int64
	etag      string
	version   string
	sequencer string
	requestID string
	at        time.Time
}

func (c created) notification() notification {
	return notification{Records: []record{{
		EventVersion:      "2.1",
		EventSource:       "aws:s3",
		AWSRegion:         region,
		EventTime:         eventTime(c.at),
		EventName:         "ObjectCreated:" + c.name,
		UserIdentity:      identity{PrincipalID: "AWS:LOCAL"},
		RequestParameters: map[string]string{"sourceIPAddress": "127.0.0.1"},
		ResponseElements: map[string]string{"x-amz-request-id": c.requestID,
			"x-amz-id-2": c.requestID},
		S3: entity{
			SchemaVersion:   "1.0",
			ConfigurationID: "local",
			Bucket: eventBucket{Name: c.bucket,
				OwnerIdentity: identity{PrincipalID: "LOCAL"}, ARN: "arn:aws:s3:::" + c.bucket},
			Object: eventObject{
				Key:       formEncoded(c.key),
				Size:      c.size,
				ETag:      strings.Trim(c.etag, `"`),
				VersionID: c.version,
				Sequencer: c.sequencer,
			},
		},
	}}}
}

// formEncoded is how S3 writes a key into an event: form-encoded, a space as
// "+", with slashes left alone.
func formEncoded(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

func eventTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// testEvent is what S3 sends once when a notification is configured. It has no
// Records, unlike every other message in the queue.
func testEvent(bucket string, at time.Time) any {
	return struct {
		Service   string
		Event     string
		Time      string
		Bucket    string
		RequestID string `json:"RequestId"`
		HostID    string `json:"HostId"`
	}{"Amazon S3", "s3:TestEvent", eventTime(at), bucket, "LOCALTEST", "LOCALTEST"}
}
