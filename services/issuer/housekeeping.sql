-- name: drop_expired_keys
DELETE FROM magiclink.idempotency_keys
WHERE (app_id, scope, key) IN (
    SELECT app_id, scope, key FROM magiclink.idempotency_keys
    WHERE expires_at < now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
)

-- name: drop_old_visits
-- The oldest rows have the lowest ids: nothing else is read to find out that none is old enough.
DELETE FROM magiclink.link_visits
WHERE id IN (
    SELECT id FROM (SELECT id, at FROM magiclink.link_visits ORDER BY id LIMIT $1) AS oldest
    WHERE at < now() - interval '30 days'
)

-- name: drop_old_passcode_days
DELETE FROM magiclink.passcode_days
WHERE (app_id, user_id, day) IN (
    SELECT app_id, user_id, day FROM magiclink.passcode_days
    WHERE day < (now() AT TIME ZONE 'UTC')::date - 30
    ORDER BY day
    LIMIT $1
)

-- name: drop_old_sessions
-- A month after their end: until then they can be looked at, and a refresh token that was used twice still has its session.
DELETE FROM magiclink.sessions
WHERE id IN (
    SELECT id FROM magiclink.sessions WHERE expires_at < now() - interval '30 days' ORDER BY expires_at LIMIT $1
)

-- name: drop_old_challenges
-- A day after their end: whoever answered one may ask again, and a user's tries are summed.
DELETE FROM magiclink.challenges
WHERE id IN (
    SELECT id FROM magiclink.challenges WHERE expires_at < now() - interval '1 day' ORDER BY expires_at LIMIT $1
)

-- name: drop_old_devices
DELETE FROM magiclink.trusted_devices
WHERE id IN (
    SELECT id FROM magiclink.trusted_devices WHERE expires_at < now() - interval '1 day' ORDER BY expires_at LIMIT $1
)

-- name: drop_old_webhook_deliveries
-- The last try of a delivery is made within two days.
DELETE FROM magiclink.webhook_deliveries
WHERE (endpoint_id, event_id) IN (
    SELECT endpoint_id, event_id
    FROM magiclink.webhook_deliveries
    WHERE created_at < now() - interval '7 days'
    ORDER BY created_at
    LIMIT $1
)

-- name: drop_old_heads
-- A slot is the app's own text, one an order perhaps: without this the table grows for ever. $2 days: as long as links are kept.
DELETE FROM magiclink.heads
WHERE link_id IN (
    SELECT link_id FROM magiclink.heads
    WHERE link_id < magiclink.first_id(now() - make_interval(days => $2))
    ORDER BY link_id
    LIMIT $1
)

-- name: drop_old_messages
-- With their attempts, as old as links are that are dropped ($2 days). One that still has a lease is looked after by the sweeper.
WITH old AS MATERIALIZED (
    SELECT id FROM magiclink.messages
    WHERE id < magiclink.first_id(now() - make_interval(days => $2)) AND lease_until IS NULL
    ORDER BY id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), attempts AS (
    DELETE FROM magiclink.message_attempts a USING old WHERE a.message_id = old.id
)
DELETE FROM magiclink.messages m USING old WHERE m.id = old.id

-- name: drop_old_lookups
-- A day longer than they live: who won by a passcode may ask again.
DELETE FROM magiclink.passcode_lookups
WHERE (app_id, lookup) IN (
    SELECT app_id, lookup FROM magiclink.passcode_lookups
    WHERE expires_at < now() - interval '1 day'
    ORDER BY expires_at
    LIMIT $1
)

-- name: make_partition
SELECT magiclink.make_link_partition($1)

-- name: list_missing_partitions
-- Of this week and $1 more.
SELECT 'links_' || to_char(monday, 'YYYYMMDD') AS name
FROM generate_series(0, $1::int) AS week,
     LATERAL (SELECT date_trunc('week', now() AT TIME ZONE 'UTC') + make_interval(weeks => week) AS monday) AS of_week
WHERE to_regclass('magiclink.links_' || to_char(monday, 'YYYYMMDD')) IS NULL
ORDER BY week

-- name: list_old_partitions
-- Weeks that ended $1 days ago or longer. One that is attached no more was left over by a drop that was interrupted.
SELECT c.relname::text AS name, greatest(c.reltuples, 0)::bigint AS rows, pg_total_relation_size(c.oid) AS bytes,
       EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid) AS attached,
       to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS monday
FROM pg_class c
WHERE c.relnamespace = 'magiclink'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^links_[0-9]{8}$'
  AND to_date(right(c.relname, 8), 'YYYYMMDD') + 7 <= (now() AT TIME ZONE 'UTC')::date - $1::int
ORDER BY c.relname

-- name: has_live_link
-- Of those made from $1 to $2. A day more than they live: until then a winner, or a repeated request, may ask again.
SELECT EXISTS (
    SELECT FROM magiclink.links
    WHERE id >= magiclink.first_id($1) AND id < magiclink.first_id($2) AND expires_at > now() - interval '1 day'
)

-- name: detach_partition
SELECT magiclink.detach_link_partition($1, $2)

-- name: drop_partition
SELECT magiclink.drop_link_partition($1)

-- name: count_default_partition
SELECT count(*) FROM (SELECT FROM magiclink.links_default LIMIT 1000) AS stray
