package library

import (
	"github.com/toolboxai-solutions/satchel/shared/storedfile"
	"github.com/toolboxai-solutions/satchel/shared/tenant"
)

// Who may do what. A file that a caller may not see does not exist for them: 404 and not 403,
// so that nobody learns of it.
//
//	                      uploader  member  staff  admin
//	see                   yes       yes*    yes    yes     * no student_submission, no trash
//	change, delete        yes       no      no     yes
//	read the access log   yes       no      yes    yes
//	record consent        staff     no      yes    yes     (and withdraw, and waive)

func canSee(by tenant.Caller, f File) bool {
	return f.Category != StudentSubmission && f.Status != storedfile.Deleted ||
		f.UploadedBy == by.User || by.Role.AtLeast(tenant.Staff)
}

func canChange(by tenant.Caller, f File) bool {
	return f.UploadedBy == by.User || by.Role.AtLeast(tenant.Admin)
}

func canReadLog(by tenant.Caller, f File) bool {
	return f.UploadedBy == by.User || by.Role.AtLeast(tenant.Staff)
}

func canManageConsent(by tenant.Caller) bool { return by.Role.AtLeast(tenant.Staff) }

// CanReadConsent reports whether the caller may read who gave consent and on what basis: a parent's
// name is not for every member.
func CanReadConsent(by tenant.Caller, f File) bool { return canReadLog(by, f) }
