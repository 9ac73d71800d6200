-- The first schema (DESIGN §6). PostgreSQL 15 and newer, no extension.
-- References to `links` are not foreign keys: partitions of links are dropped by age, and every insert would pay for the check.

CREATE SCHEMA magiclink;

-- Tenants.
CREATE TABLE magiclink.apps (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    base_url text,
    redirect_urls text[] NOT NULL DEFAULT '{}',
    default_redirect_url text,
    landing_url text,
    ttl_seconds integer NOT NULL DEFAULT 900,
    max_ttl_seconds integer NOT NULL DEFAULT 86400,
    grant_ttl_seconds integer NOT NULL DEFAULT 60 CHECK (grant_ttl_seconds BETWEEN 10 AND 600),
    passcode_strategy text NOT NULL DEFAULT 'digits'
        CHECK (passcode_strategy IN ('digits', 'letters', 'alphanumeric', 'bytes')),
    passcode_length integer NOT NULL DEFAULT 6 CHECK (passcode_length BETWEEN 6 AND 32),
    jwt_algorithm text NOT NULL DEFAULT 'EdDSA' CHECK (jwt_algorithm IN ('EdDSA', 'ES256', 'RS256')),
    locale text NOT NULL DEFAULT 'en',
    sender text,
    branding jsonb NOT NULL DEFAULT '{}',
    intake boolean NOT NULL DEFAULT false,
    interactive_per_minute integer NOT NULL DEFAULT 600 CHECK (interactive_per_minute > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (ttl_seconds BETWEEN 30 AND max_ttl_seconds),
    CHECK (max_ttl_seconds <= 2592000)
);

-- Only the SHA-256 of a key is kept: 256 random bits need no slow hash.
CREATE TABLE magiclink.api_keys (
    id uuid PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES magiclink.apps ON DELETE CASCADE,
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_app ON magiclink.api_keys (app_id);

CREATE TABLE magiclink.users (
    id uuid PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES magiclink.apps ON DELETE CASCADE,
    email text,
    phone text,
    email_verified boolean NOT NULL DEFAULT false,
    phone_verified boolean NOT NULL DEFAULT false,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (email IS NOT NULL OR phone IS NOT NULL)
);
CREATE UNIQUE INDEX users_email ON magiclink.users (app_id, email);
CREATE UNIQUE INDEX users_phone ON magiclink.users (app_id, phone);
CREATE INDEX users_app ON magiclink.users (app_id, id);

-- One row is the whole state of a link. `state` is json, not jsonb: it goes back as it came.
CREATE TABLE magiclink.links (
    id uuid NOT NULL,
    kid text NOT NULL,
    app_id uuid NOT NULL,
    user_id uuid NOT NULL,
    type text NOT NULL,
    channel text NOT NULL,
    lane text NOT NULL,
    redirect_url text,
    state json,
    metadata jsonb,
    client jsonb,
    locale text NOT NULL,
    time_zone text,
    code_challenge text,
    ttl_seconds integer NOT NULL,
    grant_ttl_seconds integer NOT NULL,
    passcode_format text,
    passcode_epoch integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    send_at timestamptz,
    not_before timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    consumed_at timestamptz,
    consumed_by uuid,
    consumed_via text,
    revoked_at timestamptz,
    exchanged_at timestamptz,
    exchanged_by uuid,
    sequence integer NOT NULL DEFAULT 1,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX links_user ON magiclink.links (app_id, user_id, id);
CREATE TABLE magiclink.links_default PARTITION OF magiclink.links DEFAULT;

-- `expired` and `scheduled` are computed, never stored. Revocation may come after consumption and then wins.
CREATE FUNCTION magiclink.link_status(l magiclink.links) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE
        WHEN l.revoked_at IS NOT NULL THEN 'revoked'
        WHEN l.consumed_at IS NOT NULL THEN 'consumed'
        WHEN l.expires_at <= now() THEN 'expired'
        WHEN l.not_before > now() THEN 'scheduled'
        ELSE 'issued'
    END;

-- The first UUIDv7 of a moment (RFC 9562): partitions by id are partitions by time.
CREATE FUNCTION magiclink.first_id(moment timestamptz) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (lpad(to_hex(floor(extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

-- Makes the partitions of this week and `weeks` more; returns how many were new. A week with rows in the default
-- partition is left to the operator: attaching it would scan and lock. Definer's rights, so that the issuer needs no DDL.
CREATE FUNCTION magiclink.ensure_link_partitions(weeks integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
DECLARE
    monday timestamptz;
    made integer := 0;
    partition text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('magiclink.ensure_link_partitions'));
    FOR week IN 0..weeks LOOP
        monday := (date_trunc('week', now() AT TIME ZONE 'UTC') + make_interval(weeks => week)) AT TIME ZONE 'UTC';
        partition := 'links_' || to_char(monday AT TIME ZONE 'UTC', 'YYYYMMDD');
        CONTINUE WHEN to_regclass('magiclink.' || partition) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT FROM magiclink.links_default
            WHERE id >= magiclink.first_id(monday) AND id < magiclink.first_id(monday + interval '7 days')
        );
        EXECUTE format(
            'CREATE TABLE magiclink.%I PARTITION OF magiclink.links FOR VALUES FROM (%L) TO (%L)',
            partition, magiclink.first_id(monday), magiclink.first_id(monday + interval '7 days')
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION magiclink.ensure_link_partitions FROM PUBLIC;

CREATE TABLE magiclink.messages (
    id uuid PRIMARY KEY,
    link_id uuid NOT NULL,
    app_id uuid NOT NULL,
    user_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp')),
    recipient text NOT NULL,
    locale text NOT NULL,
    template text,
    data jsonb NOT NULL DEFAULT '{}',
    lane text NOT NULL,
    status text NOT NULL CHECK (status IN
        ('queued', 'sending', 'unknown', 'accepted', 'delivered', 'undelivered', 'failed', 'expired', 'revoked')),
    attempts integer NOT NULL DEFAULT 0,
    requeues integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    provider text,
    provider_id text,
    last_error text,
    created_at timestamptz NOT NULL,
    accepted_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_link ON magiclink.messages (link_id);
-- What the sweeper looks for; small, because finished messages have no lease.
CREATE INDEX messages_lease ON magiclink.messages (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX messages_provider ON magiclink.messages (provider, provider_id) WHERE provider_id IS NOT NULL;

CREATE TABLE magiclink.message_attempts (
    message_id uuid NOT NULL,
    attempt integer NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    outcome text NOT NULL,
    provider text,
    provider_id text,
    detail text,
    PRIMARY KEY (message_id, attempt)
);

-- Also the inbox of events: their scope is `event <source>`, their key the event's id. `answer` holds ids, never a secret.
CREATE TABLE magiclink.idempotency_keys (
    app_id uuid NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    body_hash bytea NOT NULL,
    answer jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (app_id, scope, key)
);
CREATE INDEX idempotency_keys_expiry ON magiclink.idempotency_keys (expires_at);

-- The only way anything reaches Kafka. A row with `due_at` ahead is a scheduled send or a retry.
CREATE TABLE magiclink.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane text NOT NULL CHECK (lane IN ('interactive', 'bulk', 'events')),
    due_at timestamptz NOT NULL DEFAULT now(),
    topic text NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX outbox_due ON magiclink.outbox (lane, due_at, id);
-- Rows live for milliseconds: without this, scans walk over the dead until autovacuum comes.
ALTER TABLE magiclink.outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

CREATE TABLE magiclink.dead_letters (
    id uuid PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL DEFAULT '{}',
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (topic, partition, "offset", created_at)
);

-- One group role a service, with the least rights; logins are granted one of them.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['magiclink_issuer', 'magiclink_verifier', 'magiclink_notifier'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA magiclink TO %I', name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON magiclink.apps, magiclink.api_keys, magiclink.users TO magiclink_issuer;
GRANT SELECT, INSERT ON magiclink.links, magiclink.messages TO magiclink_issuer;
GRANT UPDATE (revoked_at, sequence) ON magiclink.links TO magiclink_issuer;
GRANT UPDATE (status, lease_until, requeues, updated_at) ON magiclink.messages TO magiclink_issuer;
GRANT SELECT ON magiclink.message_attempts, magiclink.links_default TO magiclink_issuer;
GRANT SELECT, INSERT, UPDATE, DELETE ON magiclink.idempotency_keys, magiclink.outbox TO magiclink_issuer;
GRANT SELECT, INSERT ON magiclink.dead_letters TO magiclink_issuer;
GRANT EXECUTE ON FUNCTION magiclink.ensure_link_partitions TO magiclink_issuer;

GRANT SELECT ON magiclink.apps, magiclink.api_keys, magiclink.users, magiclink.links TO magiclink_verifier;
GRANT UPDATE (consumed_at, consumed_by, consumed_via, exchanged_at, exchanged_by, sequence)
    ON magiclink.links TO magiclink_verifier;
GRANT INSERT ON magiclink.outbox TO magiclink_verifier;

GRANT SELECT ON magiclink.apps, magiclink.users, magiclink.links, magiclink.messages TO magiclink_notifier;
GRANT UPDATE (status, attempts, requeues, lease_until, provider, provider_id, last_error, accepted_at, updated_at)
    ON magiclink.messages TO magiclink_notifier;
GRANT SELECT, INSERT ON magiclink.message_attempts TO magiclink_notifier;
GRANT INSERT ON magiclink.outbox, magiclink.dead_letters TO magiclink_notifier;

SELECT magiclink.ensure_link_partitions(8);
