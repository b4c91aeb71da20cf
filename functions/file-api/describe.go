package main

import (
	"os"

	"github.com/toolboxai-solutions/satchel/shared/httpapi"
	"github.com/toolboxai-solutions/satchel/shared/lambdaevent"
)

// describe answers -describe-api and -describe-events, and reports whether one was asked.
func describe() (bool, error) {
	addRoutes := func(api *httpapi.API) { routes(api, Config{}, nil) }
	described, err := httpapi.Describe(os.Args, os.Stdout, title, version, addRoutes)
	if described || err != nil {
		return described, err
	}
	return lambdaevent.Describe(os.Args, os.Stdout, lambdaevent.Handler{
		HTTP:      &httpapi.API{},
		Schedules: schedules(nil),
	})
}
