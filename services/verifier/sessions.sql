-- name: find_session
-- A session with its user and app, whether it lives or not; none for another app's, or one whose user is gone.
SELECT s.*, u.*, a.*, s.revoked_at IS NULL AND s.expires_at > now() AS lives, now() AS looked_at
FROM magiclink.sessions s
JOIN magiclink.holders u ON u.found_user = s.user_id
JOIN magiclink.login_apps a ON a.login_app = s.app_id
WHERE s.app_id = $1 AND s.id = $2

-- name: list_sessions
-- The live sessions of a user, of one application ($3) or all, newest first.
SELECT s.*
FROM magiclink.sessions s
WHERE s.app_id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()
  AND ($3::uuid IS NULL OR s.application_id = $3)
ORDER BY s.started_at DESC, s.id DESC
LIMIT $4

-- name: list_sessions_of_application
SELECT s.id
FROM magiclink.sessions s
WHERE s.app_id = $1 AND s.application_id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()
ORDER BY s.id
LIMIT $3

-- name: find_holder
-- A user and their app, as sessions and second factors without a link need them.
SELECT u.*, a.*, now() AS looked_at
FROM magiclink.holders u
JOIN magiclink.login_apps a ON a.login_app = u.holder_app_id
WHERE u.holder_app_id = $1 AND u.found_user = $2

-- name: find_login_app
SELECT a.*, now() AS looked_at,
       ARRAY(SELECT ap.id FROM magiclink.applications ap WHERE ap.app_id = $1 AND ap.id = ANY ($2::uuid[]) AND ap.active) AS applications
FROM magiclink.login_apps a
WHERE a.login_app = $1

-- name: find_registration
-- The application that somebody signs in to, and their registration there (its `id` is NULL where there is none).
SELECT r.*, ap.id AS found_application, ap.require_verified_registration
FROM magiclink.applications ap
LEFT JOIN magiclink.registrations r ON r.application_id = ap.id AND r.app_id = ap.app_id AND r.user_id = $3
WHERE ap.app_id = $1 AND ap.id = $2 AND ap.active

-- name: start_session
-- Once for each id, which is derived from what opened it: asking again finds the session that is there. The user is locked first, so that
-- whoever bars a user and revokes their sessions comes before this, and then it starts nothing, or after it, and revokes it too.
WITH holder AS (
    SELECT u.id
    FROM magiclink.users u
    WHERE u.app_id = $3 AND u.id = $4 AND magiclink.user_bar(u) IS NULL
    FOR NO KEY UPDATE
), started AS (
    INSERT INTO magiclink.sessions AS s
        (id, kid, app_id, user_id, application_id, link_id, opened_by, factors, client, claims, refreshable, expires_at)
    SELECT $1, $2, $3, holder.id, $5, $6, $7, $8::jsonb, $9::jsonb, $10::jsonb, $11, now() + make_interval(secs => $12)
    FROM holder
    ON CONFLICT (id) DO NOTHING
    RETURNING s.*
), counted AS (
    UPDATE magiclink.users u
    SET login_count = u.login_count + 1, last_login_at = started.started_at
    FROM started
    WHERE u.app_id = $3 AND u.id = started.user_id
    RETURNING u.login_count AS holder_login_count, u.last_login_at AS holder_last_login_at
), registered AS (
    UPDATE magiclink.registrations r
    SET last_login_at = started.started_at
    FROM started
    WHERE r.app_id = $3 AND r.user_id = started.user_id AND r.application_id = started.application_id
), told AS (
    INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
    SELECT 'events', 'magiclink.events', user_id::text, magiclink.cloud_event(
            'magiclink.session.started.v1', id || '.started', '/verifier', id::text, started_at,
            jsonb_build_object(
                'session_id', id, 'app_id', app_id, 'user_id', user_id, 'application_id', application_id, 'link_id', link_id,
                'opened_by', opened_by, 'started_at', magiclink.rfc3339(started_at), 'expires_at', magiclink.rfc3339(expires_at)
            )
        ), jsonb_build_object('x-request-id', $13::text)
    FROM started
)
SELECT * FROM started, counted

-- name: extend_session
-- A factor more for a live session of the same user. The same factor again changes nothing: it carries its time.
UPDATE magiclink.sessions s
SET factors = CASE WHEN s.factors @> $4::jsonb THEN s.factors ELSE s.factors || $4::jsonb END,
    claims = (s.claims || $5::jsonb) - $6::text[],
    expires_at = greatest(s.expires_at, now() + make_interval(secs => $7)),
    last_accessed_at = now(),
    refreshable = s.refreshable OR $8
FROM magiclink.users u
WHERE s.app_id = $1 AND s.id = $2 AND s.user_id = $3 AND s.revoked_at IS NULL AND s.expires_at > now()
  AND u.id = s.user_id AND magiclink.user_bar(u) IS NULL
RETURNING s.*

-- name: touch_session
-- A session is used: it may live longer, never shorter, and its claims may change.
UPDATE magiclink.sessions s
SET claims = (s.claims || $3::jsonb) - $4::text[],
    expires_at = greatest(s.expires_at, now() + make_interval(secs => $5)),
    last_accessed_at = now()
FROM magiclink.holders u, magiclink.login_apps a
WHERE s.app_id = $1 AND s.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()
  AND u.found_user = s.user_id AND u.holder_bar IS NULL AND a.login_app = s.app_id
RETURNING s.*, u.*, a.*, now() AS looked_at

-- name: refresh_session
-- Of all who show the newest refresh token, one raises the epoch ($4), and may ask again ($5, which names the token as well). An older token
-- shown by anybody else was stolen, or its rightful holder was robbed: the session ends (RFC 9700 section 4.14.2).
WITH refreshed AS (
    UPDATE magiclink.sessions s
    SET refresh_epoch = s.refresh_epoch + CASE WHEN $4 AND s.refresh_epoch = $3 THEN 1 ELSE 0 END,
        refresh_attempt = CASE WHEN $4 AND s.refresh_epoch = $3 THEN $5 ELSE s.refresh_attempt END,
        revoked_at = CASE WHEN s.refresh_epoch > $3 AND s.refresh_attempt IS DISTINCT FROM $5 THEN now() END,
        last_accessed_at = now()
    FROM magiclink.holders u, magiclink.login_apps a
    WHERE s.app_id = $1 AND s.id = $2 AND s.refreshable AND s.revoked_at IS NULL AND s.expires_at > now() AND s.refresh_epoch >= $3
      AND ($6::uuid IS NULL OR s.application_id IS NOT DISTINCT FROM $6)
      AND u.found_user = s.user_id AND u.holder_bar IS NULL AND a.login_app = s.app_id
    RETURNING s.*, u.*, a.*
), told AS (
    INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
    SELECT 'events', 'magiclink.events', user_id::text, magiclink.cloud_event(
            'magiclink.session.revoked.v1', id || '.revoked', '/verifier', id::text, revoked_at,
            jsonb_build_object(
                'session_id', id, 'app_id', app_id, 'user_id', user_id, 'reason', 'refresh_token_reused',
                'revoked_at', magiclink.rfc3339(revoked_at)
            )
        ), jsonb_build_object('x-request-id', $7::text)
    FROM refreshed
    WHERE revoked_at IS NOT NULL
)
SELECT *, now() AS looked_at FROM refreshed

-- name: revoke_sessions
-- In id order, as everybody locks them.
WITH ended AS (
    SELECT s.id
    FROM magiclink.sessions s
    WHERE s.app_id = $1 AND s.id = ANY ($2::uuid[]) AND s.revoked_at IS NULL AND s.expires_at > now()
    ORDER BY s.id
    FOR UPDATE
), revoked AS (
    UPDATE magiclink.sessions s
    SET revoked_at = now()
    FROM ended
    WHERE s.app_id = $1 AND s.id = ended.id
    RETURNING s.id, s.app_id, s.user_id, s.revoked_at
), told AS (
    INSERT INTO magiclink.outbox (lane, topic, key, value, headers)
    SELECT 'events', 'magiclink.events', user_id::text, magiclink.cloud_event(
            'magiclink.session.revoked.v1', id || '.revoked', '/verifier', id::text, revoked_at,
            jsonb_build_object(
                'session_id', id, 'app_id', app_id, 'user_id', user_id, 'reason', 'requested',
                'revoked_at', magiclink.rfc3339(revoked_at)
            )
        ), jsonb_build_object('x-request-id', $3::text)
    FROM revoked
)
SELECT id FROM revoked
