package library

import (
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
)

func TestValuesAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	pgtest.CheckValues(t, d, "files", "category", Categories())
	pgtest.CheckValues(t, d, "file_access_logs", "action", Actions())
}

func TestEveryCategoryHasARetention(t *testing.T) {
	t.Parallel()
	for _, category := range Categories() {
		if days := defaultDays(category); days <= 0 || days > 10*schoolYear {
			t.Errorf("%s is kept for %d days: give it a retention in defaultDays", category, days)
		}
	}
	_, err := deletionDate("unheard_of", nil, nil, time.Now(), time.Now())
	if err == nil {
		t.Error("a category without a retention is kept all the same")
	}
}
