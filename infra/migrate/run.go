package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// database is the one to migrate.
type database struct {
	URL      string `env:"DATABASE_URL,required" help:"postgres:// URL with the role that owns the database and may make roles"`
	Platform string `env:"PLATFORM_ROLE" help:"the platform's own database role, which may then write agents and executions; it has to exist"`
	IAMAuth  bool   `env:"DATABASE_IAM_AUTH" envDefault:"false" help:"sign in with an RDS IAM token instead of a password"`
}

// request is what is to be done; To is for down alone, which will not guess it.
type request struct {
	Command string `json:"command"`
	To      *int64 `json:"to,omitempty"`
}

// result lists what up applied, down took back, or status found.
type result struct {
	Migrations []migrations.Migration `json:"migrations"`
}

func (d database) run(ctx context.Context, r request) (result, error) {
	owner := d.URL
	if d.IAMAuth {
		var err error
		if owner, err = signIn(ctx, owner); err != nil {
			return result{}, err
		}
	}
	var (
		steps []migrations.Migration
		err   error
	)
	switch {
	case r.Command == "up" && r.To == nil:
		if steps, err = migrations.Up(ctx, owner, nil); err == nil && d.Platform != "" {
			err = migrations.AdmitPlatform(ctx, owner, d.Platform)
		}
	case r.Command == "status" && r.To == nil:
		steps, err = migrations.Status(ctx, owner)
	case r.Command == "down" && r.To != nil:
		steps, err = migrations.Down(ctx, owner, *r.To)
	default:
		err = errors.New(
			`want the command "up", "status", or "down" with the version to go down to`,
		)
	}
	return result{steps}, err
}

// command is run for people.
func (d database) command(ctx context.Context, args []string, out io.Writer) error {
	var r request
	if len(args) > 0 {
		r.Command = args[0]
	}
	if len(args) > 1 {
		to, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return fmt.Errorf("version %q is not a number", args[1])
		}
		r.To = &to
	}
	done, err := d.run(ctx, r)
	if err != nil && len(done.Migrations) == 0 {
		return err
	}
	return errors.Join(err, show(out, r.Command, done.Migrations))
}

func show(out io.Writer, command string, steps []migrations.Migration) error {
	var lines bytes.Buffer
	for _, m := range steps {
		state := "pending"
		switch {
		case command == "down":
			state = "taken back"
		case !m.AppliedAt.IsZero():
			state = "applied " + m.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(&lines, "%-30s %s\n", m.Name, state)
	}
	if len(steps) == 0 {
		lines.WriteString("nothing to do\n")
	}
	_, err := out.Write(lines.Bytes())
	return err
}
