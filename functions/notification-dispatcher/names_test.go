package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
	"github.com/toolboxai-solutions/satchel/shared/outbox"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// A child's name: as it is written, and the part of it that no encoding changes.
const child, surname = "Zoë Quillfeather", "uillfeather"

// A child's name stands in every column that holds text or JSON, and in what is posted. Of all that
// is sent to Pusher not one byte in clear says it.
func TestNoNameReachesPusher(t *testing.T) {
	f := newFixture(t)
	var mu sync.Mutex
	var sent bytes.Buffer // every request: what is asked for, its header and its body
	f.pusher.Disturb(func(r *http.Request) channels.Fault {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		defer mu.Unlock()
		query, _ := url.QueryUnescape(r.URL.String())
		fmt.Fprintln(&sent, r.URL, query, r.Header)
		sent.Write(body)
		return channels.Fault{}
	})
	teacher, pupil, admin := f.user(tenant.Staff), f.user(tenant.Member), f.user(tenant.Admin)
	own := "private-org-" + f.school.String()

	f.exec(`INSERT INTO files (organization_id, filename, original_filename, file_size, mime_type,
			bucket_name, storage_path, uploaded_by, created_by)
		VALUES ($1, $2, $2, 1, $2, $2, $2, $3, $3)`, f.school, child, pupil.User)
	f.exec(`INSERT INTO agent_instances (organization_id, agent_id, agent_type) VALUES ($1, $2, $2)`,
		f.school, child)
	f.exec(`INSERT INTO agent_executions (organization_id, task_id, agent_instance_id, agent_type,
			task_type, status) VALUES ($1, $2, gen_random_uuid(), $2, $2, 'queued')`, f.school, child)
	f.facts(pupil.User)
	for path, data := range map[string]m{
		"user_id": {"user_id": pupil.User}, "topic": {"topic": "announcements"},
		"channel": {"channel": own + "-user-" + pupil.User.String()},
		"all":     {"channel": "presence-org-" + f.school.String()},
	} {
		data["event"], data["dedupe_key"] = "message.posted", child+path
		data["data"] = m{"text": child, child: "x", "status": child}
		teacher.call("POST", "/v1/notifications", data).want(202)
	}
	planted := f.plant()
	for _, column := range []string{"files.filename", "organizations.name", "users.email",
		"agent_executions.task_type", "agent_executions.error_message",
		"agent_executions.input_data", "agent_instances.configuration",
		"notification_inbox.payload"} {
		if !planted[column] {
			t.Errorf("nothing was planted in %s", column)
		}
	}
	for _, status := range []string{"running", "completed", "running", "failed"} {
		f.exec(`UPDATE agent_executions SET status = $1`, status)
	}
	f.deliver()
	f.plant()
	admin.call("POST", "/v1/notifications/replay", m{"status": "delivered"}).want(200)
	f.deliver()

	mu.Lock()
	defer mu.Unlock()
	for _, event := range []string{"file.available", "file.deleted", "file.restored",
		"message.posted", "task.queued", "task.completed", "task.failed", `\"ciphertext\"`,
		`\"replayed\"`} {
		if !strings.Contains(sent.String(), event) {
			t.Errorf("%s was not sent", event)
		}
	}
	if at := strings.Index(sent.String(), surname); at >= 0 {
		t.Errorf("Pusher can read …%s…", sent.String()[max(at-600, 0):at+40])
	}
	page := pupil.call("GET", "/v1/notifications?channel="+
		url.QueryEscape(own+"-user-"+pupil.User.String()), nil).want(200)
	if !strings.Contains(page.raw, surname) {
		t.Errorf("and who may read it gets %s", page.raw)
	}
}

// facts tells of a file as the functions do that work on it.
func (f *fixture) facts(uploader uuid.UUID) {
	f.t.Helper()
	file := uuid.New()
	db := f.db.DB(f.t, "file-api/http")
	err := db.InTenant(f.t.Context(), f.school, func(tx pgx.Tx) error {
		batch := &pgx.Batch{}
		for _, n := range []outbox.Notification{
			storedfile.Verdict{Version: 1, Size: 3}.Notification(file, uploader),
			storedfile.Verdict{Version: 2, Reason: storedfile.Infected}.Notification(file, uploader),
			storedfile.DeletedNotification(file, uploader, storedfile.Available, false),
			storedfile.RestoredNotification(file, uploader, storedfile.Available),
		} {
			if err := outbox.Queue(batch, f.school, n); err != nil {
				return err
			}
		}
		return tx.SendBatch(f.t.Context(), batch).Close()
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// plant writes the name into every column that takes it, and says which did.
func (f *fixture) plant() map[string]bool {
	f.t.Helper()
	rows, err := f.db.Superuser.Query(f.t.Context(), `
		SELECT c.table_name, c.column_name, c.data_type = 'jsonb'
		FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema,
			table_name)
		WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
		AND c.data_type IN ('text', 'jsonb')
		-- nobody's, and names that the server derives or holds to a form
		AND c.table_name NOT IN ('notification_senders', 'partitioned_tables')
		AND c.column_name NOT IN ('channel', 'topic', 'bucket')`)
	if err != nil {
		f.t.Fatal(err)
	}
	type column struct {
		Table, Name string
		JSON        bool
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		f.t.Fatal(err)
	}
	planted := map[string]bool{}
	for _, c := range columns {
		value := `$1::text`
		if c.JSON { // beside what is there, which says what the notification is about
			value = fmt.Sprintf(`CASE WHEN jsonb_typeof(%[1]s) = 'object' THEN %[1]s ELSE '{}' END
				|| jsonb_build_object('text', $1::text, $1::text, 1, 'status', $1::text, 'reason',
					jsonb_build_array($1::text), 'file_id', $1::text, 'task_type', $1::text)`, c.Name)
		}
		name := pgx.Identifier{c.Table}.Sanitize()
		tag, err := f.db.Superuser.Exec(f.t.Context(), fmt.Sprintf(`UPDATE %s SET %s = %s`, name,
			pgx.Identifier{c.Name}.Sanitize(), value), child)
		// A key, or a set of values: it holds no name.
		planted[c.Table+"."+c.Name] = err == nil && tag.RowsAffected() > 0
	}
	return planted
}
