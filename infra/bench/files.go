package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	fileRounds  = 3
	manyClients = 8
	// lookEvery is how often one client looks for its file. Of several each looks less often, so
	// that looking costs the same.
	lookEvery = 2 * time.Millisecond
)

// burst is what one round of uploads took.
type burst struct {
	perSecond         float64
	each              []float64 // milliseconds from POST to available
	api, work         float64   // CPU milliseconds a file of the two functions
	own, postgres     float64   // and of all else that takes part
	used, busy        float64   // cores busy with all of that, and with anything
	files, concurrent int
}

func files(ctx context.Context, w *fixture) (section, error) {
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
file-api-http; work is file-processing; stack is the bench's own process (clients, gateway, queue, S3 server). Cores are those busy with
the four, and those busy at all: the difference is the kernel's and that of other programs. No virus scanner.`, fileRounds, manyClients),
	}
	t := table{head: []string{"file", "clients", "files/s", "ms p50", "p95", "CPU ms: api", "work",
		"stack", "postgres", "cores", "of all busy"}}
	var most []burst
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
		// every sandbox is warm then
		if _, err := w.burst(ctx, senders, 2*manyClients, kind.sample); err != nil {
			return s, err
		}
		speeds, err := alternate(fileRounds, send(&one, 1, kind.alone),
			send(&many, manyClients, kind.all))
		if err != nil {
			return s, err
		}
		t.rows = append(t.rows, row(kind.what, one), row(kind.what, many))
		most = append(most, many...)
		ratios.add(kind.what, ratioOf(speeds[1], speeds[0]).String())
	}
	s.tables = []table{t, ratios}
	s.notes = []string{
		bottleneck(most),
		"With one client the wait is for one thing after another: two requests, the event, the " +
			"queue's poll, the invocation.",
	}
	return s, nil
}

// burst sends files of one kind with several clients and waits until all are available.
func (w *fixture) burst(ctx context.Context, senders []*client, files int,
	s sample) (burst, error) {
	for _, function := range []string{fileAPI, fileProcessing} {
		if _, err := w.take(function); err != nil {
			return burst{}, err
		}
	}
	b := burst{files: files, concurrent: len(senders)}
	var mu sync.Mutex
	var taken atomic.Int64
	before, err := usedNow(ctx, w.superuser)
	if err != nil {
		return b, err
	}
	began := time.Now()
	all, sending := errgroup.WithContext(ctx)
	for _, sender := range senders {
		all.Go(func() error {
			for taken.Add(1) <= int64(files) {
				began := time.Now()
				file, err := sender.upload(sending, s)
				if err != nil {
					return err
				}
				if err := w.await(sending, file,
					time.Duration(len(senders))*lookEvery); err != nil {
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
	after, err := usedNow(ctx, w.superuser)
	if err != nil {
		return b, err
	}
	b.perSecond = float64(files) / took.Seconds()
	b.own, b.postgres = milliseconds(after.own-before.own)/float64(files),
		milliseconds(after.database(before))/float64(files)
	b.busy = (after.machine - before.machine).Seconds() / took.Seconds()
	return b, w.account(ctx, &b)
}

// account adds what the functions say of themselves.
func (w *fixture) account(ctx context.Context, b *burst) error {
	asked, err := w.take(fileAPI)
	if err != nil {
		return err
	}
	worked, err := w.takeAll(ctx, fileProcessing, b.files)
	if err != nil {
		return err
	}
	b.api, b.work = sum(figures(asked, cpuOf))/float64(b.files),
		sum(figures(worked, cpuOf))/float64(b.files)
	b.used = (b.api + b.work + b.own + b.postgres) / 1000 * b.perSecond
	return nil
}

func middle(bursts []burst, of func(burst) float64) float64 {
	var all []float64
	for _, b := range bursts {
		all = append(all, of(b))
	}
	return median(all)
}

func row(what string, bursts []burst) []string {
	var each, speeds []float64
	for _, b := range bursts {
		each, speeds = append(each, b.each...), append(speeds, b.perSecond)
	}
	cells := []string{what, fmt.Sprint(bursts[0].concurrent), spread(speeds, ms), ms(median(each)),
		ms(percentile(each, 95))}
	for _, of := range []func(burst) float64{
		func(b burst) float64 { return b.api }, func(b burst) float64 { return b.work },
		func(b burst) float64 { return b.own }, func(b burst) float64 { return b.postgres },
	} {
		cells = append(cells, ms(middle(bursts, of)))
	}
	return append(cells, fmt.Sprintf("%.1f", middle(bursts, usedCores)),
		fmt.Sprintf("%.1f", middle(bursts, busyCores)))
}

func usedCores(b burst) float64 { return b.used }
func busyCores(b burst) float64 { return b.busy }

// bottleneck says what the measured figures let one say.
func bottleneck(many []burst) string {
	cores, ours, all := float64(runtime.NumCPU()), middle(many, usedCores), middle(many, busyCores)
	said := fmt.Sprintf("With %d clients %.1f of %.0f cores work for the files", manyClients, ours,
		cores)
	switch {
	case all < 0.85*cores:
		return said + fmt.Sprintf(" and %.1f at all: the processor is not the limit.", all)
	case all-ours > 0.3*cores:
		return said + " and other programs have the rest: on an idle machine there would be more " +
			"files."
	}
	return said + ": the processor is the limit, and the largest column of CPU says with what. " +
		"On AWS each sandbox brings its own processor."
}
