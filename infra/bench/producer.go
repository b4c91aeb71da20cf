package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
)

const (
	producers      = 16
	producerRounds = 21
	settlesEach    = 25 // of a producer in a round
)

// producer measures what telling adds to the transaction of a fact.
func producer(ctx context.Context, w *fixture) (section, error) {
	s := section{
		title: "Notifications: what telling costs the teller",
		method: fmt.Sprintf(`%d clients settle files of one organization at once, as the role of file-processing: one batch of statements in one transaction that
marks the file, moves the organization's quota and writes the access log, with and without outbox.Queue in the same batch. Round trips
are counted on the connection: how often something was read after something was written. WAL is what EXPLAIN (ANALYZE, WAL) counts for
the notification's insert, the median of 100. Milliseconds a transaction, %d rounds of %d × %d, in turn.`,
			producers, producerRounds, producers, settlesEach),
	}
	var pools []*pgxpool.Pool
	var trips atomic.Int64
	for range producers {
		pool, err := counted(ctx, w.Ready.Roles["file-processing/events"], w.tenant.uploads, &trips)
		if err != nil {
			return s, err
		}
		defer pool.Close()
		pools = append(pools, pool)
	}
	files, err := w.settling(ctx)
	if err != nil {
		return s, err
	}
	var counts [2][]float64
	side := func(tell int) func() (float64, error) {
		return func() (float64, error) {
			before := trips.Load()
			p50, err := w.settleAll(ctx, pools, files, tell == 1)
			counts[tell] = append(counts[tell],
				float64(trips.Load()-before)/float64(producers*settlesEach))
			return p50, err
		}
	}
	if _, err := alternate(2, side(0), side(1)); err != nil {
		return s, err
	}
	counts = [2][]float64{}
	figures, err := alternate(producerRounds, side(0), side(1))
	if err != nil {
		return s, err
	}
	wal, err := w.inboxWAL(ctx)
	if err != nil {
		return s, err
	}
	t := table{head: []string{"", "without", "with", "with ÷ without"}}
	t.add("ms p50", ms(median(figures[0])), ms(median(figures[1])),
		ratioOf(figures[1], figures[0]).String())
	t.add("round trips", fmt.Sprintf("%.2f", median(counts[0])),
		fmt.Sprintf("%.2f", median(counts[1])), fmt.Sprintf("%+.2f", median(counts[1])-
			median(counts[0])))
	t.add("bytes of WAL", "", whole(wal), fmt.Sprintf("%+.0f", wal))
	s.tables = []table{t}
	_, err = w.superuser.Exec(ctx, `DELETE FROM notification_inbox`)
	return s, err
}

// settling makes the files that are settled again and again.
func (w *fixture) settling(ctx context.Context) ([]uuid.UUID, error) {
	rows, err := w.superuser.Query(ctx, `
		INSERT INTO files (organization_id, filename, original_filename, file_size, mime_type,
			bucket_name, storage_path, uploaded_by, created_by)
		SELECT $1, 'settled', 'settled', 1, 'text/plain', 'bench', 'bench', gen_random_uuid(),
			gen_random_uuid() FROM generate_series(1, $2::int) RETURNING id`,
		w.tenant.uploads, producers)
	if err != nil {
		return nil, err
	}
	files, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, err
	}
	_, err = w.superuser.Exec(ctx, `INSERT INTO storage_quotas (organization_id) VALUES ($1)
		ON CONFLICT DO NOTHING`, w.tenant.uploads)
	return files, err
}

// settleAll returns the median of what a transaction took.
func (w *fixture) settleAll(ctx context.Context, pools []*pgxpool.Pool, files []uuid.UUID,
	tell bool) (float64, error) {
	var mu sync.Mutex
	var took []float64
	all, ctx := errgroup.WithContext(ctx)
	for i, pool := range pools {
		all.Go(func() error {
			for range settlesEach {
				began := time.Now()
				if err := w.settle(ctx, pool, files[i], tell); err != nil {
					return err
				}
				mu.Lock()
				took = append(took, milliseconds(time.Since(began)))
				mu.Unlock()
			}
			return nil
		})
	}
	err := all.Wait()
	return median(took), err
}

func (w *fixture) settle(ctx context.Context, pool *pgxpool.Pool, file uuid.UUID,
	tell bool) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		batch.Queue(`UPDATE files SET status = 'available', updated_at = now()
			WHERE organization_id = $1 AND id = $2`, w.tenant.uploads, file)
		batch.Queue(`UPDATE storage_quotas SET used_bytes = used_bytes + 1
			WHERE organization_id = $1`, w.tenant.uploads)
		batch.Queue(`INSERT INTO file_access_logs (organization_id, file_id, action)
			VALUES ($1, $2, 'process')`, w.tenant.uploads, file)
		if tell {
			verdict := storedfile.Verdict{Version: 1, Size: 1}
			if err := outbox.Queue(batch, w.tenant.uploads,
				verdict.Notification(file, file)); err != nil {
				return err
			}
		}
		return tx.SendBatch(ctx, batch).Close()
	})
}

// inboxWAL is how many bytes of WAL the insert of one notification takes.
func (w *fixture) inboxWAL(ctx context.Context) (float64, error) {
	batch := &pgx.Batch{}
	file := uuid.New()
	verdict := storedfile.Verdict{Version: 1, Size: 1_000_000, Width: 4000, Height: 3000}
	if err := outbox.Queue(batch, w.tenant.uploads, verdict.Notification(file, file)); err != nil {
		return 0, err
	}
	insert := batch.QueuedQueries[0]
	var all []float64
	for range 100 {
		rows, err := w.superuser.Query(ctx, "EXPLAIN (ANALYZE, WAL) "+insert.SQL,
			insert.Arguments...)
		if err != nil {
			return 0, err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return 0, err
		}
		found := walBytes.FindStringSubmatch(strings.Join(lines, "\n"))
		if found == nil {
			return 0, errors.New("EXPLAIN counts no WAL")
		}
		n, _ := strconv.ParseFloat(found[1], 64)
		all = append(all, n)
	}
	return median(all), nil
}

var walBytes = regexp.MustCompile(`WAL: .*bytes=(\d+)`)

// counted connects as connect does, with one connection, and counts its round trips.
func counted(ctx context.Context, address string, organization uuid.UUID,
	trips *atomic.Int64) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	c.MaxConns = 1
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	c.ConnConfig.RuntimeParams["app.current_organization_id"] = organization.String()
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, to string) (net.Conn, error) {
		conn, err := dial(ctx, network, to)
		return &countedConn{Conn: conn, trips: trips}, err
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// countedConn counts how often something is read after something was written.
type countedConn struct {
	net.Conn
	wrote atomic.Bool
	trips *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.wrote.Store(true)
	return c.Conn.Write(p)
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.wrote.Swap(false) {
		c.trips.Add(1)
	}
	return n, err
}
