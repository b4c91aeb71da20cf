package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever can ask for a token is anybody in any organization, so no page from elsewhere can.
func TestLocalAnswersThisMachineAlone(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(Local{Queues: func() []Queue { return nil }}.Handler())
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(address, ":")
	for _, c := range []struct {
		name, host, origin string
		let                bool
	}{
		{"a program", address, "", true},
		{"a program, by name", "localhost:" + port, "", true},
		{"IPv6", "[::1]:" + port, "", true},
		{"another name for this machine", "school.example:" + port, "", false},
		{"the same, and of its own origin", "school.example:" + port, "http://school.example:" +
			port, false},
		{"a name that begins well", "localhost.school.example", "", false},
		{"an address of the network", "192.168.1.7:" + port, "", false},
		{"a page of this machine", address, "http://localhost:5173", true},
		{"another page of this machine", address, "https://127.0.0.1:8443", true},
		{"a page from elsewhere", address, "https://school.example", false},
		{"a page from elsewhere with a good beginning", address, "http://localhost.school.example",
			false},
		{"a page in a sandbox", address, "null", false},
	} {
		for _, method := range []string{"POST", "OPTIONS", "GET"} {
			path := map[string]string{"POST": "/local/token", "OPTIONS": "/local/token",
				"GET": "/local/queues"}[method]
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path,
				strings.NewReader("no JSON"))
			if err != nil {
				t.Fatal(err)
			}
			r.Host = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if method == "OPTIONS" {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			want := http.StatusForbidden
			if c.let {
				want = map[string]int{"POST": 400, "OPTIONS": 204, "GET": 200}[method]
			}
			allowed := answer.Header.Get("Access-Control-Allow-Origin")
			if answer.StatusCode != want || c.let && allowed != c.origin || !c.let && allowed != "" {
				t.Errorf("%s, %s: %s, allowed %q", c.name, method, answer.Status, allowed)
			}
		}
	}
}
