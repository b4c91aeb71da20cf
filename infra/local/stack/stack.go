// Package stack is the whole platform on one machine: real servers around the shipped binaries, in
// one process tree.
package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
	"github.com/toolboxai-solutions/satchel/infra/local/iam"
	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/template"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// ErrInUse says that another stack runs on the data directory.
var ErrInUse = errors.New("the data directory is in use by another stack")

// FirstOrganization is the slug of an organization that every stack has.
const FirstOrganization = "oak-street-school"

// ScannerOff as Options.Clamd starts no clamd, also where one is installed.
const ScannerOff = "off"

// stopGrace is how long Stop waits for Postgres to write its data.
const stopGrace = 10 * time.Second

// Options of a stack. Only DataDir is needed.
type Options struct {
	// DataDir keeps everything from run to run; one stack at a time may hold it.
	DataDir string
	// Fresh empties DataDir first.
	Fresh bool
	// Clamd is the address of a running clamd (tcp://host:port or unix:///path). Left empty, one
	// that is installed is started privately; ScannerOff does without.
	Clamd string
	// BinDir holds <function>/bootstrap for this machine. Left empty, the functions are built from
	// source, for which the working directory has to be in the module.
	BinDir string
	// Template is the description of what runs. Left empty, it is the template.yaml of the working
	// directory or of the nearest one above it.
	Template string
	// Port is the API's, and the next one S3's. Left zero, both are those of the last start, or two
	// that are free.
	Port int
	// Progress is told what is being started, and what goes wrong later. Nil discards it.
	Progress io.Writer

	// Tune changes a function before it is deployed: settings, timeout, memory.
	Tune func(*runtime.Function)
	// Report is told of each invocation.
	Report func(runtime.Report)
	// Visibility is how long a message that failed stays away before it is tried again. The default
	// is a little longer than the function's timeout, so that nothing runs twice at once.
	Visibility time.Duration
	// NoSchedules leaves schedules to be fired by hand.
	NoSchedules bool
	// Throwaway trades the safety of the data for speed. For tests only.
	Throwaway bool
}

// Stack is running.
type Stack struct {
	Ready    Ready
	Issuer   *issuer.Issuer
	Runtime  *runtime.Host
	Postgres *postgres.Cluster
	// OwnerURL is the role that owns the tables, bound by row-level security like the entries.
	OwnerURL string
	S3       *s3.Server
	Queue    *queue.Server
	// Authority decides what each function may do at S3 and at the queues, and remembers it.
	Authority *iam.Authority
	// Channels speaks Pusher's protocol.
	Channels *channels.Server
	// Log is for what goes wrong outside of the functions: on the screen, and in their log.
	Log *slog.Logger
	// Clamd is the private scanner; nil when there is none or it was named by an address.
	Clamd *clamd.Clamd

	options    Options
	directory  *directory
	template   *template.Template
	deployment *template.Deployment
	screen     *screen
	scanner    string // address, empty when nothing scans
	secrets    string // address of the server of secrets

	functionLog   *functionLog
	queueEndpoint string // known before the queues run, because the template's values have it

	mu      sync.Mutex
	closers []func() error
}

// Start brings everything up and returns when it answers. On an error nothing is left running. ctx
// bounds the start alone; Stop ends the stack.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if o.DataDir == "" {
		return nil, errors.New("a stack needs a data directory")
	}
	s := &Stack{options: o, screen: &screen{w: cmp.Or[io.Writer](o.Progress, io.Discard)}}
	var err error
	if s.directory, err = hold(o.DataDir, o.Fresh); err != nil {
		return nil, err
	}
	s.atStop(func() error { s.directory.release(); return nil })
	if s.functionLog, err = openLog(s.directory.in(filepath.Dir(LogFile))); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.atStop(s.functionLog.close)
	s.Log = slog.New(slog.NewMultiHandler(s.screen,
		telemetry.NewHandler(s.functionLog, slog.LevelInfo))).With("function", "local")
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Stop ends everything in the reverse order of its start and leaves no process. A second Stop does
// nothing.
func (s *Stack) Stop() error {
	s.mu.Lock()
	closers := s.closers
	s.closers = nil
	s.mu.Unlock()
	var all []error
	for _, stop := range slices.Backward(closers) {
		all = append(all, stop())
	}
	return errors.Join(all...)
}

func (s *Stack) atStop(stop func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, stop)
}

// step runs one part of the start and tells how long it took.
func (s *Stack) step(name string, start func() (string, error)) error {
	began := time.Now()
	note, err := start()
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	s.say("%-10s %6d ms  %s", name, time.Since(began).Milliseconds(), note)
	return nil
}

// say tells of progress. A terminal that is gone is no reason to stop.
func (s *Stack) say(format string, arguments ...any) {
	_, _ = fmt.Fprintf(s.screen, "  "+format+"\n", arguments...)
}
