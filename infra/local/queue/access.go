package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Authority knows the secret of each access key and decides what its holder may do.
type Authority interface {
	Secret(access string) (secret string, known bool)
	Allows(access, action, resource string) bool
}

const scheme = "AWS4-HMAC-SHA256 "

// signedBy is the access key that a request is signed with: it is signed again, with the secret
// that the key has, and both have to be the same
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html).
func (s *Server) signedBy(r *http.Request, body []byte) (access string, err error) {
	given := r.Header.Get("Authorization")
	fields := map[string]string{}
	for field := range strings.SplitSeq(strings.TrimPrefix(given, scheme), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	access, _, _ = strings.Cut(fields["Credential"], "/")
	if !strings.HasPrefix(given, scheme) || access == "" {
		return "", apiError{code: "MissingAuthenticationToken",
			message: "Request is missing Authentication Token"}
	}
	if s.authority == nil {
		return access, nil
	}
	secret, known := s.authority.Secret(access)
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if !known || err != nil {
		return "", apiError{code: "InvalidClientTokenId",
			message: "The security token included in the request is invalid."}
	}
	again := r.Clone(r.Context())
	signed := strings.Split(fields["SignedHeaders"], ";")
	for name := range again.Header {
		if !slices.Contains(signed, strings.ToLower(name)) {
			again.Header.Del(name)
		}
	}
	again.Header.Del("Authorization")
	again.URL.Host = r.Host
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(),
		aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, again,
		hex.EncodeToString(sum[:]), "sqs", region, at)
	if err != nil || !hmac.Equal([]byte(given), []byte(again.Header.Get("Authorization"))) ||
		time.Since(at).Abs() > 15*time.Minute {
		return "", apiError{code: "SignatureDoesNotMatch",
			message: "The request signature we calculated does not match the signature you " +
				"provided."}
	}
	return access, nil
}

// authorize asks for the action that SQS asks for an operation
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html).
func (s *Server) authorize(access, operation, queue string) error {
	action := "sqs:" + operation
	if s.authority == nil || s.authority.Allows(access, action, arn(queue)) {
		return nil
	}
	return apiError{code: "AccessDeniedException", query: "AccessDenied",
		message: "Access to the resource " + arn(queue) + " is denied."}
}
