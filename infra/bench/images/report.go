package main

import (
	"bytes"
	"fmt"
	"math"
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
of its own for each file and side. PNG, WebP and GIF: the thumbnails, and for PNG below 2 MP the full size.

    go run ./infra/bench/images -rounds %d -only '%s'

%s, %d cores, %s, load average at the end %s
Ratios are ours ÷ sharp's: below 1 we win.

The corpus is what corpus.tsv lists, with checksums: pictures of many cameras and editors as Debian packages and
Go modules carry them (licences there: CC0, CC BY, CC BY-SA, GPL, MIT and BSD). Names that end in a kind
(-orientation-6, -progressive, -restart, -grey) are the same coefficients written by jpegtran; iphone-xs-48mp and
galaxy-s8-444 are written anew by cjpeg, since no such file was at hand.
Quality: all pictures are decoded by sharp to upright sRGB and compared with the decoded original, thumbnails with
Lanczos on all its pixels: the 3-norm of butteraugli (lower is better; of the %d × %d pixels in the middle;
libjxl's tool, – where it is missing) and PSNR in dB.

`, rounds, rounds, only, runtime.GOARCH, runtime.NumCPU(), time.Now().Format("2006-01-02"),
		bytes.TrimSpace(load), butteraugliSide, butteraugliSide)
	summary(&out, results)
	out.WriteString("\n![CPU against megapixels](cpu.png)\n\n")
	header(&out, "file", "kind", "MP", "CPU ms ours", "sharp", "ratio", "wall", "MB ours", "sharp",
		"cold CPU", "bytes", "full size: butteraugli ours", "sharp", "dB ours", "sharp",
		"600: butteraugli ours", "sharp", "dB ours", "sharp")
	for _, r := range results {
		a, b := r.sides[0], r.sides[1]
		row(&out, r.name, r.kind, fmt.Sprintf("%.1f", r.megapixels()),
			fmt.Sprintf("%.0f", a.median(cpuOf)), fmt.Sprintf("%.0f", b.median(cpuOf)),
			r.ratio(cpuOf), r.ratio(wallOf),
			fmt.Sprintf("%.0f", a.median(rssOf)/1e6), fmt.Sprintf("%.0f", b.median(rssOf)/1e6),
			a.cold/b.cold, r.byteRatio(),
			a.made["optimized"].butteraugli, b.made["optimized"].butteraugli,
			decibel(a, "optimized"), decibel(b, "optimized"),
			a.made["thumbnail_large"].butteraugli, b.made["thumbnail_large"].butteraugli,
			decibel(a, "thumbnail_large"), decibel(b, "thumbnail_large"))
	}
	return out.Bytes()
}

func header(out *bytes.Buffer, cells ...any) {
	row(out, cells...)
	out.WriteString("|" + strings.Repeat(" --- |", len(cells)) + "\n")
}

// row writes numbers with two places, and a dash for what is not there.
func row(out *bytes.Buffer, cells ...any) {
	for _, cell := range cells {
		if number, ok := cell.(float64); ok {
			cell = fmt.Sprintf("%.2f", number)
			if math.IsNaN(number) || number == 0 {
				cell = "–"
			}
		}
		fmt.Fprintf(out, "| %v ", cell)
	}
	out.WriteString("|\n")
}

// byteRatio compares the bytes of what both sides made.
func (r result) byteRatio() float64 {
	ours, theirs := 0, 0
	for name, n := range r.sides[1].warm[0].Bytes {
		ours, theirs = ours+r.sides[0].warm[0].Bytes[name], theirs+n
	}
	return float64(ours) / float64(theirs)
}

func decibel(o outcome, name string) string {
	if d, ok := o.made[name]; ok {
		return fmt.Sprintf("%.1f", d.psnr)
	}
	return "–"
}

// A figure is one of the columns of the summary.
type figure func(result) float64

func butteraugli(name string) figure {
	return func(r result) float64 {
		return r.sides[0].made[name].butteraugli / r.sides[1].made[name].butteraugli
	}
}

func summary(out *bytes.Buffer, results []result) {
	header(out, "geomean of", "files", "CPU", "worst", "wall", "memory", "cold CPU", "bytes", "worst",
		"butteraugli, full size", "worst", "600", "worst")
	kind := func(kind string) func(result) bool {
		return func(r result) bool { return r.kind == kind }
	}
	for _, group := range []struct {
		name string
		has  func(result) bool
	}{
		{"JPEG", func(r result) bool { return r.jpeg() }},
		{"JPEG, baseline", func(r result) bool { return r.jpeg() && !r.progressive() }},
		{"JPEG, progressive", func(r result) bool { return r.progressive() }},
		{"PNG", kind("png")}, {"WebP", kind("webp")}, {"GIF", kind("gif")},
	} {
		var of []result
		for _, r := range results {
			if group.has(r) {
				of = append(of, r)
			}
		}
		if len(of) == 0 {
			continue
		}
		mean := func(f figure) float64 { return geomean(each(of, f)) }
		worst := func(f figure) float64 { return slices.Max(append(each(of, f), 0)) }
		cpu, size := func(r result) float64 { return r.ratio(cpuOf) }, result.byteRatio
		full, large := butteraugli("optimized"), butteraugli("thumbnail_large")
		row(out, group.name, len(of), mean(cpu), worst(cpu),
			mean(func(r result) float64 { return r.ratio(wallOf) }),
			mean(func(r result) float64 { return r.ratio(rssOf) }),
			mean(func(r result) float64 { return r.sides[0].cold / r.sides[1].cold }),
			mean(size), worst(size), mean(full), worst(full), mean(large), worst(large))
	}
	againstMozjpeg(out, results)
}

// each gives a figure of all results that have it.
func each(of []result, f figure) []float64 {
	var values []float64
	for _, r := range of {
		if v := f(r); v > 0 && !math.IsInf(v, 0) {
			values = append(values, v)
		}
	}
	return values
}

// againstMozjpeg says what sharp's smaller files cost, and what all JPEGs take in bytes.
func againstMozjpeg(out *bytes.Buffer, results []result) {
	var cpu, size []float64
	var ours, theirs, small float64
	for _, r := range results {
		if len(r.sides) > mozjpeg {
			cpu = append(cpu, r.sides[0].median(cpuOf)/r.sides[mozjpeg].median(cpuOf))
			size = append(size, r.sides[0].median(bytesOf)/r.sides[mozjpeg].median(bytesOf))
			ours += r.sides[0].median(bytesOf)
			theirs += r.sides[1].median(bytesOf)
			small += r.sides[mozjpeg].median(bytesOf)
		}
	}
	if len(cpu) == 0 {
		return
	}
	fmt.Fprintf(out, "\nBytes of all that is made of the JPEGs: %.2f of sharp's. Against sharp with "+
		"`mozjpeg: true` at full size: CPU %.3f (worst %.3f), bytes %.2f (worst %.2f, in total %.2f).\n",
		ours/theirs, geomean(cpu), slices.Max(cpu), geomean(size), slices.Max(size), ours/small)
}
