package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// retentionTable lets go of weeks of the history, in turn by dropping their partition and by
// deleting their rows.
func retentionTable(ctx context.Context, w *fixture) (table, error) {
	t := table{head: []string{"a week of", "rows", "ms", "MB of WAL", "times", "times the WAL"}}
	rows, err := w.superuser.Query(ctx, `SELECT c.relname FROM pg_inherits i
		JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'agent_executions'::regclass
		AND c.reltuples > 0 AND c.relname ~ '_[0-9]{8}$' ORDER BY c.relname LIMIT 7`)
	if err != nil {
		return t, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return t, err
	}
	if len(names) < 3 {
		return t, fmt.Errorf("only %d weeks have rows", len(names))
	}
	names = names[1:] // the first one is no whole week
	var dropped, deleted, droppedWAL, deletedWAL []float64
	n := 0
	for i := 0; i+1 < len(names); i += 2 {
		if err := w.superuser.QueryRow(ctx, "SELECT count(*) FROM "+names[i]).
			Scan(&n); err != nil {
			return t, err
		}
		took, wal, err := w.logged(ctx, "DELETE FROM "+names[i], "VACUUM "+names[i])
		if err != nil {
			return t, err
		}
		deleted, deletedWAL = append(deleted, took), append(deletedWAL, wal)
		if took, wal, err = w.logged(ctx, "DROP TABLE "+names[i+1]); err != nil {
			return t, err
		}
		dropped, droppedWAL = append(dropped, took), append(droppedWAL, wal)
	}
	t.add("DELETE and VACUUM", fmt.Sprint(n), ms(median(deleted)),
		fmt.Sprintf("%.2f", median(deletedWAL)), ratioOf(deleted, dropped).String(),
		ratioOf(deletedWAL, droppedWAL).String())
	t.add("partition dropped", fmt.Sprint(n), ms(median(dropped)),
		fmt.Sprintf("%.2f", median(droppedWAL)), "", "")
	return t, nil
}

// logged runs statements and returns their milliseconds, and the megabytes of WAL that they wrote.
func (w *fixture) logged(ctx context.Context, statements ...string) (took, wal float64,
	err error) {
	const position = `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn`
	var before, after float64
	if err := w.superuser.QueryRow(ctx, position).Scan(&before); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	for _, statement := range statements {
		if _, err := w.superuser.Exec(ctx, statement); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", statement, err)
		}
	}
	took = milliseconds(time.Since(began))
	err = w.superuser.QueryRow(ctx, position).Scan(&after)
	return took, (after - before) / 1e6, err
}
