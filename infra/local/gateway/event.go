package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// event is the request in payload format 2.0
// (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
func event(r *http.Request, body []byte, route match, id string,
	now time.Time) events.APIGatewayV2HTTPRequest {
	source, _, _ := net.SplitHostPort(r.RemoteAddr)
	e := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: route.key(), PathParameters: route.parameters,
		RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
		Headers: headers(r, source),
	}
	for _, line := range r.Header.Values("Cookie") {
		for cookie := range strings.SplitSeq(line, ";") {
			e.Cookies = append(e.Cookies, strings.TrimSpace(cookie))
		}
	}
	if query := r.URL.Query(); len(query) > 0 {
		e.QueryStringParameters = map[string]string{}
		for name, values := range query {
			e.QueryStringParameters[name] = strings.Join(values, ",")
		}
	}
	if isText(r.Header.Get("Content-Type"), body) {
		e.Body = string(body)
	} else {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	e.RequestContext = events.APIGatewayV2HTTPRequestContext{
		RouteKey: e.RouteKey, AccountID: "000000000000", APIID: "local", Stage: "$default",
		RequestID: id, DomainName: r.Host, DomainPrefix: "local",
		Time: now.UTC().Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
		HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
			Method: r.Method, Path: r.URL.EscapedPath(), Protocol: r.Proto, SourceIP: source,
			UserAgent: r.UserAgent(),
		},
	}
	return e
}

// headers are in lower case with repeated ones joined by commas; cookies travel on their own.
func headers(r *http.Request, source string) map[string]string {
	all := map[string]string{}
	for name, values := range r.Header {
		all[strings.ToLower(name)] = strings.Join(values, ",")
	}
	delete(all, "cookie")
	all["host"] = r.Host
	if forwarded := all["x-forwarded-for"]; forwarded != "" {
		source = forwarded + ", " + source
	}
	all["x-forwarded-for"], all["x-forwarded-proto"] = source, "http"
	_, all["x-forwarded-port"], _ = net.SplitHostPort(r.Host)
	if r.ContentLength >= 0 && r.Body != http.NoBody {
		all["content-length"] = fmt.Sprint(r.ContentLength)
	}
	return all
}

// isText tells which bodies the HTTP API passes on as they are; a form is not among them.
func isText(contentType string, body []byte) bool {
	if len(body) == 0 {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || !utf8.Valid(body) {
		return false
	}
	switch media {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(media, "text/") || strings.HasPrefix(media, "application/") &&
		(strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml"))
}

// write sends a function's answer. As the HTTP API does, an answer without statusCode is a 200 with
// that JSON as body.
func write(w http.ResponseWriter, answer []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(answer, &fields) != nil || fields["statusCode"] == nil {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
		return nil
	}
	var response events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		return err
	}
	if response.StatusCode < 200 || response.StatusCode > 599 {
		return fmt.Errorf("statusCode is %d", response.StatusCode)
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(response.Body)
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		body = decoded
	}
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range response.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	if response.StatusCode == http.StatusNoContent ||
		response.StatusCode == http.StatusNotModified {
		w.Header().Del("Content-Type")
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(body)
	return nil
}
