package runtime

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// residentMemory is a process's resident memory in bytes, zero where the system has no /proc.
func residentMemory(pid int) int64 { return procStatus(pid, "VmRSS:") }

// peakMemory is the highest resident memory of a process so far, in bytes.
func peakMemory(pid int) int64 { return procStatus(pid, "VmHWM:") }

// procStatus reads one size of /proc/<pid>/status; the kernel writes them in KiB.
func procStatus(pid int, field string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, found := strings.Cut(string(status), field)
	if !found {
		return 0
	}
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
