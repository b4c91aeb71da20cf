package stack

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/gateway"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/schedule"
)

// deploy puts the functions behind what triggers them: queue, schedules and gateway.
func (s *Stack) deploy(ctx context.Context, listener net.Listener, bin string) (string, error) {
	log, err := s.logFile()
	if err != nil {
		return "", err
	}
	functions := s.functions(bin)
	for i := range functions {
		if s.options.Tune != nil {
			s.options.Tune(&functions[i])
		}
	}
	s.Runtime, err = runtime.Start(ctx, runtime.Config{
		Functions: functions, Dir: s.directory.in("sandboxes"), Log: log, Report: s.options.Report,
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
	runner := schedule.Runner{Schedules: schedules(), Invoke: s.Runtime.Invoke, Log: s.log, Now: time.Now}
	if !s.options.NoSchedules {
		s.background(runner.Run)
	}
	s.serve(listener, members, runner)
	if err := s.answers(ctx); err != nil {
		return "", err
	}
	return s.Ready.API, nil
}

// serve answers at the gateway's address: the functions' routes, the issuer's, and what is only local.
func (s *Stack) serve(listener net.Listener, members gateway.Members, runner schedule.Runner) {
	mux := http.NewServeMux()
	api := gateway.Gateway{Invoke: s.Runtime.Invoke, Routes: routes(), Log: s.log, Now: time.Now}.Handler()
	mux.Handle("/", api)
	mux.Handle("/.well-known/", s.Issuer.Handler())
	mux.Handle("/local/", gateway.Local{
		Issuer: s.Issuer, Members: members, Fire: runner.Fire, Queues: s.queues, API: api, Log: s.log,
	}.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
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
	members := gateway.Members{DB: pool, Issuer: s.Ready.Issuer}
	for slug, name := range map[string]string{FirstOrganization: "Oak Street School", "riverside-academy": "Riverside Academy"} {
		if _, err := members.Organization(ctx, slug, name); err != nil {
			return members, err
		}
	}
	return members, nil
}

// LogPath is the file with what the functions print.
func (s *Stack) LogPath() string { return s.directory.in("functions.log") }
