package e2e

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

// A school of an outage has so many files under way, and so many notifications for so many of its
// members: no more than its pace lets pass at once.
const (
	filesOfASchool   = 5
	toldOfASchool    = 50
	hearersOfASchool = 5
)

// schools is 40 for the table in docs/operate.md.
var schools = flag.Int("schools", 1,
	fmt.Sprintf("schools that meet each outage, with %d files and %d notifications each",
		filesOfASchool, toldOfASchool))

const (
	maintenanceEvery = 5 * time.Minute // as in template.yaml
	delivery         = "satchel-notification-dispatcher-delivery"
)

// outage is something that all schools need and that is away for a while.
type outage struct {
	what, how  string
	lasts      time.Duration
	cut, mend  func(t *testing.T)
	content    []byte   // of the files; nil: text
	ends       string   // the status that each file comes to
	tell       []string // the functions that are refused, and tell it as a fault of configuration
	needsClamd bool
	// meanwhile waits for what is tried during the outage; nil: until all files were given back.
	meanwhile func(*affected)
}

// TestOutages cuts one thing after the other, moves the clock, and looks what becomes of what was
// under way. No time is waited for: the rows that say when something is due are made older.
func TestOutages(t *testing.T) {
	table := []string{"| cut | for | files | tries each | notifications: one by one | in a catch-up | " +
		"lost or dead | well again after |", "|---|---|---|---|---|---|---|---|"}
	for _, o := range outages() {
		t.Run(o.what, func(t *testing.T) {
			if o.needsClamd {
				needScanner(t)
			}
			table = append(table, o.run(t))
		})
	}
	t.Log("\n" + strings.Join(table, "\n"))
}

func outages() []outage {
	b := shared.ready.S3.Buckets
	revoke := func(parts ...string) func(*testing.T) {
		return func(*testing.T) {
			shared.stack.Authority.Revoke(func(_, action, resource string) bool {
				return strings.HasPrefix(action, parts[0]) && strings.Contains(resource, parts[1])
			})
		}
	}
	grant := func(*testing.T) { shared.stack.Authority.Revoke(nil) }
	const days = 4 * 24 * time.Hour
	return []outage{
		{what: "files", how: "AccessDenied", lasts: days, cut: revoke("s3:Put", b.Files),
			mend: grant, ends: "available", tell: []string{fileProcessing}},
		{what: "files, for longer than MaxUploadAge", how: "AccessDenied", lasts: 6 * 24 * time.Hour,
			cut: revoke("s3:Put", b.Files), mend: grant, ends: "error",
			tell: []string{fileProcessing}, meanwhile: (*affected).idle},
		{what: "quarantine", how: "AccessDenied", lasts: days, cut: revoke("s3:Put", b.Quarantine),
			mend: grant, content: eicar(), ends: "quarantined", tell: []string{fileProcessing}, needsClamd: true},
		{what: "incoming", how: "AccessDenied", lasts: days, cut: revoke("s3:Get", b.Incoming),
			mend: grant, ends: "available", tell: []string{fileProcessing}},
		{what: "queue", how: "AccessDenied, and its messages are lost", lasts: days,
			cut: revoke("sqs:", ""), mend: func(t *testing.T) { drain(t); grant(t) },
			ends: "available", tell: []string{"satchel-file-api-maintenance", "satchel-notification-dispatcher-http"},
			meanwhile: (*affected).sendAgain},
		{what: "database", how: "crash", lasts: days, cut: crash, mend: resume, ends: "available",
			meanwhile: (*affected).idle},
		{what: "clamd", how: "no connection", lasts: days,
			cut:  func(*testing.T) { shared.wiretap.cut(true) },
			mend: func(*testing.T) { shared.wiretap.cut(false) },
			ends: "available", needsClamd: true},
		{what: "issuer", how: "503", lasts: 20 * time.Hour,
			cut:  func(*testing.T) { shared.keys.cut(true) },
			mend: func(*testing.T) { shared.keys.cut(false) },
			ends: "available", meanwhile: (*affected).signIn},
		{what: "Pusher", how: "503", lasts: days / 2, cut: disturb,
			mend: func(*testing.T) { shared.stack.Channels.Disturb(nil) },
			ends: "available", meanwhile: (*affected).idle},
	}
}

// affected are the schools of one outage.
type affected struct {
	outage
	t       *testing.T
	away    bool // what was cut
	tries   int  // that were waited for
	schools []*school
	pupils  []user
	forms   [][]reply // of each school
	ids     []string  // of the schools
}

// run returns a row of the table.
func (o outage) run(t *testing.T) string {
	a := &affected{outage: o, t: t, away: true}
	for range *schools {
		a.join()
	}
	logged, measured := len(a.written("functions.log")), len(a.written("metrics.log"))
	o.cut(t)
	mend := func() { o.mend(t) }
	defer func() {
		if t.Failed() {
			mend() // for the tests that follow
		}
	}()
	for i, forms := range a.forms {
		for j, form := range forms {
			if status, body := form.post(a.file(i, j).content); status != 204 {
				t.Fatalf("the form answers %d %s", status, body)
			}
		}
	}
	meanwhile := o.meanwhile
	if meanwhile == nil {
		meanwhile = (*affected).givenBack
	}
	meanwhile(a)
	tries := int64(0)
	if o.what != "database" {
		a.work() // the notifications' first minute
		for range 2 {
			a.pass(o.lasts / 2)
			a.work()
			meanwhile(a)
		}
		tries = a.count(`SELECT coalesce(max(retries), 0) FROM file_uploads WHERE `)
	}
	began, moved := time.Now(), time.Duration(0)
	mend()
	if a.away = false; o.what == "database" {
		a.pass(o.lasts)
	}
	for ; !a.well(); moved += maintenanceEvery {
		if moved > 6*time.Hour {
			t.Fatalf("%s after the outage all is not well", moved)
		}
		a.pass(maintenanceEvery)
		a.work()
	}
	took := time.Since(began)
	a.check()
	a.checkTold(a.written("functions.log")[logged:], a.written("metrics.log")[measured:])
	one, folded := a.sent("delivered"), a.sent("folded")
	return fmt.Sprintf("| %s: %s | %s | %d %s | %d | %d | %d | %d | %s + %.1f s of work |", o.what,
		o.how, age(o.lasts), len(a.ids)*filesOfASchool, o.ends, tries, one, folded,
		int64(len(a.ids)*toldOfASchool)-one-folded, age(moved), took.Seconds())
}

func age(d time.Duration) string {
	if d%(24*time.Hour) == 0 && d > 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	if d%time.Hour == 0 && d > 0 {
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}

// join is one school more, with files whose forms are signed and facts that are to be told.
func (a *affected) join() {
	a.t.Helper()
	s := schoolOn(a.t, shared.platform)
	u := s.user("member")
	forms := make([]reply, filesOfASchool)
	for j := range forms {
		forms[j] = u.reserve(a.file(len(a.schools), j))
	}
	a.schools, a.pupils, a.ids = append(a.schools, s), append(a.pupils, u), append(a.ids, s.id)
	a.forms = append(a.forms, forms)
	s.change(`INSERT INTO notification_inbox (organization_id, topic, channel)
		SELECT $1::uuid, 'file.restored', format('private-org-%s-user-%s', $1::uuid,
			md5($1::uuid::text || n % $3)::uuid) FROM generate_series(1, $2::int) n`, s.id, toldOfASchool,
		hearersOfASchool)
}

func (a *affected) file(school, n int) sent {
	if a.content != nil {
		return text(string(a.content))
	}
	return text(fmt.Sprintf("file %d of school %d", n, school))
}

// count is of rows of the schools.
func (a *affected) count(sql string) int64 {
	a.t.Helper()
	return a.schools[0].look(sql+`organization_id = ANY ($1::uuid[])`, a.ids)
}

// pass makes the rows older that say when something is due, and so moves the clock. What was tried
// before was tried once an hour meanwhile.
func (a *affected) pass(time time.Duration) {
	a.t.Helper()
	for _, sql := range []string{
		`UPDATE file_uploads SET created_at = created_at - $2::interval, expires_at = expires_at - $2,
			check_at = check_at - $2, next_attempt_at = next_attempt_at - $2,
			lease_until = lease_until - $2, retries = retries + CASE WHEN retries > 0
				THEN (extract(epoch FROM $2::interval) / 3600)::integer ELSE 0 END WHERE organization_id = ANY ($1::uuid[])`,
		`UPDATE notification_inbox SET created_at = created_at - $2::interval
			WHERE organization_id = ANY ($1::uuid[])`,
		`UPDATE notification_deliveries SET queued_at = queued_at - $2::interval,
			due_at = due_at - $2 WHERE organization_id = ANY ($1::uuid[])`,
		`UPDATE notification_channels SET next_at = next_at - $2::interval
			WHERE organization_id = ANY ($1::uuid[])`,
		`UPDATE notification_pace SET tat_minute = tat_minute - $2::interval,
			tat_hour = tat_hour - $2 WHERE organization_id = ANY ($1::uuid[])`,
		`UPDATE notification_senders SET paused_until = paused_until - $2::interval,
			probing_until = probing_until - $2 WHERE $1::uuid[] IS NOT NULL`,
	} {
		a.schools[0].change(sql, a.ids, time)
	}
}

// work is what the schedules and the queues do when the clock has moved. What fails is done by the
// next. Without queues nobody calls the dispatcher.
func (a *affected) work() {
	a.t.Helper()
	a.schools[0].send("POST", "/local/schedules/file-maintenance", "", nil)
	if a.away && a.what == "queue" {
		return
	}
	a.idle()
	_, _ = shared.stack.Runtime.Invoke(a.t.Context(), delivery, []byte(`{"Records":[{"messageId":"1",
		"eventSource":"aws:sqs","body":"{}","attributes":{"ApproximateReceiveCount":"1"}}]}`))
}

// idle waits until no event of a file waits or is worked on.
func (a *affected) idle() {
	a.t.Helper()
	until(a.t, "an ingest queue without messages", func() bool {
		stats := shared.stack.Queue.Stats("IngestQueue")
		return stats.Depth == 0 && stats.InFlight == 0
	})
}

// givenBack waits until each file was tried and waits for another try, however old it is.
func (a *affected) givenBack() {
	a.t.Helper()
	files := int64(len(a.ids) * filesOfASchool)
	a.tries++
	until(a.t, "files that were given back", func() bool {
		if left := a.count(`SELECT count(*) FROM file_uploads WHERE `); left != files {
			a.t.Fatalf("%d files ended during the outage", files-left)
		}
		return a.count(fmt.Sprintf(`SELECT count(*) FROM file_uploads WHERE fence >= %d
			AND attempts = 0 AND lease_until IS NULL AND next_attempt_at IS NOT NULL AND `,
			a.tries)) == files
	})
}

// sendAgain has maintenance try to send what nobody takes, and a request ring a bell that nobody
// hears.
func (a *affected) sendAgain() {
	a.t.Helper()
	a.work()
	a.pupils[0].s.user("staff").call("POST", "/v1/notifications", map[string]any{
		"user_id": a.pupils[0].id, "event": "message.posted",
	}).want(202)
	// what the pollers were just waiting for came through
	if n := a.count(`SELECT count(*) FROM file_uploads WHERE `); n == 0 {
		a.t.Error("no upload waits")
	}
}

// signIn has a sandbox that knows the issuer's keys, and one that does not and asks for patience.
func (a *affected) signIn() {
	a.t.Helper()
	a.idle()
	if a.tries++; a.tries > 1 {
		return
	}
	for _, u := range a.pupils {
		u.call("GET", "/v1/usage", nil).want(200)
	}
	shared.stack.Runtime.Kill(fileAPI)
	a.pupils[0].call("GET", "/v1/usage", nil).problem(503, "sign-in-unavailable")
	shared.keys.cut(false)
	until(a.t, "a sandbox that has the keys", func() bool {
		return a.pupils[0].call("GET", "/v1/usage", nil).status == 200
	})
	shared.keys.cut(true)
}

// well reports whether nothing waits any more.
func (a *affected) well() bool {
	a.t.Helper()
	return a.count(`SELECT count(*) FROM file_uploads WHERE `)+
		a.count(`SELECT count(*) FROM notification_inbox WHERE `)+
		a.count(`SELECT count(*) FROM notification_deliveries WHERE `) == 0
}

// check looks at each file and each notification.
func (a *affected) check() {
	a.t.Helper()
	for i, s := range a.schools {
		if n := s.look(`SELECT count(*) FROM files WHERE organization_id = $1 AND status = $2`, s.id,
			a.ends); n != filesOfASchool {
			a.t.Errorf("%d files of %s ended as %s", n, s.slug, a.ends)
		}
		s.wantVerdicts(filesOfASchool)
		if a.ends != "available" { // the bytes are kept all the same
			if n := s.quarantined(); n != filesOfASchool {
				a.t.Errorf("%d files of %s are in quarantine", n, s.slug)
			}
		}
		for j, form := range a.forms[i] {
			if a.ends != "available" {
				break
			}
			if _, content := a.pupils[i].fetch(form.str("file.id"), ""); string(content) !=
				string(a.file(i, j).content) {
				a.t.Errorf("served is %q", content)
			}
		}
	}
	for what, sql := range map[string]string{
		"dead": `SELECT count(*) FROM notification_dead WHERE `,
		"channels with a gap": `SELECT count(*) FROM notification_channels c WHERE last_sequence <> (
			SELECT count(*) FROM notifications n WHERE n.organization_id = c.organization_id
			AND n.channel = c.channel) AND `,
		"notifications that nobody was told of": `SELECT count(*) FROM notifications n
			WHERE NOT EXISTS (SELECT FROM notification_attempts t WHERE t.channel = n.channel
			AND t.organization_id = n.organization_id AND t.sequence = n.sequence
			AND t.outcome IN ('delivered', 'folded')) AND `,
	} {
		if n := a.count(sql); n != 0 {
			a.t.Errorf("%d %s", n, what)
		}
	}
}

// checkTold looks at what the alarms watch.
func (a *affected) checkTold(log, metrics string) {
	a.t.Helper()
	told := faults(log)
	for _, function := range a.tell {
		if !slices.Contains(told, function) {
			a.t.Errorf("%s does not tell of a fault of its configuration, %q do", function, told)
		}
	}
	if len(a.tell) == 0 && len(told) > 0 {
		a.t.Errorf("%q tell of a fault of their configuration", told)
	}
	want := 0
	if a.ends == "error" {
		want = len(a.ids) * filesOfASchool
	}
	if n := strings.Count(metrics, `"FilesGivenUp":1`); n != want {
		a.t.Errorf("%d files are told to be given up, want %d", n, want)
	}
}

// quarantined counts the objects in quarantine.
func (s *school) quarantined() int {
	s.t.Helper()
	list, err := s.objects.ListObjectsV2(s.t.Context(), &s3.ListObjectsV2Input{
		Bucket: &s.ready.S3.Buckets.Quarantine, Prefix: aws.String("quarantine/" + s.id + "/")})
	if err != nil {
		s.t.Fatal(err)
	}
	return len(list.Contents)
}

// sent counts the facts with an outcome.
func (a *affected) sent(outcome string) int64 {
	a.t.Helper()
	return a.count(`SELECT count(DISTINCT n.id) FROM notifications n
		JOIN notification_attempts t USING (organization_id, channel, sequence)
		WHERE n.topic = 'file.restored' AND t.outcome = '` + outcome + `' AND n.`)
}

// written is what a log of the stack holds.
func (a *affected) written(name string) string {
	a.t.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(shared.stack.LogPath()), name))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

// faults are the functions that told of a fault of the configuration.
func faults(log string) (functions []string) {
	for line := range strings.Lines(log) {
		var event struct{ Msg, Function string }
		if json.Unmarshal([]byte(line), &event) == nil && event.Msg == "configuration fault" {
			functions = append(functions, event.Function)
		}
	}
	slices.Sort(functions)
	return slices.Compact(functions)
}

func disturb(*testing.T) {
	shared.stack.Channels.Disturb(func(*http.Request) channels.Fault {
		return channels.Fault{Status: http.StatusServiceUnavailable}
	})
}

func crash(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := shared.stack.Postgres.Crash(ctx); err != nil {
		t.Fatal(err)
	}
}

func resume(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := shared.stack.Postgres.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	shared.rows.Reset()
}

// drain takes away what is in the ingest queue, as if it had never been sent.
func drain(t *testing.T) {
	t.Helper()
	queue := sqs.New(sqs.Options{
		Region: shared.ready.S3.Region, BaseEndpoint: &shared.stack.Queue.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(shared.ready.S3.AccessKey,
			shared.ready.S3.SecretKey, ""),
	})
	for {
		got, err := queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &shared.queueURL, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range got.Messages {
			if _, err := queue.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{
				QueueUrl: &shared.queueURL, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
		if len(got.Messages) == 0 {
			return
		}
	}
}
