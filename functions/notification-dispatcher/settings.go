package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/dispatch"
	"github.com/toolboxai-solutions/satchel/functions/notification-dispatcher/internal/topic"
	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Config is the binary's settings. All entries take all of them, so that they can be deployed from
// one list; each reads only the secrets that it needs, and only when it does.
type Config struct {
	Database         tenantdb.Config
	PusherAppID      string   `env:"PUSHER_APP_ID,required" help:"app of Pusher Channels"`
	PusherKey        string   `env:"PUSHER_KEY,required" help:"the app's public key"`
	PusherCluster    string   `env:"PUSHER_CLUSTER" help:"where the app is, such as eu; not needed with PUSHER_HOST"`
	PusherHost       string   `env:"PUSHER_HOST" help:"what to call in place of the cluster: host:port, or with http:// before it in clear"`
	PusherSecretARN  string   `env:"PUSHER_SECRET_ARN,required" help:"Secrets Manager secret with {\"secret\", \"encryption_key\"}: the app's secret, and 32 bytes in base64 for private-encrypted- channels or none"`
	WebhookSecretARN string   `env:"WEBHOOK_SECRET_ARN" help:"Secrets Manager secret with [{\"name\", \"secret\", \"organizations\"}]: who may call POST /v1/hooks/database; without it nobody"`
	DoorbellQueueURL string   `env:"DOORBELL_QUEUE_URL,required" help:"queue by which notifications are delivered at once"`
	Topics           []string `env:"NOTIFICATION_TOPICS" envDefault:"announcements:member,urgent:member" help:"topics of the platform's own and the least role that may hear each, as name:role"`
	Paced            bool     `env:"ENABLE_RATE_LIMITING" envDefault:"true" help:"keep to the paces; what is over them waits"`
	PerMinute        int      `env:"MAX_REQUESTS_PER_MINUTE" envDefault:"60" help:"events a minute to one recipient or channel; an hour takes 1000 where a minute takes 60"`
	OrgMinute        int      `env:"MAX_ORGANIZATION_EVENTS_PER_MINUTE" envDefault:"600" help:"events a minute to all of an organization"`
	MaxAttempts      int      `env:"MAX_DELIVERY_ATTEMPTS" envDefault:"12" help:"tries at one event that Pusher refuses, before it is dead"`
	MaxDelay         int      `env:"MAX_DELIVERY_DELAY" envDefault:"600" help:"seconds after which what waits is folded into one catch_up"`
	RetentionDays    int      `env:"NOTIFICATION_RETENTION_DAYS" envDefault:"30" help:"days that history can be fetched for"`
	Auth             httpapi.AuthConfig
	CORS             httpapi.CORSConfig
	PublicAPIURL     string     `env:"PUBLIC_API_URL" help:"where clients reach the API, for links in events; without it a link is a path"`
	LogLevel         slog.Level `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	MetricsNamespace string     `env:"METRICS_NAMESPACE" envDefault:"Satchel" help:"CloudWatch namespace of the metrics; one for each stack of an account"`
}

// Validate checks what the types cannot say.
func (c Config) Validate() error {
	var all []error
	if c.PusherCluster == "" && c.PusherHost == "" {
		all = append(all, errors.New("PUSHER_CLUSTER: is required without PUSHER_HOST"))
	}
	for name, value := range map[string]int{
		"MAX_REQUESTS_PER_MINUTE": c.PerMinute, "MAX_ORGANIZATION_EVENTS_PER_MINUTE": c.OrgMinute,
		"MAX_DELIVERY_ATTEMPTS": c.MaxAttempts, "MAX_DELIVERY_DELAY": c.MaxDelay,
		"NOTIFICATION_RETENTION_DAYS": c.RetentionDays,
	} {
		if value < 1 || value > 1_000_000 {
			all = append(all, fmt.Errorf("%s: must be between 1 and 1000000", name))
		}
	}
	if _, err := topic.NewRules(c.Topics); err != nil {
		all = append(all, fmt.Errorf("NOTIFICATION_TOPICS: %w", err))
	}
	return errors.Join(all...)
}

func (c Config) delivery() dispatch.Config {
	return dispatch.Config{
		Paced: c.Paced, PerMinute: c.PerMinute, OrgMinute: c.OrgMinute, MaxAttempts: c.MaxAttempts,
		MaxDelay: time.Duration(c.MaxDelay) * time.Second, BaseURL: c.PublicAPIURL,
	}
}
