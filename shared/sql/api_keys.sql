-- name: find_key
-- Expiry is judged by the database's clock, at most a few seconds late.
SELECT id, app_id, scopes, types, redirect_urls, max_ttl_seconds, recipient_domains
FROM magiclink.api_keys
WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())

-- name: is_vendor_app
SELECT id FROM magiclink.apps WHERE id = $1 AND vendor IS NOT NULL
