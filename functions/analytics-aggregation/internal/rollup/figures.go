package rollup

// Millionths is a sum of fixed-point values: microseconds of seconds, or millionths of anything
// else. Sums of whole numbers do not depend on the order in which they are added, as sums of floats
// do.
type Millionths int64

// Float is the sum in its own unit.
func (m Millionths) Float() float64 { return float64(m) / 1e6 }

// Sum is what an average is made of.
type Sum struct {
	Total Millionths
	Count int64
}

// Average is nil when nothing was counted.
func (s Sum) Average() *float64 {
	if s.Count == 0 {
		return nil
	}
	average := s.Total.Float() / float64(s.Count)
	return &average
}

func (s Sum) add(other Sum) Sum { return Sum{s.Total + other.Total, s.Count + other.Count} }

// Gauge is a measured level: its average and its highest value.
type Gauge struct {
	Sum
	Peak Millionths
}

func (g Gauge) add(
	other Gauge,
) Gauge {
	return Gauge{g.Sum.add(other.Sum), max(g.Peak, other.Peak)}
}

// Figures are what tasks and agents did in a period. Figures of parts add up to those of the whole.
type Figures struct {
	Completed, Failed, Cancelled int64
	Execution                    Sum // time of the tasks that ended, in seconds
	Quality, Confidence, Rating  Sum
	Memory, CPU                  Gauge // MB, per cent
	// Agents' seconds: that they were known, of that not declared offline, of that heard of, and of
	// that able to take work.
	Registered, InService, Up, Available Millionths
	Times                                Histogram // of Execution
}

// Total is the number of tasks that ended.
func (f Figures) Total() int64 { return f.Completed + f.Failed + f.Cancelled }

// Empty reports whether nothing is known of the period.
func (f Figures) Empty() bool { return f.Total() == 0 && f.Registered == 0 }

// Add is the figures of both.
func (f Figures) Add(g Figures) Figures {
	return Figures{
		Completed: f.Completed + g.Completed, Failed: f.Failed + g.Failed,
		Cancelled: f.Cancelled + g.Cancelled,
		Execution: f.Execution.add(g.Execution),
		Quality: f.Quality.add(
			g.Quality,
		), Confidence: f.Confidence.add(g.Confidence), Rating: f.Rating.add(g.Rating),
		Memory: f.Memory.add(g.Memory), CPU: f.CPU.add(g.CPU),
		Registered: f.Registered + g.Registered, InService: f.InService + g.InService,
		Up: f.Up + g.Up, Available: f.Available + g.Available,
		Times: f.Times.Merge(g.Times),
	}
}

// SuccessRate is the per cent of tasks that completed, of those that completed or failed: a
// cancelled task is neither.
func (f Figures) SuccessRate() *float64 { return percent(f.Completed, f.Completed+f.Failed) }

// ErrorRate is the per cent of tasks that failed, of those that completed or failed.
func (f Figures) ErrorRate() *float64 { return percent(f.Failed, f.Completed+f.Failed) }

// Uptime is the per cent of their time in which agents were heard of.
func (f Figures) Uptime() *float64 { return percent(int64(f.Up), int64(f.Registered)) }

// Availability is the per cent of their time in service in which agents could take work. An agent
// that was declared offline is not in service.
func (f Figures) Availability() *float64 { return percent(int64(f.Available), int64(f.InService)) }

// Percentile of the execution time in seconds; see Histogram.Percentile.
func (f Figures) Percentile(p float64) *float64 {
	v, ok := f.Times.Percentile(p)
	if !ok {
		return nil
	}
	seconds := Millionths(v).Float()
	return &seconds
}

func percent(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	p := 100 * float64(part) / float64(whole)
	return &p
}
