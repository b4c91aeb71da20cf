// Package ingest decides what becomes of an uploaded file, and does it: one stored object in, a
// verdict and safe pictures out.
//
// Whatever is repeated ends the same. The first version of a key that is claimed is the only one
// that counts; a claim is a lease with a fencing token; outputs have fixed keys and fixed bytes;
// and the verdict is one transaction, after which nothing waits for the object.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/scan"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Object is one version of a stored object.
type Object struct {
	Bucket, Key, Version string
}

// Outcome is what came of one object.
type Outcome string

// The outcomes. Those of a verdict are named like the status that they set.
const (
	OutcomeAvailable           = Outcome(storedfile.Available)
	OutcomeQuarantined         = Outcome(storedfile.Quarantined)
	OutcomeRejected            = Outcome(storedfile.Failed)
	OutcomeSuperseded  Outcome = "superseded"  // nothing waited for it; deleted
	OutcomeLeaseLost   Outcome = "lease_lost"  // another worker has taken over, or the file is gone
	OutcomeUnknownKey  Outcome = "unknown_key" // not an upload of ours; left alone
	OutcomeEarly       Outcome = "early"       // it was given back, and waits
	OutcomeHandedBack  Outcome = "handed_back" // its organization has its share, and others wait
	OutcomeBusy        Outcome = "busy"        // another worker has the file; with an error
	OutcomeRetry       Outcome = "retry"       // no verdict; with an error
)

// Result says what Process did, for the log.
type Result struct {
	Organization, File uuid.UUID
	Attempt            int // 0 when nothing was claimed
	Outcome            Outcome
	Reason             storedfile.Reason
	Bytes              int64
	Fallback           bool // a JPEG had to be decoded to pixels: picture.Result
}

const (
	// closing is kept back from the work for its end: release or verdict, and clearing up.
	closing = 4 * time.Second
	// withoutDeadline bounds the work where the context does not.
	withoutDeadline = 15 * time.Minute // the longest that a Lambda may run
	// afterDeadline is how much longer than the worker its lease lives, whatever the clocks say.
	afterDeadline = 30 * time.Second
)

// Processor processes uploaded files.
type Processor struct {
	Config  Config
	DB      *tenantdb.DB
	S3      *s3.Client
	Scanner *scan.Client // nil: files are not scanned, and say so
	Log     *slog.Logger

	settled settledKeys
}

// ErrPostponed means that the file is tried again without this event: its row says when, and
// maintenance sends the next one.
var ErrPostponed = errors.New("postponed")

// Process takes one object to its end. With an error there is no end yet: with ErrPostponed the
// file waits, with any other the same object must come again. What came of a file's content, be it
// a rejection, is no error.
func (p *Processor) Process(ctx context.Context, o Object) (Result, error) {
	return p.ProcessInTurn(ctx, o, func(context.Context) bool { return false })
}

// ProcessInTurn is Process for one of many: while workers have as many files of the object's
// organization as are its share, it asks handBack to have the object come again later. If that says
// that it does, nothing else was done; if not, the object is processed now.
func (p *Processor) ProcessInTurn(ctx context.Context, o Object,
	handBack func(context.Context) bool) (Result, error) {
	key, held, err := p.uploadOf(o)
	if err != nil || key.Organization == uuid.Nil {
		return Result{Outcome: OutcomeUnknownKey}, nil
	}
	result := Result{Organization: key.Organization, File: key.File, Outcome: OutcomeRetry}
	if o.Version == "" {
		return result, fmt.Errorf("object %s has no version: switch on versioning of bucket %s",
			o.Key, o.Bucket)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(withoutDeadline)
	}
	var taken claim
	what := superseded
	now, err := p.standing(ctx, key, o.Version, held)
	if err == nil && !now.over {
		if p.Config.fillsShare(now.working) && handBack(ctx) {
			result.Outcome = OutcomeHandedBack
			return result, nil
		}
		taken, what, err = p.claim(ctx, key, o.Version, time.Until(deadline)+afterDeadline)
		if err == nil && what == superseded { // since the look before
			now, err = p.standing(ctx, key, o.Version, held)
		}
	}
	if err != nil {
		return result, fmt.Errorf("%w: claim file %s: %w", ErrPostponed, key.File, err)
	}
	result.Attempt = taken.attempt
	switch what {
	case superseded:
		result.Outcome = OutcomeSuperseded
		if now.kept {
			return result, nil
		}
		if err := p.deleteUpload(ctx, key, o.Version); err != nil {
			result.Outcome = OutcomeRetry
			return result, fmt.Errorf("delete superseded version of file %s: %w", key.File, err)
		}
		return result, nil
	case early:
		result.Outcome = OutcomeEarly
		return result, nil
	case busy:
		result.Outcome = OutcomeBusy
		return result, fault.New(fault.Temporary, "file-busy", "Another worker has this file.")
	}
	if held {
		taken.held = o.Key
	}
	var found finding
	result.Outcome, found, err = p.work(ctx, &taken, deadline.Add(-closing))
	result.Reason, result.Bytes, result.Fallback = found.reason, found.size, found.fallback
	if err != nil {
		p.release(ctx, taken, err)
		return result, fmt.Errorf("%w: process file %s: %w", ErrPostponed, key.File, err)
	}
	return result, nil
}

// uploadOf says which upload an object is, and whether it is held: kept in quarantine without a
// verdict, and processed again.
func (p *Processor) uploadOf(o Object) (key objectkey.Key, held bool, err error) {
	switch o.Bucket {
	case p.Config.Incoming:
		key, err = objectkey.ParseIncoming(o.Key)
	case p.Config.Quarantine:
		held = true
		key, err = objectkey.ParseHeld(o.Key)
	default:
		err = fmt.Errorf("no upload is in bucket %s", o.Bucket)
	}
	return key, held, err
}

// work is everything between a claim and its end.
func (p *Processor) work(ctx context.Context, c *claim,
	until time.Time) (Outcome, finding, error) {
	working, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	found := finding{reason: c.exhausted}
	var err error
	if c.suspended { // the form was signed before; nothing is read, and nothing kept
		found.reason = storedfile.OrganizationSuspended
	} else if c.exhausted == "" {
		if found, err = p.examine(working, *c); err != nil {
			return OutcomeRetry, finding{}, err
		}
	}
	if err := p.storeOutputs(working, c, found); err != nil {
		if !c.tooOld {
			return OutcomeRetry, finding{}, err
		}
		// Its days are over. The bytes stay where they are, for as long as the bucket keeps them.
		p.Log.ErrorContext(ctx, "a file that ends without a verdict could not be kept in "+
			"quarantine", "file_id", c.key.File, "error", err)
		found.lost = true
	}
	ended, err := p.settle(ctx, *c, found)
	if err != nil {
		return OutcomeRetry, finding{}, err
	}
	switch {
	case ended == fileGone:
		p.settled.add(c.key)
		return OutcomeLeaseLost, finding{}, p.deleteUpload(ctx, c.key, c.objectVersion)
	case ended == leaseLost:
		return OutcomeLeaseLost, finding{}, nil
	}
	if found.lost {
		return Outcome(found.reason.Status()), found, nil
	}
	p.settled.add(c.key)
	if err := p.deleteUploads(ctx, c.key); err != nil {
		// settle put it on the list
		p.Log.WarnContext(ctx, "an upload is left to maintenance", "file_id", c.key.File, "error", err)
	}
	return Outcome(found.reason.Status()), found, nil
}

// storeOutputs stores what a verdict hands out or keeps, under keys that no other attempt has.
func (p *Processor) storeOutputs(ctx context.Context, c *claim, found finding) error {
	switch {
	case found.reason == "":
		for _, variant := range found.pictures {
			if err := c.note(p.putVariant(ctx, *c, variant)); err != nil {
				return err
			}
		}
		return c.note(p.keepOriginal(ctx, *c, found.mimeType))
	case found.reason.Kept():
		return c.note(p.quarantine(ctx, *c, found.reason))
	}
	return nil
}

// note remembers whether something may have been stored: also by a request whose answer was lost.
func (c *claim) note(err error) error {
	if !refusedByStore(err) {
		c.stored = true
	}
	return err
}

// release hands the file back at once instead of when its lease ends. Only what the file itself did
// to its worker counts as an attempt. It may fail: then the lease ends by itself, and the attempt
// counts although the file did nothing; a database that comes back is in time for the next one.
func (p *Processor) release(ctx context.Context, c claim, cause error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing/2)
	defer cancel()
	note := fault.CodeOf(cause)
	if errors.Is(cause, scan.ErrUnavailable) {
		note = string(storedfile.ScannerUnavailable)
	}
	if err := p.endLease(ctx, c, note, errors.Is(cause, errTooSlow)); err != nil {
		p.Log.WarnContext(ctx, "a lease is left to run out", "file_id", c.key.File, "error", err)
	}
}
