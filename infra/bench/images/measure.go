package main

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// outcome is what a file took on one side.
type outcome struct {
	warm []answer
	cold float64               // CPU milliseconds of a process that does the job once and ends
	made map[string]difference // by name of what was made
}

type result struct {
	file
	sides []outcome // as prepare lists them
}

func (o outcome) median(of func(answer) float64) float64 {
	values := make([]float64, len(o.warm))
	for i := range o.warm {
		values[i] = of(o.warm[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func cpuOf(a answer) float64   { return a.CPU }
func wallOf(a answer) float64  { return a.Wall }
func rssOf(a answer) float64   { return a.RSS }
func bytesOf(a answer) float64 { return a.total() }

// ratio is ours ÷ sharp's.
func (r result) ratio(of func(answer) float64) float64 {
	return r.sides[0].median(of) / r.sides[1].median(of)
}

// The places of sides that prepare lists.
const (
	mozjpeg = 2
	decoder = 3 // of all pictures, to compare them
)

// measure runs the sides in turn, each in a process of its own for this file.
func measure(ctx context.Context, f file, sides []side, rounds int, dir string) (result, error) {
	judge := judge{sides[decoder], dir}
	sides = sides[:decoder]
	if !f.jpeg() {
		sides = sides[:mozjpeg] // mozjpeg has no part in it
	}
	r := result{file: f, sides: make([]outcome, len(sides))}
	processes := make([]*process, len(sides))
	into := make([]string, len(sides))
	for i, s := range sides {
		into[i] = filepath.Join(dir, s.name)
		if err := errors.Join(os.RemoveAll(into[i]), os.MkdirAll(into[i], 0o700)); err != nil {
			return r, err
		}
		once, err := s.start(ctx)
		if err != nil {
			return r, err
		}
		first, err := once.do(f.path, into[i])
		if err != nil {
			return r, err
		}
		if r.sides[i].cold, err = once.close(); err != nil {
			return r, err
		}
		if i == mozjpeg {
			r.sides[i].warm = []answer{first} // takes seconds: once is enough
			continue
		}
		if processes[i], err = s.start(ctx); err != nil {
			return r, err
		}
	}
	for round := range rounds + 1 {
		for i := range sides[:mozjpeg] {
			a, err := processes[i].do(f.path, into[i])
			if err != nil {
				return r, err
			}
			if round > 0 {
				r.sides[i].warm = append(r.sides[i].warm, a)
			}
		}
	}
	for i := range sides[:mozjpeg] {
		if _, err := processes[i].close(); err != nil {
			return r, err
		}
	}
	made, err := judge.quality(ctx, f, into[:mozjpeg])
	for i := range made {
		r.sides[i].made = made[i]
	}
	return r, err
}

func geomean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}
