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
	return append(aggregationAcross(), []Sight{
		{maintenance, "public.files", []string{"organization_id", "id", "status", "status_reason",
			"quota_bytes", "deletion_date", "deleted_at", "uploaded_by", "bucket_name",
			"storage_path", "current_fence", "category", "retention_days", "created_at",
			"updated_at"}, whole, "SELECT", "true",
			"finds what is due or given up, and locks the row in its organization"},
		{maintenance, "public.file_uploads", AllColumns(), whole, "SELECT", "true",
			"finds uploads that have gone quiet"},
		{maintenance, "public.object_deletions", AllColumns(), whole, "SELECT", "true",
			"finds objects to delete"},
		{maintenance, "public.idempotency_keys", expiry, "maintenance_expired_read", "SELECT",
			"(expires_at < now())", "what has expired means nothing to anybody"},
		{maintenance, "public.idempotency_keys", expiry, "maintenance_expired_delete", "DELETE",
			"(expires_at < now())", "deletes what has expired"},
		{maintenance, "public.rate_limits", []string{"tat"}, "maintenance_expired_read", "SELECT",
			"(tat < now())", "a bucket that is empty again says the same as none"},
		{maintenance, "public.rate_limits", []string{"tat"}, "maintenance_expired_delete", "DELETE",
			"(tat < now())", "deletes what nobody has used for an hour"},
		{maintenance, "public.organizations", []string{"id", "status", "data_retention_days"},
			whole, "SELECT", "true", "whose access log ends earlier than others, and who may write"},

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

		{sweep, "public.notification_inbox", []string{"created_at", "organization_id", "position"}, over, "SELECT", Unset,
			"whether something waits; it rings, and reads no payload"},
		{sweep, "public.notification_schedule", []string{"not_before"}, over, "SELECT", Unset,
			"as notification_inbox"},
		{sweep, "public.notification_channels", []string{"next_at"}, over, "SELECT", Unset,
			"as notification_inbox"},
		{sweep, "public.notification_deliveries", []string{"queued_at"}, over, "SELECT", Unset,
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
	}...)
}

// aggregationAcross is what the aggregation's run sees: a bucket is computed for all organizations
// in one statement.
func aggregationAcross() []Sight {
	var sights []Sight
	for _, s := range []Sight{
		{Table: "public.organizations", Columns: []string{"id", "timezone", "data_retention_days"},
			Policy: "run_reads", Command: "SELECT", Why: "goes through them one by one"},
		{Table: "public.agent_instances", Columns: []string{"organization_id", "id", "agent_type",
			"status", "changed_at",
			"heartbeat_seen_at", "silent_until"}, Policy: "run_reads", Command: "SELECT",
			Why: "computes a bucket"},
		{Table: "public.agent_executions", Columns: []string{"organization_id", "agent_instance_id",
			"agent_type", "status",
			"ended_at", "execution_time_seconds", "memory_usage_mb", "cpu_usage_percent",
			"quality_score", "confidence_score",
			"user_rating"}, Policy: "run_reads", Command: "SELECT",
			Why: "computes a bucket, from figures and no content"},
		{Table: "public.agent_presence", Columns: AllColumns(), Policy: "run_reads",
			Command: "SELECT", Why: "computes a bucket"},
		{Table: "public.agent_task_queue", Columns: []string{"organization_id", "queued_at",
			"left_at"}, Policy: "run_reads", Command: "SELECT", Why: "counts what waits"},
		{Table: "public.aggregation_tenants", Columns: AllColumns(), Policy: "run_reads",
			Command: "SELECT", Why: "leaves alone what is sealed"},
		{Table: "public.agent_execution_changes",
			Columns: []string{"organization_id", "bucket_start"}, Policy: "run_drains",
			Command: "ALL", Why: "takes away the notes of a bucket that it computes"},
		{Table: "public.agent_metrics", Columns: AllColumns(), Policy: "run_writes", Command: "ALL",
			Why: "computes a bucket"},
		{Table: "public.system_health", Columns: AllColumns(), Policy: "run_writes", Command: "ALL",
			Why: "counts what waits"},
		{Table: "public.metrics_changes", Columns: []string{"organization_id", "period_start"},
			Policy: "run_marks", Command: "INSERT", Why: "notes what it computed"},
	} {
		s.Entry, s.Rows = "analytics-aggregation/run", Unset
		sights = append(sights, s)
	}
	return sights
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
