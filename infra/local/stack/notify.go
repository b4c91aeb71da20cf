package stack

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"strconv"

	"github.com/toolboxai-solutions/satchel/infra/local/channels"
	"github.com/toolboxai-solutions/satchel/infra/local/secrets"
)

// pusherSecret is the ARN under which the dispatcher reads Pusher's secret here.
const pusherSecret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:pusher"

// Pusher tells how to reach the channels server.
type Pusher struct {
	Host   string `json:"host"`
	Port   int    `json:"port"`
	Key    string `json:"key"`
	AppID  string `json:"app_id"`
	Secret string `json:"secret"`
}

// startChannels starts what speaks Pusher's protocol. The template's values have its address.
func (s *Stack) startChannels() error {
	server, err := channels.Start(channels.Options{})
	if err != nil {
		return err
	}
	s.Channels = server
	s.atStop(server.Stop)
	host, port, err := net.SplitHostPort(server.Host)
	if err != nil {
		return fmt.Errorf("read the channels server's address: %w", err)
	}
	number, err := strconv.Atoi(port)
	s.Ready.Pusher = Pusher{
		Host:   host,
		Port:   number,
		Key:    server.Key,
		AppID:  server.AppID,
		Secret: server.Secret,
	}
	return err
}

// startSecrets serves the secrets, to the functions whose roles may read them.
func (s *Stack) startSecrets() error {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	value, err := json.Marshal(map[string]string{
		"secret": s.Channels.Secret, "encryption_key": base64.StdEncoding.EncodeToString(key),
	})
	if err != nil {
		return err
	}
	server, err := secrets.Start(secrets.Options{
		Values: map[string]string{pusherSecret: string(value)},
		Allows: func(accessKey, arn string) bool {
			return s.Authority.Allows(accessKey, "secretsmanager:GetSecretValue", arn)
		},
	})
	if err != nil {
		return err
	}
	s.secrets = server.Endpoint
	s.atStop(server.Stop)
	return nil
}
