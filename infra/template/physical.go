package template

import "strings"

// attribute is what Ref (an empty attribute) or GetAtt says of a resource.
func (r *resolver) attribute(name, attribute, path string) string {
	target, ok := r.resources[name]
	if !ok {
		r.fault(path, "nothing in the template is called %s", name)
		return ""
	}
	physical := r.physicalName(target)
	switch target.kind + " " + attribute {
	case "AWS::S3::Bucket Arn":
		return "arn:aws:s3:::" + physical
	case "AWS::SQS::Queue ":
		return r.place.QueueURL(physical)
	case "AWS::SQS::Queue Arn":
		return r.arn("sqs", physical)
	case "AWS::SQS::Queue QueueName":
		return physical
	case "AWS::IAM::Role Arn":
		return strings.Replace(r.arn("iam", "role/"+physical), r.place.Region, "", 1)
	case "AWS::IAM::ManagedPolicy ":
		return strings.Replace(r.arn("iam", "policy/"+physical), r.place.Region, "", 1)
	case "AWS::Logs::LogGroup Arn":
		return r.arn("logs", "log-group:"+physical+":*")
	case "AWS::Serverless::Function Arn":
		return r.arn("lambda", "function:"+physical)
	}
	if attribute != "" {
		r.fault(path, "%s.%s has no value here", name, attribute)
	}
	return physical
}

func (r *resolver) arn(service, rest string) string {
	return "arn:aws:" + service + ":" + r.place.Region + ":" + r.place.Account + ":" + rest
}

// physicalName is the name that the template gives a resource, or else its logical one.
func (r *resolver) physicalName(target resource) string {
	property := map[string]string{
		"AWS::S3::Bucket": "BucketName", "AWS::SQS::Queue": "QueueName",
		functionKind: "FunctionName",
	}[target.kind]
	if given, ok := target.properties[property]; ok {
		if text, ok := r.resolve(given, target.path()+"/Properties/"+property).(string); ok {
			return text
		}
	}
	return target.name
}
