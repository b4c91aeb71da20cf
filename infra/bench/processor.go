package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processor is time that was used up to a moment: by this process, and by the whole machine.
type processor struct{ own, machine time.Duration }

func usedNow() processor {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return processor{}
	}
	return processor{time.Duration(own.Utime.Nano() + own.Stime.Nano()), busy()}
}

func (p processor) since(before processor) processor {
	return processor{p.own - before.own, p.machine - before.machine}
}

// busy adds up the first line of /proc/stat (proc(5)) but for idle and waiting for a disk; its unit is 10 ms. What
// another guest took (steal) was not ours, and guest time is in user time already.
func busy() (total time.Duration) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	const user, nice, system, irq, softirq = 1, 2, 3, 6, 7
	fields := strings.Fields(line)
	for _, i := range []int{user, nice, system, irq, softirq} {
		if i >= len(fields) {
			return 0
		}
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		total += time.Duration(ticks) * 10 * time.Millisecond
	}
	return total
}
