package main

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strings"
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

func (w *fixture) put(key, contentType, body string) {
	w.t.Helper()
	_, err := w.client.PutObject(w.t.Context(), &awss3.PutObjectInput{Bucket: new(filesBucket),
		Key: &key, ContentType: &contentType, Body: strings.NewReader(body)})
	if err != nil {
		w.t.Fatal(err)
	}
}

// fetch follows a link as a browser does.
func (w *fixture) fetch(link string) (status int, header http.Header, body string) {
	w.t.Helper()
	response, err := http.Get(link)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(content)
}

func TestDownloadOfAPicture(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	id := u.available("filename", "Été.png", "content_type", "image/png")
	variants, err := json.Marshal([]map[string]any{
		{"name": "optimized", "content_type": "image/png", "size": 9, "width": 2, "height": 1},
		{"name": "thumbnail", "content_type": "image/jpeg", "size": 5, "width": 1, "height": 1},
		// no row may talk us into it
		{"name": "original", "content_type": "image/png", "size": 8, "width": 2, "height": 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE files SET variants = $2, current_fence = 3 WHERE id = $1`, id, variants)
	at := w.organization.String() + "/" + id + "/1"
	w.put("variant/"+at+"/3/optimized", "image/png", "optimized")
	w.put("variant/"+at+"/3/thumbnail", "image/jpeg", "thumb")
	w.put("original/"+at, "image/png", "with GPS")
	const versions = `SELECT xmin::text::bigint FROM files WHERE id = $1`
	before := w.number(versions, id)

	for _, c := range []struct{ query, body, contentType, filename string }{
		{"", "optimized", "image/png", "Été.png"},
		{"?variant=optimized", "optimized", "image/png", "Été.png"},
		{"?variant=thumbnail", "thumb", "image/jpeg", "Été.jpg"},
	} {
		a := u.call("GET", "/v1/files/"+id+"/download"+c.query, nil).want(200)
		if expires := time.Until(w.time(a.str("expires_at"))); expires < time.Minute ||
			expires > 5*time.Minute {
			t.Errorf("link expires in %v", expires)
		}
		status, header, body := w.fetch(a.str("url"))
		if status != 200 || body != c.body || header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: %d %s %q", c.query, status, header.Get("Content-Type"), body)
		}
		kind, parameters, err := mime.ParseMediaType(header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || parameters["filename"] != c.filename {
			t.Errorf("%s: disposition %q: %v", c.query, header.Get("Content-Disposition"), err)
		}
	}
	for _, variant := range []string{"original", "thumbnail_huge", "../1"} {
		a := u.call("GET", "/v1/files/"+id+"/download?variant="+variant, nil).want(404,
			"variant-not-found")
		if !strings.Contains(a.str("detail"), "optimized, thumbnail.") {
			t.Errorf("detail %s", a.at("detail"))
		}
	}
	// hands nothing out, so counts nothing
	u.call("HEAD", "/v1/files/"+id+"/download", nil).want(200)
	if n := w.number(
		`SELECT download_count FROM file_downloads
			WHERE last_accessed_at > now() - interval '1 minute'`); n != 3 {
		t.Errorf("%d downloads counted, want 3", n)
	}
	if w.number(versions, id) != before {
		t.Error("a download wrote the file's row anew")
	}
	a := u.call("GET", "/v1/files/"+id, nil).want(200)
	if a.at("file.download_count") != 3.0 || a.at("file.last_accessed_at") == nil {
		t.Errorf("it answers %v downloads, the last at %v", a.at("file.download_count"),
			a.at("file.last_accessed_at"))
	}
	if n := w.number(
		`SELECT count(*) FROM file_access_logs l
			JOIN file_access_origins o USING (organization_id, id, occurred_at)
			WHERE l.action = 'download' AND o.ip_address = '192.0.2.1'`); n != 3 {
		t.Errorf("%d downloads logged, want 3", n)
	}
}

// Whatever the store has of an active type, a browser gets octets to save.
func TestActiveContentIsOnlySaved(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	for _, c := range []struct{ filename, contentType, served string }{
		{"page.html", "text/html", "application/octet-stream"},
		{"drawing.svg", "image/svg+xml", "application/octet-stream"},
		{"notes.txt", "text/plain", "text/plain"},
		{"lesson.pdf", "application/pdf", "application/pdf"},
	} {
		id := u.available("filename", c.filename, "content_type", c.contentType)
		w.put("original/"+w.organization.String()+"/"+id+"/1", c.contentType, "<script>")
		for _, query := range []string{"", "?variant=original"} {
			status, header, body := w.fetch(
				u.call("GET", "/v1/files/"+id+"/download"+query, nil).want(200).str("url"))
			if status != 200 || body != "<script>" || header.Get("Content-Type") != c.served ||
				!strings.HasPrefix(header.Get("Content-Disposition"), "attachment;") {
				t.Errorf("%s: %d %v", c.filename, status, header)
			}
		}
		u.call("GET", "/v1/files/"+id+"/download?variant=optimized", nil).want(404,
			"variant-not-found")
	}
}

func TestLinkCannotBeBent(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Member)
	id := u.available("filename", "page.html", "content_type", "text/html")
	w.put("original/"+w.organization.String()+"/"+id+"/1", "text/html", "<script>")
	link := u.call("GET", "/v1/files/"+id+"/download", nil).want(200).str("url")
	for _, bent := range []string{
		strings.Replace(link, "octet-stream", "x", 1),
		strings.Replace(link, "attachment", "inline", 1),
		strings.Replace(link, id, w.organization.String(), 1),
	} {
		if bent == link {
			t.Fatal("nothing was bent")
		}
		if status, _, _ := w.fetch(bent); status != 403 {
			t.Errorf("a bent link answers %d", status)
		}
	}
}

func TestOnlyWhatIsAvailableIsHandedOut(t *testing.T) {
	w := newFixture(t)
	u := w.user(tenant.Admin)
	for status, reason := range map[string]string{"quarantined": "infected", "error": "empty_file",
		"archived": "", "pending": ""} {
		id := u.create()
		if status != "pending" {
			w.settle(id, status, reason)
		}
		a := u.call("GET", "/v1/files/"+id+"/download", nil).want(409, "not-available")
		file := u.call("GET", "/v1/files/"+id, nil).want(200)
		if detail, ok := file.at("file.reason_detail").(string); ok != (reason != "") ||
			!strings.Contains(a.str("detail"), detail) {
			t.Errorf("%s: %v, %v", status, a.at("detail"), detail)
		}
	}
	if n := w.number(`SELECT count(*) FROM file_access_logs WHERE action = 'download'`); n != 0 {
		t.Errorf("%d downloads logged", n)
	}
}
