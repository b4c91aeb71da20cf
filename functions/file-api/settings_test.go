package main

import (
	"strings"
	"testing"

	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	good := Config{MaxFileSize: 1, MaxOpenUploads: 1, RecordDays: 1,
		AllowedTypes: mediatype.Patterns{"*/*"}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"MAX_FILE_SIZE":             func(c *Config) { c.MaxFileSize = 0 },
		"MAX_OPEN_UPLOADS":          func(c *Config) { c.MaxOpenUploads = 0 },
		"ACCESS_LOG_RETENTION_DAYS": func(c *Config) { c.RecordDays = 0 },
		"ALLOWED_MIME_TYPES":        func(c *Config) { c.AllowedTypes = nil },
	} {
		c := good
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
