package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
)

func (s *Server) send(name, body string, attributes map[string]attribute,
	delay time.Duration) (*message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(name)
	if err != nil {
		return nil, err
	}
	now := s.now()
	m := &message{ID: uuid.NewString(), Body: body, Attributes: attributes, Sent: now,
		Visible: now.Add(delay)}
	if err := s.journal.write(entry{Queue: name, Send: m}); err != nil {
		return nil, err
	}
	q.messages = append(q.messages, m)
	s.wake()
	return m, nil
}

// receive hands out up to limit messages, waiting up to wait for the first one.
// What it returns is a copy that later receives do not change.
func (s *Server) receive(ctx context.Context, name string, limit int, visibility *time.Duration,
	wait time.Duration) ([]message, error) {
	deadline := time.Now().Add(wait)
	for {
		got, changed, next, err := s.take(name, limit, visibility)
		left := time.Until(deadline)
		if err != nil || len(got) > 0 || left <= 0 {
			return got, err
		}
		if next > 0 {
			left = min(left, next)
		}
		timer := time.NewTimer(left)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			deadline = time.Time{}
		case <-s.stopped:
			deadline = time.Time{}
		}
		timer.Stop()
		if deadline.IsZero() {
			return nil, nil // like SQS at the end of a wait: nothing came
		}
	}
}

// take is receive without waiting. When there is nothing, it says what to wait
// for: the next change, or the time until a message becomes visible by itself.
func (s *Server) take(name string, limit int,
	visibility *time.Duration) (got []message, changed <-chan struct{}, next time.Duration,
	err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(name)
	if err != nil {
		return nil, nil, 0, err
	}
	now := s.now()
	due, dead := q.due(now, limit)
	for _, m := range dead {
		if err := s.journal.write(entry{Queue: name, Bury: m.ID}); err != nil {
			return nil, nil, 0, err
		}
		bury(s.queues, q, m)
	}
	if len(dead) > 0 {
		s.wake()
	}
	hidden := q.Visibility
	if visibility != nil {
		hidden = *visibility
	}
	for _, m := range due {
		if err := s.journal.write(entry{Queue: name, Receive: m.ID, At: now}); err != nil {
			return nil, nil, 0, err
		}
		m.received(now)
		m.Visible = now.Add(hidden)
		got = append(got, *m)
	}
	if until := q.next(now); !until.IsZero() {
		next = until.Sub(now)
	}
	return got, s.changed, next, nil
}

func (m *message) received(at time.Time) {
	if m.Receives++; m.Receives == 1 {
		m.First = at
	}
}

// bury moves a message to the dead-letter queue; it keeps its id and its counts.
func bury(queues map[string]*queue, q *queue, m *message) {
	q.remove(m.ID)
	dead := queues[q.DeadLetter]
	dead.messages = append(dead.messages, m)
}

// remove deletes the message of a receipt handle. A handle of an earlier
// receive, and one of a message that is gone, succeed and delete nothing.
func (s *Server) remove(name, handle string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(name)
	if err != nil {
		return err
	}
	id, receive, err := parseReceiptHandle(handle)
	if err != nil {
		return err
	}
	m := q.find(id)
	if m == nil || m.Receives != receive {
		return nil
	}
	if err := s.journal.write(entry{Queue: name, Delete: id}); err != nil {
		return err
	}
	q.remove(id)
	return nil
}

func (s *Server) changeVisibility(name, handle string, hidden time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(name)
	if err != nil {
		return err
	}
	id, receive, err := parseReceiptHandle(handle)
	if err != nil {
		return err
	}
	now := s.now()
	m := q.find(id)
	if m == nil {
		return invalid("Message does not exist or is not available for visibility timeout change.")
	}
	if m.Receives != receive || !m.Visible.After(now) {
		return apiError{code: "MessageNotInflight",
			message: "The message referred to isn't in flight."}
	}
	m.Visible = now.Add(hidden)
	s.wake()
	return nil
}

func (s *Server) queue(name string) (*queue, error) {
	q, ok := s.queues[name]
	if !ok {
		return nil, apiError{code: "QueueDoesNotExist",
			query:   "AWS.SimpleQueueService.NonExistentQueue",
			message: "The specified queue does not exist."}
	}
	return q, nil
}

// wake lets every waiting receive look again. The lock is held.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
