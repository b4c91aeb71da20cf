//go:build unix && !linux

package runtime

import "time"

// processorTime is told on Linux only.
func processorTime(int) time.Duration { return 0 }
