-- Which keys of the ring are still needed (`magiclink keys status` and `keys drop`). Over all apps: keys belong to none.

-- name: allow_minutes
SELECT set_config('statement_timeout', '600000', false)

-- name: count_links_by_kid
SELECT kid,
    count(*) FILTER (WHERE consumed_at IS NULL AND not_before <= now()) AS live,
    count(*) FILTER (WHERE consumed_at IS NULL AND not_before > now()) AS scheduled,
    count(*) FILTER (WHERE consumed_at IS NOT NULL) AS exchangeable,
    max(until) AS until
FROM (
    SELECT kid, consumed_at, not_before,
        CASE
            WHEN consumed_at IS NULL THEN expires_at
            WHEN exchanged_at IS NULL THEN consumed_at + make_interval(secs => grant_ttl_seconds)
        END AS until
    FROM magiclink.links
    WHERE revoked_at IS NULL
) AS link
WHERE until > now()
GROUP BY kid

-- name: count_replays_by_kid
SELECT chr(get_byte(body_hash, 0)) AS kid, count(*) AS replays, max(expires_at) AS until
FROM magiclink.idempotency_keys
WHERE expires_at > now() AND length(body_hash) = 33
GROUP BY 1
