package runtime

import (
	"bytes"
	"io"
	"sync"
)

// lockedWriter lets the sandboxes of all functions share one log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// lineWriter passes on whole lines with a prefix, so that lines of different sandboxes do not mix.
type lineWriter struct {
	w       io.Writer
	prefix  string
	pending []byte
}

func (f *function) lines() *lineWriter {
	return &lineWriter{w: f.log, prefix: f.Name + " | "}
}

// maxLine is the longest line that is kept whole; Lambda splits log lines at 256 KB too.
const maxLine = 256 << 10

func (l *lineWriter) Write(p []byte) (int, error) {
	l.pending = append(l.pending, p...)
	for {
		end := bytes.IndexByte(l.pending, '\n')
		if end < 0 && len(l.pending) < maxLine {
			return len(p), nil
		}
		if end < 0 {
			end = maxLine - 1
		}
		l.pass(l.pending[:end+1])
		l.pending = l.pending[end+1:]
	}
}

// flush passes on what a dying process could not end with a newline.
func (l *lineWriter) flush() {
	if len(l.pending) > 0 {
		l.pass(l.pending)
		l.pending = nil
	}
}

// pass writes one line at once. A log that cannot be written must not stop the function, so its
// error is
// dropped: an error here would break the pipe that the function prints to.
func (l *lineWriter) pass(line []byte) {
	whole := append([]byte(l.prefix), bytes.TrimRight(line, "\n")...)
	_, _ = l.w.Write(append(whole, '\n'))
}
