package s3

// WithoutAttributes makes a server behave as on a file system that has no
// extended attributes.
func WithoutAttributes(o Options) Options {
	o.sidecar = true
	return o
}
