package template

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func place(parameters map[string]string) Place {
	return Place{
		Account: "000000000000", Region: "us-east-1", StackName: "satchel", Parameters: parameters,
		QueueURL: func(name string) string { return "http://queues.test/" + name },
	}
}

// TestIntrinsics resolves one value at a time, as the output of a small template.
func TestIntrinsics(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`plain`:            "plain",
		`!Ref Text`:        "text",
		`!Ref Given`:       "here",
		`!Ref AWS::Region`: "us-east-1",
		`!Sub "${Text}/${AWS::StackName}/${Queue.Arn}/${!Text}"`:               "text/satchel/arn:aws:sqs:us-east-1:000000000000:jobs/${Text}",
		`!Sub ["${Text} ${Own}", { Own: !Ref Given }]`:                         "text here",
		`!Join ["+", !Ref List]`:                                               "a+b",
		`!Join [",", [a, !Ref AWS::NoValue, !If [On, b, c], !If [Off, d, e]]]`: "a,b,e",
		`!If [Both, yes, no]`:                                                  "no",
		`!If [Either, yes, no]`:                                                "yes",
		`!Ref Queue`:                                                           "http://queues.test/jobs",
		`!GetAtt Queue.QueueName`:                                              "jobs",
		`!Ref Bucket`:                                                          "text-bucket",
		`!GetAtt Bucket.Arn`:                                                   "arn:aws:s3:::text-bucket",
		`!GetAtt Role.Arn`:                                                     "arn:aws:iam::000000000000:role/Role",
		`{ "Fn::Sub": "${Bucket}" }`:                                           "text-bucket",
	} {
		parsed, err := Parse([]byte(small + "Outputs:\n  Value: { Value: " + value + " }\n"))
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		d, err := parsed.Resolve(place(map[string]string{"Given": "here"}))
		if err != nil || d.Outputs["Value"] != want {
			t.Errorf("%s is %q, want %q: %v", value, d.Outputs["Value"], want, err)
		}
	}
}

const small = `
Parameters:
  Text: { Type: String, Default: text, AllowedValues: [text, other] }
  Given: { Type: String, AllowedPattern: "[a-z]+" }
  List: { Type: CommaDelimitedList, Default: "a, b" }
  Size: { Type: Number, Default: 3, MinValue: 2, MaxValue: 4 }
Conditions:
  On: !Equals [!Ref Text, text]
  Off: !Not [!Condition On]
  Both: !And [!Condition On, !Condition Off]
  Either: !Or [!Condition Off, !Condition On]
Resources:
  Queue: { Type: AWS::SQS::Queue, Properties: { QueueName: jobs } }
  Bucket: { Type: AWS::S3::Bucket, Properties: { BucketName: !Sub "${Text}-bucket" } }
  Role: { Type: AWS::IAM::Role }
`

// TestNotUnderstood has what must stop a start, with the line on which it stands.
func TestNotUnderstood(t *testing.T) {
	t.Parallel()
	whole := string(read(t))
	for name, c := range map[string]struct{ old, new, want string }{
		"an intrinsic": {"LOG_LEVEL: !Ref LogLevel", "LOG_LEVEL: !Select [0, [a]]",
			"Fn::Select"},
		"a condition": {"LOG_LEVEL: !Ref LogLevel", "LOG_LEVEL: !If [Never, a, b]",
			"Never"},
		"a name": {"VisibilityTimeout: 720", "VisibilityTimeout: !Ref Visible",
			"Visible"},
		"an attribute": {"INGEST_QUEUE_URL: !Ref IngestQueue",
			"INGEST_QUEUE_URL: !GetAtt IngestQueue.Url", "IngestQueue.Url"},
		"a number":      {"Timeout: 29", "Timeout: soon", "Timeout"},
		"an event":      {"Type: ScheduleV2", "Type: Schedule", "Schedule"},
		"an expression": {"rate(5 minutes)", "at(2026-01-01T00:00:00)", "at(2026"},
		"a placeholder": {"<aws.scheduler.scheduled-time>", "<aws.scheduler.execution-id>",
			"placeholder"},
		"a path": {"/v1/files/{proxy+}", "/v1/{proxy+}/files", "proxy+"},
		"a queue": {"Queue: !GetAtt IngestQueue.Arn",
			"Queue: arn:aws:sqs:us-east-1:1:other", "no queue"},
		"a managed policy": {"ManagedPolicyArns: [!Ref VpcAccess]",
			"ManagedPolicyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]", "managed policy"},
		"a secret elsewhere": {"LOG_LEVEL: !Ref LogLevel", `LOG_LEVEL: "{{resolve:ssm:level}}"`,
			"resolve:ssm"},
		"batches without report": {"FunctionResponseTypes: [ReportBatchItemFailures]",
			"FunctionResponseTypes: []", "ReportBatchItemFailures"},
		"another runtime":     {"Runtime: provided.al2023", "Runtime: python3.13", "Runtime"},
		"another event of S3": {"s3:ObjectCreated:*", "s3:ObjectRemoved:*", "ObjectRemoved"},
		"a resource's attribute": {"    DeletionPolicy: Retain", "    CreationPolicy: Retain",
			"CreationPolicy"},
		"a policy of no bucket": {"Bucket: !Ref FilesBucket", "Bucket: other", "no bucket"},
		"a value not allowed":   {"Default: info", "Default: loud", "loud"},
		"a number too large":    {"Default: 52428800", "Default: 999999999", "999999999"},
		"a parameter without":   {"    Default: satchel\n", "", "DatabaseName"},
	} {
		broken := strings.Replace(whole, c.old, c.new, 1)
		if broken == whole {
			t.Errorf("%s: the template has no %q", name, c.old)
			continue
		}
		parsed, err := Parse([]byte(broken))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = parsed.Resolve(place(local()))
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: the error does not tell of %s and its line: %v", name, c.want, err)
		}
	}
}

func TestConditionNotUnderstood(t *testing.T) {
	t.Parallel()
	odd := strings.Replace(small, "!Equals [!Ref Text, text]", "!Contains [!Ref Text, text]", 1)
	parsed, err := Parse([]byte(odd + "Outputs:\n  Value: { Value: !If [On, a, b] }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Resolve(place(nil)); err == nil ||
		!strings.Contains(err.Error(), "line 8: this condition") {
		t.Errorf("got %v", err)
	}
}

func local() map[string]string {
	return map[string]string{
		"BucketPrefix": "satchel", "DatabaseHost": "db.test", "DatabaseResourceId": "local",
		"CorsOrigins": "*",
		"AuthIssuer":  "issuer", "AuthJwksUrl": "keys", "AuthAudience": "satchel",
	}
}

// TestReserved: what has an HTTP entry has the concurrency that is asked for, and nothing else has;
// without a number it has none, because a small account cannot reserve.
func TestReserved(t *testing.T) {
	t.Parallel()
	parsed, err := Parse(read(t))
	if err != nil {
		t.Fatal(err)
	}
	given := local()
	for _, name := range parsed.Parameters() {
		_, decided := at(parsed.parameters, name)["Default"]
		if _, told := given[name]; !decided && !told {
			given[name] = "true"
		}
	}
	for number, want := range map[string]int{"": 0, "0": 0, "20": 20} {
		if delete(given, "HttpConcurrency"); number != "" {
			given["HttpConcurrency"] = number
		}
		d, err := parsed.Resolve(place(given))
		if err != nil {
			t.Fatal(err)
		}
		entries := 0
		for _, f := range d.Functions {
			asked := 0
			if len(f.Routes) > 0 {
				asked, entries = want, entries+1
			}
			if f.Concurrency != asked {
				t.Errorf("with %q, %s has %d, want %d", number, f.Name, f.Concurrency, asked)
			}
		}
		if entries != 3 {
			t.Errorf("%d functions answer HTTP", entries)
		}
	}
}

// TestUnread: what is not read is told with its line, and what Globals say counts for each
// function.
func TestUnread(t *testing.T) {
	t.Parallel()
	parsed, err := Parse([]byte(`Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 5
    Environment: { Variables: { SHARED: all, OWN: global } }
    Tracing: Active
Resources:
  Role: { Type: AWS::IAM::Role }
  Topic: { Type: AWS::SNS::Topic }
  F:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt Role.Arn
      Timeout: 7
      Environment: { Variables: { OWN: mine } }
      Events:
        Nightly: { Type: ScheduleV2, Properties: { ScheduleExpression: "cron(0 3 * * ? *)", Input: "{}", State: DISABLED } }
        Hourly: { Type: ScheduleV2, Properties: { Name: hourly, ScheduleExpression: rate(1 hour), Input: "{}" } }
`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := parsed.Resolve(place(nil))
	if err != nil {
		t.Fatal(err)
	}
	wantUnread := []Unread{
		{functionKind + ".Events.ScheduleV2.State", "F", 18}, {functionKind + ".Tracing", "F", 7},
		{"AWS::SNS::Topic", "Topic", 10},
	}
	if !reflect.DeepEqual(d.Unread, wantUnread) {
		t.Errorf("unread is %+v, want %+v", d.Unread, wantUnread)
	}
	f := d.Functions[0]
	if f.Timeout != 7*time.Second || !reflect.DeepEqual(f.Environment,
		map[string]string{"SHARED": "all", "OWN": "mine"}) {
		t.Errorf("the function has %v and %v", f.Timeout, f.Environment)
	}
	wantSchedules := []Schedule{{"hourly", time.Hour, "{}"}, {"Nightly", 0, "{}"}}
	if !reflect.DeepEqual(f.Schedules, wantSchedules) {
		t.Errorf("schedules are %+v, want %+v", f.Schedules, wantSchedules)
	}
}
