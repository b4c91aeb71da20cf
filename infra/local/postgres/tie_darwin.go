package postgres

import "os/exec"

func tie(cmd *exec.Cmd) (release func(), err error) { return watch(cmd) }
