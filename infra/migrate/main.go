// Command migrate brings the database at DATABASE_URL, which names its owner,
// to the newest schema, and makes the roles that the functions sign in as:
//
//	go run ./infra/migrate up
//	go run ./infra/migrate status
//	go run ./infra/migrate down 0
//
// It also makes what a new system starts from, and is the one place that does: a school and its
// first admin.
//
//	go run ./infra/migrate organization add oak-street-school -name "Oak Street School"
//	go run ./infra/migrate member add oak-street-school -subject 248289761001 -role admin
//	go run ./infra/migrate member list oak-street-school
//
// The same binary is a Lambda, which takes {"command":"up"} and {"command":"member
// add","organization":"oak-street-school","subject":"248289761001","role":"admin"}.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/toolboxai-solutions/satchel/shared/settings"
)

func main() {
	settings.Main(func(ctx context.Context, d database) error {
		if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
			lambda.StartWithOptions(d.run, lambda.WithContext(ctx))
			return nil
		}
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
		return d.command(ctx, os.Args[1:], os.Stdout)
	})
}
