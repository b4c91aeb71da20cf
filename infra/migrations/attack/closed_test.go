package attack

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Without an organization, or with one that is none, every table is empty and takes nothing.
func TestWithoutAnOrganizationThereIsNothing(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	before := w.traces(t, w.victim)
	for _, name := range attackers() {
		db, role := w.open(t, name)
		for _, tb := range w.tables {
			if shownUnset(name, tb.name) {
				continue
			}
			there, _ := w.probes(t, tb, role, w.victim, w.victim)
			for _, setting := range []string{"", "''", "'00000000-0000-0000-0000-000000000000'",
				"'garbage'", "' '", "'%'", "NULL"} {
				attempts := []string{
					`SELECT 1 FROM {table}`, `UPDATE {table} SET {column} = {column}`,
					`DELETE FROM {table}`,
				}
				// an entry that may add in a transaction of none may do so there alone
				none := setting == "" || setting == "''" || setting == "NULL"
				if !none || !addedUnset(name, tb.name) {
					attempts = append(attempts, there.target.elsewhere(tb.unique).insert())
				}
				for _, sql := range attempts {
					if sql == `SELECT 1 FROM {table}` && shown(name, tb.name) {
						continue
					}
					var o outcome
					err := db.AcrossTenants(t.Context(), func(tx pgx.Tx) (err error) {
						if setting != "" {
							if _, err := tx.Exec(t.Context(),
								`SELECT set_config('app.current_organization_id', `+setting+
									`, true)`); err != nil {
								return err
							}
						}
						o, err = perform(t.Context(), tx, false, there.expand(sql))
						return err
					})
					if err == nil && o.rows != 0 {
						t.Errorf("%s with organization %s: %s: %v", name, setting,
							there.expand(sql), o)
					}
				}
			}
		}
	}
	for table, trace := range w.traces(t, w.victim) {
		if trace != before[table] {
			t.Errorf("rows of %s were %s and are %s", table, before[table], trace)
		}
	}
}

// Row-level security is no answer to SQL injection: who can run any statement can also say that it
// is another organization. That this works is what keeps every statement of the functions a
// constant.
func TestWhoeverRunsAnyStatementMayChooseTheOrganization(t *testing.T) {
	t.Parallel()
	w := newFixture(t, "")
	db, _ := w.open(t, "file-api/http")
	var seen uuid.UUID
	err := db.InTenant(t.Context(), w.attacker, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(),
			`SELECT set_config('app.current_organization_id', $1, true)`,
			w.victim.String()); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), `SELECT organization_id FROM files`).Scan(&seen)
	})
	if err != nil || seen != w.victim {
		t.Errorf("sees %v, %v: if this is refused now, say so in the documentation", seen, err)
	}
}
