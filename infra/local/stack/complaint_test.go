package stack

import (
	"os"
	"strings"
	"testing"
)

func TestComplaintIsWhatThisStartPrinted(t *testing.T) {
	t.Parallel()
	s := &Stack{directory: &directory{path: t.TempDir()}}
	write := func(text string) {
		t.Helper()
		file, err := s.logFile()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	write("api |   OLD: is wrong\n")
	write(`api | {"msg":"request done"}` + "\n")
	if got := s.complaint(); got != "see "+s.LogPath() {
		t.Errorf("nothing was printed, and it says %q", got)
	}
	const fault = "  CORS_ORIGINS: must be *"
	write(strings.Repeat("api | "+fault+"\n", 3) + `api | {"msg":"request done"}` + "\n")
	if got := s.complaint(); got != fault {
		t.Errorf("%q, want %q", got, fault)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(s.LogPath()); err != nil {
		t.Fatal(err)
	}
	if got := s.complaint(); got != "see "+s.LogPath() {
		t.Errorf("without a log it says %q", got)
	}
}
