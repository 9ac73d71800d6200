-- name: add_dead_letters
INSERT INTO magiclink.dead_letters (id, topic, partition, "offset", key, value, headers, reason)
SELECT id, topic, partition, "offset", key, value, headers::jsonb, reason
FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::bytea[], $6::bytea[], $7::text[], $8::text[])
    AS row (id, topic, partition, "offset", key, value, headers, reason)
ON CONFLICT DO NOTHING
