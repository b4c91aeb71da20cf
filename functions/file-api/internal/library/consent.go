package library

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// RecordConsent records that consent was given. It replaces the consent in force, unless that says
// the same.
func (l *Library) RecordConsent(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID,
	givenBy,
	basis string) (File, error) {
	r, file, err := l.beginConsent(ctx, tx, by, id)
	if err != nil {
		return File{}, err
	}
	if file.Consent != nil && file.Consent.GivenBy == givenBy && file.Consent.Basis == basis {
		return file, nil
	}
	if _, err := r.withdraw(ctx, id); err != nil {
		return File{}, err
	}
	err = r.q.InsertConsent(ctx, db.InsertConsentParams{
		OrganizationID: r.organization, ID: uuid.New(), FileID: id, GivenBy: givenBy, Basis: basis,
		RecordedBy: by.User, RecordedAt: r.now,
	})
	if err != nil {
		return File{}, fmt.Errorf("record consent for file %s: %w", id, err)
	}
	if err := r.log(ctx, id, ActionConsent, map[string]any{"given": true}); err != nil {
		return File{}, err
	}
	return r.file(ctx, id)
}

// WithdrawConsent ends the consent in force; the record that it was once given stays. Links that
// were signed before end within LinkTime.
func (l *Library) WithdrawConsent(ctx context.Context, tx pgx.Tx,
	by tenant.Caller, id uuid.UUID) (File, error) {
	r, _, err := l.beginConsent(ctx, tx, by, id)
	if err != nil {
		return File{}, err
	}
	withdrawn, err := r.withdraw(ctx, id)
	if err != nil {
		return File{}, err
	}
	if !withdrawn {
		return File{}, fault.New(fault.Conflict, "no-consent",
			"No consent is recorded for this file, so there is nothing to withdraw.")
	}
	if err := r.log(ctx, id, ActionConsent, map[string]any{"given": false}); err != nil {
		return File{}, err
	}
	return r.file(ctx, id)
}

func (l *Library) beginConsent(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (request, File, error) {
	r := l.begin(tx, by)
	if _, _, err := r.lock(ctx, id); err != nil {
		return r, File{}, err
	}
	if !canManageConsent(by) {
		return r, File{}, notAllowed(
			"Only staff can record or withdraw consent. Ask a teacher.")
	}
	file, err := r.file(ctx, id)
	return r, file, err
}

func (r request) withdraw(ctx context.Context, id uuid.UUID) (bool, error) {
	n, err := r.q.WithdrawConsent(ctx, db.WithdrawConsentParams{OrganizationID: r.organization,
		FileID: id, Now: &r.now, WithdrawnBy: &r.by.User})
	if err != nil {
		return false, fmt.Errorf("withdraw consent for file %s: %w", id, err)
	}
	return n > 0, nil
}
