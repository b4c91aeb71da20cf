package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

const issuerHere = "https://issuer.example.test/"

// tell runs a command as a person types it; quoted arguments are not needed here.
func tell(t *testing.T, d database, line string) result {
	t.Helper()
	var out bytes.Buffer
	if err := d.command(t.Context(), strings.Fields(line), &out); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var got result
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%s printed no JSON: %v\n%s", line, err, out.String())
	}
	return got
}

func TestTheFirstSchoolAndItsFirstAdmin(t *testing.T) {
	t.Parallel()
	test := pgtest.New(t)
	d := database{URL: test.OwnerURL, Issuer: issuerHere}
	for step, c := range []struct {
		line          string
		changed       bool
		status, role  string
		removed       bool
		members, gone int
	}{
		{"organization add oak-street -name Oak", true, "active", "", false, 0, 0},
		{"organization add oak-street -name Another", false, "active", "", false, 0, 0},
		{"member add oak-street -subject ada -role admin -email ada@example.test", true, "active",
			"admin", false, 1, 0},
		{"member add oak-street -subject ada -role admin", false, "active", "admin", false, 1, 0},
		{"member add oak-street -subject ada", false, "active", "admin", false, 1, 0},
		{"member add oak-street -subject ada -role staff", true, "active", "staff", false, 1, 0},
		{"member remove oak-street -subject ada", true, "active", "staff", true, 1, 1},
		{"member remove oak-street -subject ada", false, "active", "staff", true, 1, 1},
		{"member add oak-street -subject ada", true, "active", "staff", false, 1, 0},
		{"member remove oak-street -subject nobody", false, "active", "", false, 1, 0},
		{"organization suspend oak-street", true, "suspended", "", false, 1, 0},
		{"organization suspend oak-street", false, "suspended", "", false, 1, 0},
		{"organization add oak-street", false, "suspended", "", false, 1, 0},
		{"organization resume oak-street", true, "active", "", false, 1, 0},
		{"organization resume oak-street", false, "active", "", false, 1, 0},
	} {
		got := tell(t, d, c.line)
		if got.Changed == nil || *got.Changed != c.changed || got.Organization.Status != c.status ||
			got.Organization.Name != "Oak" {
			t.Errorf("step %d, %s: %+v", step, c.line, got)
		}
		if (got.Member == nil) != (c.role == "") || got.Member != nil &&
			(got.Member.Role != c.role || (got.Member.RemovedAt != nil) != c.removed) {
			t.Errorf("step %d, %s: the member is %+v", step, c.line, got.Member)
		}
		list := tell(t, d, "member list "+got.Organization.ID.String())
		gone := 0
		for _, m := range list.Members {
			if m.RemovedAt != nil {
				gone++
			}
		}
		if len(list.Members) != c.members || gone != c.gone {
			t.Errorf("step %d, %s: %d members, %d removed", step, c.line, len(list.Members), gone)
		}
	}

	// What the command wrote is what an entry finds for the bearer of such a token.
	organization := tell(t, d, "member list oak-street").Organization.ID
	err := test.DB(t, "file-api/http").InTenant(t.Context(), organization, func(tx pgx.Tx) error {
		var role string
		err := tx.QueryRow(t.Context(), `SELECT role FROM memberships
			WHERE user_id = $1 AND removed_at IS NULL`,
			tenant.UserID(issuerHere, "ada")).Scan(&role)
		if role != "staff" {
			t.Errorf("the entry finds role %q", role)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMembersStayInTheirOrganization(t *testing.T) {
	t.Parallel()
	d := database{URL: pgtest.New(t).OwnerURL, Issuer: issuerHere}
	tell(t, d, "organization add oak-street")
	tell(t, d, "organization add elm-street")
	tell(t, d, "member add oak-street -subject ada -role admin")
	if got := tell(t, d, "member list elm-street"); len(got.Members) != 0 {
		t.Errorf("elm-street lists %+v", got.Members)
	}
	if got := tell(t, d, "member remove elm-street -subject ada"); *got.Changed {
		t.Error("elm-street removed another organization's member")
	}
	if got := tell(t, d, "member list oak-street"); len(got.Members) != 1 ||
		got.Members[0].RemovedAt != nil {
		t.Errorf("oak-street lists %+v", got.Members)
	}
}

func TestWhatIsNotUnderstoodChangesNothing(t *testing.T) {
	t.Parallel()
	d := database{URL: pgtest.New(t).OwnerURL}
	tell(t, d, "organization add oak-street")
	for line, want := range map[string]string{
		"organization add Oak_Street":                               "no slug",
		"organization add":                                          "organization",
		"organization rename oak-street":                            "want the command",
		"organization suspend nowhere":                              "there is no organization",
		"organization add oak-street -role admin":                   "-role",
		"member add oak-street -subject ada":                        "AUTH_ISSUER",
		"member add oak-street -issuer https://i.example":           "subject",
		"member add oak-street -issuer x -subject ada -role king":   "role",
		"member add oak-street -issuer x -subject ada and somebody": "and",
	} {
		err := d.command(t.Context(), strings.Fields(line), new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want a word of %q", line, err, want)
		}
	}
	if got := tell(t, d, "member list oak-street"); len(got.Members) != 0 {
		t.Errorf("there is %+v", got.Members)
	}
}
