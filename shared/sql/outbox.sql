-- name: append_outbox
INSERT INTO magiclink.outbox (lane, due_at, topic, key, value, headers)
SELECT lane, coalesce(due_at, now()), topic, key, value, headers::jsonb
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::bytea[], $6::text[])
    AS row (lane, due_at, topic, key, value, headers)
