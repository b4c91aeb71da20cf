package maintenance

import (
	"testing"
)

// record makes a record of the access log of so many days ago, with its origin.
const record = `
WITH record AS (
	INSERT INTO file_access_logs (organization_id, file_id, action, details, occurred_at)
	SELECT $1, gen_random_uuid(), 'view', jsonb_build_object('days', days),
		now() - days * interval '1 day'
	FROM unnest($2::int[]) days RETURNING organization_id, id, occurred_at
)
INSERT INTO file_access_origins (organization_id, id, occurred_at, ip_address)
SELECT organization_id, id, occurred_at, '192.0.2.1' FROM record`

// What is kept about people ends, whoever they are: by the partition, and earlier where their
// organization says so.
func TestRecordsEnd(t *testing.T) {
	w := newFixture(t)
	long, short := w.db.Organization(t, "long"), w.db.Organization(t, "short")
	w.exec(`UPDATE organizations SET data_retention_days = 10 WHERE id = $1`, short)
	// A partition of a past month and of a past day, as earlier runs made them, beside the default.
	for _, sql := range []string{
		`DO $$ DECLARE begins timestamptz := date_trunc('month', now() - interval '450 days', 'UTC');
		BEGIN
			EXECUTE format('CREATE TABLE past_month PARTITION OF file_access_logs
				FOR VALUES FROM (%L) TO (%L)', begins, begins + interval '32 days');
			ALTER TABLE past_month OWNER TO satchel_owner;
			begins := date_trunc('day', now() - interval '35 days', 'UTC');
			EXECUTE format('CREATE TABLE past_day PARTITION OF file_access_origins
				FOR VALUES FROM (%L) TO (%L)', begins, begins + interval '1 day');
			ALTER TABLE past_day OWNER TO satchel_owner;
		END $$`,
	} {
		w.exec(sql)
	}
	for _, organization := range []any{long, short} {
		w.exec(record, organization, []int{0, 9, 11, 29, 31, 35, 399, 401, 450})
	}
	w.exec(`INSERT INTO rate_limits (organization_id, bucket, tat)
		SELECT $1, 'minutes ' || m, now() - m * interval '1 minute'
		FROM unnest('{-1,59,61}'::int[]) m`, long)
	w.exec(`DO $$ BEGIN EXECUTE format('DROP TABLE file_access_origins_%s',
		to_char(now() AT TIME ZONE 'UTC' + interval '3 days', 'YYYYMMDD')); END $$`)

	done := w.run()
	if done.Dropped != 2 || done.Made < 1 || done.Records != 5 || done.Limits != 1 {
		t.Errorf("maintenance did %+v", done)
	}
	for table, want := range map[string][2]string{
		"file_access_logs":    {"0,9,11,29,31,35,399", "0,9"},
		"file_access_origins": {"0,9,11,29", "0,9"},
	} {
		for i, organization := range []any{long, short} {
			w.wantText(want[i], `SELECT string_agg(days::text, ',' ORDER BY days) FROM (
				SELECT round(extract(epoch FROM now() - occurred_at) / 86400)::int AS days
				FROM `+table+` WHERE organization_id = $1) d`, organization)
		}
	}
	w.wantText("minutes -1,minutes 59",
		`SELECT string_agg(bucket, ',' ORDER BY bucket) FROM rate_limits`)
	if again := w.run(); again != (Summary{}) {
		t.Errorf("the next run did %+v", again)
	}
}
