package ingest

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-processing/internal/ingest/db"
	"github.com/toolboxai-solutions/satchel/shared/objectkey"
)

// settledKeys are uploads for which nothing waits any more, as far as this worker has seen: a form
// can be sent as often as one likes for as long as it is valid, and each time makes an event. It
// never says so of a key that could still come to wait, because an upload's row is made before its
// form and, unless what is held is redriven, never again. The zero value is ready for use.
type settledKeys struct {
	lock  sync.Mutex
	known map[objectkey.Key]bool
	ring  [settledMost]objectkey.Key // the oldest makes place for the next
	next  int
}

// settledMost bounds the memory: 100 KB.
const settledMost = 1024

func (s *settledKeys) add(key objectkey.Key) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.known[key] {
		return
	}
	if s.known == nil {
		s.known = map[objectkey.Key]bool{}
	}
	delete(s.known, s.ring[s.next])
	s.known[key], s.ring[s.next] = true, key
	s.next = (s.next + 1) % settledMost
}

func (s *settledKeys) has(key objectkey.Key) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.known[key]
}

// standing is what one read without a lock says of an object.
type standing struct {
	// over: it came for nothing, because its key is settled or another version has won.
	over bool
	// kept: one of the key's versions may be all that there is of a file, so that none may be
	// deleted.
	kept bool
	// working is how many files of the organization workers have at the moment.
	working int
}

// standing looks an object up, in one read at most. One that is held waits when a redrive has named
// its version, whatever was settled before.
func (p *Processor) standing(ctx context.Context, key objectkey.Key, version string,
	held bool) (now standing, err error) {
	if !held && p.settled.has(key) {
		return standing{over: true}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err = p.DB.Read(ctx, key.Organization, func(tx pgx.Tx) error {
		upload, err := db.New(tx).UploadStanding(ctx, db.UploadStandingParams{
			OrganizationID: key.Organization, FileID: key.File, Version: int32(key.Version),
			Incoming: p.Config.Buckets.Incoming, Most: int32(p.Config.Concurrency)})
		if err != nil {
			return err
		}
		named := held || upload.ObjectVersion != nil
		now = standing{over: !upload.Open || named && deref(upload.ObjectVersion) != version,
			kept: upload.Kept, working: int(upload.Working)}
		if !upload.Open && !upload.Kept {
			p.settled.add(key)
		}
		return nil
	})
	return now, err
}
