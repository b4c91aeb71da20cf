// Package answers holds what black-box tests are answered to the OpenAPI document: each status,
// header and body has to be in it. Answers are recorded while tests run, and checked at their end
// by one process of node, whose validator needs no minute to compile.
package answers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/toolboxai-solutions/satchel/infra/openapi/node"
)

// Exchange is a request and what it was answered.
type Exchange struct {
	Method  string   `json:"method"`
	Path    string   `json:"path"`
	Status  int      `json:"status"`
	Headers []string `json:"headers"` // their names
	Type    string   `json:"type"`
	Body    string   `json:"body"`
}

// Recorder records exchanges. The zero value is ready for use.
type Recorder struct {
	lock sync.Mutex
	seen map[string]Exchange
}

// Add records an answer, without the query of its path. Answers that differ in nothing that the
// document speaks of are one.
func (r *Recorder) Add(method, path string, status int, header http.Header, body string) {
	path, _, _ = strings.Cut(path, "?")
	e := Exchange{Method: method, Path: path, Status: status, Headers: []string{},
		Type: header.Get("Content-Type"), Body: body}
	if method == http.MethodHead {
		return // as GET, without its body
	}
	e.Headers = slices.AppendSeq(e.Headers, maps.Keys(header))
	slices.Sort(e.Headers)
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.seen == nil {
		r.seen = map[string]Exchange{}
	}
	r.seen[fmt.Sprint(method, path, status, e.Headers, e.Type, body)] = e
}

// Check returns what the answers have that the document lacks, a line each. The error is
// node.ErrAbsent where the machine has no node.
func (r *Recorder) Check(document []byte) (faults []string, err error) {
	modules, err := node.Modules()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "answers-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "openapi.json")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	r.lock.Lock()
	for _, e := range r.seen {
		if err := encoder.Encode(e); err != nil {
			r.lock.Unlock()
			return nil, err
		}
	}
	r.lock.Unlock()
	cmd := exec.Command("node", "-e", node.Answers, file)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdin = &lines
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("validate answers: %w\n%s", err, said.String())
	}
	return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' }), nil
}

// Report checks the answers of a package's tests against the document in a file, tells what is
// wrong, and returns what the tests' process is to exit with. Without node it says so, and fails
// where CI is true.
func (r *Recorder) Report(file string) (code int) {
	document, err := os.ReadFile(file)
	var faults []string
	if err == nil && len(r.seen) > 0 {
		faults, err = r.Check(document)
	}
	if errors.Is(err, node.ErrAbsent) && os.Getenv("CI") != "true" {
		fmt.Fprintln(os.Stderr, "answers are not held to the document:", err)
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hold answers to the document:", err)
		return 1
	}
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, "not as the document has it:", fault)
	}
	return min(len(faults), 1)
}
