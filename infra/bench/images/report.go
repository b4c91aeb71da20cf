package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report writes RESULTS.md.
func report(results []result, rounds int, only string) []byte {
	var out bytes.Buffer
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(&out, `# Pictures against sharp

Written by infra/bench/images; do not edit. The whole job of one upload: fits of 600, 300 and 150 and the full
size at quality 80, upright, without metadata. sharp 0.35.5 in its best form (decoded once at 600, the rest
derived from it; concurrency 1, cache off). Both sides in turn, %d warm rounds of each file, medians; a process
of its own for each file and side. PNG and WebP: the thumbnails, and for PNG below 2 MP the full size.

    go run ./infra/bench/images -rounds %d -only '%s'

%s, %d cores, %s, load average at the end %s
Ratios are ours ÷ sharp's: below 1 we win.

The corpus is made by corpus.sh from three photographs of infra/local/samples (licences in its CREDITS.md;
samples.sha256) with libjpeg-turbo 2.1.5: they are real photographs written again by one encoder, not a
collection of many cameras' files. Quality is PSNR in dB against the decoded original, for thumbnails against
Lanczos on all its pixels; no butteraugli or SSIMULACRA2 was at hand.

`, rounds, rounds, only, runtime.GOARCH, runtime.NumCPU(), time.Now().Format("2006-01-02"),
		bytes.TrimSpace(load))
	summary(&out, results)
	out.WriteString("\n![CPU against megapixels](cpu.png)\n\n")
	out.WriteString(
		"| file | MP | CPU ms ours | sharp | ratio | wall | memory MB ours | sharp | cold CPU " +
			"ratio |" +
			" bytes ratio | full size dB ours | sharp | 600 dB ours | sharp |\n|" + strings.Repeat(
			" --- |",
			14,
		) + "\n",
	)
	for _, r := range results {
		a, b := r.sides[0], r.sides[1]
		fmt.Fprintf(
			&out,
			"| %s | %.1f | %.0f | %.0f | %.2f | %.2f | %.0f | %.0f | %.2f | %s | %s | %s | %s | "+
				"%s |\n",
			r.name,
			r.megapixels(),
			a.median(cpuOf),
			b.median(cpuOf),
			r.ratio(cpuOf),
			r.ratio(wallOf),
			a.median(rssOf)/1e6,
			b.median(rssOf)/1e6,
			a.cold/b.cold,
			r.byteRatio(),
			decibel(a, "optimized"),
			decibel(b, "optimized"),
			decibel(a, "thumbnail_large"),
			decibel(b, "thumbnail_large"),
		)
	}
	return out.Bytes()
}

// byteRatio compares the bytes of what both sides made.
func (r result) byteRatio() string {
	ours, theirs := 0, 0
	for name, n := range r.sides[1].warm[0].Bytes {
		ours, theirs = ours+r.sides[0].warm[0].Bytes[name], theirs+n
	}
	return fmt.Sprintf("%.2f", float64(ours)/float64(theirs))
}

func decibel(o outcome, name string) string {
	if v, ok := o.psnr[name]; ok {
		return fmt.Sprintf("%.1f", v)
	}
	return "–"
}

func summary(out *bytes.Buffer, results []result) {
	out.WriteString(
		"| geomean of | files | CPU | worst CPU | wall | memory | cold process, CPU | bytes | " +
			"worst bytes |\n" +
			"|" + strings.Repeat(
			" --- |",
			9,
		) + "\n",
	)
	progressive := func(r result) bool {
		return strings.Contains(r.name, "progressive") || r.name == "sunset-12mp.jpg" ||
			r.name == "dandelion-16mp.jpg"
	}
	for _, group := range []struct {
		name string
		has  func(result) bool
	}{
		{"JPEG", func(r result) bool { return r.jpeg() }},
		{"JPEG, baseline", func(r result) bool { return r.jpeg() && !progressive(r) }},
		{"JPEG, progressive", func(r result) bool { return r.jpeg() && progressive(r) }},
		{"PNG", func(r result) bool { return strings.HasSuffix(r.name, ".png") }},
		{"WebP", func(r result) bool { return strings.HasSuffix(r.name, ".webp") }},
	} {
		var cpu, wall, rss, cold, size []float64
		for _, r := range results {
			if !group.has(r) {
				continue
			}
			cpu, wall = append(cpu, r.ratio(cpuOf)), append(wall, r.ratio(wallOf))
			rss, cold = append(rss, r.ratio(rssOf)), append(cold, r.sides[0].cold/r.sides[1].cold)
			var ratio float64
			_, _ = fmt.Sscan(r.byteRatio(), &ratio)
			size = append(size, ratio)
		}
		if len(cpu) == 0 {
			continue
		}
		fmt.Fprintf(
			out,
			"| %s | %d | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n",
			group.name,
			len(cpu),
			geomean(
				cpu,
			),
			slices.Max(cpu),
			geomean(wall),
			geomean(rss),
			geomean(cold),
			geomean(size),
			slices.Max(size),
		)
	}
	againstMozjpeg(out, results)
}

// againstMozjpeg says what sharp's smaller files cost.
func againstMozjpeg(out *bytes.Buffer, results []result) {
	var cpu, size []float64
	for _, r := range results {
		if len(r.sides) > mozjpeg {
			cpu = append(cpu, r.sides[0].median(cpuOf)/r.sides[mozjpeg].median(cpuOf))
			size = append(size, r.sides[0].median(bytesOf)/r.sides[mozjpeg].median(bytesOf))
		}
	}
	if len(cpu) > 0 {
		fmt.Fprintf(
			out,
			"| JPEG against mozjpeg: true at full size | %d | %.3f | %.3f | | | | %.2f | %.2f |\n",
			len(cpu),
			geomean(cpu),
			slices.Max(cpu),
			geomean(size),
			slices.Max(size),
		)
	}
}
