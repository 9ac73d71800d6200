-- name: find_app
SELECT id, name, base_url, redirect_urls, redirects_exact, default_redirect_url, landing_url, ttl_seconds, max_ttl_seconds,
       grant_ttl_seconds, passcode_strategy, passcode_length, locale, sender, intake, interactive_per_minute, latest_only,
       ttl_from, acceptance_cap_seconds, texts_per_hour, texts_per_recipient_per_hour, passcode_standalone, user_id_format
FROM magiclink.apps
WHERE id = $1

-- name: read_delivery_options
SELECT channels, templates FROM magiclink.delivery_options

-- name: claim_keys
-- Waits for a concurrent duplicate to commit, then does not return its row. An expired row is taken over.
INSERT INTO magiclink.idempotency_keys AS k (app_id, scope, key, body_hash, answer, expires_at)
SELECT app_id, scope, key, body_hash, answer::jsonb, now() + make_interval(secs => keep_seconds)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::float8[])
    AS row (app_id, scope, key, body_hash, answer, keep_seconds)
ORDER BY app_id, scope, key
ON CONFLICT (app_id, scope, key) DO UPDATE
    SET body_hash = excluded.body_hash, answer = excluded.answer, expires_at = excluded.expires_at
    WHERE k.expires_at <= now()
RETURNING app_id, scope, key

-- name: find_keys
SELECT k.app_id, k.scope, k.key, k.body_hash, k.answer
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS row (app_id, scope, key)
JOIN magiclink.idempotency_keys k USING (app_id, scope, key)

-- name: forget_keys
DELETE FROM magiclink.idempotency_keys k
USING unnest($1::uuid[], $2::text[], $3::text[]) AS row (app_id, scope, key)
WHERE (k.app_id, k.scope, k.key) = (row.app_id, row.scope, row.key)

-- name: amend_answers
UPDATE magiclink.idempotency_keys k SET answer = row.answer::jsonb
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS row (app_id, scope, key, answer)
WHERE (k.app_id, k.scope, k.key) = (row.app_id, row.scope, row.key)

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
-- A slot is the app's own text, one an order perhaps: without this the table grows for ever. No link of these lives any more: none
-- ends later than 60 days after its making.
DELETE FROM magiclink.heads
WHERE link_id IN (
    SELECT link_id FROM magiclink.heads
    WHERE link_id < magiclink.first_id(now() - interval '100 days')
    ORDER BY link_id
    LIMIT $1
)

-- name: hold_users
-- Held until the commit against a change of the address and against deletion: a link must not go to an address that its user has just
-- left, past the revocation that the change brings.
WITH by_email AS (
    SELECT wanted.app_id, wanted.value, u.id, u.email, u.phone, u.imported_id
    FROM unnest($1::uuid[], $2::text[]) AS wanted (app_id, value)
    JOIN magiclink.users u ON u.app_id = wanted.app_id AND u.email = wanted.value
    FOR KEY SHARE OF u
), by_phone AS (
    SELECT wanted.app_id, wanted.value, u.id, u.email, u.phone, u.imported_id
    FROM unnest($3::uuid[], $4::text[]) AS wanted (app_id, value)
    JOIN magiclink.users u ON u.app_id = wanted.app_id AND u.phone = wanted.value
    FOR KEY SHARE OF u
), by_id AS (
    SELECT wanted.app_id, wanted.value, u.id, u.email, u.phone, u.imported_id
    FROM unnest($5::uuid[], $6::text[]) AS wanted (app_id, value)
    JOIN magiclink.users u ON u.app_id = wanted.app_id AND u.id = wanted.value::uuid
    FOR KEY SHARE OF u
)
SELECT 'email' AS kind, * FROM by_email
UNION ALL
SELECT 'phone', * FROM by_phone
UNION ALL
SELECT 'user_id', * FROM by_id

-- name: create_users
-- Sorted, so that two batches with the same new addresses wait for each other instead of deadlocking.
INSERT INTO magiclink.users (id, app_id, email, phone, status)
SELECT id, app_id, email, phone, status
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]) AS row (id, app_id, email, phone, status)
ORDER BY app_id, email, phone
ON CONFLICT DO NOTHING
RETURNING id

-- name: create_links
INSERT INTO magiclink.links (
    id, kid, app_id, user_id, type, channel, lane, redirect_url, state, metadata, client, locale, time_zone,
    code_challenge, ttl_seconds, grant_ttl_seconds, passcode_format, send_at, slot, binding, verifies, ttl_from_acceptance,
    renewed_from, url_template, doors, created_at, not_before, expires_at
)
SELECT id, kid, app_id, user_id, type, channel, lane, redirect_url, state::json, metadata::jsonb, client::jsonb, locale,
       time_zone, code_challenge, ttl_seconds, grant_ttl_seconds, passcode_format, send_at, slot, binding, verifies,
       ttl_from_acceptance, renewed_from, url_template, doors, now(), greatest(send_at, now()),
       greatest(send_at, now()) + make_interval(secs => life_seconds)
FROM unnest(
    $1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::int[], $16::int[], $17::text[], $18::timestamptz[],
    $19::text[], $20::text[], $21::text[], $22::bool[], $23::int[], $24::uuid[], $25::text[], $26::text[]
) AS row (
    id, kid, app_id, user_id, type, channel, lane, redirect_url, state, metadata, client, locale, time_zone,
    code_challenge, ttl_seconds, grant_ttl_seconds, passcode_format, send_at, slot, binding, verifies, ttl_from_acceptance,
    life_seconds, renewed_from, url_template, doors
)
RETURNING id, created_at, expires_at, not_before

-- name: take_slots
-- The last commit wins: ids are no order here, for the clocks of two replicas differ. Sorted, as every writer of heads, against deadlocks.
INSERT INTO magiclink.heads (app_id, user_id, type, slot, link_id)
SELECT app_id, user_id, type, slot, link_id
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[]) AS row (app_id, user_id, type, slot, link_id)
ORDER BY app_id, user_id, type, slot
ON CONFLICT (app_id, user_id, type, slot) DO UPDATE SET link_id = excluded.link_id

-- name: create_messages
INSERT INTO magiclink.messages (
    id, link_id, app_id, user_id, channel, recipient, locale, template, data, lane, status, lease_until, created_at
)
SELECT id, link_id, app_id, user_id, channel, recipient, locale, template, data::jsonb, lane, 'queued',
       greatest(send_at, now()) + make_interval(secs => $11), now()
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $12::timestamptz[]
) AS row (id, link_id, app_id, user_id, channel, recipient, locale, template, data, lane, send_at)

-- name: read_issued
-- Links of an answered request, for its replay: by the app that asked, and no other.
SELECT l.id, l.kid, l.app_id, l.user_id, l.type, magiclink.link_status(l) AS status, l.redirect_url, l.state, l.metadata,
       l.channel, l.send_at, l.expires_at, l.created_at, l.consumed_at, l.revoked_at, l.passcode_format,
       l.passcode_epoch, l.url_template, l.doors, magiclink.is_user_made_with(l) AS user_created,
       m.id AS message_id, m.status AS message_status
FROM magiclink.links l
LEFT JOIN LATERAL (
    SELECT id, status FROM magiclink.messages WHERE link_id = l.id ORDER BY id LIMIT 1
) m ON true
WHERE l.id = ANY ($1::uuid[]) AND l.app_id = ANY ($2::uuid[])

-- name: read_revealable
-- A link as its maker was told of it, and what a narrow key is held against.
SELECT l.id, l.kid, l.app_id, l.user_id, l.type, magiclink.link_status(l) AS status, l.redirect_url, l.state, l.metadata,
       l.channel, l.send_at, l.expires_at, l.created_at, l.consumed_at, l.revoked_at, l.passcode_format,
       l.passcode_epoch, l.url_template, l.doors, magiclink.is_user_made_with(l) AS user_created,
       NULL::uuid AS message_id, NULL::text AS message_status, l.ttl_seconds, u.email
FROM magiclink.links l
LEFT JOIN magiclink.users u ON u.id = l.user_id AND u.app_id = l.app_id
WHERE l.id = $2 AND l.app_id = $1

-- name: read_renewable
-- What a new link in the place of an expired one is made of: the link, its newest message, and where its user is reached today.
SELECT l.id, l.user_id, l.type, magiclink.link_status(l) AS status, l.redirect_url, l.state, l.metadata, l.locale, l.time_zone,
       l.code_challenge, l.ttl_seconds, l.grant_ttl_seconds, l.passcode_format, l.binding, l.slot, l.verifies, l.url_template, m.channel, m.recipient, m.template, m.data,
       CASE m.channel WHEN 'email' THEN u.email ELSE u.phone END AS address
FROM magiclink.links l
LEFT JOIN magiclink.users u ON u.id = l.user_id AND u.app_id = l.app_id
LEFT JOIN LATERAL (
    SELECT channel, recipient, template, data
    FROM magiclink.messages
    WHERE link_id = l.id AND app_id = l.app_id
    ORDER BY created_at DESC, id DESC
    LIMIT 1
) m ON true
WHERE l.id = $2 AND l.app_id = $1 AND l.user_id = $3

-- name: postpone_records
INSERT INTO magiclink.outbox (lane, due_at, topic, key, value, headers)
SELECT 'bulk', now() + make_interval(secs => pause_seconds), topic, key, value, headers::jsonb
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::float8[]) AS row (topic, key, value, headers, pause_seconds)

-- name: take_due
SELECT id, topic, key, value, headers, extract(epoch FROM now() - due_at)::float8 AS late_seconds
FROM magiclink.outbox
WHERE lane = $1 AND due_at <= now()
ORDER BY due_at, id
LIMIT $2
FOR UPDATE SKIP LOCKED

-- name: delete_sent
DELETE FROM magiclink.outbox WHERE id = ANY ($1::bigint[])

-- name: seconds_to_next
SELECT extract(epoch FROM min(due_at) - now())::float8 FROM magiclink.outbox WHERE lane = $1

-- name: requeue_late
-- Messages that outlived their lease. An e-mail goes out again under its Message-ID; an SMS or WhatsApp message that was being
-- sent has an unknown outcome and first waits for its status callback. `queued` ones only in lanes whose lag does not explain them.
WITH late AS (
    SELECT id, status, channel
    FROM magiclink.messages
    WHERE lease_until < now() AND (status IN ('sending', 'unknown') OR (status = 'queued' AND lane = ANY ($2::text[])))
    ORDER BY lease_until
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE magiclink.messages m
SET status = CASE WHEN late.status = 'sending' AND late.channel <> 'email' THEN 'unknown' ELSE 'queued' END,
    requeues = m.requeues + 1,
    lease_until = now() + make_interval(secs => CASE
        WHEN late.status = 'sending' AND late.channel <> 'email' THEN $4
        ELSE $3 * power(2, least(m.requeues, 6))
    END),
    updated_at = now()
FROM late
WHERE m.id = late.id
RETURNING m.id, m.link_id, m.app_id, m.user_id, m.channel, m.lane, m.attempts, m.requeues, m.status, late.status AS was

-- name: oldest_queued
SELECT min(lease_until) FROM magiclink.messages
WHERE lease_until < now() AND status = 'queued' AND lane = $1

-- name: is_outbox_behind
SELECT EXISTS (SELECT FROM magiclink.outbox WHERE lane = $1 AND due_at < $2)

-- name: ensure_partitions
SELECT magiclink.ensure_link_partitions($1)

-- name: count_default_partition
SELECT count(*) FROM (SELECT FROM magiclink.links_default LIMIT 1000) AS stray
