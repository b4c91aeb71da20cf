package library

import (
	"fmt"
	"strings"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/mediatype"
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
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

// check checks what can be known before the content has arrived; that is checked later.
func (l Limits) check(n NewFile) (filename string, contentType mediatype.Type, err error) {
	if filename, err = cleanFilename(n.Filename); err != nil {
		return "", "", err
	}
	if contentType, err = l.checkType(n.ContentType, filename); err != nil {
		return "", "", err
	}
	if err := checkExtension(filename, contentType); err != nil {
		return "", "", err
	}
	switch {
	case n.Size <= 0:
		return "", "", fault.New(fault.Invalid, "empty-file",
			"The file is empty. Send its size in bytes, which must be at least 1.")
	case n.Size > l.MaxFileSize:
		return "", "", tooLarge("a file", l.MaxFileSize, n.Size)
	}
	return filename, contentType, checkMetadata(n.Metadata)
}

func (l Limits) checkType(declared, filename string) (mediatype.Type, error) {
	contentType, err := mediatype.Declared(declared, filename)
	if err != nil {
		return "", fault.Wrap(err, fault.Invalid, "invalid-content-type",
			"content_type is not a valid media type. Send one such as image/jpeg.")
	}
	if mediatype.UnsupportedRaster(contentType) {
		return "", unsupportedImage()
	}
	if !l.Allowed.Match(contentType) {
		return "", fault.New(fault.Unsupported, "type-not-allowed",
			fmt.Sprintf("Files of type %s are not accepted. Accepted types: %s.", contentType,
				strings.Join(l.Allowed, ", ")))
	}
	return contentType, nil
}

// checkExtension compares the declared type with the one that a well-known extension promises.
// Systems disagree so much on what text is called that a difference within text means nothing, nor
// does one within audio and video, which share containers.
func checkExtension(filename string, declared mediatype.Type) error {
	promised, known := mediatype.FromExtension(filename)
	if !known || promised == declared || promised.IsText() && declared.IsText() ||
		promised.IsAudioOrVideo() && declared.IsAudioOrVideo() {
		return nil
	}
	if mediatype.UnsupportedRaster(promised) {
		return unsupportedImage()
	}
	return fault.New(fault.Invalid, "extension-mismatch",
		fmt.Sprintf("The filename's extension means %s, but content_type is %s. Correct "+
			"whichever is wrong.", promised, declared))
}

func unsupportedImage() error {
	return fault.New(fault.Unsupported, "unsupported-image", storedfile.UnsupportedImage.Detail())
}

func tooLarge(kind string, limit, size int64) error {
	return fault.New(fault.TooLarge, "file-too-large", fmt.Sprintf("The limit for %s is "+
		"%d bytes, and this one has %d. Upload a smaller one.", kind, limit, size))
}
