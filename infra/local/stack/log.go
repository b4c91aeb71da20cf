package stack

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxLog is the size in bytes at which a log becomes the old one, of which one is kept.
const maxLog = 32 << 20

// functionLog keeps what functions print: an event a line as JSON, and metrics, which are lines in
// CloudWatch's embedded metric format, in a file of their own. What is no JSON becomes an event.
type functionLog struct {
	mu             sync.Mutex
	events, metric rotated
	plain          []string // printed since the start, as by one that cannot use its settings
}

func openLog(dir string) (*functionLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the functions' log: %w", err)
	}
	l := &functionLog{events: rotated{path: filepath.Join(dir, filepath.Base(LogFile))},
		metric: rotated{path: filepath.Join(dir, "metrics.log")}}
	if err := cmp.Or(l.events.open(), l.metric.open()); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// line takes one of a function. A log that cannot be written must not stop the function.
func (l *functionLog) line(function string, line []byte) {
	if len(bytes.TrimSpace(line)) == 0 { // as between the parts of a panic's trace
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var printed struct {
		EMF json.RawMessage `json:"_aws"`
	}
	switch {
	case json.Unmarshal(line, &printed) != nil:
		l.remember(string(line))
		line, _ = json.Marshal(struct { // strings and a time always marshal
			At       time.Time  `json:"at"`
			Level    slog.Level `json:"level"`
			Message  string     `json:"msg"`
			Function string     `json:"function"`
		}{time.Now().UTC(), slog.LevelError, string(line), function})
	case printed.EMF != nil:
		_, _ = fmt.Fprintf(&l.metric, "%s\n", line)
		return
	}
	_, _ = fmt.Fprintf(&l.events, "%s\n", line)
}

// Write takes whole lines of what is around the functions.
func (l *functionLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events.Write(line)
}

func (l *functionLog) remember(said string) {
	const most = 10
	if len(l.plain) < most && !slices.Contains(l.plain, said) {
		l.plain = append(l.plain, said)
	}
}

// complaint is what functions printed in plain text since this start, or where to look.
func (l *functionLog) complaint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return cmp.Or(strings.Join(l.plain, "\n"), "see "+l.events.path)
}

func (l *functionLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.events.close(), l.metric.close())
}

// rotated is a file that makes place for a new one when it has grown.
type rotated struct {
	path string
	file *os.File
	size int64
}

func (r *rotated) open() (err error) {
	if r.file, err = os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return fmt.Errorf("open the functions' log: %w", err)
	}
	info, err := r.file.Stat()
	if err == nil {
		r.size = info.Size()
	}
	return err
}

func (r *rotated) Write(line []byte) (int, error) {
	if r.size > 0 && r.size+int64(len(line)) > maxLog {
		if err := errors.Join(r.close(), os.Rename(r.path, r.path+".1"), r.open()); err != nil {
			return 0, err
		}
	}
	n, err := r.file.Write(line)
	r.size += int64(n)
	return n, err
}

func (r *rotated) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// screen is what the user sees while the stack runs. As a handler it shows what goes wrong.
type screen struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

func (s *screen) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (s *screen) Handle(_ context.Context, r slog.Record) error {
	text, between := "  "+r.Message, ": "
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf("%s%s %s", between, a.Key, a.Value)
		between = ", "
		return true
	})
	_, err := fmt.Fprintln(s, text)
	return err
}

// What the logger says of itself is for the file.
func (s *screen) WithAttrs([]slog.Attr) slog.Handler { return s }
func (s *screen) WithGroup(string) slog.Handler      { return s }
