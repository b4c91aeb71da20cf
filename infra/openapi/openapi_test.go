package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const files = `{"openapi":"3.1.0","info":{"title":"Files","version":"1"},
	"paths":{"/v1/files":{"get":{"operationId":"list-files"}},"/v1/shared":{"get":{"operationId":"a"}}},
	"components":{"schemas":{"Problem":{"type":"object"},"File":{"maximum":12345678901234567890}},"securitySchemes":{"bearer":{"type":"http"}}}}`

const notices = `{"openapi":"3.1.0","info":{"title":"Notices","version":"1"},
	"paths":{"/v1/notices":{"get":{"summary":"<all>"}},"/v1/shared":{"post":{"operationId":"b"}}},
	"components":{"schemas":{"Problem":{"type":"object"},"Notice":{}}}}`

func TestDocumentsBecomeOne(t *testing.T) {
	t.Parallel()
	got, err := merge([][]byte{[]byte(files), []byte(notices)})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("testdata", "merged.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("merged into\n%s", got)
	}
	for range 20 {
		if again, err := merge([][]byte{[]byte(files), []byte(notices)}); err != nil ||
			!slices.Equal(again, got) {
			t.Fatalf("another run gave other bytes: %v", err)
		}
	}
}

func TestTwoMeaningsOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ second, want string }{
		"operation":    {`{"openapi":"3.1.0","paths":{"/v1/files":{"get":{"operationId":"list-files"}}}}`, "path /v1/files get"},
		"schema":       {`{"openapi":"3.1.0","components":{"schemas":{"Problem":{"type":"string"}}}}`, "component schemas Problem"},
		"version":      {`{"openapi":"3.0.3"}`, "3.0.3"},
		"unknown part": {`{"openapi":"3.1.0","webhooks":{}}`, "webhooks"},
		"no json":      {`usage: file-api`, "document 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := merge([][]byte{[]byte(files), []byte(tc.second)}); err == nil ||
				!strings.Contains(err.Error(), tc.want) {
				t.Errorf("merge says %v, want something about %q", err, tc.want)
			}
		})
	}
}

func TestCheckFailsOnAStaleDocument(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "openapi.json")
	function := []string{"./testdata/describes"}
	if err := run(function, out, true); err == nil {
		t.Error("a missing document passed the check")
	}
	if err := run(function, out, false); err != nil {
		t.Fatal(err)
	}
	if err := run(function, out, true); err != nil {
		t.Errorf("a fresh document fails the check: %v", err)
	}
	if err := os.WriteFile(out, []byte("{}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(function, out, true); err == nil || !strings.Contains(err.Error(), "stale") {
		t.Errorf("a stale document gave %v", err)
	}
	if left, _ := os.ReadFile(out); string(left) != "{}\n" {
		t.Errorf("-check wrote %s", left)
	}
}

func TestWhatTheCompilerSaysIsTold(t *testing.T) {
	t.Parallel()
	if _, err := ask("./testdata/broken"); err == nil ||
		!strings.Contains(err.Error(), "undefined: describe") {
		t.Errorf("a function that does not compile gave %v", err)
	}
}
