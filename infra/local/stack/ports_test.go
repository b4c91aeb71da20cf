package stack

import (
	"net"
	"strings"
	"testing"
)

// port listens as a start in this directory does, and stops at once.
func port(t *testing.T, path string, chosen int) int {
	t.Helper()
	d := &directory{path: path}
	listener, err := d.listen(chosen)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return d.port
}

func TestPortsStayTheSame(t *testing.T) {
	t.Parallel()
	here, there := t.TempDir(), t.TempDir()
	first := port(t, here, 0)
	if again := port(t, here, 0); again != first {
		t.Errorf("port %d, then %d", first, again)
	}
	other := port(t, there, 0)
	if chosen := port(t, here, other); chosen != other {
		t.Errorf("port %d was chosen, and it is %d", other, chosen)
	}
	if kept := port(t, here, 0); kept != other {
		t.Errorf("port %d was chosen the last time, and it is %d", other, kept)
	}
}

func TestPortThatIsTakenIsTold(t *testing.T) {
	t.Parallel()
	here := t.TempDir()
	first := port(t, here, 0)
	for i, whose := range []string{"the API", "S3"} {
		taken, err := net.Listen("tcp", address(first+i))
		if err != nil {
			t.Fatal(err)
		}
		for _, chosen := range []int{0, first} {
			_, err := (&directory{path: here}).listen(chosen)
			if err == nil || !strings.Contains(err.Error(), whose) ||
				!strings.Contains(err.Error(), "-port") {
				t.Errorf("port %d, chosen %d: %v", first+i, chosen, err)
			}
		}
		if err := taken.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if again := port(t, here, 0); again != first {
		t.Errorf("port %d, and after it was taken %d", first, again)
	}
}
