package main

import (
	"bytes"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/migrations"
	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	d := database{URL: pgtest.New(t).OwnerURL}
	for _, step := range []struct{ args, want, without string }{
		{"status", "applied 20", "pending"},
		{"up", "nothing to do", "applied"},
		{"down 1", "taken back", "0001_"},
		{"status", "pending", ""},
		{"down 0", "0001_", "applied"},
		{"up", "0001_", "pending"},
	} {
		var out bytes.Buffer
		if err := d.command(t.Context(), strings.Fields(step.args), &out); err != nil {
			t.Fatalf("%s: %v", step.args, err)
		}
		if !strings.Contains(out.String(), step.want) || step.without != "" &&
			strings.Contains(out.String(), step.without) {
			t.Errorf("%s printed\n%swant %q and no %q", step.args, out.String(), step.want,
				step.without)
		}
	}
}

func TestCommandsThatAreRefused(t *testing.T) {
	t.Parallel()
	test := pgtest.New(t)
	d := database{URL: test.OwnerURL}
	for _, args := range []string{"", "sideways", "down", "down everything", "up 1", "status 1"} {
		if err := d.command(t.Context(), strings.Fields(args), new(bytes.Buffer)); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	all, err := migrations.Status(t.Context(), test.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.AppliedAt.IsZero() {
			t.Errorf("a refused command took %s back", m.Name)
		}
	}
}

// A real token needs RDS; what is signed, and for whom, can be seen without.
func TestSignInPutsATokenIntoTheURL(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIAOBVIOUSLYFAKE",
		"AWS_SECRET_ACCESS_KEY": "obviously-fake",
	} {
		t.Setenv(name, value)
	}
	signed, err := signIn(t.Context(), "postgres://owner@db.example.test/satchel?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := u.User.Password()
	if u.User.Username() != "owner" || u.Path != "/satchel" || u.RawQuery != "sslmode=require" {
		t.Errorf("the URL lost something: %s", u.Redacted())
	}
	if !strings.HasPrefix(token, "db.example.test:5432?") ||
		!strings.Contains(token, "DBUser=owner") || !strings.Contains(token, "X-Amz-Signature=") {
		t.Errorf("the token is %q", token)
	}
	if _, err := signIn(t.Context(), "db.example.test"); err == nil {
		t.Error("a URL without an owner was signed")
	}
}

func TestLambda(t *testing.T) {
	t.Parallel()
	test := pgtest.New(t)
	binary := filepath.Join(t.TempDir(), "bootstrap")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	host, err := runtime.Start(t.Context(), runtime.Config{Dir: t.TempDir(), Log: func(_ string, line []byte) { t.Logf("%s", line) },
		Functions: []runtime.Function{
			{Name: "migrate", Binary: binary, Env: map[string]string{"DATABASE_URL": test.OwnerURL},
				Timeout: time.Minute},
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	for _, event := range []string{`{"command":"down","to":0}`, `{"command":"up"}`} {
		answer, err := host.Invoke(t.Context(), "migrate", []byte(event))
		if err != nil || !strings.Contains(string(answer), `"name":"0001_`) {
			t.Errorf("%s: %s, %v", event, answer, err)
		}
	}
	for _, c := range []struct{ event, want string }{
		{`{"command":"organization add","organization":"elm"}`, `"changed":true`},
		{`{"command":"member add","organization":"elm","issuer":"https://i.example","subject":"1"}`,
			`"member":{`},
	} {
		event, want := c.event, c.want
		answer, err := host.Invoke(t.Context(), "migrate", []byte(event))
		if err != nil || !strings.Contains(string(answer), want) {
			t.Errorf("%s: %s, %v", event, answer, err)
		}
	}
	if answer, err := host.Invoke(t.Context(), "migrate",
		[]byte(`{"command":"down"}`)); err == nil {
		t.Errorf("down to nowhere was taken: %s", answer)
	}
}
