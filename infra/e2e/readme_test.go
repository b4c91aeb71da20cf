package e2e

import (
	"bytes"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What README says to type is typed.
func TestTheCommandsOfREADME(t *testing.T) {
	s := newSchool(t)
	need(t, "bash", "curl", "jq")
	text, err := os.ReadFile(filepath.Join(shared.root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Try the API\n")
	_, block, _ := strings.Cut(section, "```\n")
	block, _, _ = strings.Cut(block, "```\n")
	address, commands, _ := strings.Cut(block, "\n")
	if !strings.HasPrefix(address, "API=") {
		t.Fatalf("the commands begin with %q", address)
	}
	commands = strings.ReplaceAll(commands, "PHOTO=", "PHOTO="+shared.root+"/")
	bash := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c",
		"API="+s.ready.API+"\n"+commands)
	bash.Dir = t.TempDir()
	var out bytes.Buffer
	bash.Stdout, bash.Stderr = &out, &out
	if err := bash.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "dogs.jpg\tavailable\n") {
		t.Errorf("the list does not show the file as available:\n%s", &out)
	}
	thumbnail, err := os.ReadFile(filepath.Join(bash.Dir, "thumbnail.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(bytes.NewReader(thumbnail)); err != nil || c.Height != 300 {
		t.Errorf("the thumbnail is %d pixels high, %v", c.Height, err)
	}
}

// need skips without the programs, and fails in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing", program)
		}
		t.Skipf("%s is missing", program)
	}
}
