package main

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
	"time"
)

func used() syscall.Rusage {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // fails for no valid argument
	return usage
}

func cpu(u syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the most memory that this process had resident, in bytes. The kernel hands ru_maxrss down
// from the process that started it.
func peak() int64 {
	status, _ := os.ReadFile("/proc/self/status") // 0 where there is none
	_, line, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kilobytes int64
	_, _ = fmt.Sscan(string(line), &kilobytes)
	return kilobytes * 1024
}
