package s3

// WithoutAttributes makes a server behave as on a file system that has no
// extended attributes.
func WithoutAttributes(o Options) Options {
	o.sidecar = true
	return o
}

// AwaitEnd stops the server and waits until all of it is gone: Stop does not wait for connections
// on which nothing was asked, and only one server fits into a process.
func (s *Server) AwaitEnd() error {
	err := s.Stop()
	for range s.ended {
	}
	return err
}
