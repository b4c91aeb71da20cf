package clamd

import (
	"strings"
	"sync"
)

// lastOutput keeps the end of what a process prints, for an error message.
type lastOutput struct {
	mu   sync.Mutex
	text []byte
}

func (o *lastOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, b...)
	if extra := len(o.text) - 4<<10; extra > 0 {
		o.text = o.text[extra:]
	}
	return len(b), nil
}

func (o *lastOutput) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.text))
}
