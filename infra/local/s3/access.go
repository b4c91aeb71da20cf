package s3

import (
	"context"
	"errors"
	"slices"
	"strings"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// Authority decides what the holder of an access key may do.
type Authority interface {
	Secret(access string) (secret string, known bool)
	Allows(access, action, resource string) bool
}

// required are the actions that S3 asks for, by the one that versitygw asks for. S3's pages decide,
// https://docs.aws.amazon.com/AmazonS3/latest/API/ with the name of the operation; what has no line
// here is denied.
func required() map[auth.Action][]string {
	return map[auth.Action][]string{
		// GetObject, HeadObject, and CopyObject for its source. With a version GetObject is not
		// asked for.
		auth.GetObjectAction:        {"s3:GetObject"},
		auth.GetObjectVersionAction: {"s3:GetObjectVersion"},
		// PutObject, a POST form, each part of a multipart upload, and CopyObject for its target.
		// One that gives tags asks for PutObjectTagging too.
		auth.PutObjectAction:        {"s3:PutObject"},
		auth.PutObjectTaggingAction: {"s3:PutObjectTagging"},
		// DeleteObject, DeleteObjects: "you must always have the s3:DeleteObject permission", with
		// a version too.
		auth.DeleteObjectAction:        {"s3:DeleteObject"},
		auth.DeleteObjectVersionAction: {"s3:DeleteObject", "s3:DeleteObjectVersion"},
		// ListObjectVersions; ListObjects, ListObjectsV2, HeadBucket.
		auth.ListBucketVersionsAction: {"s3:ListBucketVersions"},
		auth.ListBucketAction:         {"s3:ListBucket"},
	}
}

const arnPrefix = "arn:aws:s3:::"

// accounts has versitygw ask the authority.
type accounts struct {
	auth.IAMService // which refuses to change accounts
	authority       Authority
}

func (a accounts) GetUserAccount(access string) (auth.Account, error) {
	secret, known := a.authority.Secret(access)
	if !known {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return auth.Account{Access: access, Secret: secret, Role: auth.RoleUser}, nil
}

// EvaluatePolicy decides about each resource and each action.
func (a accounts) EvaluatePolicy(access, _ string, actions []auth.Action, resources []string,
	_ map[string][]string) (auth.PolicyEvaluation, error) {
	const nothing, allow = 0, 1 // as auth's own constants, which have no names outside it
	var answer auth.PolicyEvaluation
	for i, resource := range resources {
		answer.Decisions = append(answer.Decisions, nil)
		for _, action := range actions {
			if a.allows(access, action, resource) {
				answer.Decisions[i] = append(answer.Decisions[i], allow)
			} else {
				answer.Decisions[i] = append(answer.Decisions[i], nothing)
			}
		}
	}
	return answer, nil
}

func (a accounts) allows(access string, action auth.Action, resource string) bool {
	resource, _, hasVersion := strings.Cut(resource, "?versionId=") // a copy's source
	if hasVersion && action == auth.GetObjectAction {
		action = auth.GetObjectVersionAction
	}
	if action == auth.PutObjectAction && !strings.Contains(strings.TrimPrefix(resource, arnPrefix),
		"/") {
		return true // a form, whose key only the gate sees
	}
	needs, known := required()[action]
	if !known {
		needs = []string{string(action)}
	}
	allowed := true
	for _, need := range needs {
		allowed = a.authority.Allows(access, need, resource) && allowed
	}
	return allowed && known
}

// gate is an object store that asks the authority where versitygw does not, or not for what S3
// asks.
type gate struct {
	backend.Backend
	authority Authority
}

func (g gate) may(ctx context.Context, action, resource string) bool {
	account, ok := ctx.Value(string(utils.ContextKeyAccount)).(auth.Account)
	return ok && g.authority.Allows(account.Access, action, arnPrefix+resource)
}

// PutObject decides about a form, now that its key is known.
func (g gate) PutObject(ctx context.Context,
	in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if _, isForm := in.Body.(utils.MpFileReader); isForm &&
		!g.may(ctx, "s3:PutObject", *in.Bucket+"/"+*in.Key) {
		return s3response.PutObjectOutput{}, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return g.Backend.PutObject(ctx, in)
}

// GetObject, HeadObject and CopyObject tell that something is not there only to who may list the
// bucket (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions").
func (g gate) GetObject(ctx context.Context,
	in *awss3.GetObjectInput) (*awss3.GetObjectOutput, error) {
	out, err := g.Backend.GetObject(ctx, in)
	return out, g.missing(ctx, *in.Bucket, err)
}

// HeadObject is as GetObject.
func (g gate) HeadObject(ctx context.Context,
	in *awss3.HeadObjectInput) (*awss3.HeadObjectOutput, error) {
	out, err := g.Backend.HeadObject(ctx, in)
	return out, g.missing(ctx, *in.Bucket, err)
}

// CopyObject is as GetObject of its source.
func (g gate) CopyObject(ctx context.Context,
	in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := g.Backend.CopyObject(ctx, in)
	bucket, _, _ := strings.Cut(strings.TrimPrefix(*in.CopySource, "/"), "/")
	return out, g.missing(ctx, bucket, err)
}

func (g gate) missing(ctx context.Context, bucket string, err error) error {
	var failure s3err.S3Error
	if errors.As(err, &failure) && slices.Contains([]string{"NoSuchKey", "NoSuchVersion"},
		failure.BaseError().Code) &&
		!g.may(ctx, "s3:ListBucket", bucket) {
		return s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return err
}
