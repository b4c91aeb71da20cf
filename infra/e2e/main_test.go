// Package e2e shows from outside that the platform does what it promises: the tests have the API,
// the form, the S3 client of the ready-file, the database to look into, and /local. One stack
// serves them all, and each test has an organization of its own.
//
// Tests that disturb everybody (a database that crashes, a scanner or a worker that is killed) do
// not call t.Parallel: the others wait for them.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

// The functions that tests break, by the names that template.yaml gives them.
const (
	fileAPI        = "satchel-file-api-http"
	fileProcessing = "satchel-file-processing-events"
)

// told is every notification of a fact, wherever it is: once, however many channels it goes to.
const told = `(SELECT id, organization_id, subject_id, topic, payload FROM notification_inbox
	UNION SELECT id, organization_id, subject_id, topic, payload FROM notifications) told`

// maxFileSize is what the stack is given: small, so that "larger than the limit" is quick to send.
const maxFileSize = 4 << 20

// childFile is set in a process that is to be a stack with small limits and nothing else: where its
// ready-file goes.
const childFile = "SATCHEL_E2E_CHILD"

// platform is a running stack as tests see it.
type platform struct {
	ready   stack.Ready
	objects *s3.Client
	rows    *pgxpool.Pool
}

// shared is the one stack of this process, with the handles that break it.
var shared struct {
	*platform
	stack    *stack.Stack
	scanner  *clamd.Clamd // nil where none is installed
	wiretap  *wiretap     // between the functions and the scanner
	keys     *keys        // between the functions and the issuer
	root     string       // of the repository; the S3 server takes the working directory
	bin      string       // the functions' binaries
	queueURL string
}

func TestMain(m *testing.M) {
	flag.Parse()
	if path := os.Getenv(childFile); path != "" {
		os.Exit(child(path))
	}
	// Tests wait much more than they work.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fail(err)
	}
	os.Exit(run(m))
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func run(m *testing.M) (code int) {
	dir, err := scratch()
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if shared.root, err = filepath.Abs("../.."); err != nil {
		return fail(err)
	}
	stop, err := begin(dir)
	if err != nil {
		return fail(err)
	}
	code = m.Run()
	if code == 0 {
		code = answered.Report(filepath.Join(shared.root, "functions", "file-api", "openapi.json"))
	}
	if code == 0 {
		if err := nothingLost(); err != nil {
			code = fail(err)
		}
	}
	if code == 0 && wholeRun() {
		if err := leastPrivilege(); err != nil {
			code = fail(err)
		}
	}
	if err := stop(); err != nil {
		code = fail(err)
	}
	return code
}

// begin starts what all tests share.
func begin(dir string) (stop func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	progress := &bytes.Buffer{}
	o := stack.Options{
		DataDir: dir, Progress: progress, Throwaway: true, NoSchedules: true,
		Visibility: time.Second,
		Clamd:      stack.ScannerOff, Tune: tune,
	}
	switch shared.scanner, err = clamd.Start(ctx, clamd.Options{}); {
	case err == nil:
		if shared.wiretap, err = listen(
			strings.TrimPrefix(shared.scanner.Address, "tcp://")); err != nil {
			return nil, err
		}
		o.Clamd = shared.wiretap.address()
	case !errors.Is(err, clamd.ErrNotInstalled):
		return nil, err
	}
	shared.keys = relayKeys()
	shared.stack, err = stack.Start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, progress)
	}
	shared.bin, shared.queueURL = filepath.Join(dir, "bin"), shared.stack.Queue.URL("IngestQueue")
	shared.platform, err = connect(shared.stack.Ready)
	return func() error {
		shared.rows.Close()
		// the store waits for those that were opened and not used
		http.DefaultClient.CloseIdleConnections()
		err := shared.stack.Stop()
		shared.keys.server.Close()
		if shared.scanner != nil {
			shared.wiretap.close()
			err = errors.Join(err, shared.scanner.Stop())
		}
		return err
	}, err
}

// tune lets archives pass to the scanner, and other text types to the rules about active content.
func tune(f *runtime.Function) {
	f.Env["ALLOWED_MIME_TYPES"] = "image/*,application/pdf,text/*,application/zip"
	f.Env["MAX_FILE_SIZE"] = fmt.Sprint(maxFileSize)
	if issuer := f.Env["AUTH_JWKS_URL"]; issuer != "" {
		f.Env["AUTH_JWKS_URL"] = shared.keys.through(issuer)
	}
}

func connect(ready stack.Ready) (*platform, error) {
	rows, err := pgxpool.New(context.Background(), ready.DatabaseURL)
	if err != nil {
		return nil, err
	}
	return &platform{ready: ready, rows: rows, objects: s3.NewFromConfig(aws.Config{
		Region: ready.S3.Region, BaseEndpoint: &ready.S3.Endpoint, HTTPClient: http.DefaultClient,
		Credentials: credentials.NewStaticCredentialsProvider(ready.S3.AccessKey,
			ready.S3.SecretKey, ""),
	})}, nil
}

// scratch is a directory that PostgreSQL's account can reach.
func scratch() (string, error) {
	dir, err := os.MkdirTemp("", "satchel-e2e-*")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// nothingLost asks, after all tests: no event may have ended as a dead letter, whatever was done to
// the workers.
func nothingLost() error {
	var answer struct {
		Queues []struct {
			Name        string
			DeadLetters int `json:"dead_letters"`
		}
	}
	response, err := http.Get(shared.ready.API + "/local/queues")
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	for _, q := range answer.Queues {
		if q.DeadLetters > 0 {
			return fmt.Errorf("%d events of %s are dead letters: see %s", q.DeadLetters, q.Name,
				shared.stack.LogPath())
		}
	}
	return nil
}

// child is a stack whose workers get little memory and time; one process can have one S3 server
// only.
func child(readyFile string) int {
	dir, err := scratch()
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s, err := stack.Start(ctx, stack.Options{
		DataDir: dir, BinDir: os.Getenv("SATCHEL_E2E_BIN"), Clamd: stack.ScannerOff,
		Throwaway: true, NoSchedules: true, Visibility: time.Second,
		Tune: func(f *runtime.Function) {
			if f.Name == fileProcessing {
				f.Timeout, f.MemoryMB, f.Concurrency = childTimeout, childMemoryMB, 1
			}
		},
	})
	if err != nil {
		return fail(err)
	}
	err = s.Ready.Write(readyFile)
	if err == nil {
		<-ctx.Done()
	}
	for _, denied := range s.Authority.Denied() {
		err = errors.Join(err, fmt.Errorf("denied: %s", denied))
	}
	if err := errors.Join(err, s.Stop()); err != nil {
		return fail(err)
	}
	return 0
}

// spawn starts a stack in a process of its own and stops it with the test.
func spawn(t *testing.T) (*platform, int) {
	t.Helper()
	readyFile := filepath.Join(t.TempDir(), "ready.json")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Dir = filepath.Join(shared.root, "infra", "e2e")
	command.Env = append(os.Environ(), childFile+"="+readyFile, "SATCHEL_E2E_BIN="+shared.bin)
	out := &bytes.Buffer{}
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("the child ended with %v\n%s", err, out)
		}
	})
	var ready stack.Ready
	until(t, "the child's ready-file", func() bool { return readJSON(readyFile, &ready) == nil })
	p, err := connect(ready)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.rows.Close)
	return p, command.Process.Pid
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// patience is for a machine that does much else at the same time; no test measures time by it.
const patience = 5 * time.Minute

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not come about: %s", what)
		}
	}
}
