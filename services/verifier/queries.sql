-- name: consume
-- The transition (DESIGN §4 step 3): of all attempts of a flush, those whose link is free win it, and the event is written
-- with it. Locked rows are skipped; the caller tries them again. Bounding by the lowest and highest id drops partitions.
WITH free AS (
    SELECT l.id AS link_id, attempt.attempt_id, attempt.via, attempt.request_id, u.email, u.phone, u.email_verified,
           u.phone_verified, u.metadata AS user_metadata, u.created_at AS user_created_at, a.name AS app_name,
           a.branding, a.jwt_algorithm
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
        AS attempt (link_id, attempt_id, app_id, via, request_id)
    JOIN magiclink.links l ON l.id = attempt.link_id
    JOIN magiclink.users u ON u.id = l.user_id
    JOIN magiclink.apps a ON a.id = l.app_id
    WHERE l.id BETWEEN $6 AND $7
      AND (attempt.app_id IS NULL OR attempt.app_id = l.app_id)
      AND l.consumed_at IS NULL AND l.revoked_at IS NULL
      AND l.not_before <= now() AND now() < l.expires_at
    ORDER BY l.id
    FOR UPDATE OF l SKIP LOCKED
), consumed AS (
    UPDATE magiclink.links l
    SET consumed_at = now(), consumed_by = free.attempt_id, consumed_via = free.via, sequence = l.sequence + 1
    FROM free
    WHERE l.id = free.link_id AND l.id BETWEEN $6 AND $7
    RETURNING l.*, free.*
), told AS (
    INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
    SELECT 'events', 'magiclink.events', user_id::text, convert_to(jsonb_build_object(
            'specversion', '1.0',
            'type', 'magiclink.link.consumed.v1',
            'id', id || '.' || sequence,
            'source', '/verifier',
            'subject', id,
            'time', to_char(consumed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'datacontenttype', 'application/json',
            'data', jsonb_build_object(
                'link_id', id, 'app_id', app_id, 'user_id', user_id, 'type', type, 'via', consumed_via,
                'consumed_at', to_char(consumed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'sequence', sequence
            )
        )::text, 'UTF8'), jsonb_build_object('x-request-id', request_id)
    FROM consumed
)
SELECT *, 'consumed' AS status, extract(epoch FROM expires_at - now())::float8 AS seconds_to_expiry FROM consumed

-- name: exchange
-- The grant's transition: once, while it lives, by the app and with the PKCE verifier that the link asks for (RFC 7636). A verifier
-- for a link without a challenge is refused too: somebody took the challenge away (RFC 9700 section 4.8.2).
WITH free AS (
    SELECT l.id AS link_id, attempt.attempt_id, attempt.request_id, u.email, u.phone, u.email_verified,
           u.phone_verified, u.metadata AS user_metadata, u.created_at AS user_created_at, a.jwt_algorithm
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[])
        AS attempt (link_id, attempt_id, app_id, code_challenge, request_id)
    JOIN magiclink.links l ON l.id = attempt.link_id
    JOIN magiclink.users u ON u.id = l.user_id
    JOIN magiclink.apps a ON a.id = l.app_id
    WHERE l.id BETWEEN $6 AND $7
      AND l.app_id = attempt.app_id
      AND l.consumed_via = 'browser' AND l.exchanged_at IS NULL AND l.revoked_at IS NULL
      AND now() < l.consumed_at + make_interval(secs => l.grant_ttl_seconds)
      AND l.code_challenge IS NOT DISTINCT FROM attempt.code_challenge
    ORDER BY l.id
    FOR UPDATE OF l SKIP LOCKED
), exchanged AS (
    UPDATE magiclink.links l
    SET exchanged_at = now(), exchanged_by = free.attempt_id, sequence = l.sequence + 1
    FROM free
    WHERE l.id = free.link_id AND l.id BETWEEN $6 AND $7
    RETURNING l.*, free.*
), told AS (
    INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
    SELECT 'events', 'magiclink.events', user_id::text, convert_to(jsonb_build_object(
            'specversion', '1.0',
            'type', 'magiclink.grant.exchanged.v1',
            'id', id || '.' || sequence,
            'source', '/verifier',
            'subject', id,
            'time', to_char(exchanged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'datacontenttype', 'application/json',
            'data', jsonb_build_object(
                'link_id', id, 'app_id', app_id, 'user_id', user_id, 'type', type,
                'exchanged_at', to_char(exchanged_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'sequence', sequence
            )
        )::text, 'UTF8'), jsonb_build_object('x-request-id', request_id)
    FROM exchanged
)
SELECT *, 'consumed' AS status FROM exchanged

-- name: look
-- Where the links of some attempts stand, by the database's clock: for the page, for those that did not win, and after a lost
-- connection. A missing row is a link that the attempt's app does not have.
SELECT attempt.attempt_id, l.*, magiclink.link_status(l) AS status, u.id AS found_user, u.email, u.phone, u.email_verified, u.phone_verified,
       u.metadata AS user_metadata, u.created_at AS user_created_at, a.name AS app_name, a.branding, a.jwt_algorithm,
       now() AS looked_at,
       extract(epoch FROM l.expires_at - now())::float8 AS seconds_to_expiry,
       coalesce(now() < l.consumed_at + make_interval(secs => l.grant_ttl_seconds), false) AS grant_lives,
       coalesce(now() < l.exchanged_at + make_interval(secs => $6), false) AS exchange_repeats
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS attempt (link_id, attempt_id, app_id)
JOIN magiclink.links l ON l.id = attempt.link_id
JOIN magiclink.apps a ON a.id = l.app_id
LEFT JOIN magiclink.users u ON u.id = l.user_id
WHERE l.id BETWEEN $4 AND $5
  AND (attempt.app_id IS NULL OR attempt.app_id = l.app_id)
