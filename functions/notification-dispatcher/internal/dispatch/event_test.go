package dispatch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
)

// Whatever is told, by whatever name: its event is small enough to be sent, says which it is, and
// carries either all that may travel or a link.
func TestEveryEventFits(t *testing.T) {
	t.Parallel()
	letters := []string{"a", "é", "\"", "\\", "\n", "<", "\u2028", "\x00", "🦄"}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 4))
		text := strings.Repeat(letters[random.IntN(len(letters))], random.IntN(12_000))
		payload, err := json.Marshal(map[string]any{
			"text": text, "status": text, "file_id": uuid.New(), "size": random.Int64(),
		})
		if err != nil {
			t.Fatal(err)
		}
		kind := []topic.Kind{topic.Private, topic.Encrypted, topic.Presence}[random.IntN(3)]
		name := topic.Of(kind, uuid.New()).About(strings.Repeat("t", 40)).String()
		j := &job{Recorded: topic.Recorded{
			ID: uuid.New(), Channel: name, Sequence: random.Int64(), Payload: payload,
			Topic:    []string{"file.available", "message.posted"}[random.IntN(2)],
			Replayed: random.IntN(2) == 0,
		}}
		if random.IntN(10) == 0 {
			j.fold = fold{1, j.Sequence, 2}
		}
		e, err := j.event("https://api.example.test", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if channel.Size(e) > channel.MaxData {
			t.Errorf("seed %d: %d bytes as sent", seed, channel.Size(e))
		}
		var sent struct {
			ID       uuid.UUID
			Channel  string
			Sequence int64
			Version  int
			Data     map[string]any
			Link     string
		}
		if err := json.Unmarshal(e.Data, &sent); err != nil {
			t.Fatal(err)
		}
		if sent.Channel != name || sent.Sequence != j.Sequence || sent.Version != topic.Version ||
			sent.ID == uuid.Nil || (sent.Data == nil) == (sent.Link == "") {
			t.Errorf("seed %d: sent %.300s", seed, e.Data)
		}
		if own := fmt.Sprint(sent.Data["text"]); kind != topic.Encrypted && sent.Data != nil &&
			own != "<nil>" {
			t.Errorf("seed %d: Pusher can read %.100q", seed, own)
		}
	}
}
