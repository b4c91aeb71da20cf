package migrations

import (
	"strings"
	"testing"
	"testing/fstest"
)

// A migration that needs a table which a long transaction reads: it must not keep that table's
// other users waiting behind it, and it goes through as soon as the transaction has ended, without
// doing again what is done.
func TestAMigrationLetsOthersPass(t *testing.T) {
	t.Parallel()
	_, owner := database(t)
	execute(t, owner, `CREATE TABLE busy (n int)`)
	reader := connect(t, owner)
	defer reader.Close(t.Context())
	if _, err := reader.Exec(t.Context(), `BEGIN; SELECT FROM busy`); err != nil {
		t.Fatal(err)
	}
	steps := fstest.MapFS{
		"0001_easy.sql": {Data: []byte(
			"-- +goose Up\nCREATE TABLE easy ();\n-- +goose Down\nDROP TABLE easy;\n")},
		"0002_blocked.sql": {Data: []byte(
			"-- +goose Up\nALTER TABLE busy ADD COLUMN m int;\n-- +goose Down\nALTER TABLE busy " +
				"DROP COLUMN m;\n")},
	}
	type outcome struct {
		names string
		err   error
	}
	ended := make(chan outcome, 1)
	go func() {
		applied, err := up(t.Context(), owner, nil, steps)
		var names []string
		for _, m := range applied {
			names = append(names, m.Name)
		}
		ended <- outcome{strings.Join(names, " "), err}
	}()
	const waits = `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE query LIKE 'ALTER TABLE busy%' AND wait_event_type = 'Lock')`
	for !ask[bool](t, owner, waits) {
	}
	execute(t, owner, `SET lock_timeout = '2min'; SELECT
		FROM busy`) // queues behind the migration, and gets through once that gives up
	if _, err := reader.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got.err != nil || got.names != "0001_easy.sql 0002_blocked.sql" {
		t.Errorf("up applied %q, %v", got.names, got.err)
	}
}
