package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/disintegration/imaging"
)

const (
	sharpVersion = "0.35.5"
	peerRounds   = 6
)

//go:embed sharp.js
var sharpProgram []byte

// peer is sharp in a process that stays, like a warm sandbox.
type peer struct {
	command *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Scanner
}

// answer is what one job cost, in milliseconds and bytes.
type answer struct {
	CPU, RSS float64
	Versions string
}

func startSharp(ctx context.Context, dir string) (*peer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--prefix",
		dir, "sharp@"+sharpVersion)
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("install sharp: %w\n%s", err, out)
	}
	program := filepath.Join(dir, "sharp.js")
	if err := os.WriteFile(program, sharpProgram, 0o600); err != nil {
		return nil, err
	}
	p := &peer{command: exec.CommandContext(ctx, "node", program)}
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

func (p *peer) close() error { return errors.Join(p.ask.Close(), p.command.Wait()) }

func (p *peer) do(job, path string) (a answer, err error) {
	if _, err := fmt.Fprintln(p.ask, job, path); err != nil {
		return a, err
	}
	if !p.answers.Scan() {
		return a, fmt.Errorf("sharp ended: %w", errors.Join(p.answers.Err(), io.ErrUnexpectedEOF))
	}
	return a, json.Unmarshal(p.answers.Bytes(), &a)
}

// againstSharp compares what a photo costs here with sharp making the same four pictures, and the
// library that ours are made with to sharp for one thumbnail. Samples are a baseline JPEG, a
// progressive one, and the text.
func (w *fixture) againstSharp(ctx context.Context, s *section, sender *client,
	samples []sample) (err error) {
	dir := filepath.Join(w.dir, "sharp")
	sharp, err := startSharp(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sharp.close()) }()
	var last answer
	ours := func(of sample) func() (float64, error) {
		return func() (float64, error) {
			report, err := w.processOne(ctx, sender, of)
			return cpuOf(report), err
		}
	}
	w.Runtime.Kill(fileProcessing) // like sharp's, a process that has made no other pictures
	sides := []func() (float64, error){ours(samples[2])}
	for i, picture := range samples[:2] {
		path := filepath.Join(dir, fmt.Sprint("source-", i))
		if err := os.WriteFile(path, picture.content, 0o600); err != nil {
			return err
		}
		theirs := func(job string) func() (float64, error) {
			return func() (_ float64, err error) {
				last, err = sharp.do(job, path)
				return last.CPU, err
			}
		}
		sides = append(sides, ours(picture), theirs("all"),
			func() (float64, error) { return thumbnail(picture) }, theirs("thumbnail"))
	}
	if _, err := alternate(1, sides...); err != nil {
		return err
	}
	figures, err := alternate(peerRounds, sides...)
	if err != nil {
		return err
	}
	t := table{head: []string{"CPU ms, warm", "Satchel", "sharp", "Satchel ÷ sharp"}}
	for i, kind := range []string{"baseline", "progressive"} {
		f := figures[1+4*i:]
		pictures := minus(f[0], figures[0])
		t.add(kind+": all four pictures (photo − text)", ms(median(pictures)), ms(median(f[1])),
			ratioOf(pictures, f[1]).String())
		t.add(kind+": thumbnail of 300 px, imaging alone", ms(median(f[2])), ms(median(f[3])),
			ratioOf(f[2], f[3]).String())
	}
	s.tables = append(s.tables, t)
	s.notes = append(s.notes,
		fmt.Sprintf(`Peer: %s, concurrency 1, cache off, quality 80, one pipeline for each picture; peak of its process %s MB.
  Above 1 we lose. Imaging alone is that library as its examples use it; package picture shrinks before it resizes.`, last.Versions, mb(last.RSS)))
	return nil
}

// thumbnail makes one with the library as it comes, in this process, and returns the CPU
// milliseconds.
func thumbnail(picture sample) (float64, error) {
	before := ownTime()
	pixels, err := imaging.Decode(bytes.NewReader(picture.content), imaging.AutoOrientation(true))
	if err != nil {
		return 0, err
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, imaging.Fit(pixels, 300, 300, imaging.Lanczos),
		&jpeg.Options{Quality: 80}); err != nil {
		return 0, err
	}
	return milliseconds(ownTime() - before), nil
}
