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
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Original and Optimized are the variants that are handed out when none is named.
const (
	Original  = "original"
	Optimized = "optimized"
)

// Link is a signed URL.
type Link struct {
	URL       string
	ExpiresAt time.Time
}

// Download returns a link to a variant ("": the default one) of an available file, counts it and
// logs it. A picture's original is never handed out: it holds what its camera wrote about place and
// person.
func (l *Library) Download(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID,
	variant string) (Link, error) {
	link, err := l.Locate(ctx, tx, by, id, &variant)
	if err != nil {
		return Link{}, err
	}
	d := l.desk(tx, by)
	if err := d.q.CountDownload(ctx,
		db.CountDownloadParams{OrganizationID: d.organization, ID: id, Now: &d.now}); err != nil {
		return Link{}, fmt.Errorf("count download of file %s: %w", id, err)
	}
	return link, d.log(ctx, id, "download", map[string]any{"variant": variant})
}

// Locate is Download for a caller who gets only to know that there is a link: nothing is counted.
// It completes the variant's name.
func (l *Library) Locate(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID,
	variant *string) (Link, error) {
	d := l.desk(tx, by)
	file, err := d.file(ctx, id)
	if err != nil {
		return Link{}, err
	}
	if err := downloadable(file); err != nil {
		return Link{}, err
	}
	bucket, key, contentType, err := l.locate(file, variant)
	if err != nil {
		return Link{}, err
	}
	url, err := l.Signer.link(ctx, bucket, key, nameAs(file.Filename, contentType), contentType)
	return Link{URL: url, ExpiresAt: d.now.Add(LinkTime)}, err
}

func downloadable(f File) error {
	switch {
	case f.Status == Pending || f.Status == Processing:
		return notAvailable("The file is still being checked. Try again in a few seconds.").After(
			processingWait)
	case f.Status == Deleted:
		return notAvailable("The file is deleted. Restore it first.")
	case f.Status == Archived:
		return notAvailable("The file is archived, so it is not handed out.")
	case f.Status != Available:
		return notAvailable("The file is not handed out. " + f.Reason.Detail())
	case f.RequiresConsent && f.Consent == nil:
		return fault.New(fault.Forbidden, "consent-required", "Consent is needed before "+
			"this file is handed out, and none is on record. Ask staff to record it.")
	}
	return nil
}

func notAvailable(detail string) *fault.Error {
	return fault.New(fault.Conflict, "not-available", strings.TrimSpace(detail))
}

// locate finds the object of a variant and completes its name.
func (l *Library) locate(f File,
	variant *string) (bucket, key string, contentType mediatype.Type, err error) {
	picture := mediatype.IsPicture(f.ContentType)
	if *variant == "" {
		*variant = Original
		if picture {
			*variant = Optimized
		}
	}
	if *variant == Original && !picture {
		return f.bucket, f.key, f.ContentType, nil
	}
	var names []string
	for _, v := range f.Variants {
		if v.Name == *variant && v.Name != Original {
			return l.Buckets.Files, objectkey.Variant(f.Organization, f.ID, f.version,
				v.Name), mediatype.Type(v.ContentType), nil
		}
		if v.Name != Original {
			names = append(names, v.Name)
		}
	}
	if !picture {
		names = append(names, Original)
	}
	return "", "", "", fault.New(fault.NotFound, "variant-not-found",
		"The file has no such variant to hand out. It has: "+strings.Join(names, ", ")+".")
}
