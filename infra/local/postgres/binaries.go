package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// oldest is the first major version that the migrations support.
const oldest = 15

// ErrNotFound is returned by Start when there is no server to start and none
// could be downloaded. Its text says why, and what to do.
var ErrNotFound = errors.New("no PostgreSQL found")

const instruction = `install PostgreSQL 15 or later so that "postgres" and "initdb" are on the PATH, or set DATABASE_URL to a server that runs already`

// find is the directory and the major version of a server: on the PATH, where
// Debian keeps its, or downloaded. It has to be of major version want, the one
// that made the data, unless that is 0.
func find(ctx context.Context, o Options, want int) (bin string, major int, err error) {
	if o.Bin != "" {
		major, err := suits(o.Bin, want)
		return o.Bin, major, err
	}
	var why []error
	for _, bin := range installed() {
		major, err := suits(bin, want)
		if err == nil {
			return bin, major, nil
		}
		why = append(why, err)
	}
	bin, err = Download(ctx, want, o.Log)
	if err == nil {
		major, err = suits(bin, want)
	}
	if err != nil {
		return "", 0, fmt.Errorf("%w: %s (%w)", ErrNotFound, instruction,
			errors.Join(append(why, err)...))
	}
	return bin, major, nil
}

// suits is the major version of the server in bin, or an error that says why
// it cannot be used.
func suits(bin string, want int) (int, error) {
	major, err := majorVersion(bin)
	switch {
	case err != nil:
		return 0, err
	case major < oldest:
		return 0, fmt.Errorf("%s is PostgreSQL %d, older than %d", bin, major, oldest)
	case want != 0 && major != want:
		return 0, fmt.Errorf("%s is PostgreSQL %d, but the data was made by %d: use that, or "+
			"begin anew with -fresh", bin, major, want)
	}
	return major, nil
}

// installed are the directories to look into, best first.
func installed() []string {
	var found []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// A link on the PATH seldom has initdb and the share directory beside it.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			found = append(found, filepath.Dir(real))
		}
	}
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // fails on a bad pattern only
	slices.SortFunc(debian, func(a, b string) int {
		return cmp.Compare(versionIn(b),
			versionIn(a))
	})
	return append(found, debian...)
}

func versionIn(bin string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin))) // what is no number sorts last
	return n
}

var versionOutput = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func majorVersion(bin string) (int, error) {
	if !exists(filepath.Join(bin, "initdb")) {
		return 0, fmt.Errorf("%s has no initdb", bin)
	}
	out, err := exec.Command(filepath.Join(bin, "postgres"), "--version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s does not run: %w: %s", filepath.Join(bin, "postgres"), err, out)
	}
	match := versionOutput.FindSubmatch(out)
	if match == nil {
		return 0, fmt.Errorf("%s says %q instead of its version", filepath.Join(bin, "postgres"),
			out)
	}
	return strconv.Atoi(string(match[1]))
}
