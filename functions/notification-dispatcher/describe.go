package main

import (
	"net/http"
	"os"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
)

// describe answers what infra asks of the binary: its routes, or the events that it takes.
func describe() (bool, error) {
	described, err := httpapi.Describe(os.Args, os.Stdout, title, version,
		func(api *httpapi.API) { routes(api, &handlers{}) })
	if described || err != nil {
		return described, err
	}
	return lambdaevent.Describe(os.Args, os.Stdout, lambdaevent.Handler{
		HTTP: http.NotFoundHandler(), SQS: parts{}.deliver, Schedules: parts{}.schedules(),
	})
}
