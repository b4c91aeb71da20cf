package stack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

// module is where the functions' packages are; `go build` finds them from anywhere inside the
// module.
const module = "github.com/toolboxai-solutions/satchel/functions/"

// binaries returns the directory with <function>/bootstrap of every function that runs, and what to
// say of it: the one named by the options, or one that is built now, for this machine and static
// like the shipped ones.
func (s *Stack) binaries(ctx context.Context, dir, source string) (bin, note string, err error) {
	folders := s.folders()
	if named := s.options.BinDir; named != "" {
		for _, folder := range folders {
			if _, err := os.Stat(bootstrap(named, folder)); err != nil {
				return "", "", fmt.Errorf(
					"no binary of %s: run `make build ARCH=%s`, or leave out -bin: %w", folder,
					runtime.GOARCH, err)
			}
		}
		return named, "from " + named, nil
	}
	progress := &buildProgress{say: s.say, began: time.Now()}
	for _, folder := range folders {
		progress.rest.Reset()
		build := exec.CommandContext(ctx, "go", "build", "-v", "-buildvcs=false", "-o",
			bootstrap(dir, folder), module+folder)
		build.Dir = source
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stdout, build.Stderr = progress, progress
		if err := build.Run(); err != nil {
			return "", "", fmt.Errorf("build %s: %w\n%s", folder, err, &progress.rest)
		}
	}
	return dir, "built from source", nil
}

// buildProgress reads what `go build -v` writes, a line for each package that it compiles, and
// tells from time to time how many there were. rest is what is no package: the errors.
type buildProgress struct {
	say      func(format string, arguments ...any)
	began    time.Time
	told     time.Time
	packages int
	rest     bytes.Buffer
}

// progressEvery is how long a build is silent at most while it compiles.
const progressEvery = 10 * time.Second

// packageLine is an import path: no error of the compiler is without a space or a colon.
var packageLine = regexp.MustCompile(`^[\w.~/-]+$`)

func (b *buildProgress) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if !packageLine.MatchString(strings.TrimSpace(line)) {
			b.rest.WriteString(line)
			continue
		}
		b.packages++
	}
	if now := time.Now(); now.Sub(b.began) > progressEvery && now.Sub(b.told) > progressEvery {
		b.told = now
		b.say("building the functions: %d packages so far, %d s", b.packages,
			int(now.Sub(b.began).Seconds()))
	}
	return len(p), nil
}

// folders are those of the binaries, below functions and below where they are built.
func (s *Stack) folders() []string {
	var all []string
	for _, fn := range s.deployment.Functions {
		if runs(fn) {
			all = append(all, folder(fn))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func folder(fn template.Function) string { return strings.TrimPrefix(fn.Code, "build/") }

func bootstrap(dir, folder string) string { return filepath.Join(dir, folder, "bootstrap") }
