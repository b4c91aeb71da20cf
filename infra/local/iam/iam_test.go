package iam

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

func authority(t *testing.T, bucketPolicy string,
	policies ...string) (*Authority, *bytes.Buffer, error) {
	t.Helper()
	log := &bytes.Buffer{}
	d := &template.Deployment{Functions: []template.Function{{Name: "f",
		Role: template.Role{ARN: "arn:aws:iam::1:role/f", Policies: policies}}}}
	if bucketPolicy != "" {
		d.Buckets = []template.Bucket{{Name: "b", Policies: []string{bucketPolicy}}}
	}
	a, err := New(Keys{"ROOT", "root-secret"}, d, slog.New(slog.NewTextHandler(log, nil)))
	return a, log, err
}

func statements(text string) string { return `{"Version":"2012-10-17","Statement":[` + text + `]}` }

func TestDecisions(t *testing.T) {
	t.Parallel()
	a, log, err := authority(t, "",
		statements(`{"Effect":"Allow","Action":["sqs:SendMessage","sqs:Receive*"],"Resource":"arn:aws:sqs:::q"}`),
		statements(`{"Effect":"Allow","Action":"sqs:*","Resource":"arn:aws:sqs:::conditional","Condition":{"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::1:role/f"}}},
			{"Effect":"Deny","Action":"sqs:PurgeQueue","Resource":"*"}`))
	if err != nil {
		t.Fatal(err)
	}
	access := a.Keys("f").Access
	for _, c := range []struct {
		access, action, resource string
		want                     bool
	}{
		{access, "sqs:SendMessage", "arn:aws:sqs:::q", true},
		{access, "sqs:sendmessage", "arn:aws:sqs:::q", true},
		{access, "sqs:ReceiveMessage", "arn:aws:sqs:::q", true},
		{access, "sqs:DeleteMessage", "arn:aws:sqs:::q", false},
		{access, "sqs:SendMessage", "arn:aws:sqs:::q2", false},
		{access, "sqs:DeleteMessage", "arn:aws:sqs:::conditional", true},
		{access, "sqs:PurgeQueue", "arn:aws:sqs:::conditional", false},
		{access, "s3:GetObject", "arn:aws:s3:::b/k", false},
		{"ROOT", "sqs:PurgeQueue", "arn:aws:sqs:::q", true},
		{"NOBODY", "sqs:SendMessage", "arn:aws:sqs:::q", false},
	} {
		if got := a.Allows(c.access, c.action, c.resource); got != c.want {
			t.Errorf("%s on %s by %s is %v", c.action, c.resource, c.access, got)
		}
	}
	const send = "sqs:SendMessage"
	denied := len(a.Denied())
	a.Revoke(func(function, action, _ string) bool { return function == "f" && action == send })
	if a.Allows(access, send, "arn:aws:sqs:::q") || len(a.Denied()) != denied ||
		!a.Allows(access, "sqs:ReceiveMessage", "arn:aws:sqs:::q") {
		t.Error("what was revoked is allowed, or told as a mistake of the role")
	}
	if a.Revoke(nil); !a.Allows(access, send, "arn:aws:sqs:::q") {
		t.Error("what was given back is denied")
	}
	if secret, known := a.Secret("ROOT"); secret != "root-secret" || !known {
		t.Error("the root's secret is unknown")
	}
	if _, known := a.Secret("NOBODY"); known {
		t.Error("somebody unknown has a secret")
	}
	if text := log.String(); !strings.Contains(text, "AccessDenied") ||
		!strings.Contains(text, "function=f action=sqs:DeleteMessage resource=arn:aws:sqs:::q") ||
		strings.Contains(text, a.Keys("f").Secret) {
		t.Errorf("the log says %s", text)
	}
	if unused := a.Unused(); len(unused) != 0 {
		t.Errorf("unused %q", unused)
	}
}

func TestPoliciesThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ bucket, role string }{
		"no JSON": {"", "{"},
		"an unknown operator": {"",
			statements(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Sometimes":{"a":"b"}}}`)},
		"allowed by what it omits": {"",
			statements(`{"Effect":"Allow","NotAction":"s3:GetObject","Resource":"*"}`)},
		"a bucket that allows": {statements(
			`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}`),
			statements(`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`)},
		"a bucket that denies one": {statements(
			`{"Effect":"Deny","Principal":{"AWS":"arn:aws:iam::1:role/f"},"Action":"s3:GetObject","Resource":"*"}`), statements(`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`)},
	} {
		if _, _, err := authority(t, c.bucket, c.role); err == nil {
			t.Errorf("%s was taken", what)
		}
	}
}
