package template

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

const day = 24 * time.Hour

// outages: what waits for the end of an outage is kept for longer than it is waited for, with a day
// to spare, whatever age the parameter allows.
func outages(d *Template) (found faults) {
	for _, f := range d.functions() {
		env := environment(f)
		setting, consumes := env["MAX_UPLOAD_AGE"].(object)
		if !consumes {
			continue
		}
		parameter := at(d.parameters, spell(setting["Ref"]))
		age, err := time.ParseDuration(spell(parameter["Default"]))
		if err != nil {
			found.add("%s: MAX_UPLOAD_AGE has no default", f.name)
		}
		allowed, err := regexp.Compile(spell(parameter["AllowedPattern"]))
		if err != nil || spell(parameter["AllowedPattern"]) == "" {
			found.add("%s: MAX_UPLOAD_AGE may be anything", f.name)
			continue
		}
		for hours := range 1000 {
			if allowed.MatchString(fmt.Sprintf("%dh", hours)) {
				age = max(age, time.Duration(hours)*time.Hour)
			}
		}
		kept := func(what string, least time.Duration) {
			if least <= age+day {
				found.add("%s keeps an upload for %s, which is tried for up to %s", what, least,
					age)
			}
		}
		bucket := d.target(env["INCOMING_BUCKET"])
		rules, _ := at(bucket.properties, "LifecycleConfiguration")["Rules"].([]any)
		for _, rule := range rules {
			r, _ := rule.(object)
			if days := number(r["ExpirationInDays"]); days > 0 {
				kept(bucket.name, time.Duration(days)*day)
			}
			if days := number(at(r, "NoncurrentVersionExpiration")["NoncurrentDays"]); days > 0 {
				kept(bucket.name+", under another version,", time.Duration(days)*day)
			}
		}
		for _, event := range at(f.properties, "Events") {
			e, _ := event.(object)
			if queue := d.target(at(e, "Properties")["Queue"]); queue.name != "" {
				kept(queue.name, time.Duration(
					number(queue.properties["MessageRetentionPeriod"]))*time.Second)
			}
		}
	}
	return found
}

// patience: a lock is given up before its statement, and a statement before its function.
func patience(d *Template) (found faults) {
	for _, f := range d.functions() {
		env := environment(f)
		if _, migrates := env["PLATFORM_ROLE"]; migrates || env["DATABASE_URL"] == nil {
			continue
		}
		lock, lockErr := time.ParseDuration(spell(env["DATABASE_LOCK_TIMEOUT"]))
		statement, err := time.ParseDuration(spell(env["DATABASE_STATEMENT_TIMEOUT"]))
		timeout := time.Duration(number(f.properties["Timeout"])) * time.Second
		if err != nil || lockErr != nil || lock <= 0 || lock >= statement || statement >= timeout {
			found.add("%s: waits %s for a lock, %s for a statement and ends after %s", f.name, lock,
				statement, timeout)
		}
	}
	return found
}

// alarms: an alarm on a metric of ours watches one that is emitted, where this stack emits it and
// under the dimensions that it is emitted with: one on anything else would be silent for ever. Each
// says in its first sentence what is wrong, after it what to do, and tells the topic.
func alarms(d *Template, emitted map[string][]string) (found faults) {
	namespaces := map[string]bool{}
	for _, f := range d.functions() {
		variables := at(f.properties, "Environment", "Variables")
		if namespace := spell(variables["METRICS_NAMESPACE"]); namespace != "" {
			namespaces[namespace] = true
		}
	}
	for _, alarm := range d.ofKind("AWS::CloudWatch::Alarm") {
		p := alarm.properties
		if !strings.Contains(spell(p["AlarmDescription"]), ". ") {
			found.add("%s does not say what to do", alarm.name)
		}
		if spell(p["AlarmActions"]) != spell(object{"Fn::If": []any{"HasAlarmTopic",
			[]any{object{"Ref": "AlarmTopicArn"}}, object{"Ref": "AWS::NoValue"}}}) {
			found.add("%s tells nobody", alarm.name)
		}
		namespace, metric := spell(p["Namespace"]), spell(p["MetricName"])
		if strings.HasPrefix(namespace, "AWS/") {
			continue
		}
		var dimensions []string
		list, _ := p["Dimensions"].([]any)
		for _, dimension := range list {
			dimensions = append(dimensions, spell(dimension.(object)["Name"]))
		}
		if !namespaces[namespace] {
			found.add("%s watches %s, and the functions emit to %v", alarm.name, namespace,
				slices.Sorted(maps.Keys(namespaces)))
		}
		if named, ok := emitted[metric]; !ok {
			found.add("%s watches %s, which no function emits", alarm.name, metric)
		} else if !slices.Equal(named, dimensions) {
			found.add("%s watches %s by %v, and it is emitted by %v", alarm.name, metric, dimensions,
				named)
		}
	}
	return found
}

func TestOutagesAndPatience(t *testing.T) {
	t.Parallel()
	whole := string(read(t))
	for name, c := range map[string]struct {
		old, new string
		check    func(*Template) faults
		found    bool
	}{
		"as it is, outages":  {"", "", outages, false},
		"as it is, patience": {"", "", patience, false},
		"uploads expire": {"ExpirationInDays: 7", "ExpirationInDays: 6", outages,
			true},
		"the claimed version expires": {"NoncurrentDays: 7 }", "NoncurrentDays: 1 }", outages,
			true},
		"messages expire": {"MessageRetentionPeriod: 604800",
			"MessageRetentionPeriod: 518400", outages, true},
		"an age beyond the bucket's": {"|14[0-3])h$", "|14[0-9])h$", outages, true},
		"any age": {"    AllowedPattern: \"^([1-9]|", "    Pattern: \"^([1-9]|",
			outages, true},
		"a statement outlives it": {"DATABASE_STATEMENT_TIMEOUT: 10s",
			"DATABASE_STATEMENT_TIMEOUT: 29s", patience, true},
		"a lock outlives a statement": {"DATABASE_LOCK_TIMEOUT: 3s", "DATABASE_LOCK_TIMEOUT: 10s",
			patience, true},
		"no limit on locks": {"DATABASE_LOCK_TIMEOUT: 5s", "DATABASE_LOCK_TIMEOUT: 0s",
			patience, true},
	} {
		if c.old != "" && !strings.Contains(whole, c.old) {
			t.Errorf("%s: the template has no %q", name, c.old)
		}
		d, err := Parse([]byte(strings.Replace(whole, c.old, c.new, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if found := c.check(d); (len(found) > 0) != c.found {
			t.Errorf("%s: %q", name, found)
		}
	}
}
