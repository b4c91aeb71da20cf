package stack

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/gateway"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/schedule"
)

// deploy puts the functions behind what triggers them: queue, schedules and gateway.
func (s *Stack) deploy(ctx context.Context, listener net.Listener, bin string) (string, error) {
	var err error
	// again: now it is known whether something scans
	if s.deployment, err = s.resolve(); err != nil {
		return "", err
	}
	if err := s.startSecrets(); err != nil {
		return "", err
	}
	var functions []runtime.Function
	for _, fn := range s.deployment.Functions {
		if !runs(fn) {
			continue
		}
		f := s.lambda(fn, bin)
		if s.options.Tune != nil {
			s.options.Tune(&f)
		}
		functions = append(functions, f)
	}
	s.Runtime, err = runtime.Start(ctx, runtime.Config{
		Functions: functions, Dir: s.directory.in("sandboxes"), Log: s.functionLog.line,
		Report: s.options.Report,
	})
	if err != nil {
		return "", err
	}
	s.atStop(func() error { s.Runtime.Close(); return nil })
	members, err := s.seed(ctx)
	if err != nil {
		return "", err
	}
	s.poll(functions)
	runner := schedule.Runner{Schedules: s.schedules(), Invoke: s.Runtime.Invoke, Log: s.Log,
		Now: time.Now}
	if !s.options.NoSchedules {
		s.background(runner.Run)
	}
	s.serve(listener, members, runner)
	if err := s.answers(ctx); err != nil {
		return "", err
	}
	return s.Ready.API, nil
}

// serve answers at the gateway's address: the functions' routes, the issuer's, and what is only
// local.
func (s *Stack) serve(listener net.Listener, members gateway.Members, runner schedule.Runner) {
	api := gateway.Gateway{Invoke: s.Runtime.Invoke, Routes: s.routes(), Log: s.Log, Now: time.Now}
	keys := s.Issuer.Handler()
	local := gateway.Local{
		Issuer: s.Issuer, Members: members, Fire: runner.Fire, Invoke: s.Runtime.Invoke,
		Queues: s.stats, API: api,
		Log: s.Log, Organization: FirstOrganization,
	}.Handler()
	// No ServeMux: it would redirect paths with // or .. in them, which API Gateway passes on.
	server := &http.Server{ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/", strings.HasPrefix(r.URL.Path, "/local/"),
				strings.HasPrefix(r.URL.Path, gateway.InvokePrefix):
				local.ServeHTTP(w, r)
			case strings.HasPrefix(r.URL.Path, "/.well-known/"):
				keys.ServeHTTP(w, r)
			default:
				api.ServeHTTP(w, r)
			}
		})}
	s.background(func(context.Context) { _ = server.Serve(listener) })
	s.atStop(server.Close)
}

// background runs something until Stop, which waits for its end.
func (s *Stack) background(run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	s.atStop(func() error {
		cancel()
		<-ended
		return nil
	})
}

// seed makes the two organizations that every stack has.
func (s *Stack) seed(ctx context.Context) (gateway.Members, error) {
	pool, err := s.privileged(ctx)
	if err != nil {
		return gateway.Members{}, err
	}
	members := gateway.Members{DB: pool, Issuer: issuerName}
	for slug, name := range map[string]string{FirstOrganization: "Oak Street School",
		"riverside-academy": "Riverside Academy"} {
		if _, err := members.Organization(ctx, slug, name); err != nil {
			return members, err
		}
	}
	return members, nil
}

// LogFile is the name, in the data directory, of the file with what the functions log.
const LogFile = "logs/functions.log"

// LogPath is the file with what the functions log.
func (s *Stack) LogPath() string { return s.directory.in(LogFile) }
