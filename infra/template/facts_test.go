package template

import (
	"fmt"
	"strconv"
	"strings"
)

// spell spells a value so that equal values are spelled the same: intrinsic functions as ${…}, as
// in Fn::Sub.
func spell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case object:
		if ref, ok := v["Ref"]; ok {
			return "${" + spell(ref) + "}"
		}
		if get, ok := v["Fn::GetAtt"].([]any); ok {
			return "${" + spell(get[0]) + "." + spell(get[1]) + "}"
		}
		if sub, ok := v["Fn::Sub"].(string); ok {
			return sub
		}
		return fmt.Sprint(v)
	default:
		return fmt.Sprint(v)
	}
}

// spelled is for what may be one value or a list of them.
func spelled(value any) []string {
	list, ok := value.([]any)
	if !ok {
		if value == nil {
			return nil
		}
		return []string{spell(value)}
	}
	var all []string
	for _, item := range list {
		o, _ := item.(object)
		if choice, ok := o["Fn::If"].([]any); ok { // either may be
			all = append(all, spelled(choice[1:])...)
			continue
		}
		if spell(item) != "${AWS::NoValue}" {
			all = append(all, spell(item))
		}
	}
	return all
}

func number(value any) int {
	n, err := strconv.Atoi(spell(value))
	if err != nil {
		return -1
	}
	return n
}

// target is the resource that a !Ref or !GetAtt names.
func (d *Template) target(value any) resource {
	name, _, _ := strings.Cut(strings.Trim(spell(value), "${}"), ".")
	return d.resources[name]
}

// A statement is one of an IAM policy.
type statement struct {
	effect             string
	actions, resources []string
	condition          object
	all                object
}

// statements are those of every policy document in value, except who may assume a role.
func statements(value any) []statement {
	var all []statement
	walk(value, func(o object) {
		list, ok := o["Statement"].([]any)
		if !ok {
			return
		}
		for _, item := range list {
			s, _ := item.(object)
			if spell(s["Action"]) == "sts:AssumeRole" {
				continue
			}
			all = append(all, statement{
				effect: spell(s["Effect"]), actions: spelled(s["Action"]),
				resources: spelled(s["Resource"]), condition: at(s, "Condition"), all: s,
			})
		}
	})
	return all
}

// functions lists the deployed functions.
func (d *Template) functions() []resource { return d.ofKind("AWS::Serverless::Function") }

// environment is what a function finds in its variables.
func environment(function resource) object {
	return at(function.properties, "Environment", "Variables")
}
