package outbox_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
)

// What is promised stands and falls with the transaction of its fact, and belongs to its
// organization.
func TestQueue(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	school, other := d.Organization(t, "school"), d.Organization(t, "other")
	db := d.DB(t, "file-processing/events")
	subject := uuid.New()
	send := func(to uuid.UUID, n outbox.Notification, end error) error {
		return db.InTenant(t.Context(), school, func(tx pgx.Tx) error {
			batch := &pgx.Batch{}
			if err := outbox.Queue(batch, to, n); err != nil {
				return err
			}
			return errors.Join(tx.SendBatch(t.Context(), batch).Close(), end)
		})
	}
	if err := send(school, outbox.Notification{Topic: "file.available", Subject: subject,
		Payload: map[string]int{"version": 1}}, nil); err != nil {
		t.Fatal(err)
	}
	user := uuid.New()
	if err := send(school, outbox.Notification{Topic: "file.rejected", Subject: subject,
		User: user}, nil); err != nil {
		t.Fatal(err)
	}
	rolledBack := errors.New("rolled back")
	if err := send(school, outbox.Notification{Topic: "file.deleted", Subject: subject},
		rolledBack); !errors.Is(err, rolledBack) {
		t.Fatal(err)
	}
	for name, wrong := range map[string]outbox.Notification{
		"topic":                     {Topic: "File Deleted", Subject: subject},
		"payload that is no object": {Topic: "file.deleted", Subject: subject, Payload: 5},
		"payload that is no JSON": {Topic: "file.deleted", Subject: subject,
			Payload: make(chan int)},
	} {
		if err := send(school, wrong, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := send(other, outbox.Notification{Topic: "file.deleted", Subject: subject},
		nil); err == nil {
		t.Error("another organization was told")
	}
	var got string
	err := d.Superuser.QueryRow(
		t.Context(),
		`SELECT string_agg(concat_ws(' ', topic, payload, user_id), ', ' ORDER BY position)
			FROM notification_inbox
		WHERE organization_id = $1 AND subject_id = $2`,
		school,
		subject,
	).Scan(
		&got,
	)
	if want := `file.available {"version": 1}, file.rejected {} ` + user.String(); err != nil ||
		got != want {
		t.Errorf("outbox holds %s, %v; want %s", got, err, want)
	}
}
