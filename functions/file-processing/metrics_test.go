package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest"
	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/infra/local/iam"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/infra/template"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// The roles that authority knows.
const (
	granted = "granted" // all that processing asks for
	mistake = "mistake" // that without the grant to store files
)

// authority decides for the S3 server in dir.
func authority(t *testing.T, dir string) *iam.Authority {
	t.Helper()
	access, secret, err := s3.Keys(dir)
	if err != nil {
		t.Fatal(err)
	}
	allow := func(action, resource string) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,`+
			`"Resource":"arn:aws:s3:::%s"}]}`, action, resource)
	}
	most := []string{allow("s3:GetObjectVersion", "incoming/*"), allow("s3:ListBucket", "incoming"),
		allow("s3:ListBucketVersions", "incoming"), allow("s3:DeleteObject", "incoming/*"),
		allow("s3:DeleteObjectVersion", "incoming/*"), allow("s3:PutObject", "quarantine/*")}
	a, err := iam.New(iam.Keys{Access: access, Secret: secret}, &template.Deployment{
		Functions: []template.Function{
			{Name: mistake, Role: template.Role{Policies: most}},
			{Name: granted, Role: template.Role{
				Policies: append(most[:len(most):len(most)], allow("s3:PutObject", "files/*"))}},
		}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// emits brings about what alarms watch and looks for it in what the function writes.
func emits(t *testing.T, like *ingest.Processor, database *pgtest.Database, store *s3.Server,
	roles *iam.Authority) {
	malware, err := scan.New(findsMalware(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		role    string
		scanner *scan.Client
		age     string // of the upload
		want    map[string]float64
	}{
		"nothing is wrong": {granted, nil, "0", map[string]float64{"FilesProcessed available": 1}},
		"a grant is missing": {mistake, nil, "0",
			map[string]float64{"FilesProcessed retry": 1, "ConfigurationFaults": 1}},
		"malware": {granted, malware, "0", map[string]float64{"FilesProcessed quarantined": 1}},
		"its days are over": {granted, nil, "6 days",
			map[string]float64{"FilesProcessed error": 1, "FilesGivenUp": 1}},
	} {
		var out bytes.Buffer
		log := telemetry.NewLogger(&out, slog.LevelInfo)
		metrics := telemetry.Metrics{Out: &out, Namespace: "Satchel"}
		keys := roles.Keys(c.role)
		config := aws.Config{Region: store.Region, BaseEndpoint: &store.Endpoint,
			Credentials: credentials.NewStaticCredentialsProvider(keys.Access, keys.Secret, "")}
		metrics.WatchConfiguration(&config, log)
		h := handler{log: log, metrics: metrics, processor: &ingest.Processor{
			Config: like.Config, DB: like.DB, S3: awss3.NewFromConfig(config), Scanner: c.scanner,
			Log: log,
		}}
		h.processor.Config.MaxAge = 120 * time.Hour
		school := database.Organization(t, "school-"+uuid.NewString()[:8])
		_ = h.object(t.Context(), upload(t, database, like.S3, school, c.age), // the metrics say
			func(context.Context) bool { return false })
		if got := told(t, &out); !maps.Equal(got, c.want) {
			t.Errorf("%s: told %v, want %v\n%s", name, got, c.want, &out)
		}
	}
}

// upload reserves a file and stores what its form would.
func upload(t *testing.T, d *pgtest.Database, root *awss3.Client, organization uuid.UUID,
	age string) lambdaevent.Object {
	t.Helper()
	file := uuid.New()
	key := objectkey.Incoming(organization, file, 1)
	exec := func(sql string, arguments ...any) {
		t.Helper()
		if _, err := d.Superuser.Exec(t.Context(), sql, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	exec(`INSERT INTO storage_quotas (organization_id, reserved_bytes, file_count)
		VALUES ($1, 4, 1) ON CONFLICT (organization_id) DO UPDATE
		SET reserved_bytes = storage_quotas.reserved_bytes + 4,
			file_count = storage_quotas.file_count + 1`, organization)
	exec(`INSERT INTO files (organization_id, id, filename, original_filename, file_extension,
			file_size, mime_type, bucket_name, storage_path, uploaded_by, created_by)
		VALUES ($1, $2, 'a.txt', 'a.txt', 'txt', 4, 'text/plain', 'incoming', $3, $2, $2)`,
		organization, file, key)
	exec(`INSERT INTO file_uploads (organization_id, file_id, uploaded_by, reserved_bytes,
			expires_at, created_at)
		VALUES ($1, $2, $2, 4, now() + interval '15 minutes', now() - $3::interval)`,
		organization, file, age)
	stored, err := root.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("incoming"),
		Key: &key, Body: strings.NewReader("text")})
	if err != nil {
		t.Fatal(err)
	}
	return lambdaevent.Object{Bucket: "incoming", Key: key, VersionID: *stored.VersionId}
}

// told adds up the metrics of a file's outcome and those that have no dimension.
func told(t *testing.T, out *bytes.Buffer) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for line := range strings.Lines(out.String()) {
		var metric struct {
			Outcome                                           string
			FilesProcessed, FilesGivenUp, ConfigurationFaults float64
		}
		if err := json.Unmarshal([]byte(line), &metric); err != nil {
			t.Fatalf("wrote %s: %v", line, err)
		}
		for name, n := range map[string]float64{
			"FilesProcessed " + metric.Outcome: metric.FilesProcessed,
			"FilesGivenUp":                     metric.FilesGivenUp,
			"ConfigurationFaults":              metric.ConfigurationFaults,
		} {
			if n > 0 {
				found[name] += n
			}
		}
	}
	return found
}

// findsMalware is the address of a scanner that finds malware in whatever it is sent.
func findsMalware(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go scanned(conn)
		}
	}()
	return "tcp://" + listener.Addr().String()
}

// scanned answers VERSION, or the end of a stream.
func scanned(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	var sent []byte
	for buffer := make([]byte, 1024); ; {
		n, err := conn.Read(buffer)
		sent = append(sent, buffer[:n]...)
		switch {
		case bytes.HasPrefix(sent, []byte("zVERSION\x00")):
			_, _ = io.WriteString(conn, "ClamAV 1.4.6\x00")
			return
		case bytes.HasSuffix(sent, []byte("text\x00\x00\x00\x00")):
			_, _ = io.WriteString(conn, "stream: Eicar-Test-Signature FOUND\x00")
			return
		case err != nil:
			return
		}
	}
}
