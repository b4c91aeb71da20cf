package queue

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Limits of SQS.
const (
	maxBody       = 1 << 20
	maxBatch      = 10
	maxDelay      = 900
	maxVisibility = 43_200
	maxWait       = 20
)

// request has the fields of every action; each reads its own.
type request struct {
	QueueUrl                    string
	MessageBody                 string
	DelaySeconds                int
	MessageAttributes           map[string]attribute
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             int
	AttributeNames              []string // of a queue; of a message, in older clients
	MessageSystemAttributeNames []string
	ReceiptHandle               string
}

func (r request) queue() string { return r.QueueUrl[strings.LastIndex(r.QueueUrl, "/")+1:] }

type action func(s *Server, ctx context.Context, r request) (any, error)

type empty struct{}

func actions() map[string]action {
	return map[string]action{
		"SendMessage":             sendMessage,
		"ReceiveMessage":          receiveMessage,
		"DeleteMessage":           deleteMessage,
		"ChangeMessageVisibility": changeMessageVisibility,
		"GetQueueAttributes":      getQueueAttributes,
	}
}

func sendMessage(s *Server, _ context.Context, r request) (any, error) {
	switch {
	case r.MessageBody == "":
		return nil, apiError{code: "MissingParameter",
			message: "The request must contain the parameter MessageBody."}
	case len(r.MessageBody) > maxBody:
		return nil, invalid("One or more parameters are invalid. Reason: Message must be " +
			"shorter than 1048576 bytes.")
	case r.DelaySeconds < 0 || r.DelaySeconds > maxDelay:
		return nil, invalid("Value for parameter DelaySeconds is invalid. Reason: " +
			"DelaySeconds must be >= 0 and <= 900.")
	}
	m, err := s.send(r.queue(), r.MessageBody, r.MessageAttributes,
		time.Duration(r.DelaySeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	return map[string]string{"MessageId": m.ID, "MD5OfMessageBody": md5Hex(m.Body)}, nil
}

func deleteMessage(s *Server, _ context.Context, r request) (any, error) {
	return empty{}, s.remove(r.queue(), r.ReceiptHandle)
}

func changeMessageVisibility(s *Server, _ context.Context, r request) (any, error) {
	if r.VisibilityTimeout == nil {
		return nil, apiError{code: "MissingParameter",
			message: "The request must contain the parameter VisibilityTimeout."}
	}
	hidden, err := visibility(r.VisibilityTimeout)
	if err != nil {
		return nil, err
	}
	return empty{}, s.changeVisibility(r.queue(), r.ReceiptHandle, *hidden)
}

func visibility(seconds *int) (*time.Duration, error) {
	if seconds == nil {
		return nil, nil
	}
	if *seconds < 0 || *seconds > maxVisibility {
		return nil, invalid("Value for parameter VisibilityTimeout is invalid. Reason: must be " +
			">= 0 and <= 43200.")
	}
	hidden := time.Duration(*seconds) * time.Second
	return &hidden, nil
}

type received struct {
	MessageId, ReceiptHandle, Body, MD5OfBody string
	Attributes                                map[string]string    `json:",omitempty"`
	MessageAttributes                         map[string]attribute `json:",omitempty"`
}

func receiveMessage(s *Server, ctx context.Context, r request) (any, error) {
	limit := 1
	if r.MaxNumberOfMessages != nil {
		limit = *r.MaxNumberOfMessages
	}
	if limit < 1 || limit > maxBatch {
		return nil, invalid("Value for parameter MaxNumberOfMessages is invalid. Reason: must be " +
			"between 1 and 10, if provided.")
	}
	if r.WaitTimeSeconds < 0 || r.WaitTimeSeconds > maxWait {
		return nil, invalid("Value for parameter WaitTimeSeconds is invalid. Reason: must be >= " +
			"0 and <= 20, if provided.")
	}
	hidden, err := visibility(r.VisibilityTimeout)
	if err != nil {
		return nil, err
	}
	got, err := s.receive(ctx, r.queue(), limit, hidden,
		time.Duration(r.WaitTimeSeconds)*time.Second)
	if err != nil {
		return nil, err
	}
	answer := struct{ Messages []received }{Messages: []received{}}
	system := append(r.MessageSystemAttributeNames, r.AttributeNames...)
	for _, m := range got {
		answer.Messages = append(answer.Messages, received{
			MessageId: m.ID, ReceiptHandle: receiptHandle(&m), Body: m.Body,
			MD5OfBody: md5Hex(m.Body), Attributes: chosen(systemAttributes(m), system),
			MessageAttributes: chosen(m.Attributes, r.MessageAttributeNames),
		})
	}
	return answer, nil
}

func getQueueAttributes(s *Server, _ context.Context, r request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.queue(r.queue())
	if err != nil {
		return nil, err
	}
	waiting, delayed, inFlight := q.count(s.now())
	all := map[string]string{
		"QueueArn":                              arn(q.Name),
		"VisibilityTimeout":                     strconv.Itoa(int(q.Visibility.Seconds())),
		"ApproximateNumberOfMessages":           strconv.Itoa(waiting),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(delayed),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(inFlight),
	}
	if q.MaxReceives > 0 {
		all["RedrivePolicy"] = `{"deadLetterTargetArn":"` + arn(q.DeadLetter) +
			`","maxReceiveCount":` + strconv.Itoa(q.MaxReceives) + `}`
	}
	return map[string]any{"Attributes": chosen(all, r.AttributeNames)}, nil
}
