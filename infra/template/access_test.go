package template

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// everyResource lists the statements that may name "*", and why. Anything else names what it is
// for.
var everyResource = map[string]string{
	"ec2:CreateNetworkInterface ec2:DescribeNetworkInterfaces ec2:DescribeSubnets " +
		"ec2:DeleteNetworkInterface " +
		"ec2:AssignPrivateIpAddresses " +
		"ec2:UnassignPrivateIpAddresses": "Lambda's network interfaces have no name " +
		"beforehand; the function's own code is denied them",
}

// role is the IAM role of a function.
func (d *Template) role(f resource) resource { return d.target(f.properties["Role"]) }

// allowed lists "action on resource" for everything that a role of this template may do, but for
// the shared network policy.
func allowed(role resource) []string {
	var all []string
	for _, s := range statements(role.properties) {
		if s.effect != "Allow" {
			continue
		}
		for _, action := range s.actions {
			for _, on := range s.resources {
				all = append(all, action+" on "+on)
			}
		}
	}
	return all
}

var databaseUser = regexp.MustCompile(`^postgres://([^@:]+)@`)

// roles: every entry has an IAM role and a database role that no other has, and signs in as exactly
// that one.
func roles(d *Template, entries []migrations.Entry) (found faults) {
	owner, user := map[string]string{}, map[string]string{}
	for _, f := range d.functions() {
		role := d.role(f)
		if role.kind != "AWS::IAM::Role" {
			found.add("%s has no role of its own in this template", f.name)
			continue
		}
		if other, taken := owner[role.name]; taken {
			found.add("%s and %s share the role %s", f.name, other, role.name)
		}
		owner[role.name] = f.name
		url := spell(environment(f)["DATABASE_URL"])
		match := databaseUser.FindStringSubmatch(url)
		if match == nil {
			found.add("%s: DATABASE_URL has to name a user and no password: %s", f.name, url)
			continue
		}
		if other, taken := user[match[1]]; taken {
			found.add("%s and %s share the database role %s", f.name, other, match[1])
		}
		user[match[1]] = f.name
		if spell(environment(f)["DATABASE_IAM_AUTH"]) != "true" {
			found.add("%s: without a password DATABASE_IAM_AUTH has to be true", f.name)
		}
		var connects []string
		for _, may := range allowed(role) {
			if strings.HasPrefix(may, "rds-db:") {
				connects = append(connects, may)
			}
		}
		want := "rds-db:connect on " +
			"arn:${AWS::Partition}:rds-db:${AWS::Region}:${AWS::AccountId}:dbuser:${DatabaseResourceId}/" + match[1]
		if !slices.Equal(connects, []string{want}) {
			found.add("%s may sign in as %v, and has to as %s alone", f.name, connects, match[1])
		}
	}
	for _, e := range entries {
		if user[e.Role] == "" {
			found.add("no function is the entry %s", e.Name)
		}
		delete(user, e.Role)
	}
	delete(user, "${DatabaseOwner}")
	for role, f := range user {
		found.add("%s signs in as %s, which no migration makes", f, role)
	}
	return found
}

// wildcards: no role may do everything, or do something to everything.
func wildcards(d *Template) (found faults) {
	used := map[string]bool{}
	for _, kind := range []string{"AWS::IAM::Role", "AWS::IAM::ManagedPolicy",
		"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy"} {
		for _, r := range d.ofKind(kind) {
			for _, s := range statements(r.properties) {
				if s.effect != "Allow" {
					continue
				}
				if strings.Contains(strings.Join(s.actions, " "), "*") {
					found.add("%s allows %v", r.name, s.actions)
				}
				if s.all["NotAction"] != nil || s.all["NotResource"] != nil {
					found.add("%s allows by what it leaves out", r.name)
				}
				if who := spell(s.all["Principal"]); strings.Contains(who, "*") {
					found.add("%s allows everybody", r.name)
				}
				reviewed := strings.Join(s.actions, " ")
				for _, on := range s.resources {
					if _, ok := everyResource[reviewed]; ok && on == "*" {
						used[reviewed] = true
						continue
					}
					if !narrow.MatchString(on) {
						found.add("%s allows %v on %s", r.name, s.actions, on)
					}
				}
			}
		}
	}
	for reviewed := range everyResource {
		if !used[reviewed] {
			found.add("no statement needs the exception for %s", reviewed)
		}
	}
	for _, r := range d.ofKind("AWS::IAM::Role") {
		for _, managed := range spelled(r.properties["ManagedPolicyArns"]) {
			if d.resources[strings.Trim(managed, "${}")].kind != "AWS::IAM::ManagedPolicy" {
				found.add("%s takes %s, which is not in this template", r.name, managed)
			}
		}
	}
	return found
}

// narrow is one resource, a secret that a parameter names, or the objects under a prefix of one
// bucket.
var narrow = regexp.MustCompile(
	`^(\$\{\w+\.Arn\}|\$\{\w+SecretArn\}|arn:[^*]+?(/(incoming|original|variant|quarantine)/\*(/held/\*)?)?)$`)

// buckets: versioned, private, encrypted, reached by TLS alone, kept when the stack goes.
func buckets(d *Template) (found faults) {
	secured := map[string]bool{}
	for _, policy := range d.ofKind("AWS::S3::BucketPolicy") {
		for _, s := range statements(policy.properties) {
			bucket := d.target(policy.properties["Bucket"]).name
			arn := "${" + bucket + ".Arn}"
			if s.effect == "Deny" && spell(s.all["Principal"]) == "*" &&
				slices.Equal(s.actions, []string{"s3:*"}) &&
				slices.Equal(s.resources, []string{arn, arn + "/*"}) &&
				spell(at(s.condition, "Bool")["aws:SecureTransport"]) == "false" {
				secured[bucket] = true
			}
		}
	}
	for _, b := range d.ofKind("AWS::S3::Bucket") {
		if spell(at(b.properties, "VersioningConfiguration")["Status"]) != "Enabled" {
			found.add("%s is not versioned", b.name)
		}
		for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls",
			"RestrictPublicBuckets"} {
			if spell(at(b.properties, "PublicAccessBlockConfiguration")[block]) != "true" {
				found.add("%s: %s is off", b.name, block)
			}
		}
		if !strings.Contains(fmt.Sprint(b.properties["BucketEncryption"]), "SSEAlgorithm") {
			found.add("%s is not encrypted", b.name)
		}
		if !secured[b.name] {
			found.add("%s can be read without TLS", b.name)
		}
		if spell(b.all["DeletionPolicy"]) != "Retain" ||
			spell(b.all["UpdateReplacePolicy"]) != "Retain" {
			found.add("%s goes with the stack", b.name)
		}
		lifecycle := fmt.Sprint(b.properties["LifecycleConfiguration"])
		for _, rule := range []string{"NoncurrentVersionExpiration",
			"AbortIncompleteMultipartUpload", "ExpiredObjectDeleteMarker"} {
			if !strings.Contains(lifecycle, rule) {
				found.add("%s has no %s: it grows for ever", b.name, rule)
			}
		}
	}
	return found
}

// flow: objects go one way. What the trigger listens to is written by clients and read by the
// checker, so that nothing can start itself and nothing unchecked can be handed out.
func flow(d *Template) (found faults) {
	var trigger resource
	for _, b := range d.ofKind("AWS::S3::Bucket") {
		if b.properties["NotificationConfiguration"] == nil {
			continue
		}
		if trigger.name != "" {
			found.add("both %s and %s send events", trigger.name, b.name)
		}
		trigger = b
	}
	if trigger.name == "" {
		return faults{"no bucket sends events"}
	}
	incoming := "arn:${AWS::Partition}:s3:::" + spell(trigger.properties["BucketName"])
	for _, f := range d.functions() {
		env := environment(f)
		if given := env["INCOMING_BUCKET"]; given != nil && d.target(given).name != trigger.name {
			found.add("%s: INCOMING_BUCKET is not the bucket that sends events", f.name)
		}
		for _, name := range []string{"FILES_BUCKET", "QUARANTINE_BUCKET"} {
			if given := env[name]; given != nil && d.target(given).name == trigger.name {
				found.add("%s: %s sends events: what is written there starts the work again",
					f.name, name)
			}
		}
		writes, reads := false, false
		for _, may := range allowed(d.role(f)) {
			action, on, _ := strings.Cut(may, " on ")
			if on == incoming || strings.HasPrefix(on, incoming+"/") {
				writes = writes || action == "s3:PutObject"
				reads = reads || strings.HasPrefix(action, "s3:GetObject")
			}
		}
		if consumes(f) && writes {
			found.add("%s is started by %s and may write to it", f.name, trigger.name)
		}
		if !consumes(f) && reads {
			found.add("%s checks nothing and may read %s", f.name, trigger.name)
		}
		if serves(f) && strings.Contains(strings.Join(allowed(d.role(f)), " "), "s3:Delete") {
			found.add("%s answers requests and may delete objects", f.name)
		}
	}
	return append(found, notification(d, trigger, incoming)...)
}

// isOf reports whether a queue's policy is that queue's.
func (d *Template) isOf(policy, queue resource) bool {
	queues, _ := policy.properties["Queues"].([]any)
	return slices.ContainsFunc(queues,
		func(q any) bool { return d.target(q).name == queue.name })
}

// transport: a queue is reached by TLS alone, and encrypted.
func transport(d *Template) (found faults) {
	for _, q := range d.ofKind("AWS::SQS::Queue") {
		secured := false
		for _, policy := range d.ofKind("AWS::SQS::QueuePolicy") {
			for _, s := range statements(policy.properties) {
				secured = secured || d.isOf(policy, q) && s.effect == "Deny" &&
					spell(s.all["Principal"]) == "*" && slices.Equal(s.actions, []string{"sqs:*"}) &&
					slices.Equal(s.resources, []string{"${" + q.name + ".Arn}"}) &&
					spell(at(s.condition, "Bool")["aws:SecureTransport"]) == "false"
			}
		}
		if !secured {
			found.add("%s can be used without TLS", q.name)
		}
		if spell(q.properties["SqsManagedSseEnabled"]) != "true" {
			found.add("%s is not encrypted", q.name)
		}
	}
	return found
}

// notification: the bucket's events reach a queue that a function consumes, and nobody else's do.
func notification(d *Template, trigger resource, arn string) (found faults) {
	configurations, _ := at(trigger.properties,
		"NotificationConfiguration")["QueueConfigurations"].([]any)
	for _, c := range configurations {
		queue := d.target(c.(object)["Queue"])
		if !slices.ContainsFunc(d.functions(), func(f resource) bool {
			for _, event := range at(f.properties, "Events") {
				if d.target(at(event.(object), "Properties")["Queue"]).name == queue.name {
					return true
				}
			}
			return false
		}) {
			found.add("events go to %s, which no function consumes", queue.name)
		}
		for _, policy := range d.ofKind("AWS::SQS::QueuePolicy") {
			if !d.isOf(policy, queue) {
				continue
			}
			for _, s := range statements(policy.properties) {
				account := spell(at(s.condition, "StringEquals")["aws:SourceAccount"])
				source := spell(at(s.condition, "ArnEquals")["aws:SourceArn"])
				if s.effect == "Allow" && (account != "${AWS::AccountId}" || source != arn) {
					found.add("%s lets in more than %s of this account", policy.name, trigger.name)
				}
			}
			if spell(trigger.all["DependsOn"]) != policy.name {
				found.add("%s is made before %s lets it send", trigger.name, policy.name)
			}
		}
	}
	if len(configurations) == 0 {
		found.add("the events of %s go to no queue", trigger.name)
	}
	return found
}

func consumes(f resource) bool { return hasEvent(f, "SQS") }
func serves(f resource) bool   { return hasEvent(f, "HttpApi") }

func hasEvent(f resource, kind string) bool {
	for _, event := range at(f.properties, "Events") {
		if spell(event.(object)["Type"]) == kind {
			return true
		}
	}
	return false
}
