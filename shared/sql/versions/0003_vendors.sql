-- What the vendors' contracts need of the native API: fuller users, sessions, second factors, applications, connections, webhooks.

-- `vendor`, `vendor_id`: as which project, client, app or tenant of a vendor this app answers (services/compat). Identity settings
-- (`vendor…`, `jwt_issuer`, `jwt_audience`) are the operator's alone: with another app's audience an app could sign in as its users.
-- `user_id_format`: how users are named towards the product, such as `user-test-{uuid}`; also the JWT's `sub`.
-- `redirects_exact`: redirect URLs are whole entries of the list, without wildcards and queries.
-- `passcode_standalone`: a passcode is found by itself, without its link or user being named.
-- `require_verified`: who signs in must have a verified address. `vendor_settings`: what only the vendor's translation reads.
ALTER TABLE magiclink.apps
    ADD COLUMN vendor text CHECK (vendor IN ('stytch', 'workos', 'passage', 'fusionauth')),
    ADD COLUMN vendor_id text CHECK (length(vendor_id) BETWEEN 1 AND 200),
    ADD COLUMN vendor_settings jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN jwt_issuer text,
    ADD COLUMN jwt_audience text[] NOT NULL DEFAULT '{}',
    ADD COLUMN user_id_format text NOT NULL DEFAULT '{uuid}',
    ADD COLUMN redirects_exact boolean NOT NULL DEFAULT false,
    ADD COLUMN passcode_standalone boolean NOT NULL DEFAULT false,
    ADD COLUMN require_verified boolean NOT NULL DEFAULT false,
    ADD COLUMN session_seconds integer NOT NULL DEFAULT 2592000 CHECK (session_seconds BETWEEN 300 AND 31622400),
    ADD COLUMN trust_seconds integer NOT NULL DEFAULT 2592000 CHECK (trust_seconds BETWEEN 300 AND 31622400),
    ADD CHECK ((vendor IS NULL) = (vendor_id IS NULL));
CREATE UNIQUE INDEX apps_vendor ON magiclink.apps (vendor, vendor_id);

-- `endpoints`: of a vendor's API, the paths and methods that the key may call: `{"/api/passwordless/start": ["POST"]}`; NULL: all.
ALTER TABLE magiclink.api_keys ADD COLUMN endpoints jsonb;

-- `pending`: invited, becomes `active` with the first link consumed. `inactive`, `locked`, `suspended` (until `suspended_until`, for
-- `status_reason`) and expired users cannot redeem anything; their links are not burnt. `imported_id`: the id that another system gave.
ALTER TABLE magiclink.users
    ADD COLUMN status text NOT NULL DEFAULT 'active'
        CHECK (status IN ('pending', 'active', 'inactive', 'locked', 'suspended')),
    ADD COLUMN status_reason text,
    ADD COLUMN suspended_until timestamptz,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN external_id text,
    ADD COLUMN imported_id text,
    ADD COLUMN username text,
    ADD COLUMN profile jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN roles text[] NOT NULL DEFAULT '{}',
    ADD COLUMN password_change_required boolean NOT NULL DEFAULT false,
    ADD COLUMN has_second_factor boolean NOT NULL DEFAULT false,
    ADD COLUMN login_count integer NOT NULL DEFAULT 0,
    ADD COLUMN last_login_at timestamptz,
    DROP CONSTRAINT users_check,
    ADD CONSTRAINT users_named CHECK (email IS NOT NULL OR phone IS NOT NULL OR username IS NOT NULL);
CREATE UNIQUE INDEX users_external_id ON magiclink.users (app_id, external_id);
CREATE UNIQUE INDEX users_imported_id ON magiclink.users (app_id, imported_id);
CREATE UNIQUE INDEX users_username ON magiclink.users (app_id, username);

-- Why a user may not redeem anything now; NULL: they may.
CREATE FUNCTION magiclink.user_bar(u magiclink.users) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE
        WHEN u.status IN ('inactive', 'locked') THEN u.status
        WHEN u.status = 'suspended' AND (u.suspended_until IS NULL OR u.suspended_until > now()) THEN 'suspended'
        WHEN u.expires_at <= now() THEN 'expired'
    END;

-- `url_template`: the form of the link's URL where it is not the page's own, with `{token}` or `{passcode}` in it. `doors`: `passcode`: the link
-- has no URL, only a passcode.
ALTER TABLE magiclink.links
    ADD COLUMN url_template text,
    ADD COLUMN doors text NOT NULL DEFAULT 'both' CHECK (doors IN ('both', 'passcode'));

-- Whether the link's user was made with it: rows of one transaction have one time.
CREATE FUNCTION magiclink.is_user_made_with(l magiclink.links) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM magiclink.users u WHERE u.id = l.user_id AND u.app_id = l.app_id AND u.created_at = l.created_at
    );

-- Passcodes that are found by themselves (DESIGN §3): HMAC(lookup key, app ‖ passcode). Not a column of `links`: a unique index of a
-- partitioned table cannot leave the partition key out.
CREATE TABLE magiclink.passcode_lookups (
    app_id uuid NOT NULL,
    lookup bytea NOT NULL,
    link_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, lookup)
);
CREATE INDEX passcode_lookups_expiry ON magiclink.passcode_lookups (expires_at);

-- What a tenant's users sign in to. The id is the audience of their JWTs, so it is one app's only.
CREATE TABLE magiclink.applications (
    id uuid PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES magiclink.apps ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    roles text[] NOT NULL DEFAULT '{}',
    refresh_tokens boolean NOT NULL DEFAULT false,
    require_verified_registration boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX applications_app ON magiclink.applications (app_id, id);

CREATE TABLE magiclink.registrations (
    user_id uuid NOT NULL REFERENCES magiclink.users ON DELETE CASCADE,
    application_id uuid NOT NULL REFERENCES magiclink.applications ON DELETE CASCADE,
    app_id uuid NOT NULL,
    id uuid NOT NULL UNIQUE,
    roles text[] NOT NULL DEFAULT '{}',
    username text,
    verified boolean NOT NULL DEFAULT true,
    metadata jsonb NOT NULL DEFAULT '{}',
    last_login_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, application_id)
);
CREATE INDEX registrations_application ON magiclink.registrations (application_id);

-- By what an organisation's people sign in: one magic-link connection an e-mail domain.
CREATE TABLE magiclink.connections (
    id uuid PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES magiclink.apps ON DELETE CASCADE,
    type text NOT NULL DEFAULT 'magic_link' CHECK (type IN ('magic_link')),
    domain text NOT NULL,
    organization_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app_id, domain)
);

-- A session's tokens are derived from its id (DESIGN §3): nothing here signs anybody in. `refresh_epoch` rises with each rotation;
-- `refresh_attempt` (a MAC) is the attempt that raised it, which may ask again. `opened_by`: the link's winner, whoever polled for it, or the API.
CREATE TABLE magiclink.sessions (
    id uuid PRIMARY KEY,
    kid text NOT NULL,
    app_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES magiclink.users ON DELETE CASCADE,
    application_id uuid,
    link_id uuid,
    opened_by text NOT NULL CHECK (opened_by IN ('link', 'poll', 'api')),
    factors jsonb NOT NULL DEFAULT '[]',
    client jsonb,
    claims jsonb NOT NULL DEFAULT '{}' CHECK (length(claims::text) <= 16384),
    refreshable boolean NOT NULL DEFAULT false,
    refresh_epoch integer NOT NULL DEFAULT 0,
    refresh_attempt uuid,
    started_at timestamptz NOT NULL DEFAULT now(),
    last_accessed_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX sessions_link ON magiclink.sessions (link_id, opened_by) WHERE link_id IS NOT NULL;
-- The user first, here and below: deleting one cascades by that column alone.
CREATE INDEX sessions_user ON magiclink.sessions (user_id, app_id, id);
CREATE INDEX sessions_application ON magiclink.sessions (application_id, id) WHERE application_id IS NOT NULL;
CREATE INDEX sessions_expiry ON magiclink.sessions (expires_at);

-- `secret` is encrypted (AES-GCM, key ring purpose `totp`). `last_step`: a code works once (RFC 6238 §5.2).
CREATE TABLE magiclink.second_factors (
    id uuid PRIMARY KEY,
    kid text NOT NULL,
    app_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES magiclink.users ON DELETE CASCADE,
    type text NOT NULL DEFAULT 'totp' CHECK (type IN ('totp')),
    secret bytea NOT NULL,
    confirmed_at timestamptz,
    last_step bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX second_factors_user ON magiclink.second_factors (user_id, app_id);

-- A first factor that is done and waits for the second: `login` is what the caller asked for, to be carried on with. `attempt` (a MAC) is the
-- last guess that was counted: the same one again is no new guess. `done_by` (a MAC) is the attempt that may ask again. What is over is kept for a day, so that a user's tries can be summed.
CREATE TABLE magiclink.challenges (
    id uuid PRIMARY KEY,
    kid text NOT NULL,
    app_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES magiclink.users ON DELETE CASCADE,
    link_id uuid,
    login jsonb NOT NULL DEFAULT '{}',
    tries integer NOT NULL DEFAULT 0,
    attempt uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    done_at timestamptz,
    done_by uuid
);
CREATE UNIQUE INDEX challenges_link ON magiclink.challenges (link_id, (login ->> 'opener')) WHERE link_id IS NOT NULL;
CREATE INDEX challenges_user ON magiclink.challenges (user_id, app_id);
CREATE INDEX challenges_expiry ON magiclink.challenges (expires_at);

-- Devices that need no second factor for a while; their tokens are derived.
CREATE TABLE magiclink.trusted_devices (
    id uuid PRIMARY KEY,
    kid text NOT NULL,
    app_id uuid NOT NULL,
    user_id uuid NOT NULL REFERENCES magiclink.users ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX trusted_devices_user ON magiclink.trusted_devices (user_id, app_id);
CREATE INDEX trusted_devices_expiry ON magiclink.trusted_devices (expires_at);

-- Where an app is told of its events; the signing secret is derived from the id. `events`: types, as `link.consumed`; empty: every one.
CREATE TABLE magiclink.webhook_endpoints (
    id uuid PRIMARY KEY,
    kid text NOT NULL,
    app_id uuid NOT NULL REFERENCES magiclink.apps ON DELETE CASCADE,
    url text NOT NULL,
    events text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);
CREATE INDEX webhook_endpoints_app ON magiclink.webhook_endpoints (app_id, id);

-- `event`: the body. `attempts` fences: who was paused past its lease changes nothing. `lease_until`: when it is late, queued or being sent.
CREATE TABLE magiclink.webhook_deliveries (
    endpoint_id uuid NOT NULL REFERENCES magiclink.webhook_endpoints ON DELETE CASCADE,
    event_id text NOT NULL,
    app_id uuid NOT NULL,
    event jsonb NOT NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (endpoint_id, event_id)
);
CREATE INDEX webhook_deliveries_created ON magiclink.webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_lease ON magiclink.webhook_deliveries (lease_until) WHERE status = 'queued';

-- What the verifier asks and tells of a link's or a session's user and app, under names that do not clash with theirs.
CREATE VIEW magiclink.holders AS
SELECT u.id AS found_user, u.email, u.phone, magiclink.user_bar(u) AS holder_bar,
    u.id AS holder_id, u.app_id AS holder_app_id, u.email AS holder_email, u.phone AS holder_phone, u.username AS holder_username,
    u.email_verified AS holder_email_verified, u.phone_verified AS holder_phone_verified, u.status AS holder_status,
    u.status_reason AS holder_status_reason, u.suspended_until AS holder_suspended_until, u.expires_at AS holder_expires_at,
    u.external_id AS holder_external_id, u.imported_id AS holder_imported_id, u.profile AS holder_profile, u.roles AS holder_roles,
    u.metadata AS holder_metadata, u.password_change_required AS holder_password_change_required,
    u.has_second_factor AS holder_has_second_factor, u.login_count AS holder_login_count, u.last_login_at AS holder_last_login_at,
    u.created_at AS holder_created_at, u.updated_at AS holder_updated_at
FROM magiclink.users u;

CREATE VIEW magiclink.login_apps AS
SELECT id AS login_app, name AS app_name, branding, jwt_algorithm, jwt_issuer, jwt_audience, user_id_format, session_seconds, trust_seconds,
       require_verified
FROM magiclink.apps;

GRANT SELECT, INSERT, UPDATE, DELETE ON magiclink.applications, magiclink.registrations, magiclink.connections,
    magiclink.webhook_endpoints, magiclink.passcode_lookups TO magiclink_issuer;
GRANT UPDATE (revoked_at) ON magiclink.sessions TO magiclink_issuer;
GRANT SELECT, DELETE ON magiclink.sessions, magiclink.challenges, magiclink.second_factors, magiclink.trusted_devices,
    magiclink.webhook_deliveries TO magiclink_issuer;

GRANT SELECT ON magiclink.applications, magiclink.registrations, magiclink.connections, magiclink.passcode_lookups,
    magiclink.holders, magiclink.login_apps TO magiclink_verifier;
GRANT SELECT, INSERT, UPDATE, DELETE ON magiclink.sessions, magiclink.second_factors, magiclink.challenges,
    magiclink.trusted_devices TO magiclink_verifier;
GRANT UPDATE (status, login_count, last_login_at, has_second_factor) ON magiclink.users TO magiclink_verifier;
GRANT UPDATE (last_login_at) ON magiclink.registrations TO magiclink_verifier;

GRANT SELECT, UPDATE (disabled_at) ON magiclink.webhook_endpoints TO magiclink_notifier;
GRANT SELECT, INSERT, UPDATE ON magiclink.webhook_deliveries TO magiclink_notifier;
