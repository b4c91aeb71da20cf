package template

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Place is what differs between the places that a template is deployed to.
type Place struct {
	Account, Region, StackName string
	// Parameters by name; a list is comma-delimited, as CloudFormation takes it. One that is not
	// named has its default.
	Parameters map[string]string
	// QueueURL is the address of a queue by its name.
	QueueURL func(name string) string
}

// resolver resolves the values of a template for a place and keeps every fault that it meets.
type resolver struct {
	*Template
	place  Place
	faults []error
}

func (r *resolver) fault(path, format string, values ...any) {
	r.faults = append(r.faults, fmt.Errorf("line %d: %s", r.line(path),
		fmt.Sprintf(format, values...)))
}

func (r *resolver) err() error { return errors.Join(r.faults...) }

// noValue is what AWS::NoValue resolves to: the property is left out.
type noValue struct{}

func isIntrinsic(o object) bool {
	for key := range o {
		return len(o) == 1 && (key == "Ref" || strings.HasPrefix(key, "Fn::"))
	}
	return false
}

// resolve gives a value without intrinsic functions.
func (r *resolver) resolve(value any, path string) any {
	switch v := value.(type) {
	case []any:
		list := []any{}
		for i, item := range v {
			if item := r.resolve(item, fmt.Sprintf("%s/%d", path, i)); item != (any)(noValue{}) {
				list = append(list, item)
			}
		}
		return list
	case object:
		if isIntrinsic(v) {
			return r.intrinsic(v, path)
		}
		o := object{}
		for key, item := range v {
			if item := r.resolve(item, path+"/"+key); item != (any)(noValue{}) {
				o[key] = item
			}
		}
		return o
	case string:
		if strings.Contains(v, "{{resolve:") {
			r.fault(path, "a dynamic reference has no value here: %s", v)
		}
	}
	return value
}

// intrinsic resolves one function
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html).
func (r *resolver) intrinsic(o object, path string) any {
	for name, argument := range o {
		list, _ := argument.([]any)
		text, isText := argument.(string)
		switch {
		case name == "Ref" && isText:
			return r.ref(text, path)
		case name == "Fn::GetAtt" && len(list) == 2:
			resource, _ := list[0].(string)
			attribute, _ := list[1].(string)
			return r.attribute(resource, attribute, path)
		case name == "Fn::Sub" && isText:
			return r.sub(text, nil, path)
		case name == "Fn::Sub" && len(list) == 2:
			text, _ = list[0].(string)
			variables, _ := r.resolve(list[1], path).(object)
			return r.sub(text, variables, path)
		case name == "Fn::Join" && len(list) == 2:
			separator, _ := list[0].(string)
			items, _ := r.resolve(list[1], path).([]any)
			return strings.Join(texts(items), separator)
		case name == "Fn::If" && len(list) == 3:
			condition, _ := list[0].(string)
			if r.named(condition, path) {
				return r.resolve(list[1], path)
			}
			return r.resolve(list[2], path)
		default:
			r.fault(path, "%s is not understood here", name)
		}
	}
	return ""
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

func (r *resolver) sub(text string, variables object, path string) string {
	return variable.ReplaceAllStringFunc(text, func(match string) string {
		name := match[2 : len(match)-1]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		if value, ok := variables[name]; ok {
			return fmt.Sprint(value)
		}
		if resource, attribute, dotted := strings.Cut(name, "."); dotted {
			return r.attribute(resource, attribute, path)
		}
		return fmt.Sprint(r.ref(name, path))
	})
}

func (r *resolver) ref(name, path string) any {
	switch name {
	case "AWS::NoValue":
		return noValue{}
	case "AWS::AccountId":
		return r.place.Account
	case "AWS::Region":
		return r.place.Region
	case "AWS::StackName":
		return r.place.StackName
	case "AWS::Partition":
		return "aws"
	case "AWS::URLSuffix":
		return "amazonaws.com"
	}
	if _, ok := r.parameters[name]; ok {
		return r.parameter(name)
	}
	return r.attribute(name, "", path)
}

// condition evaluates a condition of the template.
func (r *resolver) condition(value any, path string) bool {
	o, _ := value.(object)
	for name, argument := range o {
		list, _ := argument.([]any)
		switch {
		case name == "Condition":
			condition, _ := argument.(string)
			return r.named(condition, path)
		case name == "Fn::Not" && len(list) == 1:
			return !r.condition(list[0], path)
		case name == "Fn::And" || name == "Fn::Or":
			for _, item := range list {
				if r.condition(item, path) != (name == "Fn::And") {
					return name == "Fn::Or"
				}
			}
			return name == "Fn::And"
		case name == "Fn::Equals" && len(list) == 2:
			return fmt.Sprint(r.resolve(list[0], path)) == fmt.Sprint(r.resolve(list[1], path))
		}
	}
	r.fault(path, "this condition is not understood here: %v", value)
	return false
}

func (r *resolver) named(condition, path string) bool {
	value, ok := at(r.all, "Conditions")[condition]
	if !ok {
		r.fault(path, "there is no condition %q", condition)
		return false
	}
	return r.condition(value, "/Conditions/"+condition)
}

// texts is for what may be one value or a list of them.
func texts(value any) []string {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		all := []string{}
		for _, item := range v {
			all = append(all, fmt.Sprint(item))
		}
		return all
	}
	return []string{fmt.Sprint(value)}
}
