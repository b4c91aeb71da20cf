// Package httpapi is the HTTP layer that functions share: routes with their OpenAPI description,
// sign-in, one transaction per request, problems (RFC 9457), rate limits, idempotency keys and
// cursors.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jackc/pgx/v5"

	"github.com/toolboxai-solutions/satchel/shared/tenant"
	"github.com/toolboxai-solutions/satchel/shared/tenantdb"
)

// Config is what an API is made of. To describe an API and not to serve it, only Title and Version
// are needed.
type Config struct {
	Title   string
	Version string
	DB      *tenantdb.DB
	Auth    AuthConfig
	CORS    CORSConfig
	// Doorbell is rung after the commit of an operation that Tells; nil: nobody is told.
	Doorbell func(context.Context)
	Document []byte // served at /v1/openapi.json without sign-in; nil: not served
	// nil: time.Now; for the times in tokens alone, limits and keys use the database's clock
	Now func() time.Time
	Log *slog.Logger // nil: slog.Default()
}

// maxBody bounds a request's body. Files travel to storage, not through here.
const maxBody = 256 << 10

// API is an http.Handler whose routes Read and Write add.
type API struct {
	huma     huma.API
	mux      *http.ServeMux
	db       *tenantdb.DB
	verifier *verifier
	jit      bool
	cors     CORSConfig
	doorbell func(context.Context)
	log      *slog.Logger
	prefix   string   // of schema names, see PrefixSchemas
	shallow  sync.Map // *huma.Schema to its level, see level
}

// New returns an API without routes.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	mux := http.NewServeMux()
	api := &API{
		mux: mux, db: c.DB, verifier: newVerifier(c.Auth, c.Now, c.Log), jit: c.Auth.JITMembership,
		cors: c.CORS, doorbell: c.Doorbell, log: c.Log,
	}
	api.huma = humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: c.Title, Version: c.Version},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", api.schemaName),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					bearerScheme: {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
				},
			},
		},
		Formats: map[string]huma.Format{
			"application/json": jsonFormat(), "json": jsonFormat(),
			// with its parameters no Accept header chooses it for a body that is no table
			CSV: {Marshal: marshalText},
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{translate},
	})
	if c.Document != nil {
		api.serveDocument(c.Document)
	}
	return api
}

const bearerScheme = "bearer"

// Handler answers one request inside its transaction. Its error rolls the transaction back and
// becomes a problem: a *fault.Error one that says what to do, any other a 500 that says nothing.
type Handler[I, O any] func(ctx context.Context, tx pgx.Tx, c tenant.Caller, in *I) (*O, error)

// Read adds a route that every member may use, also when the organization is suspended or
// cancelled. I and O follow huma: fields with path, query and header tags, and Body. Each statement
// of its handler is a transaction of its own (tenantdb.Read), so it changes nothing.
func Read[I, O any](api *API, op huma.Operation, handle Handler[I, O]) {
	register(api, op, handle, reading)
}

// ReadRecorded adds a route that reads and writes down who did: open to the members of a suspended
// organization as Read is, and counted as a write, except HEAD, which may leave no record.
func ReadRecorded[I, O any](api *API, op huma.Operation, handle Handler[I, O]) {
	register(api, op, handle, recording)
}

// Write adds a route that changes something. It is refused for an organization that is suspended or
// cancelled, and counts against the limits per minute of the organization and of the user.
func Write[I, O any](api *API, op huma.Operation, handle Handler[I, O]) {
	register(api, op, handle, writing)
}

// Own adds a route by which a member writes down what is theirs alone and grows no further, such as
// how far they have read: open to the members of a suspended organization, and not counted, because
// all of them may do it at once.
func Own[I, O any](api *API, op huma.Operation, handle Handler[I, O]) {
	register(api, op, handle, owning)
}

type access int

const (
	reading access = iota
	owning
	recording
	writing
)

func register[I, O any](api *API, op huma.Operation, handle Handler[I, O], how access) {
	op = api.describe(op, how)
	checks := huma.Middlewares{api.signIn, api.enter(how), api.checkRequest}
	op.Middlewares = append(checks, op.Middlewares...)
	op.SkipValidateBody = true // checkRequest has done it
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBody
	}
	huma.Register(api.huma, op, func(ctx context.Context, in *I) (*O, error) {
		c, ok := ctx.Value(callerKey{}).(tenant.Caller)
		if !ok {
			return nil, api.problemOf(ctx, errors.New("the route was reached without sign-in"))
		}
		inTransaction := api.db.InTenant
		if how == reading {
			inTransaction = api.db.Read
		}
		var out *O
		err := inTransaction(ctx, c.Organization, func(tx pgx.Tx) (err error) {
			if out, err = handle(ctx, tx, c, in); err != nil {
				return err
			}
			return encode(ctx, out)
		})
		if err != nil {
			return nil, api.problemOf(ctx, fmt.Errorf("%s: %w", op.OperationID, err))
		}
		if op.Metadata[tells] == true && api.doorbell != nil {
			api.doorbell(ctx)
		}
		return out, nil
	})
	api.finish(op.Method, op.Path)
}

// tells is what an operation's metadata has where Tells put it.
const tells = "tells"

// Tells marks an operation that may promise notifications: Config.Doorbell is rung once its
// transaction has committed.
func Tells(op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{tells: true}
	return op
}

// Open adds a route without sign-in. The handler finds out by itself who asks, reads the body as it
// came, and opens the transactions that it needs. In the document, one of schemes says who may ask.
func Open[I, O any](api *API, op huma.Operation, schemes map[string]*huma.SecurityScheme,
	handle func(context.Context, *I) (*O, error)) {
	op = api.describe(op, reading)
	op.Security = nil
	for name, scheme := range schemes {
		op.Security = append(op.Security, map[string][]string{name: {}})
		api.huma.OpenAPI().Components.SecuritySchemes[name] = scheme
	}
	slices.SortFunc(op.Security, func(a, b map[string][]string) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	})
	op.SkipValidateBody = true
	op.Middlewares = append(huma.Middlewares{api.named}, op.Middlewares...)
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBody
	}
	huma.Register(api.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err == nil {
			err = encode(ctx, out)
		}
		if err != nil {
			return nil, api.problemOf(ctx, fmt.Errorf("%s: %w", op.OperationID, err))
		}
		return out, nil
	})
}

// named tells the access log which route it was.
func (a *API) named(ctx huma.Context, next func(huma.Context)) {
	accessRecordOf(ctx.Context()).route = ctx.Operation().Method + " " + ctx.Operation().Path
	next(ctx)
}
