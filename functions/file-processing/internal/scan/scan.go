// Package scan asks clamd whether a stream of bytes holds malware.
//
// Everything fails closed: only the literal answer "stream: OK" is clean, and
// every answer or silence that is not understood is ErrUnavailable.
//
// Whether clamd looks at all of a file is decided by its own configuration,
// which cannot be asked for over the wire. It must have
//
//   - AlertEncrypted yes and AlertExceedsMax yes, because an encrypted archive
//     and a file past a limit are answered OK by default;
//   - MaxFileSize greater than MaxScanSize, because clamd 1.4 cuts a longer zip
//     entry to its first MaxFileSize bytes and answers OK, whatever
//     AlertExceedsMax says, while it does report a passed MaxScanSize;
//   - StreamMaxLength no smaller than MAX_FILE_SIZE.
package scan

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

var (
	// ErrEncrypted says that the content, or a part of it, is encrypted, so
	// that nobody has looked at it.
	ErrEncrypted = errors.New("content is encrypted and cannot be scanned")
	// ErrLimitsExceeded says that the content is larger or deeper than clamd
	// is configured to look.
	ErrLimitsExceeded = errors.New("content exceeds the scanner's limits")
	// ErrUnavailable says that there is no trustworthy answer: clamd could not
	// be reached, broke off, stayed silent past the deadline, or answered
	// something else. Trying again later may help.
	ErrUnavailable = errors.New("virus scanner is unavailable")
)

const (
	// dialTimeout bounds the connect alone, so that a scanner that swallows
	// packets is noticed long before the caller's deadline.
	dialTimeout = 5 * time.Second
	// lastWords is how long a reply is waited for once clamd has stopped
	// reading: it answers and closes at once, or not at all.
	lastWords = 2 * time.Second
	// chunkSize is what one INSTREAM frame carries.
	chunkSize = 64 << 10
	// maxReply is far above any answer of clamd, whose longest part is a
	// signature's name.
	maxReply = 4 << 10
)

// Verdict is what clamd said about content that it has seen completely.
type Verdict struct {
	Infected bool
	// Signature names what was found; empty when the content is clean.
	Signature string
	// Engine is clamd's answer to VERSION: engine version, database version
	// and database date, as in "ClamAV 1.4.6/27600/Mon Nov 17 08:00:00 2025".
	// The last two are missing where no official database is loaded.
	Engine string
}

// KnowsMalware reports whether an official database was loaded: without one, as with a test
// signature alone, that nothing was found says nothing.
func (v Verdict) KnowsMalware() bool { return strings.Contains(v.Engine, "/") }

// Client talks to one clamd. It is safe for concurrent use and keeps no
// connection open between scans.
type Client struct {
	network, address string
}

// New returns a client for clamd at address: tcp://host:port, unix:///path,
// unix:/path or host:port. It does not connect.
func New(address string) (*Client, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("clamd address %q: a unix socket needs an absolute path",
				address)
		}
		return &Client{"unix", path}, nil
	}
	host, port, err := net.SplitHostPort(strings.TrimPrefix(address, "tcp://"))
	if err != nil || host == "" || port == "" || strings.Contains(host, "/") {
		return nil, fmt.Errorf("clamd address %q: want tcp://host:port, unix:///path or host:port",
			address)
	}
	return &Client{"tcp", net.JoinHostPort(host, port)}, nil
}

// Scan streams r to clamd and returns its verdict.
//
// A verdict is given only after r was read to its end, so a caller that also
// hashes or sniffs the content wraps r in an io.TeeReader and reads the object
// once. With an error, r may have been read in part, and an error of r itself
// is returned wrapped, without any of this package's sentinels. ctx should have
// a deadline: a scanner that stays silent is waited for until then.
func (c *Client) Scan(ctx context.Context, r io.Reader) (Verdict, error) {
	engine, err := c.version(ctx)
	if err != nil {
		return Verdict{}, err
	}
	reply, err := c.instream(ctx, r)
	if err != nil {
		return Verdict{}, err
	}
	return judge(reply, engine)
}

// version returns clamd's answer to VERSION, or ErrUnavailable.
func (c *Client) version(ctx context.Context) (string, error) {
	conn, done, err := c.open(ctx, "VERSION")
	if err != nil {
		return "", err
	}
	defer done()
	reply, err := readReply(conn)
	if err != nil {
		return "", unavailable(ctx, "ask for the version", err)
	}
	if !strings.HasPrefix(reply, "ClamAV ") {
		return "", unavailable(ctx, "ask for the version", fmt.Errorf("unexpected reply %q", reply))
	}
	return reply, nil
}

func (c *Client) instream(ctx context.Context, r io.Reader) (string, error) {
	conn, done, err := c.open(ctx, "INSTREAM")
	if err != nil {
		return "", err
	}
	defer done()

	source, sink := stream(conn, r)
	if source != nil {
		return "", fmt.Errorf("read the content to scan: %w", source)
	}
	if sink != nil {
		conn.SetReadDeadline(time.Now().Add(lastWords))
	}
	// Past its stream limit clamd says so and closes while we are still
	// writing: the reply is what matters, the broken pipe is only how we notice.
	reply, err := readReply(conn)
	if err != nil {
		return "", unavailable(ctx, "scan", errors.Join(sink, err))
	}
	if sink != nil && reply != overStreamLimit {
		return "", unavailable(ctx, "scan",
			fmt.Errorf("reply %q before the content ended: %w", reply, sink))
	}
	return reply, nil
}

// stream sends r in frames of a 4-byte big-endian length and that many bytes,
// ended by an empty frame (clamd(8), INSTREAM). It tells a failing source from
// a failing connection.
func stream(conn net.Conn, r io.Reader) (source, sink error) {
	frame := make([]byte, 4+chunkSize)
	for {
		n, err := r.Read(frame[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(frame, uint32(n))
			if _, sink = conn.Write(frame[:4+n]); sink != nil {
				return nil, sink
			}
		}
		if errors.Is(err, io.EOF) {
			_, sink = conn.Write([]byte{0, 0, 0, 0})
			return nil, sink
		}
		if err != nil {
			return err, nil
		}
	}
}

// open connects and sends a command whose reply ends with a zero byte. The
// connection ends with ctx, or by done.
func (c *Client) open(ctx context.Context, command string) (conn net.Conn, done func(), err error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err = dialer.DialContext(ctx, c.network, c.address)
	if err != nil {
		return nil, nil, unavailable(ctx, "connect", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	done = func() {
		stop()
		conn.Close()
	}
	if _, err := conn.Write([]byte("z" + command + "\x00")); err != nil {
		done()
		return nil, nil, unavailable(ctx, "send "+command, err)
	}
	return conn, done, nil
}

func unavailable(ctx context.Context, doing string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}
