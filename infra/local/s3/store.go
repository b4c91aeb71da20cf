package s3

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pkg/xattr"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
)

// open opens the object store in dir. Metadata lies in extended attributes,
// which is several times as fast, or in files of its own where the file
// system has no such attributes, and where earlier it had none: a directory
// keeps the way that it was begun with.
func open(dir string, sidecar bool) (*posix.Posix, error) {
	objects, versions, metadata := filepath.Join(dir, "objects"), filepath.Join(dir, "versions"),
		filepath.Join(dir, "metadata")
	for _, d := range []string{objects, versions} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make a directory of s3: %w", err)
		}
	}
	options := posix.PosixOpts{
		VersioningDir: versions,
		// S3's own limit; versitygw reads 0 as "copy nothing".
		CopyObjectThreshold: 5 << 30,
	}
	var attributes meta.MetadataStorer = meta.XattrMeta{}
	if _, err := os.Stat(metadata); err == nil || sidecar || !hasAttributes(objects) {
		if err := os.MkdirAll(metadata, 0o700); err != nil {
			return nil, fmt.Errorf("make a directory of s3: %w", err)
		}
		attributes, err = meta.NewSideCar(metadata)
		if err != nil {
			return nil, fmt.Errorf("open the metadata of s3: %w", err)
		}
		options.SideCarDir = metadata
	}
	store, err := posix.New(objects, attributes, options)
	if err != nil {
		return nil, fmt.Errorf("open the objects of s3: %w", err)
	}
	return store, nil
}

// hasAttributes tries: a file system says only when asked to keep one.
func hasAttributes(dir string) bool {
	const name = "user.satchel.probe"
	return errors.Join(xattr.Set(dir, name, []byte("x")), xattr.Remove(dir, name)) == nil
}
