-- name: make_week
-- The partition of a week that is over: the cluster makes those of the weeks to come.
SELECT format(
    'CREATE TABLE IF NOT EXISTS magiclink.%I PARTITION OF magiclink.links FOR VALUES FROM (%L) TO (%L)',
    'links_' || to_char(monday, 'YYYYMMDD'),
    magiclink.first_id(monday AT TIME ZONE 'UTC'), magiclink.first_id((monday + interval '7 days') AT TIME ZONE 'UTC')
)
FROM generate_series(
    date_trunc('week', $1::timestamptz AT TIME ZONE 'UTC'), date_trunc('week', now() AT TIME ZONE 'UTC'), interval '7 days'
) AS monday

-- name: load_users
-- Users number $2 to $3 of app $1, with ids that can be computed from the number.
INSERT INTO magiclink.users (id, app_id, email)
SELECT ('01800000-' || substr(h, 1, 4) || '-7' || substr(h, 5, 3) || '-8' || substr(h, 8, 3) || '-' || lpad(to_hex(n), 12, '0'))::uuid, $1,
       'reader-' || n || '@example.com'
FROM generate_series($2::int, $3::int) AS n, LATERAL md5(n::text) AS h

-- name: load_links
-- Links number $2 to $3, their ids spread evenly from $4 to $5 as UUIDv7s are; nine of ten were consumed a minute after their issue.
INSERT INTO magiclink.links (
    id, kid, app_id, user_id, type, channel, lane, redirect_url, metadata, client, locale, ttl_seconds, grant_ttl_seconds, created_at, not_before,
    expires_at, consumed_at, consumed_by, consumed_via, sequence
)
SELECT (lpad(to_hex((extract(epoch FROM made) * 1000)::bigint), 12, '0') || '7000' || '8' || substr(md5(n::text), 1, 15))::uuid,
       '1', $1,
       ('01800000-' || substr(u, 1, 4) || '-7' || substr(u, 5, 3) || '-8' || substr(u, 8, 3) || '-' || lpad(to_hex(reader), 12, '0'))::uuid,
       'login', 'email', 'interactive', 'https://app.example.com/signed-in', '{}', '{"ip": "192.0.2.1", "user_agent": "Mozilla/5.0"}', 'en', 900, 60,
       made, made, made + interval '15 minutes',
       CASE WHEN n % 10 > 0 THEN made + interval '1 minute' END,
       CASE WHEN n % 10 > 0 THEN md5('by' || n)::uuid END,
       CASE WHEN n % 10 > 0 THEN 'browser' END,
       CASE WHEN n % 10 > 0 THEN 2 ELSE 1 END
FROM generate_series($2::int, $3::int) AS n,
     LATERAL (SELECT $4::timestamptz + ($5::timestamptz - $4::timestamptz) * (n::float8 / $6::int) AS made,
                     1 + (n::bigint * 7919) % $7::int AS reader) AS chosen,
     LATERAL md5(reader::text) AS u

-- name: load_messages
-- One e-mail for each of those links, accepted a second later; a message's id is the link's with its last digits turned.
INSERT INTO magiclink.messages (
    id, link_id, app_id, user_id, channel, recipient, locale, lane, status, attempts, provider, provider_id, created_at, accepted_at, updated_at
)
SELECT (substr(l.id::text, 1, 24) || reverse(substr(l.id::text, 25)))::uuid, l.id, l.app_id, l.user_id, 'email', u.email, 'en', 'interactive',
       'accepted', 1, 'smtp', '<' || l.id || '@example.com>', l.created_at, l.created_at + interval '1 second',
       l.created_at + interval '1 second'
FROM magiclink.links l
JOIN magiclink.users u ON u.id = l.user_id
WHERE l.app_id = $1 AND l.id >= magiclink.first_id($2) AND l.id < magiclink.first_id($3)
