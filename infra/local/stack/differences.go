package stack

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/schedule"
	"github.com/toolboxai-solutions/satchel/infra/template"
)

// A difference is something that is not here as the template says, and why. There are no others.
type difference struct {
	what, here, why string
	function        func(*Stack, template.Function, *runtime.Function)
	queue           func(*Stack, *template.Queue)
	schedule        func(*schedule.Schedule)
}

func differences() []difference {
	return []difference{
		{what: "DATABASE_URL, DATABASE_IAM_AUTH",
			here: "the same role, by password, on the PostgreSQL here",
			why:  "tokens of IAM are checked by Amazon RDS alone", function: (*Stack).signIn},
		{what: "AWS_…", here: "access keys of the function's own, and the addresses of the " +
			"servers here",
			why:      "Lambda hands out a role's keys, and the SDK then asks AWS",
			function: (*Stack).endpoints},
		{what: "parameters", here: "names and addresses of this machine, and clamd where there " +
			"is one", why: "they have no default, because each place has its own"},
		{what: "Timeout", here: "at most 30 s for a queue, 60 s for a schedule",
			why: "so that a retry is soon", function: shorten},
		{what: "VisibilityTimeout", here: "a second more than the function's timeout",
			why: "so that a retry is soon", queue: (*Stack).hide},
		{what: "concurrency", here: "8 for HTTP, 2 for a queue, 1 for a schedule",
			why: "two cores have to do", function: limit},
		{what: "ScheduleExpression", here: "every minute, unless it is oftener",
			why: "so that what it does is soon seen", schedule: hasten},
		{what: "aws:SecureTransport", here: "counts as true",
			why: "the servers here speak HTTP, on this machine alone"},
		{what: "a function without events", here: "not started",
			why: "a deploy step invokes it; the stack migrates by itself"},
	}
}

func (s *Stack) signIn(fn template.Function, f *runtime.Function) {
	address, err := url.Parse(fn.Environment["DATABASE_URL"])
	if err != nil || address.User == nil {
		return // the function says what it lacks
	}
	delete(f.Env, "DATABASE_IAM_AUTH")
	f.Env["DATABASE_URL"] = s.roleURL(address.User.Username())
}

func (s *Stack) endpoints(fn template.Function, f *runtime.Function) {
	keys := s.Authority.Keys(fn.Name)
	maps.Copy(f.Env, map[string]string{
		"AWS_ACCESS_KEY_ID": keys.Access, "AWS_SECRET_ACCESS_KEY": keys.Secret,
		"AWS_REGION": s.Ready.S3.Region, "AWS_DEFAULT_REGION": s.Ready.S3.Region,
		"AWS_ENDPOINT_URL_S3": s.Ready.S3.Endpoint, "AWS_ENDPOINT_URL_SQS": s.Queue.Endpoint,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": s.secrets,
	})
}

func shorten(_ *Stack, fn template.Function, f *runtime.Function) {
	if len(fn.Mappings) > 0 {
		f.Timeout = min(f.Timeout, 30*time.Second)
	}
	if len(fn.Schedules) > 0 {
		f.Timeout = min(f.Timeout, time.Minute)
	}
}

func limit(_ *Stack, fn template.Function, f *runtime.Function) {
	f.Concurrency = 1
	if len(fn.Mappings) > 0 {
		f.Concurrency = 2
	}
	if len(fn.Routes) > 0 {
		f.Concurrency = 8
	}
	if fn.Concurrency > 0 {
		f.Concurrency = min(f.Concurrency, fn.Concurrency)
	}
}

// hide keeps a message away a little longer than the function may take, so that nothing is worked
// on twice at once.
func (s *Stack) hide(q *template.Queue) {
	for _, fn := range s.deployment.Functions {
		for _, m := range fn.Mappings {
			if m.Queue == q.Name {
				f := runtime.Function{Timeout: fn.Timeout}
				shorten(s, fn, &f)
				q.Visibility = cmp.Or(s.options.Visibility, f.Timeout+time.Second)
			}
		}
	}
}

func hasten(s *schedule.Schedule) {
	if s.Every == 0 || s.Every > time.Minute {
		s.Every = time.Minute
	}
}

// absent is what the template has and this machine does without, and why that is no harm.
func absent() map[string]string {
	const (
		readers = "nobody but this machine reaches the server"
		gateway = "the gateway here serves one developer"
		keeps   = "nothing here runs long enough to need it: -fresh empties all"
		same    = "it is for AWS alone"
	)
	return map[string]string{
		"AWS::Serverless::Function.Architectures": "the binaries are built for " +
			"this machine",
		"AWS::Serverless::Function.VpcConfig":        "there is no network but this machine's",
		"AWS::Serverless::Function.LoggingConfig":    "all functions print to one file",
		"AWS::Serverless::Function.EphemeralStorage": "the disk is this machine's",
		"AWS::Serverless::Function.EventInvokeConfig": "a failed run is not " +
			"repeated: the next one is soon",
		"AWS::Serverless::Function.Events.ScheduleV2.GroupName": same,
		"AWS::Serverless::Function.Events.ScheduleV2.RetryPolicy": "a failed run is not " +
			"repeated: the next one is soon",
		"AWS::Serverless::HttpApi.FailOnWarnings":       same,
		"AWS::Serverless::HttpApi.DefaultRouteSettings": gateway,
		"AWS::Serverless::HttpApi.AccessLogSettings":    gateway,
		"AWS::IAM::Role.AssumeRolePolicyDocument": "the stack gives each " +
			"function its own keys",
		"AWS::S3::Bucket.BucketEncryption":               "the disk is this machine's",
		"AWS::S3::Bucket.OwnershipControls":              "the server here has no ACLs at all",
		"AWS::S3::Bucket.PublicAccessBlockConfiguration": readers,
		"AWS::S3::Bucket.LifecycleConfiguration":         keeps,
		"AWS::SQS::Queue.SqsManagedSseEnabled":           "the disk is this machine's",
		"AWS::SQS::Queue.MessageRetentionPeriod":         keeps,
		"AWS::SQS::QueuePolicy": "only the S3 server here " +
			"sends without a role",
		"AWS::Logs::LogGroup":           "all functions print to one file",
		"AWS::Scheduler::ScheduleGroup": same,
		"AWS::CloudWatch::Alarm": "whoever looks at the screen " +
			"is the alarm",
	}
}

// Explain tells what is not here as the template says.
func Explain(to io.Writer, o Options) error {
	s := &Stack{options: o}
	directory, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the working directory: %w", err)
	}
	if err := s.describe(directory); err != nil {
		return err
	}
	if s.deployment, err = s.resolve(); err != nil {
		return err
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "What %s says runs here, but for this:\n\n", templateFile)
	for _, d := range differences() {
		fmt.Fprintf(table, "  %s\t%s\t%s\n", d.what, d.here, d.why)
	}
	fmt.Fprint(table, "\nWhat it says and this machine does without:\n\n")
	where := map[string][]string{}
	for _, u := range s.deployment.Unread {
		where[u.What] = append(where[u.What], fmt.Sprintf("%s (line %d)", u.Resource, u.Line))
	}
	for _, what := range slices.Sorted(maps.Keys(where)) {
		why := cmp.Or(absent()[what], "nothing here runs this type of resources")
		fmt.Fprintf(table, "  %s\t%s\t%s\n", what, why, strings.Join(where[what], ", "))
	}
	return table.Flush()
}
