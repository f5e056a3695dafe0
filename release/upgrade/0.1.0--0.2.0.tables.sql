-- Roles are identified by OID, or by name if the OID means nothing.
CREATE TYPE millrace.role_then AS (
    role oid,
    name name,
    cluster bigint
);
COMMENT ON TYPE millrace.role_then IS
'A role at the time it was noted: its OID, which is valid in the cluster with this system identifier, and its name, which identifies it after a restore into another cluster';

CREATE FUNCTION millrace.role_now() RETURNS millrace.role_then
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT ROW(r.oid, r.rolname, c.system_identifier)::millrace.role_then
    FROM pg_roles r, pg_control_system() c WHERE r.rolname = current_user
$$;
CREATE FUNCTION millrace.upgrade_owner(owner name) RETURNS millrace.role_then
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT ROW((SELECT r.oid FROM pg_roles r WHERE r.rolname = owner), owner, c.system_identifier)::millrace.role_then
    FROM pg_control_system() c
$$;

-- Only the extension writes the ledger, so there is no row security; there are no foreign keys either.
DO $$
DECLARE
    statement text;
BEGIN
    FOR statement IN
        SELECT pg_catalog.format('DROP POLICY %I ON %s', polname, polrelid::pg_catalog.regclass)
        FROM pg_catalog.pg_policy JOIN pg_catalog.pg_class c ON c.oid = polrelid
        WHERE c.relnamespace = 'millrace'::pg_catalog.regnamespace
        UNION ALL
        SELECT pg_catalog.format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', oid::pg_catalog.regclass)
        FROM pg_catalog.pg_class WHERE relnamespace = 'millrace'::pg_catalog.regnamespace AND relrowsecurity
        UNION ALL
        SELECT pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::pg_catalog.regclass, conname)
        FROM pg_catalog.pg_constraint
        WHERE connamespace = 'millrace'::pg_catalog.regnamespace AND contype = 'f'
        UNION ALL
        SELECT pg_catalog.format('REVOKE INSERT, UPDATE, DELETE ON %s FROM PUBLIC', oid::pg_catalog.regclass)
        FROM pg_catalog.pg_class WHERE relnamespace = 'millrace'::pg_catalog.regnamespace AND relkind = 'r'
    LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

DROP VIEW stream_progress;
DROP VIEW stream_variants;
DROP VIEW stream_batches;
DROP FUNCTION millrace.batches();
DROP FUNCTION millrace.why_skipped(millrace.variant, text);

-- No more volatile defaults, because each segment of a cluster would compute its own value.
ALTER TABLE millrace.run ALTER created DROP DEFAULT;
ALTER TABLE millrace.batch ALTER worker DROP DEFAULT, ALTER finished DROP DEFAULT;
ALTER TABLE millrace.batch_unlogged ALTER worker DROP DEFAULT, ALTER finished DROP DEFAULT;
ALTER TABLE millrace.bench ALTER created DROP DEFAULT;
ALTER TABLE millrace.bench_analyze ALTER finished DROP DEFAULT;
ALTER TABLE millrace.bench_query ALTER finished DROP DEFAULT;

ALTER TABLE millrace.run ALTER owner DROP DEFAULT,
    ALTER owner TYPE millrace.role_then USING millrace.upgrade_owner(owner);
ALTER TABLE millrace.bench ALTER owner DROP DEFAULT,
    ALTER owner TYPE millrace.role_then USING millrace.upgrade_owner(owner);
-- The extension's own variants are no longer rows.
DELETE FROM millrace.variant WHERE owner IS NULL;
ALTER TABLE millrace.variant ALTER owner DROP DEFAULT,
    ALTER owner TYPE millrace.role_then USING millrace.upgrade_owner(owner);
ALTER TABLE millrace.variant ALTER owner SET DEFAULT millrace.role_now(), ALTER owner SET NOT NULL;
SELECT pg_catalog.pg_extension_config_dump('millrace.variant', '');
DROP FUNCTION millrace.upgrade_owner(name);

-- An interrupted tpch_load with overwrite can be resumed; a run keeps its settings and columns, and when it was done.
ALTER TABLE millrace.run ADD overwriting jsonb, ADD settings jsonb NOT NULL DEFAULT '{}',
    ADD synchronous_commit boolean NOT NULL DEFAULT true, ADD finished timestamptz;
ALTER TABLE millrace.target ADD columns text[];
ALTER TABLE millrace.run ADD duration interval CHECK (duration > '0');
ALTER TABLE millrace.batch
    ADD busy_ms double precision, ADD commit_before_ms double precision, ADD due timestamptz;
ALTER TABLE millrace.batch_unlogged
    ADD busy_ms double precision, ADD commit_before_ms double precision, ADD due timestamptz;
ALTER TABLE millrace.bench ALTER rows DROP NOT NULL;

ALTER TABLE millrace.variant DROP CONSTRAINT variant_source_check;

-- Variants have a step after the load, and PAX's name the columns that suit the rows.
ALTER TABLE millrace.variant ADD after_load text;
ALTER TABLE millrace.bench_table ADD after_load_ms double precision;

-- Sessions of a run, readers beside it, and searches of a rate.
CREATE TABLE millrace.session (
    run text NOT NULL,
    begun timestamptz NOT NULL,
    pid integer NOT NULL,
    rate double precision,
    processes integer NOT NULL,
    readers integer NOT NULL,
    PRIMARY KEY (run, begun)
);
CREATE TABLE millrace.reading (
    run text NOT NULL,
    target integer NOT NULL,
    query text NOT NULL,
    reader integer NOT NULL,
    begun timestamptz NOT NULL,
    finished timestamptz NOT NULL,
    streaming boolean NOT NULL,
    count bigint NOT NULL,
    latency bytea NOT NULL,
    freshness bytea NOT NULL,
    PRIMARY KEY (run, target, query, reader, begun, streaming)
);
CREATE TABLE millrace.moment (
    run text NOT NULL,
    at timestamptz NOT NULL,
    rows bigint NOT NULL,
    backlog_rows bigint,
    checkpoints bigint NOT NULL,
    wal_bytes bigint NOT NULL,
    autovacuums integer NOT NULL,
    lock_waits integer NOT NULL,
    table_bytes bigint,
    index_bytes bigint,
    PRIMARY KEY (run, at)
);
CREATE TABLE millrace.rate_search (
    name text PRIMARY KEY CHECK (name <> ''),
    owner millrace.role_then NOT NULL,
    parameters jsonb NOT NULL,
    created timestamptz NOT NULL
);
CREATE TABLE millrace.rate_step (
    search text NOT NULL,
    phase text NOT NULL,
    variant text NOT NULL,
    step integer NOT NULL,
    rate double precision NOT NULL,
    measured jsonb NOT NULL,
    sustained boolean NOT NULL,
    finished timestamptz NOT NULL,
    PRIMARY KEY (search, phase, variant, step)
);
SELECT pg_catalog.pg_extension_config_dump('millrace.session', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.reading', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.moment', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.rate_search', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.rate_step', '');
GRANT SELECT ON millrace.session, millrace.reading, millrace.moment, millrace.rate_search, millrace.rate_step TO PUBLIC;
