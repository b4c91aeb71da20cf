// Package s3 runs an S3 server inside the local stack: versitygw on a directory,
// with AWS-shaped storage events, which versitygw's own are not.
//
// It checks signatures, and asks an Authority what the keys of a function allow.
// The root's keys, which no function has, allow everything.
//
// Only one server may run in a process, and while it runs the process's working
// directory is the server's: versitygw has both as package-level state. Resolve
// relative paths before Start.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/embedgw"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

const (
	region     = "us-east-1"
	healthPath = "/-healthy"
	// attempts at finding a port: between finding a free one and listening on
	// it another process may take it.
	attempts = 5
)

// Options of a server.
type Options struct {
	// Dir keeps the objects and the credentials. A server started on the same
	// directory again has both.
	Dir     string
	Buckets []template.Bucket
	// Notify is called with an S3 event notification for every object created
	// in a bucket that has notifications, before the request that made it is
	// answered, and with one s3:TestEvent when the bucket is made. It may be
	// called concurrently, and not again after Stop.
	Notify func(queue string, event []byte)
	// Port to listen on; 0 means one that is free.
	Port int
	// Authority decides what the holders of other keys than the root's may do; nil knows no other
	// keys.
	Authority Authority
	// Now is the clock of the events; nil means time.Now.
	Now func() time.Time

	// sidecar keeps metadata as on a file system without extended attributes.
	sidecar bool
}

// Server is a running S3 server.
type Server struct {
	// Endpoint is http://127.0.0.1:port, good for AWS_ENDPOINT_URL_S3: the SDK
	// addresses buckets in the path when the host is an IP address.
	Endpoint  string
	Region    string
	AccessKey string
	SecretKey string

	cancel           context.CancelFunc
	ended            chan error
	workingDirectory string
}

// Start starts a server, makes its buckets where they are missing and returns
// when it answers. ctx bounds the start alone; Stop ends the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the directory of s3: %w", err)
	}
	before, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working directory: %w", err)
	}
	s := &Server{Region: region, workingDirectory: before}
	if s.AccessKey, s.SecretKey, err = Keys(dir); err != nil {
		return nil, err
	}
	for range attempts {
		if err = s.serve(ctx, dir, o); o.Port != 0 || !isAddressTaken(err) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.Chdir(before))
	}
	if err := s.makeBuckets(ctx, o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// patience is for requests that are running. versitygw waits ten seconds, also for connections on
// which nothing was asked yet, such as browsers open in advance.
const patience = 2 * time.Second

// Stop finishes the requests that are running and ends the server.
func (s *Server) Stop() error {
	s.cancel()
	var err error
	select {
	case err = <-s.ended:
	case <-time.After(patience):
	}
	if err != nil {
		err = fmt.Errorf("stop s3: %w", err)
	}
	return errors.Join(err, os.Chdir(s.workingDirectory))
}

func (s *Server) serve(ctx context.Context, dir string, o Options) error {
	store, err := open(dir, o.sidecar)
	if err != nil {
		return err
	}
	address, err := address(o.Port)
	if err != nil {
		return err
	}
	s.Endpoint = "http://" + address
	running, cancel := context.WithCancel(context.Background())
	s.cancel, s.ended = cancel, make(chan error, 1)
	var served backend.Backend = newNotifier(store, o)
	iam := auth.NewIAMServiceSingle(auth.Account{Access: s.AccessKey, Secret: s.SecretKey,
		Role: auth.RoleAdmin})
	if o.Authority != nil {
		served, iam = gate{served, o.Authority}, accounts{iam, o.Authority}
	}
	go func() {
		defer close(s.ended)
		s.ended <- embedgw.RunVersityGW(running, served, &embedgw.Config{
			RootUserAccess:    s.AccessKey,
			RootUserSecret:    s.SecretKey,
			Region:            region,
			Ports:             []string{address},
			MaxConnections:    1024,
			MaxRequests:       512,
			MultipartMaxParts: 10_000,
			HealthPath:        healthPath,
			DisableACLs:       true, // as in every bucket that AWS makes today
			KeepAlive:         true,
			Quiet:             true,
			IAMService:        iam,
		})
	}()
	if err := s.awaitHealthy(ctx); err != nil {
		cancel()
		return err
	}
	return nil
}

func (s *Server) awaitHealthy(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		response, err := http.Get(s.Endpoint + healthPath)
		if err == nil {
			response.Body.Close()
		}
		select {
		case err := <-s.ended:
			return fmt.Errorf("start s3: %w", err)
		default:
		}
		if err == nil && response.StatusCode == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("start s3: no answer in time: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// address of a port; for port 0 of one that is free now.
func address(port int) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", fmt.Errorf("find a port for s3: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
