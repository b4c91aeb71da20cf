package template

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (f *fields) function() {
	fn := Function{
		Name: f.text("FunctionName"), Code: strings.TrimSuffix(f.text("CodeUri"), "/"),
		MemoryMB: f.number("MemorySize"), Timeout: f.seconds("Timeout"),
		Concurrency: f.number("ReservedConcurrentExecutions"),
		Environment: map[string]string{}, Role: f.role("Role"),
	}
	if fn.Name == "" {
		fn.Name = f.name
	}
	f.want("Runtime", "provided.al2023")
	f.want("Handler", "bootstrap")
	f.text("Description")
	environment := f.child("Environment")
	variables := environment.child("Variables")
	for name := range variables.values {
		if variables.has(name) {
			fn.Environment[name] = variables.text(name)
		}
	}
	environment.done()
	events := f.child("Events")
	for _, name := range slices.Sorted(maps.Keys(events.values)) {
		event := events.child(name)
		event.event(&fn, name)
		event.done()
	}
	f.done()
	f.deployment.Functions = append(f.deployment.Functions, fn)
}

// event reads one event of a function, in SAM's words
// (https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-eventsource.html).
func (f *fields) event(fn *Function, name string) {
	kind := f.text("Type")
	p := f.child("Properties")
	p.what = functionKind + ".Events." + kind
	switch kind {
	case "HttpApi":
		fn.Routes = append(fn.Routes, p.route())
	case "SQS":
		p.want("FunctionResponseTypes", "ReportBatchItemFailures")
		m := Mapping{Queue: p.queueName("Queue"), BatchSize: p.number("BatchSize")}
		scaling := p.child("ScalingConfig")
		m.Concurrency = scaling.number("MaximumConcurrency")
		scaling.done()
		fn.Mappings = append(fn.Mappings, m)
	case "ScheduleV2":
		s := Schedule{Name: p.text("Name"), Rate: p.rate("ScheduleExpression"),
			Input: p.text("Input")}
		if s.Name == "" {
			s.Name = name
		}
		if placeholder := strings.ReplaceAll(s.Input, "<aws.scheduler.scheduled-time>",
			""); strings.Contains(placeholder, "<aws.") {
			p.fault(p.path+"/Input", "the input has a placeholder that is not understood here: %s",
				s.Input)
		}
		fn.Schedules = append(fn.Schedules, s)
	default:
		f.fault(f.path, "an event of type %q is not understood here", kind)
	}
	p.done()
}

func (f *fields) route() Route {
	f.text("ApiId")
	f.want("PayloadFormatVersion", "2.0")
	r := Route{Path: f.text("Path"), Method: strings.ToUpper(f.text("Method"))}
	if r.Path == "$default" {
		return Route{}
	}
	if r.Path != "" && r.Method == "" || r.Method == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
		r.Method = "ANY"
	}
	if r.Path != "" && !regexp.MustCompile(`^(/([^/{}]+|\{\w+\}))*(/|/\{\w+\+\})?$`).MatchString(
		r.Path) {
		f.fault(f.path+"/Path", "%q is no path of an HTTP API", r.Path)
	}
	return r
}

// rate reads a schedule's expression
// (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
func (f *fields) rate(key string) time.Duration {
	expression := f.text(key)
	if regexp.MustCompile(`^cron\(\S+( \S+){5}\)$`).MatchString(expression) {
		return 0
	}
	match := regexp.MustCompile(`^rate\((\d+) (minute|hour|day)s?\)$`).FindStringSubmatch(
		expression)
	if match == nil {
		f.fault(f.path+"/"+key, "%q is no rate and no cron expression", expression)
		return 0
	}
	n, err := strconv.Atoi(match[1])
	if err != nil {
		f.fault(f.path+"/"+key, "%v", err)
	}
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour,
		"day": 24 * time.Hour}
	return time.Duration(n) * unit[match[2]]
}
