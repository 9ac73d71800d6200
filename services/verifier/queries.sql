-- name: consume
-- The transition (DESIGN §4 step 3): of all attempts of a flush, those whose link is free win it, and the event is written
-- with it. Locked rows are skipped; the caller tries them again.
-- Bounding the links by the lowest and highest id drops partitions. The attempts are bounded too, which changes nothing but what
-- PostgreSQL expects: few attempts, so it looks each link up by its id. Else it may read all links between those two ids:
-- of 64 attempts spread over 100,000 links 5,300 blocks, and so 980.
-- What is free is also what `judge` (verdict.py) calls free. A newer link that is being issued meanwhile took the slot after this.
-- `ready`, `marked`: a link that verifies an address marks it, and one of an invited user makes them active, or is not consumed. Whoever
-- changes a user locks the user and then its links; this statement has the links first. So it never waits for a user: a locked one is
-- skipped, and its link left as it is for the next try. Waiting nowhere, it is part of no deadlock. A change that came first has revoked
-- the link; one that comes later waits for this commit, and takes the mark off the address that it changes.
WITH free AS (
    SELECT l.id AS link_id, l.user_id AS marked_user, attempt.attempt_id, attempt.via, attempt.request_id, u.*, a.*, l.verifies AS marks
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::text[], $9::uuid[])
        AS attempt (link_id, attempt_id, app_id, via, request_id, paired, code_challenge, client, user_id)
    JOIN magiclink.links l ON l.id = attempt.link_id
    JOIN magiclink.holders u ON u.found_user = l.user_id
    JOIN magiclink.login_apps a ON a.login_app = l.app_id
    WHERE l.id BETWEEN $10 AND $11 AND attempt.link_id BETWEEN $10 AND $11
      AND (attempt.app_id IS NULL OR attempt.app_id = l.app_id)
      AND l.consumed_at IS NULL AND l.revoked_at IS NULL
      AND l.not_before <= now() AND now() < l.expires_at
      AND u.holder_bar IS NULL
      AND (attempt.user_id IS NULL OR attempt.user_id = l.user_id)
      AND (attempt.client IS NULL OR l.client @> attempt.client::jsonb)
      AND (attempt.via = 'browser' OR l.code_challenge IS NOT DISTINCT FROM attempt.code_challenge)
      AND (l.binding <> 'require' OR attempt.paired OR attempt.via = 'passcode')
      AND (l.slot IS NULL OR magiclink.is_head(l))
    ORDER BY l.id
    FOR UPDATE OF l SKIP LOCKED
), ready AS (
    SELECT u.id
    FROM magiclink.users u
    WHERE u.id IN (SELECT marked_user FROM free WHERE marks IS NOT NULL OR holder_status = 'pending')
    FOR NO KEY UPDATE SKIP LOCKED
), consumed AS (
    UPDATE magiclink.links l
    SET consumed_at = now(), consumed_by = free.attempt_id, consumed_via = free.via, sequence = l.sequence + 1
    FROM free
    WHERE l.id = free.link_id AND l.id BETWEEN $10 AND $11 AND free.link_id BETWEEN $10 AND $11
      AND ((free.marks IS NULL AND free.holder_status <> 'pending') OR free.marked_user IN (SELECT id FROM ready))
    RETURNING l.*, free.*
), marked AS (
    UPDATE magiclink.users u
    SET email_verified = u.email_verified OR (mark.email AND u.email IS NOT NULL),
        phone_verified = u.phone_verified OR (mark.phone AND u.phone IS NOT NULL),
        status = CASE WHEN u.status = 'pending' THEN 'active' ELSE u.status END,
        updated_at = now()
    FROM (
        SELECT user_id, coalesce(bool_or(marks = 'email'), false) AS email, coalesce(bool_or(marks = 'phone'), false) AS phone
        FROM consumed
        WHERE marks IS NOT NULL OR holder_status = 'pending'
        GROUP BY user_id
    ) AS mark
    WHERE u.id = mark.user_id
), told AS (
    INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
    SELECT 'events', 'magiclink.events', user_id::text, magiclink.cloud_event(
            'magiclink.link.consumed.v1', id || '.' || sequence, '/verifier', id::text, consumed_at,
            jsonb_build_object(
                'link_id', id, 'app_id', app_id, 'user_id', user_id, 'type', type, 'via', consumed_via,
                'consumed_at', magiclink.rfc3339(consumed_at), 'sequence', sequence
            )
        ), jsonb_build_object('x-request-id', request_id)
    FROM consumed
)
SELECT *, 'consumed' AS status, now() AS looked_at, extract(epoch FROM expires_at - now())::float8 AS seconds_to_expiry FROM consumed

-- name: exchange
-- The grant's transition: once, while it lives, by the app and with the PKCE verifier that the link asks for (RFC 7636). A verifier
-- for a link without a challenge is refused too: somebody took the challenge away (RFC 9700 section 4.8.2).
WITH free AS (
    SELECT l.id AS link_id, attempt.attempt_id, attempt.request_id, u.*, a.*
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::uuid[])
        AS attempt (link_id, attempt_id, app_id, request_id, code_challenge, client, user_id)
    JOIN magiclink.links l ON l.id = attempt.link_id
    JOIN magiclink.holders u ON u.found_user = l.user_id
    JOIN magiclink.login_apps a ON a.login_app = l.app_id
    WHERE l.id BETWEEN $8 AND $9 AND attempt.link_id BETWEEN $8 AND $9
      AND l.app_id = attempt.app_id
      AND l.consumed_via = 'browser' AND l.exchanged_at IS NULL AND l.revoked_at IS NULL
      AND now() < l.consumed_at + make_interval(secs => l.grant_ttl_seconds)
      AND u.holder_bar IS NULL
      AND (attempt.user_id IS NULL OR attempt.user_id = l.user_id)
      AND (attempt.client IS NULL OR l.client @> attempt.client::jsonb)
      AND l.code_challenge IS NOT DISTINCT FROM attempt.code_challenge
    ORDER BY l.id
    FOR UPDATE OF l SKIP LOCKED
), exchanged AS (
    UPDATE magiclink.links l
    SET exchanged_at = now(), exchanged_by = free.attempt_id, sequence = l.sequence + 1
    FROM free
    WHERE l.id = free.link_id AND l.id BETWEEN $8 AND $9 AND free.link_id BETWEEN $8 AND $9
    RETURNING l.*, free.*
), told AS (
    INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
    SELECT 'events', 'magiclink.events', user_id::text, magiclink.cloud_event(
            'magiclink.grant.exchanged.v1', id || '.' || sequence, '/verifier', id::text, exchanged_at,
            jsonb_build_object(
                'link_id', id, 'app_id', app_id, 'user_id', user_id, 'type', type,
                'exchanged_at', magiclink.rfc3339(exchanged_at), 'sequence', sequence
            )
        ), jsonb_build_object('x-request-id', request_id)
    FROM exchanged
)
SELECT *, 'consumed' AS status, NULL AS marks, now() AS looked_at FROM exchanged

-- name: look
-- Where the links of some attempts stand, by the database's clock: for those that did not win, and after a lost connection. Pages ask less (pages.sql).
-- A missing row is a link that the attempt's app does not have.
SELECT attempt.attempt_id, l.*, u.*, a.*, NULL AS marks,
       now() AS looked_at,
       extract(epoch FROM l.expires_at - now())::float8 AS seconds_to_expiry,
       coalesce(now() < l.consumed_at + make_interval(secs => l.grant_ttl_seconds), false) AS grant_lives,
       coalesce(now() < l.exchanged_at + make_interval(secs => $6), false) AS exchange_repeats
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS attempt (link_id, attempt_id, app_id)
CROSS JOIN LATERAL (
    SELECT l.*, magiclink.link_status(l) AS status
    FROM magiclink.links l
    WHERE l.id = attempt.link_id AND l.id BETWEEN $4 AND $5 AND (attempt.app_id IS NULL OR attempt.app_id = l.app_id)
    LIMIT 1
) AS l
JOIN magiclink.login_apps a ON a.login_app = l.app_id
LEFT JOIN LATERAL (SELECT * FROM magiclink.holders u WHERE u.found_user = l.user_id LIMIT 1) AS u ON true

-- name: write_visits
-- Sampled: a link keeps its first 20. An app's visit of a link that it does not have is not written.
INSERT INTO magiclink.link_visits (link_id, app_id, at, event, visitor, detail)
SELECT sampled.link_id, sampled.app_id, sampled.at, sampled.event, sampled.visitor, sampled.detail
FROM (
    SELECT l.id AS link_id, l.app_id, now() - make_interval(secs => visit.age_seconds) AS at, visit.event, visit.visitor, visit.detail,
           visit.number, row_number() OVER (PARTITION BY l.id ORDER BY visit.number) AS of_link
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[])
        WITH ORDINALITY AS visit (link_id, app_id, event, visitor, detail, age_seconds, number)
    CROSS JOIN LATERAL (
        SELECT l.id, l.app_id
        FROM magiclink.links l
        WHERE l.id = visit.link_id AND l.id BETWEEN $7 AND $8 AND (visit.app_id IS NULL OR visit.app_id = l.app_id)
        LIMIT 1
    ) AS l
) AS sampled
WHERE sampled.of_link + (SELECT count(*) FROM magiclink.link_visits v WHERE v.link_id = sampled.link_id) <= 20
ORDER BY sampled.number
