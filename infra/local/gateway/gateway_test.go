package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/template"
)

func serve(t *testing.T, timeout time.Duration, invoke Invoke) string {
	t.Helper()
	server := httptest.NewServer(Gateway{
		Invoke: invoke, Routes: []Route{{template.Route{Method: "ANY", Path: "/v1/files/{proxy+}"},
			"file-api-http"}}, Timeout: timeout,
		Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Unix(1583348638, 390e6) },
	})
	t.Cleanup(server.Close)
	return server.URL
}

func do(t *testing.T, request *http.Request) (*http.Response, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func TestEventIsPayloadFormat2(t *testing.T) {
	t.Parallel()
	var got events.APIGatewayV2HTTPRequest
	url := serve(t, 0, func(_ context.Context, function string, payload []byte) ([]byte, error) {
		if function != "file-api-http" {
			t.Errorf("function %s", function)
		}
		return []byte(`{"statusCode":200}`), json.Unmarshal(payload, &got)
	})
	request, _ := http.NewRequest("PATCH", url+"/v1/files/a%20b/c?x=1&x=2&y=%2B",
		strings.NewReader(`{"title":"ü"}`))
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Add("X-Twice", "one")
	request.Header.Add("X-Twice", "two")
	request.Header.Set("Cookie", "a=1; b=2")
	request.Header.Set("User-Agent", "test")
	do(t, request)

	if got.Version != "2.0" || got.RawPath != "/v1/files/a%20b/c" ||
		got.RawQueryString != "x=1&x=2&y=%2B" {
		t.Errorf("version %q path %q query %q", got.Version, got.RawPath, got.RawQueryString)
	}
	if got.RouteKey != "ANY /v1/files/{proxy+}" || got.PathParameters["proxy"] != "a b/c" {
		t.Errorf("route %s %v", got.RouteKey, got.PathParameters)
	}
	if got.QueryStringParameters["x"] != "1,2" || got.QueryStringParameters["y"] != "+" {
		t.Errorf("parameters %v", got.QueryStringParameters)
	}
	if got.Headers["x-twice"] != "one,two" || got.Headers["host"] == "" ||
		got.Headers["cookie"] != "" || got.Headers["content-length"] != "14" {
		t.Errorf("headers %v", got.Headers)
	}
	if strings.Join(got.Cookies, "|") != "a=1|b=2" {
		t.Errorf("cookies %v", got.Cookies)
	}
	if got.Body != `{"title":"ü"}` || got.IsBase64Encoded {
		t.Errorf("body %q, base64 %v", got.Body, got.IsBase64Encoded)
	}
	c := got.RequestContext
	if c.HTTP.Method != "PATCH" || c.HTTP.SourceIP != "127.0.0.1" || c.HTTP.UserAgent != "test" ||
		c.Stage != "$default" ||
		c.Time != "04/Mar/2020:19:03:58 +0000" || c.TimeEpoch != 1583348638390 ||
		len(c.RequestID) != 36 {
		t.Errorf("context %+v", c)
	}
}

func TestBodyThatIsNotTextTravelsInBase64(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		"application/octet-stream": true, "image/png": true, "": true,
		"application/x-www-form-urlencoded": true,
		"text/plain":                        false, "application/problem+json": false,
		"application/xml": false,
	} {
		if got := !isText(contentType, []byte("abc")); got != want {
			t.Errorf("%q: base64 %v, want %v", contentType, got, want)
		}
	}
	if isText("text/plain", []byte{0xff}) {
		t.Error("bytes that are not UTF-8 cannot travel as text")
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		err    error
		status int
		header [2]string
		body   string
	}{
		"plain": {answer: `{"statusCode":201,"headers":{"X-A":"1","content-type":"application/json"},"body":"{}"}`, status: 201, header: [2]string{"X-A", "1"}, body: "{}"},
		"cookies": {answer: `{"statusCode":200,"cookies":["a=1"]}`, status: 200,
			header: [2]string{"Set-Cookie", "a=1"}},
		"base64": {answer: `{"statusCode":200,"isBase64Encoded":true,"body":"aGk="}`,
			status: 200, body: "hi"},
		"no type": {answer: `{"statusCode":200,"body":"x"}`, status: 200,
			header: [2]string{"Content-Type", "text/plain;charset=UTF-8"}, body: "x"},
		"no content": {answer: `{"statusCode":204}`, status: 204,
			header: [2]string{"Content-Type", ""}},
		"inferred": {answer: `{"a":1}`, status: 200,
			header: [2]string{"Content-Type", "application/json"}, body: `{"a":1}`},
		"broken base64": {answer: `{"statusCode":200,"isBase64Encoded":true,"body":"?"}`,
			status: 500, body: `{"message":"Internal Server Error"}` + "\n"},
		"status": {answer: `{"statusCode":7}`, status: 500,
			body: `{"message":"Internal Server Error"}` + "\n"},
		"function error": {err: &runtime.FunctionError{Message: "secret"}, status: 500,
			body: `{"message":"Internal Server Error"}` + "\n"},
		"too large": {err: runtime.ErrTooLarge, status: 413,
			body: `{"message":"Request Entity Too Large"}` + "\n"},
		"closed": {err: runtime.ErrClosed, status: 503,
			body: `{"message":"Service Unavailable"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serve(t, 0, func(context.Context, string, []byte) ([]byte,
				error) {
				return []byte(c.answer), c.err
			})
			request, _ := http.NewRequest("GET", url+"/v1/files/x", nil)
			response, body := do(t, request)
			if response.StatusCode != c.status || body != c.body {
				t.Errorf("%d %q, want %d %q", response.StatusCode, body, c.status, c.body)
			}
			if c.header[0] != "" && response.Header.Get(c.header[0]) != c.header[1] {
				t.Errorf("%s = %q, want %q", c.header[0], response.Header.Get(c.header[0]),
					c.header[1])
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	url := serve(t, 20*time.Millisecond, func(ctx context.Context, _ string,
		payload []byte) ([]byte, error) {
		if len(payload) > maxRequest {
			return nil, errors.New("the body should not have come here")
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	slow, _ := http.NewRequest("GET", url+"/v1/files/x", nil)
	if response, body := do(t, slow); response.StatusCode != 503 ||
		!strings.Contains(body, "Service Unavailable") {
		t.Errorf("slow: %d %s", response.StatusCode, body)
	}
	large, _ := http.NewRequest("POST", url+"/v1/files/x",
		bytes.NewReader(make([]byte, maxRequest+1)))
	if response, _ := do(t, large); response.StatusCode != 413 {
		t.Errorf("large: %d", response.StatusCode)
	}
	other, _ := http.NewRequest("GET", url+"/v1/elsewhere", nil)
	if response, body := do(t, other); response.StatusCode != 404 ||
		!strings.Contains(body, "Not Found") {
		t.Errorf("other: %d %s", response.StatusCode, body)
	}
}

// A function is invoked with what is sent, and its failure is told as Lambda tells it.
func TestInvoke(t *testing.T) {
	t.Parallel()
	local := Local{Invoke: func(_ context.Context, name string, event []byte) ([]byte, error) {
		switch name {
		case "echo":
			return event, nil
		case "broken":
			return nil, &runtime.FunctionError{Message: "boom", Type: "errorString"}
		}
		return nil, runtime.ErrUnknownFunction
	}}.Handler()
	for name, want := range map[string]struct {
		status      int
		body, fault string
	}{
		"echo":   {200, `{"command":"redrive"}`, ""},
		"broken": {200, `"errorMessage":"boom"`, "Unhandled"},
		"none":   {404, "no function is named none", ""},
	} {
		request := httptest.NewRequest("POST", InvokePrefix+name+"/invocations",
			strings.NewReader(`{"command":"redrive"}`))
		request.Host = "localhost"
		answer := httptest.NewRecorder()
		local.ServeHTTP(answer, request)
		if answer.Code != want.status || !strings.Contains(answer.Body.String(), want.body) ||
			answer.Header().Get("X-Amz-Function-Error") != want.fault {
			t.Errorf("%s: %d %s %s", name, answer.Code, answer.Header(), answer.Body)
		}
	}
}
