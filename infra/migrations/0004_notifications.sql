-- +goose Up

-- What is promised to be told, written in the transaction of the fact that it tells. Nobody waits
-- for anybody here: the order is given later.
CREATE TABLE notification_inbox (
	organization_id uuid NOT NULL REFERENCES organizations,
	-- In commit order for what one client wrote one after the other; concurrent transactions have
	-- some order. CACHE 1: with a larger one, a later transaction of another connection would get a
	-- lower number.
	position        bigint NOT NULL GENERATED ALWAYS AS IDENTITY (CACHE 1),
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	-- for example file.available
	topic           text NOT NULL CHECK (topic ~ '^[a-z]+(\.[a-z_]+)+$' AND length(topic) <= 100),
	subject_id      uuid,                                                   -- what it is about
	-- the member whom it concerns, if there is one
	user_id         uuid,
	channel         text CHECK (length(channel) BETWEEN 1 AND 164),
		-- NULL: as the topic's template says
	payload         jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(payload) = 'object'),
	-- low, normal, high, urgent
	priority        smallint NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 3),
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, position)
);
SELECT protect_tenant_table('notification_inbox');
-- A statement-level trigger, which runs as the owner, tells what happened in several organizations
-- at once.
CREATE POLICY owner_tells ON notification_inbox FOR INSERT TO CURRENT_USER WITH CHECK (true);

-- What must not be told before its time. It enters the inbox when that comes.
CREATE TABLE notification_schedule (
	organization_id uuid NOT NULL REFERENCES organizations,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	not_before      timestamptz NOT NULL,
	topic           text NOT NULL,
	channel         text NOT NULL,
	payload         jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
	priority        smallint NOT NULL CHECK (priority BETWEEN 0 AND 3),
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, id)
);
CREATE INDEX notification_schedule_due ON notification_schedule (organization_id, not_before);
CREATE INDEX notification_schedule_next ON notification_schedule (not_before);
SELECT protect_tenant_table('notification_schedule');

-- The sequencer's lock: a row for each organization that was ever told anything. Not a lock on
-- organizations, for which the foreign keys of every producer would wait.
CREATE TABLE notification_tenants (
	organization_id uuid PRIMARY KEY REFERENCES organizations
);
SELECT protect_tenant_table('notification_tenants');

-- A row for each channel that ever had an event, never deleted, or a number would be given twice.
CREATE TABLE notification_channels (
	organization_id uuid NOT NULL REFERENCES notification_tenants,
	channel         text NOT NULL CHECK (length(channel) BETWEEN 1 AND 164), -- Pusher's limit
	last_sequence   bigint NOT NULL CHECK (last_sequence > 0),
	-- when to look at it next, or when its lease ends; NULL: nothing waits
	next_at         timestamptz,
	priority        smallint NOT NULL DEFAULT 1, -- of the event at its head
	-- grows with each claim; a settlement with an older one is refused
	fence           bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (organization_id, channel)
) WITH (fillfactor = 50);
CREATE INDEX notification_channels_due ON notification_channels (organization_id, priority, next_at)
	WHERE next_at IS NOT NULL;
CREATE INDEX notification_channels_next ON notification_channels (next_at)
	WHERE next_at IS NOT NULL;
SELECT protect_tenant_table('notification_channels');

-- The history: written once by the sequencer, never changed. No foreign keys here and below, where
-- rows end a partition at a time.
CREATE TABLE notifications (
	organization_id uuid NOT NULL,
	channel         text NOT NULL,
	sequence        bigint NOT NULL CHECK (sequence > 0), -- 1, 2, 3 … within the channel
	id              uuid NOT NULL,
		-- of the inbox's row; one that went to several channels has it in each
	topic           text NOT NULL,
	subject_id      uuid,
	payload         jsonb NOT NULL,
	priority        smallint NOT NULL,
	occurred_at     timestamptz NOT NULL,
	recorded_at     timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, channel, sequence, recorded_at)
) PARTITION BY RANGE (recorded_at);
CREATE INDEX notifications_by_id ON notifications (organization_id, id);
SELECT protect_tenant_table('notifications');

-- What waits to be sent.
CREATE TABLE notification_deliveries (
	organization_id uuid NOT NULL,
	channel         text NOT NULL,
	sequence        bigint NOT NULL,
	recorded_at     timestamptz NOT NULL, -- with it the event's partition is known
	priority        smallint NOT NULL,
	due_at          timestamptz NOT NULL DEFAULT now(),
	queued_at       timestamptz NOT NULL DEFAULT now(), -- MAX_DELIVERY_DELAY counts from here
	attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
	replayed        boolean NOT NULL DEFAULT false,
	PRIMARY KEY (organization_id, channel, sequence),
	FOREIGN KEY (organization_id, channel) REFERENCES notification_channels
);
CREATE INDEX notification_deliveries_by_age ON notification_deliveries (queued_at);
SELECT protect_tenant_table('notification_deliveries');

-- What was given up, apart, or it would stay the head of its channel.
CREATE TABLE notification_dead (
	organization_id uuid NOT NULL,
	channel         text NOT NULL,
	sequence        bigint NOT NULL,
	recorded_at     timestamptz NOT NULL,
	reason          text NOT NULL CHECK (reason <> ''),
	attempts        integer NOT NULL CHECK (attempts >= 0),
	died_at         timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, channel, sequence),
	FOREIGN KEY (organization_id, channel) REFERENCES notification_channels
);
CREATE INDEX notification_dead_by_age ON notification_dead (recorded_at);
SELECT protect_tenant_table('notification_dead');

-- What came of each try to send.
CREATE TABLE notification_attempts (
	organization_id uuid NOT NULL,
	channel         text NOT NULL,
	sequence        bigint NOT NULL,
	id              uuid NOT NULL DEFAULT gen_random_uuid(),
	outcome         text NOT NULL CHECK (outcome IN ('delivered', 'folded', 'failed', 'dead')),
	status          integer, -- that Pusher answered; NULL: no answer, or nothing was sent
	error           text,
	attempted_at    timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, channel, sequence, id, attempted_at)
) PARTITION BY RANGE (attempted_at);
SELECT protect_tenant_table('notification_attempts');

-- How far a user has read a channel.
CREATE TABLE notification_acks (
	organization_id uuid NOT NULL REFERENCES organizations,
	user_id         uuid NOT NULL,
	channel         text NOT NULL,
	sequence        bigint NOT NULL CHECK (sequence > 0),
	acked_at        timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, user_id, channel)
) WITH (fillfactor = 50);
CREATE INDEX notification_acks_by_age ON notification_acks (acked_at);
SELECT protect_tenant_table('notification_acks');

CREATE TABLE notification_mutes (
	organization_id uuid NOT NULL REFERENCES organizations,
	user_id         uuid NOT NULL,
	topic           text NOT NULL CHECK (length(topic) BETWEEN 1 AND 100),
	created_at      timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, user_id, topic)
);
SELECT protect_tenant_table('notification_mutes');

-- What was already taken in: a sender's dedupe_key, or a webhook's id.
CREATE TABLE notification_keys (
	organization_id uuid NOT NULL REFERENCES organizations,
	key             text NOT NULL CHECK (length(key) BETWEEN 1 AND 300),
	id              uuid NOT NULL, -- of the notification that it became
	expires_at      timestamptz NOT NULL,
	PRIMARY KEY (organization_id, key)
);
CREATE INDEX notification_keys_expiry ON notification_keys (expires_at);
SELECT protect_tenant_table('notification_keys');

-- GCRA, as rate_limits, with two windows. UNLOGGED: after a crash of Postgres the pace starts
-- afresh, which lets one burst more through.
CREATE UNLOGGED TABLE notification_pace (
	organization_id uuid NOT NULL,
	bucket          text NOT NULL,
	tat_minute      timestamptz NOT NULL DEFAULT '-infinity',
	tat_hour        timestamptz NOT NULL DEFAULT '-infinity',
	PRIMARY KEY (organization_id, bucket)
) WITH (fillfactor = 50);
SELECT protect_tenant_table('notification_pace');

-- Which connection to Pusher proved whose it is: only such a one is let into channels, so that a
-- removed member's can be ended.
CREATE TABLE notification_sockets (
	organization_id  uuid NOT NULL REFERENCES organizations,
	socket_id        text NOT NULL CHECK (length(socket_id) BETWEEN 3 AND 64),
	user_id          uuid NOT NULL,
	authenticated_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (organization_id, socket_id)
);
CREATE INDEX notification_sockets_by_age ON notification_sockets (authenticated_at);
CREATE INDEX notification_sockets_by_user ON notification_sockets (organization_id, user_id);
SELECT protect_tenant_table('notification_sockets');

-- What all dispatchers share about the service that they send to. It belongs to no organization.
CREATE TABLE notification_senders (
	name          text PRIMARY KEY,
	failures      integer NOT NULL DEFAULT 0 CHECK (failures >= 0), -- in a row
	paused_until  timestamptz NOT NULL DEFAULT '-infinity',
	-- one dispatcher looks whether it is back
	probing_until timestamptz NOT NULL DEFAULT '-infinity',
	-- of the one delayed doorbell that is on its way
	bell_at       timestamptz NOT NULL DEFAULT '-infinity',
	-- when removed members were last looked for
	checked_at    timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO notification_senders (name) VALUES ('pusher');
ALTER TABLE notification_senders ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification_senders FORCE ROW LEVEL SECURITY;

-- Partitions of four weeks to come: the sweep, which makes the next ones, may be away for a while.
-- What it was away for longer than that goes to the default partition, and moves when it is back.
CREATE TABLE notifications_default PARTITION OF notifications DEFAULT;
ALTER TABLE notifications_default ENABLE ROW LEVEL SECURITY;
CREATE TABLE notification_attempts_default PARTITION OF notification_attempts DEFAULT;
ALTER TABLE notification_attempts_default ENABLE ROW LEVEL SECURITY;
INSERT INTO partitioned_tables (name, maintainer) VALUES
	('notifications', 'satchel_notification_dispatcher_sweep'),
	('notification_attempts', 'satchel_notification_dispatcher_sweep');
SELECT make_partitions('notifications', 4), make_partitions('notification_attempts', 4);

GRANT INSERT ON notification_inbox TO satchel_file_api_http, satchel_file_api_maintenance,
	satchel_file_processing_events;

-- HTTP works in one organization. Delivery and the sweep look at several too, but only in a
-- transaction that is of none: once an organization is set, they see no other.
GRANT SELECT ON organizations, memberships TO satchel_notification_dispatcher_http;
GRANT EXECUTE ON FUNCTION join_organization(text, text, text)
	TO satchel_notification_dispatcher_http;
GRANT SELECT, INSERT, UPDATE ON idempotency_keys, rate_limits
	TO satchel_notification_dispatcher_http;
GRANT SELECT, INSERT ON notification_inbox, notification_schedule, notification_deliveries
	TO satchel_notification_dispatcher_http;
GRANT SELECT, UPDATE ON notification_channels TO satchel_notification_dispatcher_http;
GRANT SELECT ON notifications, notification_attempts TO satchel_notification_dispatcher_http;
GRANT SELECT, DELETE ON notification_dead TO satchel_notification_dispatcher_http;
GRANT SELECT, INSERT, UPDATE ON notification_acks, notification_sockets, notification_keys
	TO satchel_notification_dispatcher_http;
GRANT INSERT, DELETE, SELECT ON notification_mutes TO satchel_notification_dispatcher_http;

GRANT SELECT, INSERT, DELETE ON notification_inbox TO satchel_notification_dispatcher_delivery;
GRANT SELECT, DELETE ON notification_schedule, notification_sockets
	TO satchel_notification_dispatcher_delivery;
GRANT SELECT, INSERT, UPDATE ON notification_tenants, notification_channels, notification_pace
	TO satchel_notification_dispatcher_delivery;
GRANT SELECT, INSERT ON notifications TO satchel_notification_dispatcher_delivery;
GRANT SELECT, INSERT, DELETE, UPDATE (attempts, due_at) ON notification_deliveries
	TO satchel_notification_dispatcher_delivery;
GRANT INSERT ON notification_dead, notification_attempts
	TO satchel_notification_dispatcher_delivery;
GRANT SELECT ON notification_mutes, memberships TO satchel_notification_dispatcher_delivery;
GRANT SELECT, UPDATE ON notification_senders TO satchel_notification_dispatcher_delivery;
CREATE POLICY dispatch_across ON notification_inbox FOR SELECT
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_inbox FOR SELECT
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notification_schedule FOR SELECT
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_schedule FOR SELECT
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notification_sockets FOR SELECT
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON memberships FOR SELECT
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notifications FOR SELECT
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notification_channels
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notification_deliveries
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notification_pace
	TO satchel_notification_dispatcher_delivery USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notification_dead FOR INSERT
	TO satchel_notification_dispatcher_delivery WITH
		CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_across ON notification_attempts FOR INSERT
	TO satchel_notification_dispatcher_delivery WITH
		CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY dispatch_shared ON notification_senders
	TO satchel_notification_dispatcher_delivery USING (true) WITH CHECK (true);

-- The sweep rings where something is due, ends what has had its time, and sees no payload.
GRANT SELECT (organization_id, position, created_at) ON notification_inbox
	TO satchel_notification_dispatcher_sweep;
GRANT SELECT (not_before) ON notification_schedule TO satchel_notification_dispatcher_sweep;
GRANT SELECT (next_at) ON notification_channels TO satchel_notification_dispatcher_sweep;
GRANT SELECT (queued_at) ON notification_deliveries TO satchel_notification_dispatcher_sweep;
GRANT SELECT (failures, paused_until, probing_until, name) ON notification_senders
	TO satchel_notification_dispatcher_sweep;
GRANT SELECT (recorded_at), DELETE ON notification_dead TO satchel_notification_dispatcher_sweep;
GRANT SELECT (acked_at), DELETE ON notification_acks TO satchel_notification_dispatcher_sweep;
GRANT SELECT (expires_at), DELETE ON notification_keys TO satchel_notification_dispatcher_sweep;
GRANT SELECT (tat_minute, tat_hour), DELETE ON notification_pace
	TO satchel_notification_dispatcher_sweep;
GRANT SELECT (authenticated_at), DELETE ON notification_sockets
	TO satchel_notification_dispatcher_sweep;
GRANT EXECUTE ON FUNCTION make_partitions(text, integer), drop_partitions(text, timestamptz)
	TO satchel_notification_dispatcher_sweep;
CREATE POLICY sweep_across ON notification_channels FOR SELECT
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_deliveries FOR SELECT
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_dead
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_acks
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_keys
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_pace
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_across ON notification_sockets
	TO satchel_notification_dispatcher_sweep USING ((SELECT current_organization_id()) IS NULL)
	WITH CHECK ((SELECT current_organization_id()) IS NULL);
CREATE POLICY sweep_shared ON notification_senders FOR SELECT
	TO satchel_notification_dispatcher_sweep USING (true);

-- +goose Down
DROP POLICY dispatch_across ON memberships;
REVOKE SELECT ON organizations, memberships
	FROM satchel_notification_dispatcher_http, satchel_notification_dispatcher_delivery;
REVOKE EXECUTE ON FUNCTION join_organization(text, text, text)
	FROM satchel_notification_dispatcher_http;
REVOKE SELECT, INSERT, UPDATE ON idempotency_keys, rate_limits
	FROM satchel_notification_dispatcher_http;
REVOKE EXECUTE ON FUNCTION make_partitions(text, integer), drop_partitions(text, timestamptz)
	FROM satchel_notification_dispatcher_sweep;
DELETE FROM partitioned_tables WHERE name IN ('notifications', 'notification_attempts');
DROP TABLE notification_senders, notification_sockets, notification_pace, notification_keys,
	notification_mutes, notification_acks, notification_attempts, notification_dead,
	notification_deliveries, notifications, notification_channels, notification_tenants,
		notification_schedule, notification_inbox;
