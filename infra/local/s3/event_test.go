package s3_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

func TestKeysAreFormEncoded(t *testing.T) {
	server, told := running(t)
	client := stockClient(t, server)
	for sent, want := range map[string]string{
		"incoming/a b/c+d.jpg":   "incoming/a+b/c%2Bd.jpg",
		"incoming/ü/(1)&=%41":    "incoming/%C3%BC/%281%29%26%3D%2541",
		"incoming/plain-_.~/0/1": "incoming/plain-_.~/0/1",
	} {
		put(t, client, incoming, sent, "x")
		got := records(t, told.take())
		if len(got) != 1 || got[0].S3.Object.Key != want || got[0].S3.Object.URLDecodedKey != sent {
			t.Errorf("%q told %+v, want key %q", sent, got, want)
		}
	}
}

// TestEventHasTheFieldsOfS3 compares with the fields of S3's documented
// structure: nothing less, and nothing that AWS would not send.
func TestEventHasTheFieldsOfS3(t *testing.T) {
	server, told := running(t)
	out := put(t, stockClient(t, server), incoming, "k", "12345")
	_, body, _ := strings.Cut(told.take()[0], " ")
	var event struct {
		Records []map[string]any
	}
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		t.Fatal(err)
	}
	r := event.Records[0]
	if at, err := time.Parse("2006-01-02T15:04:05.000Z", r["eventTime"].(string)); err != nil ||
		time.Since(at).Abs() > time.Hour {
		t.Errorf("eventTime %v", r["eventTime"])
	}
	object := r["s3"].(map[string]any)["object"].(map[string]any)
	if sequencer := object["sequencer"].(string); len(sequencer) != 18 {
		t.Errorf("sequencer %q", sequencer)
	}
	r["eventTime"], object["sequencer"], r["responseElements"] = "", "", nil
	got, _ := json.Marshal(r)
	want := `{"awsRegion":"us-east-1","eventName":"ObjectCreated:Put","eventSource":"aws:s3","eventTime":"","eventVersion":"2.1",` +
		`"requestParameters":{"sourceIPAddress":"127.0.0.1"},"responseElements":null,` +
		`"s3":{"bucket":{"arn":"arn:aws:s3:::satchel-incoming","name":"satchel-incoming","ownerIdentity":{"principalId":"LOCAL"}},"configurationId":"local",` +
		`"object":{"eTag":"827ccb0eea8a706c4c34a16891f84e7b","key":"k","sequencer":"","size":5,"versionId":"` + aws.ToString(out.VersionId) + `"},"s3SchemaVersion":"1.0"},` +
		`"userIdentity":{"principalId":"AWS:LOCAL"}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestOnlyIncomingTells(t *testing.T) {
	server, told := running(t)
	client := stockClient(t, server)
	put(t, client, files, "original/a", "x")
	put(t, client, quarantine, "quarantine/a", "x")
	source := put(t, client, incoming, "a", "12345")
	told.take()
	for _, bucket := range []string{files, incoming} {
		if _, err := client.CopyObject(t.Context(), &awss3.CopyObjectInput{
			Bucket: &bucket, Key: aws.String("b"),
			CopySource: aws.String(incoming + "/a?versionId=" + *source.VersionId),
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.DeleteObject(t.Context(),
		&awss3.DeleteObjectInput{Bucket: aws.String(incoming), Key: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	got := records(t, told.take())
	if len(got) != 1 || got[0].EventName != "ObjectCreated:Copy" || got[0].S3.Object.Key != "b" ||
		got[0].S3.Object.Size != 5 || got[0].S3.Object.VersionID == "" {
		t.Errorf("told %+v", got)
	}
}
