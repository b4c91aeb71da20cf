package postgres

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// roomForScratch is what memory has to have free to be used for clusters: one
// takes about 100 MB, a test's database 8 MB, and tests run side by side.
const roomForScratch = 2 << 30

// ScratchDir is the best place for throwaway clusters, a directory that the
// server's account can enter: in memory, where the machine has enough of it,
// else CacheDir. A database is some 300 files, and ext4 becomes slow at making
// files where many were deleted in the last minutes: copying a database took
// 36 ms at first and 1 s after some hundred had been dropped.
func ScratchDir() (string, error) {
	dir := filepath.Join("/dev/shm", "satchel-"+strconv.Itoa(os.Geteuid()))
	if usable(dir) {
		return dir, nil
	}
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// usable reports whether dir is ours and in a file system with room. Anybody
// may write to /dev/shm, so what is there already may be somebody else's.
func usable(dir string) bool {
	var fs syscall.Statfs_t
	if syscall.Statfs(filepath.Dir(dir), &fs) != nil ||
		uint64(fs.Bavail)*uint64(fs.Bsize) < roomForScratch {
		return false
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return false
	}
	info, err := os.Lstat(dir)
	return err == nil && info.IsDir() && info.Mode().Perm()&0o022 == 0 &&
		int(info.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}
