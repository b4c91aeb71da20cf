package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

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
	for _, folder := range folders {
		build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o",
			bootstrap(dir, folder), module+folder)
		build.Dir = source
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("build %s: %w\n%s", folder, err, out)
		}
	}
	return dir, "built from source", nil
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
