package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

func TestKindSurvivesWrapping(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	err := fmt.Errorf("claim file: %w",
		fault.Wrap(cause, fault.Temporary, "database-unavailable", "Try again."))
	if got := fault.KindOf(err); got != fault.Temporary {
		t.Errorf("kind %s, want temporary", got)
	}
	if got := fault.CodeOf(err); got != "database-unavailable" {
		t.Errorf("code %s", got)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
}

func TestUnclassifiedIsInternal(t *testing.T) {
	t.Parallel()
	if got := fault.KindOf(errors.New("x")); got != fault.Internal {
		t.Errorf("kind %s, want internal", got)
	}
	if got := fault.CodeOf(errors.New("x")); got != "internal" {
		t.Errorf("code %s, want internal", got)
	}
}

func TestAfterLeavesTheOriginalAlone(t *testing.T) {
	t.Parallel()
	first := fault.New(fault.Limited, "too-many-requests", "Wait.")
	if later := first.After(time.Second); later.RetryAfter != time.Second || first.RetryAfter != 0 {
		t.Errorf("got %v and %v", later.RetryAfter, first.RetryAfter)
	}
}

func TestErrorSaysTheCauseInPlaceOfTheDetail(t *testing.T) {
	t.Parallel()
	err := fault.Wrap(errors.New("SQLSTATE 40001"), fault.Temporary, "busy", "Try again.")
	if !strings.Contains(err.Error(), "40001") {
		t.Errorf("a log line without its cause: %s", err)
	}
}
