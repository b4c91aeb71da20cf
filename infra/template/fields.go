package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Unread is something that the template says and that Resolve does not understand: whoever runs
// the deployment decides whether it matters there.
type Unread struct {
	// What is a type of resources, or a property of one that is otherwise read:
	// AWS::CloudWatch::Alarm, AWS::Serverless::Function.VpcConfig.
	What     string
	Resource string
	Line     int
}

// fields is a mapping of the template, resolved as it is read. What was not read by the time of
// done is Unread.
type fields struct {
	*resolver
	what, name, path string // what and name as in Unread
	values           object
	read             map[string]bool
	deployment       *Deployment
}

func (f *fields) with(what, path string, value any) *fields {
	values, ok := value.(object)
	if ok && isIntrinsic(values) {
		values, ok = f.resolve(values, path).(object)
	}
	if !ok && value != nil {
		f.fault(path, "%s has to be a mapping", what)
	}
	return &fields{f.resolver, what, f.name, path, values, map[string]bool{}, f.deployment}
}

// value is a field without intrinsic functions; nil when the template does not have it.
func (f *fields) value(key string) any {
	f.read[key] = true
	value, set := f.values[key]
	if !set {
		return nil
	}
	if value = f.resolve(value, f.path+"/"+key); value == (any)(noValue{}) {
		return nil
	}
	return value
}

func (f *fields) has(key string) bool { return f.value(key) != nil }

func (f *fields) text(key string) string {
	switch value := f.value(key).(type) {
	case nil:
	case string:
		return value
	default:
		f.fault(f.path+"/"+key, "%s.%s has to be a text", f.what, key)
	}
	return ""
}

// number is a field that is zero when the template does not have it.
func (f *fields) number(key string) int {
	text := f.text(key)
	n, err := strconv.Atoi(text)
	if err != nil && text != "" {
		f.fault(f.path+"/"+key, "%s.%s is %q, which is no number", f.what, key, text)
	}
	return n
}

func (f *fields) seconds(key string) time.Duration {
	return time.Duration(f.number(key)) * time.Second
}

// want refuses every value but the ones that are understood.
func (f *fields) want(key string, understood ...string) {
	if values := texts(f.value(key)); len(values) != 1 || !slices.Contains(understood, values[0]) {
		f.fault(f.path+"/"+key, "%s.%s is %q: only %q is understood", f.what, key, values,
			understood)
	}
}

// child is a field that is a mapping; it has no fields when the template does not have it.
func (f *fields) child(key string) *fields {
	f.read[key] = true
	return f.with(f.what+"."+key, f.path+"/"+key, f.values[key])
}

// children are a field that is a list of mappings.
func (f *fields) children(key string) (all []*fields) {
	f.read[key] = true
	list, ok := f.values[key].([]any)
	if !ok && f.values[key] != nil {
		f.fault(f.path+"/"+key, "%s.%s has to be a list", f.what, key)
	}
	for i, value := range list {
		all = append(all, f.with(f.what+"."+key, fmt.Sprintf("%s/%s/%d", f.path, key, i), value))
	}
	return all
}

// done notes what was not read.
func (f *fields) done() {
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if !f.read[key] {
			f.unread(f.what+"."+key, f.path+"/"+key)
		}
	}
}

func (f *fields) unread(what, path string) {
	f.deployment.Unread = append(f.deployment.Unread,
		Unread{What: what, Resource: f.name, Line: f.line(path)})
}
