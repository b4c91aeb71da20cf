package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/migrations"
)

// command is run for people: lines for migrations, JSON for organizations and members.
func (d database) command(ctx context.Context, args []string, out io.Writer) error {
	r, err := read(args)
	if err != nil {
		return err
	}
	done, err := d.run(ctx, r)
	if done.Migrations != nil {
		if err != nil && len(done.Migrations) == 0 {
			return err
		}
		return errors.Join(err, show(out, r.Command, done.Migrations))
	}
	if err != nil {
		return err
	}
	lines := json.NewEncoder(out)
	lines.SetIndent("", "  ")
	lines.SetEscapeHTML(false)
	return lines.Encode(done)
}

// read takes `up`, `down 3`, or a noun and a verb with the organization and flags behind them.
func read(args []string) (r request, err error) {
	if len(args) == 0 {
		return r, errCommand
	}
	if args[0] == "organization" || args[0] == "member" {
		if len(args) < 3 {
			return r, fmt.Errorf("want %s <verb> <organization>: %w", args[0], errCommand)
		}
		r.Command, r.Organization = args[0]+" "+args[1], args[2]
		return r, flags(&r, args[3:])
	}
	r.Command = args[0]
	if len(args) == 1 {
		return r, nil
	}
	to, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil || len(args) > 2 {
		return r, fmt.Errorf("%q is not one version to go down to", args[1:])
	}
	r.To = &to
	return r, nil
}

func flags(r *request, args []string) error {
	set := flag.NewFlagSet(r.Command, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	switch r.Command {
	case "organization add":
		set.StringVar(&r.Name, "name", "", "its name")
	case "member add":
		set.StringVar(&r.Role, "role", "", "member, staff or admin")
		set.StringVar(&r.Email, "email", "", "for people who read the list")
		fallthrough
	case "member remove":
		set.StringVar(&r.Issuer, "issuer", "", "iss of the member's tokens")
		set.StringVar(&r.Subject, "subject", "", "sub of the member's tokens")
	}
	if err := set.Parse(args); err != nil {
		return fmt.Errorf("%s: %w", r.Command, err)
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%s: what is %q?", r.Command, set.Arg(0))
	}
	return nil
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
