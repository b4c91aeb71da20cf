package sniff

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// Files as programs write them, with the types that clients send with them. file-api has the same
// list: what is admitted there is not refused here for its type.
func TestWhatClientsSend(t *testing.T) {
	t.Parallel()
	const dir = "../../../../shared/mediatype/testdata"
	list, err := os.ReadFile(filepath.Join(dir, "sent.json"))
	if err != nil {
		t.Fatal(err)
	}
	var files []struct {
		File, Type string
		Sent       []string
	}
	if err := json.Unmarshal(list, &files); err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	allowed := mediatype.Patterns{"image/*", "application/pdf", "text/*"}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, "sent", f.File))
		if err != nil {
			t.Fatal(err)
		}
		for _, sent := range f.Sent {
			kind, reason := Identify(content, sent, f.File, allowed)
			if reason != "" || string(kind) != f.Type {
				t.Errorf("%s as %q: %q, %q; want %q", f.File, sent, kind, reason, f.Type)
			}
		}
	}
}
