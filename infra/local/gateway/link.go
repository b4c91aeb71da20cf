package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
)

// linkReader is the member of staff as whom links are followed.
const linkReader = "links@example.org"

// link leads to a file for as long as the stack runs. A signed URL is long and ends after minutes,
// so this asks for a new one each time, as a browser does, and redirects to it.
func (l Local) link(w http.ResponseWriter, r *http.Request) {
	slug := r.PathValue("organization")
	exists, err := l.Members.Exists(r.Context(), slug)
	if err == nil && !exists {
		message(w, http.StatusNotFound, "no such organization")
		return
	}
	var organization uuid.UUID
	if err == nil {
		organization, _, err = l.Members.Join(r.Context(), slug, linkReader, "staff")
	}
	if err != nil {
		l.Log.Error("no link followed", "error", err)
		message(w, http.StatusInternalServerError, "the link could not be followed: see the log")
		return
	}
	token, err := l.Issuer.Token(issuer.Claims{Subject: linkReader, Email: linkReader,
		Organization: organization.String()})
	if err != nil {
		message(w, http.StatusInternalServerError, "the token could not be signed")
		return
	}
	path := "/v1/files/" + url.PathEscape(r.PathValue("file")) + "/download?variant=" +
		url.QueryEscape(r.PathValue("variant"))
	ask := httptest.NewRequestWithContext(r.Context(), http.MethodGet, path, nil)
	ask.RemoteAddr = r.RemoteAddr
	ask.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	l.API.ServeHTTP(answer, ask)
	var signed struct{ URL string }
	if answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), &signed) == nil {
		http.Redirect(w, r, signed.URL, http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
