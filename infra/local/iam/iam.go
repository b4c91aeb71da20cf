// Package iam decides what a function may do at the local S3 and SQS: what the policies of its role
// allow, and nothing else. Each function signs with access keys of its own.
package iam

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/versity/versitygw/iamapi/policy"
	"github.com/versity/versitygw/iamapi/types"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

// Keys are an access key and its secret.
type Keys struct{ Access, Secret string }

// Authority knows the access keys of functions and decides. Its methods are safe for concurrent
// use.
type Authority struct {
	root       Keys
	log        *slog.Logger
	principals map[string]*principal // by access key

	mu      sync.Mutex
	used    map[string]bool
	denied  []string
	revoked func(function, action, resource string) bool
}

type principal struct {
	name   string
	keys   Keys
	arn    string
	allows []statement // one for each grant
	denies []statement // of the role and of buckets
}

// statement is a policy of one statement, ready to be evaluated.
type statement struct {
	grant    string // of an Allow: function, action and resource
	actions  []string
	document []types.PolicyEntry
}

// New derives the functions' keys from the root's secret and takes their roles' policies apart. The
// root may do everything; no function has its keys.
func New(root Keys, d *template.Deployment, log *slog.Logger) (*Authority, error) {
	a := &Authority{root: root, log: log, principals: map[string]*principal{},
		used: map[string]bool{}}
	for _, fn := range d.Functions {
		p := &principal{name: fn.Name, keys: derive(root.Secret, fn.Name), arn: fn.Role.ARN}
		for _, text := range fn.Role.Policies {
			if err := p.add(text); err != nil {
				return nil, fmt.Errorf("read a policy of %s: %w", fn.Name, err)
			}
		}
		for _, b := range d.Buckets {
			for _, text := range b.Policies {
				if err := p.addBucket(text); err != nil {
					return nil, fmt.Errorf("read the policy of %s: %w", b.Name, err)
				}
			}
		}
		a.principals[p.keys.Access] = p
	}
	return a, nil
}

// derive makes keys that stay the same from start to start.
func derive(secret, function string) Keys {
	text := func(what string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(what + " " + function))
		return base32.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return Keys{Access: "LOCAL" + text("access key")[:15], Secret: text("secret key")[:40]}
}

func (p *principal) add(text string) error {
	if err := policy.Parse(text); err != nil {
		return err
	}
	var whole policy.Document
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		return err
	}
	for _, s := range whole.Statement {
		if s.Effect == "Deny" {
			p.denies = append(p.denies, alone(whole.Version, s))
			continue
		}
		if len(s.NotAction)+len(s.NotResource) > 0 {
			return fmt.Errorf("an Allow of all but something is not understood here")
		}
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				one := s
				one.Action, one.Resource = policy.StringOrSlice{action},
					policy.StringOrSlice{resource}
				allow := alone(whole.Version, one)
				allow.grant = p.name + " " + action + " " + resource
				p.allows = append(p.allows, allow)
			}
		}
	}
	return nil
}

// addBucket takes the denials of a bucket's policy: they hold for every principal.
func (p *principal) addBucket(text string) error {
	var whole policy.Document
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		return err
	}
	for _, s := range whole.Statement {
		if s.Effect != "Deny" || string(s.Principal) != `"*"` {
			return fmt.Errorf("statement %q is not understood here: only what is denied to "+
				"everybody is", s.Sid)
		}
		s.Principal = nil
		if err := s.Validate(); err != nil {
			return err
		}
		p.denies = append(p.denies, alone(whole.Version, s))
	}
	return nil
}

func alone(version string, s policy.Statement) statement {
	fields := map[string]any{"Effect": s.Effect}
	for name, list := range map[string]policy.StringOrSlice{
		"Action": s.Action, "NotAction": s.NotAction, "Resource": s.Resource,
		"NotResource": s.NotResource,
	} {
		if len(list) > 0 {
			fields[name] = list
		}
	}
	if len(s.Condition) > 0 {
		fields["Condition"] = s.Condition
	}
	// what was JSON before
	text, _ := json.Marshal(map[string]any{"Version": version, "Statement": []any{fields}})
	return statement{actions: s.Action,
		document: []types.PolicyEntry{{PolicyDocument: string(text)}}}
}

// applies tells whether a statement decides about a request. It asks of the service first, which
// spares reading most documents.
func (s statement) applies(want policy.Decision, request policy.RequestContext) bool {
	service, _, _ := strings.Cut(request.Action, ":")
	if len(s.actions) > 0 && !slices.ContainsFunc(s.actions, func(action string) bool {
		return strings.EqualFold(action, request.Action) || strings.Contains(action, "*") &&
			strings.HasPrefix(action, cmp.Or(service, "*"))
	}) {
		return false
	}
	return policy.EvaluateIdentityPolicies(s.document, request) == want
}

// Keys are those of a function.
func (a *Authority) Keys(function string) Keys { return derive(a.root.Secret, function) }

// Secret is that of an access key.
func (a *Authority) Secret(access string) (secret string, known bool) {
	if access == a.root.Access {
		return a.root.Secret, true
	}
	p, known := a.principals[access]
	if !known {
		return "", false
	}
	return p.keys.Secret, true
}

// Allows decides about an action on a resource, and remembers by which grant. What it denies stands
// in the stack's log.
func (a *Authority) Allows(access, action, resource string) bool {
	if access == a.root.Access {
		return true
	}
	p, known := a.principals[access]
	if !known {
		return false
	}
	request := policy.RequestContext{Action: action, Resource: resource,
		Condition: map[string][]string{
			"aws:PrincipalArn": {p.arn}, "aws:SecureTransport": {"true"},
		}}
	denied := slices.ContainsFunc(p.denies,
		func(s statement) bool { return s.applies(policy.DecisionDeny, request) })
	allowed := false
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.revoked != nil && a.revoked(p.name, action, resource) {
		return false
	}
	for _, s := range p.allows {
		if !denied && s.applies(policy.DecisionAllow, request) {
			allowed, a.used[s.grant] = true, true
		}
	}
	if !allowed {
		a.denied = append(a.denied, p.name+" "+action+" "+resource)
		a.log.Error("AccessDenied", "function", p.name, "action", action, "resource", resource)
	}
	return allowed
}

// Revoke takes away what revoked tells of, for tests of a function whose grant is missing; nil
// gives it back. What is refused so is not among Denied.
func (a *Authority) Revoke(revoked func(function, action, resource string) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked = revoked
}

// Unused are the grants by which nothing was allowed yet, each as "function action resource".
func (a *Authority) Unused() (unused []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.principals {
		for _, s := range p.allows {
			if !a.used[s.grant] {
				unused = append(unused, s.grant)
			}
		}
	}
	slices.Sort(unused)
	return unused
}

// Denied is what was denied so far, each as "function action resource".
func (a *Authority) Denied() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.denied)
}
