package rollup

import "time"

const (
	day = 24 * time.Hour
	// hoursKept and daysKept are how long hours and days are kept, whatever RETENTION_DAYS says.
	hoursKept = 400 * day
	daysKept  = 5 * 365 * day
)

// effectiveRetention is the shorter of what the deployment and the organization say.
func effectiveRetention(deployment int, organization *int32) time.Duration {
	days := deployment
	if organization != nil {
		days = min(days, int(*organization))
	}
	return time.Duration(days) * day
}

// sealBefore is up to where buckets become final: the retention's age, and never into the window,
// to whose buckets open transactions may still add.
func sealBefore(closed, windowStart time.Time, retention time.Duration) time.Time {
	return earlier(bucketOf(closed.Add(-retention)), windowStart)
}
