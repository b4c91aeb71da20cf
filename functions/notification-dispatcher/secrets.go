package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/channel"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/webhook"
	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// secretReader reads secrets when they are first needed, once in the life of a process. What cannot
// be read is asked for again the next time. No error holds anything of a secret.
type secretReader struct {
	client *secretsmanager.Client

	mu      sync.Mutex
	sender  *channel.Pusher
	private bool // there is a key for encrypted channels
	sources []webhook.Source
}

// pusher is the app, with its secret and the key of encrypted channels.
func (s *secretReader) pusher(ctx context.Context, c Config) (*channel.Pusher, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sender != nil {
		return s.sender, s.private, nil
	}
	var held struct {
		Secret        string `json:"secret"`
		EncryptionKey string `json:"encryption_key"`
	}
	if err := s.read(ctx, c.PusherSecretARN, &held); err != nil {
		return nil, false, fmt.Errorf("read Pusher's secret: %w", err)
	}
	sender, err := channel.New(channel.Config{
		AppID: c.PusherAppID, Key: c.PusherKey, Secret: held.Secret, Cluster: c.PusherCluster,
		Host:          c.PusherHost,
		EncryptionKey: held.EncryptionKey,
	})
	if err != nil {
		return nil, false, err
	}
	s.sender, s.private = sender, held.EncryptionKey != ""
	return s.sender, s.private, nil
}

// webhooks are who may call the database hook.
func (s *secretReader) webhooks(ctx context.Context, arn string) ([]webhook.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources != nil || arn == "" {
		return s.sources, nil
	}
	sources := []webhook.Source{}
	if err := s.read(ctx, arn, &sources); err != nil {
		return nil, fmt.Errorf("read the webhooks' secrets: %w", err)
	}
	for _, source := range sources {
		if err := source.Validate(); err != nil {
			return nil, fmt.Errorf("configure webhooks: %w", err)
		}
	}
	s.sources = sources
	return s.sources, nil
}

func (s *secretReader) read(ctx context.Context, arn string, into any) error {
	value, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return fault.Wrap(err, fault.Temporary, "secrets-unavailable",
			"The service cannot read its own settings just now. Try again in a moment.")
	}
	if value.SecretString == nil || json.Unmarshal([]byte(*value.SecretString), into) != nil {
		return errors.New("it is not the JSON that it should be") // the cause would quote it
	}
	return nil
}
