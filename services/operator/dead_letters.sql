-- The operator's statements on dead letters (`magiclink dlq`). They belong to no app: what could not be read has none.

-- name: find_dead_letters
SELECT id, topic, partition, "offset", reason, octet_length(value) AS bytes, created_at, replayed_at
FROM magiclink.dead_letters
WHERE ($1::text IS NULL OR topic = $1)
    AND ($2::text IS NULL OR strpos(lower(reason), lower($2)) > 0)
    AND ($3::timestamptz IS NULL OR created_at >= $3)
    AND ($4::boolean OR replayed_at IS NULL)
ORDER BY id DESC
LIMIT $5::bigint

-- name: show_dead_letters
SELECT id, topic, partition, "offset", key, value, headers, reason, created_at, replayed_at
FROM magiclink.dead_letters
WHERE id = ANY ($1::uuid[])
ORDER BY id

-- name: lock_dead_letters
SELECT id, topic, key, value, headers, replayed_at
FROM magiclink.dead_letters
WHERE id = ANY ($1::uuid[])
ORDER BY id
FOR UPDATE

-- name: mark_replayed
UPDATE magiclink.dead_letters SET replayed_at = now() WHERE id = ANY ($1::uuid[])

-- name: drop_dead_letters
DELETE FROM magiclink.dead_letters WHERE id = ANY ($1::uuid[]) RETURNING id
