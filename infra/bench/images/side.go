package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// A side is a program that makes pictures of the files that it is told of.
type side struct {
	name    string
	command []string
}

// answer is what one job cost: milliseconds and bytes.
type answer struct {
	CPU, Wall, RSS float64
	Bytes          map[string]int
}

func (a answer) total() float64 {
	sum := 0
	for _, n := range a.Bytes {
		sum += n
	}
	return float64(sum)
}

// prepare builds ours and installs sharp. Ours is first, then sharp as it comes, with
// mozjpeg, and as a decoder.
func prepare(ctx context.Context, dir string) ([]side, error) {
	ours := filepath.Join(dir, "pictures")
	build := exec.CommandContext(ctx, "go", "build", "-o", ours,
		"./functions/file-processing/cmd/pictures")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is deployed
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build ours: %w\n%s", err, out)
	}
	for _, name := range []string{"package.json", "package-lock.json", "sharp.js"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, err
		}
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("install sharp: %w\n%s", err, out)
	}
	program := filepath.Join(dir, "sharp.js")
	return []side{
		{"ours", []string{ours}}, {"sharp", []string{"node", program}},
		{"mozjpeg", []string{"node", program, "mozjpeg"}},
		{"decoder", []string{"node", program, "decode"}},
	}, nil
}

// A process is a side that runs.
type process struct {
	command *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Scanner
}

func (s side) start(ctx context.Context) (*process, error) {
	p := &process{command: exec.CommandContext(ctx, s.command[0], s.command[1:]...)}
	p.command.Stderr = os.Stderr
	var err error
	if p.ask, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = bufio.NewScanner(out)
	return p, p.command.Start()
}

func (p *process) do(path, into string) (a answer, err error) {
	if _, err := fmt.Fprintf(p.ask, "%s\t%s\n", path, into); err != nil {
		return a, err
	}
	if !p.answers.Scan() {
		return a, errors.Join(errors.New("no answer"), p.answers.Err())
	}
	return a, json.Unmarshal(p.answers.Bytes(), &a)
}

// close ends the process and gives the CPU milliseconds of its whole life.
func (p *process) close() (cpu float64, err error) {
	if err := errors.Join(p.ask.Close(), p.command.Wait()); err != nil {
		return 0, err
	}
	state := p.command.ProcessState
	return float64((state.UserTime() + state.SystemTime()).Microseconds()) / 1000, nil
}
