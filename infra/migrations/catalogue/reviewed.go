package catalogue

// reviewed lists, rule by rule, what may break it and why. A line that excuses nothing is a
// finding. The policies that show an entry other organizations are in migrations.Across.
var reviewed = map[string]map[string]string{
	"rls-enabled": {
		gooseTable: "goose's own; its schema is closed to every entry, which schema-usage sees to",
	},
	"rls-forced": {
		registry: "the owner's alone: nobody has a grant on it, and no policy opens it; it holds no organization's data",
	},
	"policy-missing": {
		"public.aggregation_runs SELECT": "the run alone has a policy on it",
		"public.aggregation_runs INSERT": "the run alone has a policy on it",
		"public.aggregation_runs UPDATE": "the run alone has a policy on it",
		"public.aggregation_runs DELETE": "the run alone has a policy on it",
		"public.platform_health SELECT":  "as aggregation_runs; the operator reads",
		"public.platform_health INSERT":  "as aggregation_runs; the operator reads",
		"public.platform_health UPDATE":  "as aggregation_runs; the operator reads",
		"public.platform_health DELETE":  "as aggregation_runs; the operator reads",
		senders + " SELECT":              "no organization's: one row of times, for the dispatcher and its sweep alone",
		senders + " INSERT":              "as SELECT",
		senders + " UPDATE":              "as SELECT",
		senders + " DELETE":              "as SELECT",
		registry + " SELECT":             "see rls-forced",
		registry + " INSERT":             "see rls-forced",
		registry + " UPDATE":             "see rls-forced",
		registry + " DELETE":             "see rls-forced",
		"public.users INSERT":            "people are global: only the owner writes them, entries through join_organization",
		"public.users UPDATE":            "as INSERT",
		"public.users DELETE":            "as INSERT",
	},
	"policy-form": {
		`tenant_isolation ON public.organizations FOR ALL TO PUBLIC USING (id = ( SELECT public.current_organization_id() AS current_organization_id)) WITH CHECK (id = ( SELECT public.current_organization_id() AS current_organization_id))`: "an organization is its own tenant",
		`tenant_members ON public.users FOR SELECT TO PUBLIC USING (EXISTS ( SELECT
   FROM public.memberships m
  WHERE ((m.organization_id = ( SELECT public.current_organization_id() AS current_organization_id)) AND (m.user_id = users.id)))) WITH CHECK -`: "a person may belong to several organizations, each of which sees its own members",
		`platform_across ON public.agent_task_queue FOR ALL TO satchel_platform USING true WITH CHECK true`:       "as agent_instances",
		`owner_notes ON public.agent_presence FOR INSERT TO the owner USING - WITH CHECK true`:                    "as notification_inbox",
		`owner_begins ON public.aggregation_runs FOR INSERT TO the owner USING - WITH CHECK true`:                 "the migration says where the first run begins",
		`owner_reads ON public.aggregation_tenants FOR SELECT TO the owner USING true WITH CHECK -`:               "what of raw rows may go is decided by what is sealed, in functions of the owner",
		`runs ON public.aggregation_runs FOR ALL TO satchel_analytics_aggregation_run USING true WITH CHECK true`: "it holds moments and transaction numbers, and no data of any organization",
		`run_writes ON public.platform_health FOR ALL TO satchel_analytics_aggregation_run USING (( SELECT public.current_organization_id() AS current_organization_id) IS NULL) WITH CHECK (( SELECT public.current_organization_id() AS current_organization_id) IS NULL)`: "it counts organizations and names none",
		`operator_reads ON public.platform_health FOR SELECT TO satchel_operator USING true WITH CHECK -`:                               "as run_writes",
		`owner_writes ON public.users FOR ALL TO the owner USING true WITH CHECK true`:                                                  "join_organization runs as the owner",
		`owner_finds ON public.organizations FOR SELECT TO the owner USING true WITH CHECK -`:                                           "infra/migrate finds an organization by its slug",
		`owner_tells ON public.notification_inbox FOR INSERT TO the owner USING - WITH CHECK true`:                                      "a statement-level trigger runs as the owner and tells what happened in several organizations",
		`platform_across ON public.agent_instances FOR ALL TO satchel_platform USING true WITH CHECK true`:                              "the platform's own server, which writes agents and executions of all organizations; it is no entry",
		`platform_across ON public.agent_executions FOR ALL TO satchel_platform USING true WITH CHECK true`:                             "as agent_instances",
		`dispatch_shared ON public.notification_senders FOR ALL TO satchel_notification_dispatcher_delivery USING true WITH CHECK true`: "what all dispatchers know of Pusher is no organization's",
		`sweep_shared ON public.notification_senders FOR SELECT TO satchel_notification_dispatcher_sweep USING true WITH CHECK -`:       "as dispatch_shared",
		`owner_notes ON public.agent_execution_changes FOR INSERT TO the owner USING - WITH CHECK true`:                                 "as notification_inbox",
	},
	"endless": {
		"public.storage_quotas":        "one row of an organization",
		"public.notification_tenants":  "one row of an organization",
		"public.aggregation_tenants":   "one row of an organization",
		"public.notification_channels": "one row of a channel: the number that comes next in it",
	},
	"append-only": {
		"public.file_access_logs DELETE TO satchel_file_api_maintenance": "an organization may " +
			"keep its data for a shorter time than others",
		"public.file_access_origins DELETE TO satchel_file_api_maintenance": "as file_access_logs",
	},
	"tenant-column": {
		"public.aggregation_runs": "holds no data of any organization",
		"public.platform_health":  "counts of all organizations",
		"public.organizations":    "its id is the organization",
		"public.users":            "global, see policy-form",
		gooseTable:                "see rls-enabled",
		registry:                  "see rls-forced",
		senders:                   "see policy-missing",
	},
	"key": {
		"public.aggregation_runs_pkey":       "see tenant-column",
		"public.platform_health_pkey":        "see tenant-column",
		"public.partitioned_tables_pkey":     "see rls-forced",
		"public.notification_senders_pkey":   "see policy-missing",
		"public.organizations_pkey":          "its id is the organization",
		"public.organizations_slug_key":      "the name in an address is one for the world; no entry writes organizations",
		"public.users_pkey":                  "global; no entry writes users",
		"public.users_issuer_subject_key":    "as users_pkey",
		ownSchema + ".goose_db_version_pkey": "see rls-enabled",
	},
	"foreign-key": {
		"public.memberships.memberships_user_id_fkey": "users are global; no entry writes memberships but through join_organization, which makes the user first",
	},
	"index": {
		"public.agent_metrics_by_bucket":        "as agent_executions_ended",
		"public.agent_presence_by_time":         "as agent_executions_ended",
		"public.agent_presence_deleted":         "as agent_executions_ended",
		"public.system_health_waiting":          "as agent_executions_ended",
		"public.agent_task_queue_left":          "as agent_executions_ended",
		"public.idempotency_keys_expiry":        "maintenance's sweep across organizations",
		"public.files_due":                      "maintenance's sweep",
		"public.file_uploads_oldest":            "maintenance tells the age of the oldest",
		"public.files_deleted":                  "maintenance's sweep",
		"public.object_deletions_due":           "maintenance's sweep",
		"public.notification_channels_next":     "the dispatcher's sweep across organizations",
		"public.notification_schedule_next":     "the dispatcher's sweep",
		"public.notification_deliveries_by_age": "the dispatcher's sweep tells the age of the oldest",
		"public.notification_dead_by_age":       "the dispatcher's sweep",
		"public.notification_sockets_by_age":    "the dispatcher's sweep",
		"public.notification_acks_by_age":       "the dispatcher's sweep",
		"public.agent_executions_ended":         "the aggregation computes a bucket of all organizations",
		"public.agent_execution_changes_bucket": "as agent_executions_ended",
		"public.notification_keys_expiry":       "the dispatcher's sweep",
	},
	"definer": {
		"public.agent_instances_inserted()":                           "as agent_executions_inserted, into agent_presence",
		"public.agent_instances_updated()":                            "as agent_instances_inserted",
		"public.agent_instances_deleted()":                            "as agent_instances_inserted",
		"public.drop_final_partitions(text,timestamp with time zone)": "as drop_partitions, and only what is sealed: it reads partitions by name, because policies would show its owner nothing",
		"public.delete_final_executions(uuid,integer)":                "as drop_final_partitions, of one organization",
		"public.agent_executions_inserted()":                          "tells and notes what a statement of the platform did, from its transition tables alone; the platform cannot write either table itself",
		"public.agent_executions_updated()":                           "as agent_executions_inserted",
		"public.agent_executions_deleted()":                           "as agent_executions_inserted",
		"public.join_organization(text,text,text)":                    "makes the user and the membership that AUTH_JIT_MEMBERSHIP allows: plain SQL, every name with its schema, tells nothing back",
		"public.make_partitions(text,integer)":                        "only a table's owner can make its partitions; it asks which role called, takes a name from a list, and makes no other table",
		"public.drop_partitions(text,timestamp with time zone)":       "as make_partitions; nothing of the future, nothing but partitions of the tables on the list",
	},
	"function-public": {
		"public.bucket_clock()":                      "the time, and the number of the caller's own transaction",
		"public.bucket_of(timestamp with time zone)": "arithmetic",
		"public.current_organization_id()":           "every policy calls it, as whoever asks; it reads a setting of the caller's own",
	},
}

const (
	ownSchema  = "satchel_migrations"
	gooseTable = ownSchema + ".goose_db_version"
	registry   = "public.partitioned_tables"
	senders    = "public.notification_senders"
)
