package library

import (
	"fmt"
	"time"

	"github.com/toolboxai-solutions/satchel/shared/fault"
)

// TrashTime is how long a deleted file can be restored before it is purged.
const TrashTime = 30 * 24 * time.Hour

const schoolYear = 365

// defaultDays is how long a file of a category is kept when nobody says otherwise. None is kept for
// ever: the amended COPPA rule (16 CFR 312.10) bars indefinite retention of children's data, so the
// figures are choices on the short side that retention_days can change.
func defaultDays(c Category) int {
	switch c {
	case Temporary:
		return 7 // a hand-over between two steps
	case StudentSubmission:
		return 2 * schoolYear // until the marks of the year after can no longer be contested
	case Avatar:
		return 2 * schoolYear // replaced by then, or the pupil has left
	case Assessment:
		return 3 * schoolYear // comparisons over a course
	case EducationalContent, MediaResource:
		return 5 * schoolYear // a syllabus' life
	case Administrative, Report:
		return 7 * schoolYear // the usual upper bound for school records
	}
	return 0 // refused below: a new category needs a line above
}

// deletionDate is when a file is to be purged. asked nil means the category's default, which the
// organization's longest (nil: none) cuts short; asking for more than that is refused, and so is a
// date that has passed, because the file would vanish at once.
func deletionDate(c Category, asked, longest *int, created, now time.Time) (time.Time, error) {
	days := defaultDays(c)
	switch {
	case asked != nil && longest != nil && *asked > *longest:
		return time.Time{}, fault.New(fault.Invalid, "retention-too-long",
			fmt.Sprintf("Your organization keeps files for at most %d days. Send fewer "+
				"retention_days.", *longest))
	case asked != nil:
		days = *asked
	case longest != nil:
		days = min(days, *longest)
	}
	date := created.AddDate(0, 0, days)
	if !date.After(now) {
		return time.Time{}, fault.New(fault.Invalid, "retention-in-the-past",
			fmt.Sprintf("If kept for %d days, this file would already be due for deletion. "+
				"Send more retention_days, or delete it.", days))
	}
	return date, nil
}
