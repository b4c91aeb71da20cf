package settings

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

type database struct {
	URL     string `env:"DATABASE_URL,required" help:"where Postgres is"`
	IAMAuth bool   `env:"DATABASE_IAM_AUTH" envDefault:"false"`
}

type sample struct {
	Database database
	Max      int64         `env:"MAX_FILE_SIZE" envDefault:"52428800"`
	Types    []string      `env:"ALLOWED_MIME_TYPES" envDefault:"image/*,text/*"`
	Public   url.URL       `env:"PUBLIC_API_URL"`
	Wait     time.Duration `env:"WAIT" envDefault:"15m"`
	Level    slog.Level    `env:"LOG_LEVEL" envDefault:"info"`
	Low      int           `env:"LOW" envDefault:"1"`
	High     int           `env:"HIGH" envDefault:"2"`
}

func (s sample) Validate() error {
	var all []error
	if s.Low > s.High {
		all = append(all, errors.New("LOW: must not exceed HIGH"))
	}
	if s.Max <= 0 {
		all = append(all, errors.New("MAX_FILE_SIZE: must be positive"))
	}
	return errors.Join(all...)
}

func TestEverySettingIsReadInItsType(t *testing.T) {
	t.Parallel()
	got, err := load[sample]([]string{
		"DATABASE_URL=postgres://someone@db/satchel", "DATABASE_IAM_AUTH=true",
		"MAX_FILE_SIZE=5000000000",
		"ALLOWED_MIME_TYPES=image/*, application/pdf ,", "PUBLIC_API_URL=https://api.example/v1",
		"WAIT=90s", "LOG_LEVEL=DEBUG", "HIGH=",
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Database.URL != "postgres://someone@db/satchel" || !got.Database.IAMAuth ||
		got.Max != 5_000_000_000 ||
		got.Public.Host != "api.example" || got.Wait != 90*time.Second ||
		got.Level != slog.LevelDebug {
		t.Errorf("read %+v", got)
	}
	if want := []string{"image/*", "application/pdf"}; !slices.Equal(got.Types, want) {
		t.Errorf("list is %q, want %q", got.Types, want)
	}
	if got.High != 2 {
		t.Errorf("an empty variable gave %d instead of the default", got.High)
	}
}

func TestEveryFaultIsReportedAtOnceWithoutValues(t *testing.T) {
	t.Parallel()
	_, err := load[sample]([]string{
		"DATABASE_URL=", "DATABASE_IAM_AUTH=hunter2-secret", "MAX_FILE_SIZE=hunter2-secret",
		"WAIT=hunter2-secret", "LOG_LEVEL=hunter2-secret",
		"PUBLIC_API_URL=http://hunter2-secret:%zz", "LOW=9",
	})
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatalf("error is %T: %v", err, err)
	}
	slices.Sort(faults)
	want := Faults{
		"DATABASE_IAM_AUTH: is not true or false",
		"DATABASE_URL: is required and not set",
		"LOG_LEVEL: is not one of debug, info, warn, error",
		"LOW: must not exceed HIGH",
		"MAX_FILE_SIZE: is not a whole number in range",
		"PUBLIC_API_URL: is not a URL",
		"WAIT: is not a duration such as 90s or 15m",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("faults are\n%s\nwant\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error tells a value: %v", err)
	}
}

type Checked struct {
	Name string `env:"NAME" envDefault:"x"`
}

func (Checked) Validate() error { return errors.New("NAME: is wrong") }

func TestValidateOfAnEmbeddedGroupCountsOnce(t *testing.T) {
	t.Parallel()
	type outer struct{ Checked } // Validate is promoted, so it is found twice
	_, err := load[outer](nil)
	if faults, ok := errors.AsType[Faults](err); !ok || len(faults) != 1 {
		t.Errorf("faults are %v, want exactly one", err)
	}
}

func TestDescribeConfigPrintsWhatTheBinaryReads(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	code := start([]string{DescribeFlag}, nil, &out, &errs, func(context.Context, sample) error {
		t.Error("the binary ran")
		return nil
	})
	if code != 0 || errs.Len() > 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	var got []Setting
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []Setting{
		{Name: "DATABASE_URL", Type: "string", Required: true, Help: "where Postgres is"},
		{Name: "DATABASE_IAM_AUTH", Type: "boolean", Default: "false"},
		{Name: "MAX_FILE_SIZE", Type: "integer", Default: "52428800"},
		{Name: "ALLOWED_MIME_TYPES", Type: "list", Default: "image/*,text/*"},
		{Name: "PUBLIC_API_URL", Type: "url"},
		{Name: "WAIT", Type: "duration", Default: "15m"},
		{Name: "LOG_LEVEL", Type: "level", Default: "info"},
		{Name: "LOW", Type: "integer", Default: "1"},
		{Name: "HIGH", Type: "integer", Default: "2"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("described\n%+v\nwant\n%+v", got, want)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	good := []string{"DATABASE_URL=postgres://db/x"}
	for name, tc := range map[string]struct {
		environ []string
		err     error
		code    int
		says    string
	}{
		"good":   {good, nil, 0, ""},
		"failed": {good, errors.New("the pool is closed"), 1, "the pool is closed"},
		"faults": {[]string{"LOW=7"}, nil, 2, "LOW: must not exceed HIGH"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			code := start(nil, tc.environ, &out, &errs,
				func(context.Context, sample) error { return tc.err })
			if code != tc.code || !strings.Contains(errs.String(), tc.says) {
				t.Errorf("exit %d with %q, want %d and %q", code, errs.String(), tc.code, tc.says)
			}
		})
	}
}
