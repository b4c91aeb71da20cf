package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	rollupEntry = "analytics-aggregation/run"
	bucketRows  = 10_000
	agents      = 1000
	// rollupRounds and agentRounds are how often each side is measured for each size of history.
	rollupRounds, agentRounds = 9, 2
)

// rollupQueries holds the statement as the function has it.
const rollupQueries = "functions/analytics-aggregation/internal/rollup/db/queries.sql"

// The per-agent way: two queries for each agent, as platforms have it that began with one agent.
const (
	agentTasks = `SELECT count(*), count(*) FILTER (WHERE status = 'completed'),
		count(*) FILTER (WHERE status = 'failed'), avg(execution_time_seconds),
		avg(quality_score), avg(memory_usage_mb), max(memory_usage_mb)
		FROM agent_executions WHERE organization_id = $1 AND agent_instance_id = $2
		AND ended_at >= $3 AND ended_at < $4`
	agentTimes = `SELECT percentile_disc(ARRAY[0.5, 0.95, 0.99])
		WITHIN GROUP (ORDER BY execution_time_seconds)
		FROM agent_executions WHERE organization_id = $1 AND agent_instance_id = $2
		AND ended_at >= $3 AND ended_at < $4`
	bareScan = `SELECT count(*), sum(execution_time_seconds) FROM agent_executions
		WHERE ended_at >= $1 AND ended_at < $2`
)

// sizeFigures are what was measured with so many rows of history.
type sizeFigures struct {
	history                                       int
	scan, fresh, unchanged, perAgent, far, farOne []float64 // milliseconds at the socket
	scanPlan, freshPlan, unchangedPlan            explained
}

// explained is a median of EXPLAIN (ANALYZE, BUFFERS, TIMING off).
type explained struct {
	planning, execution float64 // milliseconds
	buffers             int
}

func rollup(ctx context.Context, w *fixture) (s section, err error) {
	s = section{
		title: "What computing a bucket costs",
		method: fmt.Sprintf(`A five-minute bucket of %d tasks by %d agents of ten organizations, with history of 84 days in weekly partitions,
and four metric rows for every %d tasks of it. Ours is the function's own statement: counts, sums, exact percentiles, presence, and a
row written for each agent; unchanged is the same again, when nothing is written. Scan is the limit: count and sum of
the same rows, as the same role, in the same connection mode (described, not prepared). Per agent is two queries for each
agent, with an index on organization, agent and end, and writes nothing. Milliseconds at the socket, planning included;
then what EXPLAIN (ANALYZE, BUFFERS, TIMING off) tells. Each transaction is rolled back.`,
			bucketRows, agents, bucketRows),
	}
	statement, err := statementOf(w.options.queries, "ComputeBucket")
	if err != nil {
		return s, err
	}
	fleet, err := seedFleet(ctx, w.superuser)
	if err != nil {
		return s, err
	}
	b := bucketBench{fixture: w, fleet: fleet, compute: statement}
	var all []sizeFigures
	for _, size := range w.options.sizes {
		fmt.Fprintln(os.Stderr, "measuring rollup with", size, "rows of history")
		if err := fleet.grow(ctx, w.superuser, size); err != nil {
			return s, err
		}
		figures, err := b.measure(ctx, size)
		if err != nil {
			return s, err
		}
		all = append(all, figures)
	}
	s.tables = rollupTables(all)
	retention, err := retentionTable(ctx, w)
	if err != nil {
		return s, err
	}
	s.tables = append(s.tables, retention)
	s.notes = []string{"The last table: a week of the history, in turn dropped as a partition and " +
		"deleted by its rows, with the VACUUM that deleting needs.",
		"Pages are accesses: a bitmap scan counts a page once, an index scan once for each row that " +
			"it takes from it. A scan with about as many pages as the bucket has rows is an index scan.",
		"The plot: [rollup.png](rollup.png)."}
	return s, plotRollup(all, w.options.plot)
}

// statementOf reads a query and gives its parameters numbers: the bucket's start and end, and the
// organizations.
func statementOf(path, name string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	_, after, found := strings.Cut(string(text), "-- name: "+name+" ")
	if !found {
		return "", fmt.Errorf("%s has no query %s", path, name)
	}
	_, after, _ = strings.Cut(after, "\n")
	query, _, _ := strings.Cut(after, "-- name: ")
	return strings.NewReplacer("@period_start", "$1::timestamptz", "@period_end",
		"$2::timestamptz", "sqlc.narg('organizations')", "$3").Replace(query), nil
}

type bucketBench struct {
	*fixture
	fleet   fleet
	compute string
}

func (b bucketBench) arguments() []any {
	return []any{b.fleet.bucket, b.fleet.bucket.Add(5 * time.Minute), []uuid.UUID(nil)}
}

func (b bucketBench) measure(ctx context.Context, history int) (f sizeFigures, err error) {
	f.history = history
	role := b.Ready.Roles[rollupEntry]
	near, err := connect(ctx, role, uuid.Nil)
	if err != nil {
		return f, err
	}
	defer near.Close()
	u, err := url.Parse(role)
	if err != nil {
		return f, err
	}
	proxy, err := apart(u.Host, time.Millisecond/2)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, proxy.close()) }()
	address, err := at(role, proxy.address())
	if err != nil {
		return f, err
	}
	distant, err := connect(ctx, address, uuid.Nil)
	if err != nil {
		return f, err
	}
	defer distant.Close()

	sides := []func() (float64, error){
		b.rolledBack(ctx, near, nil, bareScan, b.arguments()[:2]...),
		b.rolledBack(ctx, near, nil, b.compute, b.arguments()...),
		b.rolledBack(ctx, near, b.computed, b.compute, b.arguments()...),
		b.rolledBack(ctx, distant, nil, b.compute, b.arguments()...),
	}
	if _, err := alternate(2, sides...); err != nil {
		return f, err
	}
	figures, err := alternate(rollupRounds, sides...)
	if err != nil {
		return f, err
	}
	f.scan, f.fresh, f.unchanged, f.farOne = figures[0], figures[1], figures[2], figures[3]
	agents, err := alternate(agentRounds, b.perAgent(ctx, near), b.perAgent(ctx, distant))
	if err != nil {
		return f, err
	}
	f.perAgent, f.far = agents[0], agents[1]
	for _, e := range []struct {
		into   *explained
		before func(context.Context, pgx.Tx) error
		query  string
		n      int
	}{{&f.scanPlan, nil, bareScan, 2}, {&f.freshPlan, nil, b.compute, 3},
		{&f.unchangedPlan, b.computed, b.compute, 3}} {
		if *e.into, err = b.explain(ctx, near, e.before, e.query, b.arguments()[:e.n]); err != nil {
			return f, err
		}
	}
	return f, nil
}

// computed computes the bucket, so that what follows finds nothing to change.
func (b bucketBench) computed(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, b.compute, b.arguments()...)
	return err
}

// clean removes what transactions that were rolled back have left.
func (b bucketBench) clean(ctx context.Context) error {
	_, err := b.superuser.Exec(ctx, `VACUUM agent_metrics, metrics_changes`)
	return err
}

// rolledBack is a side that times a query alone, in a transaction that leaves nothing.
func (b bucketBench) rolledBack(ctx context.Context, db *pgxpool.Pool,
	before func(context.Context, pgx.Tx) error, query string, arguments ...any,
) func() (float64, error) {
	return func() (took float64, err error) {
		if err := b.clean(ctx); err != nil {
			return 0, err
		}
		tx, err := db.Begin(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
		if before != nil {
			if err := before(ctx, tx); err != nil {
				return 0, err
			}
		}
		began := time.Now()
		_, err = tx.Exec(ctx, query, arguments...)
		return milliseconds(time.Since(began)), err
	}
}

// perAgent is a side that asks for each agent in turn.
func (b bucketBench) perAgent(ctx context.Context, db *pgxpool.Pool) func() (float64, error) {
	return func() (float64, error) {
		began := time.Now()
		for _, a := range b.fleet.agents {
			for _, query := range []string{agentTasks, agentTimes} {
				if err := fetch(ctx, db, 1, query, a.organization, a.id, b.fleet.bucket,
					b.fleet.bucket.Add(5*time.Minute)); err != nil {
					return 0, err
				}
			}
		}
		return milliseconds(time.Since(began)), nil
	}
}

var (
	planLine    = regexp.MustCompile(`^Planning Time: ([\d.]+) ms`)
	runLine     = regexp.MustCompile(`^Execution Time: ([\d.]+) ms`)
	buffersLine = regexp.MustCompile(`^\s+Buffers: shared hit=(\d+)(?: read=(\d+))?`)
)

func (b bucketBench) explain(ctx context.Context, db *pgxpool.Pool,
	before func(context.Context, pgx.Tx) error, query string, arguments []any,
) (explained, error) {
	var planning, execution, buffers []float64
	for range rollupRounds {
		lines, err := b.plan(ctx, db, before, query, arguments)
		if err != nil {
			return explained{}, err
		}
		touched := -1.0
		for _, line := range lines {
			if m := buffersLine.FindStringSubmatch(line); m != nil && touched < 0 {
				touched = number(m[1]) + number(m[2]) // the first is of the whole
			}
			if m := planLine.FindStringSubmatch(line); m != nil {
				planning = append(planning, number(m[1]))
			}
			if m := runLine.FindStringSubmatch(line); m != nil {
				execution = append(execution, number(m[1]))
			}
		}
		buffers = append(buffers, touched)
	}
	return explained{median(planning), median(execution), int(median(buffers))}, nil
}

func (b bucketBench) plan(ctx context.Context, db *pgxpool.Pool,
	before func(context.Context, pgx.Tx) error, query string, arguments []any,
) (lines []string, err error) {
	if err := b.clean(ctx); err != nil {
		return nil, err
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	if before != nil {
		if err := before(ctx, tx); err != nil {
			return nil, err
		}
	}
	rows, err := tx.Query(ctx, "EXPLAIN (ANALYZE, BUFFERS, TIMING off) "+query, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// number is that of digits that an expression has matched, and 0 for none.
func number(digits string) float64 {
	n, _ := strconv.ParseFloat(digits, 64)
	return n
}
