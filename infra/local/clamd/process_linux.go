package clamd

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// procAttr drops root before exec instead of by clamd's own User directive: a
// process that changes its user later loses the parent-death signal (prctl(2),
// PR_SET_PDEATHSIG), and would outlive a killed stack.
func procAttr() (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		uid, gid, err := unprivileged()
		if err != nil {
			return nil, err
		}
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return attributes, nil
}

// handOver gives dir and what it holds to the user that clamd will run as.
func handOver(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := unprivileged()
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// unprivileged is ClamAV's own user where its package made one, so that it can
// read the machine's database, otherwise nobody.
func unprivileged() (uid, gid int, err error) {
	for _, name := range []string{"clamav", "clamupdate", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil {
			return uid, gid, nil
		}
	}
	return 0, 0, fmt.Errorf("clamd must not run as root, and there is no user clamav or nobody")
}
