-- name: create_app
INSERT INTO magiclink.apps (
    id, name, base_url, redirect_urls, default_redirect_url, landing_url, ttl_seconds, max_ttl_seconds, grant_ttl_seconds,
    passcode_strategy, passcode_length, jwt_algorithm, locale, sender, branding, intake, interactive_per_minute
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::jsonb, $16, $17)
RETURNING *

-- name: find_app
-- $3: the caller administers every app.
SELECT * FROM magiclink.apps WHERE id = $1 AND ($3 OR id = $2)

-- name: find_app_to_change
SELECT * FROM magiclink.apps WHERE id = $1 AND ($3 OR id = $2) FOR NO KEY UPDATE

-- name: list_apps
SELECT * FROM magiclink.apps WHERE ($2 OR id = $1) AND id > $3 ORDER BY id LIMIT $4

-- name: update_app
UPDATE magiclink.apps
SET name = $2, base_url = $3, redirect_urls = $4, default_redirect_url = $5, landing_url = $6, ttl_seconds = $7,
    max_ttl_seconds = $8, grant_ttl_seconds = $9, passcode_strategy = $10, passcode_length = $11, jwt_algorithm = $12,
    locale = $13, sender = $14, branding = $15::text::jsonb, intake = $16, interactive_per_minute = $17, updated_at = now()
WHERE id = $1
RETURNING *

-- name: create_key
-- Of an unknown app, no row.
INSERT INTO magiclink.api_keys (id, app_id, name, prefix, hash, scopes, expires_at)
SELECT $1, id, $3, $4, $5, $6, $7 FROM magiclink.apps WHERE id = $2
RETURNING id, app_id, name, prefix, scopes, expires_at, revoked_at, created_at, expires_at <= now() AS is_over

-- name: find_api_key
SELECT id, app_id, name, prefix, scopes, expires_at, revoked_at, created_at
FROM magiclink.api_keys
WHERE app_id = $1 AND id = $2

-- name: list_api_keys
SELECT id, app_id, name, prefix, scopes, expires_at, revoked_at, created_at
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

-- name: create_user
INSERT INTO magiclink.users (id, app_id, email, phone, metadata)
VALUES ($1, $2, $3, $4, $5::text::jsonb)
RETURNING *

-- name: find_user
SELECT * FROM magiclink.users WHERE app_id = $1 AND id = $2

-- name: list_users
SELECT * FROM magiclink.users WHERE app_id = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: find_user_by_email
SELECT * FROM magiclink.users WHERE app_id = $1 AND email = $2 AND ($3::text IS NULL OR phone = $3)

-- name: find_user_by_phone
SELECT * FROM magiclink.users WHERE app_id = $1 AND phone = $2

-- name: lock_user
SELECT id, email, phone FROM magiclink.users WHERE app_id = $1 AND id = $2 FOR UPDATE

-- name: update_user
-- $3, $5 and $7 say which fields change. What was verified was the old address, not the new one.
UPDATE magiclink.users
SET email = CASE WHEN $3 THEN $4 ELSE email END,
    email_verified = email_verified AND (NOT $3 OR email IS NOT DISTINCT FROM $4),
    phone = CASE WHEN $5 THEN $6 ELSE phone END,
    phone_verified = phone_verified AND (NOT $5 OR phone IS NOT DISTINCT FROM $6),
    metadata = CASE WHEN $7 THEN $8::text::jsonb ELSE metadata END,
    updated_at = now()
WHERE app_id = $1 AND id = $2
RETURNING *

-- name: delete_user
DELETE FROM magiclink.users WHERE app_id = $1 AND id = $2 RETURNING id

-- name: lock_live_links
-- Live is what can still sign somebody in: a link that can be consumed, or one whose grant can be exchanged.
-- In id order, as every writer of links: two that lock in different orders would deadlock.
SELECT id
FROM magiclink.links
WHERE app_id = $1 AND user_id = $2 AND revoked_at IS NULL
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
WHERE l.id = locked.id AND l.id BETWEEN $3 AND $4 AND l.app_id = $1
RETURNING l.id, l.app_id, l.user_id, l.type, l.revoked_at, l.sequence,
    extract(epoch FROM l.expires_at - now())::float8 AS keep_seconds

-- name: revoke_queued_messages
WITH locked AS MATERIALIZED (
    SELECT id
    FROM magiclink.messages
    WHERE link_id = ANY ($2::uuid[]) AND app_id = $1 AND status = 'queued'
    ORDER BY id
    FOR UPDATE
)
UPDATE magiclink.messages m
SET status = 'revoked', lease_until = NULL, updated_at = now()
FROM locked
WHERE m.id = locked.id AND m.app_id = $1
RETURNING m.id, m.link_id, m.app_id, m.user_id, m.channel, m.lane, m.attempts

-- name: read_link
SELECT id, app_id, user_id, type, magiclink.link_status(l) AS status, redirect_url, state, metadata, channel, send_at,
       expires_at, created_at, consumed_at, consumed_via, revoked_at, exchanged_at, now() AS read_at
FROM magiclink.links l
WHERE id = $2 AND app_id = $1

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
UPDATE magiclink.idempotency_keys SET answer = jsonb_build_object('id', $4::text)
WHERE app_id = $1 AND scope = $2 AND key = $3

-- name: find_answer
SELECT body_hash, (answer ->> 'id')::uuid AS id FROM magiclink.idempotency_keys
WHERE app_id = $1 AND scope = $2 AND key = $3
