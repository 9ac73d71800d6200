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
