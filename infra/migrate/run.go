package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// database is the one to migrate.
type database struct {
	URL      string `env:"DATABASE_URL,required" help:"postgres:// URL with the role that owns the database and may make roles"`
	Platform string `env:"PLATFORM_ROLE" help:"the platform's own database role, which may then write agents and executions; it has to exist"`
	IAMAuth  bool   `env:"DATABASE_IAM_AUTH" envDefault:"false" help:"sign in with an RDS IAM token instead of a password"`
	Issuer   string `env:"AUTH_ISSUER" help:"the exact iss of tokens, for members that are named by their subject alone"`
}

// request is what is to be done.
type request struct {
	Command      string `json:"command"`
	To           *int64 `json:"to,omitempty"`           // of down alone, which will not guess it
	Organization string `json:"organization,omitempty"` // slug, or id
	Name         string `json:"name,omitempty"`         // of a new organization; its slug when empty
	Issuer       string `json:"issuer,omitempty"`       // iss and sub of a member's tokens
	Subject      string `json:"subject,omitempty"`
	Email        string `json:"email,omitempty"`
	Role         string `json:"role,omitempty"` // member, staff or admin; empty keeps the one that is there
}

// result holds what the command is about.
type result struct {
	Migrations   []migrations.Migration `json:"migrations,omitzero"` // what up applied, down took back, or status found
	Organization *organization          `json:"organization,omitempty"`
	Member       *member                `json:"member,omitempty"`
	Members      []member               `json:"members,omitzero"`
	Changed      *bool                  `json:"changed,omitempty"` // false: all was as wanted before
}

var errCommand = errors.New(
	`want the command "up", "status", "down" with the version to go down to, "organization add", "organization suspend", ` +
		`"organization resume", "member add", "member remove" or "member list"`)

// commands are those on organizations and their members.
var commands = map[string]func(ownerTx, context.Context) (result, error){
	"organization add":     ownerTx.addOrganization,
	"organization suspend": ownerTx.suspendOrganization,
	"organization resume":  ownerTx.resumeOrganization,
	"member add":           ownerTx.addMember,
	"member remove":        ownerTx.removeMember,
	"member list":          ownerTx.listMembers,
}

func (d database) run(ctx context.Context, r request) (result, error) {
	owner := d.URL
	if d.IAMAuth {
		var err error
		if owner, err = signIn(ctx, owner); err != nil {
			return result{}, err
		}
	}
	r.Issuer = cmp.Or(r.Issuer, d.Issuer)
	if do := commands[r.Command]; do != nil {
		return asOwner(ctx, owner, r, func(t ownerTx) (result, error) { return do(t, ctx) })
	}
	steps, err := d.migrate(ctx, owner, r)
	return result{Migrations: append([]migrations.Migration{}, steps...)}, err
}

func (d database) migrate(ctx context.Context, owner string,
	r request) ([]migrations.Migration, error) {
	switch {
	case r.Command == "up" && r.To == nil:
		steps, err := migrations.Up(ctx, owner, nil)
		if err == nil && d.Platform != "" {
			err = migrations.AdmitPlatform(ctx, owner, d.Platform)
		}
		return steps, err
	case r.Command == "status" && r.To == nil:
		return migrations.Status(ctx, owner)
	case r.Command == "down" && r.To != nil:
		return migrations.Down(ctx, owner, *r.To)
	}
	return nil, errCommand
}
