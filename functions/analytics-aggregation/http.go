package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup"
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

const (
	title   = "Satchel"
	version = "1"
)

func newAPI(c Config, db *tenantdb.DB, log *slog.Logger) *httpapi.API {
	api := httpapi.New(httpapi.Config{Title: title, Version: version, DB: db, Auth: c.Auth,
		CORS: c.CORS, Log: log})
	routes(api)
	return api
}

func routes(api *httpapi.API) {
	httpapi.Read(api, tabular[agentsBody](op("/agents", "list-agent-metrics",
		"List what agents did, period by period")), listAgents)
	httpapi.Read(api, tabular[agentsBody](op("/agents/{id}", "get-agent-metrics",
		"Get what one agent did, period by period", 404)), getAgent)
	httpapi.Read(api, op("/health", "get-health",
		"Get the health of the agents of the last hour, with its parts and reasons"), getHealth)
	httpapi.Read(api, tabular[anomaliesBody](op("/anomalies", "list-anomalies",
		"List when figures were far from what they are at the same hour of the week")),
		listAnomalies)
	httpapi.Read(api, tabular[usageReport](op("/usage", "get-usage-metrics",
		"Get what was used, period by period")), getUsage)
}

func op(path, id, summary string, errors ...int) huma.Operation {
	text := &huma.Schema{Type: huma.TypeString}
	notModified := &huma.Response{
		Description: "The answer of the ETag in If-None-Match still holds.",
		Headers:     map[string]*huma.Param{"ETag": {Schema: text}, "Cache-Control": {Schema: text}},
	}
	return huma.Operation{
		Method: http.MethodGet, Path: "/v1/analytics" + path, OperationID: id, Summary: summary,
		Tags: []string{"analytics"},
		Errors: append([]int{http.StatusUnauthorized, http.StatusForbidden,
			http.StatusUnprocessableEntity}, errors...),
		Responses: map[string]*huma.Response{"304": notModified},
	}
}

// Conditional lets a client ask whether an answer is still the one that it has.
type Conditional struct {
	IfNoneMatch string `header:"If-None-Match" maxLength:"200" doc:"The ETag of an earlier answer: 304 when it still holds."`
}

// answer is a body with its ETag, or 304 without one.
type answer[T any] struct {
	Status       int
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         *T
}

// tell answers 304 when the client has this body already. The tag is of the content: metrics that
// were computed again and came out the same have the same.
func tell[T any](in Conditional, body T) (*answer[T], error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	sum := sha256.Sum256(encoded)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	out := &answer[T]{Status: http.StatusOK, ETag: tag, CacheControl: "private, no-cache",
		Body: &body}
	for given := range strings.SplitSeq(in.IfNoneMatch, ",") {
		if strings.TrimPrefix(strings.TrimSpace(given), "W/") == tag {
			out.Status, out.Body = http.StatusNotModified, nil
		}
	}
	return out, nil
}

// Range is the time that is asked about.
type Range struct {
	From     time.Time       `query:"from" required:"true" doc:"Periods that overlap [from, to) are answered whole." example:"2026-03-02T00:00:00Z"`
	To       time.Time       `query:"to" required:"true" example:"2026-03-09T00:00:00Z"`
	Interval rollup.Interval `query:"interval" enum:"5m,1h,1d" default:"1h" doc:"At most 750 periods: 62 hours of 5m, 31 days of 1h."`
	Timezone string          `query:"tz" maxLength:"64" doc:"Whose hours and days are meant. Default: the organization's time zone." example:"Europe/Berlin"`
}

func (r Range) asked() rollup.Range {
	return rollup.Range{From: r.From.UTC(), To: r.To.UTC(), Interval: r.Interval,
		Timezone: r.Timezone}
}

// forStaff refuses members: figures of all agents are for those who run them.
func forStaff(c tenant.Caller) error {
	if !c.Role.AtLeast(tenant.Staff) {
		return fault.New(fault.Forbidden, "not-allowed",
			"Only staff and admins see analytics. Ask an admin of your organization for the role.")
	}
	return nil
}

type agentsIn struct {
	Conditional
	Range
	Format
	AgentType string `query:"agent_type" maxLength:"100"`
	Cursor    string `query:"cursor" maxLength:"200" doc:"next_cursor of the page before."`
	Limit     int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"The most agents that a page holds."`
}

type agentsBody struct {
	SeriesHead
	Agents     []seriesBody `json:"agents" nullable:"false"`
	NextCursor *string      `json:"next_cursor" doc:"Null on the last page."`
}

// mostBytes keeps a page below the 6 MB that a Lambda may answer, as file-api does.
const mostBytes = 2_900_000

func listAgents(ctx context.Context, tx pgx.Tx, c tenant.Caller,
	in *agentsIn) (*tableAnswer[agentsBody], error) {
	if err := forStaff(c); err != nil {
		return nil, err
	}
	cursor, err := httpapi.ParseCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	filter := rollup.AgentFilter{Type: in.AgentType, Limit: pageOf(in.Limit, in.Range)}
	if cursor != nil {
		filter.After = cursor.ID
	}
	found, err := rollup.ReadAgents(ctx, tx, c.Organization, in.asked(), filter)
	if err != nil {
		return nil, err
	}
	body := agentsBody{SeriesHead: headOf(in.Range, found.Zone, found.CompleteThrough),
		Agents: seriesOf(found.Series)}
	if found.Next != nil {
		next := httpapi.Cursor{CreatedAt: in.From, ID: *found.Next}.String()
		body.NextCursor = &next
	}
	return table(in.Conditional, in.Format, body, found.CompleteThrough, body.NextCursor)
}

// pageOf is how many agents fit into an answer: a period of one takes half a kilobyte.
func pageOf(limit int, r Range) int {
	length := map[rollup.Interval]time.Duration{rollup.FiveMinutes: 5 * time.Minute,
		rollup.Hour: time.Hour}[r.Interval]
	if length == 0 {
		length = 24 * time.Hour
	}
	periods := min(rollup.MostPeriods, max(1, int(r.To.Sub(r.From)/length)+2))
	const periodBytes = 900
	return max(1, min(limit, mostBytes/(periods*periodBytes)))
}

type agentIn struct {
	Conditional
	Range
	Format
	ID string `path:"id" doc:"The agent instance's id." example:"3f0c9a52-7c0e-4f6b-9d35-0f2f8a1f6e11"`
}

func getAgent(ctx context.Context, tx pgx.Tx, c tenant.Caller,
	in *agentIn) (*tableAnswer[agentsBody], error) {
	if err := forStaff(c); err != nil {
		return nil, err
	}
	id, err := uuid.Parse(in.ID)
	if err != nil || id == uuid.Nil {
		return nil, errNoMetrics()
	}
	found, err := rollup.ReadAgents(ctx, tx, c.Organization, in.asked(),
		rollup.AgentFilter{Only: id})
	if err != nil {
		return nil, err
	}
	if len(found.Series) == 0 {
		return nil, errNoMetrics()
	}
	body := agentsBody{SeriesHead: headOf(in.Range, found.Zone, found.CompleteThrough),
		Agents: seriesOf(found.Series)}
	return table(in.Conditional, in.Format, body, found.CompleteThrough, nil)
}

func errNoMetrics() error {
	return fault.New(fault.NotFound, "no-metrics",
		"Nothing is known of such an agent in this time. Ask for another time, or for all agents.")
}
