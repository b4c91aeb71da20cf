// Package postgres runs a private, real PostgreSQL cluster beside the program
// that asks for it: no container, no account, no port to agree on.
//
// The server ends with its parent, however the parent ends. A superuser sees
// through row-level security, so what is to mean anything connects as one of
// the ordinary roles, never with SuperuserURL.
package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/child"
)

// ErrInUse is returned by Start for a directory whose cluster is running,
// or has not quite ended yet.
var ErrInUse = errors.New("the cluster's directory is in use by another process")

const superuser = "postgres"

// Options say which cluster to start. The zero value of a field is its default.
type Options struct {
	// URL names a server that runs already. Nothing is started then, and the
	// other fields mean nothing.
	URL string
	// Dir holds the cluster: its data, its log, the superuser's password.
	// For root it has to be within reach of the account that the server runs
	// as; where it is not, a directory under /var/lib is used instead.
	Dir string
	// Fresh removes what Dir held before.
	Fresh bool
	// Throwaway trades safety for speed: what is committed survives a crash of
	// the server but not of the machine, and a directory that was not shut down
	// cleanly, or was made by another major version, is begun anew. For tests only.
	Throwaway bool
	// Settings are server settings that go over the defaults of this package.
	Settings map[string]string
	// Bin is a directory that holds postgres and initdb. Left empty, one is
	// looked for; ErrNotFound says that there is none.
	Bin string
	// Log is told what is being downloaded.
	Log *slog.Logger
}

// Cluster is a running server. Its methods are safe for concurrent use.
type Cluster struct {
	bin, home, data, sockets string
	settings                 []string
	account                  account
	key                      []byte
	base                     url.URL
	external                 bool
	lock                     *os.File

	mu     sync.Mutex
	server *child.Process
}

// Start starts the cluster in o.Dir, making it first where it does not exist,
// and returns when it answers. ErrInUse and ErrNotFound can be told apart with
// errors.Is.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.URL != "" {
		return external(ctx, o.URL)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	home, err := account.place(o.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{account: account, home: home, data: filepath.Join(home, "data")}
	if err := c.acquire(); err != nil {
		return nil, err
	}
	if err := c.start(ctx, o); err != nil {
		c.lock.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, o Options) error {
	// A throwaway cluster that did not end cleanly was running without fsync: after a
	// crash of the machine its files may be wrong in ways that recovery does not notice.
	if o.Fresh || o.Throwaway && exists(filepath.Join(c.data, "postmaster.pid")) {
		if err := c.clear(); err != nil {
			return err
		}
	}
	made, err := madeBy(c.data)
	if err != nil {
		return err
	}
	want := made
	if o.Throwaway {
		want = 0
	}
	var major int
	if c.bin, major, err = find(ctx, o, want); err != nil {
		return err
	}
	if made != major {
		if err := c.clear(); err != nil {
			return err
		}
		if err := c.initialize(ctx); err != nil {
			return err
		}
	}
	password, err := os.ReadFile(c.passwordFile())
	if err != nil {
		return fmt.Errorf("read the superuser's password: %w", err)
	}
	c.key = password
	if err := c.placeSockets(); err != nil {
		return err
	}
	c.settings = arguments(o)
	return c.launch(ctx)
}

// launch starts the server on a free port. Between choosing a port and
// listening on it another process can take it, so it tries a few.
func (c *Cluster) launch(ctx context.Context) error {
	const tries = 5
	for try := 1; ; try++ {
		port, err := child.FreePort()
		if err != nil {
			return err
		}
		c.base = url.URL{Scheme: "postgres", Host: net.JoinHostPort("127.0.0.1",
			strconv.Itoa(port)), RawQuery: "sslmode=disable"}
		err = c.run(ctx)
		if err == nil || try == tries || !strings.Contains(err.Error(), "Address already in use") {
			return err
		}
	}
}

// SuperuserURL is the address of the maintenance database for the superuser
// (for a server named by Options.URL: that URL). It is for making databases
// and for looking behind the policies, never for proving anything about them.
func (c *Cluster) SuperuserURL() string {
	if c.external {
		return c.base.String()
	}
	return c.URL("postgres", superuser, string(c.key))
}

// URL is the address of one database for one role. A server named by
// Options.URL keeps its own database when database is empty.
func (c *Cluster) URL(database, role, password string) string {
	u := c.base
	u.User = url.UserPassword(role, password)
	if database != "" || !c.external {
		u.Path = "/" + database
	}
	return u.String()
}

// Password is a role's password: the same for the life of the cluster, kept
// nowhere, because it is derived from the superuser's.
func (c *Cluster) Password(role string) string {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(role))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Stop shuts the server down: sessions are ended, data is written, and Stop
// returns when no process is left. When ctx ends first the server is killed.
// A second Stop does nothing, and so does one of a server that was not
// started here.
func (c *Cluster) Stop(ctx context.Context) error {
	if c.external {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.end(ctx, syscall.SIGINT)
	c.lock.Close()
	return err
}

// Crash ends the server at once, as a failing machine would: nothing is
// flushed, clients lose their connections, the next start recovers.
func (c *Cluster) Crash(ctx context.Context) error {
	if c.external {
		return errors.New("a server that was not started here cannot be crashed")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end(ctx, syscall.SIGQUIT)
}

// Resume starts a crashed server again, on the port that it had.
func (c *Cluster) Resume(ctx context.Context) error { return c.run(ctx) }

// Restart is a Crash and a Resume.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.Crash(ctx); err != nil {
		return err
	}
	return c.Resume(ctx)
}

func external(ctx context.Context, raw string) (*Cluster, error) {
	base, err := url.Parse(raw)
	if err != nil || (base.Scheme != "postgres" && base.Scheme != "postgresql") {
		// the cause would quote the password
		return nil, errors.New("DATABASE_URL: want postgres://user:password@host:port/database")
	}
	c := &Cluster{base: *base, external: true, key: make([]byte, 32)}
	if password, ok := base.User.Password(); ok {
		c.key = []byte(password)
	} else {
		rand.Read(c.key)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := ping(ctx, raw); err != nil {
		return nil, fmt.Errorf("the server that DATABASE_URL names: %w", err)
	}
	return c, nil
}
