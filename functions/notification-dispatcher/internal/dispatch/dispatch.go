// Package dispatch takes what was promised to whoever listens: it gives each notification its place
// in its channels, and sends them in that order, at the pace allowed, until each is delivered,
// folded into a catch-up, or dead with a reason.
//
// Any number of dispatchers may run. Numbers are given under a lock for each organization; a
// channel is sent by whoever holds its lease, and what came of that is settled only while its fence
// is still the claim's.
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Sender is what notifications leave by; see package channel for what it promises.
type Sender interface {
	Send(context.Context, []channel.Event) ([]channel.Outcome, error)
	TerminateConnections(ctx context.Context, user string) error
}

// Config is the rules of delivery.
type Config struct {
	Paced       bool
	PerMinute   int           // for a recipient and for a channel
	OrgMinute   int           // for an organization
	MaxAttempts int           // at one event that the service refuses
	MaxDelay    time.Duration // what waited longer is folded
	BaseURL     string        // of links; "" makes them paths
}

// Dispatcher works on what waits in every organization.
type Dispatcher struct {
	Config Config
	DB     *tenantdb.DB
	Sender Sender
	// rings the doorbell later; nil: nobody is rung
	Ring    func(ctx context.Context, in time.Duration) error
	Metrics telemetry.Metrics
	Log     *slog.Logger
	Now     func() time.Time // for what is told; limits and leases use the database's clock
	Lease   time.Duration    // how long a channel stays with whoever claimed it; 0: lease
}

const (
	// lease is far longer than a round of sending may take.
	lease = 90 * time.Second
	// sendTime bounds the sending of one claim, well within the lease.
	sendTime = 30 * time.Second
	// closing is kept back for settling what was sent.
	closing = 3 * time.Second
	// patience is how soon the next event must be due for a run to wait for it instead of ringing
	// itself later.
	patience = 3 * time.Second
	// longestBell is the longest that SQS delays a message.
	longestBell = 15 * time.Minute
	// withoutDeadline bounds a run whose context does not.
	withoutDeadline = 5 * time.Minute
)

// Summary is what a run did.
type Summary struct {
	Sequenced int  `json:"sequenced"`
	Delivered int  `json:"delivered"`
	Folded    int  `json:"folded"`
	Retried   int  `json:"retried"`
	Dead      int  `json:"dead"`
	Paused    bool `json:"paused"`
}

// Run works until nothing is due, or until its time is up, and has itself rung for what is due
// later.
func (d *Dispatcher) Run(ctx context.Context) (Summary, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(withoutDeadline)
	}
	var done Summary
	err := d.work(ctx, deadline.Add(-closing), &done)
	d.report(done)
	if err == nil {
		err = d.terminateRemoved(ctx)
	}
	if err != nil {
		return done, err
	}
	return done, d.ringLater(ctx)
}

func (d *Dispatcher) work(ctx context.Context, until time.Time, done *Summary) error {
	cursor := uuid.New() // start anywhere: no organization is always first
	for time.Now().Before(until) {
		sequenced, err := d.Sequence(ctx)
		done.Sequenced += sequenced
		if err != nil {
			return err
		}
		claimed, err := d.round(ctx, until, &cursor, done)
		if err != nil {
			return err
		}
		if done.Paused {
			return nil
		}
		if claimed == 0 && sequenced == 0 {
			next, err := d.openIn(ctx)
			if err != nil {
				return err
			}
			if next > patience || !pause(ctx, next, until) {
				return nil
			}
		}
	}
	return nil
}

// pause waits, and reports whether there is time left after it.
func pause(ctx context.Context, wait time.Duration, until time.Time) bool {
	if wait > time.Until(until) {
		return false
	}
	timer := time.NewTimer(max(wait, 10*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// round claims some channels, sends what they may send, and settles it. With nothing claimed it
// returns 0.
func (d *Dispatcher) round(
	ctx context.Context,
	until time.Time,
	cursor *uuid.UUID,
	done *Summary,
) (int, error) {
	probe, open, err := d.ask(ctx)
	if err != nil {
		return 0, err
	}
	if !open {
		done.Paused = true
		return 0, nil
	}
	claims, err := d.claim(ctx, cursor, probe)
	if err != nil || len(claims) == 0 {
		return 0, err
	}
	sending, cancel := context.WithDeadline(ctx, earlier(time.Now().Add(sendTime), until))
	defer cancel()
	outage, err := d.send(sending, claims)
	if err != nil {
		return 0, err
	}
	// What was sent is settled whatever becomes of the run: else it would be sent again.
	settling, stop := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer stop()
	if err := d.settle(settling, claims, done); err != nil {
		return 0, fmt.Errorf("settle %d channels: %w", len(claims), err)
	}
	done.Paused = outage != nil
	if outage != nil || probe {
		return len(claims), d.tellSender(settling, outage)
	}
	return len(claims), nil
}

// send gives the sender every event of the claims and notes what came of each, and then those again
// that are too large, smaller, with what they held up. An outage is no error: it is told to all
// dispatchers.
func (d *Dispatcher) send(ctx context.Context, claims []*claim) (*channel.Outage, error) {
	var jobs []*job
	for _, c := range claims {
		jobs = append(jobs, c.jobs...)
	}
	for len(jobs) > 0 {
		outage, err := d.sendJobs(ctx, jobs)
		if outage != nil || err != nil {
			return outage, err
		}
		jobs = jobs[:0]
		for _, c := range claims {
			jobs = append(jobs, c.shrink(d.Config.MaxAttempts)...)
		}
	}
	return nil, nil
}

func (d *Dispatcher) sendJobs(ctx context.Context, jobs []*job) (*channel.Outage, error) {
	events := make([]channel.Event, len(jobs))
	for i, j := range jobs {
		var err error
		if events[i], err = j.event(d.Config.BaseURL, d.Now()); err != nil {
			return nil, err
		}
	}
	outcomes, err := d.Sender.Send(ctx, events)
	for i, o := range outcomes {
		jobs[i].outcome = o
	}
	if outage, ok := errors.AsType[*channel.Outage](err); ok {
		d.Log.WarnContext(
			ctx,
			"sending paused",
			"cause",
			outage.Cause,
			"status",
			outage.Status,
			"retry_after",
			outage.RetryAfter,
			"error",
			err,
		)
		d.Metrics.Emit(
			map[string]string{"Cause": string(outage.Cause)},
			telemetry.Metric{Name: "SenderOutages", Unit: telemetry.Count, Value: 1},
		)
		if outage.Cause == channel.Misconfigured {
			d.Metrics.ConfigurationFault(ctx, d.Log, "Pusher", "send", err)
		}
		return outage, nil
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	return nil, nil // with its time up, what was not sent waits
}

func (d *Dispatcher) report(done Summary) {
	if done == (Summary{}) {
		return
	}
	count := func(name string, n int) telemetry.Metric {
		return telemetry.Metric{Name: name, Unit: telemetry.Count, Value: float64(n)}
	}
	d.Metrics.Emit(
		map[string]string{"Function": "notification-dispatcher"},
		count(
			"NotificationsSequenced",
			done.Sequenced,
		),
		count("NotificationsDelivered", done.Delivered),
		count("NotificationsFolded", done.Folded),
		count("NotificationsRetried", done.Retried),
		count("NotificationsDead", done.Dead),
	)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
