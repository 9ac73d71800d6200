-- name: claim_messages
-- The lease before sending: what a redelivery, a rebalance or another replica claims is not here any more. `attempts` names
-- the attempt that the record was meant for, so an old record does not start a retry early; nor does any record start a
-- scheduled send before its time.
WITH wanted AS (
    SELECT m.id
    FROM unnest($1::uuid[], $2::int[]) AS record (id, attempts)
    JOIN magiclink.messages m ON m.id = record.id AND m.attempts = record.attempts
    JOIN magiclink.links l ON l.id = m.link_id
    WHERE m.status = 'queued' AND l.not_before <= now()
    ORDER BY m.id
    FOR UPDATE OF m SKIP LOCKED
), claimed AS (
    UPDATE magiclink.messages m
    SET status = 'sending', attempts = m.attempts + 1, lease_until = now() + make_interval(secs => $3), updated_at = now()
    FROM wanted
    WHERE m.id = wanted.id
    RETURNING m.*
)
SELECT c.id, c.link_id, c.app_id, c.user_id, c.channel, c.lane, c.recipient, c.locale, c.template, c.data, c.attempts,
       c.requeues, c.created_at, now() AS claimed_at, l.kid, l.type, l.ttl_seconds, l.passcode_format, l.passcode_epoch,
       l.client, magiclink.link_status(l) AS link_status, extract(epoch FROM l.expires_at - now())::float8 AS seconds_left,
       l.time_zone, l.created_at AS asked_at, l.expires_at,
       l.ttl_from_acceptance AND l.accepted_at IS NULL AS begins_life, l.url_template, l.doors,
       a.name AS app_name, a.sender, a.branding, a.landing_url
FROM claimed c
JOIN magiclink.links l ON l.id = c.link_id
JOIN magiclink.apps a ON a.id = c.app_id

-- name: lock_unaccepted_links
-- Links whose lives this transaction may begin. They are locked before any message and in id order, as revocation does: links, then
-- messages. $3 and $4 are the lowest and the highest id: they spare PostgreSQL the partitions of other weeks. Said of `named` too they make it
-- look each link up, here and below, instead of reading all between the two.
SELECT l.id
FROM magiclink.links l
JOIN unnest($1::uuid[], $2::uuid[]) AS named (id, app_id) ON named.id = l.id AND named.app_id = l.app_id
WHERE l.id BETWEEN $3 AND $4 AND named.id BETWEEN $3 AND $4 AND l.ttl_from_acceptance AND l.accepted_at IS NULL
ORDER BY l.id
FOR UPDATE OF l

-- name: begin_lives
-- The first acceptance starts the clock; a resend finds `accepted_at` set and extends nothing. The end set at the issue is the cap.
UPDATE magiclink.links l
SET accepted_at = now(), expires_at = least(l.expires_at, now() + make_interval(secs => l.ttl_seconds))
FROM unnest($1::uuid[], $2::uuid[]) AS named (id, app_id)
WHERE l.id = named.id AND l.app_id = named.app_id AND l.id BETWEEN $3 AND $4 AND named.id BETWEEN $3 AND $4
    AND l.ttl_from_acceptance AND l.accepted_at IS NULL

-- name: link_of_message
SELECT link_id, app_id FROM magiclink.messages WHERE id = $1

-- name: finish_attempts
-- What became of attempts, each of which is recorded. Messages are fenced by the attempt: a worker that was paused past its lease changes none.
-- Locks in id order, as every writer does.
WITH done AS (
    SELECT *
    FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::float8[])
        AS row (id, attempt, started_at, status, outcome, provider, provider_id, detail, lease_seconds)
), recorded AS (
    INSERT INTO magiclink.message_attempts (message_id, attempt, started_at, finished_at, outcome, provider, provider_id, detail)
    SELECT id, attempt, started_at, now(), outcome, provider, provider_id, detail
    FROM done
    ON CONFLICT DO NOTHING
), held AS (
    SELECT m.id
    FROM magiclink.messages m
    JOIN done ON done.id = m.id AND done.attempt = m.attempts
    WHERE m.status = 'sending'
    ORDER BY m.id
    FOR UPDATE OF m
)
UPDATE magiclink.messages m
SET status = done.status,
    provider = coalesce(done.provider, m.provider),
    provider_id = coalesce(done.provider_id, m.provider_id),
    last_error = CASE WHEN done.status = 'accepted' THEN NULL ELSE done.detail END,
    accepted_at = CASE WHEN done.status = 'accepted' THEN now() ELSE m.accepted_at END,
    lease_until = now() + make_interval(secs => done.lease_seconds),
    updated_at = now()
FROM held
JOIN done ON done.id = held.id
WHERE m.id = held.id
RETURNING m.id

-- name: apply_callback
-- What the provider says later of the attempt named, never of an older one. Only forward: a late `sent` does not undo `delivered`,
-- and what failed for good stays so. A message of unknown outcome is known now, also when the sweeper has already queued its
-- next attempt: that one is not claimed any more.
UPDATE magiclink.messages
SET status = $3, provider = coalesce(provider, 'twilio'), provider_id = coalesce(provider_id, $4), last_error = $5,
    lease_until = NULL, updated_at = now(),
    accepted_at = coalesce(accepted_at, CASE WHEN $3 IN ('accepted', 'delivered') THEN now() END)
WHERE id = $1 AND attempts = $2
  AND (status IN ('queued', 'sending', 'unknown') OR (status = 'accepted' AND $3 <> 'accepted'))
RETURNING id, link_id, app_id, user_id, channel, lane, attempts

-- name: tell_delivery_options
-- One row; the notifier that started last has the word.
INSERT INTO magiclink.delivery_options (channels, templates)
VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE
SET channels = excluded.channels, templates = excluded.templates, updated_at = now()
