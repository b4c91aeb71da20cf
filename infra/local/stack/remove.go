package stack

import (
	"errors"
	"fmt"
	"os"

	"github.com/toolboxai-solutions/satchel/infra/local/postgres"
)

// Remove deletes what stacks kept in a data directory, and the directory where nothing else is in
// it. ErrInUse says that a stack runs there.
func Remove(path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	d, err := hold(path, true)
	if err != nil {
		return err
	}
	defer d.release()
	if err := postgres.Remove(d.in("postgres")); err != nil {
		return fmt.Errorf("remove the database: %w", err)
	}
	for _, name := range []string{"bin", "ports", "lock"} {
		if err := os.RemoveAll(d.in(name)); err != nil {
			return fmt.Errorf("remove the data directory: %w", err)
		}
	}
	_ = os.Remove(d.path) // stays when somebody keeps something else there
	return nil
}
