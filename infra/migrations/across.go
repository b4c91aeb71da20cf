package migrations

// Sight is what a policy of its own shows an entry in every organization at once.
type Sight struct {
	Entry   string   // file-api/maintenance
	Table   string   // public.files
	Columns []string // that it can read there; AllColumns for every one
	Policy  string   // its name
	Command string   // SELECT, or DELETE of what another Sight shows
	Rows    string   // USING, as Postgres writes it: true, or which rows
	Why     string
}

// AllColumns says that an entry needs every column of a table.
func AllColumns() []string { return []string{"*"} }

// Across is all that entries may see across organizations. Nothing else does: the catalogue refuses
// any other policy of theirs and any other column, the attacks look whether Postgres does too, and
// the architecture test lets no other function open a transaction without an organization.
func Across() []Sight {
	const maintenance, whole = "file-api/maintenance", "maintenance_across"
	expiry := []string{"expires_at"}
	return []Sight{
		{maintenance, "public.files", AllColumns(), whole, "SELECT", "true",
			"finds what is due, and locks the row in its organization to purge it"},
		{maintenance, "public.file_uploads", AllColumns(), whole, "SELECT", "true",
			"finds uploads that have gone quiet"},
		{maintenance, "public.object_deletions", AllColumns(), whole, "SELECT", "true",
			"finds objects to delete"},
		{maintenance, "public.idempotency_keys", expiry, "maintenance_expired_read", "SELECT",
			"(expires_at < now())", "what has expired means nothing to anybody"},
		{maintenance, "public.idempotency_keys", expiry, "maintenance_expired_delete", "DELETE",
			"(expires_at < now())", "deletes what has expired"},
	}
}

// RoleOf returns the database role of an entry, or "".
func RoleOf(entry string) string {
	for _, e := range Entries() {
		if e.Name == entry {
			return e.Role
		}
	}
	return ""
}
