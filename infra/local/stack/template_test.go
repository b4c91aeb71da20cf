package stack

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// additions are what somebody adds to the template for functions of their own: existing binaries
// under second names, one with routes, and one with a queue and two schedules.
const additions = `
  SecondQueue:
    Type: AWS::SQS::Queue
    Properties: { VisibilityTimeout: 60, RedrivePolicy: { deadLetterTargetArn: !GetAtt SecondDead.Arn, maxReceiveCount: 2 } }
  SecondDead: { Type: AWS::SQS::Queue }
  SecondRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: entry
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{ Effect: Allow, Action: [sqs:ReceiveMessage, sqs:DeleteMessage], Resource: !GetAtt SecondQueue.Arn }]
  SecondHttp:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: second-http
      CodeUri: build/file-api/
      Role: !GetAtt FileApiHttpRole.Arn
      Environment: { Variables: { ADDED: !Sub "${AWS::StackName} ${MaxFileSize}", DATABASE_URL: "postgres://satchel_file_api_http@x/y" } }
      Events:
        Below: { Type: HttpApi, Properties: { Path: "/v1/second/{proxy+}", Method: GET, PayloadFormatVersion: "2.0" } }
        One: { Type: HttpApi, Properties: { Path: /v1/files/second, Method: ANY, PayloadFormatVersion: "2.0" } }
  SecondWorker:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: second-worker
      CodeUri: build/file-processing/
      Role: !GetAtt SecondRole.Arn
      Environment: { Variables: { DATABASE_URL: "postgres://satchel_file_processing_events@x/y" } }
      Events:
        Messages:
          Type: SQS
          Properties: { Queue: !GetAtt SecondQueue.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures] }
        Often: { Type: ScheduleV2, Properties: { Name: second-often, ScheduleExpression: rate(1 hour), Input: '{"schedule":"second-often"}' } }
        Nightly: { Type: ScheduleV2, Properties: { Name: second-nightly, ScheduleExpression: "cron(0 3 * * ? *)", Input: '{"schedule":"second-nightly"}' } }
`

// written is a copy of the template with one text in the place of another.
func written(t *testing.T, old, new string) string {
	t.Helper()
	text, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("the template has no %q", old)
	}
	path := filepath.Join(t.TempDir(), "copy.yaml")
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAdditions: what is added to the template runs at the next start, without a line of Go.
func TestAdditions(t *testing.T) {
	o := Options{DataDir: place(t), BinDir: fakes(t)}
	s := begin(t, o)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	o.Template = written(t, "\nOutputs:", additions+"\nOutputs:")
	s = begin(t, o)

	for path, want := range map[string]string{
		"/v1/second/a/b": "second-http", "/v1/files/second": "second-http",
		"/v1/files/other": "satchel-file-api-http", "/v1/second": "satchel-file-api-http",
		"/unknown": "satchel-file-api-http",
	} {
		var answer struct{ Function, Added, Database string }
		call(t, "GET", s.Ready.API+path, "", &answer)
		if answer.Function != want {
			t.Errorf("%s goes to %s, want %s", path, answer.Function, want)
		}
		if want == "second-http" && (answer.Added != "satchel 52428800" ||
			answer.Database != s.Ready.Roles["file-api/http"]) {
			t.Errorf("%s has the setting %q and another role", path, answer.Added)
		}
	}
	for _, name := range []string{"second-often", "second-nightly"} {
		var answer struct {
			Result struct{ Fired, Function string }
		}
		call(t, "POST", s.Ready.API+"/local/schedules/"+name, "", &answer)
		if answer.Result.Fired != name || answer.Result.Function != "second-worker" {
			t.Errorf("%s fired %+v", name, answer.Result)
		}
	}
	for _, body := range []string{"hello", "poison"} {
		if err := s.Queue.Send("SecondQueue", body); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the message and the dead letter", func() bool {
		log, err := os.ReadFile(s.LogPath())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(log), `"msg":"received hello","function":"second-worker"`) &&
			s.Queue.Stats("SecondQueue").DeadLetters == 1
	})
}

func TestStartStopsAtWhatItDoesNotUnderstand(t *testing.T) {
	bin := fakes(t)
	for what, path := range map[string]string{
		"AWS::SQS::Queue.FifoQueue of IngestQueue": written(t,
			"      VisibilityTimeout: 720", "      FifoQueue: true\n      VisibilityTimeout: 720"),
		"AWS::Serverless::Function.Tracing of FileApiHttp": written(t,
			"    Runtime: provided.al2023", "    Tracing: Active\n    Runtime: provided.al2023"),
		"CodeUri is functions/file-api, which make build does": written(t, "build/file-api/",
			"functions/file-api/"),
	} {
		s, err := Start(t.Context(), Options{DataDir: place(t), BinDir: bin, Template: path,
			Clamd: ScannerOff, Throwaway: true})
		if err == nil {
			t.Errorf("%s: it started: %v", what, s.Stop())
		} else if !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestExplain also holds the table of what is absent to what the template really has.
func TestExplain(t *testing.T) {
	out := &bytes.Buffer{}
	if err := Explain(out, Options{}); err != nil {
		t.Fatal(err)
	}
	for what, why := range absent() {
		if !strings.Contains(out.String(), what+" ") || !strings.Contains(out.String(), why) {
			t.Errorf("the template has no %s, and the table does", what)
		}
	}
	for _, want := range []string{"DATABASE_URL", "VisibilityTimeout", "ScheduleExpression",
		"FileApiHttp (line "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not tell of %s:\n%s", want, out)
		}
	}
}
