-- name: find_app
SELECT id, name, base_url, redirect_urls, redirects_exact, default_redirect_url, landing_url, ttl_seconds, max_ttl_seconds,
       grant_ttl_seconds, passcode_strategy, passcode_length, locale, sender, intake, interactive_per_minute, latest_only,
       ttl_from, acceptance_cap_seconds, texts_per_hour, texts_per_recipient_per_hour, passcode_standalone, user_id_format
FROM magiclink.apps
WHERE id = $1

-- name: read_delivery_options
SELECT channels, templates FROM magiclink.delivery_options

-- name: claim_keys
-- Waits for a concurrent duplicate to commit, then does not return its row. An expired row is taken over. Each row of the parameters
-- is a list of keys of one scope.
INSERT INTO magiclink.idempotency_keys AS k (app_id, scope, key, body_hash, answer, expires_at)
SELECT app_id, scope, key, decode(body_hash, 'hex'), answer::jsonb, now() + make_interval(secs => keep_seconds)
FROM unnest($1::uuid[], $2::text[], $3::float8[], $4::text[], $5::text[], $6::text[])
    AS alike (app_id, scope, keep_seconds, keys, body_hashes, answers),
    LATERAL ROWS FROM (
        json_array_elements_text(keys::json), json_array_elements_text(body_hashes::json), json_array_elements(answers::json)
    ) AS row (key, body_hash, answer)
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

-- name: hold_users
-- Finds the wanted users and makes those that are missing and have an id to get, in one trip; each row of the parameters is a list of them. A user whom another transaction made meanwhile is in
-- neither half: asked again, the statement has a new snapshot.
-- Held until the commit against a change of the address and against deletion: a link must not go to an address that its user has just
-- left, past the revocation that the change brings. The last row has no user: it says when, which is when the transaction began.
-- Made in one order, so that two batches with the same new addresses wait for each other instead of deadlocking.
WITH wanted AS MATERIALIZED (
    SELECT app_id, kind, status, value, id
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS alike (app_id, kind, status, texts, ids),
        LATERAL ROWS FROM (json_array_elements_text(texts::json), unnest(ids::uuid[])) AS wanted (value, id)
), by_email AS (
    SELECT wanted.app_id, wanted.value, u.id, u.email, u.phone, u.imported_id
    FROM wanted
    JOIN magiclink.users u ON u.app_id = wanted.app_id AND u.email = wanted.value
    WHERE wanted.kind = 'email'
    FOR KEY SHARE OF u
), by_phone AS (
    SELECT wanted.app_id, wanted.value, u.id, u.email, u.phone, u.imported_id
    FROM wanted
    JOIN magiclink.users u ON u.app_id = wanted.app_id AND u.phone = wanted.value
    WHERE wanted.kind = 'phone'
    FOR KEY SHARE OF u
), by_id AS (
    SELECT wanted.app_id, wanted.value, u.id, u.email, u.phone, u.imported_id
    FROM wanted
    JOIN magiclink.users u
        ON u.app_id = wanted.app_id AND u.id = CASE wanted.kind WHEN 'user_id' THEN wanted.value::uuid END
    WHERE wanted.kind = 'user_id'
    FOR KEY SHARE OF u
), held AS (
    SELECT 'email' AS kind, * FROM by_email
    UNION ALL
    SELECT 'phone', * FROM by_phone
    UNION ALL
    SELECT 'user_id', * FROM by_id
), made AS (
    -- NOT IN, which is hashed: a join of a thousand by a thousand is not, as long as PostgreSQL takes each for ten.
    INSERT INTO magiclink.users (id, app_id, email, phone, status)
    SELECT id, app_id, CASE kind WHEN 'email' THEN value END, CASE kind WHEN 'phone' THEN value END, status
    FROM wanted
    WHERE id IS NOT NULL AND (app_id, kind, value) NOT IN (SELECT held.app_id, held.kind, held.value FROM held)
    ORDER BY app_id, kind, value
    ON CONFLICT DO NOTHING
    RETURNING id, app_id, email, phone
)
SELECT kind, app_id, value, id, email, phone, imported_id, false AS is_new, NULL::timestamptz AS held_at FROM held
UNION ALL
SELECT CASE WHEN email IS NULL THEN 'phone' ELSE 'email' END, app_id, coalesce(email, phone), id, email, phone, NULL, true, NULL FROM made
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, now()

-- name: create_links
-- Links with their first messages, slots and outbox rows, in one trip. What links have in common stands once for all of a group, and the
-- lists of what differs in texts: each link becomes a row here.
-- Of a slot the last commit wins: ids are no order, for the clocks of two replicas differ. Sorted, as every writer of heads, against deadlocks.
WITH link AS MATERIALIZED (
    SELECT kid, app_id, type, channel, lane, redirect_url, state, metadata, client, locale, time_zone, code_challenge, ttl_seconds,
           grant_ttl_seconds, passcode_format, send_at, slot, binding, verifies, ttl_from_acceptance, life_seconds, renewed_from,
           url_template, doors, template, data, id, user_id, is_head, message_id, recipient
    FROM unnest(
        $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::text[], $13::int[], $14::int[], $15::text[], $16::timestamptz[], $17::text[], $18::text[],
        $19::text[], $20::bool[], $21::int[], $22::uuid[], $23::text[], $24::text[], $25::text[], $26::text[],
        $27::text[], $28::text[], $29::text[], $30::text[], $31::text[]
    ) AS alike (
        kid, app_id, type, channel, lane, redirect_url, state, metadata, client, locale, time_zone, code_challenge, ttl_seconds,
        grant_ttl_seconds, passcode_format, send_at, slot, binding, verifies, ttl_from_acceptance, life_seconds, renewed_from,
        url_template, doors, template, data, ids, user_ids, are_heads, message_ids, recipients
    ), LATERAL ROWS FROM (
        unnest(ids::uuid[]), unnest(user_ids::uuid[]), unnest(are_heads::bool[]), unnest(message_ids::uuid[]),
        json_array_elements_text(recipients::json)
    ) AS link (id, user_id, is_head, message_id, recipient)
), made AS (
    INSERT INTO magiclink.links (
        id, kid, app_id, user_id, type, channel, lane, redirect_url, state, metadata, client, locale, time_zone,
        code_challenge, ttl_seconds, grant_ttl_seconds, passcode_format, send_at, slot, binding, verifies, ttl_from_acceptance,
        renewed_from, url_template, doors, created_at, not_before, expires_at
    )
    SELECT id, kid, app_id, user_id, type, channel, lane, redirect_url, state::json, metadata::jsonb, client::jsonb, locale,
           time_zone, code_challenge, ttl_seconds, grant_ttl_seconds, passcode_format, send_at, slot, binding, verifies,
           ttl_from_acceptance, renewed_from, url_template, doors, now(), greatest(send_at, now()),
           greatest(send_at, now()) + make_interval(secs => life_seconds)
    FROM link
), queued AS (
    INSERT INTO magiclink.messages (
        id, link_id, app_id, user_id, channel, recipient, locale, template, data, lane, status, lease_until, created_at
    )
    SELECT message_id, id, app_id, user_id, channel, recipient, locale, template, data::jsonb, lane, 'queued',
           greatest(send_at, now()) + make_interval(secs => $38), now()
    FROM link
    WHERE message_id IS NOT NULL
), taken AS (
    INSERT INTO magiclink.heads (app_id, user_id, type, slot, link_id)
    SELECT app_id, user_id, type, slot, id
    FROM link
    WHERE is_head
    ORDER BY app_id, user_id, type, slot
    ON CONFLICT (app_id, user_id, type, slot) DO UPDATE SET link_id = excluded.link_id
)
INSERT INTO magiclink.outbox (lane, due_at, topic, key, value, headers)
SELECT lane, coalesce(due_at, now()), topic, key, convert_to(value, 'UTF8'), header::jsonb
FROM unnest($32::text[], $33::timestamptz[], $34::text[], $35::text[], $36::text[], $37::text[])
    AS alike (lane, due_at, topic, keys, events, headers),
    LATERAL ROWS FROM (
        unnest(keys::text[]), unnest(string_to_array(events, E'\n')), unnest(string_to_array(headers, E'\n'))
    ) AS row (key, value, header)

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
-- Taken and deleted at once; the relay commits when the broker has acknowledged, and until then nobody else sees them. $3 spares it
-- the deleted rows that lie before the living in the index. The last row has no topic: it says when these were taken and in how many
-- seconds the next one is due (none: null; less than 0: somebody else has it), unless these fill the batch.
-- Deleted by their places, which needs no join: see docs/decisions/0016.
WITH due AS (
    SELECT id, ctid AS place
    FROM magiclink.outbox
    WHERE lane = $1 AND due_at > $3 AND due_at <= now()
    ORDER BY due_at, id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
), taken AS (
    DELETE FROM magiclink.outbox
    WHERE ctid = ANY (ARRAY(SELECT place FROM due))
    RETURNING topic, key, value, headers, due_at
)
SELECT topic, key, value, headers, due_at, NULL::timestamptz AS taken_at, NULL::float8 AS seconds_to_next FROM taken
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, now(), (
    SELECT extract(epoch FROM min(due_at) - now())::float8
    FROM magiclink.outbox
    WHERE lane = $1 AND due_at > $3 AND id NOT IN (SELECT id FROM due) AND (SELECT count(*) FROM due) < $2
)

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
