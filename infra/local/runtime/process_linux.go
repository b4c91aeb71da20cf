package runtime

import (
	"syscall"
	"time"
	"unsafe"
)

// processorTime is what a process has used so far with all its threads, user and system; zero when
// it is gone. It reads the clock that clock_getcpuclockid(3) names: /proc/<pid>/stat counts in
// steps of 10 ms.
func processorTime(pid int) time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	clock := int32(^pid<<3 | scheduled)
	var used syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(clock),
		uintptr(unsafe.Pointer(&used)), 0)
	if errno != 0 {
		return 0
	}
	return time.Duration(used.Nano())
}
