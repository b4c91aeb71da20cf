package dispatch

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/quick"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
)

// The wait doubles with each failure up to its longest, is never shorter than what was asked for,
// and jitter takes no more than half of it.
func TestBackoff(t *testing.T) {
	t.Parallel()
	property := func(failures int, asked uint16, spread float64) bool {
		_, jitter := math.Modf(math.Abs(spread))
		ask := time.Duration(asked) * time.Second
		wait, longest := backoff(failures, ask, jitter), backoff(failures, 0, 1)
		if wait < ask || wait < longest/2 || wait > max(longest, ask) {
			return false
		}
		next := backoff(failures+1, 0, 1)
		return longest >= firstRetry && longest <= longestWait &&
			(failures < 1 || failures == math.MaxInt ||
				next == min(2*longest, longestWait))
	}
	err := quick.Check(property, &quick.Config{MaxCount: 5000})
	for failures := range 30 {
		if !property(failures, 0, 0.5) {
			t.Errorf("after %d failures: %v", failures, backoff(failures, 0, 0.5))
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// However a service refuses it: an event ends as delivered, or as dead after at most so many tries,
// and what is no fault of its own is never counted.
func TestEveryEventHasAnEnd(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 3))
		most, attempts, small := 1+random.IntN(12), 0, false
		for range 1000 {
			o := channel.Outcome{State: channel.State(random.IntN(4))}
			if o.State == channel.Refused {
				o.Reason = []channel.Reason{channel.TooLarge, channel.Rejected,
					channel.Rejected, channel.Invalid}[random.IntN(4)]
			}
			fate := judge(o, attempts, most, small)
			blamed := fate == retries || fate == dies || fate == shrinks
			if blamed != (o.State == channel.Refused) || (fate == delivered) !=
				(o.State == channel.Delivered) {
				t.Fatalf("seed %d: %v ends as %s", seed, o, fate)
			}
			if fate == shrinks {
				if small {
					t.Fatalf("seed %d: shrunk twice", seed)
				}
				small = true
			}
			if fate == retries {
				attempts++
			}
			if fate == delivered || fate == dies {
				break
			}
		}
		if attempts >= most {
			t.Fatalf("seed %d: %d tries, at most %d are allowed", seed, attempts+1, most)
		}
	}
}
