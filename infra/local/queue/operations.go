package queue

import (
	"context"
	"errors"
	"slices"
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
	QueueUrl, QueueName         string
	MessageBody                 string
	DelaySeconds                int
	MessageAttributes           map[string]attribute
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             int
	AttributeNames              []string // of a queue; of a message, in older clients
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	ReceiptHandle               string
	Entries                     []batchEntry
}

type batchEntry struct {
	Id                string
	MessageBody       string
	DelaySeconds      int
	MessageAttributes map[string]attribute
	ReceiptHandle     string
	VisibilityTimeout *int
}

func (r request) queue() string { return r.QueueUrl[strings.LastIndex(r.QueueUrl, "/")+1:] }

type action func(s *Server, ctx context.Context, r request) (any, error)

type empty struct{}

func actions() map[string]action {
	return map[string]action{
		"SendMessage":             sendMessage,
		"SendMessageBatch":        sendMessageBatch,
		"ReceiveMessage":          receiveMessage,
		"DeleteMessage":           deleteMessage,
		"DeleteMessageBatch":      deleteMessageBatch,
		"ChangeMessageVisibility": changeMessageVisibility,
		"ChangeMessageVisibilityBatch": func(s *Server, _ context.Context, r request) (any, error) {
			return batch(s, r, func(e batchEntry) (any, error) {
				return sent{Id: e.Id}, s.setVisibility(r.queue(), e.ReceiptHandle,
					e.VisibilityTimeout)
			})
		},
		"GetQueueUrl":        getQueueURL,
		"GetQueueAttributes": getQueueAttributes,
		"PurgeQueue": func(s *Server, _ context.Context, r request) (any, error) {
			return empty{}, s.purge(r.queue())
		},
	}
}

// sent is also the answer of each entry in a batch.
type sent struct {
	Id                     string `json:",omitempty"`
	MessageId              string `json:",omitempty"`
	MD5OfMessageBody       string `json:",omitempty"`
	MD5OfMessageAttributes string `json:",omitempty"`
}

func (s *Server) accept(r request, id, body string, delay int,
	attributes map[string]attribute) (sent, error) {
	switch {
	case body == "":
		return sent{}, apiError{code: "MissingParameter",
			message: "The request must contain the parameter MessageBody."}
	case len(body)+attributesSize(attributes) > maxBody:
		return sent{}, invalid("One or more parameters are invalid. Reason: Message must be " +
			"shorter than 1048576 bytes.")
	case delay < 0 || delay > maxDelay:
		return sent{}, invalid("Value for parameter DelaySeconds is invalid. Reason: " +
			"DelaySeconds must be >= 0 and <= 900.")
	}
	m, err := s.send(r.queue(), outgoing{Body: body, Delay: time.Duration(delay) * time.Second,
		Attributes: attributes})
	if err != nil {
		return sent{}, err
	}
	return sent{Id: id, MessageId: m.ID, MD5OfMessageBody: md5Hex(m.Body),
		MD5OfMessageAttributes: attributesMD5(attributes)}, nil
}

func sendMessage(s *Server, _ context.Context, r request) (any, error) {
	return s.accept(r, "", r.MessageBody, r.DelaySeconds, r.MessageAttributes)
}

func sendMessageBatch(s *Server, _ context.Context, r request) (any, error) {
	total := 0
	for _, e := range r.Entries {
		total += len(e.MessageBody) + attributesSize(e.MessageAttributes)
	}
	if total > maxBody {
		return nil, apiError{code: "BatchRequestTooLong",
			query:   "AWS.SimpleQueueService.BatchRequestTooLong",
			message: "Batch requests cannot be longer than 1048576 bytes."}
	}
	return batch(s, r, func(e batchEntry) (any, error) {
		return s.accept(r, e.Id, e.MessageBody, e.DelaySeconds, e.MessageAttributes)
	})
}

func deleteMessage(s *Server, _ context.Context, r request) (any, error) {
	return empty{}, s.remove(r.queue(), r.ReceiptHandle)
}

func deleteMessageBatch(s *Server, _ context.Context, r request) (any, error) {
	return batch(s, r, func(e batchEntry) (any, error) {
		return sent{Id: e.Id}, s.remove(r.queue(), e.ReceiptHandle)
	})
}

func changeMessageVisibility(s *Server, _ context.Context, r request) (any, error) {
	return empty{}, s.setVisibility(r.queue(), r.ReceiptHandle, r.VisibilityTimeout)
}

func (s *Server) setVisibility(name, handle string, seconds *int) error {
	if seconds == nil {
		return apiError{code: "MissingParameter",
			message: "The request must contain the parameter VisibilityTimeout."}
	}
	hidden, err := visibility(seconds)
	if err != nil {
		return err
	}
	return s.changeVisibility(name, handle, *hidden)
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

// batch does one thing for each entry; an entry that fails fails alone.
func batch(s *Server, r request, do func(batchEntry) (any, error)) (any, error) {
	type failed struct {
		Id, Code, Message string
		SenderFault       bool
	}
	answer := struct {
		Successful []any
		Failed     []failed
	}{Successful: []any{}, Failed: []failed{}}
	if err := s.checkBatch(r); err != nil {
		return nil, err
	}
	for _, e := range r.Entries {
		done, err := do(e)
		var told apiError
		switch {
		case err == nil:
			answer.Successful = append(answer.Successful, done)
		case errors.As(err, &told):
			answer.Failed = append(answer.Failed,
				failed{Id: e.Id, Code: told.code, Message: told.message, SenderFault: true})
		default:
			return nil, err
		}
	}
	return answer, nil
}

func (s *Server) checkBatch(r request) error {
	if _, ok := s.queues[r.queue()]; !ok {
		_, err := s.queue(r.queue())
		return err
	}
	const old = "AWS.SimpleQueueService."
	if len(r.Entries) == 0 {
		return apiError{code: "EmptyBatchRequest", query: old + "EmptyBatchRequest",
			message: "There should be at least one entry in the request."}
	}
	if len(r.Entries) > maxBatch {
		return apiError{code: "TooManyEntriesInBatchRequest",
			query:   old + "TooManyEntriesInBatchRequest",
			message: "Maximum number of entries per request are 10."}
	}
	var ids []string
	for _, e := range r.Entries {
		if slices.Contains(ids, e.Id) {
			return apiError{code: "BatchEntryIdsNotDistinct",
				query: old + "BatchEntryIdsNotDistinct", message: "Id " + e.Id + " repeated."}
		}
		ids = append(ids, e.Id)
	}
	return nil
}

type received struct {
	MessageId, ReceiptHandle, Body, MD5OfBody string
	MD5OfMessageAttributes                    string               `json:",omitempty"`
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
		own := chosen(m.Attributes, r.MessageAttributeNames)
		answer.Messages = append(answer.Messages, received{
			MessageId: m.ID, ReceiptHandle: receiptHandle(&m), Body: m.Body,
			MD5OfBody:         md5Hex(m.Body),
			Attributes:        chosen(systemAttributes(m), system),
			MessageAttributes: own, MD5OfMessageAttributes: attributesMD5(own),
		})
	}
	return answer, nil
}

func getQueueURL(s *Server, _ context.Context, r request) (any, error) {
	if _, err := s.queue(r.QueueName); err != nil {
		return nil, err
	}
	return map[string]string{"QueueUrl": s.URL(r.QueueName)}, nil
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
