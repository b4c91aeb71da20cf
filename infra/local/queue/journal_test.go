package queue

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func restart(t *testing.T, s *Server, dir string) (*Server, *clock) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	return start(t, dir)
}

func TestRestartKeepsMessagesAndCounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, now := start(t, dir)
	defer func() { s.Stop() }()
	c, url := client(t, s), s.URL("work")
	send(t, s, "done", "held", "dead", "new")
	got := receive(t, c, url, 3)
	if err := s.remove("work", *got[0].ReceiptHandle); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.changeVisibility("work", *got[2].ReceiptHandle, 0); err != nil {
			t.Fatal(err)
		}
		again := receive(t, c, url, 1)
		if len(again) == 0 || *again[0].Body != "dead" {
			break
		}
		got[2] = again[0]
	}
	if _, err := s.send("work", "delayed", nil, time.Hour); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	err := s.journal.rewrite() // with messages in flight
	s.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if stats := s.Stats("work"); stats.DeadLetters != 1 {
		t.Fatalf("before the restart: %+v", stats)
	}
	for range 2 {
		s, now = restart(t, s, dir)
		c, url = client(t, s), s.URL("work")
	}
	left := receive(t, c, url, 10)
	if got := bodies(left); !slices.Equal(got, []string{"held", "new"}) {
		t.Errorf("after two restarts: %v", got)
	}
	if count := left[0].Attributes["ApproximateReceiveCount"]; count != "2" {
		t.Errorf("held was received %s times", count)
	}
	if got := bodies(receive(t, c, s.URL(dead), 10)); !slices.Equal(got, []string{"dead"}) {
		t.Errorf("dead letters: %v", got)
	}
	now.advance(time.Hour)
	if got := bodies(receive(t, c, url, 10)); !slices.Contains(got, "delayed") {
		t.Errorf("an hour later: %v", got)
	}
}

func TestHalfALineIsIgnoredAndRepaired(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, dir)
	send(t, s, "whole")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "messages.jsonl")
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.WriteString(`{"queue":"work","send":{"id":"x","bo`)
	file.Close()
	s, _ = start(t, dir)
	send(t, s, "next")
	s, _ = restart(t, s, dir)
	if got := bodies(receive(t, client(t, s), s.URL("work"), 10)); !slices.Equal(got,
		[]string{"whole", "next"}) {
		t.Errorf("received %v", got)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("no journal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(Options{Dir: dir}); err == nil {
		t.Error("a broken journal was taken for an empty one")
	}
}

func TestJournalDoesNotGrowForEver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _ := start(t, dir)
	defer func() { s.Stop() }()
	send(t, s, "kept")
	for i := range 2 * spare / 3 {
		send(t, s, fmt.Sprint(i))
		s.mu.Lock()
		last := s.queues["work"].messages[len(s.queues["work"].messages)-1]
		s.mu.Unlock()
		if err := s.remove("work", receiptHandle(last)); err != nil {
			t.Fatal(err)
		}
	}
	journal, err := os.ReadFile(filepath.Join(dir, "messages.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(journal, []byte("\n")); lines > spare+10 {
		t.Errorf("the journal has %d lines for one message", lines)
	}
	s, _ = restart(t, s, dir)
	if got := bodies(receive(t, client(t, s), s.URL("work"), 10)); !slices.Equal(got,
		[]string{"kept"}) {
		t.Errorf("received %v", got)
	}
}

// TestKilledServerKeepsWhatItAccepted runs a server in a process of its own that
// accepts messages until it is killed in the middle of it, and compares what it
// said it had accepted with what the next one finds.
func TestKilledServerKeepsWhatItAccepted(t *testing.T) {
	if dir := os.Getenv("QUEUE_TEST_DIR"); dir != "" {
		s, _ := start(t, dir)
		for i := 0; ; i++ {
			body := fmt.Sprintf("%d %s", i, strings.Repeat("x", 20_000))
			if err := s.Send("plain", body); err != nil {
				t.Fatal(err)
			}
			fmt.Println("accepted", i)
		}
	}
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledServerKeepsWhatItAccepted$")
	child.Env = append(os.Environ(), "QUEUE_TEST_DIR="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	accepted := -1
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "accepted %d", &accepted); err == nil &&
			accepted == 500 {
			child.Process.Kill()
		}
	}
	child.Wait()
	if accepted < 500 {
		t.Fatalf("the child ended by itself after %d", accepted)
	}
	s, _ := start(t, dir)
	defer s.Stop()
	found := s.queues["plain"].messages
	if len(found) < accepted+1 {
		t.Fatalf("%d messages were accepted, %d were kept", accepted+1, len(found))
	}
	for i, m := range found {
		if !strings.HasPrefix(m.Body, fmt.Sprint(i, " ")) || len(m.Body) < 20_000 {
			t.Fatalf("message %d reads %.20q", i, m.Body)
		}
	}
}
