package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

// clean deletes what stacks left. One that runs is left alone, and said.
func clean(o options) error {
	var failed []error
	for _, path := range append(o.left, o.pictures) {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			continue
		}
		remove := stack.Remove
		if path == o.pictures {
			remove = os.RemoveAll
		}
		if err := remove(path); err != nil {
			failed = append(failed, err)
			continue
		}
		fmt.Fprintln(o.screen, "  removed", path)
	}
	return errors.Join(failed...)
}

// logEvery is how often a log is looked at for new lines.
const logEvery = 200 * time.Millisecond

// lately is how much of a log is shown before what is new, where no word narrows it.
const lately = 16 << 10

// follow prints the lines of a log that hold each of the words, those that are there already first,
// until ctx ends. A log that a fresh start replaced is read from its beginning.
func follow(ctx context.Context, path string, words []string, screen io.Writer) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no log at %s yet: make run writes it, and -data says where "+
			"else to look", path)
	}
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines, begun := bufio.NewReader(file), []byte(nil)
	if _, err := file.Seek(-lately, io.SeekEnd); err == nil && len(words) == 0 {
		_, _ = lines.ReadBytes('\n') // the line that it fell into
	} else if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	for {
		part, err := lines.ReadBytes('\n')
		begun = append(begun, part...)
		if err == nil {
			if holds(begun, words) {
				if _, err := screen.Write(begun); err != nil {
					return nil // nobody reads any more
				}
			}
			begun = begun[:0]
			continue
		}
		if !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the log: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(logEvery):
		}
		if next := replaced(path, file); next != nil {
			_ = file.Close()
			file, begun = next, nil
			lines.Reset(file)
		}
	}
}

func holds(line []byte, words []string) bool {
	for _, word := range words {
		if !bytes.Contains(line, []byte(strings.TrimSpace(word))) {
			return false
		}
	}
	return true
}

// replaced is the file that is at the path now, when that is another one than what was opened.
func replaced(path string, opened *os.File) *os.File {
	before, err := opened.Stat()
	if err != nil {
		return nil
	}
	if now, err := os.Stat(path); err != nil || os.SameFile(before, now) {
		return nil
	}
	next, err := os.Open(path)
	if err != nil {
		return nil
	}
	return next
}
