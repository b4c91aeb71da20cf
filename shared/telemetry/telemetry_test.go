package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

func TestLinesCarryTheIDsOfTheirContext(t *testing.T) {
	t.Parallel()
	ctx := lambdacontext.NewContext(context.Background(),
		&lambdacontext.LambdaContext{AwsRequestID: "invocation-1"})
	//lint:ignore SA1029 the key is aws-lambda-go's, which is a plain string
	ctx = context.WithValue(ctx, "x-amzn-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")
	for name, tc := range map[string]struct {
		ctx  context.Context
		want map[string]string
	}{
		"nothing known": {context.Background(),
			map[string]string{"request_id": "", "invocation_id": "", "trace_id": ""}},
		"lambda": {ctx, map[string]string{"request_id": "invocation-1", "invocation_id": "",
			"trace_id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700"}},
		"http": {WithRequestID(ctx, "gateway-1"),
			map[string]string{"request_id": "gateway-1", "invocation_id": "invocation-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			NewLogger(&out, slog.LevelInfo).With("tenant", "a").InfoContext(tc.ctx, "done")
			var line map[string]string
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Fatalf("%v in %s", err, out.String())
			}
			for key, want := range tc.want {
				if line[key] != want {
					t.Errorf("%s is %q, want %q", key, line[key], want)
				}
			}
		})
	}
}

func TestLineHasItsTimeAndDurationsWithTheirUnit(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	NewLogger(&out, slog.LevelInfo).Info("done", "duration", 1500*time.Microsecond)
	var line struct {
		At         time.Time
		DurationMS float64 `json:"duration_ms"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.At.IsZero() ||
		line.DurationMS != 1.5 {
		t.Errorf("%+v, %v in %s", line, err, out.String())
	}
}

func TestLevelIsObeyed(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := NewLogger(&out, slog.LevelWarn)
	log.Info("quiet")
	log.Warn("loud")
	if strings.Contains(out.String(), "quiet") || !strings.Contains(out.String(), "loud") {
		t.Errorf("wrote %s", out.String())
	}
}

func TestNoSecretReachesALog(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3tvalue0123456789abcdef"
	type nested struct {
		Password string `json:"password"`
		Kept     string `json:"kept"`
	}
	for name, attr := range map[string]slog.Attr{
		"signed url": slog.String("url", "https://b.s3.amazonaws.com/k?X-Amz-Credential="+
			secret+"&X-Amz-Signature="+secret+"&x=kept"),
		"session token": slog.String("url",
			"https://b.s3.amazonaws.com/k?X-Amz-Security-Token="+secret+"&x=kept"),
		"share link": slog.String("url",
			"https://api.example/v1/shares?token="+secret+"&x=kept"),
		"named attribute": slog.Group("kept", slog.String("Authorization", "Bearer "+secret)),
		"bearer in error": slog.Any("err",
			errors.New(`kept: header "Bearer `+secret+`" was refused`)),
		"jwt anywhere":  slog.String("note", "kept eyJhbGciOiJSUzI1NiJ9."+secret+"."+secret),
		"jwt in a path": slog.String("path", "/kept/eyJhbGciOiJSUzI1NiJ9."+secret+"."+secret),
		"database url": slog.Any("err",
			errors.New("kept: dial postgres://satchel:"+secret+"@db:5432/satchel")),
		"dsn": slog.String("dsn",
			"host=kept user=x password="+secret+" sslmode=require"),
		"struct":           slog.Any("in", nested{Password: secret + `"` + secret, Kept: "kept"}),
		"json in a string": slog.String("body", `{"password":"`+secret+`","kept":1}`),
		"escaped & in url": slog.Any("url",
			json.RawMessage(`"https://kept?a=1\u0026X-Amz-Signature=`+secret+`"`)),
		"cookie": slog.Any("headers",
			map[string]string{"Set-Cookie": "sid=" + secret, "kept": "yes"}),
		"access key": slog.String("env", "kept AWS_SECRET_ACCESS_KEY="+secret),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			NewLogger(&out, slog.LevelInfo).Info("seen", attr)
			if strings.Contains(out.String(), secret) {
				t.Errorf("the log holds the secret: %s", out.String())
			}
			if !strings.Contains(out.String(), "kept") {
				t.Errorf("the log lost what is no secret: %s", out.String())
			}
			if !json.Valid(out.Bytes()) {
				t.Errorf("the line is no JSON any more: %s", out.String())
			}
		})
	}
}

func TestOrdinaryLinesAreUntouched(t *testing.T) {
	t.Parallel()
	const line = `{"msg":"claimed","key":"incoming/a/b/1","token_count":3,"fencing_token":7,"url":"https://h:8080/x","t":"basic type"}`
	if got := string(Redact([]byte(line))); got != line {
		t.Errorf("became %s", got)
	}
}

func TestMetricsFollowTheEmbeddedFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	metrics := Metrics{Out: &out, Namespace: "Satchel",
		Now: func() time.Time { return time.UnixMilli(1700000000123) }}
	metrics.Emit(map[string]string{"Outcome": "available", "Entry": "events"},
		Metric{"Files", Count, 1}, Metric{"Duration", Milliseconds, 41.5})
	const want = `{"Duration":41.5,"Entry":"events","Files":1,"Outcome":"available","_aws":{"CloudWatchMetrics":[{"Dimensions":[["Entry","Outcome"]],` +
		`"Metrics":[{"Name":"Files","Unit":"Count"},{"Name":"Duration","Unit":"Milliseconds"}],"Namespace":"Satchel"}],"Timestamp":1700000000123}}` +
		"\n"
	if out.String() != want {
		t.Errorf("wrote\n%swant\n%s", out.String(), want)
	}
	out.Reset()
	metrics.Emit(nil, Metric{"Ratio", Count, math.NaN()})
	if out.Len() > 0 {
		t.Errorf("NaN was written: %s", out.String())
	}
}
