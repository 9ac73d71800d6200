-- name: find_passcode_link
SELECT id, kid, passcode_epoch, passcode_format, consumed_by FROM magiclink.links WHERE app_id = $1 AND id = $2 AND passcode_format IS NOT NULL

-- name: find_passcode_links_of_user
-- The links of the app that a passcode may be meant for, by the user's address or id: the newest live one that has a passcode (and was
-- sent by the channel $5, `phone` being SMS or WhatsApp), and those that passcodes consumed in the last day, so that their winners may ask again.
WITH holder AS (
    SELECT id FROM magiclink.users WHERE app_id = $1 AND email = $2
    UNION ALL
    SELECT id FROM magiclink.users WHERE app_id = $1 AND phone = $3
    UNION ALL
    SELECT id FROM magiclink.users WHERE app_id = $1 AND id = $4
)
(
    SELECT l.id, l.kid, l.passcode_epoch, l.passcode_format, l.consumed_by
    FROM magiclink.links l
    WHERE l.app_id = $1 AND l.user_id = (SELECT id FROM holder) AND l.passcode_format IS NOT NULL
      AND ($5::text IS NULL OR l.channel = $5 OR $5 = 'phone' AND l.channel IN ('sms', 'whatsapp'))
      AND l.consumed_at IS NULL AND l.revoked_at IS NULL
      AND l.not_before <= now() AND now() < l.expires_at
      AND (l.slot IS NULL OR magiclink.is_head(l))
    ORDER BY l.id DESC
    LIMIT 1
)
UNION ALL
(
    SELECT l.id, l.kid, l.passcode_epoch, l.passcode_format, l.consumed_by
    FROM magiclink.links l
    WHERE l.app_id = $1 AND l.user_id = (SELECT id FROM holder) AND l.passcode_format IS NOT NULL
      AND l.consumed_via = 'passcode' AND l.consumed_at > now() - interval '1 day'
    ORDER BY l.id DESC
    LIMIT 20
)

-- name: find_standing_links
-- The link that a passcode stands for by itself. Of an app where they do not: one row that says so.
SELECT a.passcode_standalone, l.id, l.kid, l.passcode_epoch, l.passcode_format, l.consumed_by
FROM magiclink.apps a
LEFT JOIN magiclink.passcode_lookups p ON p.app_id = a.id AND p.lookup = ANY ($2::bytea[])
LEFT JOIN magiclink.links l ON l.id = p.link_id AND l.app_id = p.app_id AND l.passcode_format IS NOT NULL
WHERE a.id = $1

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
), tried AS (
    UPDATE magiclink.links l
    SET passcode_tries = l.passcode_tries + CASE WHEN link.asks_again THEN 0 ELSE 1 END, passcode_attempt = $3
    FROM link, counted
    WHERE l.id = link.id AND l.id = $1 AND l.app_id = $2
      AND (link.asks_again OR counted.tries <= link.passcode_tries_per_day)
    RETURNING l.id, l.kid, l.app_id, l.user_id, l.passcode_epoch, l.passcode_format, l.passcode_tries, link.asks_again
)
SELECT id, kid, passcode_epoch, passcode_format, app_id, user_id, passcode_tries, asks_again, now() AS tried_at FROM tried

-- name: tell_refused
INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
SELECT 'events', 'magiclink.events', user_id::text, magiclink.cloud_event(
        'magiclink.passcode.refused.v1', link_id || '.passcode.' || tries, '/verifier', link_id::text, tried_at,
        jsonb_build_object('link_id', link_id, 'app_id', app_id, 'user_id', user_id, 'tries', tries)
    ), jsonb_build_object('x-request-id', request_id)
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::timestamptz[], $6::text[])
    AS row (link_id, app_id, user_id, tries, tried_at, request_id)
