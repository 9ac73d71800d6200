-- Latest-only links, resends, lives that begin with acceptance, durable passcode tries, narrower keys, visits, renewals.

-- `latest_only`: types of which only the newest interactive link of a user lives. `ttl_from`: a link's life counts from its issue (or its
-- planned sending), or from the provider's first acceptance; then `acceptance_cap_seconds` after the issue is its end at the latest.
-- `texts_…` cap what costs money: SMS and WhatsApp.
ALTER TABLE magiclink.apps
    ADD COLUMN latest_only text[] NOT NULL DEFAULT '{}'
        CHECK (latest_only <@ ARRAY['login', 'verify_identifier', 'invite']),
    ADD COLUMN ttl_from text NOT NULL DEFAULT 'issue' CHECK (ttl_from IN ('issue', 'acceptance')),
    ADD COLUMN acceptance_cap_seconds integer NOT NULL DEFAULT 86400
        CHECK (acceptance_cap_seconds BETWEEN 30 AND 2592000),
    ADD COLUMN texts_per_hour integer NOT NULL DEFAULT 1000 CHECK (texts_per_hour > 0),
    ADD COLUMN texts_per_recipient_per_hour integer NOT NULL DEFAULT 10 CHECK (texts_per_recipient_per_hour > 0),
    ADD COLUMN passcode_tries_per_day integer NOT NULL DEFAULT 30 CHECK (passcode_tries_per_day > 0);

-- What a key may ask for; NULL: whatever its app allows.
ALTER TABLE magiclink.api_keys
    ADD COLUMN types text[],
    ADD COLUMN redirect_urls text[],
    ADD COLUMN max_ttl_seconds integer CHECK (max_ttl_seconds >= 30),
    ADD COLUMN recipient_domains text[];

-- `slot`: only the newest link of (app, user, type, slot) lives; NULL: it has no rivals. `verifies`: the address that its consumption
-- marks as verified. `passcode_tries` is raised before a passcode is compared, and stops at five; `passcode_attempt`
-- is the last try (a MAC): the same one again is no new guess. `renewed_from`: the expired link whose page asked for this one.
ALTER TABLE magiclink.links
    ADD COLUMN slot text,
    ADD COLUMN binding text NOT NULL DEFAULT 'prefer' CHECK (binding IN ('none', 'prefer', 'require')),
    ADD COLUMN verifies text CHECK (verifies IN ('email', 'phone')),
    ADD COLUMN ttl_from_acceptance boolean NOT NULL DEFAULT false,
    ADD COLUMN accepted_at timestamptz,
    ADD COLUMN passcode_tries integer NOT NULL DEFAULT 0,
    ADD COLUMN passcode_attempt uuid,
    ADD COLUMN renewed_from uuid;

-- The newest link of each slot: one row decides, whatever the order in which replicas commit (DESIGN §6).
CREATE TABLE magiclink.heads (
    app_id uuid NOT NULL,
    user_id uuid NOT NULL,
    type text NOT NULL,
    slot text NOT NULL,
    link_id uuid NOT NULL,
    PRIMARY KEY (app_id, user_id, type, slot)
);
CREATE INDEX heads_link ON magiclink.heads (link_id);

CREATE FUNCTION magiclink.is_head(l magiclink.links) RETURNS boolean
    LANGUAGE sql STABLE
    RETURN EXISTS (
        SELECT FROM magiclink.heads h
        WHERE (h.app_id, h.user_id, h.type, h.slot, h.link_id) = (l.app_id, l.user_id, l.type, l.slot, l.id)
    );

-- `expired`, `scheduled` and `superseded` (a newer link has its slot) are computed, never stored. Revocation may come after consumption
-- and then wins. Only links with a slot pay for the look at `heads`.
CREATE OR REPLACE FUNCTION magiclink.link_status(l magiclink.links) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE
        WHEN l.revoked_at IS NOT NULL THEN 'revoked'
        WHEN l.consumed_at IS NOT NULL THEN 'consumed'
        WHEN l.slot IS NOT NULL AND NOT magiclink.is_head(l) THEN 'superseded'
        WHEN l.expires_at <= now() THEN 'expired'
        WHEN l.not_before > now() THEN 'scheduled'
        ELSE 'issued'
    END;

CREATE FUNCTION magiclink.rfc3339(moment timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- A CloudEvent in structured JSON (CloudEvents 1.0), for statements that write the event with the change it tells of.
CREATE FUNCTION magiclink.cloud_event(type text, id text, source text, subject text, at timestamptz, data jsonb)
    RETURNS bytea
    LANGUAGE sql STABLE
    RETURN convert_to(jsonb_build_object(
        'specversion', '1.0', 'type', type, 'id', id, 'source', source, 'subject', subject,
        'time', magiclink.rfc3339(at), 'datacontenttype', 'application/json', 'data', data
    )::text, 'UTF8');

-- Tries of passcodes a user and day (UTC), over all links: a guesser does not get five more with each new link. No foreign key: guesses at
-- nobody are counted under one of 256 stand-ins an app, so that they cost the same write.
CREATE TABLE magiclink.passcode_days (
    app_id uuid NOT NULL,
    user_id uuid NOT NULL,
    day date NOT NULL,
    tries integer NOT NULL DEFAULT 1,
    PRIMARY KEY (app_id, user_id, day)
);

-- The sweeper drops old days.
CREATE INDEX passcode_days_day ON magiclink.passcode_days (day);

-- Who looked at a link, sampled: telemetry for the timeline, never state.
CREATE TABLE magiclink.link_visits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    link_id uuid NOT NULL,
    app_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    event text NOT NULL CHECK (event IN ('visited', 'refused')),
    visitor text NOT NULL CHECK (visitor IN ('browser', 'scanner', 'prefetch', 'api')),
    detail text
);
CREATE INDEX link_visits_link ON magiclink.link_visits (link_id, id);

-- What the notifiers can send, told by them at their start, for `explain`: one row.
CREATE TABLE magiclink.delivery_options (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    channels text[] NOT NULL,
    templates jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE magiclink.dead_letters ADD COLUMN replayed_at timestamptz;
CREATE INDEX dead_letters_created ON magiclink.dead_letters (created_at);

GRANT SELECT ON magiclink.heads TO magiclink_issuer, magiclink_verifier, magiclink_notifier;

GRANT INSERT, UPDATE, DELETE ON magiclink.heads TO magiclink_issuer;
GRANT UPDATE (channel, lane, locale, time_zone, verifies, passcode_format, passcode_epoch) ON magiclink.links TO magiclink_issuer;
GRANT SELECT, DELETE ON magiclink.link_visits, magiclink.passcode_days TO magiclink_issuer;
GRANT SELECT ON magiclink.delivery_options TO magiclink_issuer;

GRANT UPDATE (passcode_tries, passcode_attempt) ON magiclink.links TO magiclink_verifier;
GRANT UPDATE (email_verified, phone_verified, updated_at) ON magiclink.users TO magiclink_verifier;
GRANT SELECT, INSERT, UPDATE ON magiclink.passcode_days TO magiclink_verifier;
GRANT SELECT, INSERT ON magiclink.link_visits TO magiclink_verifier;
GRANT SELECT ON magiclink.messages TO magiclink_verifier;

GRANT UPDATE (accepted_at, expires_at) ON magiclink.links TO magiclink_notifier;
GRANT SELECT, INSERT, UPDATE ON magiclink.delivery_options TO magiclink_notifier;
