package library

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Link is a signed URL.
type Link struct {
	URL       string
	ExpiresAt time.Time
	size      int64 // bytes of what it leads to
}

// Download returns a link to a variant ("": the default one) of an available file, counts it and
// logs it. An image's original is never handed out: it holds what its camera wrote about place and
// person.
func (l *Library) Download(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID,
	variant string) (Link, error) {
	link, err := l.Locate(ctx, tx, by, id, &variant)
	if err != nil {
		return Link{}, err
	}
	r := l.begin(tx, by)
	if err := r.q.CountDownload(ctx, db.CountDownloadParams{OrganizationID: r.organization,
		FileID: id, Now: r.now, Bytes: link.size}); err != nil {
		return Link{}, fmt.Errorf("count download of file %s: %w", id, err)
	}
	return link, r.log(ctx, id, ActionDownload, map[string]any{"variant": variant})
}

// Locate is Download for a caller who only learns that there is a link: nothing is counted. It
// completes the variant's name.
func (l *Library) Locate(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID,
	variant *string) (Link, error) {
	r := l.begin(tx, by)
	file, err := r.file(ctx, id)
	if err != nil {
		return Link{}, err
	}
	if err := downloadable(file); err != nil {
		return Link{}, err
	}
	at, err := l.locate(file, variant)
	if err != nil {
		return Link{}, err
	}
	url, err := l.Signer.link(ctx, at.bucket, at.key, nameAs(file.Filename, at.contentType),
		at.contentType)
	return Link{URL: url, ExpiresAt: r.now.Add(LinkTime), size: at.size}, err
}

func downloadable(f File) error {
	switch {
	case f.Status == storedfile.Pending || f.Status == storedfile.Processing:
		return notAvailable("This file is still being checked. Try again in a few seconds.").
			After(processingWait)
	case f.Status == storedfile.Deleted:
		return notAvailable("This file is in the trash. Restore it first.")
	case f.Status == storedfile.Archived:
		return notAvailable("This file is archived and cannot be downloaded.")
	case f.Status != storedfile.Available:
		return notAvailable("This file cannot be downloaded. " + f.Reason.Detail())
	case f.RequiresConsent && f.Consent == nil:
		return fault.New(fault.Forbidden, "consent-required", "This file cannot be "+
			"downloaded without consent, and none is recorded. Ask staff to record it.")
	}
	return nil
}

func notAvailable(detail string) *fault.Error {
	return fault.New(fault.Conflict, "not-available", strings.TrimSpace(detail))
}

// object is what a link leads to.
type object struct {
	bucket, key string
	contentType mediatype.Type
	size        int64
}

// locate finds the object of a variant and completes its name.
func (l *Library) locate(f File, variant *string) (object, error) {
	image := mediatype.IsPicture(f.ContentType)
	if *variant == "" {
		*variant = storedfile.Original
		if image {
			*variant = storedfile.Optimized
		}
	}
	if *variant == storedfile.Original && !image {
		return object{f.bucket, f.key, f.ContentType, f.Size}, nil
	}
	var names []string
	for _, v := range f.Variants {
		if v.Name == *variant && v.Name != storedfile.Original {
			key := objectkey.Variant(f.Organization, f.ID, f.version, f.fence, v.Name)
			return object{l.Buckets.Files, key, v.ContentType, v.Size}, nil
		}
		if v.Name != storedfile.Original {
			names = append(names, v.Name)
		}
	}
	if !image {
		names = append(names, storedfile.Original)
	}
	return object{}, fault.New(fault.NotFound, "variant-not-found",
		"This file has no such variant to download. It has: "+strings.Join(names, ", ")+".")
}
