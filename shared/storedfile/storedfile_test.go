package storedfile

import (
	"slices"
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

func TestValuesAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	pgtest.CheckValues(t, d, "files", "status", Statuses())
	pgtest.CheckValues(t, d, "files", "status_reason", Reasons())
}

func TestEveryReasonSaysWhatToDo(t *testing.T) {
	t.Parallel()
	seen := map[string]Reason{}
	for _, reason := range Reasons() {
		detail := reason.Detail()
		if !strings.HasSuffix(detail, ".") || seen[detail] != "" {
			t.Errorf("%s has no sentence of its own: %q, as %s", reason, detail, seen[detail])
		}
		seen[detail] = reason
		if status := reason.Status(); status != Failed && status != Quarantined {
			t.Errorf("%s ends as %s", reason, status)
		}
	}
	if Reason("").Detail() != "" || Reason("").Status() != Available {
		t.Error("no reason is a failure")
	}
}

func TestBucketsMustDiffer(t *testing.T) {
	t.Parallel()
	for names, wrong := range map[string][]string{
		"a b c": nil,
		"a a c": {"INCOMING_BUCKET"},
		"a b a": {"INCOMING_BUCKET"},
		"a b b": {"QUARANTINE_BUCKET"},
		"a a a": {"INCOMING_BUCKET", "QUARANTINE_BUCKET"},
	} {
		n := strings.Fields(names)
		err := Buckets{Incoming: n[0], Files: n[1], Quarantine: n[2]}.Validate()
		var got []string
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				name, _, _ := strings.Cut(line, ": ")
				got = append(got, name)
			}
		}
		if !slices.Equal(got, wrong) {
			t.Errorf("%s: %v, want faults of %v", names, err, wrong)
		}
	}
}
