package main

import (
	"bytes"
	"context"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/functions/file-api/internal/library"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// field is a member of a JSON merge patch: absent, null or a value.
type field[T any] struct{ library.Patch[T] }

// UnmarshalJSON is called for null too, but not for what is absent.
func (f *field[T]) UnmarshalJSON(raw []byte) error {
	f.Set = true
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	f.Value = new(T)
	return httpapi.DecodeJSON(raw, f.Value)
}

// Schema is that of T, or null.
func (field[T]) Schema(r huma.Registry) *huma.Schema {
	schema := *huma.SchemaFromType(r, reflect.TypeFor[T]())
	schema.Nullable = true
	if schema.Enum != nil {
		schema.Enum = append(schema.Enum, nil)
	}
	return &schema
}

type changeIn struct {
	Target
	Body struct {
		Filename        field[string]         `json:"filename,omitempty" minLength:"1" maxLength:"4096" doc:"Cannot be null."`
		Title           field[string]         `json:"title,omitempty" maxLength:"200"`
		Description     field[string]         `json:"description,omitempty" maxLength:"4000"`
		Tags            field[[]string]       `json:"tags,omitempty" maxItems:"50" doc:"Replaces all tags. Each has 1 to 64 bytes."`
		Metadata        field[map[string]any] `json:"metadata,omitempty" doc:"Replaces all metadata."`
		Category        field[category]       `json:"category,omitempty" doc:"Also changes deletion_date, unless retention_days is set. null: educational_content."`
		RetentionDays   field[int]            `json:"retention_days,omitempty" minimum:"1" maximum:"36500" doc:"Counted from created_at. null: the default for the category."`
		ContainsPII     field[bool]           `json:"contains_pii,omitempty"`
		RequiresConsent field[bool]           `json:"requires_consent,omitempty" doc:"Only staff can set this to false."`
	}
}

func (h handlers) change(ctx context.Context, tx pgx.Tx, by tenant.Caller,
	in *changeIn) (*fileAnswer, error) {
	b := in.Body
	if b.Tags.Value != nil {
		if err := checkTags(*b.Tags.Value); err != nil {
			return nil, err
		}
	}
	file, err := h.library.Change(ctx, tx, by, in.file(), library.Change{
		Filename: b.Filename.Patch, Title: b.Title.Patch, Description: b.Description.Patch,
		Tags: b.Tags.Patch, Metadata: b.Metadata.Patch,
		Category: library.Patch[library.Category]{Set: b.Category.Set,
			Value: (*library.Category)(b.Category.Value)},
		RetentionDays: b.RetentionDays.Patch, ContainsPII: b.ContainsPII.Patch,
		RequiresConsent: b.RequiresConsent.Patch,
	})
	return answer(by, file, err)
}
