package postgres

import (
	"errors"
	"os"
)

// Remove deletes the cluster of dir, wherever Start put it, with all its data. ErrInUse says that
// its server runs.
func Remove(dir string) error {
	account, err := serverAccount()
	if err != nil {
		return err
	}
	home, err := account.place(dir)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(home); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	c := &Cluster{account: account, home: home}
	if err := c.acquire(); err != nil {
		return err
	}
	defer c.lock.Close()
	return os.RemoveAll(home)
}
