package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// faults collects what a check finds.
type faults []string

func (f *faults) add(format string, values ...any) {
	*f =
		append(*f, fmt.Sprintf(format, values...))
}

// references: whatever is named exists, and whatever is declared is used.
func references(d *Template) (found faults) {
	attributes := map[string][]string{
		"AWS::SQS::Queue":           {"Arn", "QueueName"},
		"AWS::S3::Bucket":           {"Arn"},
		"AWS::IAM::Role":            {"Arn"},
		"AWS::Logs::LogGroup":       {"Arn"},
		"AWS::Serverless::Function": {"Arn"},
	}
	used := map[string]bool{}
	look := func(name string) {
		used[name] = true
		base, attribute, dotted := strings.Cut(name, ".")
		r, isResource := d.resources[base]
		_, isParameter := d.parameters[base]
		switch {
		case strings.HasPrefix(name, "AWS::"):
		case dotted && (!isResource || !slices.Contains(attributes[r.kind], attribute)):
			found.add("nothing has the attribute %s", name)
		case !dotted && !isResource && !isParameter:
			found.add("nothing is called %s", name)
		}
	}
	variable := regexp.MustCompile(`\$\{([^!}][^}]*)\}`)
	walk(d.all, func(o object) {
		if ref, ok := o["Ref"].(string); ok {
			look(ref)
		}
		if get, ok := o["Fn::GetAtt"].([]any); ok {
			look(spell(get[0]) + "." + spell(get[1]))
		}
		if sub, ok := o["Fn::Sub"].(string); ok {
			for _, match := range variable.FindAllStringSubmatch(sub, -1) {
				look(match[1])
			}
		}
		for _, name := range spelled(o["DependsOn"]) {
			if _, ok := d.resources[name]; !ok {
				found.add("nothing is called %s", name)
			}
		}
		if choice, ok := o["Fn::If"].([]any); ok {
			used["condition "+spell(choice[0])] = true
			if _, ok := at(d.all, "Conditions")[spell(choice[0])]; !ok {
				found.add("there is no condition %s", spell(choice[0]))
			}
		}
	})
	for _, name := range slices.Sorted(maps.Keys(d.parameters)) {
		if !used[name] {
			found.add("parameter %s is used nowhere", name)
		}
	}
	for name := range at(d.all, "Conditions") {
		if !used["condition "+name] {
			found.add("condition %s is used nowhere", name)
		}
	}
	return found
}

// code: what is deployed is what `make build` writes, for the processor that it writes it for.
func code(d *Template, built []string, arch string) (found faults) {
	used := map[string]bool{}
	for _, f := range d.functions() {
		uri := strings.TrimSuffix(spell(f.properties["CodeUri"]), "/")
		used[uri] = true
		if !slices.Contains(built, uri) {
			found.add("%s: make build does not write %s", f.name, uri)
		}
		if spell(f.properties["Runtime"]) != "provided.al2023" ||
			spell(f.properties["Handler"]) != "bootstrap" {
			found.add("%s: a Go binary runs as bootstrap under provided.al2023", f.name)
		}
		if got := spelled(f.properties["Architectures"]); !slices.Equal(got, []string{arch}) {
			found.add("%s: is for %v, make build is for %s", f.name, got, arch)
		}
	}
	for _, uri := range built {
		if !used[uri] {
			found.add("%s is built and not deployed", uri)
		}
	}
	return found
}

func takesFiles(f resource) bool { return environment(f)["MAX_FILE_SIZE"] != nil }

// room: the largest file that the template lets in has room where it is processed: once on disk
// with as much to spare, and seven times in memory, which is what a PNG of 247 MiB was measured to
// take (its bytes three times, its pixels, what is made of it).
func room(d *Template) (found faults) {
	largest, err := strconv.ParseInt(spell(at(d.parameters, "MaxFileSize")["MaxValue"]), 10, 64)
	if err != nil {
		return faults{"MaxFileSize has no MaxValue"}
	}
	for _, f := range d.functions() {
		if !consumes(f) || !takesFiles(f) {
			continue
		}
		for what, times := range map[string]int64{"MemorySize": 7, "EphemeralStorage": 2} {
			value := f.properties[what]
			if what == "EphemeralStorage" {
				value = at(f.properties, what)["Size"]
			}
			if mebibytes, err := strconv.ParseInt(spell(value), 10, 64); err != nil ||
				mebibytes<<20 < times*largest {
				found.add("%s: %s has no room for a file of %d bytes", f.name, what, largest)
			}
		}
	}
	return found
}

// A setting is one line of what a binary answers to -describe-config.
type setting struct {
	Name     string
	Default  string
	Required bool
}

// settings: a function gets the variables that its binary reads, and parameters have the same
// defaults.
func settings(d *Template, f resource, described []setting) (found faults) {
	env := environment(f)
	known := map[string]bool{}
	for _, s := range described {
		known[s.Name] = true
		value, set := env[s.Name]
		if !set {
			found.add("%s: %s is not passed on", f.name, s.Name)
			continue
		}
		intrinsic, _ := value.(object)
		reference, _ := intrinsic["Ref"].(string)
		parameter := at(d.parameters, reference)
		if parameter == nil {
			continue // a resource's name or a fixed value
		}
		if _, decided := parameter["Default"]; !decided {
			continue // who deploys is asked
		}
		if fallback := spell(parameter["Default"]); fallback != s.Default {
			found.add("%s: parameter %s defaults to %q, %s to %q", f.name, reference, fallback,
				s.Name, s.Default)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !known[name] && name != "GOMEMLIMIT" { // which Go's runtime reads
			found.add("%s: nothing reads %s", f.name, name)
		}
	}
	return found
}

// queues: what cannot be done ends in a dead-letter queue, with the function's own ceiling coming
// first.
func queues(d *Template, attempts int) (found faults) {
	consumed := map[string]bool{}
	for _, f := range d.functions() {
		for _, event := range at(f.properties, "Events") {
			e, _ := event.(object)
			if spell(e["Type"]) != "SQS" {
				continue
			}
			p := at(e, "Properties")
			queue := d.target(p["Queue"])
			consumed[queue.name] = true
			if !slices.Contains(spelled(p["FunctionResponseTypes"]), "ReportBatchItemFailures") {
				found.add("%s: without ReportBatchItemFailures one failure repeats its whole batch",
					f.name)
			}
			if takesFiles(f) && number(p["BatchSize"]) != 1 {
				found.add("%s: one bad file must take down only itself: BatchSize 1", f.name)
			}
			if visibility, timeout := number(queue.properties["VisibilityTimeout"]),
				number(f.properties["Timeout"]); timeout <= 0 || visibility < 6*timeout {
				found.add("%s is invisible for %d s, less than six times the timeout of %s (%d s)",
					queue.name, visibility, f.name, timeout)
			}
			redrive := at(queue.properties, "RedrivePolicy")
			dead := d.target(redrive["deadLetterTargetArn"])
			if dead.kind != "AWS::SQS::Queue" || dead.name == queue.name {
				found.add("%s has no dead-letter queue", queue.name)
			}
			if received := number(redrive["maxReceiveCount"]); received <= attempts {
				found.add("%s gives up after %d receives, the function after %d attempts: nobody "+
					"would tell the reason", queue.name, received, attempts)
			}
			if number(dead.properties["MessageRetentionPeriod"]) <= number(
				queue.properties["MessageRetentionPeriod"]) {
				found.add("%s keeps messages no longer than %s", dead.name, queue.name)
			}
			if !watched(d, dead.name, "ApproximateNumberOfMessagesVisible") {
				found.add("no alarm watches the depth of %s", dead.name)
			}
			if !watched(d, queue.name, "ApproximateAgeOfOldestMessage") {
				found.add("no alarm watches the age of %s", queue.name)
			}
		}
	}
	for _, queue := range d.ofKind("AWS::SQS::Queue") {
		if spell(queue.properties["SqsManagedSseEnabled"]) != "true" {
			found.add("%s is not encrypted by SQS", queue.name)
		}
		if _, redrives := queue.properties["RedrivePolicy"]; !redrives && consumed[queue.name] {
			found.add("%s loses what cannot be done", queue.name)
		}
	}
	if len(consumed) == 0 {
		found.add("no function consumes a queue")
	}
	return found
}

func watched(d *Template, queue, metric string) bool {
	return slices.ContainsFunc(d.ofKind("AWS::CloudWatch::Alarm"), func(alarm resource) bool {
		dimensions, _ := alarm.properties["Dimensions"].([]any)
		return spell(alarm.properties["MetricName"]) == metric && len(dimensions) == 1 &&
			d.target(dimensions[0].(object)["Value"]).name == queue
	})
}

// schedules: a function is told the name that it knows the schedule by, and when it was meant to
// run.
func schedules(d *Template) (found faults) {
	for _, f := range d.functions() {
		for _, p := range eventsOf(f, "Schedule") {
			var input struct{ Schedule, Time string }
			if err := json.Unmarshal([]byte(spell(p["Input"])), &input); err != nil {
				found.add("%s: the schedule's input is no JSON: %v", f.name, err)
			}
			if input.Schedule != spell(p["Name"]) ||
				input.Time != "<aws.scheduler.scheduled-time>" {
				found.add("%s: the input %s does not name the schedule %s and its time", f.name,
					spell(p["Input"]), spell(p["Name"]))
			}
		}
	}
	return found
}

// eventsOf are the properties of a function's events of one type.
func eventsOf(f resource, kind string) (found []object) {
	for _, event := range at(f.properties, "Events") {
		if e, ok := event.(object); ok && strings.HasPrefix(spell(e["Type"]), kind) {
			found = append(found, at(e, "Properties"))
		}
	}
	return found
}

// description is what a binary says with -describe-events.
type description struct {
	HTTP, SQS bool
	Schedules map[string]string // the expression of each
}

// events: what the template sends to a binary is what the binary takes, and the other way round.
func events(d *Template, binary string, takes description) (found faults) {
	var http, sqs bool
	sent := map[string]string{}
	for _, f := range d.functions() {
		if strings.Trim(strings.TrimPrefix(spell(f.properties["CodeUri"]), "build/"),
			"/") != binary {
			continue
		}
		http = http || len(eventsOf(f, "HttpApi")) > 0
		sqs = sqs || len(eventsOf(f, "SQS")) > 0
		for _, p := range eventsOf(f, "Schedule") {
			sent[spell(p["Name"])] = spell(p["ScheduleExpression"])
		}
	}
	if http != takes.HTTP {
		found.add("%s: HTTP in the template is %v, in the binary %v", binary, http, takes.HTTP)
	}
	if sqs != takes.SQS {
		found.add("%s: SQS in the template is %v, in the binary %v", binary, sqs, takes.SQS)
	}
	for name, expression := range sent {
		if own, ok := takes.Schedules[name]; !ok {
			found.add("%s: the binary has no schedule %s, which the template sends", binary, name)
		} else if own != expression {
			found.add("%s: schedule %s is %s in the template and %s in the binary", binary, name,
				expression, own)
		}
	}
	for name := range takes.Schedules {
		if _, ok := sent[name]; !ok {
			found.add("%s: the template never sends the binary's schedule %s", binary, name)
		}
	}
	return found
}

// logs: each function writes to a group of its own that forgets.
func logs(d *Template) (found faults) {
	owner := map[string]string{}
	for _, f := range d.functions() {
		group := d.target(at(f.properties, "LoggingConfig")["LogGroup"])
		if group.kind != "AWS::Logs::LogGroup" {
			found.add("%s has no log group of its own", f.name)
		} else if other, taken := owner[group.name]; taken {
			found.add("%s and %s share a log group", f.name, other)
		}
		owner[group.name] = f.name
	}
	for _, group := range d.ofKind("AWS::Logs::LogGroup") {
		if group.properties["RetentionInDays"] == nil {
			found.add("%s keeps logs for ever", group.name)
		}
	}
	return found
}
