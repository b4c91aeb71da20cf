package runtime

import "bytes"

// lineWriter passes on whole lines, so that lines of different sandboxes do not mix.
type lineWriter struct {
	pass    func(line []byte)
	pending []byte
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
		l.pass(bytes.TrimRight(l.pending[:end+1], "\n"))
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
