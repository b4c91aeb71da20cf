package template

import "slices"

// A policy of a bucket that is not there would be lost without a word.
func (f *fields) bucketPolicy() {
	name := f.text("Bucket")
	if !slices.ContainsFunc(f.ofKind("AWS::S3::Bucket"),
		func(r resource) bool { return f.physicalName(r) == name }) {
		f.fault(f.path+"/Bucket", "%s is %q, which is no bucket of this template", f.what+".Bucket",
			name)
	}
}

func (f *fields) queue() {
	q := Queue{Name: f.text("QueueName"), Visibility: f.seconds("VisibilityTimeout")}
	if q.Name == "" {
		q.Name = f.name
	}
	q.ARN = f.arn("sqs", q.Name)
	if redrive := f.child("RedrivePolicy"); redrive.values != nil {
		q.DeadLetter = redrive.queueName("deadLetterTargetArn")
		q.MaxReceives = redrive.number("maxReceiveCount")
		redrive.done()
	}
	f.done()
	f.deployment.Queues = append(f.deployment.Queues, q)
}

// queueName is the name of the queue of this template whose ARN a field has.
func (f *fields) queueName(key string) string {
	arn := f.text(key)
	for _, r := range f.ofKind("AWS::SQS::Queue") {
		if name := f.physicalName(r); f.arn("sqs", name) == arn && f.deployed(r) {
			return name
		}
	}
	f.fault(f.path+"/"+key, "%s.%s is %q, which is no queue of this template", f.what, key, arn)
	return ""
}

func (f *fields) bucket() {
	b := Bucket{Name: f.text("BucketName")}
	if b.Name == "" {
		f.fault(f.path, "bucket %s has no BucketName", f.name)
	}
	versioning := f.child("VersioningConfiguration")
	b.Versioned = versioning.text("Status") == "Enabled"
	versioning.done()
	cors := f.child("CorsConfiguration")
	for _, rule := range cors.children("CorsRules") {
		b.CORS = append(b.CORS, CORSRule{
			Origins: texts(rule.value("AllowedOrigins")),
			Methods: texts(rule.value("AllowedMethods")),
			Headers: texts(rule.value("AllowedHeaders")),
			Exposed: texts(rule.value("ExposedHeaders")), MaxAge: rule.number("MaxAge"),
		})
		rule.done()
	}
	cors.done()
	notifications := f.child("NotificationConfiguration")
	for _, c := range notifications.children("QueueConfigurations") {
		c.want("Event", "s3:ObjectCreated:*")
		n := Notification{Event: c.text("Event"), Queue: c.queueName("Queue")}
		filter := c.child("Filter")
		key := filter.child("S3Key")
		for _, rule := range key.children("Rules") {
			rule.want("Name", "prefix")
			n.Prefix = rule.text("Value")
			rule.done()
		}
		key.done()
		filter.done()
		c.done()
		b.Notifications = append(b.Notifications, n)
	}
	notifications.done()
	f.done()
	for _, r := range f.ofKind("AWS::S3::BucketPolicy") {
		policy := f.of(r)
		if policy.name = r.name; f.deployed(r) && policy.text("Bucket") == b.Name {
			b.Policies = append(b.Policies, policy.document("PolicyDocument"))
			policy.done()
		}
	}
	f.deployment.Buckets = append(f.deployment.Buckets, b)
}

// role is the role of this template whose ARN a field has.
func (f *fields) role(key string) Role {
	role := Role{ARN: f.text(key)}
	i := slices.IndexFunc(f.ofKind("AWS::IAM::Role"), func(r resource) bool {
		return f.attribute(r.name, "Arn", r.path()) == role.ARN
	})
	if i < 0 {
		f.fault(f.path+"/"+key, "%s.%s is %q, which is no role of this template", f.what, key,
			role.ARN)
		return role
	}
	r := f.ofKind("AWS::IAM::Role")[i]
	properties := f.of(r)
	properties.name = r.name
	for _, inline := range properties.children("Policies") {
		inline.text("PolicyName")
		role.Policies = append(role.Policies, inline.document("PolicyDocument"))
		inline.done()
	}
	for _, arn := range texts(properties.value("ManagedPolicyArns")) {
		role.Policies = append(role.Policies, properties.managedPolicy(arn))
	}
	properties.done()
	return role
}

func (f *fields) managedPolicy(arn string) string {
	for _, r := range f.ofKind("AWS::IAM::ManagedPolicy") {
		if f.attribute(r.name, "", r.path()) == arn {
			return f.of(r).document("PolicyDocument")
		}
	}
	f.fault(f.path+"/ManagedPolicyArns", "%s is no managed policy of this template", arn)
	return ""
}
