package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// fileCall is an operation on one file, in the order in which one file can go through all of them.
type fileCall struct {
	operation, query string // by its operationId
	body             any
	// what a member and staff get for a file of their own; then what a member, staff and an admin
	// get for somebody else's, and for somebody else's student_submission
	own, others, submission []int
}

func fileCalls() []fileCall {
	title, consent := map[string]any{"title": "x"}, map[string]string{"given_by": "P", "basis": "f"}
	return []fileCall{
		{"get-file", "", nil, []int{200, 200}, []int{200, 200, 200}, []int{404, 200, 200}},
		{"change-file", "", title, []int{200, 200}, []int{403, 403, 200}, []int{404, 403, 200}},
		{"download-file", "", nil, []int{200, 200}, []int{200, 200, 200}, []int{404, 200, 200}},
		{"list-accesses", "", nil, []int{200, 200}, []int{403, 200, 200}, []int{404, 200, 200}},
		{"record-consent", "", consent, []int{403, 200}, []int{403, 200, 200},
			[]int{404, 200, 200}},
		{"withdraw-consent", "", nil, []int{403, 200}, []int{403, 200, 200}, []int{404, 200, 200}},
		{"delete-file", "", nil, []int{200, 200}, []int{403, 403, 200}, []int{404, 403, 200}},
		{"restore-file", "", nil, []int{200, 200}, []int{403, 403, 200}, []int{404, 403, 200}},
		{"delete-file", "?permanent=true", nil,
			[]int{204, 204}, []int{403, 403, 204}, []int{404, 403, 204}},
	}
}

// route finds an operation in the served document.
func route(t *testing.T, operation string) (method, path string) {
	t.Helper()
	for path, methods := range servedPaths(t) {
		for method, o := range methods {
			if o.OperationID == operation {
				return strings.ToUpper(method), path
			}
		}
	}
	t.Fatalf("the served document has no operation %s", operation)
	return "", ""
}

func servedPaths(t *testing.T) map[string]map[string]struct{ OperationID string } {
	t.Helper()
	var served struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal(document, &served); err != nil {
		t.Fatal(err)
	}
	return served.Paths
}

func (c fileCall) of(u user, id string) reply {
	method, path := route(u.w.t, c.operation)
	return u.call(method, strings.Replace(path, "{id}", id, 1)+c.query, c.body)
}

// A route that nobody wrote a row for is open to whoever its author forgot.
func TestEveryFileRouteHasItsPermissions(t *testing.T) {
	t.Parallel()
	for path, methods := range servedPaths(t) {
		for _, o := range methods {
			if strings.HasPrefix(path, "/v1/files/{id}") && !slices.ContainsFunc(fileCalls(),
				func(c fileCall) bool { return c.operation == o.OperationID }) {
				t.Errorf("%s (%s) has no row in fileCalls: say there who may call it",
					o.OperationID, path)
			}
		}
	}
}

// Every role, as uploader and as someone else, against every kind of file, on every route.
func TestWhoMayDoWhat(t *testing.T) {
	w := newFixture(t)
	for column, role := range []tenant.Role{tenant.Member, tenant.Staff, tenant.Admin} {
		for _, category := range []string{"educational_content", "student_submission"} {
			caller, other := w.user(role), w.user(tenant.Member)
			if role != tenant.Admin {
				w.tryAll(caller, caller, category, func(c fileCall) int { return c.own[column] })
			}
			w.tryAll(caller, other, category, func(c fileCall) int {
				if category == "student_submission" {
					return c.submission[column]
				}
				return c.others[column]
			})
		}
	}
}

func (w *fixture) tryAll(caller, uploader user, category string, want func(fileCall) int) {
	id := uploader.available("category", category)
	listed := slices.Contains(caller.call("GET", "/v1/files?limit=200", nil).want(200).ids(), id)
	for i, c := range fileCalls() {
		if i == 0 && listed != (want(c) == 200) {
			w.t.Errorf("%s own=%v %s: listed %v", caller.Role, caller.User == uploader.User,
				category, listed)
		}
		if got := c.of(caller, id); got.status != want(c) {
			w.t.Errorf("%s own=%v %s: %s%s answers %d %v, want %d", caller.Role,
				caller.User == uploader.User, category, c.operation, c.query, got.status,
				got.at("code"), want(c))
		}
	}
}

// Another tenant's file, one that is hidden, one that never was and what is no id answer the same,
// but for the request's id.
func TestAbsentAndForeignAreTheSame(t *testing.T) {
	w := newFixture(t)
	foreign := w.userOf(w.db.Organization(t, "elsewhere"), tenant.Admin).available()
	hidden := w.user(tenant.Member).available("category", "student_submission")
	purged := w.user(tenant.Member)
	gone := purged.available()
	purged.call("DELETE", "/v1/files/"+gone+"?permanent=true", nil).want(204)
	caller := w.user(tenant.Member)
	for _, c := range fileCalls() {
		var answers []string
		for _, id := range []string{foreign, hidden, gone, uuid.NewString(), uuid.Nil.String(),
			"no-id", strings.ToUpper(foreign)} {
			a := c.of(caller, id).want(404, "file-not-found")
			a.header.Del("X-Request-Id")
			answers = append(answers,
				fmt.Sprint(a.header, strings.ReplaceAll(a.raw, a.str("instance"), "")))
		}
		if slices.Sort(answers); answers[0] != answers[len(answers)-1] {
			t.Errorf("%s%s tells them apart:\n%s\n%s", c.operation, c.query, answers[0],
				answers[len(answers)-1])
		}
	}
	if ids := caller.call("GET", "/v1/files?uploaded_by="+uuid.NewString(),
		nil).want(200).ids(); len(ids) != 0 {
		t.Errorf("lists %v", ids)
	}
}

func TestList(t *testing.T) {
	w := newFixture(t)
	u, other := w.user(tenant.Staff), w.user(tenant.Member)
	pdf := u.available("filename", "Année_1.pdf", "category", "report")
	png := u.available("filename", "Année 2.png", "content_type", "image/png")
	text := other.create("filename", "annee.txt", "content_type", "text/plain")
	deleted := u.available()
	u.call("DELETE", "/v1/files/"+deleted, nil).want(200)
	for query, want := range map[string][]string{
		"":                                     {text, png, pdf},
		"status=available":                     {png, pdf},
		"status=deleted":                       {deleted},
		"status=pending":                       {text},
		"category=report":                      {pdf},
		"content_type=image/":                  {png},
		"content_type=image/png":               {png},
		"uploaded_by=" + u.User.String():       {png, pdf},
		"name=" + url.QueryEscape("Année"):     {png, pdf},
		"name=" + url.QueryEscape("Année_"):    {pdf}, // _ and % are no wildcards
		"name=%25":                             {},
		"status=available&content_type=image/": {png},
	} {
		if got := u.call("GET", "/v1/files?"+query, nil).want(200).ids(); !slices.Equal(got, want) {
			t.Errorf("%s lists %v, want %v", query, got, want)
		}
	}
	for _, query := range []string{"status=lost", "limit=0", "limit=201", "cursor=x",
		"uploaded_by=x", "sort=name"} {
		u.call("GET", "/v1/files?"+query, nil).want(422)
	}
}

// Whatever members write about their files, a page of them fits into the one answer that Lambda
// takes: 6 MB, with the body as a JSON string in it.
// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
func TestAPageFitsIntoAnAnswer(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	u.available("description", strings.Repeat("\x01", 4000), "metadata",
		map[string]string{"quotes": strings.Repeat(`"`, 8<<10-16)})
	const files = 201
	w.exec(
		`INSERT INTO files SELECT (jsonb_populate_record(f,
			jsonb_build_object('id', gen_random_uuid()))).* FROM files f, generate_series(2, $1)`,
		files)
	seen := map[string]bool{}
	for path := "/v1/files?limit=200"; path != ""; {
		a := u.call("GET", path, nil).want(200)
		sent, err := json.Marshal(events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: a.raw})
		if err != nil || len(sent) > 6_000_000 {
			t.Fatalf("an answer of %d bytes, %v", len(sent), err)
		}
		path = ""
		for _, id := range a.ids() {
			seen[id] = true
		}
		if next, ok := a.at("next_cursor").(string); ok {
			path = "/v1/files?limit=200&cursor=" + next
		}
	}
	if len(seen) != files {
		t.Errorf("the pages have %d files of %d", len(seen), files)
	}
}

// Pages meet neither twice nor not at all, also for files of the very same moment.
func TestPages(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Staff)
	for range 9 {
		u.available()
	}
	w.exec(
		`UPDATE files SET created_at = '2026-03-01T10:00:00.123456Z'
			WHERE id IN (SELECT id FROM files LIMIT 6)`)
	whole := u.call("GET", "/v1/files", nil).want(200).ids()
	var paged []string
	for path := "/v1/files?limit=2"; ; {
		a := u.call("GET", path, nil).want(200)
		paged = append(paged, a.ids()...)
		if a.at("next_cursor") == nil {
			break
		}
		path = "/v1/files?limit=2&cursor=" + a.str("next_cursor")
	}
	if len(whole) != 9 || !slices.Equal(whole, paged) {
		t.Errorf("pages give %v, the whole list is %v", paged, whole)
	}
}

func TestPatch(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	id := u.available("title", "Old", "tags", []string{"a"}, "metadata", map[string]any{"k": 1},
		"category", "report")
	path := "/v1/files/" + id
	before := u.call("GET", path, nil).want(200)
	if same := u.call("PATCH", path, map[string]any{}).want(200); same.raw != before.raw {
		t.Errorf("an empty patch changed %s to %s", before.raw, same.raw)
	}
	a := u.call("PATCH", path, map[string]any{"title": nil, "description": "New",
		"tags": []string{"b", "c"}, "filename": "../Renamed.pdf"}).want(200)
	for at, want := range map[string]any{
		"file.title": nil, "file.description": "New", "file.tags.1": "c",
		"file.filename": "Renamed.pdf", "file.original_filename": "lesson.pdf",
		"file.metadata.k": 1.0, "file.category": "report",
	} {
		if got := a.at(at); got != want {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
	}
	a = u.call("PATCH", path, map[string]any{"metadata": nil, "tags": nil, "contains_pii": true,
		"requires_consent": true}).want(200)
	if len(a.at("file.tags").([]any)) != 0 || len(a.at("file.metadata").(map[string]any)) != 0 ||
		a.at("file.contains_pii") != true || a.at("file.title") != nil {
		t.Errorf("patched to %s", a.raw)
	}
	for _, c := range []struct {
		body   map[string]any
		status int
		code   string
	}{
		{map[string]any{"filename": nil}, 422, "invalid-filename"},
		{map[string]any{"filename": "picture.png"}, 422, "extension-mismatch"},
		{map[string]any{"filename": "a\nb.pdf"}, 422, "invalid-filename"},
		{map[string]any{"status": "available"}, 422, "invalid-request"},
		{map[string]any{"title": strings.Repeat("x", 201)}, 422, "invalid-request"},
		{map[string]any{"title": 5}, 422, "invalid-request"},
		{map[string]any{"category": "none"}, 422, "invalid-request"},
		{map[string]any{"tags": []string{strings.Repeat("x", 65)}}, 422, "invalid-tag"},
		{map[string]any{"requires_consent": false}, 403, "not-allowed"}, // the uploader is a member
	} {
		u.call("PATCH", path, c.body).want(c.status, c.code)
	}
	a = w.user(tenant.Admin).call("PATCH",
		path, map[string]any{"requires_consent": nil, "category": nil}).want(200)
	if a.at("file.category") != "educational_content" || a.at("file.requires_consent") != false {
		t.Errorf("cleared to %s", a.raw)
	}
}

func TestRetention(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	days := func(a reply) int {
		return int(
			w.time(a.str("file.deletion_date")).Sub(w.time(a.str("file.created_at"))).Hours()) / 24
	}
	for _, category := range []string{"educational_content", "student_submission", "assessment",
		"administrative", "media_resource", "temporary", "avatar", "report"} {
		a := u.call("POST", "/v1/files", newFile("category", category)).want(201)
		if d := days(a); d < 1 || d > 7*365 || a.at("file.retention_days") != nil {
			t.Errorf("%s is kept for %d days", category, d)
		}
		u.call("DELETE", "/v1/files/"+a.str("file.id"), nil).want(200)
	}
	path := "/v1/files/" + u.available("retention_days", 30)
	if d := days(u.call("GET", path, nil)); d != 30 {
		t.Errorf("kept for %d days, want 30", d)
	}
	if d := days(u.call("PATCH", path, map[string]any{"category": "report"}).want(200)); d != 30 {
		t.Errorf("a new category changed what was asked for to %d", d)
	}
	if d := days(
		u.call("PATCH", path, map[string]any{"retention_days": nil}).want(200)); d != 7*365 {
		t.Errorf("kept for %d days, want the category's", d)
	}
	w.exec(`UPDATE organizations SET data_retention_days = 20 WHERE id = $1`, w.organization)
	if d := days(u.call("POST", "/v1/files", newFile("category", "report")).want(201)); d != 20 {
		t.Errorf("kept for %d days, want the organization's", d)
	}
	u.call("PATCH", path, map[string]any{"retention_days": 21}).want(422, "retention-too-long")
	w.exec(`UPDATE files SET created_at = now() - interval '10 days'`)
	u.call("PATCH", path, map[string]any{"retention_days": 9}).want(422, "retention-in-the-past")
	u.call("PATCH", path, map[string]any{"category": "temporary"}).want(422,
		"retention-in-the-past")
}

func TestDeleteAndRestore(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	for _, c := range []struct{ status, reason string }{{"available", ""},
		{"quarantined", "infected"}, {"error", "corrupt_image"}, {"archived", ""}} {
		id := u.create()
		w.settle(id, c.status, c.reason)
		path := "/v1/files/" + id
		a := u.call("DELETE", path, nil).want(200)
		if a.at("file.status") != "deleted" || a.at("file.deleted_at") == nil {
			t.Errorf("deleted: %s", a.raw)
		}
		again := u.call("DELETE", path, nil).want(200)
		if again.raw != a.raw {
			t.Errorf("deleting twice changed %s to %s", a.raw, again.raw)
		}
		u.call("PATCH", path, map[string]any{"title": "x"}).want(409, "file-deleted")
		u.call("GET", path+"/download", nil).want(409, "not-available")
		back := u.call("POST", path+"/restore", nil).want(200)
		if back.at("file.status") != c.status || back.at("file.deleted_at") != nil {
			t.Errorf("restored %s to %s", c.status, back.raw)
		}
		u.call("POST", path+"/restore", nil).want(409, "not-deleted")
		if c.status != "available" {
			u.call("GET", path+"/download", nil).want(409, "not-available")
		}
		told := w.number(
			`SELECT count(*) FROM notification_inbox
				WHERE subject_id = $1 AND topic IN ('file.deleted', 'file.restored')`,
			id)
		logged := w.number(
			`SELECT count(*) FROM file_access_logs
				WHERE file_id = $1 AND action IN ('delete', 'restore')`,
			id)
		if told != 2 || logged != 2 {
			t.Errorf("told %d, logged %d, want 2 and 2", told, logged)
		}
	}
	w.wantQuota(1000, 0, 1)
}

func TestCancel(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	id := u.create()
	w.wantQuota(0, 1000, 1)
	if a := u.call("DELETE", "/v1/files/"+id, nil).want(200); a.at("file.status") != "deleted" {
		t.Errorf("cancelled: %s", a.raw)
	}
	w.wantQuota(0, 0, 0)
	u.call("POST", "/v1/files/"+id+"/restore", nil).want(404, "file-not-found")
	if n := w.number(
		`SELECT count(*) FROM object_deletions
			WHERE prefix = $1 AND due_at > now() + interval '19 minutes'`,
		fmt.Sprintf("incoming/%s/%s/", w.organization, id)); n != 1 {
		t.Errorf("%d entries in the deletion queue, or due while the form still works", n)
	}
	u.call("DELETE", "/v1/files/"+id+"?permanent=true", nil).want(404)
	w.wantQuota(0, 0, 0)
}

func TestPurge(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	pending, available, rejected, binned := u.create(), u.available(), u.create(), u.available()
	w.settle(rejected, "error", "empty_file")
	u.call("DELETE", "/v1/files/"+binned, nil).want(200)
	w.wantQuota(2000, 1000, 3)
	for _, id := range []string{pending, available, rejected, binned} {
		u.call("DELETE", "/v1/files/"+id+"?permanent=true", nil).want(204)
		u.call("GET", "/v1/files/"+id, nil).want(404)
		if n := w.number(`SELECT count(*) FROM object_deletions WHERE prefix LIKE '%' || $1 || '/'`,
			id); n != 4 {
			t.Errorf("%d prefixes to delete, want 4", n)
		}
		if n := w.number(
			`SELECT count(*) FROM file_access_logs
				WHERE file_id = $1 AND action = 'purge' AND user_id = $2`,
			id, u.User); n != 1 {
			t.Errorf("%d lines about the purge", n)
		}
	}
	w.wantQuota(0, 0, 0)
	if n := w.number(`SELECT count(*) FROM file_uploads`); n != 0 {
		t.Errorf("%d uploads left", n)
	}
}

func TestProcessingIsLeftAlone(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Admin)
	id := u.create()
	w.exec(`UPDATE files SET status = 'processing' WHERE id = $1`, id)
	for _, query := range []string{"", "?permanent=true"} {
		if a := u.call("DELETE", "/v1/files/"+id+query, nil).want(409,
			"still-processing"); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	u.call("GET", "/v1/files/"+id+"/download", nil).want(409, "not-available")
	w.wantQuota(0, 1000, 1)
}

func TestConsent(t *testing.T) {
	w := newFixture(t)
	owner, staff, member := w.user(tenant.Member), w.user(tenant.Staff), w.user(tenant.Member)
	id := owner.available("requires_consent", true)
	path := "/v1/files/" + id
	staff.call("GET", path+"/download", nil).want(403, "consent-required")
	staff.call("DELETE", path+"/consent", nil).want(409, "no-consent")
	given := map[string]string{"given_by": "Parent of A.", "basis": "signed form of 2026-09-01"}
	owner.call("PUT", path+"/consent", given).want(403, "not-allowed")
	staff.call("PUT", path+"/consent", map[string]string{"given_by": "", "basis": "x"}).want(422)
	a := staff.call("PUT", path+"/consent", given).want(200)
	if a.at("file.consent.given_by") != "Parent of A." ||
		a.at("file.consent.recorded_by") != staff.User.String() {
		t.Errorf("recorded %s", a.raw)
	}
	staff.call("PUT", path+"/consent", given).want(200) // says the same: no second record
	member.call("GET", path+"/download", nil).want(200)
	if got := member.call("GET", path, nil).want(200); got.at("file.consent") == nil ||
		got.at("file.consent.given_by") != nil {
		t.Errorf("a member reads %v", got.at("file.consent"))
	}
	staff.call("PUT", path+"/consent",
		map[string]string{"given_by": "Parent of A.", "basis": "letter"}).want(200)
	if n := w.number(`SELECT count(*) FROM file_consents`); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
	if a := staff.call("DELETE", path+"/consent", nil).want(200); a.at("file.consent") != nil {
		t.Errorf("withdrawn: %s", a.raw)
	}
	owner.call("GET", path+"/download", nil).want(403, "consent-required")
	if n := w.number(`SELECT count(*) FROM file_consents WHERE withdrawn_by = $1`,
		staff.User); n != 2 {
		t.Errorf("%d records of withdrawal, want 2", n)
	}
}

func TestAccessLog(t *testing.T) {
	w := newFixture(t)
	owner, staff := w.user(tenant.Member), w.user(tenant.Staff)
	id := owner.available()
	staff.call("GET", "/v1/files/"+id+"/download", nil).want(200)
	owner.call("PATCH", "/v1/files/"+id, map[string]any{"title": "secret words"}).want(200)
	owner.call("DELETE", "/v1/files/"+id, nil).want(200)
	var actions []string
	for path := "/v1/files/" + id + "/access-log?limit=1"; ; {
		a := staff.call("GET", path, nil).want(200)
		actions = append(actions, a.str("entries.0.action"))
		if a.at("entries.0.ip_address") != "192.0.2.1" ||
			a.at("entries.0.user_agent") != "test/1.0" {
			t.Errorf("entry %s", a.raw)
		}
		if strings.Contains(a.raw, "secret words") {
			t.Error("the log holds free text")
		}
		if a.at("next_cursor") == nil {
			break
		}
		path = "/v1/files/" + id + "/access-log?limit=1&cursor=" + a.str("next_cursor")
	}
	if want := []string{"delete", "update", "download", "create"}; !slices.Equal(actions, want) {
		t.Errorf("actions %v, want %v", actions, want)
	}
	if a := owner.call("GET", "/v1/files/"+id+"/access-log",
		nil).want(200); a.at("entries.1.ip_address") != nil {
		t.Error("a member reads where others were")
	}
}

func TestUsage(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	fresh := u.call("GET", "/v1/usage", nil).want(200)
	w.exec(`INSERT INTO storage_quotas (organization_id) VALUES ($1)`, w.organization)
	if made := u.call("GET", "/v1/usage", nil).want(200); made.raw != fresh.raw {
		t.Errorf("before the first upload %s, with the table's defaults %s", fresh.raw, made.raw)
	}
	w.exec(`UPDATE storage_quotas SET total_bytes = 10000, max_image_bytes = 7`)
	for _, c := range []struct {
		used    int
		percent float64
		level   string
	}{{6999, 79.99, "ok"}, {7000, 80, "warning"}, {8499, 94.99, "warning"}, {8500,
		95, "critical"}, {12000, 130, "critical"}} {
		w.exec(`UPDATE storage_quotas SET used_bytes = $1, reserved_bytes = 1000`, c.used)
		a := u.call("GET", "/v1/usage", nil).want(200)
		if a.at("quota.percent") != c.percent || a.at("quota.level") != c.level ||
			a.at("quota.free") != float64(max(0, 9000-c.used)) {
			t.Errorf("%d used: %s", c.used, a.raw)
		}
		if a.at("quota.limits.image") != 7.0 || a.at("quota.limits.document") != float64(50<<20) {
			t.Errorf("limits %s", a.raw)
		}
	}
}

func TestSuspendedOrganizationReads(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Admin)
	id := u.available()
	w.exec(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, w.organization)
	u.call("GET", "/v1/files/"+id, nil).want(200)
	u.call("GET", "/v1/files/"+id+"/download", nil).want(200)
	u.call("POST", "/v1/files", newFile()).want(403)
	u.call("DELETE", "/v1/files/"+id, nil).want(403)
}

func TestDocumentIsServed(t *testing.T) {
	w := newFixture(t)
	a := w.user(tenant.Member).call("GET", "/v1/openapi.json", nil).want(200)
	if a.at("openapi") != "3.1.0" {
		t.Errorf("document begins %.80s", a.raw)
	}
}

func TestRemovedMemberIsOutAtOnce(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Admin)
	id := u.available()
	w.exec(`DELETE FROM memberships WHERE user_id = $1`, u.User)
	u.call("GET", "/v1/files/"+id, nil).want(403, "not-a-member")
	u.call("POST", "/v1/files", newFile()).want(403, "not-a-member")
}

// Metadata is the client's: an id above 2^53 must come back as it went in.
func TestNumbersInMetadataKeepTheirDigits(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	number := json.Number("9007199254740993")
	a := u.call("POST", "/v1/files",
		newFile("metadata", map[string]any{"n": number})).want(http.StatusCreated)
	if !strings.Contains(a.raw, `"n":9007199254740993`) {
		t.Errorf("created with %s", a.raw)
	}
	path := "/v1/files/" + a.str("file.id")
	a = u.call("PATCH", path,
		map[string]any{"metadata": map[string]any{"changed": number}}).want(http.StatusOK)
	if !strings.Contains(a.raw, `"changed":9007199254740993`) {
		t.Errorf("changed to %s", a.raw)
	}
	u.call("PATCH", path, map[string]any{"title": "kept"}).want(http.StatusOK)
	if a = u.call("GET", path, nil).want(http.StatusOK); !strings.Contains(a.raw,
		`"changed":9007199254740993`) {
		t.Errorf("read as %s", a.raw)
	}
	u.call("PATCH", path, map[string]any{
		"metadata": map[string]any{"n": json.Number("1e999999")}}).want(422, "invalid-request")
	u.call("GET", "/v1/files?uploaded_by="+uuid.Nil.String(), nil).want(422, "invalid-request")
}

// What lies in the trash is its uploader's and staff's to see: its name may be why it went there.
func TestOthersDeletedFilesAreNotSeen(t *testing.T) {
	w := newFixture(t)
	u, other, staff := w.user(tenant.Member), w.user(tenant.Member), w.user(tenant.Staff)
	id := u.available()
	u.call("DELETE", "/v1/files/"+id, nil).want(200)
	for name, seen := range map[string]struct {
		by user
		n  int
	}{"uploader": {u, 200}, "member": {other, 404}, "staff": {staff, 200}} {
		seen.by.call("GET", "/v1/files/"+id, nil).want(seen.n)
		a := seen.by.call("GET", "/v1/files?status=deleted", nil).want(200)
		if strings.Contains(a.raw, id) != (seen.n == 200) {
			t.Errorf("%s is listed %s", name, a.raw)
		}
	}
}

// Whether consent is needed is for staff to say, about any file; nothing else of it is.
func TestStaffMayLiftTheNeedForConsent(t *testing.T) {
	w := newFixture(t)
	u, staff := w.user(tenant.Member), w.user(tenant.Staff)
	path := "/v1/files/" + u.available("requires_consent", true)
	u.call("PATCH", path, map[string]any{"requires_consent": false}).want(403, "not-allowed")
	staff.call("PATCH", path, map[string]any{"requires_consent": false, "title": "x"}).want(403,
		"not-allowed")
	if a := staff.call("PATCH", path, map[string]any{"requires_consent": false}).want(200); a.at(
		"file.requires_consent") != false {
		t.Errorf("answered %s", a.raw)
	}
}
