-- name: find_user_id_format
SELECT user_id_format FROM magiclink.apps WHERE id = $1

-- name: create_user
INSERT INTO magiclink.users (
    id, app_id, imported_id, email, phone, username, email_verified, phone_verified, status, status_reason, suspended_until,
    expires_at, external_id, profile, roles, metadata, password_change_required
)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::text::jsonb, $15, $16::text::jsonb, $17
)
RETURNING *, (SELECT user_id_format FROM magiclink.apps WHERE id = $2) AS user_id_format

-- name: find_user
SELECT u.*, a.user_id_format
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.id = $2

-- name: list_users
SELECT u.*, a.user_id_format
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.id > $2
ORDER BY u.id
LIMIT $3

-- name: find_user_by_email
SELECT u.*, a.user_id_format
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.email = $2

-- name: find_user_by_phone
SELECT u.*, a.user_id_format
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.phone = $2

-- name: find_user_by_external_id
SELECT u.*, a.user_id_format
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.external_id = $2

-- name: find_user_by_imported_id
SELECT u.*, a.user_id_format
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.imported_id = $2

-- name: find_user_by_username
SELECT u.*, a.user_id_format
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.username = $2

-- name: search_users
-- A filter that is not given is NULL: under AND it lets everybody pass, under OR nobody. $17: after which user, $18: newest first.
-- One row when nobody is on the page: `total` counts the users of all pages. Only ids are sorted, whole users are read for the page alone.
WITH hits AS MATERIALIZED (
    SELECT id
    FROM magiclink.users
    WHERE app_id = $1
        AND (
            ($2 = 'AND'
                AND ($3::uuid[] IS NULL OR id = ANY ($3))
                AND ($4::text[] IS NULL OR email = ANY ($4))
                AND ($5::text[] IS NULL OR phone = ANY ($5))
                AND ($6::text[] IS NULL OR external_id = ANY ($6))
                AND ($7::text[] IS NULL OR imported_id = ANY ($7))
                AND ($8::text[] IS NULL OR username = ANY ($8))
                AND ($9::text[] IS NULL OR status = ANY ($9))
                AND ($10::boolean[] IS NULL OR email_verified = ANY ($10))
                AND ($11::boolean[] IS NULL OR phone_verified = ANY ($11))
                AND ($12::timestamptz[] IS NULL OR created_at > ANY ($12))
                AND ($13::timestamptz[] IS NULL OR created_at < ANY ($13))
                AND ($14::text[] IS NULL OR email LIKE ANY ($14))
                AND ($15::text[] IS NULL OR phone LIKE ANY ($15)))
            OR ($2 = 'OR'
                AND (id = ANY ($3)
                    OR email = ANY ($4)
                    OR phone = ANY ($5)
                    OR external_id = ANY ($6)
                    OR imported_id = ANY ($7)
                    OR username = ANY ($8)
                    OR status = ANY ($9)
                    OR email_verified = ANY ($10)
                    OR phone_verified = ANY ($11)
                    OR created_at > ANY ($12)
                    OR created_at < ANY ($13)
                    OR email LIKE ANY ($14)
                    OR phone LIKE ANY ($15)))
        )
),
chosen AS MATERIALIZED (
    SELECT id
    FROM hits
    WHERE $17::uuid IS NULL OR CASE WHEN $18 THEN id < $17 ELSE id > $17 END
    ORDER BY CASE WHEN $18 THEN NULL ELSE id END, id DESC
    LIMIT $16
),
page AS (
    SELECT u.*, a.user_id_format
    FROM chosen
    JOIN magiclink.users u ON u.id = chosen.id AND u.app_id = $1
    JOIN magiclink.apps a ON a.id = u.app_id
)
SELECT total, page.*
FROM (SELECT count(*) AS total FROM hits) counted
LEFT JOIN page ON true
ORDER BY CASE WHEN $18 THEN NULL ELSE page.id END, page.id DESC

-- name: lock_user
SELECT * FROM magiclink.users WHERE app_id = $1 AND id = $2 FOR UPDATE

-- name: update_user
UPDATE magiclink.users
SET email = $3, phone = $4, username = $5, email_verified = $6, phone_verified = $7, status = $8, status_reason = $9,
    suspended_until = $10, expires_at = $11, external_id = $12, profile = $13::text::jsonb, roles = $14,
    metadata = $15::text::jsonb, password_change_required = $16, updated_at = now()
WHERE app_id = $1 AND id = $2
RETURNING *, (SELECT user_id_format FROM magiclink.apps WHERE id = $1) AS user_id_format

-- name: delete_user
DELETE FROM magiclink.users WHERE app_id = $1 AND id = $2 RETURNING id

-- name: forget_user
-- What else is kept of a deleted user.
WITH days AS (DELETE FROM magiclink.passcode_days WHERE app_id = $1 AND user_id = $2)
DELETE FROM magiclink.heads WHERE app_id = $1 AND user_id = $2

-- name: end_sessions
-- Of a user, of an application, or of both. In id order, as every writer of sessions.
WITH locked AS MATERIALIZED (
    SELECT id
    FROM magiclink.sessions
    WHERE app_id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND ($3::uuid IS NULL OR application_id = $3)
        AND revoked_at IS NULL AND expires_at > now()
    ORDER BY id
    FOR UPDATE
)
UPDATE magiclink.sessions s
SET revoked_at = now()
FROM locked
WHERE s.id = locked.id AND s.app_id = $1
RETURNING s.id, s.app_id, s.user_id, s.application_id, s.revoked_at

-- name: create_application
-- No row for an id that stands for another audience already: with it an app could sign in as another app's users.
INSERT INTO magiclink.applications (
    id, app_id, name, roles, refresh_tokens, require_verified_registration, active, metadata
)
SELECT $1::uuid, $2::uuid, $3, $4::text[], $5, $6, $7, $8::text::jsonb
WHERE NOT EXISTS (
    SELECT FROM magiclink.apps WHERE id = $1 OR (id <> $2 AND $1::text = ANY (jwt_audience))
)
RETURNING *

-- name: find_application
SELECT * FROM magiclink.applications WHERE app_id = $1 AND id = $2

-- name: lock_application
SELECT * FROM magiclink.applications WHERE app_id = $1 AND id = $2 FOR UPDATE

-- name: list_applications
SELECT * FROM magiclink.applications WHERE app_id = $1 AND id > $2 ORDER BY id LIMIT $3

-- name: update_application
UPDATE magiclink.applications
SET name = $3, roles = $4, refresh_tokens = $5, require_verified_registration = $6, active = $7,
    metadata = $8::text::jsonb, updated_at = now()
WHERE app_id = $1 AND id = $2
RETURNING *

-- name: delete_application
DELETE FROM magiclink.applications WHERE app_id = $1 AND id = $2 RETURNING id

-- name: create_registration
-- No row when the application is not this app's. The user was looked up before.
INSERT INTO magiclink.registrations (id, app_id, user_id, application_id, roles, username, verified, metadata)
SELECT $3, u.app_id, u.id, a.id, $5::text[], $6::text, $7::boolean, $8::text::jsonb
FROM magiclink.users u
JOIN magiclink.applications a ON a.app_id = u.app_id
WHERE u.app_id = $1 AND u.id = $2 AND a.id = $4
RETURNING *

-- name: find_registration
SELECT * FROM magiclink.registrations WHERE app_id = $1 AND user_id = $2 AND application_id = $3

-- name: find_registration_by_id
SELECT * FROM magiclink.registrations WHERE app_id = $1 AND id = $2

-- name: lock_registration
SELECT * FROM magiclink.registrations WHERE app_id = $1 AND user_id = $2 AND application_id = $3 FOR UPDATE

-- name: list_registrations
SELECT * FROM magiclink.registrations WHERE app_id = $1 AND user_id = $2 ORDER BY application_id

-- name: update_registration
UPDATE magiclink.registrations
SET roles = $4, username = $5, verified = $6, metadata = $7::text::jsonb, updated_at = now()
WHERE app_id = $1 AND user_id = $2 AND application_id = $3
RETURNING *

-- name: delete_registration
DELETE FROM magiclink.registrations WHERE app_id = $1 AND user_id = $2 AND application_id = $3 RETURNING id

-- name: create_connection
-- No row when the domain has one: then it is read.
INSERT INTO magiclink.connections (id, app_id, domain, organization_id)
VALUES ($1, $2, $3, $4)
ON CONFLICT (app_id, domain) DO NOTHING
RETURNING *

-- name: find_connection
SELECT * FROM magiclink.connections WHERE app_id = $1 AND id = $2

-- name: find_connection_of_domain
SELECT * FROM magiclink.connections WHERE app_id = $1 AND domain = $2

-- name: list_connections
SELECT * FROM magiclink.connections WHERE app_id = $1 AND id > $2 ORDER BY id LIMIT $3
