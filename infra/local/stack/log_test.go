package stack

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFunctionLogIsAnEventALine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := openLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.line("api", []byte(`{"at":"2026-11-28T00:00:00Z","level":"INFO","msg":"request done"}`))
	if got := l.complaint(); got != "see "+filepath.Join(dir, "functions.log") {
		t.Errorf("nothing was printed in plain text, and it says %q", got)
	}
	l.line("api", []byte(" "))
	l.line("api", []byte(`{"Uploads":1,"_aws":{"Timestamp":1}}`))
	const head, fault = "The settings cannot be used:", `  CORS_ORIGINS: must be "*"`
	l.line("api", []byte(head))
	for range 3 {
		l.line("api", []byte(fault))
	}
	if got := l.complaint(); got != head+"\n"+fault {
		t.Errorf("%q, want %q and %q", got, head, fault)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	events := logged(t, dir, "functions.log")
	if len(events) != 5 || events[0].Msg != "request done" || events[4].Msg != fault ||
		events[4].Function != "api" || events[4].Level != "ERROR" || events[4].At == "" {
		t.Errorf("%+v", events)
	}
	if metrics := logged(t, dir, "metrics.log"); len(metrics) != 1 || metrics[0].Uploads != 1 {
		t.Errorf("%+v", metrics)
	}
}

type event struct {
	At, Level, Msg, Function string
	Uploads                  int
}

func logged(t *testing.T, dir, name string) (all []event) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

func TestLogIsRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	line := []byte(`{"msg":"` + strings.Repeat("x", 1<<20) + `"}`)
	for range 2 { // the second start goes on with the file of the first
		l, err := openLog(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range maxLog/len(line) - 1 {
			l.line("api", line)
		}
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
	}
	old, kept := logged(t, dir, "functions.log.1"), logged(t, dir, "functions.log")
	if len(old) != maxLog/len(line) || len(old)+len(kept) != 2*(maxLog/len(line)-1) {
		t.Errorf("%d lines are in the old log and %d in the new one", len(old), len(kept))
	}
}

func TestScreenShowsWhatGoesWrong(t *testing.T) {
	t.Parallel()
	var shown bytes.Buffer
	slog.New(&screen{w: &shown}).With("function", "local").Error("a batch failed", "queue", "ingest",
		"messages", 2)
	if want := "  a batch failed: queue ingest, messages 2\n"; shown.String() != want {
		t.Errorf("%q, want %q", &shown, want)
	}
}
