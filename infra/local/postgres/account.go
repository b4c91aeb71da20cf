package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/toolboxai-solutions/satchel/infra/local/child"
)

// account is who the server runs as: PostgreSQL refuses to run as root, so
// root starts it as postgres or, where there is none, as nobody.
type account struct {
	credential *syscall.Credential // nil: as ourselves
}

func serverAccount() (account, error) {
	credential, err := child.Account("PostgreSQL", "postgres", "_postgres", "nobody")
	return account{credential}, err
}

// place is where the cluster of dir goes: dir itself, unless the server's
// account cannot get there (root's home, most often).
func (a account) place(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("a cluster needs a directory")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if a.credential == nil || a.reaches(filepath.Dir(dir)) {
		return dir, nil
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join("/var/lib/satchel", hex.EncodeToString(sum[:6])), nil
}

// reaches reports whether the account may pass through dir and all above it.
// What does not exist yet will be made, open to everyone.
func (a account) reaches(dir string) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if err == nil && !a.passes(info) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

func (a account) passes(info fs.FileInfo) bool {
	mode, stat := info.Mode().Perm(), info.Sys().(*syscall.Stat_t)
	switch {
	case stat.Uid == a.credential.Uid:
		return mode&0o100 != 0
	case stat.Gid == a.credential.Gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

func (a account) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return a.own(dir)
}

func (a account) writeFile(path, content string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return err
	}
	return a.own(path)
}

// CacheDir is where what can be had again is kept: a downloaded server, test
// clusters. Root's own cache is closed to the account that the server runs as.
func CacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/satchel", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w", err)
	}
	return filepath.Join(dir, "satchel"), nil
}
