package mediatype

import (
	"path"
	"strings"
	"unicode"
)

// FromExtension is the type that the filename's extension promises, and false when the extension is
// absent or not known. The table is this package's own: the mime package of the standard library
// reads the tables of the machine it runs on, and a verdict must not depend on that.
func FromExtension(filename string) (Type, bool) {
	t := fromExtension(Extension(filename))
	return t, t != ""
}

// Extension is the filename's extension in lower case without its dot, as a system will see it that
// saves the file: Windows drops dots and blanks at the end of a name, and what nobody can see must
// not hide what follows. "a.EXE. " has the extension "exe", with a zero-width space in it too.
func Extension(filename string) string {
	visible := strings.TrimRight(strings.Map(dropInvisible, filename), ". ")
	return strings.ToLower(strings.TrimPrefix(path.Ext(visible), "."))
}

// dropInvisible drops what Unicode calls default ignorable, and formatting characters.
func dropInvisible(r rune) rune {
	if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point,
		unicode.Variation_Selector) {
		return -1
	}
	return r
}

func fromExtension(extension string) Type {
	if t := ofImageExtension(extension); t != "" {
		return t
	}
	switch extension {
	case "pdf":
		return PDF
	case "txt", "text", "log", "ini", "conf", "cfg":
		return Text
	case "srt":
		return "text/srt"
	case "yaml", "yml":
		return "text/yaml"
	case "csv":
		return "text/csv"
	case "tsv":
		return "text/tab-separated-values"
	case "md", "markdown":
		return "text/markdown"
	case "rtf":
		return RTF
	case "ics":
		return "text/calendar"
	case "vcf":
		return "text/vcard"
	case "vtt":
		return "text/vtt"
	case "json":
		return "application/json"
	case "html", "htm", "shtml":
		return HTML
	case "xhtml", "xht":
		return "application/xhtml+xml"
	case "xml", "xsd":
		return XML
	case "js", "mjs", "cjs":
		return "text/javascript"
	case "css":
		return "text/css"
	case "wasm":
		return "application/wasm"
	}
	if t := ofProgramExtension(extension); t != "" {
		return t
	}
	return ofContainerExtension(extension)
}

// ofProgramExtension knows what a system runs when somebody opens it.
func ofProgramExtension(extension string) Type {
	switch extension {
	case "exe", "dll", "com", "scr", "sys", "msi", "pif", "cpl", "ocx", "drv":
		return "application/vnd.microsoft.portable-executable"
	case "bat", "cmd":
		return "application/x-bat"
	case "ps1", "psm1", "psd1", "ps1xml", "psc1":
		return "application/x-powershell"
	case "vbs", "vbe", "jse", "wsf", "wsh", "wsc", "sct":
		return "application/x-wsh"
	case "hta":
		return "application/hta"
	case "lnk", "url", "scf", "website", "library-ms", "search-ms":
		return "application/x-ms-shortcut"
	case "reg", "inf", "msc", "gadget", "chm", "settingcontent-ms", "appref-ms":
		return "application/x-ms-settings"
	case "desktop":
		return "application/x-desktop"
	}
	return ""
}

func ofImageExtension(extension string) Type {
	switch extension {
	case "jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp":
		return JPEG
	case "png", "apng":
		return PNG
	case "gif":
		return GIF
	case "webp":
		return WebP
	case "svg", "svgz":
		return SVG
	case "heic":
		return "image/heic"
	case "heif":
		return "image/heif"
	case "avif":
		return "image/avif"
	case "tif", "tiff":
		return "image/tiff"
	case "bmp", "dib":
		return "image/bmp"
	case "ico", "cur":
		return "image/vnd.microsoft.icon"
	case "jxl":
		return "image/jxl"
	case "jp2", "j2k", "jpf", "jpx":
		return "image/jp2"
	case "psd":
		return "image/vnd.adobe.photoshop"
	case "dng":
		return "image/x-adobe-dng"
	}
	return ""
}

func ofContainerExtension(extension string) Type {
	const (
		ooxml = "application/vnd.openxmlformats-officedocument."
		odf   = "application/vnd.oasis.opendocument."
	)
	switch extension {
	case "zip":
		return ZIP
	case "gz":
		return "application/gzip"
	case "7z":
		return "application/x-7z-compressed"
	case "rar":
		return "application/vnd.rar"
	case "tar":
		return "application/x-tar"
	case "jar":
		return "application/java-archive"
	case "epub":
		return "application/epub+zip"
	case "docx":
		return ooxml + "wordprocessingml.document"
	case "xlsx":
		return ooxml + "spreadsheetml.sheet"
	case "pptx":
		return ooxml + "presentationml.presentation"
	case "odt":
		return odf + "text"
	case "ods":
		return odf + "spreadsheet"
	case "odp":
		return odf + "presentation"
	case "doc":
		return "application/msword"
	case "xls":
		return "application/vnd.ms-excel"
	case "ppt":
		return "application/vnd.ms-powerpoint"
	case "mp3":
		return "audio/mpeg"
	case "wav":
		return "audio/wav"
	case "ogg", "oga":
		return "audio/ogg"
	case "m4a":
		return "audio/mp4"
	case "flac":
		return "audio/flac"
	case "mp4", "m4v":
		return "video/mp4"
	case "mov":
		return "video/quicktime"
	case "webm":
		return "video/webm"
	}
	return ""
}
