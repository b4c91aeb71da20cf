package template

import (
	"strings"
	"testing"
)

// TestBrokenTemplate breaks the template in one place at a time: the check that is named has to
// notice.
func TestBrokenTemplate(t *testing.T) {
	t.Parallel()
	whole := string(read(t))
	for name, c := range map[string]struct{ check, old, new string }{
		"a typo in !Ref": {"references", "SubnetIds: !Ref SubnetIds",
			"SubnetIds: !Ref Subnets"},
		"a typo in !GetAtt": {"references", "!GetAtt IngestQueue.Arn",
			"!GetAtt IngestQueue.ARN"},
		"a typo in !Sub": {"references", "@${DatabaseHost}:",
			"@${DatabaseHosts}:"},
		"a typo in DependsOn": {"references", "DependsOn: IngestQueuePolicy",
			"DependsOn: IngestPolicy"},
		"a typo in a condition": {"references", "!If [HasAlarmTopic", "!If [HasTopic"},
		"an alarm on another stack": {"alarms", `Namespace: !Sub "Satchel/${AWS::StackName}"`,
			"Namespace: Satchel"},
		"an alarm on nothing": {"alarms", "MetricName: RollupLag", "MetricName: Lag"},
		"an alarm on no dimension": {"alarms",
			"Dimensions: [{ Name: schedule, Value: analytics-aggregation }]", "Unit: Milliseconds"},
		"an alarm on another dimension": {"alarms", "Name: schedule,", "Name: Schedule,"},
		"an alarm without advice": {"alarms", ". Look at the log of analytics-aggregation-run",
			""},
		"an alarm that nobody hears": {"alarms", "AlarmActions: !If [HasAlarmTopic, " +
			"[!Ref AlarmTopicArn], !Ref AWS::NoValue]", "ActionsEnabled: true"},
		"a parameter nobody uses": {"references", "Parameters:\n",
			"Parameters:\n  Left: { Type: String }\n"},
		"code that is not built": {"code", "CodeUri: build/migrate/",
			"CodeUri: build/migration/"},
		"the wrong processor": {"code", "Architectures: [arm64]",
			"Architectures: [x86_64]"},
		"the wrong runtime": {"code", "Runtime: provided.al2023", "Runtime: go1.x"},
		"a message seen twice": {"queues", "VisibilityTimeout: 720",
			"VisibilityTimeout: 719"},
		"a slower function": {"queues", "Timeout: 120", "Timeout: 121"},
		"no redrive":        {"queues", "RedrivePolicy:", "Redrive:"},
		"a queue that feeds itself": {"queues",
			"deadLetterTargetArn: !GetAtt IngestDeadLetters.Arn",
			"deadLetterTargetArn: !GetAtt IngestQueue.Arn"},
		"the queue gives up first": {"queues", "maxReceiveCount: 10", "maxReceiveCount: 4"},
		"dead letters that expire": {"queues", "MessageRetentionPeriod: 1209600",
			"MessageRetentionPeriod: 86400"},
		"one failure repeats the batch": {"queues",
			"FunctionResponseTypes: [ReportBatchItemFailures]", "FunctionResponseTypes: []"},
		"files that fall together": {"queues", "BatchSize: 1 ", "BatchSize: 10 "},
		"dead letters nobody sees": {"queues", "Value: !GetAtt IngestDeadLetters.QueueName",
			"Value: !GetAtt IngestQueue.QueueName"},
		"no alarm on age": {"queues", "MetricName: ApproximateAgeOfOldestMessage",
			"MetricName: NumberOfMessagesSent"},
		"a queue in the clear": {"queues", "SqsManagedSseEnabled: true",
			"SqsManagedSseEnabled: false"},
		"an input of another name": {"schedules", `{"schedule":"file-maintenance"`,
			`{"schedule":"maintenance"`},
		"an input without its time": {"schedules", "<aws.scheduler.scheduled-time>", ""},
		"an input that is no JSON":  {"schedules", `scheduled-time>"}`, `scheduled-time>"`},
		"logs for ever": {"logs", "RetentionInDays: !Ref LogRetentionDays",
			"KmsKeyId: x"},
		"a shared log group": {"logs", "LogGroup: !Ref FileApiMaintenanceLogs",
			"LogGroup: !Ref FileApiHttpLogs"},
		"a shared role": {"roles", "Role: !GetAtt FileApiMaintenanceRole.Arn",
			"Role: !GetAtt FileApiHttpRole.Arn"},
		"a shared database role": {"roles", "postgres://satchel_file_api_maintenance@",
			"postgres://satchel_file_api_http@"},
		"signs in as any role": {"roles", "${DatabaseResourceId}/satchel_file_api_http",
			"${DatabaseResourceId}/*"},
		"a database role that is not": {"roles", "postgres://satchel_file_api_maintenance@",
			"postgres://satchel_maintenance@"},
		"a password in the template": {"roles", "postgres://satchel_file_api_http@",
			"postgres://satchel_file_api_http:not-a-real-password@"},
		"IAM sign-in off": {"roles", `DATABASE_IAM_AUTH: "true"`,
			`DATABASE_IAM_AUTH: "false"`},
		"any action": {"wildcards", "Action: s3:PutObject\n",
			"Action: \"s3:*\"\n"},
		"any queue": {"wildcards",
			"Action: sqs:SendMessage\n                Resource: !GetAtt IngestQueue.Arn",
			"Action: sqs:SendMessage\n                Resource: \"*\""},
		"any object of a bucket": {"wildcards", "/incoming/*\"", "/*\""},
		"a managed policy of AWS": {"wildcards", "ManagedPolicyArns: [!Ref VpcAccess]",
			"ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]"},
		"an exception nobody needs": {"wildcards", "Action: [ec2:CreateNetworkInterface, ",
			"Action: ["},
		"everybody may send": {"wildcards", "Principal: { Service: s3.amazonaws.com }",
			`Principal: "*"`},
		"not versioned": {"buckets", "Status: Enabled }\n      OwnershipControls",
			"Status: Suspended }\n      OwnershipControls"},
		"a public bucket": {"buckets", "BlockPublicPolicy: true",
			"BlockPublicPolicy: false"},
		"not encrypted": {"buckets", "SSEAlgorithm: AES256", "Algorithm: none"},
		"read without TLS": {"buckets", `"aws:SecureTransport": "false"`,
			`"aws:SecureTransport": "true"`},
		"a doorbell without TLS": {"transport",
			"Action: sqs:*\n            Resource: !GetAtt Doorbell.Arn",
			"Action: sqs:SendMessage\n            Resource: !GetAtt Doorbell.Arn"},
		"dead letters without TLS": {"transport", "Queues: [!Ref IngestDeadLetters]",
			"Queues: [!Ref IngestQueue]"},
		"gone with the stack": {"buckets", "UpdateReplacePolicy: Retain",
			"UpdateReplacePolicy: Delete"},
		"old versions for ever": {"buckets",
			"NoncurrentVersionExpiration: { NoncurrentDays: 7 }", "Prefix: x"},
		"output starts the work again": {"flow", "FILES_BUCKET: !Ref FilesBucket",
			"FILES_BUCKET: !Ref IncomingBucket"},
		"another bucket for uploads": {"flow", "INCOMING_BUCKET: !Ref IncomingBucket",
			"INCOMING_BUCKET: !Ref FilesBucket"},
		"the worker may start itself": {"flow",
			"Action: [s3:GetObjectVersion, s3:DeleteObject,",
			"Action: [s3:PutObject, s3:GetObject, s3:DeleteObject,"},
		"the unchecked can be handed out": {"flow", "Action: s3:PutObject\n",
			"Action: [s3:PutObject, s3:GetObject]\n"},
		"maintenance reads the unchecked": {"flow",
			"Action: [s3:DeleteObject, s3:DeleteObjectVersion]",
			"Action: [s3:DeleteObject, s3:DeleteObjectVersion, s3:GetObjectVersion]"},
		"room for files without bound": {"room", "    MaxValue: 268435456", "    MaxLength: 9"},
		"files that fill the disk": {"room", "EphemeralStorage: { Size: 1024 }",
			"EphemeralStorage: { Size: 256 }"},
		"pictures that fill the memory": {"room", "MemorySize: 2048", "MemorySize: 1769"},
		"the front may delete": {"flow", "Action: s3:GetObject\n",
			"Action: [s3:GetObject, s3:DeleteObject]\n"},
		"two triggers": {"flow",
			"      LifecycleConfiguration:\n        Rules:\n          - Id: evidence",
			"      NotificationConfiguration: {}\n      LifecycleConfiguration:\n        " +
				"Rules:\n          - Id: evidence"},
		"no events": {"flow", "NotificationConfiguration:", "Notifications:"},
		"events nobody reads": {"flow",
			"Queue: !GetAtt IngestQueue.Arn\n            Filter",
			"Queue: !GetAtt IngestDeadLetters.Arn\n            Filter"},
		"events of any account": {"flow",
			`StringEquals: { "aws:SourceAccount": !Ref AWS::AccountId }`, "StringEquals: {}"},
		"events of any bucket":      {"flow", `"aws:SourceArn"`, `"aws:PrincipalArn"`},
		"a bucket before its queue": {"flow", "    DependsOn: IngestQueuePolicy\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(whole, c.old) {
				t.Fatalf("the template has no %q to break", c.old)
			}
			d, err := Parse([]byte(strings.ReplaceAll(whole, c.old, c.new)))
			if err != nil {
				t.Fatal(err)
			}
			if found := checks(t, d)[c.check]; len(found) == 0 {
				t.Errorf("the check %s noticed nothing", c.check)
			}
		})
	}
}

func TestBrokenEvents(t *testing.T) {
	t.Parallel()
	d, err := Parse([]byte(`
Resources:
  Nightly:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: build/f/
      Events:
        At: { Type: ScheduleV2, Properties: { Name: nightly, ScheduleExpression: rate(1 day) } }
  Queued:
    Type: AWS::Serverless::Function
    Properties: { CodeUri: build/f/, Events: { Q: { Type: SQS, Properties: {} } } }
`))
	if err != nil {
		t.Fatal(err)
	}
	nightly := map[string]string{"nightly": "rate(1 day)"}
	for name, c := range map[string]struct {
		takes  description
		faults int
	}{
		"as it is":    {description{SQS: true, Schedules: nightly}, 0},
		"no schedule": {description{SQS: true}, 1},
		"another name": {description{SQS: true,
			Schedules: map[string]string{"night": "rate(1 day)"}}, 2},
		"another rate": {description{SQS: true,
			Schedules: map[string]string{"nightly": "rate(5 minutes)"}}, 1},
		"no queue":             {description{Schedules: nightly}, 1},
		"HTTP that nobody has": {description{HTTP: true, SQS: true, Schedules: nightly}, 1},
	} {
		if found := events(d, "f", c.takes); len(found) != c.faults {
			t.Errorf("%s: %d faults, want %d: %v", name, len(found), c.faults, found)
		}
	}
}

func TestBrokenYAML(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an anchor":   "A: &a 1\nB: 2\n",
		"a key twice": "A: 1\nA: 2\n",
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestBrokenSettings(t *testing.T) {
	t.Parallel()
	d, err := Parse([]byte(`
Parameters:
  Size: { Type: Number, Default: 10 }
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: { Environment: { Variables: { SIZE: !Ref Size, NAME: fixed } } }
`))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		described []setting
		faults    int
	}{
		"as it is":        {[]setting{{Name: "SIZE", Default: "10"}, {Name: "NAME"}}, 0},
		"another default": {[]setting{{Name: "SIZE", Default: "11"}, {Name: "NAME"}}, 1},
		"a variable nobody sets": {[]setting{{Name: "SIZE", Default: "10"}, {Name: "NAME"},
			{Name: "MORE"}}, 1},
		"one that nobody reads": {[]setting{{Name: "SIZE", Default: "10"}}, 1},
	} {
		if found := settings(d, d.resources["F"], c.described); len(found) != c.faults {
			t.Errorf("%s: %d faults, want %d: %v", name, len(found), c.faults, found)
		}
	}
}
