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

// RecordConsent puts on record that consent was given. One that is in force already is withdrawn in
// its favour, unless it says the same.
func (l *Library) RecordConsent(ctx context.Context, tx pgx.Tx, by tenant.Caller, id uuid.UUID, givenBy,
	basis string) (File, error) {
	d, file, err := l.consentDesk(ctx, tx, by, id)
	if err != nil {
		return File{}, err
	}
	if file.Consent != nil && file.Consent.GivenBy == givenBy && file.Consent.Basis == basis {
		return file, nil
	}
	if _, err := d.withdraw(ctx, id); err != nil {
		return File{}, err
	}
	err = d.q.InsertConsent(ctx, db.InsertConsentParams{
		OrganizationID: d.organization, ID: uuid.New(), FileID: id, GivenBy: givenBy, Basis: basis,
		RecordedBy: by.User, RecordedAt: d.now,
	})
	if err != nil {
		return File{}, fmt.Errorf("record consent for file %s: %w", id, err)
	}
	if err := d.log(ctx, id, "consent", map[string]any{"given": true}); err != nil {
		return File{}, err
	}
	return d.file(ctx, id)
}

// WithdrawConsent ends the consent in force; the record that it was once given stays. Links that
// were signed before end within LinkTime.
func (l *Library) WithdrawConsent(ctx context.Context, tx pgx.Tx,
	by tenant.Caller, id uuid.UUID) (File, error) {
	d, _, err := l.consentDesk(ctx, tx, by, id)
	if err != nil {
		return File{}, err
	}
	withdrawn, err := d.withdraw(ctx, id)
	if err != nil {
		return File{}, err
	}
	if !withdrawn {
		return File{}, fault.New(fault.Conflict, "no-consent",
			"No consent is on record for this file, so there is nothing to withdraw.")
	}
	if err := d.log(ctx, id, "consent", map[string]any{"given": false}); err != nil {
		return File{}, err
	}
	return d.file(ctx, id)
}

func (l *Library) consentDesk(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	id uuid.UUID) (desk, File, error) {
	d := l.desk(tx, by)
	if _, _, err := d.lock(ctx, id); err != nil {
		return d, File{}, err
	}
	if !canManageConsent(by) {
		return d, File{}, notYours("Only staff may record or withdraw consent. Ask a teacher.")
	}
	file, err := d.file(ctx, id)
	return d, file, err
}

func (d desk) withdraw(ctx context.Context, id uuid.UUID) (bool, error) {
	n, err := d.q.WithdrawConsent(ctx, db.WithdrawConsentParams{OrganizationID: d.organization,
		FileID: id, Now: &d.now, WithdrawnBy: &d.actor.User})
	if err != nil {
		return false, fmt.Errorf("withdraw consent for file %s: %w", id, err)
	}
	return n > 0, nil
}
