package e2e

import (
	"errors"
	"flag"
	"fmt"
	"strings"
)

// onlyAWS are the actions that nothing here asks for, and who asks for them on AWS, with the page.
func onlyAWS() map[string]string {
	const (
		logs = "Lambda, to write the log: " +
			"docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html"
		network = "Lambda, to join the VPC: " +
			"docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"
	)
	return map[string]string{
		"logs:CreateLogStream":           logs,
		"logs:PutLogEvents":              logs,
		"ec2:CreateNetworkInterface":     network,
		"ec2:DescribeNetworkInterfaces":  network,
		"ec2:DescribeSubnets":            network,
		"ec2:DeleteNetworkInterface":     network,
		"ec2:AssignPrivateIpAddresses":   network,
		"ec2:UnassignPrivateIpAddresses": network,
		"rds-db:connect": "RDS, at sign-in: " +
			"docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.IAMPolicy.html",
		"sqs:GetQueueAttributes": "Lambda's poller: " +
			"docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html",
	}
}

// denials are those that tests bring about, and why they are right.
func denials() map[string]string {
	return map[string]string{}
}

// leastPrivilege asks, after all tests: each grant of each function's role answered a request, or
// stands on the list of what only AWS asks for; and nothing was denied that a function needs.
func leastPrivilege() error {
	var faults []error
	needless := onlyAWS()
	for _, grant := range shared.stack.Authority.Unused() {
		action := strings.Fields(grant)[1]
		if _, listed := onlyAWS()[action]; !listed {
			faults = append(faults, fmt.Errorf("no request needed the grant %s", grant))
		}
		delete(needless, action)
	}
	for action := range needless {
		faults = append(faults, fmt.Errorf(
			"%s is on the list of what only AWS asks for, and is asked for here", action))
	}
	missing := denials()
	for _, denied := range shared.stack.Authority.Denied() {
		known := false
		for prefix := range denials() {
			if strings.HasPrefix(denied, prefix) {
				known = true
				delete(missing, prefix)
			}
		}
		if !known {
			faults = append(faults, fmt.Errorf("denied: %s", denied))
		}
	}
	for prefix := range missing {
		faults = append(faults, fmt.Errorf("no test was denied %s", prefix))
	}
	return errors.Join(faults...)
}

// wholeRun tells whether every test ran, with everything that they need.
func wholeRun() bool {
	return flag.Lookup("test.run").Value.String() == "" &&
		flag.Lookup("test.skip").Value.String() == "" &&
		shared.scanner != nil
}
