-- name: lock_holder
-- Locked before their factors and challenges, as the deletion of a user does; together with it, tries of one user are counted one by one.
SELECT u.id, magiclink.user_bar(u) AS holder_bar, u.status_reason AS holder_status_reason,
       u.suspended_until AS holder_suspended_until, extract(epoch FROM now())::float8 AS now_seconds
FROM magiclink.users u
WHERE u.app_id = $1 AND u.id = $2
FOR NO KEY UPDATE

-- name: factor_account
-- What an authenticator app shows beside the code.
SELECT coalesce(u.email, u.username, u.phone) AS account, coalesce(a.branding ->> 'product_name', a.name) AS product
FROM magiclink.users u
JOIN magiclink.apps a ON a.id = u.app_id
WHERE u.app_id = $1 AND u.id = $2

-- name: drop_unconfirmed_factors
-- A factor that nobody confirmed is replaced by the next one; $3 is the one that is being made, perhaps again.
DELETE FROM magiclink.second_factors WHERE app_id = $1 AND user_id = $2 AND confirmed_at IS NULL AND id <> $3

-- name: create_factor
-- $6: the step of the code that came along and confirms it at once; that code was used by it.
INSERT INTO magiclink.second_factors (id, kid, app_id, user_id, secret, confirmed_at, last_step)
SELECT $3, $4, $1, $2, $5, CASE WHEN $6::bigint IS NULL THEN NULL ELSE now() END, coalesce($6, 0)
WHERE (SELECT count(*) FROM magiclink.second_factors WHERE app_id = $1 AND user_id = $2) < $7
ON CONFLICT (id) DO NOTHING
RETURNING id, kid, type, secret, confirmed_at, last_step, created_at

-- name: find_factor
SELECT id, kid, type, secret, confirmed_at, last_step, created_at, now() - created_at < interval '1 day' AS made_today,
       extract(epoch FROM now())::float8 AS now_seconds
FROM magiclink.second_factors
WHERE app_id = $1 AND user_id = $2 AND id = $3

-- name: list_factors
SELECT id, kid, type, secret, confirmed_at, last_step, created_at
FROM magiclink.second_factors
WHERE app_id = $1 AND user_id = $2
ORDER BY created_at, id

-- name: confirm_factor
UPDATE magiclink.second_factors
SET confirmed_at = now(), last_step = $4
WHERE app_id = $1 AND user_id = $2 AND id = $3 AND confirmed_at IS NULL
RETURNING id, kid, type, secret, confirmed_at, last_step, created_at

-- name: delete_factors
-- $3 null: all of them.
DELETE FROM magiclink.second_factors WHERE app_id = $1 AND user_id = $2 AND ($3::uuid IS NULL OR id = $3) RETURNING id

-- name: follow_factors
-- What `consume` reads with the user, so that who has no second factor pays nothing for those who have.
UPDATE magiclink.users u
SET has_second_factor = EXISTS (
    SELECT FROM magiclink.second_factors f WHERE f.app_id = $1 AND f.user_id = $2 AND f.confirmed_at IS NOT NULL
)
WHERE u.app_id = $1 AND u.id = $2

-- name: revoke_trusted_devices
UPDATE magiclink.trusted_devices SET revoked_at = now() WHERE app_id = $1 AND user_id = $2 AND revoked_at IS NULL

-- name: is_trusted
SELECT EXISTS (
    SELECT FROM magiclink.trusted_devices
    WHERE app_id = $1 AND user_id = $2 AND id = $3 AND revoked_at IS NULL AND now() < expires_at
)

-- name: find_trusted_device
SELECT id, kid, expires_at FROM magiclink.trusted_devices WHERE app_id = $1 AND id = $2 AND revoked_at IS NULL AND now() < expires_at

-- name: open_challenge
-- One a link and opener, as their sessions are, and one an attempt ($1) where there is no link. Whoever is second gets the first one's.
INSERT INTO magiclink.challenges (id, kid, app_id, user_id, link_id, login, expires_at)
SELECT $1, $2, u.app_id, u.id, $5, $6, now() + make_interval(secs => $7)
FROM magiclink.users u
WHERE u.app_id = $3 AND u.id = $4
ON CONFLICT DO NOTHING

-- name: find_challenge
SELECT id, kid, expires_at
FROM magiclink.challenges
WHERE app_id = $1 AND CASE WHEN $3::uuid IS NULL THEN id = $2 ELSE link_id = $3 AND login ->> 'opener' = $5 END AND user_id = $4

-- name: challenged_user
SELECT user_id FROM magiclink.challenges WHERE app_id = $1 AND id = $2 AND kid = $3

-- name: count_try
-- A try is counted before it is compared, durably: of the challenge (five) and of its user's last 24 hours (the app's limit for typed codes);
-- right ones do not count against the day. The same guess ($5) asked again counts once. The user is locked by then.
-- `mine`: this attempt has done the challenge before and lost the answer.
WITH spent AS (
    SELECT coalesce(sum(c.tries - CASE WHEN c.done_at IS NULL THEN 0 ELSE 1 END), 0) AS tries
    FROM magiclink.challenges c
    WHERE c.app_id = $1 AND c.user_id = $4 AND c.created_at > now() - interval '1 day'
)
UPDATE magiclink.challenges c
SET tries = c.tries + CASE WHEN c.done_by = $3 OR c.attempt = $5 THEN 0 ELSE 1 END, attempt = $5
FROM magiclink.apps a, spent
WHERE c.app_id = $1 AND c.id = $2 AND a.id = $1
  AND (
      c.done_by = $3
      OR (
          c.done_at IS NULL AND now() < c.expires_at
          AND (c.attempt IS NOT DISTINCT FROM $5 OR (c.tries < 5 AND spent.tries < a.passcode_tries_per_day))
      )
  )
RETURNING c.id, c.kid, c.app_id, c.user_id, c.link_id, c.login, c.done_at, c.done_by IS NOT DISTINCT FROM $3 AS mine,
          extract(epoch FROM now())::float8 AS now_seconds

-- name: confirmed_factors
SELECT id, kid, type, secret, last_step, confirmed_at, created_at
FROM magiclink.second_factors
WHERE app_id = $1 AND user_id = $2 AND confirmed_at IS NOT NULL
ORDER BY created_at, id

-- name: finish_challenge
-- The transition: the code's step is spent, of this factor and for every challenge, and the challenge is done, or neither. Locks go user,
-- factor, challenge, as the deletion of a user does.
WITH holder AS (
    SELECT u.id FROM magiclink.users u WHERE u.app_id = $1 AND u.id = $2 FOR KEY SHARE
), factor AS (
    SELECT f.id
    FROM holder
    JOIN magiclink.second_factors f ON f.user_id = holder.id
    WHERE f.app_id = $1 AND f.id = $3 AND f.confirmed_at IS NOT NULL AND f.last_step < $4
    FOR UPDATE OF f
), open AS (
    SELECT c.id
    FROM factor
    JOIN magiclink.challenges c ON c.user_id = $2
    WHERE c.app_id = $1 AND c.id = $5 AND c.done_at IS NULL AND now() < c.expires_at
    FOR UPDATE OF c
), spent AS (
    UPDATE magiclink.second_factors f SET last_step = $4 FROM open WHERE f.app_id = $1 AND f.id = $3
), trusted AS (
    INSERT INTO magiclink.trusted_devices (id, kid, app_id, user_id, expires_at)
    SELECT open.id, $7, $1, $2, now() + make_interval(secs => a.trust_seconds)
    FROM open
    JOIN magiclink.apps a ON a.id = $1
    WHERE $8::boolean
    ON CONFLICT DO NOTHING
)
UPDATE magiclink.challenges c
SET done_at = now(), done_by = $6
FROM open
WHERE c.app_id = $1 AND c.id = open.id
RETURNING c.done_at

-- name: done_challenge
SELECT id, kid, app_id, user_id, link_id, login, done_at FROM magiclink.challenges WHERE app_id = $1 AND id = $2 AND done_by = $3
