package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// IdempotencyKey is an input's field for the header Idempotency-Key: embed it.
type IdempotencyKey struct {
	Key string `header:"Idempotency-Key" minLength:"1" maxLength:"255" pattern:"^[!-~]+$" patternDescription:"printable ASCII without spaces" doc:"A key of your choice, such as a UUID. The same request with the same key within 24 hours takes effect once."`
}

// HashRequest returns the SHA-256 of v as JSON, by which BeginIdempotent tells a repeated
// request from a different one under the same key.
func HashRequest(v any) ([]byte, error) {
	encoded, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("hash request: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return sum[:], nil
}

// BeginIdempotent reports whether the caller has made this request before. On a replay, resource is
// what the first request created, and the handler answers from it. Otherwise the handler does its
// work and calls CompleteIdempotent in the same transaction. An empty key is never a replay.
//
// It locks the key until the transaction ends, and no row says "running": a Lambda that dies leaves
// nothing behind that would block the next attempt. While another request holds the key it returns
// 409 request-in-progress; for a different request under the same key, 422 idempotency-key-reused.
func BeginIdempotent(ctx context.Context, tx pgx.Tx, by tenant.Caller, route, key string,
	requestHash []byte) (resource uuid.UUID, replay bool, err error) {
	if key == "" {
		return uuid.Nil, false, nil
	}
	// Two statements, the lock first: the look-up's snapshot is then taken after whoever held the
	// lock has committed.
	var locked bool
	var earlier []byte
	batch := &pgx.Batch{}
	scope := fmt.Sprintf("idempotency %s %s %s %s", by.Organization, by.User, route, key)
	batch.Queue(`SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))`,
		scope).QueryRow(func(row pgx.Row) error {
		return row.Scan(&locked)
	})
	batch.Queue(`SELECT request_hash, resource_id FROM idempotency_keys
		WHERE organization_id = $1 AND user_id = $2 AND route = $3 AND key = $4
			AND expires_at > now()`,
		by.Organization, by.User, route, key).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&earlier, &resource)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return uuid.Nil, false, fmt.Errorf("look up idempotency key: %w", err)
	}
	switch {
	case !locked:
		return uuid.Nil, false, fault.New(fault.Conflict, "request-in-progress",
			"The first request with this Idempotency-Key is still running. Send it again "+
				"in a moment to get its result.").After(time.Second)
	case earlier == nil:
		return uuid.Nil, false, nil
	case !bytes.Equal(earlier, requestHash):
		return uuid.Nil, false, fault.New(fault.Invalid, "idempotency-key-reused",
			"This Idempotency-Key was used for another request. Use a new key for a new request.")
	}
	return resource, true, nil
}

// Execer is a transaction, or the batch of one (tenantdb.Queue).
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// CompleteIdempotent records what the request under key created, for 24 hours. Call it after
// BeginIdempotent, in the same transaction. With an empty key it does nothing.
func CompleteIdempotent(ctx context.Context, tx Execer, by tenant.Caller, route, key string,
	requestHash []byte, resource uuid.UUID) error {
	if key == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO idempotency_keys AS k (organization_id, user_id, route, key, request_hash,
			resource_id)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (organization_id, user_id, route, key) DO UPDATE
		SET request_hash = excluded.request_hash, resource_id = excluded.resource_id,
			created_at = excluded.created_at, expires_at = excluded.expires_at
		WHERE k.expires_at <= now()`,
		by.Organization, by.User, route, key, requestHash, resource)
	if err != nil {
		return fmt.Errorf("record idempotency key: %w", err)
	}
	return nil
}
