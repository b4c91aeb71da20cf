// Command fn is a Lambda function that misbehaves on demand.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string
	Bytes int
	For   time.Duration
}

type answer struct {
	PID      int
	Calls    int
	Env      map[string]string
	Request  string
	ARN      string
	Trace    string
	Deadline time.Time
	Scratch  string
	Child    int
	Padding  string
}

type teapotError struct{}

func (teapotError) Error() string { return "short and stout" }

func main() {
	if os.Getenv("FAIL_INIT") != "" {
		fmt.Fprint(os.Stderr, "no way to start")
		os.Exit(2)
	}
	calls := 0
	lambda.Start(func(ctx context.Context, raw json.RawMessage) (any, error) {
		calls++
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		fmt.Println("doing", e.Do)
		a := answer{PID: os.Getpid(), Calls: calls, Env: environment(), Scratch: os.TempDir()}
		a.Deadline, _ = ctx.Deadline()
		if lc, ok := lambdacontext.FromContext(ctx); ok {
			a.Request, a.ARN = lc.AwsRequestID, lc.InvokedFunctionArn
		}
		a.Trace, _ = ctx.Value("x-amzn-trace-id").(string)
		err := do(e, &a)
		return a, err
	})
}

func do(e event, a *answer) error {
	switch e.Do {
	case "error":
		return errors.New("it went wrong")
	case "typed":
		return teapotError{}
	case "panic":
		panic("ouch")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(e.For)
	case "hog":
		hog := make([]byte, e.Bytes)
		for i := range hog {
			hog[i] = byte(i)
		}
		time.Sleep(e.For)
		a.Padding = string(hog[:1])
	case "work":
		var used syscall.Rusage
		for time.Duration(used.Utime.Nano()+used.Stime.Nano()) < e.For {
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
				return err
			}
		}
	case "large":
		a.Padding = strings.Repeat("x", e.Bytes)
	case "child":
		child := exec.Command("sleep", "60")
		if err := child.Start(); err != nil {
			return err
		}
		a.Child = child.Process.Pid
	case "orphan":
		child := exec.Command("sleep", "60")
		if err := child.Start(); err != nil {
			return err
		}
		fmt.Printf("child %d.\n", child.Process.Pid)
		os.Exit(7)
	}
	return nil
}

func environment() map[string]string {
	all := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		all[name] = value
	}
	return all
}
