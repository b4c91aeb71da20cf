package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

var (
	fuzzRequests = flag.Int("requests", 600, "requests that TestEveryRouteBearsAnything sends")
	fuzzSeed     = flag.Uint64("fuzz-seed", 1, "what those requests are drawn from")
)

// fuzzSchool is how many requests one school gets before the next takes its place, so that what was
// deleted and used up is there again.
const fuzzSchool = 300

// Whatever a pupil, staff, an admin or somebody of another school sends to any operation of the
// document, nothing is a fault of ours: no answer is a 5xx, and all are as the document has them,
// which the end of the run checks. What is sent is drawn from the document's own schemas, with each
// part spoilt now and then.
func TestEveryRouteBearsAnything(t *testing.T) {
	t.Parallel()
	operations := documented(t, schoolOn(t, shared.platform))
	var lock sync.Mutex
	seen, good := map[int]int{}, map[string]int{}
	record := func(o operation, a reply, err error, what string) {
		lock.Lock()
		defer lock.Unlock()
		if err != nil || a.status >= 500 {
			t.Errorf("%d %.300s, %v\n%.600q", a.status, a.raw, err, what)
		}
		seen[a.status]++
		if a.status < 300 {
			good[o.method+" "+o.path]++
		}
	}
	var workers sync.WaitGroup
	const side = 4
	for worker := range side {
		workers.Go(func() {
			g := &generator{random: rand.New(rand.NewPCG(*fuzzSeed, uint64(worker)))}
			for n := worker; n < *fuzzRequests; n += side {
				if g.asked++; g.s == nil || g.asked%fuzzSchool == 0 {
					g.meet(t)
				}
				o := operations[g.random.IntN(len(operations))]
				if g.asked < len(operations) {
					o = operations[g.asked]
				}
				path, headers, body := g.request(o)
				u := g.users[g.random.IntN(len(g.users))]
				a, err := g.s.try(o.method, path, u.token, body, headers...)
				if err != nil && a.status == 0 && strings.Contains(err.Error(), "invalid header") {
					continue // Go's client does not send it
				}
				record(o, a, err, fmt.Sprint(o.method, " ", path, headers, body))
				g.learn(o, a)
			}
		})
	}
	workers.Wait()
	t.Logf("answers by status: %v\ndone, by operation: %v", seen, good)
	if least := *fuzzRequests / 10; seen[200]+seen[201]+seen[202]+seen[204] < least {
		t.Errorf("fewer than %d requests were good: %v", least, seen)
	}
	for _, o := range operations {
		// Nobody here can sign for the platform's database.
		name := o.method + " " + o.path
		if *fuzzRequests >= 10_000 && good[name] == 0 && !strings.HasPrefix(o.path, "/v1/hooks/") {
			t.Errorf("none of all these was a good %s", name)
		}
	}
}

type operation struct {
	method, path string
	parameters   []parameter
	media        string
	body         *schema
}

type parameter struct {
	Name, In string
	Required bool
	Schema   schema
}

// schema is what generating needs of a JSON schema.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Enum       []any
	Format     string
	Minimum    *float64
	Properties map[string]schema
	Required   []string
	Items      *schema
	resolved   func(string) schema
}

// kind is what the operation is about: files, notifications, analytics, …
func (o operation) kind() string { return strings.Split(o.path, "/")[2] }

// kind is the type, of a value that may be null the other one.
func (s schema) kind() string {
	if types, ok := s.Type.([]any); ok {
		return fmt.Sprint(types[0])
	}
	return fmt.Sprint(s.Type)
}

func (s schema) nullable() bool {
	types, ok := s.Type.([]any)
	return ok && slices.Contains(types, any("null"))
}

// documented reads the operations of the served document.
func documented(t *testing.T, s *school) (all []operation) {
	t.Helper()
	var d struct {
		Paths map[string]map[string]struct {
			Parameters  []parameter
			RequestBody *struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	raw := s.send("GET", "/v1/openapi.json", "", nil).want(200).raw
	if err := json.Unmarshal([]byte(raw), &d); err != nil {
		t.Fatal(err)
	}
	resolve := func(ref string) schema {
		return d.Components.Schemas[ref[strings.LastIndex(ref, "/")+1:]]
	}
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			described := d.Paths[path][method]
			o := operation{method: strings.ToUpper(method), path: path,
				parameters: described.Parameters}
			if described.RequestBody != nil {
				for media, content := range described.RequestBody.Content {
					content.Schema.resolved = resolve
					o.media, o.body = media, &content.Schema
				}
			}
			all = append(all, o)
		}
	}
	if len(all) < 25 {
		t.Fatalf("only %d operations are in the document", len(all))
	}
	return all
}

// generator draws requests to one school by its members and by a stranger.
type generator struct {
	random  *rand.Rand
	s       *school
	users   []user
	asked   int
	ids     map[string][]string // by the part of the paths that they belong to; the newest last
	channel []string
	sockets []string // signed in, one by each user
}

// meet makes a new school with something of everything in it.
func (g *generator) meet(t *testing.T) {
	g.s = schoolOn(t, shared.platform)
	g.s.change(`UPDATE organizations SET rate_limit_per_minute = 1000000 WHERE id = $1`, g.s.id)
	pupil, staff, admin := g.s.user("member"), g.s.user("staff"), g.s.user("admin")
	g.users = []user{pupil, staff, admin, schoolOn(t, shared.platform).user("admin")}
	agent := uuid.NewString()
	g.s.change(`INSERT INTO agent_instances (organization_id, id, agent_id, agent_type)
		VALUES ($1, $2, 'tutor-1', 'tutor')`, g.s.id, agent)
	g.s.change(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id,
		agent_type, task_type, status, completed_at, execution_time_seconds)
		VALUES ($1, 'task', $2, 'tutor', 'quiz', 'completed', now() - interval '20 minutes', 2)`,
		g.s.id, agent)
	g.s.send("POST", "/local/schedules/analytics-aggregation", "", nil).want(200)
	posted := staff.call("POST", "/v1/notifications",
		map[string]any{"user_id": pupil.id, "event": "lesson.started"}).want(202).str("id")
	agreed := staff.upload(text("b"))
	staff.call("PUT", "/v1/files/"+agreed+"/consent",
		map[string]any{"given_by": "a", "basis": "b"}).want(200)
	g.ids = map[string][]string{"analytics": {agent}, "users": {pupil.id},
		"notifications": {posted}, "files": {pupil.upload(text("a")), agreed}}
	g.sockets = nil
	for _, u := range g.users {
		socket := g.socket()
		u.call("POST", "/v1/channels/user-auth", "socket_id="+socket,
			"Content-Type", "application/x-www-form-urlencoded").want(200)
		g.sockets = append(g.sockets, socket)
	}
	g.channel = []string{"private-org-" + g.s.id, "private-org-" + g.s.id + "-user-" + pupil.id,
		"private-encrypted-org-" + g.s.id + "-user-" + pupil.id, "presence-org-" + g.s.id,
		"private-org-" + g.s.id + "-topic-announcements"}
}

func (g *generator) socket() string {
	return fmt.Sprintf("%d.%d", g.random.IntN(99999), g.random.IntN(99999))
}

// learn keeps the ids of what was made.
func (g *generator) learn(o operation, a reply) {
	if a.status != 201 && a.status != 202 {
		return
	}
	for _, path := range []string{"id", "file.id", "files.0.file.id", "results.0.file.id"} {
		if id, ok := a.at(path).(string); ok {
			g.ids[o.kind()] = append(g.ids[o.kind()], id)
		}
	}
}

func (g *generator) once(in int) bool { return g.random.IntN(in) == 0 }

// id is mostly of the kind.
func (g *generator) id(kind string) string {
	if len(g.ids[kind]) == 0 || g.once(4) {
		kind = pick(g, slices.Sorted(maps.Keys(g.ids)))
	}
	all := g.ids[kind]
	return pick(g, all[max(0, len(all)-12):])
}

func pick[T any](g *generator, from []T) T { return from[g.random.IntN(len(from))] }

// request fills an operation in. One in four is as the document wants it.
func (g *generator) request(o operation) (path string, headers []string, body any) {
	spoil := pick(g, []int{5, 10, 20, 1e6}) // the odds against spoiling one part
	path = o.path
	query := []string{}
	for _, p := range o.parameters {
		switch {
		case p.In == "path":
			value := g.id(o.kind())
			if g.once(spoil) {
				value = url.PathEscape(pick(g, textsForEdges()))
			}
			path = strings.Replace(path, "{"+p.Name+"}", value, 1)
		case g.once(2) && !p.Required:
		case p.In == "query":
			value := g.plain(o.kind(), p.Name, p.Schema)
			if g.once(spoil) {
				value = pick(g, textsForEdges())
			}
			value = url.QueryEscape(value)
			if g.once(4 * spoil) {
				value = pick(g, []string{"%zz", "%", "%ff", "%00", "a&" + p.Name + "=b", "", "+"})
			}
			query = append(query, p.Name+"="+value)
		case p.In == "header":
			value := uuid.NewString()
			if g.once(spoil) {
				value = pick(g, textsForEdges())
			}
			headers = append(headers, p.Name, value)
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	if o.body == nil {
		return path, headers, nil
	}
	return path, append(headers, "Content-Type", o.media), g.bodyOf(o, spoil)
}

func (g *generator) bodyOf(o operation, spoil int) string {
	var b strings.Builder
	switch {
	case o.media == "application/x-www-form-urlencoded":
		fmt.Fprintf(&b, "socket_id=%s&channel_name=%s",
			pick(g, append(g.sockets[:4:4], g.socket())), pick(g, g.channel))
	case strings.HasPrefix(o.path, "/v1/hooks/"):
		fmt.Fprintf(&b, `{"type":"INSERT","table":"agent_executions","schema":"public",`+
			`"record":{"organization_id":%q,"id":%q},"old_record":null}`, g.s.id, g.id("analytics"))
	default:
		g.write(&b, o.kind(), "", *o.body, o.body.resolved, spoil)
	}
	text := b.String()
	switch {
	case g.once(4 * spoil):
		return text[:g.random.IntN(len(text)+1)]
	case g.once(8 * spoil):
		at := g.random.IntN(len(text) + 1)
		return text[:at] + pick(g, []string{"\x00", "\xff", "{", "]", ",", `\u`, "&"}) + text[at:]
	case g.once(8 * spoil):
		return pick(g, valuesForEdges())
	}
	return text
}

// write writes a value of a schema as JSON.
func (g *generator) write(b *strings.Builder, of, name string, s schema,
	resolve func(string) schema, spoil int) {
	if s.Ref != "" {
		s = resolve(s.Ref)
	}
	if g.once(2 * spoil) {
		b.WriteString(pick(g, valuesForEdges()))
		return
	}
	switch kind := s.kind(); {
	case s.nullable() && g.once(8):
		b.WriteString("null")
	case kind == "array":
		b.WriteByte('[')
		for i := range 1 + g.random.IntN(3) {
			if i > 0 {
				b.WriteByte(',')
			}
			g.write(b, of, name, *s.Items, resolve, spoil)
		}
		b.WriteByte(']')
	case kind == "object" && len(s.Properties) == 0:
		fmt.Fprintf(b, `{"a":%s}`, pick(g, append(valuesForEdges(), "1", `"b"`, "true")))
	case kind == "object":
		b.WriteByte('{')
		first := true
		for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
			required := slices.Contains(s.Required, member)
			if !required && g.once(2) || required && g.once(2*spoil) {
				continue
			}
			for range 1 + g.random.IntN(2*spoil)/(2*spoil-1) { // rarely twice
				if !first {
					b.WriteByte(',')
				}
				first = false
				fmt.Fprintf(b, "%q:", member)
				g.write(b, of, member, s.Properties[member], resolve, spoil)
			}
		}
		b.WriteByte('}')
	case kind == "string":
		encoded, _ := json.Marshal(g.plain(of, name, s)) // of a string never fails
		b.Write(encoded)
	default:
		b.WriteString(g.plain(of, name, s))
	}
}

// plain is a good value of a simple type, as text. An id is of the kind.
func (g *generator) plain(kind, name string, s schema) string {
	if len(s.Enum) > 0 {
		last := len(s.Enum)
		if s.nullable() {
			last-- // null, which is not a text
		}
		return fmt.Sprint(pick(g, s.Enum[:last]))
	}
	now := time.Now().UTC()
	switch {
	case name == "from":
		return now.Add(-time.Hour).Format(time.RFC3339)
	case name == "to" || s.Format == "date-time":
		return now.Add(time.Duration(g.random.IntN(60)) * time.Minute).Format(time.RFC3339)
	case name == "channel" || name == "channel_name":
		return pick(g, g.channel)
	case name == "user_id":
		return g.id("users")
	case name == "ids" || s.Format == "uuid":
		return g.id(kind)
	case s.kind() == "boolean":
		return strconv.FormatBool(g.once(2))
	case s.kind() == "integer":
		return strconv.Itoa(1 + g.random.IntN(20))
	}
	return map[string]string{"filename": "note.txt", "content_type": "text/plain",
		"event": "lesson.started", "topic": pick(g, []string{"announcements", "file.available"}),
		"tz": "Europe/Berlin", "variant": "thumbnail", "cursor": "", "agent_type": "tutor",
		"sha256": strings.Repeat("0a", 32), "tags": "a", "given_by": "a",
		"basis": "b"}[name] + strings.Repeat("x", g.random.IntN(2)*
		map[string]int{"title": 9, "description": 30, "name": 1, "dedupe_key": 8}[name])
}

// textsForEdges are for a path, a query or a header.
func textsForEdges() []string {
	return []string{"", " ", ".", "..", "../..", "\x00", "\xff\xfe", "é", "\u202e", "😀", "null",
		"-1", "0", "1e400", "9223372036854775808", "-9223372036854775809", "NaN", "true", "'", `"`,
		`\`, "%", "_", "*", "{}", "[]", "<script>", "a\r\nb: c", strings.Repeat("a", 300),
		strings.Repeat("9", 5000), uuid.Nil.String(), uuid.NewString(), "2026-13-45T99:99:99Z",
		"0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "294277-01-01T00:00:00Z",
		"2026-01-01T00:00:00+99:99", "2026-01-01", "eyJhIjoxfQ", "bnVsbA==", "Local", "UTC", "/etc",
		"private-org-", "private-org-" + uuid.NewString(), "presence-cache-x", "image/", "W/\"x\""}
}

// valuesForEdges are JSON, most of it.
func valuesForEdges() []string {
	return []string{"null", "true", "-1", "0", "0.1", "1e400", "1e-16000", "-0", "1e99",
		"9223372036854775807", "9223372036854775808", "-9223372036854775809", `""`, `" "`,
		`"\u0000"`, `"\ud800"`, "\"\xff\"", `"\u202e"`, `"😀"`, `"a/../b"`, `"."`, `"con"`,
		`"` + strings.Repeat("a", 5000) + `"`, `"` + strings.Repeat("é", 200) + `"`, "[]", "{}",
		"[[[]]]", strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), `{"a":1,"a":2}`, `{"":""}`,
		"[" + strings.Repeat("0,", 20_000) + "0]", `"2026-13-45T99:99:99Z"`,
		`"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59.999999999Z"`, `"294277-01-01T00:00:00Z"`,
		`"` + uuid.Nil.String() + `"`, `"` + uuid.NewString() + `"`, `"a\u0001b"`, "NaN", "01",
		"'a'", `"private-org-x"`, `"text/html; charset=\"x"`, `["a",1,null]`, `{"a":{"b":[1e300]}}`}
}
