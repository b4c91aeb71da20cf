package stack

import (
	"context"
	"errors"
	"net"

	"github.com/toolboxai-solutions/satchel/infra/local/gateway"
	"github.com/toolboxai-solutions/satchel/infra/local/iam"
	"github.com/toolboxai-solutions/satchel/infra/local/queue"
	"github.com/toolboxai-solutions/satchel/infra/local/runtime"
	"github.com/toolboxai-solutions/satchel/infra/local/s3"
)

// startStorage starts the queues and the buckets, whose events go to queues.
func (s *Stack) startStorage(ctx context.Context, queues net.Listener) (string, error) {
	access, secret, err := s3.Keys(s.directory.in("s3"))
	if err != nil {
		return "", errors.Join(err, queues.Close())
	}
	if s.Authority, err = iam.New(iam.Keys{Access: access, Secret: secret}, s.deployment,
		s.Log); err != nil {
		return "", errors.Join(err, queues.Close())
	}
	s.Queue, err = queue.Start(queue.Options{
		Dir: s.directory.in("queue"), Queues: s.queues(), Listener: queues, Authority: s.Authority,
	})
	if err != nil {
		return "", errors.Join(err, queues.Close())
	}
	s.atStop(s.Queue.Stop)
	s.S3, err = s3.Start(ctx, s3.Options{
		Dir: s.directory.in("s3"), Buckets: s.deployment.Buckets, Port: s.directory.s3Port(),
		Authority: s.Authority,
		Notify: func(queue string, event []byte) {
			if err := s.Queue.Send(queue, string(event)); err != nil {
				s.Log.Error("storage event lost", "error", err)
			}
		},
	})
	if err != nil {
		return "", err
	}
	s.atStop(s.S3.Stop)
	out := s.deployment.Outputs
	s.Ready.S3 = S3{
		Endpoint: s.S3.Endpoint, Region: s.S3.Region, AccessKey: s.S3.AccessKey,
		SecretKey: s.S3.SecretKey,
		Buckets: Buckets{Incoming: out["IncomingBucket"], Files: out["FilesBucket"],
			Quarantine: out["QuarantineBucket"]},
	}
	return s.S3.Endpoint, nil
}

// poll brings what is in the queues to the functions, to as many sandboxes as there may be.
func (s *Stack) poll(functions []runtime.Function) {
	for _, f := range functions {
		for _, m := range s.mappings(f.Name) {
			poller := &queue.Poller{
				Server: s.Queue, Queue: m.Queue, Access: s.Authority.Keys(f.Name).Access,
				BatchSize: m.BatchSize, Concurrency: f.Concurrency,
				Invoke: func(ctx context.Context, event []byte) ([]byte, error) {
					return s.Runtime.Invoke(ctx, f.Name, event)
				},
			}
			if m.Concurrency > 0 {
				poller.Concurrency = min(poller.Concurrency, m.Concurrency)
			}
			s.background(poller.Run)
		}
	}
}

// stats is what GET /local/queues tells of the queues that functions consume.
func (s *Stack) stats() (all []gateway.Queue) {
	for _, fn := range s.deployment.Functions {
		for _, m := range fn.Mappings {
			stats := s.Queue.Stats(m.Queue)
			all = append(all, gateway.Queue{Name: m.Queue, Depth: stats.Depth,
				InFlight: stats.InFlight, DeadLetters: stats.DeadLetters})
		}
	}
	return all
}
