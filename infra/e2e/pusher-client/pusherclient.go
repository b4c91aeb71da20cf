// Package pusherclient runs Pusher's own JavaScript client in a test. It needs
// node and npm: without them the test skips, and fails where CI is true.
package pusherclient

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
)

// patience with a client that says nothing. It decides no test that passes.
const patience = 2 * time.Minute

var (
	//go:embed client.js
	script string
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
)

// Options of a client.
type Options struct {
	// Host is the host:port of the channels server, Key the app's.
	Host, Key string
	// Token is the bearer token for the two endpoints.
	Token string
	// ChannelAuth and UserAuth are the endpoints' URLs. Without UserAuth the client does not sign
	// in.
	ChannelAuth, UserAuth string
	// Eager asks for channels without waiting for the sign-in, as pusher-js does when nobody tells
	// it otherwise.
	Eager bool
}

// Line is something that happened to the client; client.js has the types and what each of them
// tells.
type Line struct {
	Type     string          `json:"type"`
	SocketID string          `json:"socket_id"`
	User     string          `json:"user"`
	Channel  string          `json:"channel"`
	Event    string          `json:"event"`
	Status   int             `json:"status"`
	Members  []string        `json:"members"`
	Data     json.RawMessage `json:"data"`
}

// Client is a running client.
type Client struct {
	input io.Writer
	lines chan Line
}

// Start connects a client, which ends with the test.
func Start(t testing.TB, o Options) *Client {
	t.Helper()
	modules := install(t)
	host, port, err := net.SplitHostPort(o.Host)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "-e", script)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stderr = t.Output()
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Client{input: input, lines: make(chan Line, 1024)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		c.read(t, output)
	}()
	t.Cleanup(func() {
		input.Close() // and with that the client ends
		<-read
		if err := cmd.Wait(); err != nil {
			t.Errorf("the Pusher client: %v", err)
		}
	})
	c.tell(t, map[string]any{
		"key": o.Key, "host": host, "port": number, "token": o.Token,
		"user_auth": o.UserAuth, "channel_auth": o.ChannelAuth, "eager": o.Eager,
	})
	return c
}

func (c *Client) read(t testing.TB, output io.Reader) {
	defer close(c.lines)
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		var line Line
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Errorf("the Pusher client said %q: %v", scanner.Text(), err)
			continue
		}
		select {
		case c.lines <- line:
		default:
			t.Errorf("nobody waits for what the Pusher client says: %+v", line)
		}
	}
}

// Subscribe to a channel; what comes of it is a line.
func (c *Client) Subscribe(t testing.TB, channel string) {
	t.Helper()
	c.tell(t, map[string]any{"do": "subscribe", "channel": channel})
}

// Unsubscribe from a channel.
func (c *Client) Unsubscribe(t testing.TB, channel string) {
	t.Helper()
	c.tell(t, map[string]any{"do": "unsubscribe", "channel": channel})
}

// Trigger sends a client event.
func (c *Client) Trigger(t testing.TB, channel, event string, data any) {
	t.Helper()
	c.tell(t, map[string]any{"do": "trigger", "channel": channel, "event": event, "data": data})
}

// Disconnect leaves, until Connect.
func (c *Client) Disconnect(t testing.TB) {
	t.Helper()
	c.tell(t, map[string]any{"do": "disconnect"})
}

// Connect comes back, and subscribes again to what it was subscribed to.
func (c *Client) Connect(t testing.TB) {
	t.Helper()
	c.tell(t, map[string]any{"do": "connect"})
}

func (c *Client) tell(t testing.TB, command map[string]any) {
	t.Helper()
	line, err := json.Marshal(command)
	if err == nil {
		_, err = c.input.Write(append(line, '\n'))
	}
	if err != nil {
		t.Fatalf("tell the Pusher client: %v", err)
	}
}

// Next waits for the next line.
func (c *Client) Next(t testing.TB) Line {
	t.Helper()
	select {
	case line, ok := <-c.lines:
		if !ok {
			t.Fatal("the Pusher client has ended")
		}
		return line
	case <-time.After(patience):
		t.Fatal("the Pusher client says nothing")
	}
	return Line{}
}

// Await waits for a line of a type and passes over all others.
func (c *Client) Await(t testing.TB, kind string) Line {
	t.Helper()
	for {
		line := c.Next(t)
		if line.Type == kind {
			return line
		}
		t.Logf("the Pusher client: %s %s %s %s", line.Type, line.Channel, line.Event, line.Data)
	}
}

// install fetches what package-lock.json pins, once per machine.
func install(t testing.TB) (modules string) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	modules, err := fetch(t)
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("install Pusher's client: %v", err)
	}
	if err != nil {
		t.Fatalf("install Pusher's client: %v", err)
	}
	return modules
}

func fetch(t testing.TB) (modules string, err error) {
	cache, err := postgres.CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	home := filepath.Join(cache, "pusher-client-"+hex.EncodeToString(sum[:6]))
	modules = filepath.Join(home, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	draft, err := os.MkdirTemp(cache, "pusher-client-draft-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(draft)
	for name, text := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(draft, name), text, 0o644); err != nil {
			return "", err
		}
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit",
		"--no-fund")
	npm.Dir = draft
	var said bytes.Buffer
	npm.Stdout, npm.Stderr = &said, &said
	if err := npm.Run(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, said.String())
	}
	// Another process may have been faster; what it made is the same.
	if err := os.Rename(draft, home); err != nil {
		if _, gone := os.Stat(modules); gone != nil {
			return "", err
		}
	}
	return modules, nil
}
