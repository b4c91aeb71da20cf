package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// tick is the unit of /proc/stat and /proc/<pid>/stat: USER_HZ is 100 wherever Linux runs Go.
const tick = 10 * time.Millisecond

// processor is time that was used up to a moment: by this process, by PostgreSQL's, and by the
// whole machine.
type processor struct {
	own, machine time.Duration
	postgres     map[int]time.Duration
}

func usedNow(ctx context.Context, db *pgxpool.Pool) (processor, error) {
	rows, err := db.Query(ctx, `SELECT pid FROM pg_stat_activity`)
	if err != nil {
		return processor{}, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return processor{}, err
	}
	p := processor{own: ownTime(), machine: busy(), postgres: map[int]time.Duration{}}
	for _, pid := range pids {
		p.postgres[pid] = ticks(fmt.Sprintf("/proc/%d/stat", pid), 14, 15) // utime, stime
	}
	return p, nil
}

// database is what PostgreSQL used since before. A session that ended in between is not in it.
func (p processor) database(before processor) (total time.Duration) {
	for pid, used := range p.postgres {
		total += max(0, used-before.postgres[pid])
	}
	return total
}

func ownTime() time.Duration {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0
	}
	return time.Duration(own.Utime.Nano() + own.Stime.Nano())
}

// busy adds up the first line of /proc/stat (proc(5)) but for idle and waiting for a disk; its unit
// is 10 ms. What another guest took (steal) was not ours, and guest time is in user time already.
func busy() time.Duration {
	const user, nice, system, irq, softirq = 2, 3, 4, 7, 8
	return ticks("/proc/stat", user, nice, system, irq, softirq)
}

// ticks adds up fields of a file's first line, counted from 1 as proc(5) does. It is zero where
// there is no such file. The second field of a process's is its name, which for PostgreSQL's is one
// word.
func ticks(file string, fields ...int) (total time.Duration) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	all := strings.Fields(line)
	for _, i := range fields {
		if i > len(all) {
			return 0
		}
		n, err := strconv.ParseInt(all[i-1], 10, 64)
		if err != nil {
			return 0
		}
		total += time.Duration(n) * tick
	}
	return total
}
