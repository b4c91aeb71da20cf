package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
)

const (
	freshPhotos = 4
	warmPhotos  = 8
)

func photo(ctx context.Context, w *fixture) (section, error) {
	sender, err := w.signIn(ctx, uploadsSlug, "photographer@example.org")
	if err != nil {
		return section{}, err
	}
	progressive, err := w.photograph("sunset-12mp.jpg", "image/jpeg")
	if err != nil {
		return section{}, err
	}
	baseline, err := asPhones(progressive)
	if err != nil {
		return section{}, err
	}
	samples := []sample{baseline, progressive, text(len(progressive.content))}
	names := []string{"photo, baseline", "photo, progressive", "text"}
	s := section{
		title: "CPU and memory of a 12 MP photo",
		method: fmt.Sprintf(`sunset-12mp.jpg (12.2 MP) as it is (progressive, %.1f MB) and in one scan as phones write it (baseline; written again at quality 92,
%.1f MB) through the whole path: form, storage event, queue, function, all four pictures. The other side is a text of %.1f MB, in turn
with them: the same reads, hash, type check and transaction, and no pictures; the difference is what pictures cost. Fresh: a sandbox that
has done nothing before. CPU is user and system time of the function's process. No virus scanner.`, megabytes(samples[1]), megabytes(samples[0]), megabytes(samples[2])),
	}
	t := table{head: []string{"file", "sandbox", "CPU ms", "wall ms", "peak MB", "n"}}
	fresh, err := w.process(ctx, sender, freshPhotos, true, samples...)
	if err != nil {
		return s, err
	}
	warm, err := w.process(ctx, sender, warmPhotos, false, samples...)
	if err != nil {
		return s, err
	}
	for i, name := range names {
		t.rows = append(t.rows, usage(name, "fresh", fresh[i]), usage(name, "warm", warm[i]))
	}
	s.tables = append(s.tables, t)
	plain := len(samples) - 1
	for i, name := range names[:plain] {
		pictures := minus(figures(warm[i], cpuOf), figures(warm[plain], cpuOf))
		s.notes = append(s.notes,
			fmt.Sprintf("%s, pictures alone: %s ms of CPU warm, %s MB of the fresh sandbox's "+
				"peak. Whole ÷ text, wall, warm: %s.", name,
				spread(pictures, ms), mb(median(figures(fresh[i], memoryOf))-median(
					figures(fresh[plain], memoryOf))),
				ratioOf(figures(warm[i], wallOf), figures(warm[plain], wallOf))))
	}
	s.notes = append(s.notes,
		"A warm sandbox has processed all three kinds, so its peak is that of the largest.")
	if !w.options.peers {
		s.notes = append(s.notes, "Against sharp: `go run ./infra/bench -peers`.")
		return s, nil
	}
	return s, w.againstSharp(ctx, &s, sender, samples)
}

func megabytes(s sample) float64 { return float64(len(s.content)) / 1e6 }

// minus is the difference of each pair.
func minus(whole, part []float64) []float64 {
	all := make([]float64, len(whole))
	for i := range all {
		all[i] = whole[i] - part[i]
	}
	return all
}

// process sends each sample in turn and returns the function's reports by sample. With fresh, each
// meets a new sandbox; else one that has processed every sample before.
func (w *fixture) process(ctx context.Context, sender *client, rounds int, fresh bool,
	samples ...sample) ([][]runtime.Report, error) {
	all := make([][]runtime.Report, len(samples))
	if !fresh {
		rounds++
	}
	for round := range rounds {
		for i, s := range samples {
			if fresh {
				w.Runtime.Kill(fileProcessing)
			}
			report, err := w.processOne(ctx, sender, s)
			if err != nil {
				return nil, err
			}
			if fresh || round > 0 {
				all[i] = append(all[i], report)
			}
		}
	}
	return all, nil
}

func (w *fixture) processOne(ctx context.Context, sender *client,
	s sample) (runtime.Report, error) {
	if _, err := w.take(fileProcessing); err != nil {
		return runtime.Report{}, err
	}
	file, err := sender.upload(ctx, s)
	if err != nil {
		return runtime.Report{}, err
	}
	if err := w.await(ctx, file, lookEvery); err != nil {
		return runtime.Report{}, err
	}
	reports, err := w.takeAll(ctx, fileProcessing, 1)
	if err != nil {
		return runtime.Report{}, err
	}
	return reports[0], nil
}

func usage(name, sandbox string, reports []runtime.Report) []string {
	return []string{
		name, sandbox, spread(figures(reports, cpuOf), ms), spread(figures(reports, wallOf), ms),
		spread(figures(reports, memoryOf), mb), fmt.Sprint(len(reports)),
	}
}

// spread is the median with the lowest and the highest.
func spread(values []float64, print func(float64) string) string {
	return fmt.Sprintf("%s (%s–%s)", print(median(values)), print(slices.Min(values)),
		print(slices.Max(values)))
}
