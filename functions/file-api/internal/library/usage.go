package library

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library/db"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Usage is what an organization's files take of its quota. Sizes are bytes.
type Usage struct {
	Total    int64
	Used     int64 // accepted originals, deleted ones included until they are purged
	Reserved int64 // uploads that may still come
	Free     int64
	Files    int
	MaxFiles int
	Percent  float64 // of Total that is used or reserved, to two decimals
	Level    string  // ok, warning or critical

	// The largest single file of a kind; for kinds without a limit of their own it is the
	// installation's.
	MaxImage, MaxVideo, MaxAudio, MaxDocument int64
}

// Usage returns what the organization's files take.
func (l *Library) Usage(ctx context.Context, tx pgx.Tx, by tenant.Caller) (Usage, error) {
	quota, err := db.New(tx).Quota(ctx, by.Organization)
	if errors.Is(err, pgx.ErrNoRows) {
		quota = freshQuota()
	} else if err != nil {
		return Usage{}, fmt.Errorf("read quota: %w", err)
	}
	return usageOf(quota, l.Limits.MaxFileSize), nil
}

// freshQuota is the row that an organization's first upload makes: the defaults of storage_quotas.
func freshQuota() db.StorageQuota {
	return db.StorageQuota{TotalBytes: 1 << 30, MaxFiles: 100_000, WarningPercent: 80,
		CriticalPercent: 95}
}

func usageOf(q db.StorageQuota, maxFileSize int64) Usage {
	taken := q.UsedBytes + q.ReservedBytes
	u := Usage{
		Total: q.TotalBytes, Used: q.UsedBytes, Reserved: q.ReservedBytes,
		Free:  max(0, q.TotalBytes-taken),
		Files: int(q.FileCount), MaxFiles: int(q.MaxFiles), Percent: 100, Level: "ok",
		MaxImage:    limit(q.MaxImageBytes, maxFileSize),
		MaxVideo:    limit(q.MaxVideoBytes, maxFileSize),
		MaxAudio:    limit(q.MaxAudioBytes, maxFileSize),
		MaxDocument: limit(q.MaxDocumentBytes, maxFileSize),
	}
	if q.TotalBytes > 0 {
		u.Percent = math.Round(float64(taken)/float64(q.TotalBytes)*10_000) / 100
	}
	switch {
	case u.Percent >= float64(q.CriticalPercent):
		u.Level = "critical"
	case u.Percent >= float64(q.WarningPercent):
		u.Level = "warning"
	}
	return u
}

func limit(own *int64, installation int64) int64 {
	if own == nil {
		return installation
	}
	return min(*own, installation)
}
