package maintenance

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/maintenance/db"
)

var errExplained = errors.New("explained")

// explained is a transaction in which a query runs, as the role and under the policies that it
// always runs as, and leaves the number of buffers that it touched.
type explained struct {
	pgx.Tx
	buffers *int
	plan    *string
}

var buffers = regexp.MustCompile(`Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?`)

func (e explained) Query(ctx context.Context, query string, arguments ...any) (pgx.Rows, error) {
	rows, err := e.Tx.Query(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) "+query, arguments...)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	*e.plan = strings.Join(lines, "\n")
	top := buffers.FindStringSubmatch(*e.plan) // the first is the whole query's
	for _, n := range top[1:] {
		pages, _ := strconv.Atoi(n)
		*e.buffers += pages
	}
	return nil, errExplained
}

const backlog = 100_000

// fill makes a backlog of every kind of work, in twenty organizations.
func (w *fixture) fill() {
	w.t.Helper()
	for _, sql := range []string{
		`INSERT INTO organizations (name, slug) SELECT 'o' || n, 'o' || n
			FROM generate_series(1, 20) n`,
		`INSERT INTO storage_quotas (organization_id, reserved_bytes, file_count)
			SELECT id, 1000000, 1000000 FROM organizations`,
		`INSERT INTO files (organization_id, filename, original_filename, file_size, mime_type,
			bucket_name, storage_path,
				uploaded_by, created_by, deletion_date, status, status_before_deletion, deleted_at)
			SELECT o.id, 'a.txt', 'a.txt', 1, 'text/plain', 'maintenance-incoming',
				'incoming/' || n, gen_random_uuid(), gen_random_uuid(),
				CASE WHEN n % 2 = 0 THEN now() - n * interval '1 second' END,
				CASE WHEN n % 2 = 0 THEN 'pending' ELSE 'deleted' END, CASE WHEN n % 2 = 1
					THEN 'error' END,
				CASE WHEN n % 2 = 1 THEN now() - interval '31 days' - n * interval '1 second' END
			FROM generate_series(1, $1::int / 20) n, organizations o`,
		`INSERT INTO file_uploads (organization_id, file_id, uploaded_by, reserved_bytes,
			expires_at, created_at, check_at)
			SELECT organization_id, id, uploaded_by, 1, now() - interval '1 hour',
				now() - interval '2 hours',
				now() - random() * interval '1 hour'
			FROM files WHERE status = 'pending'`,
		`INSERT INTO object_deletions (organization_id, bucket_name, prefix, due_at)
			SELECT o.id, 'maintenance-files', 'original/' || o.id || '/' || gen_random_uuid()
				|| '/', now() - n * interval '1 second'
			FROM generate_series(1, $1::int / 20) n, organizations o`,
		`INSERT INTO idempotency_keys (organization_id, user_id, route, key, request_hash,
			resource_id, expires_at)
			SELECT o.id, o.id, 'r', n::text, sha256(''), gen_random_uuid(),
				now() - n * interval '1 second'
			FROM generate_series(1, $1::int / 20) n, organizations o`,
	} {
		if strings.Contains(sql, "$1") {
			w.exec(sql, backlog)
		} else {
			w.exec(sql)
		}
	}
	w.exec(`ANALYZE files, file_uploads, object_deletions, idempotency_keys`)
}

// A backlog does not slow its own end: what a page costs does not depend on how much more is due,
// and no kind of work waits for another one's.
func TestABacklogOfEverything(t *testing.T) {
	w := newFixture(t)
	w.fill()
	now := w.now
	for name, query := range map[string]func(*db.Queries) error{
		"uploads": func(q *db.Queries) error {
			_, err := q.UploadsDue(t.Context(),
				db.UploadsDueParams{Now: now, Share: uploadShare, Page: page})
			return err
		},
		"retention": func(q *db.Queries) error {
			_, err := q.FilesPastDeletion(t.Context(),
				db.FilesPastDeletionParams{Now: &now, Page: page})
			return err
		},
		"trash": func(q *db.Queries) error {
			_, err := q.FilesInTrash(t.Context(),
				db.FilesInTrashParams{DeletedBefore: &now, Page: page})
			return err
		},
		"objects": func(q *db.Queries) error {
			_, err := q.DeletionsDue(t.Context(), db.DeletionsDueParams{Now: now, Page: page})
			return err
		},
	} {
		var touched int
		var plan string
		err := w.maintenance.DB.AcrossTenants(t.Context(), func(tx pgx.Tx) error {
			return query(db.New(explained{tx, &touched, &plan}))
		})
		if !errors.Is(err, errExplained) {
			t.Fatalf("%s: %v", name, err)
		}
		// A row of a page may lie in a block of its own; the index adds a few.
		if t.Logf("%s: %d buffers for a page of %d", name, touched, page); touched > 3*page {
			t.Errorf("%s: a page of %d rows touches %d buffers:\n%s", name, page, touched, plan)
		}
	}

	// No time at all is left, and yet each kind moves.
	ctx, cancel := context.WithTimeout(t.Context(), deadlineMargin+time.Second)
	defer cancel()
	done, err := w.maintenance.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	trashed := w.text(`SELECT count(*)::text FROM files WHERE status = 'deleted'`)
	if done.Expired == 0 || done.Purged == 0 || done.Prefixes == 0 || done.Keys == 0 ||
		trashed == strconv.Itoa(backlog/2) {
		t.Errorf("a run did %+v, and %s files are left in the trash", done, trashed)
	}
}

// What waits for one organization sends at most its share, and every other one has its own.
func TestOneOrganizationsBacklogTakesNobodysTurn(t *testing.T) {
	w := newFixture(t)
	large, small := w.member("large"), w.member("small")
	last := w.reserve(small)
	w.put(buckets().Incoming, incoming(last))
	w.exec(`UPDATE file_uploads SET check_at = $1`, w.now.Add(-time.Minute))
	first := w.reserve(large)
	w.exec(`INSERT INTO files
		SELECT (jsonb_populate_record(f, jsonb_build_object('id', gen_random_uuid()))).*
		FROM files f, generate_series(1, 500) WHERE id = $1`, first.ID)
	w.exec(`INSERT INTO file_uploads (organization_id, file_id, uploaded_by, reserved_bytes,
		expires_at, check_at)
		SELECT organization_id, id, uploaded_by, 1, $2, $3 FROM files WHERE organization_id = $1
		ON CONFLICT DO NOTHING`, large.Organization, w.now.Add(time.Hour), w.now.Add(-time.Hour))
	due, err := w.maintenance.uploadsDue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(due) != uploadShare+1 || due[uploadShare].FileID != last.ID {
		t.Errorf("a page has %d uploads, want %d of one organization and one of the other",
			len(due), uploadShare)
	}
	if done := w.run(); done.Requeued != 1 {
		t.Errorf("a run did %+v", done)
	}
}
