-- name: take_lookups
-- Passcodes that stand alone, to those whose passcode no other link of the app has now. Sorted, as every writer of these rows.
INSERT INTO magiclink.passcode_lookups AS p (app_id, lookup, link_id, expires_at)
SELECT app_id, lookup, link_id, expires_at
FROM unnest($1::uuid[], $2::bytea[], $3::uuid[], $4::timestamptz[]) AS row (app_id, lookup, link_id, expires_at)
ORDER BY app_id, lookup
ON CONFLICT (app_id, lookup) DO UPDATE
    SET link_id = excluded.link_id, expires_at = excluded.expires_at
    WHERE p.expires_at <= now() OR p.link_id = excluded.link_id
RETURNING link_id

-- name: raise_epochs
-- Of links that this transaction has made or locked.
UPDATE magiclink.links l
SET passcode_epoch = row.epoch
FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS row (id, app_id, epoch)
WHERE l.id = row.id AND l.app_id = row.app_id AND l.id BETWEEN $4 AND $5 AND row.id BETWEEN $4 AND $5

-- name: find_standing_link
-- The link that a passcode stands for, by each key of the ring. Of two (found by keys of different ages) it stands for neither.
SELECT l.id, l.kid, l.passcode_epoch, l.passcode_format
FROM magiclink.passcode_lookups p
JOIN magiclink.apps a ON a.id = p.app_id AND a.passcode_standalone
JOIN magiclink.links l ON l.id = p.link_id AND l.app_id = p.app_id
WHERE p.app_id = $1 AND p.lookup = ANY ($2::bytea[]) AND p.expires_at > now()
