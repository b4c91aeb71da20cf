package stack

import (
	"cmp"
	"context"
	"time"

	"github.com/toolboxai-solutions/satchel/infra/local/gateway"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
)

// maxReceives is how often an event is tried before it is a dead letter, as in template.yaml.
const maxReceives = 10

// visibility is a little longer than the function may take, so that no event is worked on twice at once.
func (s *Stack) visibility() time.Duration {
	for _, l := range lambdas() {
		if l.name == FileProcessing {
			return cmp.Or(s.options.Visibility, l.timeout+time.Second)
		}
	}
	return s.options.Visibility
}

// startStorage starts the queue and the buckets, whose events go to the queue.
func (s *Stack) startStorage(ctx context.Context) (string, error) {
	var err error
	if s.Queue, err = queue.Start(queue.Options{Dir: s.directory.in("queue"), Queues: []queue.Config{
		{Name: ingestDeadLetter},
		{Name: IngestQueue, Visibility: s.visibility(), DeadLetter: ingestDeadLetter, MaxReceives: maxReceives},
	}}); err != nil {
		return "", err
	}
	s.atStop(s.Queue.Stop)
	s.S3, err = s3.Start(ctx, s3.Options{
		Dir: s.directory.in("s3"), Buckets: s3.Buckets(buckets),
		Notify: func(_ string, event []byte) {
			if err := s.Queue.Send(IngestQueue, string(event)); err != nil {
				s.log.Error("storage event lost", "error", err)
			}
		},
	})
	if err != nil {
		return "", err
	}
	s.atStop(s.S3.Stop)
	s.Ready.S3 = S3{
		Endpoint: s.S3.Endpoint, Region: s.S3.Region, AccessKey: s.S3.AccessKey, SecretKey: s.S3.SecretKey, Buckets: buckets,
	}
	return s.S3.Endpoint, nil
}

// poll brings what is in the queue to the function, one event at a time as in template.yaml, to as many
// sandboxes as there may be.
func (s *Stack) poll(functions []runtime.Function) {
	for _, f := range functions {
		if f.Name != FileProcessing {
			continue
		}
		poller := &queue.Poller{
			Server: s.Queue, Queue: IngestQueue, BatchSize: 1, Concurrency: f.Concurrency,
			Invoke: func(ctx context.Context, event []byte) ([]byte, error) {
				return s.Runtime.Invoke(ctx, FileProcessing, event)
			},
		}
		s.background(poller.Run)
	}
}

// queues is what GET /local/queues tells.
func (s *Stack) queues() []gateway.Queue {
	stats := s.Queue.Stats(IngestQueue)
	return []gateway.Queue{{Name: IngestQueue, Depth: stats.Depth, InFlight: stats.InFlight, DeadLetters: stats.DeadLetters}}
}
