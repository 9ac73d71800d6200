-- name: lock_app
-- Endpoints of an app are made one after the other: two at once would not see each other.
SELECT id FROM magiclink.apps WHERE id = $1 FOR NO KEY UPDATE

-- name: create_webhook
-- $6: the most an app may have.
INSERT INTO magiclink.webhook_endpoints (id, kid, app_id, url, events)
SELECT $2, $3, $1, $4, $5
WHERE (SELECT count(*) FROM magiclink.webhook_endpoints WHERE app_id = $1) < $6
RETURNING id, kid, app_id, url, events, created_at, disabled_at

-- name: find_webhook
SELECT id, kid, app_id, url, events, created_at, disabled_at FROM magiclink.webhook_endpoints WHERE app_id = $1 AND id = $2

-- name: list_webhooks
SELECT id, kid, app_id, url, events, created_at, disabled_at
FROM magiclink.webhook_endpoints
WHERE app_id = $1 AND id > $2
ORDER BY id
LIMIT $3

-- name: delete_webhook
DELETE FROM magiclink.webhook_endpoints WHERE app_id = $1 AND id = $2 RETURNING id
