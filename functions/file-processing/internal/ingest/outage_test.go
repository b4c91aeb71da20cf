package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/toolboxai-solutions/satchel/infra/pgtest"
	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// A database that takes no writes, or nobody in, whatever the file had behind it by then: it waits,
// and becomes available when that is over, with no attempt of its own used up but the one that
// could not be given back.
func TestADatabaseThatRefuses(t *testing.T) {
	t.Parallel()
	database := pgtest.NewIsolated(t)
	const role = "satchel_file_processing_events"
	for name, change := range map[string][2]string{
		"writes": {`ALTER ROLE ` + role + ` SET default_transaction_read_only = on`,
			`ALTER ROLE ` + role + ` RESET default_transaction_read_only`},
		"the sign-in": {`ALTER ROLE ` + role + ` NOLOGIN`, `ALTER ROLE ` + role + ` LOGIN`},
	} {
		for _, request := range []int64{0, 1, 6} { // before the claim, after it, before the verdict
			t.Run(fmt.Sprintf("%s ahead of request %d", name, request), func(t *testing.T) {
				w := fixtureOn(t, database)
				key, object := w.send(upload{name: "a.jpg", mime: "image/jpeg",
					content: sampleJPEG(t)})
				refuse := func() {
					w.exec(change[0])
					w.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE usename = '` + role + `'`)
				}
				if request == 0 {
					refuse()
				}
				w.processor.S3 = s3Client(t, &faultyStore{before: func(n int64, _ *http.Request) {
					if n == request {
						refuse()
					}
				}})
				for range 2 * maxAttempts {
					_, err := w.processor.Process(t.Context(), object)
					if !errors.Is(err, ErrPostponed) || fault.KindOf(err) != fault.Temporary {
						t.Fatalf("%v", err)
					}
					w.expireLease()
				}
				expect(t, w.row(`SELECT attempts FROM file_uploads WHERE file_id = $1`, key.File),
					map[string]any{"attempts": min(request, 1)})
				w.exec(change[1])
				if result := w.process(object); result.Outcome != OutcomeAvailable {
					t.Fatalf("%+v", result)
				}
				expect(t, w.file(key), map[string]any{"status": "available"})
				w.expectVariants(key)
			})
		}
	}
}
