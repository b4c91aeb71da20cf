package main

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

type usageOut struct {
	Body struct {
		Quota quotaBody `json:"quota"`
	}
}

type quotaBody struct {
	Total    int64      `json:"total" doc:"Bytes."`
	Used     int64      `json:"used" doc:"Bytes of accepted files, including those in the trash. Variants do not count."`
	Reserved int64      `json:"reserved" doc:"Bytes of uploads that have not finished."`
	Free     int64      `json:"free" doc:"Bytes."`
	Files    int        `json:"files"`
	MaxFiles int        `json:"max_files"`
	Percent  float64    `json:"percent" doc:"The share of total that is used or reserved."`
	Level    string     `json:"level" enum:"ok,warning,critical"`
	Limits   limitsBody `json:"limits" doc:"The largest single file of each kind, in bytes."`
}

type limitsBody struct {
	Image    int64 `json:"image"`
	Video    int64 `json:"video"`
	Audio    int64 `json:"audio"`
	Document int64 `json:"document"`
}

func (h handlers) usage(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	_ *struct{}) (*usageOut, error) {
	u, err := h.library.Usage(ctx, tx, by)
	if err != nil {
		return nil, err
	}
	out := &usageOut{}
	out.Body.Quota = quotaBody{
		Total: u.Total, Used: u.Used, Reserved: u.Reserved, Free: u.Free, Files: u.Files,
		MaxFiles: u.MaxFiles, Percent: u.Percent, Level: u.Level,
		Limits: limitsBody{Image: u.MaxImage, Video: u.MaxVideo, Audio: u.MaxAudio,
			Document: u.MaxDocument},
	}
	return out, nil
}
