package s3_test

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/toolboxai-solutions/satchel/infra/local/iam"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
	"github.com/toolboxai-solutions/satchel/infra/template"
)

// allow is a policy of one statement.
func allow(actions, resources string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":` + actions +
		`,"Resource":` + resources + `}]}`
}

// entries are two functions as in template.yaml, and one that is allowed more than a bucket lets
// it.
func entries(t *testing.T, dir string) (*s3.Server, *iam.Authority) {
	t.Helper()
	function := func(name string, policies ...string) template.Function {
		return template.Function{Name: name,
			Role: template.Role{ARN: "arn:aws:iam::000000000000:role/" + name, Policies: policies}}
	}
	access, secret, err := s3.Keys(dir)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := iam.New(iam.Keys{Access: access, Secret: secret}, &template.Deployment{
		Buckets: []template.Bucket{{Name: incoming,
			Policies: []string{`{"Version":"2012-10-17","Statement":[
			{"Sid":"TLS","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::` + incoming + `/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},
			{"Sid":"Worker","Effect":"Deny","Principal":"*","Action":["s3:GetObject","s3:GetObjectVersion"],"Resource":"arn:aws:s3:::` + incoming + `/*",
			 "Condition":{"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::000000000000:role/worker"}}}]}`}}},
		Functions: []template.Function{
			function("api", allow(`"s3:PutObject"`, `"arn:aws:s3:::`+incoming+`/incoming/*"`),
				allow(`"s3:GetObject"`, `"arn:aws:s3:::`+files+`/*"`)),
			function("worker", allow(`["s3:GetObjectVersion","s3:DeleteObjectVersion"]`,
				`"arn:aws:s3:::`+incoming+`/incoming/*"`),
				allow(`"s3:PutObject"`, `"arn:aws:s3:::`+files+`/original/*"`),
				allow(`"s3:ListBucket"`, `"arn:aws:s3:::`+incoming+`"`)),
			function("idle", allow(`"s3:PutObject"`, `"arn:aws:s3:::`+files+`/*"`)),
			function("greedy", allow(`"s3:*"`,
				`["arn:aws:s3:::`+incoming+`","arn:aws:s3:::`+incoming+`/*"]`)),
		},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server, _ := runningWith(t, s3.Options{Dir: dir, Authority: authority})
	return server, authority
}

func TestFunctionsDoWhatTheirRolesAllow(t *testing.T) {
	server, authority := entries(t, t.TempDir())
	root := stockClient(t, server)
	as := func(function string) *awss3.Client {
		keys := authority.Keys(function)
		o := root.Options()
		o.Credentials = credentials.NewStaticCredentialsProvider(keys.Access, keys.Secret, "")
		return awss3.New(o)
	}
	ctx, in, out := t.Context(), aws.String(incoming), aws.String(files)
	key, other, target := aws.String("incoming/a"), aws.String("other/a"), aws.String("original/a")
	version := put(t, root, incoming, *key, "content").VersionId
	put(t, root, files, *target, "kept")

	post := func(key string) error {
		signed, err := awss3.NewPresignClient(as("api")).PresignPostObject(ctx,
			&awss3.PutObjectInput{Bucket: in, Key: &key})
		if err != nil {
			return err
		}
		f := form{file: "x"}
		for name, value := range signed.Values {
			f.fields = append(f.fields, [2]string{name, value})
		}
		if status, body := f.post(t, signed.URL); status != http.StatusNoContent {
			return &smithy.GenericAPIError{Code: body[strings.Index(body,
				"<Code>")+6 : strings.Index(body, "</Code>")]}
		}
		return nil
	}
	copied := func(function string) error {
		_, err := as(function).CopyObject(ctx, &awss3.CopyObjectInput{
			Bucket: out, Key: target,
			CopySource: aws.String(incoming + "/" + *key + "?versionId=" + *version),
		})
		return err
	}
	get := func(function string, bucket, key, version *string) error {
		_, err := as(function).GetObject(ctx,
			&awss3.GetObjectInput{Bucket: bucket, Key: key, VersionId: version})
		return err
	}
	remove := func(function string) error {
		_, err := as(function).DeleteObject(ctx,
			&awss3.DeleteObjectInput{Bucket: in, Key: key, VersionId: version})
		return err
	}
	removeMany := func(function string) error {
		answer, err := as(function).DeleteObjects(ctx,
			&awss3.DeleteObjectsInput{Bucket: in,
				Delete: &types.Delete{Objects: []types.ObjectIdentifier{
					{Key: key, VersionId: version}, {Key: other},
				}}})
		if err == nil && len(answer.Errors) > 0 {
			return &smithy.GenericAPIError{Code: *answer.Errors[0].Code}
		}
		return err
	}
	list := func(function string) error {
		_, err := as(function).ListObjectVersions(ctx, &awss3.ListObjectVersionsInput{Bucket: in})
		return err
	}
	tagged := func(function string) error {
		_, err := as(function).PutObject(ctx,
			&awss3.PutObjectInput{Bucket: in, Key: key, Tagging: aws.String("a=b")})
		return err
	}
	acl := func(function string) error {
		_, err := as(function).GetBucketAcl(ctx, &awss3.GetBucketAclInput{Bucket: in})
		return err
	}
	for _, c := range []struct {
		what string
		err  error
		code string
	}{
		{"a form for the key that is allowed", post("incoming/b"), ""},
		{"a form for another key", post("other/b"), "AccessDenied"},
		{"the worker reads a version", get("worker", in, key, version), ""},
		{"the worker reads without a version", get("worker", in, key, nil), "AccessDenied"},
		{"the worker copies a version", copied("worker"), ""},
		{"the API copies it", copied("api"), "AccessDenied"},
		{"the API reads a file", get("api", out, target, nil), ""},
		{"the API reads a version of it", get("api", out, target,
			aws.String("01JXAAAAAAAAAAAAAAAAAAAAAA")), "AccessDenied"},
		{"who may list learns that a key is missing",
			get("worker", in, aws.String("incoming/none"),
				aws.String("01JXAAAAAAAAAAAAAAAAAAAAAA")), "NoSuchKey"},
		{"who may not does not", get("api", out, aws.String("original/none"), nil), "AccessDenied"},
		{"a denial of the bucket holds for who is allowed everything",
			get("greedy", in, key, version), "AccessDenied"},
		{"who is allowed everything writes", tagged("greedy"), ""},
		{"tags need more than PutObject", tagged("api"), "AccessDenied"},
		{"DeleteObjectVersion without DeleteObject", remove("worker"), "AccessDenied"},
		{"and for several", removeMany("worker"), "AccessDenied"},
		{"a list that nobody allowed", list("worker"), "AccessDenied"},
		{"an operation without a line in the table", acl("greedy"), "AccessDenied"},
		{"both actions", remove("greedy"), ""},
	} {
		var failure smithy.APIError
		got := ""
		if errors.As(c.err, &failure) {
			got = failure.ErrorCode()
		}
		if got != c.code || (c.err == nil) != (c.code == "") {
			t.Errorf("%s: %v, want %q", c.what, c.err, c.code)
		}
	}

	denied := authority.Denied()
	for _, want := range []string{
		"api s3:PutObject arn:aws:s3:::" + incoming + "/other/b",
		"api s3:ListBucket arn:aws:s3:::" + files,
		"worker s3:DeleteObject arn:aws:s3:::" + incoming + "/incoming/a",
		"greedy s3:GetObjectVersion arn:aws:s3:::" + incoming + "/incoming/a",
	} {
		if !slices.Contains(denied, want) {
			t.Errorf("the record of denials has no %v: %v", want, denied)
		}
	}
	if unused := authority.Unused(); len(unused) != 1 || !strings.HasPrefix(unused[0], "idle ") {
		t.Errorf("unused is %q, want what nobody asked for", unused)
	}
}

func TestKeysStayTheSameAndAreTheirOwn(t *testing.T) {
	dir := t.TempDir()
	server, authority := entries(t, dir)
	first := authority.Keys("api")
	if first == authority.Keys("worker") || first.Access == server.AccessKey ||
		first.Secret == server.SecretKey {
		t.Error("two have the same keys")
	}
	if err := server.AwaitEnd(); err != nil {
		t.Fatal(err)
	}
	if _, authority = entries(t, dir); authority.Keys("api") != first {
		t.Error("the next start has other keys")
	}
}
