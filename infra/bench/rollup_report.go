package main

import "fmt"

// rollupTables compares the sides for each size of history.
func rollupTables(all []sizeFigures) []table {
	times := table{head: []string{"history", "scan", "ours", "unchanged", "per agent",
		"ours ÷ scan", "unchanged ÷ scan", "per agent ÷ ours",
		"per agent ÷ ours, 1 ms further away"}}
	plans := table{head: []string{"history", "scan: plan + run", "ours: plan + run",
		"unchanged: plan + run", "ours ÷ scan: run", "plan + run", "pages: scan", "ours",
		"unchanged", "ours ÷ the smallest history"}}
	for _, f := range all {
		rows := fmt.Sprint(f.history)
		times.add(rows, ms(median(f.scan)), ms(median(f.fresh)), ms(median(f.unchanged)),
			ms(median(f.perAgent)), ratioOf(f.fresh, f.scan).String(),
			ratioOf(f.unchanged, f.scan).String(), ratioOf(f.perAgent, f.fresh).String(),
			ratioOf(f.far, f.farOne).String())
		plans.add(rows, f.scanPlan.String(), f.freshPlan.String(), f.unchangedPlan.String(),
			fmt.Sprintf("%.1f", f.freshPlan.execution/f.scanPlan.execution),
			fmt.Sprintf("%.1f", f.freshPlan.total()/f.scanPlan.total()),
			fmt.Sprint(f.scanPlan.buffers), fmt.Sprint(f.freshPlan.buffers),
			fmt.Sprint(f.unchangedPlan.buffers),
			fmt.Sprintf("%.2f", float64(f.freshPlan.buffers)/float64(all[0].freshPlan.buffers)))
	}
	return []table{times, plans}
}

func (e explained) total() float64 { return e.planning + e.execution }

func (e explained) String() string { return ms(e.planning) + " + " + ms(e.execution) }

// plotRollup draws time against rows of history.
func plotRollup(all []sizeFigures, path string) error {
	lines := []line{{name: "ours"}, {name: "bare scan (the limit)"}, {name: "per agent"}}
	for _, f := range all {
		for i, values := range [][]float64{f.fresh, f.scan, f.perAgent} {
			lines[i].points = append(lines[i].points, [2]float64{float64(f.history),
				median(values)})
		}
	}
	return plot(path, fmt.Sprintf("Milliseconds for a bucket of %d tasks by %d agents, at the "+
		"socket, against rows of history", bucketRows, agents), lines)
}
