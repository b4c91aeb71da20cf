package lambdaevent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/shared/fault"
	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

// serve answers one request of an API Gateway HTTP API, payload format 2.0. It returns no error:
// what goes wrong here is an answer too.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (h Handler) serve(ctx context.Context,
	event events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	ctx = telemetry.WithRequestID(ctx, event.RequestContext.RequestID)
	// so that a slow handler fails with an answer of its own
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deadlineMargin))
		defer cancel()
	}
	answer := &recorder{header: http.Header{}}
	request, err := newRequest(ctx, event)
	if err != nil {
		answer.problem(http.StatusBadRequest, "malformed-request",
			"The gateway passed on a request that cannot "+
				"be read: check the encoding of its body.", event)
	} else if recovered(
		ctx, h.log(), func() error { h.HTTP.ServeHTTP(answer, request); return nil }) != nil {
		answer = &recorder{header: http.Header{}} // nothing half-written leaves
		answer.problem(http.StatusInternalServerError, "internal",
			"Something went wrong on our side. "+
				"Try again, and contact support with the instance if it keeps failing.", event)
	}
	if event.RequestContext.HTTP.Method == http.MethodHead {
		answer.body.Reset() // as net/http's server leaves it out (RFC 9110, section 9.3.2)
	}
	return answer.response()
}

func newRequest(ctx context.Context, event events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(event.Body)
	if event.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(event.Body)
		if err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		body = decoded
	}
	path, err := url.PathUnescape(event.RawPath)
	if err != nil {
		path = event.RawPath // the gateway had decoded it already
	}
	request, err := http.NewRequestWithContext(ctx, event.RequestContext.HTTP.Method, "/",
		bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.URL = &url.URL{Path: path, RawPath: event.RawPath, RawQuery: event.RawQueryString}
	for name, value := range event.Headers {
		request.Header.Set(name, value)
	}
	if len(event.Cookies) > 0 {
		request.Header.Set("Cookie", strings.Join(event.Cookies, "; "))
	}
	request.Host = event.RequestContext.DomainName
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
		request.Header.Del("Host") // as in a request that net/http read itself
	}
	request.RequestURI = request.URL.RequestURI()
	request.RemoteAddr = net.JoinHostPort(event.RequestContext.HTTP.SourceIP, "0")
	return request, nil
}

// recorder holds an answer until it is whole: Lambda takes it in one piece.
type recorder struct {
	header http.Header
	status int
	sent   http.Header // the header at the time of WriteHeader
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status, r.sent = status, r.header.Clone()
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

func (r *recorder) problem(status int, code, detail string, event events.APIGatewayV2HTTPRequest) {
	r.header.Set("Content-Type", "application/problem+json")
	r.header.Set("Cache-Control", "no-store")
	r.WriteHeader(status)
	// A map of strings and a number always encodes.
	body, _ := json.Marshal(map[string]any{
		"type": fault.TypeURI(code), "title": http.StatusText(status), "status": status,
		"code": code, "detail": detail,
		"instance": event.RequestContext.RequestID,
	})
	r.body.Write(body)
}

func (r *recorder) response() events.APIGatewayV2HTTPResponse {
	r.WriteHeader(http.StatusOK)
	answer := events.APIGatewayV2HTTPResponse{StatusCode: r.status, Headers: map[string]string{},
		Body: r.body.String()}
	for name, values := range r.sent {
		if name == "Set-Cookie" {
			answer.Cookies = values
			continue
		}
		answer.Headers[name] = strings.Join(values, ", ")
	}
	if r.sent.Get("Content-Encoding") != "" || !utf8.Valid(r.body.Bytes()) {
		answer.Body, answer.IsBase64Encoded = base64.StdEncoding.EncodeToString(
			r.body.Bytes()), true
	}
	return answer
}
