-- name: webhook_endpoints_of
SELECT id, app_id, events, created_at FROM magiclink.webhook_endpoints WHERE app_id = ANY ($1::uuid[]) AND disabled_at IS NULL

-- name: queue_webhooks
-- One row an endpoint and event, however often the event comes, and with it the record that starts its delivery. Endpoints are held against
-- deletion meanwhile.
WITH wanted AS (
    SELECT e.id AS endpoint_id, e.app_id, found.event_id, found.event
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS found (endpoint_id, app_id, event_id, event)
    JOIN magiclink.webhook_endpoints e ON e.id = found.endpoint_id AND e.app_id = found.app_id
    WHERE e.disabled_at IS NULL
    FOR KEY SHARE OF e
), queued AS (
    INSERT INTO magiclink.webhook_deliveries (endpoint_id, event_id, app_id, event, lease_until)
    SELECT endpoint_id, event_id, app_id, event::jsonb, now() + make_interval(secs => $5)
    FROM wanted
    ON CONFLICT DO NOTHING
    RETURNING endpoint_id, event_id, attempts
)
INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
SELECT 'events', 'magiclink.webhooks', endpoint_id::text, magiclink.cloud_event(
        'magiclink.webhook.queued.v1', endpoint_id || '.' || event_id || '.' || attempts, '/notifier', endpoint_id::text, now(),
        jsonb_build_object('webhook_id', endpoint_id, 'event_id', event_id, 'attempts', attempts)
    ), '{}'
FROM queued

-- name: claim_webhooks
-- The lease before posting. `attempts` names the attempt that the record was meant for, so an old record starts nothing.
WITH wanted AS (
    SELECT d.endpoint_id, d.event_id
    FROM unnest($1::uuid[], $2::text[], $3::int[]) AS record (endpoint_id, event_id, attempts)
    JOIN magiclink.webhook_deliveries d
        ON d.endpoint_id = record.endpoint_id AND d.event_id = record.event_id AND d.attempts = record.attempts
    WHERE d.status = 'queued'
    ORDER BY d.endpoint_id, d.event_id
    FOR UPDATE OF d SKIP LOCKED
), claimed AS (
    UPDATE magiclink.webhook_deliveries d
    SET attempts = d.attempts + 1, lease_until = now() + make_interval(secs => $4), updated_at = now()
    FROM wanted
    WHERE d.endpoint_id = wanted.endpoint_id AND d.event_id = wanted.event_id
    RETURNING d.*
)
SELECT c.endpoint_id, c.event_id, c.app_id, c.event, c.attempts, e.url, e.kid, e.disabled_at,
       extract(epoch FROM now())::float8 AS now_seconds
FROM claimed c
JOIN magiclink.webhook_endpoints e ON e.id = c.endpoint_id AND e.app_id = c.app_id

-- name: put_off_webhooks
-- An endpoint that is busy: the same attempt later, after its pause. Nothing is counted.
WITH late AS (
    UPDATE magiclink.webhook_deliveries d
    SET lease_until = now() + make_interval(secs => record.pause_seconds + $5::float8)
    FROM unnest($1::uuid[], $2::text[], $3::int[], $4::float8[]) AS record (endpoint_id, event_id, attempts, pause_seconds)
    WHERE d.endpoint_id = record.endpoint_id AND d.event_id = record.event_id AND d.attempts = record.attempts AND d.status = 'queued'
    RETURNING d.endpoint_id, d.event_id, d.attempts, record.pause_seconds
)
INSERT INTO magiclink.outbox (lane, due_at, topic, key, value, headers)
SELECT 'events', now() + make_interval(secs => pause_seconds), 'magiclink.webhooks', endpoint_id::text, magiclink.cloud_event(
        'magiclink.webhook.queued.v1', endpoint_id || '.' || event_id || '.' || attempts, '/notifier', endpoint_id::text, now(),
        jsonb_build_object('webhook_id', endpoint_id, 'event_id', event_id, 'attempts', attempts)
    ), '{}'
FROM late

-- name: finish_webhook
-- Fenced by the attempt. With a pause ($6) it is tried again after it.
WITH finished AS (
    UPDATE magiclink.webhook_deliveries d
    SET status = $5, last_error = $7, lease_until = now() + make_interval(secs => $6::float8 + $8::float8), updated_at = now()
    WHERE d.endpoint_id = $1 AND d.event_id = $2 AND d.app_id = $3 AND d.attempts = $4 AND d.status = 'queued'
    RETURNING d.endpoint_id, d.event_id, d.attempts
)
INSERT INTO magiclink.outbox (lane, due_at, topic, key, value, headers)
SELECT 'events', now() + make_interval(secs => $6), 'magiclink.webhooks', endpoint_id::text, magiclink.cloud_event(
        'magiclink.webhook.queued.v1', endpoint_id || '.' || event_id || '.' || attempts, '/notifier', endpoint_id::text, now(),
        jsonb_build_object('webhook_id', endpoint_id, 'event_id', event_id, 'attempts', attempts)
    ), '{}'
FROM finished
WHERE $6::float8 IS NOT NULL

-- name: disable_webhook
UPDATE magiclink.webhook_endpoints SET disabled_at = now() WHERE id = $1 AND app_id = $2 AND disabled_at IS NULL

-- name: requeue_late_webhooks
-- What outlived its lease: its sender crashed, or its record was lost.
WITH late AS (
    SELECT d.endpoint_id, d.event_id
    FROM magiclink.webhook_deliveries d
    WHERE d.status = 'queued' AND d.lease_until < now()
    ORDER BY d.lease_until
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), again AS (
    UPDATE magiclink.webhook_deliveries d
    SET lease_until = now() + make_interval(secs => $2)
    FROM late
    WHERE d.endpoint_id = late.endpoint_id AND d.event_id = late.event_id
    RETURNING d.endpoint_id, d.event_id, d.attempts
)
INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
SELECT 'events', 'magiclink.webhooks', endpoint_id::text, magiclink.cloud_event(
        'magiclink.webhook.queued.v1', endpoint_id || '.' || event_id || '.' || attempts, '/notifier', endpoint_id::text, now(),
        jsonb_build_object('webhook_id', endpoint_id, 'event_id', event_id, 'attempts', attempts)
    ), '{}'
FROM again
