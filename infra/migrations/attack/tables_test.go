package attack

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

// table is a tenant's table, as pg_catalog describes it.
type table struct {
	name        string // with its schema
	tenant      string // the column that says whose a row is
	partitioned bool
	columns     []string
	types       map[string]string // by column
	key         []string          // of the primary key, without tenant
	unique      []string          // of all keys, without tenant and what refers to another table
	references  []reference       // to tables of tenants
}

type reference struct {
	name    string
	columns []string // without tenant
}

// tablesOf is every table of tenants. A table that the suite cannot attack is an error.
func tablesOf(t *testing.T, d *pgtest.Database, known []rowOf) ([]table, error) {
	t.Helper()
	rows, err := d.Superuser.Query(t.Context(), `
		SELECT n.nspname || '.' || c.relname, c.oid::int8, c.relkind = 'p',
			ARRAY(SELECT attname::text FROM pg_attribute
				WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
				ORDER BY attnum),
			ARRAY(SELECT format_type(atttypid, NULL) FROM pg_attribute
				WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
				ORDER BY attnum),
			ARRAY(SELECT a.attname::text FROM pg_constraint k
				JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
				WHERE k.conrelid = c.oid AND k.contype = 'p'
					ORDER BY array_position(k.conkey, a.attnum))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition AND n.nspname !~ '^pg_'
			AND n.nspname <> 'information_schema'
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	var found []table
	for rows.Next() {
		var (
			next       = table{tenant: "organization_id", types: map[string]string{}}
			oid        int64
			types, key []string
		)
		if err := rows.Scan(&next.name, &oid, &next.partitioned, &next.columns,
			&types, &key); err != nil {
			t.Fatal(err)
		}
		if _, ok := notTenants[next.name]; ok {
			continue
		}
		if next.name == "public.organizations" {
			next.tenant = "id"
		}
		for i, column := range next.columns {
			next.types[column] = types[i]
		}
		next.key = slices.DeleteFunc(key, func(c string) bool { return c == next.tenant })
		found = append(found, next)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for i := range found {
		found[i].references = referencesOf(t, d, found[i])
		found[i].unique = uniqueOf(t, d, found[i])
		if !slices.ContainsFunc(known, func(r rowOf) bool { return r.table == found[i].name }) {
			return nil, fmt.Errorf("%s is not attacked: say in rowsOf how an organization "+
				"gets a row of it", found[i].name)
		}
		if !slices.Contains(found[i].columns, found[i].tenant) {
			return nil, fmt.Errorf("%s is not attacked: it has no column %s", found[i].name,
				found[i].tenant)
		}
	}
	if len(found) == 0 {
		return nil, errors.New("there is no table to attack")
	}
	return found, nil
}

func referencesOf(t *testing.T, d *pgtest.Database, tb table) []reference {
	t.Helper()
	rows, err := d.Superuser.Query(t.Context(), `
		SELECT k.conname::text, ARRAY(SELECT a.attname::text FROM pg_attribute a
			WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
			AND a.attname <> 'organization_id')
		FROM pg_constraint k WHERE k.conrelid = $1::text::regclass AND k.contype = 'f'
			AND k.confrelid NOT IN ('organizations'::regclass, 'users'::regclass)`, tb.name)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r reference, err error) {
		err = row.Scan(&r.name, &r.columns)
		return r, err
	})
	if err != nil {
		t.Fatal(err)
	}
	// One of the organization alone says nothing of another's row.
	return slices.DeleteFunc(found, func(r reference) bool { return len(r.columns) == 0 })
}

func uniqueOf(t *testing.T, d *pgtest.Database, tb table) []string {
	t.Helper()
	rows, err := d.Superuser.Query(t.Context(), `
		SELECT DISTINCT a.attname::text FROM pg_index i
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
		WHERE i.indrelid = $1::text::regclass AND i.indisunique AND a.attname <> $2
		AND (i.indisprimary OR NOT EXISTS (SELECT FROM pg_constraint k
			WHERE k.conrelid = i.indrelid AND k.contype = 'f'
			AND a.attnum = ANY (k.conkey)))`, tb.name, tb.tenant)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

// row is one row of a table, or one that could be.
type row struct {
	table
	values map[string]any // as jsonb writes them
	ctid   string
}

func (w fixture) row(t *testing.T, tb table, organization uuid.UUID) row {
	t.Helper()
	var image []byte
	r := row{table: tb}
	err := w.Superuser.QueryRow(t.Context(), `SELECT to_jsonb(t)::text, ctid::text FROM `+
		tb.name+` t WHERE `+tb.tenant+` = $1 LIMIT 1`, organization).Scan(&image, &r.ctid)
	if err != nil {
		t.Fatalf("%s has no row of the organization: %v", tb.name, err)
	}
	if err := json.Unmarshal(image, &r.values); err != nil {
		t.Fatal(err)
	}
	return r
}

// of is the row with another organization's id wherever its own was.
func (r row) of(organization string) row {
	was := fmt.Sprint(r.values[r.tenant])
	changed := maps.Clone(r.values)
	for column, value := range changed {
		if text, ok := value.(string); ok {
			changed[column] = strings.ReplaceAll(text, was, organization)
		}
	}
	r.values = changed
	return r
}

// with is the row with the values of another one in some columns.
func (r row) with(columns []string, from row) row {
	changed := maps.Clone(r.values)
	for _, column := range columns {
		changed[column] = from.values[column]
	}
	r.values = changed
	return r
}

// elsewhere is the row with values in these columns that no row has.
func (r row) elsewhere(columns []string) row {
	changed := maps.Clone(r.values)
	for _, column := range columns {
		if column == "granularity" {
			continue // one of a few words: it is the rest of the key that tells
		}
		switch r.types[column] {
		case "uuid":
			changed[column] = uuid.NewString()
		case "text":
			changed[column] = "nobody's " + uuid.NewString()
		case "bytea":
			changed[column] = fmt.Sprintf(`\x%x`, sha256.Sum256([]byte(uuid.NewString())))
		case "timestamp with time zone":
			changed[column] = time.Unix(rand.Int64N(1e9), 0).UTC().Format(time.RFC3339)
		default: // numbers
			changed[column] = rand.Int32()
		}
	}
	r.values = changed
	r.ctid = "(4000000,1)"
	return r
}

func (r row) literal(column string) string {
	return quote(fmt.Sprint(r.values[column])) + "::" + r.types[column]
}

// is says that a row is this one, by its key and, unless the key is nothing else, without its
// organization.
func (r row) is(withTenant bool) string {
	var parts []string
	if withTenant || len(r.key) == 0 {
		parts = append(parts, r.tenant+" = "+r.literal(r.tenant))
	}
	for _, column := range r.key {
		parts = append(parts, column+" = "+r.literal(column))
	}
	return strings.Join(parts, " AND ")
}

func (r row) insert() string {
	image, err := json.Marshal(r.values)
	if err != nil {
		panic(err)
	}
	columns := strings.Join(r.columns, ", ")
	return fmt.Sprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM "+
		"VALUE SELECT %s FROM jsonb_populate_record(NULL::%s, %s)", r.name, columns, columns,
		r.name, quote(string(image)))
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
