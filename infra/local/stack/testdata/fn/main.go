// Command fn stands for every function of a stack: it answers HTTP, prints what the queue brings and refuses poison.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	events.APIGatewayV2HTTPRequest
	Records  []events.SQSMessage
	Schedule string
}

func main() {
	lambda.Start(func(_ context.Context, e event) (any, error) {
		switch {
		case e.Schedule != "":
			return map[string]string{"fired": e.Schedule, "function": os.Getenv("AWS_LAMBDA_FUNCTION_NAME")}, nil
		case e.RawPath == "/v1/files/hang":
			fmt.Println("hanging")
			time.Sleep(time.Minute)
			return nil, nil
		case e.RawPath != "":
			body, err := json.Marshal(map[string]string{
				"function": os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "added": os.Getenv("ADDED"), "path": e.RawPath,
				"database": os.Getenv("DATABASE_URL"), "queue": os.Getenv("INGEST_QUEUE_URL"),
			})
			return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: string(body)}, err
		}
		var failed events.SQSEventResponse
		for _, message := range e.Records {
			fmt.Println("received", message.Body)
			if strings.Contains(message.Body, "poison") {
				failed.BatchItemFailures = append(failed.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
			}
		}
		return failed, nil
	})
}
