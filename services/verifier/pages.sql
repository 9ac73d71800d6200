-- name: show
-- What `judge` (verdict.py) and the pages need of links, for browsers: they prove nothing but the token, and the link's own app decides.
-- The columns mean what they mean in `look`, which asks for 75 of them at twice the price. Bounding by the lowest and highest id drops partitions.
-- `status` says no more than `superseded`: all else is told by the moments. Only links with a slot pay for the look at `heads`.
SELECT l.id, l.user_id, l.type, l.channel, l.redirect_url, l.client, l.locale, l.time_zone, l.passcode_format, l.binding,
       l.not_before, l.expires_at, l.consumed_at, l.consumed_by, l.revoked_at, l.status, now() AS looked_at,
       coalesce(now() < l.consumed_at + make_interval(secs => l.grant_ttl_seconds), false) AS grant_lives,
       u.found_user, u.email, u.phone, u.holder_username, u.holder_bar, u.holder_status_reason, u.holder_suspended_until,
       a.app_name, a.branding
FROM unnest($1::uuid[]) AS shown (link_id)
CROSS JOIN LATERAL (
    SELECT l.*, CASE WHEN l.revoked_at IS NULL AND l.consumed_at IS NULL AND l.slot IS NOT NULL AND NOT magiclink.is_head(l) THEN 'superseded' END AS status
    FROM magiclink.links l
    WHERE l.id = shown.link_id AND l.id BETWEEN $2 AND $3
    LIMIT 1
) AS l
JOIN magiclink.login_apps a ON a.login_app = l.app_id
LEFT JOIN LATERAL (SELECT * FROM magiclink.holders u WHERE u.found_user = l.user_id LIMIT 1) AS u ON true

-- name: renew
-- The transition `renewal`: an expired link that we sent, and that nothing else ended, asks the issuer for a new one. Nothing of the
-- link changes. The event's id is the link's: however often the button is pressed, the issuer makes one link of it.
INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
SELECT 'interactive', 'magiclink.renewals', l.user_id::text,
       magiclink.cloud_event(
           'magiclink.link.renewal_requested.v1', l.id || '.renewal', '/verifier', l.id::text, now(),
           jsonb_build_object('link_id', l.id, 'app_id', l.app_id, 'user_id', l.user_id)
       ),
       jsonb_build_object('x-request-id', $2::text)
FROM magiclink.links l
WHERE l.id = $1
  AND l.expires_at <= now() AND l.consumed_at IS NULL AND l.revoked_at IS NULL
  AND (l.slot IS NULL OR magiclink.is_head(l))
  AND l.binding <> 'require'
  AND EXISTS (SELECT FROM magiclink.messages m WHERE m.link_id = l.id AND m.app_id = l.app_id)

-- name: find_pairable
-- What pairing needs of a link and its app. Without an app (a browser, which proves nothing but its ticket) the link's own decides.
SELECT l.kid, l.binding, magiclink.link_status(l) IN ('issued', 'scheduled') AS lives,
       extract(epoch FROM l.expires_at - now())::float8 AS seconds_to_expiry,
       extract(epoch FROM now())::float8 AS now_seconds, a.base_url, a.redirect_urls, a.redirects_exact
FROM magiclink.links l
JOIN magiclink.apps a ON a.id = l.app_id
WHERE l.id = $1 AND ($2::uuid IS NULL OR l.app_id = $2)
