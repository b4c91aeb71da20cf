package e2e

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// formPosts is how often TestOneFormSentManyTimes sends its form. CI looks at what becomes of the
// files; -forms=2740 also compares what another school waits, which is the clock's and so no test.
var formPosts = flag.Int("forms", 100, "how often TestOneFormSentManyTimes sends one form")

// One school's member sends one form as fast as it goes, while another school works.
func TestOneFormSentManyTimes(t *testing.T) {
	flood, other := newSchool(t), schoolOn(t, shared.platform)
	form, writer := flood.user("member").reserve(text("again")), other.user("member")
	waits := func(files int) (p95 time.Duration) {
		var each []time.Duration
		for i := range files {
			began := time.Now()
			writer.available(text(fmt.Sprint("mine ", i)))
			each = append(each, time.Since(began))
		}
		slices.Sort(each)
		return each[len(each)*95/100]
	}
	files := max(10, *formPosts/100)
	alone := waits(files)
	var senders sync.WaitGroup
	var sent atomic.Int64
	for range 4 {
		senders.Go(func() {
			for sent.Add(1) <= int64(*formPosts) {
				if status, body, err := form.tryPost([]byte("again")); err != nil || status != 204 {
					t.Errorf("the form answers %d %s, %v", status, body, err)
				}
			}
		})
	}
	beside := waits(files)
	senders.Wait()
	if a := flood.user("staff").settled(form.str("file.id")); a.at("file.status") != "available" {
		t.Errorf("the file that was sent %d times is %s", *formPosts, a.raw)
	}
	flood.wantQuota(int64(len("again")), 0, 1)
	other.wantVerdicts(int64(2 * files))
	t.Logf("from the request to the verdict, p95 of %d files: %s alone, %s beside %d forms, "+
		"ratio %.2f", files, alone, beside, *formPosts, float64(beside)/float64(alone))
}
