package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
)

// signIn puts an IAM token, good for 15 minutes, into the URL as its password.
func signIn(ctx context.Context, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil || u.Hostname() == "" {
		return "", errors.New("DATABASE_URL: want postgres://owner@host:port/database")
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "5432")
	}
	aws, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", fmt.Errorf("load the AWS configuration: %w", err)
	}
	token, err := auth.BuildAuthToken(ctx, u.Host, aws.Region, u.User.Username(), aws.Credentials)
	if err != nil {
		return "", fmt.Errorf("sign an IAM token for %s: %w", u.User.Username(), err)
	}
	u.User = url.UserPassword(u.User.Username(), token)
	return u.String(), nil
}
