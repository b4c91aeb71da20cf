package library

import "github.com/toolboxai-solutions/satchel/shared/tenant"

// Who may do what. A file that is not seen does not exist for the caller: 404 and not 403, so that
// nobody learns of it.
//
//	                      uploader  member  staff  admin
//	see                   yes       yes*    yes    yes     * not a student_submission
//	change, delete        yes       no      no     yes
//	read the access log   yes       no      yes    yes
//	record consent        staff     no      yes    yes     (withdraw it, and lift requires_consent, too)

func (a Actor) sees(f File) bool {
	return f.Category != StudentSubmission || f.UploadedBy == a.User || a.Role.AtLeast(tenant.Staff)
}

func (a Actor) changes(f File) bool {
	return f.UploadedBy == a.User || a.Role.AtLeast(tenant.Admin)
}

func (a Actor) readsLogOf(f File) bool {
	return f.UploadedBy == a.User || a.Role.AtLeast(tenant.Staff)
}

func (a Actor) keepsConsent() bool { return a.Role.AtLeast(tenant.Staff) }

// MayKnowConsent reports whether the caller may read who gave consent and on what basis: a parent's
// name is not for every member.
func (a Actor) MayKnowConsent(f File) bool { return a.readsLogOf(f) }
