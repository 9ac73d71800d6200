-- name: find_app
SELECT id, user_id_format FROM magiclink.apps WHERE id = $1

-- name: import_users
-- What is taken (an id, an address, a name) makes no row; `find_taken` says by whom. Of two in the file the first comes in.
INSERT INTO magiclink.users (
    id, app_id, email, email_verified, phone, phone_verified, username, status, suspended_until, expires_at, external_id,
    imported_id, profile, roles, metadata, password_change_required, created_at
)
SELECT id, $1, email, email_verified, phone, phone_verified, username, status, suspended_until, expires_at, external_id,
       imported_id, profile::jsonb, ARRAY(SELECT jsonb_array_elements_text(roles::jsonb)), metadata::jsonb,
       password_change_required, coalesce(created_at, now())
FROM unnest(
    $2::uuid[], $3::text[], $4::boolean[], $5::text[], $6::boolean[], $7::text[], $8::text[], $9::timestamptz[],
    $10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[], $17::timestamptz[]
) WITH ORDINALITY AS row (
    id, email, email_verified, phone, phone_verified, username, status, suspended_until, expires_at, external_id,
    imported_id, profile, roles, metadata, password_change_required, created_at, place
)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING id

-- name: find_taken
-- For each row that was not made, the users that have something of it; of another app only that the id is taken.
SELECT row.place, u.id, u.app_id = $1 AS is_own, u.imported_id,
       u.app_id = $1 AND u.email = row.email AS has_email, u.app_id = $1 AND u.phone = row.phone AS has_phone,
       u.app_id = $1 AND u.username = row.username AS has_username,
       u.app_id = $1 AND u.external_id = row.external_id AS has_external_id
FROM unnest($2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
    AS row (place, id, imported_id, email, phone, username, external_id)
JOIN magiclink.users u
    ON u.id = row.id
    OR (u.app_id = $1 AND (u.imported_id = row.imported_id OR u.email = row.email OR u.phone = row.phone
                           OR u.username = row.username OR u.external_id = row.external_id))

-- name: import_registrations
-- Of applications that the app has; the others make no row.
INSERT INTO magiclink.registrations (id, user_id, application_id, app_id, roles, username, verified, metadata)
SELECT row.id, row.user_id, a.id, $1, ARRAY(SELECT jsonb_array_elements_text(row.roles::jsonb)), row.username, row.verified,
       row.metadata::jsonb
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::boolean[], $8::text[])
    AS row (id, user_id, application_id, roles, username, verified, metadata)
JOIN magiclink.applications a ON a.id = row.application_id AND a.app_id = $1
ON CONFLICT DO NOTHING
RETURNING application_id
