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
    -- Ten minutes: as long as a grant may live, and as polls are answered.
    SELECT kid, consumed_at, not_before, coalesce(consumed_at + interval '10 minutes', expires_at) AS until
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

-- name: count_standing_by_kid
-- What outlives links. `until` is null for what has no end: a webhook's secret, and a second factor's, which is sealed with the key.
SELECT kid, sum(session) AS sessions, sum(challenge) AS challenges, sum(device) AS trusted_devices, sum(factor) AS second_factors,
    sum(webhook) AS webhooks,
    CASE WHEN sum(factor) + sum(webhook) = 0 THEN max(until) END AS until
FROM (
    SELECT kid, 1 AS session, 0 AS challenge, 0 AS device, 0 AS factor, 0 AS webhook, expires_at AS until
    FROM magiclink.sessions
    WHERE revoked_at IS NULL AND expires_at > now()
    UNION ALL
    SELECT kid, 0, 1, 0, 0, 0, expires_at FROM magiclink.challenges WHERE done_at IS NULL AND expires_at > now()
    UNION ALL
    SELECT kid, 0, 0, 1, 0, 0, expires_at FROM magiclink.trusted_devices WHERE revoked_at IS NULL AND expires_at > now()
    UNION ALL
    SELECT kid, 0, 0, 0, 1, 0, NULL FROM magiclink.second_factors
    UNION ALL
    SELECT kid, 0, 0, 0, 0, 1, NULL FROM magiclink.webhook_endpoints WHERE disabled_at IS NULL
) AS standing
GROUP BY kid
