package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// split finds the files that a text names one after the other. Names may hold spaces, quotes and
// parentheses: the longest name of a file that is there goes first. Otherwise a name ends at its
// closing quote or at the next space, and may be a pattern.
func split(text string) (files []string) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		name, rest := existing(text)
		if name == "" {
			name, rest = word(text)
			if matches, err := filepath.Glob(home(name)); err == nil && len(matches) > 0 {
				files, text = append(files, matches...), rest
				continue
			}
		}
		files, text = append(files, home(name)), rest
	}
	return files
}

// existing is the longest beginning of a text, up to a space or to its end, that is a file.
func existing(text string) (name, rest string) {
	for end := len(text); end > 0; end = strings.LastIndexByte(text[:end], ' ') {
		if info, err := os.Stat(home(text[:end])); err == nil && info.Mode().IsRegular() {
			return text[:end], text[end:]
		}
	}
	return "", text
}

// there tells which files cannot be sent, before a stack is started for them.
func there(files []string) error {
	var all []error
	for _, name := range files {
		if info, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			all = append(all, fmt.Errorf("there is no file %s", name))
		} else if err != nil {
			all = append(all, err)
		} else if !info.Mode().IsRegular() {
			all = append(all, fmt.Errorf("%s is not a file: name the files in it", name))
		}
	}
	return errors.Join(all...)
}

func word(text string) (name, rest string) {
	if quote := text[:1]; quote == `"` || quote == `'` {
		if name, rest, closed := strings.Cut(text[1:], quote); closed &&
			(rest == "" || rest[0] == ' ') {
			return name, rest
		}
	}
	name, rest, _ = strings.Cut(text, " ")
	return name, rest
}

// home stands for ~ as in a shell.
func home(name string) string {
	if below, ok := strings.CutPrefix(name, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, below)
		}
	}
	return name
}
