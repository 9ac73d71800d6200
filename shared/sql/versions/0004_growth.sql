-- Partitions of links that come and go without a lock that a request would feel; messages that are dropped with their links.

-- Each function takes its locks within 100 ms or fails with 55P03 and is called again: whoever waits for a lock makes everybody
-- after it wait too. Definer's rights, so that the issuer needs no DDL. One replica at a time; the others get NULL or false.

-- Makes the first partition that is missing of this week and `weeks` more, and returns its name; NULL: none is missing. Made beside and
-- attached: CREATE TABLE … PARTITION OF would lock all of `links`, ATTACH locks the empty default partition. A week with rows in the
-- default partition is left to the operator: attaching it would fail. A tenth of each page stays free for the consumption of its links: the new
-- version of a row then needs no new index entries (measured: a fifth less WAL a consumption, for an eighth more heap).
CREATE FUNCTION magiclink.make_link_partition(weeks integer) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '100ms'
AS $$
DECLARE
    monday timestamptz;
    partition text;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('magiclink.link_partitions')) THEN
        RETURN NULL;
    END IF;
    FOR week IN 0..weeks LOOP
        monday := (date_trunc('week', now() AT TIME ZONE 'UTC') + make_interval(weeks => week)) AT TIME ZONE 'UTC';
        partition := 'links_' || to_char(monday AT TIME ZONE 'UTC', 'YYYYMMDD');
        CONTINUE WHEN to_regclass('magiclink.' || partition) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT FROM magiclink.links_default
            WHERE id >= magiclink.first_id(monday) AND id < magiclink.first_id(monday + interval '7 days')
        );
        EXECUTE format('CREATE TABLE magiclink.%I (LIKE magiclink.links INCLUDING ALL) WITH (fillfactor = 90)', partition);
        EXECUTE format(
            'ALTER TABLE magiclink.links ATTACH PARTITION magiclink.%I FOR VALUES FROM (%L) TO (%L)',
            partition, magiclink.first_id(monday), magiclink.first_id(monday + interval '7 days')
        );
        RETURN partition;
    END LOOP;
    RETURN NULL;
END
$$;

-- Takes a week out of `links`, when it ended `keep_days` ago or longer; returns whether it did. DETACH … CONCURRENTLY is not to be had
-- beside a default partition, so this locks all of `links`, for a few milliseconds. No link ends later than 60 days after its making, so no younger
-- week is taken out; the caller has looked for live links before.
CREATE FUNCTION magiclink.detach_link_partition(partition text, keep_days integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '100ms'
AS $$
BEGIN
    IF partition !~ '^links_[0-9]{8}$' OR to_date(right(partition, 8), 'YYYYMMDD') + 7 > (now() AT TIME ZONE 'UTC')::date - greatest(keep_days, 61) THEN
        RAISE EXCEPTION '% is not the partition of a week that ended % days ago', partition, greatest(keep_days, 61)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtext('magiclink.link_partitions')) OR NOT EXISTS (
        SELECT FROM pg_inherits
        WHERE inhparent = 'magiclink.links'::regclass AND inhrelid = to_regclass('magiclink.' || partition)
    ) THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE magiclink.links DETACH PARTITION magiclink.%I', partition);
    RETURN true;
END
$$;

-- Drops a week that was taken out before; nothing that a request asks for is locked. Returns whether it was there.
CREATE FUNCTION magiclink.drop_link_partition(partition text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '100ms'
AS $$
BEGIN
    IF partition !~ '^links_[0-9]{8}$' OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('magiclink.' || partition)) THEN
        RAISE EXCEPTION '% is not a detached partition of links', partition USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT pg_try_advisory_xact_lock(hashtext('magiclink.link_partitions')) OR to_regclass('magiclink.' || partition) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE magiclink.%I', partition);
    RETURN true;
END
$$;

-- The weeks that are there already, for the links still to come.
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'magiclink.links'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 90)', partition);
    END LOOP;
END
$$;

-- Issuers of the release before call this while they are being replaced.
CREATE OR REPLACE FUNCTION magiclink.ensure_link_partitions(weeks integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
DECLARE
    made integer := 0;
BEGIN
    WHILE magiclink.make_link_partition(weeks) IS NOT NULL LOOP
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

REVOKE ALL ON FUNCTION magiclink.make_link_partition, magiclink.detach_link_partition, magiclink.drop_link_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION magiclink.make_link_partition, magiclink.detach_link_partition, magiclink.drop_link_partition TO magiclink_issuer;
GRANT DELETE ON magiclink.messages, magiclink.message_attempts TO magiclink_issuer;
