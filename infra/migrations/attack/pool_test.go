package attack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// company is the victim itself, at work through the attacker's pool meanwhile: it reads its own
// rows, fails, and gives up half way. The function that is returned ends it.
func (w fixture) company(t *testing.T, db *tenantdb.DB, name, role string) (stop func()) {
	t.Helper()
	var readable []table
	for _, tb := range w.tables {
		if slices.Contains(w.readable(t, role, tb), tb.tenant) {
			readable = append(readable, tb)
		}
	}
	if len(readable) == 0 {
		t.Fatalf("%s can read nothing", role)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	rounds := 0
	done.Go(func() {
		for ; ctx.Err() == nil; rounds++ {
			if err := w.work(ctx, db, name, readable[rounds%len(readable)],
				rounds); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
		if rounds < 10 {
			t.Errorf("the victim used the pool only %d times", rounds)
		}
	}
}

// work is one transaction of the victim.
func (w fixture) work(ctx context.Context, db *tenantdb.DB, name string, tb table,
	round int) error {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	failure := errors.New("on purpose")
	err := db.InTenant(within, w.victim, func(tx pgx.Tx) error {
		var own, mine int
		err := tx.QueryRow(within, fmt.Sprintf(
			`SELECT count(*) FILTER (WHERE %[1]s = $1), count(*) FILTER (WHERE %[1]s = $2)
				FROM %[2]s`,
			tb.tenant, tb.name), w.victim, w.attacker).Scan(&own, &mine)
		if err != nil {
			return err
		}
		if own != 1 || mine != 0 && !shown(name, tb.name) {
			return fmt.Errorf("the victim sees %d rows of its own and %d of the attacker's in %s",
				own, mine, tb.name)
		}
		switch round % 8 {
		case 1:
			return failure
		case 3: // the transaction is broken
			_, err := tx.Exec(within, `SELECT 1 / 0`)
			if err == nil {
				return errors.New("a division by zero succeeded")
			}
			return failure
		case 5: // the connection is broken
			cancel()
			_, err := tx.Exec(within, `SELECT pg_sleep(1)`)
			return errors.Join(err, failure)
		case 7: // a setting that is meant to stay
			_, err := tx.Exec(within, `SELECT set_config('app.current_organization_id', $1, false)`,
				w.victim.String())
			return err
		}
		return nil
	})
	if errors.Is(err, failure) {
		return nil
	}
	return err
}

// sweep writes wherever the role may, without a condition: it may hit the attacker's own rows and
// no others.
func (w fixture) sweep(t *testing.T, db *tenantdb.DB) {
	t.Helper()
	w.fill(t, w.attacker)
	for _, sql := range []string{`UPDATE %[1]s SET %[2]s = %[2]s`, `DELETE FROM %[1]s`} {
		for _, r := range slices.Backward(w.rows) {
			for _, tb := range w.tables {
				if tb.name != r.table {
					continue
				}
				o, err := try(t.Context(), db, w.attacker, attack{},
					[]string{fmt.Sprintf(sql, tb.name, tb.tenant)}, tb.tenant == "id")
				if err != nil || o.rows > 1 {
					t.Errorf(sql+": %v, %v", tb.name, tb.tenant, o, err)
				}
			}
		}
	}
}
