package stack

import (
	"maps"
	"os"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/gateway"
	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/schedule"
)

// The names of the Lambdas, and of what triggers them.
const (
	FileAPI         = "file-api-http"
	FileMaintenance = "file-api-maintenance"
	FileProcessing  = "file-processing-events"

	IngestQueue      = "file-ingest"
	ingestDeadLetter = "file-ingest-dlq"
)

// buckets of the local stack.
var buckets = Buckets{Incoming: "satchel-incoming", Files: "satchel-files", Quarantine: "satchel-quarantine"}

// lambda is one entry as it is deployed: the folder of its binary, and its limits, those of template.yaml
// but for the timeouts, which are shorter so that a retry is soon.
type lambda struct {
	name, entry, folder string
	timeout             time.Duration
	memoryMB            int
	concurrency         int
}

func lambdas() []lambda {
	return []lambda{
		{name: FileAPI, entry: "file-api/http", folder: "file-api", timeout: 29 * time.Second, memoryMB: 512, concurrency: 8},
		{name: FileMaintenance, entry: "file-api/maintenance", folder: "file-api", timeout: time.Minute, memoryMB: 512, concurrency: 1},
		{name: FileProcessing, entry: "file-processing/events", folder: "file-processing", timeout: 30 * time.Second, memoryMB: 2048, concurrency: 2},
	}
}

// folders are the binaries that the lambdas need.
func folders() []string { return []string{"file-api", "file-processing"} }

// routes say which paths are whose; a function that comes later adds its own.
func routes() []gateway.Route {
	return []gateway.Route{
		{Pattern: "/v1/files", Function: FileAPI},
		{Pattern: "/v1/files/", Function: FileAPI},
		{Pattern: "/v1/usage", Function: FileAPI},
		{Pattern: "/v1/openapi.json", Function: FileAPI},
	}
}

func schedules() []schedule.Schedule {
	return []schedule.Schedule{{Name: "file-maintenance", Function: FileMaintenance, Every: time.Minute}}
}

// passed are the settings that whoever starts the stack may change by environment variables of their names.
func passed() []string {
	return []string{
		"ALLOWED_MIME_TYPES", "AUTH_JIT_MEMBERSHIP", "CORS_ORIGINS", "ENABLE_VIRUS_SCANNING", "LOG_LEVEL",
		"MAX_FILE_SIZE", "THUMBNAIL_SIZE",
	}
}

// functions are the lambdas with the settings that template.yaml gives them, and the SDK's own for the servers here.
func (s *Stack) functions(bin string) []runtime.Function {
	common := map[string]string{
		"AWS_ACCESS_KEY_ID":     s.Ready.S3.AccessKey,
		"AWS_SECRET_ACCESS_KEY": s.Ready.S3.SecretKey,
		"AWS_REGION":            s.Ready.S3.Region,
		"AWS_DEFAULT_REGION":    s.Ready.S3.Region,
		"AWS_ENDPOINT_URL_S3":   s.Ready.S3.Endpoint,
		"INCOMING_BUCKET":       buckets.Incoming,
		"FILES_BUCKET":          buckets.Files,
		"QUARANTINE_BUCKET":     buckets.Quarantine,
	}
	own := map[string]map[string]string{"file-api": s.apiSettings(), "file-processing": s.processingSettings()}
	var all []runtime.Function
	for _, l := range lambdas() {
		env := map[string]string{"DATABASE_URL": s.Ready.Roles[l.entry]}
		maps.Copy(env, common)
		maps.Copy(env, own[l.folder])
		for _, name := range passed() {
			if value, set := os.LookupEnv(name); set {
				env[name] = value
			}
		}
		all = append(all, runtime.Function{
			Name: l.name, Binary: bootstrap(bin, l.folder), Env: env,
			Timeout: l.timeout, MemoryMB: l.memoryMB, Concurrency: l.concurrency,
		})
	}
	return all
}

func (s *Stack) apiSettings() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL_SQS": s.Queue.Endpoint,
		"INGEST_QUEUE_URL":     s.Queue.URL(IngestQueue),
		"AUTH_ISSUER":          s.Ready.Issuer,
		"AUTH_JWKS_URL":        s.Ready.Issuer + "/.well-known/jwks.json",
		"AUTH_AUDIENCE":        issuer.Audience,
		"CORS_ORIGINS":         "*",
		"PUBLIC_API_URL":       s.Ready.API,
	}
}

func (s *Stack) processingSettings() map[string]string {
	if s.scanner == "" {
		return map[string]string{"ENABLE_VIRUS_SCANNING": "false"}
	}
	return map[string]string{"ENABLE_VIRUS_SCANNING": "true", "CLAMD_ADDRESS": s.scanner}
}
