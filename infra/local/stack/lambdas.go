package stack

import (
	"maps"

	"github.com/toolboxai-solutions/satchel/infra/local/gateway"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/schedule"
	"github.com/toolboxai-solutions/satchel/infra/template"
)

// lambda is a function of the template as it runs here.
func (s *Stack) lambda(fn template.Function, bin string) runtime.Function {
	f := runtime.Function{
		Name: fn.Name, Binary: bootstrap(bin, folder(fn)), Env: maps.Clone(fn.Environment),
		Timeout: fn.Timeout, MemoryMB: fn.MemoryMB, Concurrency: fn.Concurrency,
	}
	for _, d := range differences() {
		if d.function != nil {
			d.function(s, fn, &f)
		}
	}
	return f
}

// queues are those of the template as they are here.
func (s *Stack) queues() []template.Queue {
	var all []template.Queue
	for _, q := range s.deployment.Queues {
		for _, d := range differences() {
			if d.queue != nil {
				d.queue(s, &q)
			}
		}
		all = append(all, q)
	}
	return all
}

func (s *Stack) schedules() []schedule.Schedule {
	var all []schedule.Schedule
	for _, fn := range s.deployment.Functions {
		for _, t := range fn.Schedules {
			one := schedule.Schedule{Name: t.Name, Function: fn.Name, Every: t.Rate, Input: t.Input}
			for _, d := range differences() {
				if d.schedule != nil {
					d.schedule(&one)
				}
			}
			all = append(all, one)
		}
	}
	return all
}

func (s *Stack) mappings(function string) []template.Mapping {
	for _, fn := range s.deployment.Functions {
		if fn.Name == function {
			return fn.Mappings
		}
	}
	return nil
}

func (s *Stack) routes() []gateway.Route {
	var all []gateway.Route
	for _, fn := range s.deployment.Functions {
		for _, r := range fn.Routes {
			all = append(all, gateway.Route{Route: r, Function: fn.Name})
		}
	}
	return all
}
