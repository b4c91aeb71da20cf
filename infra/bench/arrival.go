package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
)

const arrivalTime = 10 * time.Second // of one load

// arrivalLoads are facts a second.
var arrivalLoads = [...]int{2, 5, 10, 20, 40, 80}

// arrival measures how long a fact takes to a client that is subscribed.
func arrival(ctx context.Context, w *fixture) (section, error) {
	s := section{
		title: "Notifications: from the fact to a subscribed client",
		method: fmt.Sprintf(`HTTP: POST /v1/notifications to a topic. Trigger: the platform's role inserts a queued run into agent_executions, and rings the
doorbell after its commit. A WebSocket client that was let in by the two auth endpoints receives both; milliseconds from the
beginning of the fact's transaction (its occurred_at) to the event, so the commit is in them. Facts come at even distances for %v
a load, without a pace: see arrival.png. A trigger whose platform rings nobody waits for notification-sweep: up to a minute.`,
			arrivalTime),
	}
	if err := w.empty(ctx); err != nil {
		return s, err
	}
	l, err := w.subscribe(ctx)
	if err != nil {
		return s, err
	}
	defer l.client.Close()
	t := table{head: []string{"facts/s", "HTTP p50", "p99", "n", "trigger p50", "p99", "n"}}
	lines := make([]line, 4)
	for i, name := range []string{"HTTP p50", "HTTP p99", "trigger p50", "trigger p99"} {
		lines[i].name = name
	}
	for _, tell := range []func(context.Context) error{l.post, l.insert} {
		if _, err := l.load(ctx, 5, time.Second, tell); err != nil { // every sandbox is warm then
			return s, err
		}
	}
	for _, load := range arrivalLoads {
		row := []string{fmt.Sprint(load)}
		for i, tell := range []func(context.Context) error{l.post, l.insert} {
			took, err := l.load(ctx, load, arrivalTime, tell)
			if err != nil {
				return s, err
			}
			for j, p := range []float64{50, 99} {
				v := percentile(took, p)
				row = append(row, ms(v))
				lines[2*i+j].points = append(lines[2*i+j].points, [2]float64{float64(load), v})
			}
			row = append(row, fmt.Sprint(len(took)))
		}
		t.add(row...)
	}
	s.tables = []table{t}
	s.notes = []string{"![latency against load](arrival.png)"}
	if w.options.out == "" {
		return s, nil
	}
	path := filepath.Join(filepath.Dir(w.options.out), "arrival.png")
	return s, plot(path, "milliseconds to a subscribed client against facts a second", lines)
}

// listener is a client that is subscribed, and those who tell it.
type listener struct {
	w        *fixture
	client   *channels.Client
	teller   *client
	platform *pgxpool.Pool
	org      string
}

func (w *fixture) subscribe(ctx context.Context) (*listener, error) {
	l := &listener{w: w, org: w.tenant.uploads.String()}
	var err error
	if l.teller, err = w.signIn(ctx, uploadsSlug, "teller@example.org"); err != nil {
		return nil, err
	}
	if l.client, err = channels.Dial(ctx, w.Channels.Host, w.Channels.Key); err != nil {
		return nil, err
	}
	var user struct {
		Auth string `json:"auth"`
		Data string `json:"user_data"`
	}
	form := url.Values{"socket_id": {l.client.SocketID}}
	if err := l.form(ctx, "/v1/channels/user-auth", form, &user); err != nil {
		return nil, err
	}
	if err := l.client.Signin(ctx, user.Auth, user.Data); err != nil {
		return nil, err
	}
	for _, name := range []string{"announcements", "tasks"} {
		channel := "private-org-" + l.org + "-topic-" + name
		var signed struct{ Auth string }
		form.Set("channel_name", channel)
		if err := l.form(ctx, "/v1/channels/auth", form, &signed); err != nil {
			return nil, err
		}
		if err := l.client.Subscribe(ctx, channel, signed.Auth, ""); err != nil {
			return nil, err
		}
	}
	if l.platform, err = connect(ctx, w.Ready.Roles["platform"], w.tenant.uploads); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *listener) form(ctx context.Context, path string, fields url.Values, answer any) error {
	return l.teller.post(ctx, l.teller.api+path, "application/x-www-form-urlencoded", 200,
		strings.NewReader(fields.Encode()), answer)
}

func (l *listener) post(ctx context.Context) error {
	var answer struct{ ID string }
	return l.teller.call(ctx, "/v1/notifications", 202, map[string]any{
		"channel": "private-org-" + l.org + "-topic-announcements", "event": "lesson.started",
	}, &answer)
}

func (l *listener) insert(ctx context.Context) error {
	_, err := l.platform.Exec(ctx, `INSERT INTO agent_executions (organization_id, task_id,
		agent_instance_id, agent_type, task_type, status)
		VALUES ($1, 'bench', gen_random_uuid(), 'tutor', 'quiz', 'queued')`, l.org)
	if err != nil {
		return err
	}
	return l.w.Queue.Send("Doorbell", "{}")
}

// load tells so many facts a second and returns how long each took to arrive.
func (l *listener) load(ctx context.Context, perSecond int, lasts time.Duration,
	tell func(context.Context) error) ([]float64, error) {
	n := int(lasts.Seconds() * float64(perSecond))
	ctx, cancel := context.WithTimeout(ctx, lasts+patience)
	defer cancel()
	var took []float64
	all, sending := errgroup.WithContext(ctx)
	all.Go(func() error {
		for len(took) < n {
			m, err := l.client.Next(sending)
			if err != nil {
				return err
			}
			var event struct {
				OccurredAt time.Time `json:"occurred_at"`
			}
			if json.Unmarshal([]byte(m.Data), &event) == nil && !event.OccurredAt.IsZero() {
				took = append(took, milliseconds(time.Since(event.OccurredAt)))
			}
		}
		return nil
	})
	var telling sync.WaitGroup
	began := time.Now()
	for i := range n {
		at := began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
		select {
		case <-time.After(time.Until(at)):
		case <-sending.Done():
		}
		telling.Go(func() {
			if err := tell(sending); err != nil {
				all.Go(func() error { return err })
			}
		})
	}
	telling.Wait()
	err := all.Wait()
	return took, err
}
