package main

import (
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// within is a range of two days around today, and what else is asked.
func within(more ...string) []string {
	return append([]string{"from", "2026-03-29T00:00:00Z", "to", "2026-03-31T00:00:00Z"}, more...)
}

// routesAsked are all routes, each with a query that it takes.
func routesAsked() map[string][]string {
	return map[string][]string{"/agents": within(), "/agents/" + agent(1).String(): within(),
		"/health": nil, "/anomalies": within(), "/usage": within()}
}

func TestWhoSeesAnalytics(t *testing.T) {
	f := newFixture(t)
	other := f.db.Organization(t, "other")
	f.ended(3, 1, "tutor", "completed", "2026-03-30T09:01:00Z", 2)
	f.exec(`INSERT INTO file_transfers (organization_id, file_id, direction, bytes, at)
		VALUES ($1, $1, 'in', 7, '2026-03-30T09:02:00Z')`, f.school)
	f.aggregate()
	for path, query := range routesAsked() {
		caller{f: f}.get(path, query...).want(401)
		f.caller(f.school, tenant.Member).get(path, query...).want(403, "not-allowed")
		f.staff().get(path, query...).want(200)
		f.caller(f.school, tenant.Admin).get(path, query...).want(200)
	}
	f.staff().get("/agents", within()...).says("agents.0.totals.total_tasks", 3.0)
	f.staff().get("/usage", within()...).says("totals.bytes_in", 7.0, "totals.executions", 3.0)
	stranger := f.caller(other, tenant.Admin)
	stranger.get("/agents", within()...).want(200).says("agents.0", nil, "timezone", "UTC")
	stranger.get("/agents/"+agent(1).String(), within()...).want(404, "no-metrics")
	stranger.get("/health").want(200).says("status", "no_data", "score", nil)
	stranger.get("/usage", within()...).want(200).says("totals.bytes_in", 0.0,
		"totals.executions", 0.0)
}

func TestRangesThatAreRefused(t *testing.T) {
	f := newFixture(t)
	staff := f.staff()
	const from, to = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
	for _, path := range []string{"/agents", "/agents/" + agent(1).String(), "/usage"} {
		for _, query := range [][]string{
			{"to", to},
			{"from", from},
			{"from", to, "to", from},
			{"from", from, "to", from},
			{"from", "yesterday", "to", to},
			{"from", from, "to", to, "interval", "2h"},
			{"from", from, "to", to, "tz", "Mars/Olympus"},
			{"from", from, "to", to, "tz", "Local"},
			{"from", from, "to", "2026-03-04T00:00:00Z", "interval", "5m"},
			{"from", from, "to", "2026-04-03T00:00:00Z", "interval", "1h"},
			{"from", "0001-01-01T00:00:00Z", "to", "9999-01-01T00:00:00Z", "interval", "1d"},
			// beyond the years that an answer can write
			{"from", "9999-12-31T12:00:00Z", "to", "9999-12-31T13:00:00Z", "interval", "1d"},
			{"from", "0000-01-01T00:00:00+02:00", "to", "0000-01-01T01:00:00+02:00"},
			// merged from five-minute rows, since the school's hours are none of Kolkata's
			{"from", from, "to", "2026-03-15T00:00:00Z", "tz", "Asia/Kolkata"},
		} {
			staff.get(path, query...).want(422, "invalid-request")
		}
	}
	staff.get("/agents", within("limit", "0")...).want(422, "invalid-request")
	staff.get("/agents", within("limit", "101")...).want(422, "invalid-request")
	staff.get("/agents", within("cursor", "no")...).want(422, "invalid-cursor")
	staff.get("/anomalies", "from", to, "to", from).want(422, "invalid-request")
	staff.get("/anomalies", "from", from, "to", "2026-04-02T00:00:00Z").
		want(422, "invalid-request")
	staff.get("/agents/nobody", within()...).want(404, "no-metrics")
}

// The day on which Berlin's clocks are put forward has 23 hours; Kolkata's days begin half an hour
// beside UTC's hours. A period of which nothing is known is a gap, and no zero.
func TestDaysHoursAndGaps(t *testing.T) {
	f := newFixture(t)
	for i, at := range []string{"2026-03-28T22:59:59Z", "2026-03-28T23:00:00Z",
		"2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z"} {
		f.ended(1, 1, "tutor", "completed", at, float64(int(1)<<i))
	}
	staff := f.staff()
	staff.get("/agents", within()...).want(200).says("complete_through", nil, "agents.0", nil)
	f.aggregate()
	days := staff.get("/agents", "from", "2026-03-29T10:00:00Z", "to", "2026-03-30T10:00:00Z",
		"interval", "1d").want(200)
	days.says("timezone", "Europe/Berlin", "complete_through", today, "next_cursor", nil,
		"agents.0.periods.0.start", "2026-03-28T23:00:00Z",
		"agents.0.periods.0.end", "2026-03-29T22:00:00Z",
		"agents.0.periods.0.metrics.total_tasks", 2.0,
		"agents.0.periods.0.metrics.average_execution_time", 3.0,
		"agents.0.periods.1.end", "2026-03-30T22:00:00Z",
		"agents.0.periods.1.metrics.total_tasks", 1.0, "agents.0.periods.2", nil,
		"agents.0.totals.total_tasks", 3.0, "agents.0.totals.average_user_rating", nil)
	hours := staff.get("/agents/"+agent(1).String(), "from", "2026-03-29T21:00:00Z",
		"to", "2026-03-30T00:00:00Z").want(200)
	hours.says("interval", "1h", "agents.0.periods.0.metrics.total_tasks", 1.0,
		"agents.0.periods.1.metrics.total_tasks", 1.0,
		"agents.0.periods.2.start", "2026-03-29T23:00:00Z", "agents.0.periods.2.metrics", nil,
		"agents.0.periods.3", nil)
	kolkata := staff.get("/agents", "from", "2026-03-29T00:00:00Z", "to", "2026-03-30T00:00:00Z",
		"interval", "1d", "tz", "Asia/Kolkata").want(200)
	kolkata.says("timezone", "Asia/Kolkata",
		"agents.0.periods.0.start", "2026-03-28T18:30:00Z",
		"agents.0.periods.0.metrics.total_tasks", 2.0,
		"agents.0.periods.1.start", "2026-03-29T18:30:00Z",
		"agents.0.periods.1.metrics.total_tasks", 2.0)
	usage := staff.get("/usage", "from", "2026-03-29T21:00:00Z", "to",
		"2026-03-30T00:00:00Z").want(200)
	usage.says("periods.0.usage.executions", 1.0, "periods.2.usage", nil, "periods.3", nil,
		"totals.executions", 2.0, "totals.stored_bytes", nil, "complete_through", today)
}

// A hundred short tasks and four long ones an hour later: the 95th of a hundred of all of them is
// short, while the two hours' own p95 average to half a minute.
func TestPercentilesAreOfTheWholeRange(t *testing.T) {
	f := newFixture(t)
	f.ended(100, 1, "tutor", "completed", "2026-03-30T07:01:00Z", 1)
	f.ended(4, 1, "tutor", "failed", "2026-03-30T08:01:00Z", 60)
	f.ended(1, 1, "tutor", "cancelled", "2026-03-30T08:02:00Z", 60)
	f.aggregate()
	a := f.staff().get("/agents/"+agent(1).String(), within()...).want(200)
	a.says("agents.0.totals.p95_execution_time", 1.0, "agents.0.totals.p99_execution_time", 60.0,
		"agents.0.totals.median_execution_time", 1.0, "agents.0.totals.total_tasks", 105.0,
		"agents.0.totals.tasks_cancelled", 1.0,
		"agents.0.totals.success_rate", 100*100.0/104, "agents.0.totals.error_rate", 100*4.0/104)
}

func TestPagesAndTypes(t *testing.T) {
	f := newFixture(t)
	const agents = 5
	for n := range agents {
		f.ended(1+n, n, "tutor", "completed", "2026-03-30T09:01:00Z", 1)
	}
	f.ended(9, 2, "grader", "completed", "2026-03-30T09:02:00Z", 1) // one that changed its type
	f.aggregate()
	staff := f.staff()
	seen, tasks, pages := map[any]bool{}, 0.0, 0
	for cursor := any(""); cursor != nil && pages < agents; pages++ {
		page := staff.get("/agents", within("limit", "2", "cursor", cursor.(string))...).
			want(200)
		for _, series := range page.at("agents").([]any) {
			s := series.(map[string]any)
			key := [2]any{s["agent_instance_id"], s["agent_type"]}
			if seen[key] {
				t.Errorf("%v is on two pages", key)
			}
			seen[key] = true
			tasks += s["totals"].(map[string]any)["total_tasks"].(float64)
		}
		cursor = page.at("next_cursor")
	}
	if len(seen) != agents+1 || tasks != 1+2+3+4+5+9 || pages != 3 {
		t.Errorf("%d series of %v tasks on %d pages", len(seen), tasks, pages)
	}
	staff.get("/agents", within("agent_type", "grader")...).want(200).says(
		"agents.0.agent_instance_id", agent(2).String(), "agents.0.totals.total_tasks", 9.0,
		"agents.1", nil)
	both := staff.get("/agents/"+agent(2).String(), within()...).want(200)
	both.says("agents.0.agent_type", "grader", "agents.1.agent_type", "tutor", "agents.2", nil)
}

// However many agents are asked for, a page of a month of hours fits into an answer, as JSON and as
// CSV, and the pages together have all of them.
func TestAPageOfAMonthIsBounded(t *testing.T) {
	f := newFixture(t)
	const agents, hours, most = 20, 31 * 24, 6_000_000
	f.exec(`INSERT INTO agent_metrics (organization_id, agent_instance_id, agent_type, granularity,
			period_start, period_end, tasks_completed, tasks_failed, execution_us, execution_count,
			quality_sum, quality_count, memory_sum, memory_count, memory_peak, cpu_sum, cpu_count,
			cpu_peak, registered_us, in_service_us, up_us, available_us)
		SELECT $1, md5(n::text)::uuid, repeat('"', 100), '1h', at, at + interval '1 hour', 123456, 7,
			123456789012, 123463, 98765432101, 123463, 77777777777, 123463, 123456789, 7777777777,
			123463, 99876543, 3600000000, 3599999999, 3599999998, 3599999997
		FROM generate_series(1, $2::int) n, generate_series(0, $3::int - 1) h,
			LATERAL (SELECT timestamptz '2026-02-27 10:00Z' + h * interval '1 hour' AS at) p`,
		f.school, agents, hours)
	month := []string{"from", "2026-02-27T10:00:00Z", "to", "2026-03-30T10:00:00Z", "limit", "100"}
	staff := f.staff()
	for _, format := range []string{"json", "csv"} {
		seen, cursor := map[string]bool{}, ""
		for first := true; first || cursor != ""; first = false {
			page := staff.get("/agents", append(month, "format", format, "cursor", cursor)...).
				want(200)
			// a quote takes two bytes where Lambda carries the answer
			if n := len(page.raw) + strings.Count(page.raw, `"`); n > most {
				t.Fatalf("a page of %s has %d bytes", format, n)
			}
			lines := 0
			if cursor = page.header.Get("Next-Cursor"); format == "csv" {
				for _, row := range page.table()[1:] {
					seen[row[0]] = true
					lines++
				}
			} else {
				cursor, _ = page.at("next_cursor").(string)
				for _, line := range page.lines() {
					seen[line["agent_instance_id"].(string)] = true
					lines++
				}
			}
			if lines > 5*hours {
				t.Errorf("a page of %s has %d periods", format, lines)
			}
		}
		if len(seen) != agents {
			t.Errorf("as %s there are %d agents, want %d", format, len(seen), agents)
		}
	}
}

// What was computed again and came out the same is answered 304, and anything else is not.
func TestNotModified(t *testing.T) {
	f := newFixture(t)
	f.ended(1, 1, "tutor", "completed", "2026-03-30T09:01:00Z", 1)
	f.aggregate()
	staff := f.staff()
	tags := map[string]string{}
	for path, query := range routesAsked() {
		a := staff.get(path, query...).want(200)
		tags[path] = a.header.Get("ETag")
		if tags[path] == "" || a.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s has the headers %v", path, a.header)
		}
	}
	f.exec(`INSERT INTO agent_execution_changes (organization_id, bucket_start)
		VALUES ($1, '2026-03-30 09:00Z')`, f.school)
	f.aggregate()
	for path, query := range routesAsked() {
		if path == "/health" {
			continue
		}
		query = append(query, "format", "csv")
		a := staff.get(path, query...).want(200)
		if tag := a.header.Get("ETag"); tag == "" || tag == tags[path] {
			t.Errorf("%s as CSV has the tag %q, and as JSON %q", path, tag, tags[path])
		}
		staff.conditional(tags[path], path, query...).want(200)
		if b := staff.conditional(a.header.Get("ETag"), path, query...).want(304); b.raw != "" ||
			b.header.Get("Content-Type") != httpapi.CSV {
			t.Errorf("%s as CSV answers 304 with %q %v", path, b.raw, b.header)
		}
	}
	for path, tag := range tags {
		for _, given := range []string{tag, "W/" + tag, `"other", ` + tag} {
			a := staff.conditional(given, path, routesAsked()[path]...).want(304)
			if a.raw != "" || a.header.Get("ETag") != tag {
				t.Errorf("%s answers 304 with %q and the tag %s", path, a.raw,
					a.header.Get("ETag"))
			}
		}
		staff.conditional(`"other"`, path, routesAsked()[path]...).want(200)
	}
	f.ended(1, 1, "tutor", "failed", "2026-03-30T09:02:00Z", 1)
	f.aggregate()
	for _, path := range []string{"/agents", "/agents/" + agent(1).String(), "/usage"} {
		if a := staff.conditional(tags[path], path, within()...).want(200); a.header.Get(
			"ETag") == tags[path] {
			t.Errorf("%s has the same tag for something else", path)
		}
	}
}

// Health comes with its parts and its reasons, and is none where nothing is known.
func TestHealthIsExplained(t *testing.T) {
	f := newFixture(t)
	staff := f.staff()
	staff.get("/health").want(200).says("status", "no_data", "score", nil,
		"complete_through", nil)
	for _, at := range []string{"09:41", "09:46", "09:51", "09:56"} {
		f.ended(1, 1, "tutor", "completed", "2026-03-30T"+at+":00Z", 20)
		f.ended(3, 1, "tutor", "failed", "2026-03-30T"+at+":00Z", 20)
	}
	f.aggregate()
	a := staff.get("/health").want(200)
	// Success 25 % and response 20 s score 0, the queue 100, an error rate of 75 % 0.
	a.says("status", "critical", "since", "2026-03-30T09:50:00Z", "complete_through", today,
		"score", 100*0.15/0.75,
		"parts.0.name", "success_rate", "parts.0.value", 25.0, "parts.0.score", 0.0,
		"parts.1.name", "availability", "parts.1.value", nil, "parts.1.score", nil,
		"parts.3.name", "queue", "parts.3.score", 100.0,
		"reasons.0", "25.0 % of the tasks completed, less than 80 %",
		"reasons.1", "a task took 20.0 s on average, more than 5 s",
		"reasons.2", "75.0 % of the tasks failed, more than 20 %", "reasons.3", nil)
	weights := 0.0
	for _, part := range a.at("parts").([]any) {
		weights += part.(map[string]any)["weight"].(float64)
	}
	if weights < 0.999999 || weights > 1.000001 {
		t.Errorf("the weights add up to %v", weights)
	}
}

// Six Mondays at ten with twenty tasks each, and one with two hundred.
func TestAnAnomalyIsTold(t *testing.T) {
	f := newFixture(t)
	for _, monday := range []string{"02-16", "02-23", "03-02", "03-09", "03-16", "03-23"} {
		// winter: ten o'clock is nine in UTC
		f.ended(20, 1, "tutor", "completed", "2026-"+monday+"T09:10:00Z", 1)
	}
	f.ended(200, 1, "tutor", "completed", "2026-03-30T08:10:00Z", 1)
	f.aggregate()
	f.staff().get("/anomalies", within()...).want(200).says("anomalies.0.metric", "throughput",
		"anomalies.0.since", "2026-03-30T08:00:00Z", "anomalies.0.until", "2026-03-30T09:00:00Z",
		"anomalies.0.ongoing", false, "anomalies.0.expected", 20.0, "anomalies.0.seen", 200.0,
		"anomalies.0.samples", 6.0, "anomalies.1", nil, "complete_through", today)
}
