package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The limits of the child's workers: memory that a small file fits into and a photo of 16
// megapixels does not, and a timeout that leaves a few seconds of work besides the four that are
// kept for the end.
const (
	childMemoryMB = 60
	childTimeout  = 7 * time.Second
)

func TestWorkerOutOfMemoryAndOutOfTime(t *testing.T) {
	needProc(t)
	t.Parallel()
	p, pid := spawn(t)

	t.Run("timeout", func(t *testing.T) {
		s := schoolOn(t, p)
		u := s.user("member")
		form := u.reserve(text("slow"))
		release := s.hold(`SELECT FROM storage_quotas WHERE organization_id = $1 FOR UPDATE`, s.id)
		if status, body := form.post([]byte("slow")); status != 204 {
			t.Fatalf("the form answers %d %s", status, body)
		}
		id := form.str("file.id")
		until(t, "a worker at its verdict",
			func() bool { return len(s.stored("original/"+s.id)) == 1 })
		frozen := worker(t, pid)
		if err := syscall.Kill(frozen, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		release()
		until(t, "the end of the worker that does not answer",
			func() bool { return syscall.Kill(frozen, 0) != nil })
		s.hurry(id)
		if a := u.settled(id); a.at("file.status") != "available" {
			t.Errorf("ended as %s", a.raw)
		}
		s.wantKept(id, "original")
		s.wantVerdicts(1)
	})
	t.Run("memory", func(t *testing.T) {
		s := schoolOn(t, p)
		u := s.user("member")
		id := u.upload(
			sent{name: "big.jpg", kind: "image/jpeg", content: sample(t, "dandelion-16mp.jpg")})
		until(t, "that the file is given up", func() bool {
			s.hurry(id) // each worker dies with the lease in its hand
			s.pass(id)  // or, on a busy machine, is too slow for something around it
			return u.call("GET", "/v1/files/"+id, nil).at("file.status") == "error"
		})
		if n := s.look(
			`SELECT (details->>'attempt')::int FROM file_access_logs
				WHERE organization_id = $1 AND file_id = $2 AND action = 'process'`,
			s.id, id); n != 5 {
			t.Errorf("given up at attempt %d, want the one after four", n)
		}
		s.wantRefused(u, id, "error", "too_many_attempts")
		s.wantStored(id, "quarantine")
		// The next file finds a worker.
		if a := u.settled(u.upload(text("small"))); a.at("file.status") != "available" {
			t.Errorf("the file after it ended as %s", a.raw)
		}
	})
}

// worker is the one process of file-processing below another.
func worker(t *testing.T, parent int) int {
	t.Helper()
	found := workersOf(parent)
	if len(found) != 1 {
		t.Fatalf("%d workers, want one", len(found))
	}
	return found[0]
}

func workersOf(parent int) (found []int) {
	for _, child := range children(parent) {
		path, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(child), "exe"))
		if err == nil && strings.Contains(path, "file-processing") {
			found = append(found, child)
		}
	}
	return found
}

// children are the processes that a process started and that are still there.
func children(parent int) (found []int) {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// pid (name) state ppid …; the name may hold anything, so what follows its last parenthesis
		// counts
		fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) && fields[0] != "Z" {
			found = append(found, pid)
		}
	}
	return found
}

// descendants are children and theirs.
func descendants(parent int) (found []int) {
	for _, child := range children(parent) {
		found = append(append(found, child), descendants(child)...)
	}
	return found
}
