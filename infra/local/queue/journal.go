package queue

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// entry is one line of the journal: what happened to a queue. One of Send,
// Receive, Delete and Bury is set.
type entry struct {
	Queue   string    `json:"queue"`
	Send    *message  `json:"send,omitempty"`
	Receive string    `json:"receive,omitempty"`
	Delete  string    `json:"delete,omitempty"`
	Bury    string    `json:"bury,omitempty"`
	At      time.Time `json:"at,omitzero"`
}

// spare is how many entries the journal may have beyond one for each message
// before it is written anew.
const spare = 20_000

// journal keeps a server's messages in a file: every change is appended before
// it is acted on, in one write, so that the end of the process at any point
// loses at most a change that nobody was told had happened.
type journal struct {
	path    string
	file    *os.File
	queues  map[string]*queue
	entries int
}

// openJournal loads the messages of dir into queues. What belongs to queues that
// are no longer declared is dropped.
func openJournal(dir string, queues map[string]*queue) (*journal, error) {
	j := &journal{queues: queues}
	if dir == "" {
		return j, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the queues' directory: %w", err)
	}
	j.path = filepath.Join(dir, "messages.jsonl")
	if err := j.replay(); err != nil {
		return nil, fmt.Errorf("load the queues' messages: %w", err)
	}
	for _, q := range queues {
		for _, m := range q.messages {
			if m.Receives > 0 {
				m.Visible = m.First // whoever held it is gone
			}
		}
	}
	if err := j.rewrite(); err != nil {
		return nil, err
	}
	return j, nil
}

func (j *journal) write(e entry) error {
	if j.path == "" {
		return nil
	}
	// Before the entry, not after: the caller acts on it later, and the queues
	// hold just what the entries so far say.
	if j.entries >= spare {
		if err := j.rewrite(); err != nil {
			return err
		}
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("keep a change of queue %s: %w", e.Queue, err)
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("keep a change of queue %s: %w", e.Queue, err)
	}
	j.entries++
	return nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

func (j *journal) replay() error {
	file, err := os.Open(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewReader(file)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil // a last line without its end was being written when the process ended
		}
		if err != nil {
			return err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s, line %d: %w", j.path, number, err)
		}
		j.apply(e)
	}
}

func (j *journal) apply(e entry) {
	q, ok := j.queues[e.Queue]
	if !ok {
		return
	}
	switch {
	case e.Send != nil:
		q.messages = append(q.messages, e.Send)
	case e.Delete != "":
		q.remove(e.Delete)
	case e.Receive != "":
		if m := q.find(e.Receive); m != nil {
			m.received(e.At)
		}
	case e.Bury != "":
		if m := q.find(e.Bury); m != nil && j.queues[q.DeadLetter] != nil {
			bury(j.queues, q, m)
		}
	}
}

// rewrite replaces the file by one that holds just the messages there are.
func (j *journal) rewrite() error {
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	for name, q := range j.queues {
		for _, m := range q.messages {
			if err := encoder.Encode(entry{Queue: name, Send: m}); err != nil {
				return fmt.Errorf("keep queue %s: %w", name, err)
			}
		}
	}
	next := j.path + ".next"
	file, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep the queues' messages: %w", err)
	}
	_, err = file.Write(all.Bytes())
	if err = errors.Join(err, os.Rename(next, j.path)); err != nil {
		return errors.Join(fmt.Errorf("keep the queues' messages: %w", err), file.Close())
	}
	old := j.file
	j.file, j.entries = file, 0
	if old != nil {
		return old.Close()
	}
	return nil
}
