package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	organizations = 100
	filesEach     = 1000
	// slugs of the organization whose rows are read, and of the one that files are sent to.
	listedSlug  = "bench-50"
	uploadsSlug = "bench-uploads"
)

// tenants are the two organizations that the measurements use.
type tenants struct {
	listed, uploads uuid.UUID
	file            uuid.UUID // one of the listed organization's
}

// seed fills the database. The rows of one organization lie among those of all others, as they do
// where all organizations work at the same time.
func seed(ctx context.Context, db *pgxpool.Pool) (t tenants, err error) {
	for _, statement := range []string{
		fmt.Sprintf(`INSERT INTO organizations (name, slug) SELECT 'Bench', 'bench-' || n
			FROM generate_series(1, %d) n`, organizations),
		// More requests in a minute than a bench can send: what limits them is not measured here.
		`INSERT INTO organizations (name, slug, rate_limit_per_minute) VALUES ('Bench', '` +
			uploadsSlug + `', 1000000)`,
		fmt.Sprintf(`INSERT INTO files (organization_id, filename, original_filename,
			file_extension, file_size, mime_type, bucket_name,
				storage_path, status, category, uploaded_by, created_by, created_at)
			SELECT o.id, named.name, named.name, 'pdf', 1000 + n, 'application/pdf', 'bench',
				'bench',
				CASE WHEN n %% 50 = 0 THEN 'error' ELSE 'available' END,
				CASE WHEN n %% 20 = 0 THEN 'report' ELSE 'educational_content' END,
				md5((n %% 30)::text)::uuid, md5((n %% 30)::text)::uuid,
					now() - n * interval '1 hour'
			FROM generate_series(1, %d) n, organizations o,
				LATERAL (SELECT 'lesson ' || n || ' on ' || md5(n::text || o.slug)
					|| '.pdf' AS name) named
			WHERE o.slug <> '`+uploadsSlug+`' AND o.slug LIKE 'bench-%%'
				ORDER BY n, o.id`, filesEach),
		`VACUUM ANALYZE files`,
	} {
		if _, err := db.Exec(ctx, statement); err != nil {
			return t, fmt.Errorf("fill the database: %w", err)
		}
	}
	err = db.QueryRow(ctx, `SELECT a.id, b.id,
		(SELECT id FROM files WHERE organization_id = a.id AND filename LIKE 'lesson 500 %')
		FROM organizations a, organizations b
			WHERE a.slug = $1 AND b.slug = $2`, listedSlug, uploadsSlug).Scan(&t.listed, &t.uploads, &t.file)
	return t, err
}
