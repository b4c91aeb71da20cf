package library

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// What clients send with files of each kind is admitted under the type that the bytes are found to
// have: file-processing has the same list.
func TestWhatClientsSend(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("../../../../shared/mediatype/testdata/sent.json")
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
	limits := Limits{MaxFileSize: 1 << 20,
		Allowed: mediatype.Patterns{"image/*", "application/pdf", "text/*"}}
	for _, f := range files {
		for _, sent := range f.Sent {
			_, kind, err := limits.check(NewFile{Filename: f.File, ContentType: sent, Size: 1})
			if err != nil || string(kind) != f.Type {
				t.Errorf("%s as %q: %q, %v; want %q", f.File, sent, kind, err, f.Type)
			}
		}
	}
}

// A name is judged as the system reads it that the file is saved on.
func TestNamesOfPrograms(t *testing.T) {
	t.Parallel()
	limits := Limits{MaxFileSize: 1 << 20, Allowed: mediatype.Patterns{"image/*", "text/*"}}
	for _, name := range []string{"a.exe", "a.exe.", "a.exe. .", "a.e\u200bxe", "a.exe\u200d",
		"a.\u2060hta", "report.txt.bat", "a.CMD", "a.ps1", "holiday.jpg.lnk", "a.vbs\u3164"} {
		for _, sent := range []string{"text/plain", "image/png", "", "application/octet-stream"} {
			_, kind, err := limits.check(NewFile{Filename: name, ContentType: sent, Size: 1})
			if code := fault.CodeOf(err); code != "extension-mismatch" && code != "type-not-allowed" {
				t.Errorf("%q as %q: %q, %v", name, sent, kind, err)
			}
		}
	}
	for name, want := range map[string]string{
		"a.png. ": "a.png", "a\u200b.png": "a.png", " \u2066a.png\u2069": "a.png",
		"می\u200cخواهم.txt": "می\u200cخواهم.txt", "👩\u200d🏫.png": "👩\u200d🏫.png",
	} {
		if got, err := cleanFilename(name); err != nil || got != want {
			t.Errorf("cleanFilename(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
}
