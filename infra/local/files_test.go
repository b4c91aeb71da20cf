package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestSplit(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
	names := []string{
		"a.jpg", "b.pdf", "my photo (1).jpg", "it's.png", `a "quoted" one.txt`, "my", "'whole'.txt",
		filepath.Join(os.Getenv("HOME"), "far away.jpg"),
	}
	for _, name := range names {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string][]string{
		"":                             nil,
		" a.jpg  b.pdf ":               {"a.jpg", "b.pdf"},
		"my photo (1).jpg":             {"my photo (1).jpg"},
		"a.jpg my photo (1).jpg b.pdf": {"a.jpg", "my photo (1).jpg", "b.pdf"},
		"my a.jpg":                     {"my", "a.jpg"},
		`"my photo (1).jpg" 'a.jpg'`:   {"my photo (1).jpg", "a.jpg"},
		`it's.png a "quoted" one.txt`:  {"it's.png", `a "quoted" one.txt`},
		"'whole'.txt b.pdf":            {"'whole'.txt", "b.pdf"},
		`"it's.png"`:                   {"it's.png"},
		"?.*":                          {"a.jpg", "b.pdf"},
		"none here.jpg":                {"none", "here.jpg"},
		"~/far away.jpg":               {names[len(names)-1]},
	} {
		if got := split(text); !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

func TestThere(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a b.jpg", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := there([]string{"a b.jpg"}); err != nil {
		t.Error(err)
	}
	err := there([]string{"none.jpg", "a b.jpg", "."})
	if err == nil || err.Error() != "there is no file none.jpg\n. is not a file: name the files in it" {
		t.Errorf("%v", err)
	}
}
