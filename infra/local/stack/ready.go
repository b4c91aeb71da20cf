package stack

import (
	"encoding/json"
	"fmt"
	"os"
)

// Ready tells where everything is. It is what the ready-file holds.
type Ready struct {
	API    string `json:"api"`
	Issuer string `json:"issuer"`
	// DatabaseURL sees every row of every organization; it is for looking, and no function has it.
	DatabaseURL string `json:"database_url"`
	// Roles are the addresses that the entries sign in with.
	Roles map[string]string `json:"roles"`
	S3    S3                `json:"s3"`
	// Pusher is where the channels are.
	Pusher Pusher `json:"pusher"`
}

// S3 tells how to reach the objects.
type S3 struct {
	Endpoint  string  `json:"endpoint"`
	Region    string  `json:"region"`
	AccessKey string  `json:"access_key"`
	SecretKey string  `json:"secret_key"`
	Buckets   Buckets `json:"buckets"`
}

// Buckets by what they are for.
type Buckets struct {
	Incoming   string `json:"incoming"`
	Files      string `json:"files"`
	Quarantine string `json:"quarantine"`
}

// Write writes the ready-file so that nobody ever reads half of it.
func (r Ready) Write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the ready-file: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the ready-file: %w", err)
	}
	return nil
}
