package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/google/uuid"

	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
)

// viewer is the member of staff as whom links are followed and the start page is filled.
const viewer = "viewer@example.org"

var errNoOrganization = errors.New("no such organization")

// get asks the API as a member of staff of the organization.
func (l Local) get(ctx context.Context, slug, path string) (*httptest.ResponseRecorder, error) {
	exists, err := l.Members.Exists(ctx, slug)
	if err != nil {
		return nil, err
	}
	if !exists {
		return nil, errNoOrganization
	}
	var organization uuid.UUID
	if organization, _, err = l.Members.Join(ctx, slug, viewer, "staff"); err != nil {
		return nil, err
	}
	token, err := l.Issuer.Token(issuer.Claims{Subject: viewer, Email: viewer,
		Organization: organization.String()})
	if err != nil {
		return nil, err
	}
	ask := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	ask.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	l.API.ServeHTTP(answer, ask)
	return answer, nil
}

// link leads to a file for as long as the stack runs. A signed URL is long and ends after minutes,
// so this asks for a new one each time, as a browser does, and redirects to it.
func (l Local) link(w http.ResponseWriter, r *http.Request) {
	answer, err := l.get(r.Context(), r.PathValue("organization"),
		"/v1/files/"+url.PathEscape(r.PathValue("file"))+"/download?variant="+
			url.QueryEscape(r.PathValue("variant")))
	if errors.Is(err, errNoOrganization) {
		message(w, http.StatusNotFound, err.Error())
		return
	}
	if err != nil {
		l.Log.Error("no link followed", "error", err)
		message(w, http.StatusInternalServerError, "the link could not be followed: see the log")
		return
	}
	var signed struct{ URL string }
	if answer.Code == http.StatusOK && json.Unmarshal(answer.Body.Bytes(), &signed) == nil {
		http.Redirect(w, r, signed.URL, http.StatusFound)
		return
	}
	w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
