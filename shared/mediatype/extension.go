package mediatype

import (
	"path"
	"strings"
)

// FromExtension is the type that the filename's extension promises, and false when the extension is
// absent or not known. The table is this package's own: the mime package of the standard library
// reads the tables of the machine it runs on, and a verdict must not depend on that.
func FromExtension(filename string) (Type, bool) {
	extension := strings.ToLower(strings.TrimPrefix(path.Ext(filename), "."))
	t := fromExtension(extension)
	return t, t != ""
}

func fromExtension(extension string) Type {
	if t := ofImageExtension(extension); t != "" {
		return t
	}
	switch extension {
	case "pdf":
		return PDF
	case "txt", "text", "log", "ini", "conf", "cfg", "srt":
		return Text
	case "csv":
		return "text/csv"
	case "tsv":
		return "text/tab-separated-values"
	case "md", "markdown":
		return "text/markdown"
	case "rtf":
		return "text/rtf"
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
	case "exe", "dll", "com", "scr", "sys", "msi":
		return "application/vnd.microsoft.portable-executable"
	}
	return ofContainerExtension(extension)
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
	case "svg":
		return SVG
	case "svgz":
		return "image/svg+xml"
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
