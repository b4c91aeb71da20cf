package library

import (
	"fmt"
	"strings"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
)

// NewFile is what a client says about a file that it wants to upload.
type NewFile struct {
	Filename        string
	ContentType     string
	Size            int64
	Category        Category // "" means defaultCategory
	Title           *string
	Description     *string
	Tags            []string
	Metadata        map[string]any
	SHA256          []byte // nil: not declared
	RetentionDays   *int   // nil: the category's default
	ContainsPII     bool
	RequiresConsent bool
}

// admit checks what can be known before a byte has come. Content is checked again once it is there.
func (l Limits) admit(n NewFile) (filename string, contentType mediatype.Type, err error) {
	if filename, err = cleanFilename(n.Filename); err != nil {
		return "", "", err
	}
	if contentType, err = l.admitType(n.ContentType); err != nil {
		return "", "", err
	}
	if err := agree(filename, contentType); err != nil {
		return "", "", err
	}
	switch {
	case n.Size <= 0:
		return "", "", fault.New(fault.Invalid, "empty-file",
			"The file is empty. Send its size in bytes, at least 1.")
	case n.Size > l.MaxFileSize:
		return "", "", tooLarge("file", l.MaxFileSize, n.Size)
	}
	return filename, contentType, checkMetadata(n.Metadata)
}

func (l Limits) admitType(declared string) (mediatype.Type, error) {
	contentType, err := mediatype.Parse(declared)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "invalid-content-type",
			"content_type is not a media type. Send one such as image/jpeg.")
	}
	if mediatype.UnsupportedRaster(contentType) {
		return "", unsupportedImage()
	}
	if !l.Allowed.Match(contentType) {
		return "", fault.New(fault.Unsupported, "type-not-allowed",
			fmt.Sprintf("Files of type %s are not accepted. Accepted are: %s.", contentType,
				strings.Join(l.Allowed, ", ")))
	}
	return contentType, nil
}

// agree compares the declared type with the one that a well-known extension promises. What text is
// called differs too much between systems for a difference within text to mean anything, and so do
// containers that hold sound or video.
func agree(filename string, declared mediatype.Type) error {
	promised, known := mediatype.OfExtension(filename)
	if !known || promised == declared || isText(promised) && isText(declared) ||
		isMedia(promised) && isMedia(declared) {
		return nil
	}
	if mediatype.UnsupportedRaster(promised) {
		return unsupportedImage()
	}
	return fault.New(fault.Invalid, "extension-mismatch",
		fmt.Sprintf("The extension of the filename stands for %s, but content_type is "+
			"%s. Correct the one that is wrong.", promised, declared))
}

func isText(t mediatype.Type) bool  { return t.Family() == "text" || t == "application/json" }
func isMedia(t mediatype.Type) bool { return t.Family() == "audio" || t.Family() == "video" }

func unsupportedImage() error {
	return fault.New(fault.Unsupported, "unsupported-image", UnsupportedImage.Detail())
}

func tooLarge(kind string, limit, size int64) error {
	return fault.New(fault.TooLarge, "file-too-large", fmt.Sprintf("A %s may have at most "+
		"%d bytes, and this one has %d. Send a smaller one.", kind, limit, size))
}
