package postgres

import (
	"os"
	"os/exec"
)

// watch puts a shell between us and the server that leaves a reader on a pipe
// of ours and becomes the server. When we end, the pipe closes, and the reader
// tells the server to shut down: what the parent death signal does on Linux.
// The reader is forked twice, so that the server does not inherit a child, and
// holds no other file of ours open.
func watch(cmd *exec.Cmd) (release func(), err error) {
	const script = `exec 9<&0; ( ( cat <&9 >/dev/null; kill -INT $$ ) 3<&- >/dev/null 2>&1 & ); exec 9<&-; exec "$@" </dev/null`
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Args = append([]string{"/bin/sh", "-c", script, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Stdin = "/bin/sh", r
	return func() { r.Close(); w.Close() }, nil
}
