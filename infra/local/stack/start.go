package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/toolboxai-solutions/satchel/infra/local/clamd"
	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

const (
	database = "satchel"
	owner    = "satchel_owner"

	// issuerName is the iss claim. It has no port, so that users, whose ids follow from it, are the
	// same at every port.
	issuerName = "http://satchel.localhost"
)

// start brings up what the functions need, at once where one part does not need another, and then
// the functions.
func (s *Stack) start(ctx context.Context) error {
	// The S3 server changes the working directory; the build needs the one that we were started in.
	source, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	if err := s.describe(source); err != nil {
		return err
	}
	listener, err := s.listen()
	if err != nil {
		return err
	}
	queues, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.queueEndpoint = queue.Endpoint(queues)
	if err := s.startChannels(); err != nil {
		return errors.Join(err, queues.Close())
	}
	if s.deployment, err = s.resolve(); err != nil {
		return errors.Join(err, queues.Close())
	}
	var bin string
	parts, running := errgroup.WithContext(ctx)
	parts.Go(func() error {
		return s.step("postgres",
			func() (string, error) { return s.startPostgres(running) })
	})
	parts.Go(func() error {
		return s.step("clamd",
			func() (string, error) { return s.startScanner(running) })
	})
	parts.Go(func() error {
		return s.step("storage", func() (string, error) { return s.startStorage(running, queues) })
	})
	parts.Go(func() error {
		return s.step("functions", func() (note string, err error) {
			bin, note, err = s.binaries(running, s.directory.in("bin"), source)
			return note, err
		})
	})
	if err := parts.Wait(); err != nil {
		return err
	}
	return s.step("gateway", func() (string, error) { return s.deploy(ctx, listener, bin) })
}

// listen takes the gateway's address, which is the issuer's too.
func (s *Stack) listen() (net.Listener, error) {
	listener, err := s.directory.listen(s.options.Port)
	if err != nil {
		return nil, err
	}
	s.atStop(func() error { _ = listener.Close(); return nil })
	s.Ready.API = "http://" + listener.Addr().String()
	s.Ready.Issuer = s.Ready.API
	if s.Issuer, err = issuer.Open(s.directory.in("issuer"), s.Ready.Issuer); err != nil {
		return nil, err
	}
	s.Issuer.Name = issuerName
	return listener, nil
}

// startPostgres starts the cluster and brings its database to the newest schema.
func (s *Stack) startPostgres(ctx context.Context) (string, error) {
	c, err := s.cluster(ctx)
	if err != nil {
		return "", err
	}
	s.Postgres = c
	s.atStop(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		return c.Stop(ctx)
	})
	if s.OwnerURL, err = c.Database(ctx, database, owner); err != nil {
		return "", err
	}
	passwords := migrations.Passwords{}
	s.Ready.Roles = map[string]string{}
	for _, e := range migrations.Roles() {
		passwords[e.Name] = c.Password(e.Role)
		s.Ready.Roles[e.Name] = s.roleURL(e.Role)
	}
	applied, err := migrations.Up(ctx, s.OwnerURL, passwords)
	if err != nil {
		return "", err
	}
	if s.Ready.DatabaseURL, err = inspection(c.SuperuserURL(), databaseName()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d migrations applied", len(applied)), nil
}

// databaseName is ours, or none on a server that DATABASE_URL names, which names its own.
func databaseName() string {
	if os.Getenv("DATABASE_URL") != "" {
		return ""
	}
	return database
}

// roleURL is the address of our database for a role.
func (s *Stack) roleURL(role string) string {
	return s.Postgres.URL(databaseName(), role, s.Postgres.Password(role))
}

// cluster waits for the server of a stack that was killed a moment ago: it needs a little longer to
// end.
func (s *Stack) cluster(ctx context.Context) (*postgres.Cluster, error) {
	for deadline := time.Now().Add(stopGrace); ; time.Sleep(50 * time.Millisecond) {
		c, err := postgres.Start(ctx, postgres.Options{
			URL: os.Getenv("DATABASE_URL"), Dir: s.directory.in("postgres"), Fresh: s.options.Fresh,
			Throwaway: s.options.Throwaway, Log: s.Log,
		})
		if !errors.Is(err, postgres.ErrInUse) || time.Now().After(deadline) {
			return c, err
		}
	}
}

// inspection is the address of our database for who may see every row. FORCE hides them from the
// owner.
func inspection(superuser, database string) (string, error) {
	u, err := url.Parse(superuser)
	if err != nil {
		return "", errors.New("the superuser's URL cannot be read") // the cause would quote it
	}
	if database != "" {
		u.Path = "/" + database
	}
	return u.String(), nil
}

// startScanner finds a virus scanner. That there is none is no error, but it is said.
func (s *Stack) startScanner(ctx context.Context) (string, error) {
	const without = "files will be marked not scanned"
	switch s.options.Clamd {
	case "":
	case ScannerOff:
		return "switched off: " + without, nil
	default:
		s.scanner = s.options.Clamd
		return "the one at " + s.scanner, nil
	}
	c, err := clamd.Start(ctx, clamd.Options{})
	if errors.Is(err, clamd.ErrNotInstalled) {
		return "no clamd found: " + without, nil
	}
	if err != nil {
		return "", err
	}
	s.Clamd, s.scanner = c, c.Address
	s.atStop(c.Stop)
	s.watchScanner(c)
	return c.Database, nil
}

// watchScanner starts a clamd again that ended by itself, and says so.
func (s *Stack) watchScanner(c *clamd.Clamd) {
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		c.Watch(ctx, func(text string) { s.say("%s", text) })
		close(ended)
	}()
	s.atStop(func() error { end(); <-ended; return nil })
}

// privileged is a pool for what only a local stack may do to the database.
func (s *Stack) privileged(ctx context.Context) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(s.Ready.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("connect to make members: %w", err)
	}
	// Always: a restart of PostgreSQL, which tests do, must not show in a token.
	config.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return true }
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to make members: %w", err)
	}
	s.atStop(func() error { pool.Close(); return nil })
	return pool, nil
}

// answers asks the API for something that needs no sign-in, through the gateway and the function.
func (s *Stack) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Ready.API+"/v1/openapi.json",
		nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("the API does not answer: %w", err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answers %s: %s", response.Status, s.functionLog.complaint())
	}
	return nil
}
