package library

import (
	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// maxMetadataBytes keeps a row small enough for dozens of them in one answer of a Lambda.
const maxMetadataBytes = 16 << 10

// checkMetadata measures what will be stored and answered, not what was sent.
func checkMetadata(metadata map[string]any) error {
	size, err := tenantdb.JSONSize(metadata)
	if err != nil || size > maxMetadataBytes {
		return fault.Wrap(err, fault.Invalid, "metadata-too-large",
			"metadata is larger than 16 KiB as JSON with its numbers written out. Keep less in "+
				"it.").At("body.metadata")
	}
	return nil
}
