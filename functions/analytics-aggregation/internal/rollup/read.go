package rollup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/analytics-aggregation/internal/rollup/db"
	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// Range is what is asked for: the periods of a length that overlap [From, To).
type Range struct {
	From, To time.Time
	Interval Interval
	Timezone string // "": the organization's
}

const (
	// MostPeriods bounds a range: a month of hours, two and a half days of five minutes.
	MostPeriods = 750
	// mostForeign is the longest range in a time zone whose hours are none of those that are
	// stored, such as +05:30 for an organization in UTC: it is merged from five-minute rows.
	mostForeign = 8 * day
)

// scope is a range made ready: its periods, and the rows that they are merged from.
type scope struct {
	periods         []Period
	source          Interval
	zone            *time.Location
	CompleteThrough *time.Time // metrics are complete up to here; nil: nothing was computed yet
}

func invalid(detail string, values ...any) error {
	return fault.New(fault.Invalid, "invalid-request", fmt.Sprintf(detail, values...))
}

func resolve(ctx context.Context, q *db.Queries, organization uuid.UUID, r Range) (scope, error) {
	own, err := q.OrganizationZone(ctx, organization)
	if err != nil {
		return scope{}, fmt.Errorf("read the organization's time zone: %w", err)
	}
	s := scope{source: r.Interval, CompleteThrough: own.CompleteThrough}
	merged := time.UTC
	if own.MergedIn != nil {
		if zone, err := time.LoadLocation(*own.MergedIn); err == nil {
			merged = zone
		}
	}
	name := r.Timezone
	if name == "" {
		name = own.Timezone
	}
	if s.zone, err = time.LoadLocation(name); err != nil || strings.EqualFold(name, "local") {
		return s, invalid("There is no time zone %q. Use a name such as Europe/Berlin.", name)
	}
	if !r.From.Before(r.To) {
		return s, invalid("from must be before to.")
	}
	if r.From.Year() < 1 || r.To.Year() > 9998 { // RFC 3339 has no other than 0 to 9999
		return s, invalid("from and to must be in the years 1 to 9998.")
	}
	s.periods = periodsIn(r.From, r.To, r.Interval, s.zone, MostPeriods)
	if len(s.periods) > MostPeriods {
		return s, invalid("The range has more than %d periods. Ask for a shorter one, or for a "+
			"longer interval.", MostPeriods)
	}
	if r.Interval == FiveMinutes || sameClocks(s.periods, r.Interval, merged) {
		return s, nil
	}
	if s.source = Hour; !sameClocks(s.periods, Hour, merged) {
		s.source = FiveMinutes
		if s.whole().End.Sub(s.whole().Start) > mostForeign+2*day {
			return s, invalid("In this time zone the range may have %d days at most, because it "+
				"is merged from five-minute figures.", mostForeign/day)
		}
	}
	return s, nil
}

// sameClocks reports whether every edge of the periods is an edge of what is stored.
func sameClocks(periods []Period, stored Interval, zone *time.Location) bool {
	for _, p := range periods {
		if !periodOf(p.Start, stored, zone).Start.Equal(p.Start) ||
			!periodOf(p.End, stored, zone).Start.Equal(p.End) {
			return false
		}
	}
	return true
}

func (s scope) whole() Period { return Period{s.periods[0].Start, s.periods[len(s.periods)-1].End} }

// at is the index of the period that a moment is in.
func (s scope) at(moment time.Time) int {
	i, found := slices.BinarySearchFunc(s.periods, moment,
		func(p Period, t time.Time) int { return p.Start.Compare(t) })
	if !found {
		i--
	}
	return i
}

// Series is the figures of one agent under one type, period by period. A period without figures is
// a
// gap: nothing is known of it.
type Series struct {
	Agent   uuid.UUID
	Type    string
	Total   Figures
	Periods []SeriesPeriod
}

// SeriesPeriod is a period of a series; nil figures are a gap.
type SeriesPeriod struct {
	Period
	Figures *Figures
}

// Agents is a page of series, by the agents' ids.
type Agents struct {
	Series          []Series
	Next            *uuid.UUID // the last agent of a page that is not the last
	CompleteThrough *time.Time
	Zone            *time.Location
}

// AgentFilter narrows: one agent alone, or those after one; of one type alone.
type AgentFilter struct {
	Only, After uuid.UUID
	Type        string
	Limit       int
}

// ReadAgents reads the series of a page of agents.
func ReadAgents(ctx context.Context, tx pgx.Tx, organization uuid.UUID, r Range,
	f AgentFilter) (Agents, error) {
	q := db.New(tx)
	s, err := resolve(ctx, q, organization, r)
	if err != nil {
		return Agents{}, err
	}
	out := Agents{CompleteThrough: s.CompleteThrough, Zone: s.zone}
	whole := s.whole()
	agents := []uuid.UUID{f.Only}
	if f.Only == uuid.Nil {
		agents, err = q.AgentPage(ctx, db.AgentPageParams{
			OrganizationID: organization, Granularity: string(s.source), PeriodFrom: whole.Start,
			PeriodTo: whole.End, AgentType: f.Type, After: f.After, Page: int32(f.Limit) + 1,
		})
		if err != nil {
			return out, fmt.Errorf("list agents: %w", err)
		}
		if len(agents) > f.Limit {
			agents = agents[:f.Limit]
			out.Next = &agents[f.Limit-1]
		}
	}
	rows, err := q.RowsOfAgents(ctx, db.RowsOfAgentsParams{
		OrganizationID: organization, Granularity: string(s.source), PeriodFrom: whole.Start,
		PeriodTo: whole.End, AgentType: f.Type, Agents: agents,
	})
	if err != nil {
		return out, fmt.Errorf("read metrics: %w", err)
	}
	out.Series, err = s.series(rows)
	return out, err
}

func (s scope) series(rows []db.RowsOfAgentsRow) ([]Series, error) {
	byKey := map[agentKey]*Series{}
	for _, row := range rows {
		figures, err := figuresOf(db.AgentRowsRow(row))
		if err != nil {
			return nil, err
		}
		key := agentKey{row.AgentInstanceID, row.AgentType}
		if byKey[key] == nil {
			byKey[key] = &Series{Agent: key.agent, Type: key.kind,
				Periods: make([]SeriesPeriod, len(s.periods))}
			for i, p := range s.periods {
				byKey[key].Periods[i].Period = p
			}
		}
		series := byKey[key]
		series.Total = series.Total.Add(figures)
		period := &series.Periods[s.at(row.PeriodStart)]
		if period.Figures != nil {
			figures = period.Figures.Add(figures)
		}
		period.Figures = &figures
	}
	keys := slices.SortedFunc(maps.Keys(byKey),
		func(a, b agentKey) int { return strings.Compare(a.String(), b.String()) })
	all := make([]Series, len(keys))
	for i, key := range keys {
		all[i] = *byKey[key]
	}
	return all, nil
}
