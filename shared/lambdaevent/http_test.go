package lambdaevent

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/toolboxai-solutions/satchel/shared/telemetry"
)

func echo() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
}

func ask(t *testing.T, handler http.Handler, raw json.RawMessage) events.APIGatewayV2HTTPResponse {
	t.Helper()
	answer, err := Handler{HTTP: handler,
		Log: slog.New(slog.DiscardHandler)}.Invoke(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return answer.(events.APIGatewayV2HTTPResponse)
}

func TestTheHandlerSeesTheRequestThatWasSent(t *testing.T) {
	t.Parallel()
	answer := ask(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/my/päth" ||
			r.RequestURI != "/my/p%C3%A4th?tag=a&tag=b%26c&empty=" {
			t.Errorf("%s %q %q", r.Method, r.URL.Path, r.RequestURI)
		}
		if tags := r.URL.Query()["tag"]; !slices.Equal(tags, []string{"a", "b&c"}) {
			t.Errorf("repeated query parameter is %q", tags)
		}
		if cookie, err := r.Cookie("cookie2"); err != nil || cookie.Value != "two" {
			t.Errorf("cookie %v, %v", cookie, err)
		}
		if r.Host != "id.execute-api.us-east-1.amazonaws.com" || r.Header.Get("Host") != "" ||
			r.Header.Get("Authorization") != "Bearer not-a-real-token" {
			t.Errorf("host %q, header %v", r.Host, r.Header)
		}
		if r.RemoteAddr != "198.51.100.7:0" ||
			telemetry.RequestID(r.Context()) != "JKJaXmPLvHcESHA=" {
			t.Errorf("from %q, request %q", r.RemoteAddr, telemetry.RequestID(r.Context()))
		}
		w.Header().Add("Vary", "Origin")
		w.Header().Add("Vary", "Accept")
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2"})
		w.WriteHeader(http.StatusCreated)
		w.Header().Set("Too-Late", "yes")
		_, _ = io.WriteString(w, `{"é":1}`)
	}), golden(t, "http_get.json"))
	got, _ := json.Marshal(answer)
	const want = `{"statusCode":201,"headers":{"Vary":"Origin, Accept"},"multiValueHeaders":null,"body":"{\"é\":1}","cookies":["a=1","b=2"]}`
	if string(got) != want {
		t.Errorf("answered\n%s\nwant\n%s", got, want)
	}
}

func TestBinaryBodiesTravelBothWays(t *testing.T) {
	t.Parallel()
	answer := ask(t, echo(), golden(t, "http_post_base64.json"))
	body, err := base64.StdEncoding.DecodeString(answer.Body)
	if !answer.IsBase64Encoded || err != nil || string(body) != "\x00\xff\x00\xffhello" {
		t.Errorf("answered %+v", answer)
	}
}

func TestABodyThatIsNotBase64IsRefused(t *testing.T) {
	t.Parallel()
	raw := []byte(strings.Replace(string(golden(t, "http_post_base64.json")), "AP8A/2hlbGxv",
		"%%%", 1))
	answer := ask(t, echo(), raw)
	if answer.StatusCode != 400 || answer.Headers["Content-Type"] != "application/problem+json" ||
		!strings.Contains(answer.Body, `"code":"malformed-request"`) {
		t.Errorf("answered %+v", answer)
	}
}

func TestAPanicAnswersAProblemWithoutDetails(t *testing.T) {
	t.Parallel()
	answer := ask(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Half", "written")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"half":`)
		panic("secret detail")
	}), golden(t, "http_get.json"))
	got, _ := json.Marshal(answer)
	const want = `{"statusCode":500,"headers":{"Cache-Control":"no-store","Content-Type":"application/problem+json"},"multiValueHeaders":null,` +
		`"body":"{\"code\":\"internal\",\"detail\":\"Something went wrong on our side. Try again, and contact support with the instance if it keeps failing.\",` +
		`\"instance\":\"JKJaXmPLvHcESHA=\",\"status\":500,\"title\":\"Internal Server Error\",` +
		`\"type\":\"https://github.com/toolboxai-solutions/satchel/blob/main/docs/problems.md#internal\"}","cookies":null}`
	if string(got) != want {
		t.Errorf("answered\n%s\nwant\n%s", got, want)
	}
}

func TestAnEmptyAnswerIs200(t *testing.T) {
	t.Parallel()
	answer := ask(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		golden(t, "http_get.json"))
	if answer.StatusCode != 200 || answer.Body != "" || answer.IsBase64Encoded {
		t.Errorf("answered %+v", answer)
	}
}

func TestHEADHasNoBody(t *testing.T) {
	t.Parallel()
	raw := strings.ReplaceAll(string(golden(t, "http_get.json")), `"GET"`, `"HEAD"`)
	answer := ask(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a body")
	}), []byte(raw))
	if answer.StatusCode != 200 || answer.Body != "" {
		t.Errorf("answered %+v", answer)
	}
}
