-- name: create_app
INSERT INTO magiclink.apps (
    id, name, base_url, redirect_urls, default_redirect_url, landing_url, ttl_seconds, max_ttl_seconds, grant_ttl_seconds,
    passcode_strategy, passcode_length, jwt_algorithm, locale, sender, branding, intake, interactive_per_minute,
    latest_only, ttl_from, acceptance_cap_seconds, texts_per_hour, texts_per_recipient_per_hour, passcode_tries_per_day,
    vendor, vendor_id, vendor_settings, jwt_issuer, jwt_audience, user_id_format, redirects_exact, passcode_standalone,
    require_verified, session_seconds, trust_seconds
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::jsonb, $16, $17, $18, $19, $20, $21, $22, $23,
    $24, $25, $26::text::jsonb, $27, $28, $29, $30, $31, $32, $33, $34
)
RETURNING *

-- name: find_app
-- $3: the caller administers every app.
SELECT * FROM magiclink.apps WHERE id = $1 AND ($3 OR id = $2)

-- name: find_vendor_app
-- For a caller that acts for every app that answers as a vendor's.
SELECT * FROM magiclink.apps
WHERE vendor = $1 AND ($2::text IS NULL OR vendor_id = $2)
  AND ($3::uuid IS NULL OR id = (SELECT app_id FROM magiclink.applications WHERE id = $3))
LIMIT 2

-- name: find_app_to_change
SELECT * FROM magiclink.apps WHERE id = $1 AND ($3 OR id = $2) FOR NO KEY UPDATE

-- name: list_apps
SELECT * FROM magiclink.apps WHERE ($2 OR id = $1) AND id > $3 ORDER BY id LIMIT $4

-- name: update_app
UPDATE magiclink.apps
SET name = $2, base_url = $3, redirect_urls = $4, default_redirect_url = $5, landing_url = $6, ttl_seconds = $7,
    max_ttl_seconds = $8, grant_ttl_seconds = $9, passcode_strategy = $10, passcode_length = $11, jwt_algorithm = $12,
    locale = $13, sender = $14, branding = $15::text::jsonb, intake = $16, interactive_per_minute = $17,
    latest_only = $18, ttl_from = $19, acceptance_cap_seconds = $20, texts_per_hour = $21,
    texts_per_recipient_per_hour = $22, passcode_tries_per_day = $23, vendor = $24, vendor_id = $25,
    vendor_settings = $26::text::jsonb, jwt_issuer = $27, jwt_audience = $28, user_id_format = $29, redirects_exact = $30,
    passcode_standalone = $31, require_verified = $32, session_seconds = $33, trust_seconds = $34, updated_at = now()
WHERE id = $1
RETURNING *

-- name: create_key
-- Of an unknown app, no row.
INSERT INTO magiclink.api_keys (
    id, app_id, name, prefix, hash, scopes, expires_at, types, redirect_urls, max_ttl_seconds, recipient_domains, endpoints
)
SELECT $1, id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::text::jsonb FROM magiclink.apps WHERE id = $2
RETURNING id, app_id, name, prefix, scopes, types, redirect_urls, max_ttl_seconds, recipient_domains, endpoints, expires_at,
    revoked_at, created_at, expires_at <= now() AS is_over

-- name: find_own_key
-- The key that calls: its text was its proof. Not by its app, for it may act for another.
SELECT id, name, prefix, types, redirect_urls, max_ttl_seconds, recipient_domains, endpoints
FROM magiclink.api_keys
WHERE id = $1

-- name: find_api_key
SELECT id, app_id, name, prefix, scopes, types, redirect_urls, max_ttl_seconds, recipient_domains, endpoints, expires_at,
    revoked_at, created_at
FROM magiclink.api_keys
WHERE app_id = $1 AND id = $2

-- name: list_api_keys
SELECT id, app_id, name, prefix, scopes, types, redirect_urls, max_ttl_seconds, recipient_domains, endpoints, expires_at,
    revoked_at, created_at
FROM magiclink.api_keys
WHERE app_id = $1 AND id > $2
ORDER BY id
LIMIT $3

-- name: revoke_api_key
-- The first revocation's time stays.
UPDATE magiclink.api_keys
SET revoked_at = coalesce(revoked_at, now())
WHERE app_id = $1 AND ($3 OR app_id = $2) AND id = $4
RETURNING id

-- name: revoke_api_key_of_any_app
-- For the operator at the command line, who names the key alone.
UPDATE magiclink.api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING app_id, prefix

-- name: find_named_user
-- By the one of the three that is given.
SELECT id, email, phone FROM magiclink.users WHERE app_id = $1 AND (id = $2 OR email = $3 OR phone = $4)

-- name: lock_live_links
-- Live is what can still sign somebody in: a link that can be consumed, or one whose grant can be exchanged.
-- In id order, as every writer of links: two that lock in different orders would deadlock. $3: links of this type only.
SELECT id
FROM magiclink.links
WHERE app_id = $1 AND user_id = $2 AND revoked_at IS NULL AND ($3::text IS NULL OR type = $3)
    AND (
        (consumed_at IS NULL AND expires_at > now())
        OR (exchanged_at IS NULL AND consumed_at + make_interval(secs => grant_ttl_seconds) > now())
    )
ORDER BY id
FOR UPDATE

-- name: revoke_links
-- $3 and $4 are the lowest and the highest id: they spare PostgreSQL the partitions of other weeks.
WITH locked AS MATERIALIZED (
    SELECT id
    FROM magiclink.links
    WHERE app_id = $1 AND id = ANY ($2::uuid[]) AND id BETWEEN $3 AND $4 AND revoked_at IS NULL
    ORDER BY id
    FOR UPDATE
)
UPDATE magiclink.links l
SET revoked_at = now(), sequence = l.sequence + 1
FROM locked
WHERE l.id = locked.id AND l.id BETWEEN $3 AND $4 AND locked.id BETWEEN $3 AND $4 AND l.app_id = $1
RETURNING l.id, l.app_id, l.user_id, l.type, l.revoked_at, l.sequence,
    extract(epoch FROM l.expires_at - now())::float8 AS keep_seconds

-- name: revoke_waiting_messages
WITH locked AS MATERIALIZED (
    SELECT id
    FROM magiclink.messages
    WHERE link_id = ANY ($2::uuid[]) AND app_id = $1 AND status = ANY ($3::text[])
    ORDER BY id
    FOR UPDATE
)
UPDATE magiclink.messages m
SET status = 'revoked', lease_until = NULL, updated_at = now()
FROM locked
WHERE m.id = locked.id AND m.app_id = $1
RETURNING m.id, m.link_id, m.app_id, m.user_id, m.channel, m.lane, m.attempts

-- name: lock_link_to_send
-- Links before messages, as every writer of both.
SELECT id, kid, app_id, user_id, type, magiclink.link_status(l) AS status, channel, lane, locale, time_zone, verifies,
       passcode_format, passcode_epoch, redirect_url, url_template, doors, ttl_seconds, not_before, expires_at, extract(epoch FROM expires_at - now())::float8 AS seconds_left
FROM magiclink.links l
WHERE id = $2 AND app_id = $1
FOR UPDATE

-- name: read_last_message
-- The link's newest message, and how many it has. Of a transaction that waited for another's message, the age is below 0.
SELECT channel, locale, template, data, count(*) OVER () AS messages,
       extract(epoch FROM now() - created_at)::float8 AS age_seconds
FROM magiclink.messages
WHERE link_id = $2 AND app_id = $1
ORDER BY created_at DESC, id DESC
LIMIT 1

-- name: change_sent_link
-- A higher epoch makes another passcode of the link.
UPDATE magiclink.links
SET channel = $3, lane = $4, locale = $5, time_zone = $6, verifies = $7, passcode_format = $8,
    passcode_epoch = passcode_epoch + $9
WHERE id = $2 AND app_id = $1

-- name: add_message
INSERT INTO magiclink.messages (
    id, link_id, app_id, user_id, channel, recipient, locale, template, data, lane, status, lease_until, created_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10, 'queued',
        greatest($11::timestamptz, now()) + make_interval(secs => $12), now())

-- name: read_sent_link
-- A link with the message $2.
SELECT l.id, l.kid, l.app_id, l.user_id, l.type, magiclink.link_status(l) AS status, l.redirect_url, l.state, l.metadata,
       l.channel, l.send_at, l.expires_at, l.created_at, l.consumed_at, l.revoked_at, l.passcode_format,
       l.passcode_epoch, l.url_template, l.doors, magiclink.is_user_made_with(l) AS user_created,
       m.id AS message_id, m.status AS message_status
FROM magiclink.messages m
JOIN magiclink.links l ON l.id = m.link_id AND l.app_id = m.app_id
WHERE m.id = $2 AND m.app_id = $1

-- name: read_link
SELECT id, app_id, user_id, type, magiclink.link_status(l) AS status, redirect_url, state, metadata, channel, send_at,
       expires_at, created_at, consumed_at, consumed_via, revoked_at, exchanged_at, binding, slot, passcode_tries,
       now() AS read_at
FROM magiclink.links l
WHERE id = $2 AND app_id = $1

-- name: read_successors
-- The newer links that a link's story leads to: the one that was made of it when it had expired, and, if it was superseded, the next
-- one of its slot. When the slot went over is not kept: it was when that one was made.
SELECT 'renewed' AS event, n.id AS link_id, n.created_at AS at
FROM magiclink.links l
JOIN magiclink.links n ON n.app_id = l.app_id AND n.user_id = l.user_id AND n.renewed_from = l.id
WHERE l.id = $2 AND l.app_id = $1
UNION ALL
(
    SELECT 'superseded', n.id, greatest(n.created_at, l.created_at)
    FROM magiclink.links l
    JOIN magiclink.links n ON (n.app_id, n.user_id, n.type, n.slot) = (l.app_id, l.user_id, l.type, l.slot) AND n.id <> l.id
    WHERE l.id = $2 AND l.app_id = $1 AND magiclink.link_status(l) = 'superseded'
    ORDER BY n.created_at < l.created_at, n.created_at, n.id
    LIMIT 1
)

-- name: read_visits
-- The verifier samples them; the limit is a fence.
SELECT at, event, visitor, detail
FROM magiclink.link_visits
WHERE link_id = $2 AND app_id = $1
ORDER BY id
LIMIT 100

-- name: read_messages_of_link
SELECT id, link_id, channel, recipient, locale, template, lane, status, attempts, provider, provider_id, last_error,
       created_at, accepted_at, updated_at
FROM magiclink.messages
WHERE link_id = $2 AND app_id = $1
ORDER BY id

-- name: read_message
SELECT id, link_id, channel, recipient, locale, template, lane, status, attempts, provider, provider_id, last_error,
       created_at, accepted_at, updated_at
FROM magiclink.messages
WHERE id = $2 AND app_id = $1

-- name: read_attempts
-- Attempts carry no app: they are read through messages of the caller's app only.
SELECT a.message_id, a.attempt, a.started_at, a.finished_at, a.outcome, a.provider, a.provider_id, a.detail
FROM magiclink.message_attempts a
JOIN magiclink.messages m ON m.id = a.message_id
WHERE a.message_id = ANY ($2::uuid[]) AND m.app_id = $1
ORDER BY a.message_id, a.attempt

-- name: claim_key
-- Waits for a concurrent duplicate to commit, then returns no row. An expired row is taken over.
INSERT INTO magiclink.idempotency_keys AS k (app_id, scope, key, body_hash, answer, expires_at)
VALUES ($1, $2, $3, $4, '{}'::jsonb, now() + make_interval(secs => $5))
ON CONFLICT (app_id, scope, key) DO UPDATE
    SET body_hash = excluded.body_hash, answer = excluded.answer, expires_at = excluded.expires_at
    WHERE k.expires_at <= now()
RETURNING k.key

-- name: keep_answer
UPDATE magiclink.idempotency_keys SET answer = $4::text::jsonb
WHERE app_id = $1 AND scope = $2 AND key = $3

-- name: find_answer
SELECT body_hash, answer FROM magiclink.idempotency_keys
WHERE app_id = $1 AND scope = $2 AND key = $3
