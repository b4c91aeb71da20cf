package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/toolboxai-solutions/satchel/infra/local/issuer"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/template"
)

// templateFile is the description of what is deployed.
const templateFile = "template.yaml"

// read finds the template in the directory or the nearest one above it, and parses it.
func read(named, directory string) (*template.Template, error) {
	if named != "" {
		return template.Read(named)
	}
	for above := directory; ; above = filepath.Dir(above) {
		path := filepath.Join(above, templateFile)
		if _, err := os.Stat(path); err == nil {
			return template.Read(path)
		}
		if above == filepath.Dir(above) {
			return nil, fmt.Errorf("find %s: it is neither in %s nor above it: name it with "+
				"-template", templateFile, directory)
		}
	}
}

// describe reads the template.
func (s *Stack) describe(directory string) (err error) {
	s.template, err = read(s.options.Template, directory)
	return err
}

// resolve says what the template deploys to this machine.
func (s *Stack) resolve() (*template.Deployment, error) {
	d, err := s.template.Resolve(template.Place{
		Account: "000000000000", Region: "us-east-1", StackName: "satchel",
		Parameters: s.parameters(),
		QueueURL:   func(name string) string { return queue.URL(s.queueEndpoint, name) },
	})
	if err != nil {
		return nil, fmt.Errorf("resolve the template: %w", err)
	}
	var faults []error
	for _, u := range d.Unread {
		// A type of resources that nothing here runs is no fault; -explain tells of it.
		if _, known := absent()[u.What]; !known && strings.Contains(u.What, ".") {
			faults = append(faults, fmt.Errorf("line %d: %s of %s is not understood here", u.Line,
				u.What, u.Resource))
		}
	}
	for _, fn := range d.Functions {
		if !strings.HasPrefix(fn.Code, "build/") {
			faults = append(faults, fmt.Errorf("%s: CodeUri is %s, which make build does not write",
				fn.Name, fn.Code))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("resolve the template: %w", err)
	}
	return d, nil
}

// parameters are those that have no default in the template, or another one here. Whoever starts
// the stack may set what the stack does not decide itself: MaxFileSize by MAX_FILE_SIZE.
func (s *Stack) parameters() map[string]string {
	given := map[string]string{"CorsOrigins": "*",
		"EnableVirusScanning": fmt.Sprint(s.scanner != "")}
	decided := map[string]string{
		"BucketPrefix": "satchel", "PublicApiUrl": s.Ready.API, "ClamdAddress": s.scanner,
		"AuthIssuer": issuerName, "AuthAudience": issuer.Audience,
		"AuthJwksUrl":  s.Ready.Issuer + "/.well-known/jwks.json",
		"DatabaseHost": "127.0.0.1", "DatabaseResourceId": "local",
		"PusherAppId": s.Ready.Pusher.AppID, "PusherKey": s.Ready.Pusher.Key,
		"PusherSecretArn": pusherSecret,
		"PusherHost":      fmt.Sprintf("http://%s:%d", s.Ready.Pusher.Host, s.Ready.Pusher.Port),
	}
	for _, name := range s.template.Parameters() {
		variable := strings.ToUpper(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name,
			"${1}_$2"))
		if value, set := os.LookupEnv(variable); set {
			given[name] = value
		}
	}
	for name, value := range decided {
		given[name] = value
	}
	return given
}

// runs tells whether anything here invokes a function. What only a deploy step invokes, the
// migration, the stack does itself.
func runs(fn template.Function) bool {
	return len(fn.Routes)+len(fn.Mappings)+len(fn.Schedules) > 0
}
