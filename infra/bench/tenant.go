package main

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const pointQuery = `SELECT filename, status, file_size FROM files
	WHERE organization_id = $1 AND id = $2`

// tenantSetting compares the door that every transaction takes with transactions that do without
// it.
func tenantSetting(ctx context.Context, w *fixture) (s section, err error) {
	s = section{
		title: "What the tenant's setting costs",
		method: `One transaction with one point query, as the role of file-api/http. InTenant is the door of package tenantdb: the setting travels in the
BEGIN. Plain is BEGIN, query, COMMIT in a session that has had the setting from its start, so that the same rows are found
under the same policy. Separate is BEGIN, set_config in a round trip of its own, query, COMMIT. Milliseconds a
transaction, on loopback and through a proxy that adds 1 ms in each direction.`,
	}
	t := table{head: []string{"network", "InTenant", "plain", "separate", "InTenant ÷ plain",
		"separate ÷ plain", "separate ÷ InTenant"}}
	role := w.Ready.Roles[entry]
	u, err := url.Parse(role)
	if err != nil {
		return s, err
	}
	proxy, err := apart(u.Host, time.Millisecond)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, proxy.close()) }()
	far, err := at(role, proxy.address())
	if err != nil {
		return s, err
	}
	for _, n := range []struct {
		name, address string
		rounds, times int
	}{{"loopback", role, 40, 150}, {"+ 1 ms each way", far, 40, 8}} {
		figures, err := w.doors(ctx, n.address, n.rounds, n.times)
		if err != nil {
			return s, err
		}
		door, plain, separate := figures[0], figures[1], figures[2]
		t.add(n.name, ms(median(door)), ms(median(plain)), ms(median(separate)),
			ratioOf(door, plain).String(), ratioOf(separate, plain).String(),
			ratioOf(separate, door).String())
	}
	s.tables = []table{t}
	return s, nil
}

func (w *fixture) doors(ctx context.Context, address string, rounds,
	times int) ([][]float64, error) {
	door, err := tenantdb.Open(ctx, tenantdb.Config{URL: address})
	if err != nil {
		return nil, err
	}
	defer door.Close()
	plain, err := connect(ctx, address, w.tenant.listed)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	separate, err := connect(ctx, address, uuid.Nil)
	if err != nil {
		return nil, err
	}
	defer separate.Close()

	point := func(tx pgx.Tx) error {
		return fetch(ctx, tx, 1, pointQuery, w.tenant.listed,
			w.tenant.file)
	}
	sides := []func() (float64, error){
		timed(times, func() error { return door.InTenant(ctx, w.tenant.listed, point) }),
		timed(times, func() error { return pgx.BeginFunc(ctx, plain, point) }),
		timed(times, func() error {
			return pgx.BeginFunc(ctx, separate, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, `SELECT set_config('app.current_organization_id', $1,
					true)`, w.tenant.listed.String()); err != nil {
					return err
				}
				return point(tx)
			})
		}),
	}
	if _, err := alternate(2, sides...); err != nil { // connections are open and caches full then
		return nil, err
	}
	return alternate(rounds, sides...)
}
