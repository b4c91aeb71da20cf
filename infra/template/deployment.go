package template

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Deployment is what a template deploys to one place.
type Deployment struct {
	Functions []Function
	Queues    []Queue
	Buckets   []Bucket
	Outputs   map[string]string
	// Unread is what the template says besides.
	Unread []Unread
}

// Function is one Lambda.
type Function struct {
	Name string
	// Code is the folder of the binary, as in CodeUri: build/file-api.
	Code string
	// MemoryMB, Timeout and Concurrency are zero where the template leaves them to Lambda.
	MemoryMB    int
	Timeout     time.Duration
	Concurrency int
	Environment map[string]string
	Role        Role
	// What invokes it.
	Routes    []Route
	Mappings  []Mapping
	Schedules []Schedule
}

// Role is an IAM role with its policies, as JSON documents.
type Role struct {
	ARN      string
	Policies []string
}

// Route is a route of the HTTP API. The default route, which takes what no other does, has neither
// method nor path.
type Route struct{ Method, Path string }

// Mapping is an event-source mapping: the messages of a queue come to a function, which reports
// what failed of a batch.
type Mapping struct {
	Queue     string // its name
	BatchSize int
	// Concurrency is how many invocations run at once; zero leaves it to the function.
	Concurrency int
}

// Schedule invokes a function with an input.
type Schedule struct {
	Name string
	// Rate is zero for a cron expression.
	Rate time.Duration
	// Input is JSON in which <aws.scheduler.scheduled-time> stands for the time of the run.
	Input string
}

// Queue is an SQS queue.
type Queue struct {
	Name, ARN string
	// Visibility is zero where the template leaves it to SQS.
	Visibility time.Duration
	// DeadLetter is the name of the queue that takes what was received MaxReceives times.
	DeadLetter  string
	MaxReceives int
}

// Bucket is an S3 bucket.
type Bucket struct {
	Name          string
	Versioned     bool
	CORS          []CORSRule
	Notifications []Notification
	// Policies are the bucket's own, as JSON documents.
	Policies []string
}

// CORSRule lets browsers of other origins reach a bucket.
type CORSRule struct {
	Origins, Methods, Headers, Exposed []string
	MaxAge                             int // seconds
}

// Notification sends events of objects whose keys begin with a prefix to a queue.
type Notification struct{ Event, Prefix, Queue string }

const functionKind = "AWS::Serverless::Function"

// kinds are the types of resources that are read. The other ones that the template has are Unread.
func kinds() map[string]func(*fields) {
	return map[string]func(*fields){
		functionKind:               (*fields).function,
		"AWS::SQS::Queue":          (*fields).queue,
		"AWS::S3::Bucket":          (*fields).bucket,
		"AWS::S3::BucketPolicy":    (*fields).bucketPolicy, // and read with its bucket
		"AWS::IAM::Role":           func(*fields) {},       // read with its function
		"AWS::IAM::ManagedPolicy":  func(*fields) {},       // read with its role
		"AWS::Serverless::HttpApi": (*fields).done,
	}
}

// Resolve says what is deployed to a place. Its error names every fault with its line.
func (t *Template) Resolve(p Place) (*Deployment, error) {
	d := &Deployment{Outputs: map[string]string{}}
	root := &fields{resolver: &resolver{Template: t, place: p}, deployment: d}
	for _, name := range slices.Sorted(maps.Keys(t.resources)) {
		r := t.resources[name]
		if !root.deployed(r) {
			continue
		}
		for key := range r.all {
			if !slices.Contains([]string{"Type", "Properties", "Condition", "DependsOn",
				"DeletionPolicy", "UpdateReplacePolicy", "Metadata"}, key) {
				root.fault(r.path()+"/"+key, "%s of a resource is not understood here", key)
			}
		}
		root.name = name
		if read, ok := kinds()[r.kind]; ok {
			read(root.of(r))
		} else {
			root.unread(r.kind, r.path())
		}
	}
	for name, output := range at(t.all, "Outputs") {
		value, _ := output.(object)
		d.Outputs[name] = root.with("Outputs", "/Outputs/"+name, value).text("Value")
	}
	return d, root.err()
}

// of reads the properties of a resource.
func (f *fields) of(r resource) *fields {
	if len(r.properties) == 0 {
		return f.with(r.kind, r.path(), nil)
	}
	return f.with(r.kind, r.path()+"/Properties", r.properties)
}

// deployed tells whether a resource's condition holds.
func (r *resolver) deployed(target resource) bool {
	condition, ok := target.all["Condition"].(string)
	return !ok || r.named(condition, target.path()+"/Condition")
}

// document is a policy document, as JSON.
func (f *fields) document(key string) string {
	text, err := json.Marshal(f.value(key))
	if err != nil {
		f.fault(f.path+"/"+key, "%v", err)
	}
	return string(text)
}
