package migrations

// Sight is what a policy of its own shows an entry in every organization at once.
type Sight struct {
	Entry   string   // file-api/maintenance
	Table   string   // public.files
	Columns []string // that it can read there; AllColumns for every one
	Policy  string   // its name
	Command string   // SELECT, DELETE of what another Sight shows, INSERT, or ALL
	Rows    string   // USING, as Postgres writes it: true, or which rows
	Why     string
}

// Unset are all rows, in a transaction of no organization alone: once one is set, the entry sees no
// other.
const Unset = "(( SELECT public.current_organization_id() AS current_organization_id) IS NULL)"

// AllColumns says that an entry needs every column of a table.
func AllColumns() []string { return []string{"*"} }

// Across is all that entries may see across organizations. Nothing else does: the catalogue refuses
// any other policy of theirs and any other column, the attacks look whether Postgres does too, and
// the architecture test lets no other function open a transaction without an organization.
func Across() []Sight {
	const maintenance, whole = "file-api/maintenance", "maintenance_across"
	expiry := []string{"expires_at"}
	const delivery, round = "notification-dispatcher/delivery", "dispatch_across"
	const sweep, over = "notification-dispatcher/sweep", "sweep_across"
	due := []string{"organization_id", "channel", "next_at"}
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

		{delivery, "public.memberships", AllColumns(), round, "SELECT", Unset,
			"ends the connections of members who were removed"},
		{delivery, "public.notification_sockets", AllColumns(), round, "SELECT", Unset,
			"as memberships"},
		{delivery, "public.notification_inbox", AllColumns(), round, "SELECT", Unset,
			"whose inbox is not empty; each is emptied in its organization"},
		{delivery, "public.notification_schedule", AllColumns(), round, "SELECT", Unset,
			"as notification_inbox"},
		{delivery, "public.notifications", AllColumns(), round, "SELECT", Unset,
			"one call to Pusher carries events of several organizations"},
		{delivery, "public.notification_channels", AllColumns(), round, "ALL", Unset,
			"a round claims and settles channels of several organizations"},
		{delivery, "public.notification_deliveries", AllColumns(), round, "ALL", Unset,
			"as notification_channels"},
		{delivery, "public.notification_pace", AllColumns(), round, "ALL", Unset,
			"as notification_channels"},
		{delivery, "public.notification_dead", nil, round, "INSERT", Unset,
			"as notification_channels"},
		{delivery, "public.notification_attempts", nil, round, "INSERT", Unset,
			"as notification_channels"},

		{sweep, "public.notification_inbox", []string{"created_at"}, over, "SELECT", Unset,
			"whether something waits; it rings, and reads no payload"},
		{sweep, "public.notification_schedule", []string{"not_before"}, over, "SELECT", Unset,
			"as notification_inbox"},
		{sweep, "public.notification_channels", due, over, "SELECT", Unset,
			"as notification_inbox"},
		{sweep, "public.notification_deliveries",
			[]string{"organization_id", "channel", "sequence", "queued_at"}, over, "SELECT", Unset,
			"tells how old the oldest is"},
		{sweep, "public.notification_dead", []string{"recorded_at"}, over, "ALL", Unset,
			"ends what is older than the history"},
		{sweep, "public.notification_acks", []string{"acked_at"}, over, "ALL", Unset,
			"as notification_dead"},
		{sweep, "public.notification_keys", []string{"expires_at"}, over, "ALL", Unset,
			"as notification_dead"},
		{sweep, "public.notification_pace", []string{"tat_minute", "tat_hour"}, over, "ALL", Unset,
			"as notification_dead"},
		{sweep, "public.notification_sockets", []string{"authenticated_at"}, over, "ALL", Unset,
			"as notification_dead"},
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
