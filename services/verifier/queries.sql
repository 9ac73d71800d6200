-- name: consume
-- The transition (DESIGN §4 step 3): of all attempts of a flush, those whose link is free win it, and the event is written
-- with it. Locked rows are skipped; the caller tries them again. Bounding by the lowest and highest id drops partitions.
-- What is free is also what `judge` (verdict.py) calls free. A newer link that is being issued meanwhile took the slot after this.
-- `addresses`, `verified`: a link that verifies an address marks it, or is not consumed. Whoever changes a user locks the user and then
-- its links; this statement has the links first. So it never waits for a user: a locked one is skipped, and its link left as it is for the
-- next try. Waiting nowhere, it is part of no deadlock. A change that came first has revoked the link; one that comes later waits for this
-- commit, and takes the mark off the address that it changes.
WITH free AS (
    SELECT l.id AS link_id, l.user_id AS marked_user, l.verifies AS marks, attempt.attempt_id, attempt.via, attempt.request_id, u.email, u.phone,
           u.email_verified OR l.verifies IS NOT DISTINCT FROM 'email' AS email_verified,
           u.phone_verified OR l.verifies IS NOT DISTINCT FROM 'phone' AS phone_verified,
           u.metadata AS user_metadata, u.created_at AS user_created_at, a.name AS app_name, a.branding, a.jwt_algorithm
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::boolean[])
        AS attempt (link_id, attempt_id, app_id, via, request_id, paired)
    JOIN magiclink.links l ON l.id = attempt.link_id
    JOIN magiclink.users u ON u.id = l.user_id
    JOIN magiclink.apps a ON a.id = l.app_id
    WHERE l.id BETWEEN $7 AND $8
      AND (attempt.app_id IS NULL OR attempt.app_id = l.app_id)
      AND l.consumed_at IS NULL AND l.revoked_at IS NULL
      AND l.not_before <= now() AND now() < l.expires_at
      AND (l.binding <> 'require' OR attempt.paired OR attempt.via = 'passcode')
      AND (l.slot IS NULL OR magiclink.is_head(l))
    ORDER BY l.id
    FOR UPDATE OF l SKIP LOCKED
), addresses AS (
    SELECT u.id
    FROM magiclink.users u
    WHERE u.id IN (SELECT marked_user FROM free WHERE marks IS NOT NULL)
    FOR NO KEY UPDATE SKIP LOCKED
), consumed AS (
    UPDATE magiclink.links l
    SET consumed_at = now(), consumed_by = free.attempt_id, consumed_via = free.via, sequence = l.sequence + 1
    FROM free
    WHERE l.id = free.link_id AND l.id BETWEEN $7 AND $8
      AND (free.marks IS NULL OR free.marked_user IN (SELECT id FROM addresses))
    RETURNING l.*, free.*
), verified AS (
    UPDATE magiclink.users u
    SET email_verified = u.email_verified OR (mark.email AND u.email IS NOT NULL),
        phone_verified = u.phone_verified OR (mark.phone AND u.phone IS NOT NULL),
        updated_at = now()
    FROM (
        SELECT user_id, bool_or(verifies = 'email') AS email, bool_or(verifies = 'phone') AS phone
        FROM consumed
        WHERE verifies IS NOT NULL
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
    SELECT 'events', 'magiclink.events', user_id::text, magiclink.cloud_event(
            'magiclink.grant.exchanged.v1', id || '.' || sequence, '/verifier', id::text, exchanged_at,
            jsonb_build_object(
                'link_id', id, 'app_id', app_id, 'user_id', user_id, 'type', type,
                'exchanged_at', magiclink.rfc3339(exchanged_at), 'sequence', sequence
            )
        ), jsonb_build_object('x-request-id', request_id)
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

-- name: find_passcode_link
SELECT id, kid, passcode_epoch, consumed_by FROM magiclink.links WHERE app_id = $1 AND id = $2 AND passcode_format IS NOT NULL

-- name: find_passcode_links_of_user
-- The links of the app that a passcode may be meant for, by the user's address: the newest live one that has a passcode, and those that
-- passcodes consumed in the last day, so that their winners may ask again.
WITH holder AS (
    SELECT id FROM magiclink.users WHERE app_id = $1 AND email = $2
    UNION ALL
    SELECT id FROM magiclink.users WHERE app_id = $1 AND phone = $3
)
(
    SELECT l.id, l.kid, l.passcode_epoch, l.consumed_by
    FROM magiclink.links l
    WHERE l.app_id = $1 AND l.user_id = (SELECT id FROM holder) AND l.passcode_format IS NOT NULL
      AND l.consumed_at IS NULL AND l.revoked_at IS NULL
      AND l.not_before <= now() AND now() < l.expires_at
      AND (l.slot IS NULL OR magiclink.is_head(l))
    ORDER BY l.id DESC
    LIMIT 1
)
UNION ALL
(
    SELECT l.id, l.kid, l.passcode_epoch, l.consumed_by
    FROM magiclink.links l
    WHERE l.app_id = $1 AND l.user_id = (SELECT id FROM holder) AND l.passcode_format IS NOT NULL
      AND l.consumed_via = 'passcode' AND l.consumed_at > now() - interval '1 day'
    ORDER BY l.id DESC
    LIMIT 20
)

-- name: raise_tries
-- A try is counted before it is compared, durably: of the link (five) and of its user's day (the app's limit). What is compared afterwards is
-- the returned row; no row, no comparison. Asking again with the same attempt is the same guess and counts once.
-- `consumed_by`: the same attempt, sent twice at once, has won since its link was found; the second one is to hear so too.
-- A row of `passcode_days` is written whatever comes of it, for a stand-in ($4) where nothing is to be charged: whether a link, or a user,
-- is there and open must not show in the time that a commit takes (G7).
WITH link AS (
    SELECT l.id, l.user_id, a.passcode_tries_per_day, coalesce($3 IN (l.passcode_attempt, l.consumed_by), false) AS asks_again
    FROM magiclink.links l
    JOIN magiclink.apps a ON a.id = l.app_id
    WHERE l.id = $1 AND l.app_id = $2 AND l.passcode_format IS NOT NULL
      AND (
          l.consumed_by = $3
          OR (
              l.consumed_at IS NULL AND l.revoked_at IS NULL
              AND l.not_before <= now() AND now() < l.expires_at
              AND (l.slot IS NULL OR magiclink.is_head(l))
              AND (l.passcode_tries < 5 OR l.passcode_attempt = $3)
          )
      )
    FOR UPDATE OF l
), counted AS (
    INSERT INTO magiclink.passcode_days AS d (app_id, user_id, day)
    VALUES ($2, coalesce((SELECT user_id FROM link WHERE NOT asks_again), $4), (now() AT TIME ZONE 'UTC')::date)
    ON CONFLICT (app_id, user_id, day) DO UPDATE SET tries = least(d.tries + 1, 1000000)
    RETURNING d.tries
)
UPDATE magiclink.links l
SET passcode_tries = l.passcode_tries + CASE WHEN link.asks_again THEN 0 ELSE 1 END, passcode_attempt = $3
FROM link, counted
WHERE l.id = link.id AND l.id = $1 AND l.app_id = $2
  AND (link.asks_again OR counted.tries <= link.passcode_tries_per_day)
RETURNING l.id, l.kid, l.passcode_epoch, l.passcode_format

-- name: write_visits
-- Sampled: a link keeps its first 20. An app's visit of a link that it does not have is not written.
INSERT INTO magiclink.link_visits (link_id, app_id, at, event, visitor, detail)
SELECT sampled.link_id, sampled.app_id, sampled.at, sampled.event, sampled.visitor, sampled.detail
FROM (
    SELECT l.id AS link_id, l.app_id, now() - make_interval(secs => visit.age_seconds) AS at, visit.event, visit.visitor, visit.detail,
           visit.number, row_number() OVER (PARTITION BY l.id ORDER BY visit.number) AS of_link
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[])
        WITH ORDINALITY AS visit (link_id, app_id, event, visitor, detail, age_seconds, number)
    JOIN magiclink.links l ON l.id = visit.link_id AND (visit.app_id IS NULL OR visit.app_id = l.app_id)
    WHERE l.id BETWEEN $7 AND $8
) AS sampled
WHERE sampled.of_link + (SELECT count(*) FROM magiclink.link_visits v WHERE v.link_id = sampled.link_id) <= 20
ORDER BY sampled.number
