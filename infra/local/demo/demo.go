// Package demo sends files through a running stack the way a browser does, and prints what became
// of them.
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/gabriel-vasile/mimetype"
)

// patience is how long one file may take to its final state. It covers a retry after a crashed
// function.
const patience = 2 * time.Minute

// Options of a demo.
type Options struct {
	API                string
	Organization, User string
	Files              []string
	// Pusher is the address of the channels server, and Key its app's: what is told of the files is
	// listened to there. Without it nobody listens.
	Pusher, Key string
	// SaveTo is a directory for everything that can be downloaded; without it nothing is saved.
	SaveTo string
	// Reuse shows files that are there from an earlier run instead of sending them again.
	Reuse bool
	Out   io.Writer
}

// ErrUnfinished says that a file reached no final state.
var ErrUnfinished = errors.New("not every file reached a final state")

// row is what became of one file.
type row struct {
	local
	file File
	took time.Duration
	// event is how long after the transaction its event reached a subscribed client, or 0.
	event time.Duration
	kept  bool // from an earlier run
	err   error
}

// Run sends the files one after the other and prints a table. That one was refused is a result like
// others; the error is ErrUnfinished when one did not reach a final state.
func Run(ctx context.Context, o Options) error {
	c, err := signIn(ctx, o.API, o.Organization, o.User)
	if err != nil {
		return err
	}
	ctx, quiet := context.WithCancel(ctx)
	defer quiet() // the connection for notifications ends too
	var arrivals <-chan heard
	if o.Pusher != "" {
		if arrivals, err = c.listen(ctx, o,
			"private-org-"+c.organization+"-user-"+c.user); err != nil {
			return err
		}
	}
	known := map[string]File{}
	if o.Reuse {
		files, err := c.list(ctx)
		if err != nil {
			return fmt.Errorf("list files: %w", err)
		}
		for _, f := range files {
			known[f.Filename] = f
		}
	}
	var rows []row
	finished := true
	var done atomic.Int32
	said := every(tellEvery, func(passed time.Duration) {
		fmt.Fprintf(o.Out, "  %d of %d files done, %d s\n", done.Load(), len(o.Files),
			int(passed.Seconds()))
	})
	for _, path := range o.Files {
		r := one(ctx, c, path, known)
		finished = finished && (r.err == nil || r.refused() != nil)
		rows = append(rows, r)
		done.Add(1)
	}
	said()
	if arrivals != nil {
		if err := awaitEvents(ctx, arrivals, rows); err != nil {
			return err
		}
	}
	if err := table(o.Out, rows); err != nil {
		return err
	}
	if o.SaveTo != "" {
		if err := save(ctx, c, o, rows); err != nil {
			return err
		}
	}
	if !finished {
		return ErrUnfinished
	}
	return nil
}

// tellEvery is how long nothing is said at most while files are on their way.
const tellEvery = 10 * time.Second

// every calls tell again and again, with the time since the beginning, until stop is called.
func every(pause time.Duration, tell func(time.Duration)) (stop func()) {
	began, end, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				tell(time.Since(began))
			}
		}
	}()
	return func() { close(end); <-ended }
}

// refused is the answer of an API that does not want the file.
func (r row) refused() *Problem {
	var p *Problem
	if errors.As(r.err, &p) && r.file.Status == "" && p.Status/100 == 4 {
		return p
	}
	return nil
}

func one(ctx context.Context, c *client, path string, known map[string]File) row {
	f, err := describe(path)
	r := row{local: f, err: err}
	if err != nil {
		return r
	}
	if old, ok := known[f.name]; ok && old.final() && old.Status != "deleted" &&
		old.Size == f.size {
		r.file, r.kept = old, true
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	id, err := c.upload(ctx, f)
	if err == nil {
		r.file, err = c.await(ctx, id)
	}
	r.took, r.err = time.Since(began), err
	return r
}

func table(out io.Writer, rows []row) error {
	text := &bytes.Buffer{}
	fmt.Fprintln(text, "FILE\tSTATUS\tTYPE\tBYTES IN\tBYTES OUT\tPIXELS\tMS\tEVENT MS\tREASON")
	for _, r := range rows {
		status, reason, took := r.file.Status, r.file.Reason, fmt.Sprint(r.took.Milliseconds())
		switch refused := r.refused(); {
		case refused != nil:
			status, reason = "refused", refused.Error()
		case r.err != nil:
			status, reason = "failed", r.err.Error()
		case r.kept:
			took = "kept"
		}
		main := r.file.main()
		kind, sent, pixels := r.contentType, "-", r.pixels
		if main.Size > 0 {
			kind, sent = main.ContentType, fmt.Sprint(main.Size)
		}
		if main.Width > 0 {
			pixels += fmt.Sprintf(" → %d×%d", main.Width, main.Height)
		}
		event := "-"
		if r.event > 0 {
			event = fmt.Sprint(r.event.Milliseconds())
		}
		fmt.Fprintf(text, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\n", r.name, status, kind, r.size,
			sent, pixels, took, event, reason)
	}
	aligned := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := text.WriteTo(aligned); err != nil {
		return err
	}
	if err := aligned.Flush(); err != nil {
		return err
	}
	if unscanned(rows) {
		_, err := fmt.Fprintln(out, "\nNot every file was scanned for viruses: that takes clamd and the signatures that freshclam fetches.")
		return err
	}
	return nil
}

// unscanned tells whether a file can be downloaded that nothing scanned.
func unscanned(rows []row) bool {
	return slices.ContainsFunc(rows, func(r row) bool {
		return r.file.Status == "available" && !r.file.VirusScanned
	})
}

// main is the variant that stands for the file: the optimized picture, or what is not a picture
// itself.
func (f File) main() Variant {
	for _, v := range f.Variants {
		if v.Name == "optimized" || v.Name == "original" {
			return v
		}
	}
	return Variant{}
}

// save writes everything that can be downloaded below o.SaveTo and prints where.
func save(ctx context.Context, c *client, o Options, rows []row) error {
	if err := os.MkdirAll(o.SaveTo, 0o700); err != nil {
		return err
	}
	for i, r := range rows {
		if r.err != nil || r.file.Status != "available" {
			continue
		}
		fmt.Fprintf(o.Out, "\n%s\n", r.name)
		for _, v := range r.file.Variants {
			at := filepath.Join(o.SaveTo, saved(i, r.name, v))
			if err := c.save(ctx, r.file.ID, v.Name, at); err != nil {
				return fmt.Errorf("save %s of %s: %w", v.Name, r.name, err)
			}
			fmt.Fprintf(o.Out, "  %-16s %s\n", v.Name, at)
		}
	}
	return nil
}

// saved is a file name that no other file of the run has.
func saved(index int, name string, v Variant) string {
	extension := filepath.Ext(name)
	if media := mimetype.Lookup(v.ContentType); media != nil && v.Name != "original" {
		extension = media.Extension()
	}
	return fmt.Sprintf("%02d-%s-%s%s", index+1, strings.TrimSuffix(name, filepath.Ext(name)),
		v.Name, extension)
}
