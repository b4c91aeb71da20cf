package httpapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// userEditable reports whether path leads to what the bearer of a token may have written into it.
// Not all of that can be recognised by its name.
func userEditable(path string) bool {
	path = strings.ToLower(path)
	for _, name := range []string{
		"user_metadata", "raw_user_meta_data", // Supabase and Auth0: their user's own
		"unsafe_metadata", "unsafemetadata", // Clerk
		// Cognito: an app client may write such an attribute unless somebody remembered to forbid
		// it
		"custom:",
	} {
		if strings.Contains(path, name) {
			return true
		}
	}
	return slices.ContainsFunc(strings.Split(path, "."), ofProfile)
}

// ofProfile reports whether name is a standard claim that tells of a person:
// https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims
func ofProfile(name string) bool {
	switch name {
	case "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username",
		"profile", "picture", "website", "email",
		"email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
		"phone_number_verified", "address", "updated_at":
		return true
	}
	return false
}

// organizationOf follows path into the claims. A claim whose own name has dots, such as
// https://example.com/organization_id, is found first.
func organizationOf(claims map[string]any, path string) (uuid.UUID, error) {
	value, found := claims[path]
	if !found {
		var here any = claims
		for name := range strings.SplitSeq(path, ".") {
			object, _ := here.(map[string]any)
			here = object[name]
		}
		value = here
	}
	text, _ := value.(string)
	id, err := uuid.Parse(text)
	if err != nil || id == uuid.Nil || len(text) != 36 {
		return uuid.Nil, fmt.Errorf("claim %s names no organization", path)
	}
	return id, nil
}
