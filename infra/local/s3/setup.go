package s3

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/toolboxai-solutions/satchel/infra/template"
)

// Versioned are plain buckets whose objects have versions.
func Versioned(names ...string) (all []template.Bucket) {
	for _, name := range names {
		all = append(all, template.Bucket{Name: name, Versioned: true})
	}
	return all
}

// Keys returns the root's key pair kept in dir, and makes one the first time.
func Keys(dir string) (access, secret string, err error) {
	file := filepath.Join(dir, "credentials")
	kept, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", "", fmt.Errorf("make the directory of s3: %w", err)
		}
		kept = []byte("LOCAL" + rand.Text()[:15] + "\n" + rand.Text() + rand.Text()[:14] + "\n")
		err = os.WriteFile(file, kept, 0o600)
	}
	if err != nil {
		return "", "", fmt.Errorf("keep the credentials of s3: %w", err)
	}
	pair := strings.Fields(string(kept))
	if len(pair) != 2 {
		return "", "", fmt.Errorf("%s holds no key pair: remove it to get a new one", file)
	}
	return pair[0], pair[1], nil
}

// makeBuckets makes the buckets over the wire, with the credentials that
// everybody else uses, so that a server that returns from Start works.
func (s *Server) makeBuckets(ctx context.Context, o Options) error {
	client := awss3.NewFromConfig(aws.Config{
		Region:       s.Region,
		BaseEndpoint: &s.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey,
			s.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
	})
	for _, bucket := range o.Buckets {
		isNew, err := makeBucket(ctx, client, bucket)
		if err != nil {
			return err
		}
		for _, n := range bucket.Notifications {
			if !isNew || o.Notify == nil {
				continue
			}
			event, err := json.Marshal(testEvent(bucket.Name, o.Now()))
			if err != nil {
				return fmt.Errorf("write the test event: %w", err)
			}
			o.Notify(n.Queue, event)
		}
	}
	return nil
}

func makeBucket(ctx context.Context, client *awss3.Client,
	b template.Bucket) (isNew bool, err error) {
	_, err = client.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: &b.Name})
	var owned *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &owned) {
		return false, fmt.Errorf("make bucket %s: %w", b.Name, err)
	}
	isNew = err == nil
	if b.Versioned {
		if _, err := client.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{
			Bucket: &b.Name,
			VersioningConfiguration: &types.VersioningConfiguration{
				Status: types.BucketVersioningStatusEnabled},
		}); err != nil {
			return false, fmt.Errorf("version bucket %s: %w", b.Name, err)
		}
	}
	if len(b.CORS) == 0 {
		return isNew, nil
	}
	var rules []types.CORSRule
	for _, r := range b.CORS {
		rules = append(rules, types.CORSRule{
			AllowedOrigins: r.Origins, AllowedMethods: r.Methods, AllowedHeaders: r.Headers,
			ExposeHeaders: r.Exposed,
			MaxAgeSeconds: aws.Int32(int32(r.MaxAge)),
		})
	}
	_, err = client.PutBucketCors(ctx, &awss3.PutBucketCorsInput{Bucket: &b.Name,
		CORSConfiguration: &types.CORSConfiguration{CORSRules: rules}})
	if err != nil {
		return false, fmt.Errorf("let browsers reach %s: %w", b.Name, err)
	}
	return isNew, nil
}

func isAddressTaken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
