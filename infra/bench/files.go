package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/toolboxai-solutions/satchel/infra/local/stack"
)

const (
	fileRounds  = 3
	manyClients = 8
)

// burst is what one round of uploads took.
type burst struct {
	perSecond         float64
	each              []float64 // milliseconds from POST to available
	api, work, own    float64   // CPU milliseconds a file
	rest, busy        float64   // CPU milliseconds a file of all else; cores busy
	files, concurrent int
}

func files(ctx context.Context, w *world) (section, error) {
	var senders []*client
	for n := range manyClients {
		c, err := w.signIn(ctx, uploadsSlug, fmt.Sprintf("sender-%d@example.org", n))
		if err != nil {
			return section{}, err
		}
		senders = append(senders, c)
	}
	made, err := snapshot()
	if err != nil {
		return section{}, err
	}
	creek, err := w.photograph("creek.webp", "image/webp")
	if err != nil {
		return section{}, err
	}
	s := section{
		title: "Files per second, end to end",
		method: fmt.Sprintf(`POST /v1/files, the form, storage event, queue, processing, until the row says available. Each client has one file under way at a
time; two sandboxes process, eight answer HTTP. %d rounds each with 1 and with %d clients, in turn. CPU a file: api is
file-api-http; work is file-processing; stack is the bench's own process (clients, gateway, queue, S3 server); rest is all else on the
machine, which is PostgreSQL and the kernel as far as nothing else runs. No virus scanner.`, fileRounds, manyClients),
	}
	t := table{head: []string{"file", "clients", "files/s", "ms p50", "p95", "CPU ms: api", "work", "stack", "rest", "cores busy"}}
	var most []float64 // cores busy with many clients
	ratios := table{head: []string{"file", "files/s with 8 clients ÷ with 1"}}
	for _, kind := range []struct {
		what       string
		sample     sample
		alone, all int // files a round
	}{
		{"text, 4 KB", text(4 << 10), 40, 120},
		{fmt.Sprintf("1.1 MP JPEG, %.0f KB", float64(len(made.content))/1e3), made, 12, 24},
		{fmt.Sprintf("creek.webp, %.0f KB", float64(len(creek.content))/1e3), creek, 4, 8},
	} {
		var one, many []burst
		send := func(into *[]burst, clients, files int) func() (float64, error) {
			return func() (float64, error) {
				b, err := w.burst(ctx, senders[:clients], files, kind.sample)
				*into = append(*into, b)
				return b.perSecond, err
			}
		}
		if _, err := w.burst(ctx, senders, 2*manyClients, kind.sample); err != nil { // every sandbox is warm then
			return s, err
		}
		speeds, err := alternate(fileRounds, send(&one, 1, kind.alone), send(&many, manyClients, kind.all))
		if err != nil {
			return s, err
		}
		t.rows = append(t.rows, row(kind.what, one), row(kind.what, many))
		for _, b := range many {
			most = append(most, b.busy)
		}
		ratios.add(kind.what, ratioOf(speeds[1], speeds[0]).String())
	}
	s.tables = []table{t, ratios}
	s.notes = []string{
		bottleneck(most),
		"With one client the wait is for one thing after another: two requests, the event, the queue's poll, the invocation.",
	}
	return s, nil
}

// burst sends files of one kind with several clients and waits until all are available.
func (w *world) burst(ctx context.Context, senders []*client, files int, s sample) (burst, error) {
	for _, function := range []string{stack.FileAPI, stack.FileProcessing} {
		if _, err := w.take(function); err != nil {
			return burst{}, err
		}
	}
	b := burst{files: files, concurrent: len(senders)}
	var mu sync.Mutex
	var taken atomic.Int64
	before, began := usedNow(), time.Now()
	all, ctx := errgroup.WithContext(ctx)
	for _, sender := range senders {
		all.Go(func() error {
			for taken.Add(1) <= int64(files) {
				began := time.Now()
				file, err := sender.upload(ctx, s)
				if err != nil {
					return err
				}
				if err := w.await(ctx, file); err != nil {
					return err
				}
				mu.Lock()
				b.each = append(b.each, milliseconds(time.Since(began)))
				mu.Unlock()
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return b, err
	}
	took := time.Since(began)
	used := usedNow().since(before)
	b.perSecond = float64(files) / took.Seconds()
	return b, w.account(&b, took, used)
}

// account says who used the processor.
func (w *world) account(b *burst, took time.Duration, used processor) error {
	asked, err := w.take(stack.FileAPI)
	if err != nil {
		return err
	}
	worked, err := w.takeAll(context.Background(), stack.FileProcessing, b.files)
	if err != nil {
		return err
	}
	n := float64(b.files)
	b.api, b.work = sum(figures(asked, cpuOf))/n, sum(figures(worked, cpuOf))/n
	b.own = milliseconds(used.own) / n
	b.rest = max(0, milliseconds(used.machine)/n-b.api-b.work-b.own)
	b.busy = used.machine.Seconds() / took.Seconds()
	return nil
}

func row(what string, bursts []burst) []string {
	var each []float64
	middle := func(of func(burst) float64) float64 {
		var all []float64
		for _, b := range bursts {
			all = append(all, of(b))
		}
		return median(all)
	}
	var speeds []float64
	for _, b := range bursts {
		each, speeds = append(each, b.each...), append(speeds, b.perSecond)
	}
	return []string{
		what, fmt.Sprint(bursts[0].concurrent), spread(speeds, ms), ms(median(each)), ms(percentile(each, 95)),
		ms(middle(func(b burst) float64 { return b.api })), ms(middle(func(b burst) float64 { return b.work })),
		ms(middle(func(b burst) float64 { return b.own })), ms(middle(func(b burst) float64 { return b.rest })),
		fmt.Sprintf("%.1f", middle(func(b burst) float64 { return b.busy })),
	}
}

// bottleneck says what the measured figures let one say.
func bottleneck(cores []float64) string {
	n := runtime.NumCPU()
	said := fmt.Sprintf("With %d clients %.1f of %d cores are busy", manyClients, median(cores), n)
	if median(cores) < 0.85*float64(n) {
		return said + ": the processor is not the limit."
	}
	return said + ": the processor is the limit, and the largest column of CPU says with what. On AWS each sandbox brings its own processor."
}
