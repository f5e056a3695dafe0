-- Written by scripts/upgrade-script (make upgrade-script) from the file of this name that ends with .tables.sql,
-- and from what the install scripts of the two versions differ in.

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

DROP FUNCTION stream_report(text);
DROP PROCEDURE tpch_load(double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean);
COMMENT ON TYPE millrace.role_then IS
'A role at the time it was noted: its OID, which is valid in the cluster with this system identifier, and its name, which identifies it after a restore into another cluster';
COMMENT ON TYPE cdr_cell_towers IS 'A row of source cell_towers: its position in degrees, its newest network, and how many calls it can carry at a time';
COMMENT ON TYPE cdr_termination_reasons IS 'A row of source termination_reasons: a cause value of ITU-T Q.850, and whether calls that end with it were answered';
COMMENT ON TYPE iot_readings IS 'A row of source iot: what a device measured, when, and when that arrived';
COMMENT ON FUNCTION millrace.segments() IS
'How many segments of the cluster share the work of making a call''s rows; 1 on PostgreSQL';

CREATE OR REPLACE FUNCTION millrace.engine_of(role text, version text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN coalesce(role, '') = '' THEN 'postgresql'
                WHEN version ~ 'Cloudberry' THEN 'cloudberry'
                ELSE 'greenplum' END
$$;
COMMENT ON FUNCTION millrace.engine_of(text, text) IS
'The engine of a server, told from its setting gp_role, which PostgreSQL does not have, and its version()';

CREATE OR REPLACE FUNCTION millrace.engine() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT millrace.engine_of(current_setting('gp_role', true), version())
$$;
COMMENT ON FUNCTION millrace.engine() IS 'The engine of this server: postgresql, greenplum or cloudberry';

CREATE OR REPLACE FUNCTION millrace.distribution(columns text[] DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN millrace.engine() = 'postgresql' THEN ''
                WHEN columns IS NULL THEN ' DISTRIBUTED RANDOMLY'
                WHEN columns = '{}' THEN ' DISTRIBUTED REPLICATED'
                ELSE format(' DISTRIBUTED BY (%s)', (SELECT string_agg(quote_ident(name), ', ') FROM unnest(columns) name))
           END
$$;
COMMENT ON FUNCTION millrace.distribution(text[]) IS
'The DISTRIBUTED clause for CREATE TABLE: by these columns; if there are none, all rows on each segment; if null, each row on the segment that makes it. Empty on PostgreSQL';

CREATE OR REPLACE FUNCTION millrace.qualified_name(schema text, name text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off AS $$
    SELECT format('%I.%I', schema, name)
$$;
COMMENT ON FUNCTION millrace.qualified_name(text, text) IS
'A qualified name as in the names of runs, whatever the caller''s quote_all_identifiers';

CREATE OR REPLACE FUNCTION tpch_region(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_region
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_region(double precision, integer, integer, smallint) IS
'Rows of TPC-H table region at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_nation(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_nation
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_nation(double precision, integer, integer, smallint) IS
'Rows of TPC-H table nation at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_part(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_part
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_part(double precision, integer, integer, smallint) IS
'Rows of TPC-H table part at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_supplier(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_supplier
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_supplier(double precision, integer, integer, smallint) IS
'Rows of TPC-H table supplier at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_partsupp(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_partsupp
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_partsupp(double precision, integer, integer, smallint) IS
'Rows of TPC-H table partsupp at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_customer(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_customer
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_customer(double precision, integer, integer, smallint) IS
'Rows of TPC-H table customer at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_orders(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_orders
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_orders(double precision, integer, integer, smallint) IS
'Rows of TPC-H table orders at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_lineitem(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_lineitem
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_lineitem(double precision, integer, integer, smallint) IS
'Rows of TPC-H table lineitem at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_gen(
    table_name text, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    row_type anyelement DEFAULT NULL::tpch_lineitem,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_gen(text, double precision, integer, integer, anyelement, smallint) IS
'Rows of a TPC-H table at scale factor sf, as dbgen makes them, in the row type given (its value is ignored); with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpch_gen(
    row_type anyelement, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_gen(anyelement, double precision, integer, integer, smallint) IS
'Rows of the TPC-H table that the row type is named after (tpch_orders, or any table called orders), columns matched by name; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION cdr_gen(
    rows bigint DEFAULT 1000000, options jsonb DEFAULT '{}', part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF cdr_calls
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION cdr_gen(bigint, jsonb, integer, integer, smallint) IS
'Call records in the order the calls began; options as stream_sources() lists them for source cdr; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION iot_gen(
    rows bigint DEFAULT 1000000, options jsonb DEFAULT '{}', part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF iot_readings
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION iot_gen(bigint, jsonb, integer, integer, smallint) IS
'Readings of sensors in the order they arrive; options as stream_sources() lists them for source iot; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION cdr_cell_towers(options jsonb DEFAULT '{}', segments smallint DEFAULT millrace.segments()) RETURNS SETOF cdr_cell_towers
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';

CREATE OR REPLACE FUNCTION cdr_rate_plans(options jsonb DEFAULT '{}', segments smallint DEFAULT millrace.segments()) RETURNS SETOF cdr_rate_plans
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';

CREATE OR REPLACE FUNCTION cdr_termination_reasons(options jsonb DEFAULT '{}', segments smallint DEFAULT millrace.segments()) RETURNS SETOF cdr_termination_reasons
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION cdr_termination_reasons(jsonb, smallint) IS
'The 20 reasons why calls end; no options';

CREATE OR REPLACE FUNCTION tpch_tables(
    sf double precision DEFAULT 1, exact boolean DEFAULT false,
    OUT name text, OUT rows bigint, OUT columns text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 8
AS 'MODULE_PATHNAME', 'kit_tables_wrapper';
COMMENT ON FUNCTION stream_columns(text, double precision, bigint, jsonb) IS
'What is known about a source''s columns without making rows: the number of distinct values (null: unknown), the share of nulls, from 0 to 1, and whether PAX''s Bloom filters, minima and maxima, and clustering suit them';
COMMENT ON FUNCTION millrace.source_rows(text, jsonb, bigint, bigint, anyelement, smallint) IS
'Rows of any source from first_unit, counted from 0, up to but not including end_unit, in the row type given; columns that the source does not have are null';

CREATE OR REPLACE FUNCTION tpch_export(
    table_name text, sf double precision, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 8
AS 'MODULE_PATHNAME', 'kit_export_wrapper';
COMMENT ON FUNCTION tpch_export(text, double precision, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes a TPC-H table, or all eight, at scale factor sf to files in folder path on the server: parquet, csv, tbl (as dbgen), arrow or arrow_stream. With part and parts, only that part; with parts alone, a file for each part. Returns a row for each file; rows, row_groups, sha256 and seconds are null if the file was there already and was skipped. On Cloudberry each segment writes its share to the folder of this path on its own host, with its content id in the file name: lineitem.seg0.parquet';

CREATE OR REPLACE FUNCTION stream_export(
    source text, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 8
AS 'MODULE_PATHNAME', 'stream_export_wrapper';
COMMENT ON FUNCTION stream_export(text, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes any source to files in folder path on the server, as tpch_export does; options are the source''s and the export''s';
COMMENT ON TABLE millrace.run IS 'One row per run: what it loads, which never changes, and how, as the last call asked';
COMMENT ON COLUMN millrace.run.name IS 'The run''s name: as given, or derived from the target''s';
COMMENT ON COLUMN millrace.run.rate IS 'Rows per second offered; null: as fast as possible. As the last call asked';
COMMENT ON COLUMN millrace.run.load IS 'The schema that tpch_load or tpcds_load loads with this and other runs; null for a run on its own';
COMMENT ON COLUMN millrace.run.settings IS 'The settings that its values are converted under; empty if no value depends on a setting';
COMMENT ON COLUMN millrace.run.synchronous_commit IS
'Whether each commit waits as the session''s synchronous_commit says; false: only the last commit of a call does. As the last call asked';
COMMENT ON COLUMN millrace.run.finished IS
'When all its batches were found committed; null until then, and if a crash can empty a target, because then batches are counted instead';
COMMENT ON COLUMN millrace.run.duration IS
'How long it lasts, however much it has loaded by then; null: until everything is loaded. As the last call asked';
COMMENT ON COLUMN millrace.run.overwriting IS 'Arguments of the tpch_load or tpcds_load with overwrite that began it; null for other runs, and when that load is complete';
COMMENT ON COLUMN millrace.target.leaves IS 'OIDs of the table, of the partitions it had, or of the tables below a view';
COMMENT ON COLUMN millrace.target.filenodes IS 'The file node of each leaf (its OID if it has no file); if it is another one now, the leaf was rewritten';
COMMENT ON COLUMN millrace.target.columns IS 'The columns that the run fills; null for a query, and in runs of version 0.1';
COMMENT ON TABLE millrace.session IS 'One row per call that ingested a run; nothing is due between calls';
COMMENT ON COLUMN millrace.session.run IS 'The run';
COMMENT ON COLUMN millrace.session.begun IS 'When the call began to ingest it';
COMMENT ON COLUMN millrace.session.pid IS 'The process that ran the call';
COMMENT ON COLUMN millrace.session.rate IS 'Rows per second offered; null: as fast as possible';
COMMENT ON COLUMN millrace.session.processes IS 'How many processes were asked to ingest';
COMMENT ON COLUMN millrace.session.readers IS 'How many processes were asked to read';
COMMENT ON COLUMN millrace.batch.generate_ms IS 'Milliseconds spent making the rows, partly while other rows were inserted';
COMMENT ON COLUMN millrace.batch.insert_ms IS 'Milliseconds spent inserting them, without waiting for them to be made';
COMMENT ON COLUMN millrace.batch.commit_ms IS 'Milliseconds its commit took, if no later batch of this process noted it; else null';
COMMENT ON COLUMN millrace.batch.busy_ms IS
'Milliseconds since the batch before, of any process, or since the call began; null in runs of version 0.1';
COMMENT ON COLUMN millrace.batch.commit_before_ms IS 'Milliseconds that the commit of this process''s previous batch took; null for its first';
COMMENT ON COLUMN millrace.batch.due IS 'When its last row arrived, at the rate offered; null without a rate';
COMMENT ON COLUMN millrace.batch_unlogged.run IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.batch IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.target IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.rows IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.elapsed_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.generate_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.insert_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.commit_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.wal_bytes IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.worker IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.path IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.finished IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.busy_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.commit_before_ms IS 'As in millrace.batch';
COMMENT ON COLUMN millrace.batch_unlogged.due IS 'As in millrace.batch';
GRANT SELECT ON millrace.run, millrace.target, millrace.session, millrace.batch, millrace.batch_unlogged TO PUBLIC;

CREATE OR REPLACE FUNCTION millrace.role_now() RETURNS millrace.role_then
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT ROW(r.oid, r.rolname, c.system_identifier)::millrace.role_then
    FROM pg_roles r, pg_control_system() c WHERE r.rolname = current_user
$$;
COMMENT ON FUNCTION millrace.role_now() IS 'The current user, as the ledger notes it';

CREATE OR REPLACE FUNCTION millrace.role_of(role_then millrace.role_then) RETURNS oid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT r.oid FROM pg_roles r, pg_control_system() c
    WHERE CASE WHEN role_then.cluster = c.system_identifier THEN r.oid = role_then.role ELSE r.rolname = role_then.name END
$$;
COMMENT ON FUNCTION millrace.role_of(millrace.role_then) IS 'The OID of the role that was noted; null if it was dropped, or does not exist in the cluster restored into';

CREATE OR REPLACE FUNCTION millrace.role_name(role_then millrace.role_then) RETURNS name
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT rolname FROM pg_roles WHERE oid = millrace.role_of(role_then)), role_then.name)
$$;
COMMENT ON FUNCTION millrace.role_name(millrace.role_then) IS 'The name that the noted role has now, or had if it is gone';

CREATE OR REPLACE FUNCTION millrace.may_act_for(role oid) RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'may_act_for_wrapper';
COMMENT ON FUNCTION millrace.may_act_for(oid) IS
'Whether the caller may SET ROLE to a role; if null, for a role that is gone, whether the caller is a superuser';

CREATE OR REPLACE FUNCTION millrace.lock_key(run text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT pg_catalog.hashtextextended(run, 7236837112405) OPERATOR(pg_catalog.&) 140737488355327
$$;
COMMENT ON FUNCTION millrace.lock_key(text) IS 'Key of the lock that the session ingesting a run holds';

CREATE OR REPLACE VIEW millrace.running AS
SELECT (objsubid::bigint << 32) | objid::bigint AS key, pid
FROM pg_locks
WHERE locktype = 'object' AND classid = 'millrace.run'::regclass AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
COMMENT ON VIEW millrace.running IS 'The run locks held in this database: the key, and the process that holds it';
COMMENT ON COLUMN millrace.running.key IS 'The key that millrace.lock_key() makes of the run''s name';
COMMENT ON COLUMN millrace.running.pid IS 'The process that holds it';

CREATE OR REPLACE FUNCTION millrace.unlogged_batches(run text) RETURNS SETOF millrace.batch
LANGUAGE plpgsql STABLE ROWS 1000 SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_is_in_recovery() THEN
        RETURN QUERY SELECT b.* FROM millrace.batch_unlogged b WHERE b.run = unlogged_batches.run;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.unlogged_batches(text) IS 'The batches of a run''s unlogged targets';

CREATE OR REPLACE VIEW millrace.batches AS
SELECT b.run, b.batch, b.target, b.rows, b.elapsed_ms, b.generate_ms, b.insert_ms, b.commit_ms, b.wal_bytes, b.worker,
       b.path, b.finished, b.busy_ms, b.commit_before_ms, b.due
FROM millrace.batch b
UNION ALL
SELECT t.run, u.batch, u.target, u.rows, u.elapsed_ms, u.generate_ms, u.insert_ms, u.commit_ms, u.wal_bytes, u.worker,
       u.path, u.finished, u.busy_ms, u.commit_before_ms, u.due
FROM (SELECT DISTINCT run FROM millrace.target WHERE unlogged) t, LATERAL millrace.unlogged_batches(t.run) u;
COMMENT ON VIEW millrace.batches IS 'The whole ledger: batches of logged and unlogged targets';
COMMENT ON COLUMN millrace.batches.run IS 'The run';
COMMENT ON COLUMN millrace.batches.batch IS 'Number of the batch in the run, from 1';
COMMENT ON COLUMN millrace.batches.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.batches.rows IS 'Rows inserted';
COMMENT ON COLUMN millrace.batches.elapsed_ms IS 'Milliseconds from the batch''s beginning to its end, without the commit';
COMMENT ON COLUMN millrace.batches.generate_ms IS 'Milliseconds spent making the rows, partly while other rows were inserted';
COMMENT ON COLUMN millrace.batches.insert_ms IS 'Milliseconds spent inserting them, without waiting for them to be made';
COMMENT ON COLUMN millrace.batches.commit_ms IS 'Milliseconds its commit took, if no later batch of this process noted it; else null';
COMMENT ON COLUMN millrace.batches.wal_bytes IS 'Bytes of WAL the insert wrote';
COMMENT ON COLUMN millrace.batches.worker IS 'Process that inserted them';
COMMENT ON COLUMN millrace.batches.path IS 'How they were inserted: bulk, or executor';
COMMENT ON COLUMN millrace.batches.finished IS 'When the insert was done, just before its commit';
COMMENT ON COLUMN millrace.batches.busy_ms IS 'Milliseconds since the batch before, of any process, or since the call began';
COMMENT ON COLUMN millrace.batches.commit_before_ms IS 'Milliseconds that the commit of this process''s previous batch took';
COMMENT ON COLUMN millrace.batches.due IS 'When its last row arrived, at the rate offered';
GRANT SELECT ON millrace.batches, millrace.running TO PUBLIC;

CREATE OR REPLACE FUNCTION millrace.rows_done(run text) RETURNS bigint
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    -- Tables of a run have the same rows; one that a crash emptied lags behind.
    SELECT coalesce(min(t.rows), 0)::bigint FROM (
        SELECT coalesce(sum(b.rows), 0) AS rows
        FROM millrace.target t
        LEFT JOIN (SELECT * FROM millrace.batches WHERE batches.run = rows_done.run) b USING (target)
        WHERE t.run = rows_done.run
        GROUP BY t.target
    ) t
$$;
COMMENT ON FUNCTION millrace.rows_done(text) IS 'How many rows a run has committed, in each of its targets';

CREATE OR REPLACE FUNCTION millrace.sessions(run text, OUT begun timestamptz, OUT ended timestamptz, OUT rate double precision)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY
    WITH session AS (
        SELECT s.begun, lead(s.begun, 1, 'infinity') OVER (ORDER BY s.begun) AS next, s.rate
        FROM millrace.session s WHERE s.run = sessions.run
    )
    SELECT s.begun, max(b.finished), s.rate
    FROM session s
    JOIN millrace.batches b ON b.run = sessions.run AND b.finished >= s.begun AND b.finished < s.next
    GROUP BY s.begun, s.rate
    ORDER BY s.begun;
END
$$;
COMMENT ON FUNCTION millrace.sessions(text) IS
'The calls that committed batches of a run: when each began, when its last batch was inserted, and the rate offered';

CREATE OR REPLACE FUNCTION millrace.is_finished(run text) RETURNS boolean
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'is_finished_wrapper';
COMMENT ON FUNCTION millrace.is_finished(text) IS 'Whether a run has all its batches; null if there is no such run';

CREATE OR REPLACE FUNCTION millrace.bench_sources(
    rows bigint DEFAULT 1,
    OUT source text, OUT row_type text, OUT index_set text[], OUT arguments text, OUT options jsonb
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 2
AS 'MODULE_PATHNAME', 'bench_sources_wrapper';
COMMENT ON FUNCTION millrace.bench_sources(bigint) IS
'The sources that stream_bench can load: row type, what follows the table in CREATE INDEX, the expression that computes the queries'' arguments from sample rows, and the options that depend on the number of rows';

CREATE OR REPLACE FUNCTION millrace.bench_queries(
    source text, OUT number integer, OUT query text, OUT statement text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 4
AS 'MODULE_PATHNAME', 'bench_queries_wrapper';
COMMENT ON FUNCTION millrace.bench_queries(text) IS
'The queries that a benchmark of a source times, as templates for format(): the first argument is the table, and the others come from a sample of the source';
COMMENT ON TABLE millrace.variant IS
'Ways to store a table that users added for stream_bench to compare; view millrace.variants has those of the extension, too';
COMMENT ON COLUMN millrace.variant.name IS 'The variant''s name, which the names of its tables begin with; at most 40 bytes';
COMMENT ON COLUMN millrace.variant.position IS 'Its place in the order of loading; the first variant that the server supports is the baseline';
COMMENT ON COLUMN millrace.variant.create_suffix IS
'The end of CREATE TABLE, such as WITH (fillfactor = 90). For a partitioned table it goes to the partitions, except DISTRIBUTED, which goes to the table itself. {minmax_columns: a, b} and {bloomfilter_columns: a, b} become the PAX option of that name, for those of the columns that it suits according to stream_columns(); if it suits none, the option is removed, with the comma before it. On a cluster DISTRIBUTED RANDOMLY is added if there is no DISTRIBUTED clause';
COMMENT ON COLUMN millrace.variant.index_set IS
'What follows the table in CREATE INDEX, for each index of phase index; null for the source''s indexes. Qualify the names of your own functions and operator classes';
COMMENT ON COLUMN millrace.variant.owner IS
'The role that added it; only that role can use it, because its texts become statements';
COMMENT ON COLUMN millrace.variant.after_load IS
'A statement to run on each table once it is loaded, as a template for format() whose argument is the table, such as CLUSTER %s; null for none';
COMMENT ON COLUMN millrace.bench.rows IS 'Rows per table; null: no limit';
COMMENT ON COLUMN millrace.bench.options IS 'The source''s options and the profile; not those that may change from call to call: rate, duration and synchronous_commit';
COMMENT ON COLUMN millrace.bench.analyze_every IS 'After how many batches the tables are analyzed each time; null: only at the end of a phase';
COMMENT ON COLUMN millrace.bench_table.phase IS 'noindex or index; with readers noindex_read or index_read';
COMMENT ON COLUMN millrace.bench_table.definition IS 'The statements that created it, one per line';
COMMENT ON COLUMN millrace.bench_table.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none, or it has not run yet';
COMMENT ON COLUMN millrace.bench_query.attempt IS 'Number of the attempt on this table, from 1, which is the cold one';
COMMENT ON TABLE millrace.reading IS 'What readers measured while they ran a benchmark''s queries, noted every two seconds';
COMMENT ON COLUMN millrace.reading.run IS 'The run whose tables were read';
COMMENT ON COLUMN millrace.reading.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.reading.query IS 'The query''s name';
COMMENT ON COLUMN millrace.reading.reader IS 'Number of the reader in its session';
COMMENT ON COLUMN millrace.reading.begun IS 'When the measurement began';
COMMENT ON COLUMN millrace.reading.finished IS 'When it ended';
COMMENT ON COLUMN millrace.reading.streaming IS 'Whether rows were arriving; false: readers were alone';
COMMENT ON COLUMN millrace.reading.count IS 'How many times the query was run';
COMMENT ON COLUMN millrace.reading.latency IS 'Histogram of how long it took, in microseconds, in the V2 format of HdrHistogram';
COMMENT ON COLUMN millrace.reading.freshness IS
'Histogram of the age, in microseconds, of the newest row that the query could see, at the time of the answer';
COMMENT ON TABLE millrace.moment IS 'What happened in the server while a benchmark''s run was ingested, second by second';
COMMENT ON COLUMN millrace.moment.run IS 'The run';
COMMENT ON COLUMN millrace.moment.at IS 'When the server was observed';
COMMENT ON COLUMN millrace.moment.rows IS 'Rows that the run had committed';
COMMENT ON COLUMN millrace.moment.backlog_rows IS 'Rows that had arrived and were not committed; null without a rate, and after the last batch';
COMMENT ON COLUMN millrace.moment.checkpoints IS 'Checkpoints that the server had begun since its statistics were reset';
COMMENT ON COLUMN millrace.moment.wal_bytes IS 'Bytes of WAL that the server had ever written';
COMMENT ON COLUMN millrace.moment.autovacuums IS 'Running autovacuum workers that the caller may see';
COMMENT ON COLUMN millrace.moment.lock_waits IS 'Sessions that waited for a lock, as far as the caller may see them';
COMMENT ON COLUMN millrace.moment.table_bytes IS 'Size of the run''s tables without indexes; null if a lock prevented measuring it';
COMMENT ON COLUMN millrace.moment.index_bytes IS 'Size of their indexes; null if a lock prevented measuring it';
COMMENT ON TABLE millrace.rate_search IS 'One row per search of stream_rate: what it looks for, which never changes';
COMMENT ON COLUMN millrace.rate_search.name IS 'The search''s name; its steps are runs of the benchmark of this name';
COMMENT ON COLUMN millrace.rate_search.owner IS 'The role that began it';
COMMENT ON COLUMN millrace.rate_search.parameters IS 'The arguments of the call; max_p99 in seconds';
COMMENT ON COLUMN millrace.rate_search.created IS 'When it was begun';
COMMENT ON TABLE millrace.rate_step IS 'The rates that searches tried';
COMMENT ON COLUMN millrace.rate_step.search IS 'The search';
COMMENT ON COLUMN millrace.rate_step.phase IS 'noindex or index';
COMMENT ON COLUMN millrace.rate_step.variant IS 'The variant''s name';
COMMENT ON COLUMN millrace.rate_step.step IS 'Number of the step for this phase and variant, from 1';
COMMENT ON COLUMN millrace.rate_step.rate IS 'Rows per second offered';
COMMENT ON COLUMN millrace.rate_step.measured IS 'The step''s row of stream_latency()';
COMMENT ON COLUMN millrace.rate_step.sustained IS 'Whether the table kept up, and p99 was within the bound';
COMMENT ON COLUMN millrace.rate_step.finished IS 'When it was done';
GRANT SELECT ON millrace.variant, millrace.bench, millrace.bench_variant, millrace.bench_table, millrace.bench_analyze,
    millrace.bench_query, millrace.reading, millrace.moment, millrace.rate_search, millrace.rate_step TO PUBLIC;
GRANT INSERT (name, position, engine, access_method, create_suffix, unlogged, partition_by, partitions, index_set, source,
    about, after_load) ON millrace.variant TO PUBLIC;

CREATE OR REPLACE FUNCTION millrace.bench_insert(
    name text, source text, rows bigint, batch_rows integer, options jsonb, schema text, analyze_every integer
) RETURNS boolean
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_insert_wrapper';
COMMENT ON FUNCTION millrace.bench_insert(text, text, bigint, integer, jsonb, text, integer) IS
'Notes a new benchmark that the caller owns; false if there is one of that name';

CREATE OR REPLACE FUNCTION millrace.bench_note_variant(bench text, place integer, variant text, skipped text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_variant_wrapper';
COMMENT ON FUNCTION millrace.bench_note_variant(text, integer, text, text) IS
'Notes a variant of one of the caller''s benchmarks';

CREATE OR REPLACE FUNCTION millrace.bench_note_table(
    bench text, phase text, variant text, run text, target integer, definition text
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_table_wrapper';
COMMENT ON FUNCTION millrace.bench_note_table(text, text, text, text, integer, text) IS
'Notes a table of one of the caller''s benchmarks';

CREATE OR REPLACE FUNCTION millrace.bench_note_analyze(
    run text, target integer, batch bigint, ms double precision, finished timestamptz
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_analyze_wrapper';
COMMENT ON FUNCTION millrace.bench_note_analyze(text, integer, bigint, double precision, timestamptz) IS
'Notes an ANALYZE of a table of one of the caller''s runs';

CREATE OR REPLACE FUNCTION millrace.bench_note_after_load(run text, target integer, ms double precision, statement text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_after_load_wrapper';
COMMENT ON FUNCTION millrace.bench_note_after_load(text, integer, double precision, text) IS
'Notes that after_load has run on a table of one of the caller''s benchmarks, and how long it took';

CREATE OR REPLACE FUNCTION millrace.bench_note_query(
    run text, target integer, query text, attempt integer, ms double precision, rows bigint, hash numeric, statement text,
    finished timestamptz
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_query_wrapper';
COMMENT ON FUNCTION millrace.bench_note_query(text, integer, text, integer, double precision, bigint, numeric, text, timestamptz) IS
'Notes a query that was timed on a table of one of the caller''s runs';

CREATE OR REPLACE FUNCTION millrace.bench_delete(bench text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_delete_wrapper';
COMMENT ON FUNCTION millrace.bench_delete(text) IS 'Forgets one of the caller''s benchmarks, after its runs were dropped';

CREATE OR REPLACE VIEW stream_batches AS
SELECT b.run, b.batch, t.name AS target, b.rows, b.elapsed_ms, b.generate_ms, b.insert_ms,
       -- How long a commit took is known only afterwards: the process's next batch notes it, or the end of the call.
       coalesce(b.commit_ms, lead(b.commit_before_ms) OVER process) AS commit_ms,
       b.wal_bytes, b.worker, b.path, b.finished, b.due,
       1000 * date_part('epoch', b.finished - b.due)
           + coalesce(b.commit_ms, lead(b.commit_before_ms) OVER process, 0) AS latency_ms
FROM millrace.batches b JOIN millrace.target t USING (run, target)
WINDOW process AS (PARTITION BY run, b.target, b.worker ORDER BY b.finished);
COMMENT ON VIEW stream_batches IS 'The ledger: every committed batch of every run, one row per target';
COMMENT ON COLUMN stream_batches.run IS 'The run';
COMMENT ON COLUMN stream_batches.batch IS 'Number of the batch in the run, from 1';
COMMENT ON COLUMN stream_batches.target IS 'The table, by the name it had when the run began';
COMMENT ON COLUMN stream_batches.rows IS 'Rows inserted';
COMMENT ON COLUMN stream_batches.elapsed_ms IS 'Milliseconds from the batch''s beginning to its end, without the commit';
COMMENT ON COLUMN stream_batches.generate_ms IS 'Milliseconds spent making the rows, partly while other rows were inserted';
COMMENT ON COLUMN stream_batches.insert_ms IS 'Milliseconds spent inserting them, without waiting for them to be made';
COMMENT ON COLUMN stream_batches.commit_ms IS 'Milliseconds its commit took; null if the session ended before that was noted';
COMMENT ON COLUMN stream_batches.wal_bytes IS 'Bytes of WAL the insert wrote';
COMMENT ON COLUMN stream_batches.worker IS 'Process that inserted them';
COMMENT ON COLUMN stream_batches.path IS 'How they were inserted: bulk, or executor';
COMMENT ON COLUMN stream_batches.finished IS 'When the insert was done, just before its commit';
COMMENT ON COLUMN stream_batches.due IS 'When its last row arrived, at the rate offered; null without a rate';
COMMENT ON COLUMN stream_batches.latency_ms IS 'Milliseconds from due to its commit; null without a rate';

CREATE OR REPLACE VIEW stream_progress AS
WITH target AS (
    SELECT t.run, t.target, count(b.batch) AS batches, coalesce(sum(b.rows), 0)::bigint AS rows,
           max(b.finished) AS finished, sum(coalesce(b.busy_ms, b.elapsed_ms)) / 1000 AS seconds
    FROM millrace.target t LEFT JOIN millrace.batches b USING (run, target)
    GROUP BY t.run, t.target
), done AS (
    -- A batch is done when all targets have it; one that a crash emptied lags behind.
    SELECT run, min(batches) AS batches, min(rows) AS rows, max(finished) AS finished, max(rows / nullif(seconds, 0)) AS speed
    FROM target GROUP BY run
)
SELECT p.name AS run,
       p.source,
       (SELECT array_agg(t.name ORDER BY t.target) FROM millrace.target t WHERE t.run = p.name) AS targets,
       p.options,
       CASE WHEN p.batches_done = p.batches THEN 'done'
            WHEN p.pid IS NOT NULL THEN 'running'
            ELSE 'interrupted' END AS state,
       p.batches_done,
       CASE WHEN p.has_end OR p.batches_done = p.batches THEN p.batches END AS batches,
       p.rows_done,
       CASE WHEN p.batches_done = p.batches THEN p.rows_done WHEN p.has_end THEN p.rows_estimated END AS rows_total,
       CASE WHEN p.has_end OR p.batches_done = p.batches THEN round(100.0 * p.batches_done / p.batches, 1) END AS percent,
       round(p.rows_per_second) AS rows_per_second,
       CASE WHEN p.batches_done < p.batches AND p.has_end THEN
           make_interval(secs => round(greatest(p.rows_estimated - p.rows_done, 0) / p.rows_per_second))
       END AS eta,
       p.pid,
       millrace.role_name(p.owner) AS owner,
       p.created AS started,
       p.finished AS last_batch
-- Not in WITH: where the locks are listed, which is volatile, the rest would be computed for all runs first.
FROM (
    SELECT r.name, r.owner, r.source, r.options, r.batches, r.rows_estimated, r.rate, r.created,
           -- A run that time or stream_stop() ends has no known number of batches.
           r.duration IS NULL AND r.options -> 'rows' IS DISTINCT FROM 'null' AS has_end,
           coalesce(d.batches, 0) AS batches_done, coalesce(d.rows, 0) AS rows_done, d.finished,
           least(nullif(d.speed, 0), r.rate) AS rows_per_second,
           l.pid
    FROM millrace.run r
    LEFT JOIN done d ON d.run = r.name
    -- A subquery of its own, because a cluster cannot list locks in the middle of another statement.
    LEFT JOIN jsonb_to_recordset((SELECT jsonb_agg(to_jsonb(x)) FROM millrace.running x)) AS l (key bigint, pid integer)
        ON l.key = millrace.lock_key(r.name)
) p;
COMMENT ON VIEW stream_progress IS 'State of every run; derived from the ledger and the locks held, never stored';
COMMENT ON COLUMN stream_progress.run IS 'The run';
COMMENT ON COLUMN stream_progress.source IS 'What it loads';
COMMENT ON COLUMN stream_progress.targets IS 'The tables it loads, by the names they had when it began';
COMMENT ON COLUMN stream_progress.options IS 'The source''s options';
COMMENT ON COLUMN stream_progress.state IS 'done: all batches are there; running: a session ingests it; interrupted: neither, call again to resume';
COMMENT ON COLUMN stream_progress.batches_done IS 'Batches committed';
COMMENT ON COLUMN stream_progress.batches IS 'Batches in all; null if time or stream_stop() ends the run';
COMMENT ON COLUMN stream_progress.rows_done IS 'Rows committed, per target';
COMMENT ON COLUMN stream_progress.rows_total IS 'Rows in all, per target; within 0.1% until done; null if time or stream_stop() ends the run';
COMMENT ON COLUMN stream_progress.percent IS 'Share of batches committed';
COMMENT ON COLUMN stream_progress.rows_per_second IS 'Mean over the time the run was at work, but no more than the rate offered';
COMMENT ON COLUMN stream_progress.eta IS 'How long the rest takes at that speed';
COMMENT ON COLUMN stream_progress.pid IS 'Process that ingests it; null if none does';
COMMENT ON COLUMN stream_progress.owner IS 'The role that began it';
COMMENT ON COLUMN stream_progress.started IS 'When it was begun';
COMMENT ON COLUMN stream_progress.last_batch IS 'When its last batch was inserted';
GRANT SELECT ON stream_batches, stream_progress TO PUBLIC;

CREATE OR REPLACE FUNCTION stream_report(
    run text,
    OUT target text, OUT batches bigint, OUT rows bigint, OUT seconds numeric,
    OUT rows_per_second bigint, OUT rows_per_second_min bigint, OUT rows_per_second_p50 bigint,
    OUT rows_per_second_p95 bigint, OUT rows_per_second_max bigint,
    OUT insert_rows_per_second bigint, OUT ratio numeric,
    OUT generate_seconds numeric, OUT insert_seconds numeric, OUT commit_seconds numeric, OUT analyze_seconds numeric,
    OUT after_load_seconds numeric,
    OUT wal_bytes bigint, OUT wal_bytes_per_row numeric, OUT size_bytes bigint, OUT bytes_per_row numeric,
    OUT table_bytes bigint
) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    runs text[] := ARRAY(
        SELECT stream_report.run UNION SELECT b.run FROM millrace.bench_table b WHERE b.bench = stream_report.run);
    leaves oid[] := ARRAY(SELECT unnest(t.leaves) FROM millrace.target t WHERE t.run = ANY (runs));
    -- A statement of its own: a cluster cannot compute sizes in the middle of one that reads tables.
    sizes jsonb := (
        SELECT jsonb_agg(jsonb_build_object(
            'leaf', c.oid, 'total', pg_total_relation_size(c.oid), 'heap', pg_table_size(c.oid)))
        FROM pg_class c WHERE c.oid = ANY (leaves));
BEGIN
    RETURN QUERY
    WITH timed AS (
        -- The commits of a process's batches are noted by the batches after them, and by the end of a call.
        SELECT b.*, coalesce(b.commit_ms, 0) + coalesce(b.commit_before_ms, 0) AS commits_ms,
               (b.elapsed_ms + coalesce(b.commit_ms, 0) + coalesce(b.commit_before_ms, 0)) / 1000 AS seconds
        FROM unnest(runs) AS w (run), LATERAL (SELECT * FROM millrace.batches WHERE batches.run = w.run) b
    ), summary AS (
        SELECT t.run, t.target, t.name, t.leaves, count(b.batch) AS batches, coalesce(sum(b.rows), 0)::bigint AS rows,
               sum(b.seconds) AS seconds,
               array_agg(b.rows / b.seconds) AS speeds,
               sum(b.rows) / (nullif(sum(b.insert_ms), 0) / 1000) AS insert_speed,
               sum(b.generate_ms) / 1000 AS generate, sum(b.insert_ms) / 1000 AS insert, sum(b.commits_ms) / 1000 AS commit,
               sum(b.wal_bytes)::bigint AS wal
        FROM millrace.target t LEFT JOIN timed b USING (run, target)
        WHERE t.run = ANY (runs)
        GROUP BY t.run, t.target
    )
    SELECT s.name, s.batches, s.rows, round(s.seconds::numeric, 3),
           round(s.rows / s.seconds)::bigint, speed.min, speed.p50, speed.p95, speed.max,
           round(s.insert_speed)::bigint,
           round((s.insert_speed / first_value(s.insert_speed) OVER (PARTITION BY s.run ORDER BY s.target))::numeric, 3),
           round(s.generate::numeric, 3), round(s.insert::numeric, 3), round(s.commit::numeric, 3),
           (SELECT round(sum(a.ms)::numeric / 1000, 3) FROM millrace.bench_analyze a WHERE (a.run, a.target) = (s.run, s.target)),
           (SELECT round(b.after_load_ms::numeric / 1000, 3) FROM millrace.bench_table b WHERE (b.run, b.target) = (s.run, s.target)),
           s.wal, round(s.wal::numeric / nullif(s.rows, 0), 1),
           size.total, round(size.total::numeric / nullif(s.rows, 0), 1), size.heap
    FROM summary s,
    LATERAL (
        SELECT round(min(rate))::bigint AS min, round(max(rate))::bigint AS max,
               round(percentile_cont(0.5) WITHIN GROUP (ORDER BY rate))::bigint AS p50,
               round(percentile_cont(0.95) WITHIN GROUP (ORDER BY rate))::bigint AS p95
        FROM unnest(s.speeds) AS u (rate)
    ) speed,
    LATERAL (
        SELECT sum(l.total)::bigint AS total, sum(l.heap)::bigint AS heap
        FROM jsonb_to_recordset(sizes) AS l (leaf oid, total bigint, heap bigint) WHERE l.leaf = ANY (s.leaves)
    ) size
    -- Phase noindex comes before phase index.
    ORDER BY s.run LIKE '%/index%', s.run, s.target;
END
$$;
COMMENT ON FUNCTION stream_report(text) IS
'Summary of a run, or of all phases of a benchmark, one row per target: rows per second of one process over all batches, and of the slowest, median, 95th percentile and fastest batch; rows per second of the target''s own insert time, and their ratio to the first target''s; where the time went; WAL; size in bytes with indexes and, as table_bytes, without';

CREATE OR REPLACE FUNCTION stream_latency(
    run text,
    OUT name text, OUT rate double precision, OUT batches bigint, OUT rows bigint, OUT rows_offered bigint,
    OUT seconds numeric, OUT rows_per_second bigint,
    OUT p50_ms numeric, OUT p95_ms numeric, OUT p99_ms numeric, OUT p999_ms numeric, OUT max_ms numeric,
    OUT backlog_rows bigint, OUT backlog_rows_max bigint, OUT gap_seconds numeric, OUT sustained boolean
) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    asked text;
    sessions jsonb;
BEGIN
    FOR asked IN
        SELECT r.run FROM (
            SELECT stream_latency.run UNION SELECT b.run FROM millrace.bench_table b WHERE b.bench = stream_latency.run) r
        ORDER BY r.run LIKE '%/index%', r.run
    LOOP
        -- A statement of its own: on a cluster, one that reads tables cannot call this function.
        sessions := (SELECT jsonb_agg(to_jsonb(s)) FROM millrace.sessions(asked) s);
        RETURN QUERY
        WITH this AS (
            SELECT r.name, r.rate, date_part('epoch', r.duration) AS duration, r.batch_rows, r.options ->> 'rows' AS wanted
            FROM millrace.run r WHERE r.name = asked
        ), batch AS (
            -- A batch is there when all tables have it.
            SELECT b.batch, min(b.rows) AS rows, max(b.latency_ms) AS ms,
                   max(b.latency_ms) / 1000 - date_part('epoch', max(b.finished) - min(b.due)) AS commit
            FROM @extschema@.stream_batches b WHERE b.run = asked GROUP BY b.batch
        ), session AS (
            SELECT s.begun, s.ended, s.begun - lag(s.ended) OVER (ORDER BY s.begun) AS gap
            FROM jsonb_to_recordset(sessions) AS s (begun timestamptz, ended timestamptz)
        ), at_work AS (
            SELECT sum(date_part('epoch', ended - begun)) AS seconds, sum(date_part('epoch', gap)) AS gap FROM session
        ), last AS (
            SELECT b.ms, b.commit FROM batch b ORDER BY b.batch DESC LIMIT 1
        ), summary AS (
            SELECT count(*) AS batches, coalesce(sum(rows), 0)::bigint AS rows, max(ms) AS max FROM batch
        ), late AS (
            -- Missing batches that were due before the run''s time was up waited at least until then.
            SELECT l.ms - 1000 * n * t.batch_rows / t.rate AS ms
            FROM this t, at_work w, last l, summary s, generate_series(1, floor(l.ms * t.rate / 1000 / t.batch_rows)::bigint) n
            WHERE l.ms - 1000 * n * t.batch_rows / t.rate >= 1000 * (w.seconds + l.commit - t.duration)
              AND w.seconds + l.commit >= t.duration AND s.rows::text IS DISTINCT FROM t.wanted
        ), latency AS (
            SELECT ms FROM batch WHERE ms IS NOT NULL UNION ALL SELECT ms FROM late
        )
        SELECT t.name, t.rate, s.batches, s.rows,
               CASE WHEN t.rate IS NOT NULL THEN s.rows + (SELECT count(*) FROM late) * t.batch_rows END,
               round(w.seconds::numeric, 3), round(s.rows / nullif(w.seconds, 0))::bigint,
               round(p.p[1]::numeric, 3), round(p.p[2]::numeric, 3), round(p.p[3]::numeric, 3), round(p.p[4]::numeric, 3),
               round(p.max::numeric, 3),
               floor(l.ms * t.rate / 1000)::bigint, floor(s.max * t.rate / 1000)::bigint,
               round(coalesce(w.gap, 0)::numeric, 3),
               -- At its last commit the table had at least 95% of the rows that had arrived.
               s.rows >= 0.95 * (s.rows + l.ms * t.rate / 1000)
        FROM this t CROSS JOIN summary s CROSS JOIN at_work w LEFT JOIN last l ON true
        CROSS JOIN (
            SELECT percentile_disc('{0.5, 0.95, 0.99, 0.999}'::float8[]) WITHIN GROUP (ORDER BY ms) AS p, max(ms) AS max
            FROM latency
        ) p;
    END LOOP;
END
$$;
COMMENT ON FUNCTION stream_latency(text) IS
'How late the batches of a run were at the rate offered, one row per run, or per phase of a benchmark. Latency is the time from the arrival of a batch''s last row to its commit; its percentiles are over batches, in milliseconds. backlog_rows, backlog_rows_max: rows that had arrived but were not committed, at the last commit and at most, if rows went on arriving after the run''s last. gap_seconds: time between calls. sustained: at the last commit the table had at least 95% of what had arrived. Without a rate latencies are null';

CREATE OR REPLACE FUNCTION millrace.check_cancelled() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'check_cancelled_wrapper';
COMMENT ON FUNCTION millrace.check_cancelled() IS
'Raises a cancel that came while a commit of this call waited for a standby, which the server forgets. Call it after each commit';

CREATE OR REPLACE FUNCTION millrace.open_run(
    target regclass, source text, sf double precision, rows bigint, batch_rows integer, workers integer,
    run text, variants regclass[], options jsonb
) RETURNS text
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'open_run_wrapper';
COMMENT ON FUNCTION millrace.open_run(regclass, text, double precision, bigint, integer, integer, text, regclass[], jsonb) IS
'Begins a run or finds the unfinished one, takes its lock until the transaction ends and returns its name';

CREATE OR REPLACE FUNCTION millrace.reopen_run(run text, adopt boolean, workers integer) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'reopen_run_wrapper';
COMMENT ON FUNCTION millrace.reopen_run(text, boolean, integer) IS
'Readies an existing run and takes its lock until the transaction ends; adopt: accepts its targets as they are now';

CREATE OR REPLACE FUNCTION millrace.begin_ingest(run text, workers integer, analyze_every integer, readers integer) RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'begin_ingest_wrapper';
COMMENT ON FUNCTION millrace.begin_ingest(text, integer, integer, integer) IS
'Takes a run''s lock for this session, which will ingest the run in this number of processes while this number of others read its tables, and will analyze the tables after every analyze_every batches';

CREATE OR REPLACE FUNCTION millrace.ingest_step() RETURNS boolean
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'ingest_step_wrapper';
COMMENT ON FUNCTION millrace.ingest_step() IS
'Takes the next step, such as a batch, of the run that this session ingests; the caller commits it. False after the last step';

CREATE OR REPLACE PROCEDURE millrace.ingest(run text, workers integer, analyze_every integer, readers integer DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM millrace.begin_ingest(run, workers, analyze_every, readers);
    COMMIT AND CHAIN;
    WHILE millrace.ingest_step() LOOP
        COMMIT AND CHAIN;
    END LOOP;
    COMMIT AND CHAIN;
END
$$;
COMMENT ON PROCEDURE millrace.ingest(text, integer, integer, integer) IS
'Ingests the missing batches of a run that was opened in this transaction; the other arguments are those of begin_ingest()';

CREATE OR REPLACE PROCEDURE stream_ingest(
    target regclass,
    source text DEFAULT NULL,
    sf double precision DEFAULT NULL,
    rows bigint DEFAULT NULL,
    batch_rows integer DEFAULT 100000,
    workers integer DEFAULT 1,
    run text DEFAULT NULL,
    variants regclass[] DEFAULT NULL,
    options jsonb DEFAULT '{}'
) LANGUAGE plpgsql AS $$
DECLARE
    opened text;
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_ingest');
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.check_query(target, source, rows, options);
    opened := millrace.open_run(target, source, sf, rows, batch_rows, workers, run, variants, options);
    CALL millrace.ingest(opened, workers, NULL);
END
$$;
COMMENT ON PROCEDURE stream_ingest(regclass, text, double precision, bigint, integer, integer, text, regclass[], jsonb) IS
'Loads a source into a table, one commit per batch. Run the same call again to resume after a cancel or a crash';

CREATE OR REPLACE PROCEDURE stream_resume(run text, adopt boolean DEFAULT false, workers integer DEFAULT 1)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_resume');
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.reopen_run(run, adopt, workers);
    CALL millrace.ingest(run, workers, NULL);
END
$$;
COMMENT ON PROCEDURE stream_resume(text, boolean, integer) IS
'Resumes an interrupted run. adopt: its target was rewritten or restored since, and its rows are still there';

CREATE OR REPLACE FUNCTION stream_stop(run text) RETURNS boolean
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'stream_stop_wrapper';

CREATE OR REPLACE FUNCTION stream_drop(run text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'stream_drop_wrapper';
COMMENT ON FUNCTION stream_verify(text) IS
'Makes the committed batches of a run again and compares them by content with the rows that the caller sees in the target';

CREATE OR REPLACE FUNCTION millrace.kit_title(benchmark text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_title_wrapper';
COMMENT ON FUNCTION millrace.kit_title(text) IS 'The name of a benchmark as the TPC writes it';

CREATE OR REPLACE FUNCTION millrace.run_query(query text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'run_query_wrapper';
COMMENT ON FUNCTION millrace.run_query(text) IS 'Runs a query to its end, and discards its rows';

CREATE OR REPLACE FUNCTION millrace.query_rows(query text) RETURNS SETOF json
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'query_rows_wrapper';
COMMENT ON FUNCTION millrace.query_rows(text) IS
'Runs a query, or two with a semicolon on a line of its own between them; one JSON object per row, with the columns in order';

CREATE OR REPLACE FUNCTION millrace.try_query(query text, OUT rows text[], OUT error text) RETURNS record
LANGUAGE plpgsql VOLATILE STRICT AS $$
BEGIN
    rows := ARRAY(SELECT r::text FROM millrace.query_rows(query) r);
EXCEPTION
    -- The tables are not there, or not for the caller: that is no result of a query.
    WHEN undefined_table OR undefined_column OR insufficient_privilege THEN
        RAISE;
    WHEN others THEN
        error := SQLERRM;
END
$$;
COMMENT ON FUNCTION millrace.try_query(text) IS
'The rows of a query as millrace.query_rows() has them, or the message of the error that it failed with';

CREATE OR REPLACE FUNCTION millrace.kit_designs(
    benchmark text, sf double precision DEFAULT 0,
    OUT "position" integer, OUT name text, OUT row_type text, OUT source text, OUT required text[], OUT primary_key text,
    OUT indexes text[], OUT foreign_keys text[], OUT referenced text[],
    OUT partition_column text, OUT range_names text[], OUT range_starts text[], OUT range_ends text[], OUT has_rest boolean,
    OUT distribution text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 24
AS 'MODULE_PATHNAME', 'kit_designs_wrapper';
COMMENT ON FUNCTION millrace.kit_designs(text, double precision) IS
'How the tables of a benchmark are created, each after those it refers to: NOT NULL columns; primary key, null if the generator repeats it at scale factor sf; indexes and foreign keys as lists of columns, with the tables that the foreign keys refer to; partition column, with the names and bounds of its ranges and whether there are other values; columns that a cluster distributes by, none for a table that each segment has in full';

CREATE OR REPLACE FUNCTION millrace.kit_check_schema(schema text) RETURNS void
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'check_schema_exists_wrapper';
COMMENT ON FUNCTION millrace.kit_check_schema(text) IS 'Refuses a schema that does not exist';

CREATE OR REPLACE FUNCTION millrace.kit_scale_of(benchmark text, schema text) RETURNS double precision
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_scale_of_wrapper';
COMMENT ON FUNCTION millrace.kit_scale_of(text, text) IS
'Scale factor of the tables or views of a benchmark in a schema, told from the rows of a small one';

CREATE OR REPLACE FUNCTION millrace.kit_check_load(benchmark text, sf double precision, schema text, storage text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_check_load_wrapper';
COMMENT ON FUNCTION millrace.kit_check_load(text, double precision, text, text) IS
'Refuses invalid arguments of a load';

CREATE OR REPLACE FUNCTION millrace.kit_check_virtual(benchmark text, sf double precision, schema text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_check_virtual_wrapper';
COMMENT ON FUNCTION millrace.kit_check_virtual(text, double precision, text) IS
'Refuses invalid arguments of tpch_virtual and tpcds_virtual';

CREATE OR REPLACE FUNCTION millrace.kit_has_table(schema text, "table" text, row_type regtype, storage text, partitioned boolean)
RETURNS boolean
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'has_table_wrapper';
COMMENT ON FUNCTION millrace.kit_has_table(text, text, regtype, text, boolean) IS
'Whether a table is there as a load would create it; a different table of that name is an error';

CREATE OR REPLACE FUNCTION millrace.kit_check_loadable(schema text, "table" text, source text, sf double precision) RETURNS void
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_check_loadable_wrapper';
COMMENT ON FUNCTION millrace.kit_check_loadable(text, text, text, double precision) IS
'Refuses a table loaded at another scale factor, or with rows that no load put there';

CREATE OR REPLACE FUNCTION millrace.kit_table_statements(
    benchmark text, schema text, "table" text, storage text, partitioned boolean
) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    whole text := format('%I.%I', schema, "table");
    create_table text := CASE storage WHEN 'unlogged' THEN 'CREATE UNLOGGED TABLE' ELSE 'CREATE TABLE' END;
    access_method text := CASE storage WHEN 'unlogged' THEN '' ELSE format(' USING %I', storage) END;
    design record;
    row_type text;
    distribution text;
BEGIN
    SELECT d.* INTO STRICT design FROM millrace.kit_designs(benchmark) d WHERE d.name = "table";
    row_type := '@extschema@.' || quote_ident(design.row_type);
    distribution := millrace.distribution(design.distribution);
    IF partitioned THEN
        RETURN NEXT format('CREATE TABLE %s (LIKE %s) PARTITION BY RANGE (%I)%s',
            whole, row_type, design.partition_column, distribution);
        FOR range IN 1 .. cardinality(design.range_names) LOOP
            RETURN NEXT format('%s %I.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)%s', create_table,
                schema, "table" || '_' || design.range_names[range], whole,
                design.range_starts[range], design.range_ends[range], access_method);
        END LOOP;
        IF design.has_rest THEN
            RETURN NEXT format('%s %I.%I PARTITION OF %s DEFAULT%s', create_table,
                schema, "table" || '_rest', whole, access_method);
        END IF;
    ELSE
        RETURN NEXT format('%s %s (LIKE %s)%s%s', create_table, whole, row_type, access_method, distribution);
    END IF;
    RETURN NEXT format('ALTER TABLE %s ', whole) || (
        SELECT string_agg(format('ALTER %I SET NOT NULL', name), ', ') FROM unnest(design.required) name);
    RETURN NEXT format('COMMENT ON TABLE %s IS %L', whole,
        format('%s table %s', millrace.kit_title(benchmark), "table"));
END
$$;
COMMENT ON FUNCTION millrace.kit_table_statements(text, text, text, text, boolean) IS
'The statements that create a table of a benchmark; partitioned: by year';

CREATE OR REPLACE FUNCTION millrace.kit_create_table(benchmark text, schema text, "table" text, storage text, partitioned boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT s FROM millrace.kit_table_statements(benchmark, schema, "table", storage, partitioned) s LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.kit_create_table(text, text, text, text, boolean) IS
'Creates a table of a benchmark; partitioned: by year';

CREATE OR REPLACE FUNCTION millrace.kit_note_load(run text, load text, overwriting jsonb) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'kit_note_load_wrapper';
COMMENT ON FUNCTION millrace.kit_note_load(text, text, jsonb) IS
'Notes that one of the caller''s runs belongs to the load of a schema, and the arguments of a load that overwrites, if not null';

CREATE OR REPLACE FUNCTION millrace.kit_note_loaded(benchmark text, load text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'kit_note_loaded_wrapper';
COMMENT ON FUNCTION millrace.kit_note_loaded(text, text) IS 'Notes that one of the caller''s loads is complete';

CREATE OR REPLACE FUNCTION millrace.kit_is_overwriting(benchmark text, schema text, overwriting jsonb) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT count(*) = (SELECT count(*) FROM millrace.kit_designs(benchmark))
    FROM millrace.run r JOIN millrace.target t ON t.run = r.name
    WHERE r.load = schema AND r.overwriting = kit_is_overwriting.overwriting AND t.relation = to_regclass(t.name)
$$;
COMMENT ON FUNCTION millrace.kit_is_overwriting(text, text, jsonb) IS
'Whether the tables in a schema are those of an incomplete load with overwrite and these arguments';

CREATE OR REPLACE FUNCTION millrace.kit_prepare_load(
    benchmark text, sf double precision, schema text, storage text, workers integer, partitioned boolean, overwrite boolean
) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on SET client_min_messages TO error AS $$
DECLARE
    design record;
    by_range boolean;
    run text;
    opened text;
    replacing jsonb;
BEGIN
    PERFORM millrace.kit_check_load(benchmark, sf, schema, storage);
    IF to_regnamespace(quote_ident(schema)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', schema);
    END IF;
    IF overwrite THEN
        replacing := jsonb_build_object('sf', sf, 'storage', storage, 'partitioned', partitioned);
        IF NOT millrace.kit_is_overwriting(benchmark, schema, replacing) THEN
            PERFORM millrace.kit_drop(benchmark, schema);
        END IF;
    END IF;
    FOR design IN SELECT d.* FROM millrace.kit_designs(benchmark) d ORDER BY d."position" LOOP
        by_range := partitioned AND design.partition_column IS NOT NULL;
        IF NOT millrace.kit_has_table(
            schema, design.name, ('@extschema@.' || quote_ident(design.row_type))::regtype, storage, by_range)
        THEN
            PERFORM millrace.kit_create_table(benchmark, schema, design.name, storage, by_range);
        END IF;
        IF sf > 0 THEN
            run := format('%I.%I', schema, design.name);
            PERFORM millrace.kit_check_loadable(schema, design.name, design.source, sf);
            opened := millrace.open_run(run::regclass, design.source, sf, NULL, 100000, workers, run, NULL, '{}');
            PERFORM millrace.kit_note_load(opened, schema, replacing);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.kit_prepare_load(text, double precision, text, text, integer, boolean, boolean) IS
'Creates the tables of a load that are not there, and begins a run for each table';

CREATE OR REPLACE FUNCTION millrace.kit_load_steps(
    benchmark text, sf double precision, schema text, keys boolean, indexes boolean, "analyze" boolean, partitioned boolean,
    OUT "position" bigint, OUT name text, OUT statement text
) RETURNS SETOF record
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    WITH design AS (
        SELECT d."position" AS ordinal, d.name AS "table", d.indexes, d.foreign_keys, d.referenced,
               CASE WHEN NOT (partitioned AND d.partition_column IS NOT NULL) THEN d.primary_key
                    -- A key of a partitioned table must include the partition column, which then cannot be null.
                    WHEN d.has_rest THEN NULL
                    WHEN d.partition_column = ANY (string_to_array(d.primary_key, ', ')) THEN d.primary_key
                    ELSE d.primary_key || ', ' || d.partition_column
               END AS primary_key,
               -- No foreign key refers to a partitioned table: its primary key may differ, or be missing.
               d.primary_key IS NOT NULL AND NOT (partitioned AND d.partition_column IS NOT NULL) AS can_be_referenced
        FROM millrace.kit_designs(benchmark, sf) d
    ), step (kind, "table", ordinal, object, definition) AS (
        SELECT 'primary key', d."table", d.ordinal, d."table" || '_pkey', format('PRIMARY KEY (%s)', d.primary_key)
        FROM design d WHERE keys AND d.primary_key IS NOT NULL
        UNION ALL
        SELECT 'foreign key', d."table", d.ordinal, format('%s_%s_fkey', d."table", replace(k.columns, ', ', '_')),
               format('FOREIGN KEY (%s) REFERENCES %I.%I', k.columns, schema, k.other)
        FROM design d CROSS JOIN LATERAL unnest(d.foreign_keys, d.referenced) k (columns, other)
        JOIN design o ON o."table" = k.other
        WHERE keys AND o.can_be_referenced
          -- A partitioned table itself is always logged, and a logged table may not refer to an unlogged one.
          AND 1 = (SELECT count(DISTINCT relpersistence) FROM pg_class
                   WHERE oid IN (to_regclass(format('%I.%I', schema, d."table")),
                                 to_regclass(format('%I.%I', schema, k.other))))
        UNION ALL
        SELECT 'index', d."table", d.ordinal, format('%s_%s_idx', d."table", replace(i.columns, ', ', '_')),
               format('(%s)', i.columns)
        FROM design d CROSS JOIN LATERAL unnest(d.indexes) i (columns) WHERE kit_load_steps.indexes
        UNION ALL
        SELECT 'statistics', d."table", d.ordinal, NULL, NULL FROM design d WHERE "analyze"
    ), numbered AS (
        SELECT row_number() OVER (
                   ORDER BY array_position('{primary key,index,foreign key,statistics}', s.kind), s.ordinal,
                   s.object) AS "position", s.*
        FROM step s
    )
    SELECT s."position",
           format('%s of %s', concat_ws(' ', s.kind, s.object), s."table"),
           CASE s.kind
               WHEN 'index' THEN format('CREATE INDEX %I ON %I.%I %s', s.object, schema, s."table", s.definition)
               WHEN 'statistics' THEN format('ANALYZE %I.%I', schema, s."table")
               ELSE format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', schema, s."table", s.object, s.definition)
           END
    FROM numbered s
    LEFT JOIN LATERAL (
        -- The ledger does not note when the run of an unlogged table was done.
        SELECT coalesce(r.finished, (SELECT max(b.finished) FROM millrace.batches b WHERE b.run = r.name)) AS finished
        FROM millrace.run r WHERE r.name = format('%I.%I', schema, s."table")
    ) last_batch ON true,
    LATERAL (SELECT to_regclass(format('%I.%I', schema, s."table")) AS oid) relation
    WHERE NOT CASE s.kind
        WHEN 'index' THEN EXISTS (
            SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = relation.oid AND c.relname = s.object)
        -- Autovacuum's statistics do not count: it may have begun before the last rows came.
        WHEN 'statistics' THEN coalesce(
            pg_stat_get_last_analyze_time(relation.oid) > coalesce(last_batch.finished, '-infinity'), false)
        ELSE EXISTS (SELECT FROM pg_constraint WHERE conrelid = relation.oid AND conname = s.object)
    END
$$;
COMMENT ON FUNCTION millrace.kit_load_steps(text, double precision, text, boolean, boolean, boolean, boolean) IS
'The statements that a load runs after the rows: keys, indexes and statistics that are not there';

CREATE OR REPLACE FUNCTION millrace.kit_run_step(benchmark text, name text, statement text, workers integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    started timestamptz := pg_catalog.clock_timestamp();
    seconds numeric;
    messages CONSTANT text := pg_catalog.current_setting('client_min_messages');
    problem text;
    detail text;
    hint text;
BEGIN
    -- An index is built with this many processes, including this one, or more if the setting is higher.
    PERFORM pg_catalog.set_config('max_parallel_maintenance_workers', GREATEST(
        workers OPERATOR(pg_catalog.-) 1,
        pg_catalog.current_setting('max_parallel_maintenance_workers')::integer)::text, true);
    IF name OPERATOR(pg_catalog.~~) 'foreign key %' THEN
        -- Cloudberry warns of each foreign key that it does not enforce it.
        PERFORM pg_catalog.set_config('client_min_messages', 'error', true);
    END IF;
    EXECUTE statement;
    PERFORM pg_catalog.set_config('client_min_messages', messages, true);
    seconds := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started);
    IF seconds OPERATOR(pg_catalog.>=) 1 THEN
        RAISE NOTICE '%: % s', name, pg_catalog.round(seconds, 1);
    END IF;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    problem := pg_catalog.format('step "%s" failed: %s', name, problem);
    hint := pg_catalog.concat_ws(' ', NULLIF(hint, ''),
        pg_catalog.format('Run the same CALL %s_load again to resume with this step.', benchmark));
    IF detail OPERATOR(pg_catalog.=) '' THEN
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = problem, HINT = hint;
    ELSE
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = problem, DETAIL = detail, HINT = hint;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.kit_run_step(text, text, text, integer) IS
'Runs a statement of a load, with at least this many processes for an index, and reports it if it took a second or more; an error says which step it was';

CREATE OR REPLACE PROCEDURE millrace.kit_load(
    benchmark text, sf double precision, schema text, storage text, workers integer, keys boolean, indexes boolean,
    "analyze" boolean, partitioned boolean, overwrite boolean
) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := pg_catalog.clock_timestamp();
    sources text[];
    names text[];
    run text;
    steps text[];
    statements text[];
    without_key text[];
BEGIN
    PERFORM millrace.check_may_commit(pg_catalog.format('CALL %s_load', benchmark));
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.kit_prepare_load(benchmark, sf, schema, storage, workers, partitioned, overwrite);
    SELECT pg_catalog.array_agg(d.name ORDER BY d."position"), pg_catalog.array_agg(d.source ORDER BY d."position")
    INTO names, sources FROM millrace.kit_designs(benchmark) d WHERE sf OPERATOR(pg_catalog.>) 0;
    COMMIT AND CHAIN;
    PERFORM millrace.check_cancelled();
    FOR number IN 1 .. COALESCE(pg_catalog.cardinality(names), 0) LOOP
        run := millrace.qualified_name(schema, names[number]);
        CONTINUE WHEN millrace.is_finished(run);
        CALL @extschema@.stream_ingest(
            run::pg_catalog.regclass, source => sources[number], sf => sf, workers => workers, run => run);
        PERFORM millrace.check_cancelled();
        IF NOT millrace.is_finished(run) THEN
            -- It was asked to stop, and reported that.
            RETURN;
        END IF;
    END LOOP;
    SELECT pg_catalog.array_agg(s.name ORDER BY s."position"), pg_catalog.array_agg(s.statement ORDER BY s."position")
    INTO steps, statements
    FROM millrace.kit_load_steps(benchmark, sf, schema, keys, indexes, "analyze", partitioned) s;
    FOR number IN 1 .. COALESCE(pg_catalog.cardinality(steps), 0) LOOP
        PERFORM millrace.kit_run_step(benchmark, steps[number], statements[number], workers);
        COMMIT AND CHAIN;
        PERFORM millrace.check_cancelled();
    END LOOP;
    PERFORM millrace.kit_note_loaded(benchmark, schema);
    COMMIT AND CHAIN;
    SELECT pg_catalog.array_agg(d.name) INTO without_key
    FROM millrace.kit_designs(benchmark, sf) d WHERE keys AND d.primary_key IS NULL;
    IF without_key IS NOT NULL THEN
        RAISE NOTICE '% has no primary key, and no foreign key refers to it',
            pg_catalog.array_to_string(without_key, ', ')
            USING DETAIL = pg_catalog.format('At scale factor %s the generator repeats some of its keys.', sf);
    END IF;
    RAISE NOTICE 'schema "%" is ready after % s', schema,
        pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started)::numeric, 1);
END
$$;
COMMENT ON PROCEDURE millrace.kit_load(text, double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean) IS
'What tpch_load and tpcds_load do';

CREATE OR REPLACE FUNCTION millrace.kit_drop(benchmark text, schema text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    names text[] := ARRAY(SELECT format('%I.%I', schema, d.name) FROM millrace.kit_designs(benchmark) d);
    run text;
    kind record;
BEGIN
    PERFORM millrace.kit_check_schema(schema);
    FOR run IN SELECT DISTINCT t.run FROM millrace.target t WHERE t.name = ANY (names) LOOP
        PERFORM @extschema@.stream_drop(run);
    END LOOP;
    FOR kind IN
        SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                              ELSE 'TABLE' END AS name,
               string_agg(c.oid::regclass::text, ', ') AS relations
        FROM unnest(names) relation JOIN pg_class c ON c.oid = to_regclass(relation)
        GROUP BY 1
    LOOP
        EXECUTE format('DROP %s %s', kind.name, kind.relations);
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.kit_drop(text, text) IS
'Drops the tables or views of a benchmark in a schema and forgets the runs that loaded them; the schema stays';

CREATE OR REPLACE FUNCTION millrace.kit_virtual(benchmark text, schema text, sf double precision) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    design record;
    title text := millrace.kit_title(benchmark);
BEGIN
    PERFORM millrace.kit_check_virtual(benchmark, sf, schema);
    IF to_regnamespace(quote_ident(schema)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', schema);
    END IF;
    FOR design IN SELECT d.* FROM millrace.kit_designs(benchmark) d ORDER BY d."position" LOOP
        EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS SELECT * FROM %s(%L::float8)',
            schema, design.name, '@extschema@.' || quote_ident(design.row_type), sf);
        EXECUTE format('COMMENT ON VIEW %I.%I IS %L', schema, design.name,
            format('%s table %s at scale factor %s, made when it is read', title, design.name, sf));
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.kit_virtual(text, text, double precision) IS
'Creates a benchmark''s views in a schema; their rows are made when they are read';

CREATE OR REPLACE FUNCTION tpch_query(
    query integer, schema text DEFAULT NULL, seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_query_wrapper';

CREATE OR REPLACE FUNCTION tpch_queries(
    schema text DEFAULT NULL, seed bigint DEFAULT NULL, stream integer DEFAULT NULL,
    sf double precision DEFAULT 1, decorrelated boolean DEFAULT false,
    OUT "position" integer, OUT query integer, OUT sql text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 22 AS 'MODULE_PATHNAME', 'kit_queries_wrapper';
COMMENT ON FUNCTION tpch_queries(text, bigint, integer, double precision, boolean) IS
'The 22 TPC-H queries as tpch_query() gives them, by number or, with a stream (0 is the power run), in that stream''s order and with the seed seed + stream';

CREATE OR REPLACE FUNCTION tpch_run(
    query integer, schema text DEFAULT 'tpch', seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS SETOF json
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN QUERY SELECT * FROM millrace.query_rows(@extschema@.tpch_query(query, schema, seed, sf, decorrelated));
END
$$;

CREATE OR REPLACE FUNCTION tpch_answers(
    query integer DEFAULT NULL, sf double precision DEFAULT 1,
    OUT query integer, OUT "row" integer, OUT columns text[], OUT answer text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_answers_wrapper';
COMMENT ON FUNCTION tpch_answers(integer, double precision) IS
'Published answers to a TPC-H query, or to all, with validation parameters, at scale factor 0.01, 0.1 or 1: one row per row of the answer, with an empty value for null';

CREATE OR REPLACE FUNCTION tpch_validate(
    schema text DEFAULT 'tpch', sf double precision DEFAULT NULL, decorrelated boolean DEFAULT NULL,
    OUT query integer, OUT pass boolean, OUT rows bigint, OUT milliseconds double precision,
    OUT difference text
) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 22 SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_validate_wrapper';
COMMENT ON FUNCTION tpch_validate(text, double precision, boolean) IS
'Runs the 22 TPC-H queries on the tables or views of a schema and compares the results with the published answers by the specification''s rules; of a query that fails, difference is the error. sf null: taken from the rows of supplier. decorrelated null: true if lineitem has no index on l_partkey';

CREATE OR REPLACE PROCEDURE tpch_load(
    sf double precision,
    schema text DEFAULT 'tpch',
    storage text DEFAULT 'heap',
    workers integer DEFAULT 1,
    keys boolean DEFAULT true,
    indexes boolean DEFAULT false,
    "analyze" boolean DEFAULT true,
    partitioned boolean DEFAULT false,
    overwrite boolean DEFAULT false
) LANGUAGE plpgsql AS $$
BEGIN
    CALL millrace.kit_load(
        'tpch', sf, schema, storage, workers, keys, indexes, "analyze", partitioned, overwrite);
END
$$;
COMMENT ON PROCEDURE tpch_load(double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean) IS
'Creates the TPC-H tables in a schema, loads them as stream_ingest does, and adds keys, indexes and statistics. Each step is committed; run the same call again to resume after an interruption. overwrite: first drops the tables that are there. sf 0: the tables without rows';

CREATE OR REPLACE FUNCTION tpch_drop(schema text DEFAULT 'tpch') RETURNS void
LANGUAGE sql VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_drop('tpch', schema)
$$;

CREATE OR REPLACE FUNCTION tpch_virtual(schema text, sf double precision DEFAULT 1) RETURNS void
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_virtual('tpch', schema, sf)
$$;
COMMENT ON FUNCTION tpch_virtual(text, double precision) IS
'Creates views region to lineitem in a schema. Their rows are made when they are read; nothing is stored';

CREATE OR REPLACE FUNCTION millrace.tpch_refresh_orders(sf double precision, stream integer) RETURNS bigint
LANGUAGE c IMMUTABLE AS 'MODULE_PATHNAME', 'refresh_orders_wrapper';
COMMENT ON FUNCTION millrace.tpch_refresh_orders(double precision, integer) IS
'The number of orders in a refresh set';

CREATE OR REPLACE FUNCTION tpch_orders_refresh(stream integer, sf double precision DEFAULT 1) RETURNS SETOF tpch_orders
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM millrace.source_rows('orders_refresh', pg_catalog.jsonb_build_object('sf', sf, 'stream', stream),
        0, millrace.tpch_refresh_orders(sf, stream), NULL::@extschema@.tpch_orders)
$$;

CREATE OR REPLACE FUNCTION tpch_lineitem_refresh(stream integer, sf double precision DEFAULT 1) RETURNS SETOF tpch_lineitem
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM millrace.source_rows('lineitem_refresh', pg_catalog.jsonb_build_object('sf', sf, 'stream', stream),
        0, millrace.tpch_refresh_orders(sf, stream), NULL::@extschema@.tpch_lineitem)
$$;

CREATE OR REPLACE FUNCTION tpch_orders_delete(stream integer, sf double precision DEFAULT 1) RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o_orderkey
    FROM millrace.source_rows('orders_delete', pg_catalog.jsonb_build_object('sf', sf, 'stream', stream),
        0, millrace.tpch_refresh_orders(sf, stream), NULL::@extschema@.tpch_orders)
$$;

CREATE OR REPLACE FUNCTION millrace.tpch_column_list(row_type regtype, prefix text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT string_agg(prefix || attname, ', ' ORDER BY attnum)
    FROM pg_attribute WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = row_type) AND attnum > 0
$$;
COMMENT ON FUNCTION millrace.tpch_column_list(regtype, text) IS 'The columns of a row type, ready for a statement';

CREATE OR REPLACE FUNCTION millrace.tpch_refresh_insert(
    schema text, options jsonb, first_order bigint, end_order bigint, OUT orders bigint, OUT lines bigint
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    keys bigint[];
BEGIN
    -- Two statements, because Cloudberry lets one write to one table.
    EXECUTE pg_catalog.format(
        'WITH new_order AS (
             INSERT INTO %1$I.orders (%2$s)
             SELECT %3$s
             FROM millrace.source_rows(''orders_refresh'', $1, $2, $3, NULL::%4$s) r
             WHERE NOT EXISTS (SELECT FROM %1$I.orders o
                               WHERE o.o_orderkey OPERATOR(pg_catalog.=) r.o_orderkey)
             RETURNING o_orderkey
         )
         SELECT pg_catalog.array_agg(o_orderkey) FROM new_order',
        schema,
        millrace.tpch_column_list('@extschema@.tpch_orders', ''), millrace.tpch_column_list('@extschema@.tpch_orders', 'r.'),
        '@extschema@.tpch_orders')
    INTO keys USING options, first_order, end_order;
    EXECUTE pg_catalog.format(
        'INSERT INTO %I.lineitem (%s)
         SELECT %s
         FROM millrace.source_rows(''lineitem_refresh'', $1, $2, $3, NULL::%s) r
         JOIN pg_catalog.unnest($4) AS o (o_orderkey) ON o.o_orderkey OPERATOR(pg_catalog.=) r.l_orderkey',
        schema,
        millrace.tpch_column_list('@extschema@.tpch_lineitem', ''),
        millrace.tpch_column_list('@extschema@.tpch_lineitem', 'r.'), '@extschema@.tpch_lineitem')
    USING options, first_order, end_order, keys;
    GET DIAGNOSTICS lines = ROW_COUNT;
    orders := COALESCE(pg_catalog.cardinality(keys), 0);
END
$$;
COMMENT ON FUNCTION millrace.tpch_refresh_insert(text, jsonb, bigint, bigint) IS
'Inserts a range of the new orders of a refresh set with their lines, except those that are there';

CREATE OR REPLACE FUNCTION millrace.tpch_refresh_delete(
    schema text, options jsonb, first_order bigint, end_order bigint, OUT orders bigint, OUT lines bigint
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    keys text := 'USING millrace.source_rows(''orders_delete'', $1, $2, $3, NULL::@extschema@.tpch_orders) r
                  WHERE r.o_orderkey OPERATOR(pg_catalog.=) ';
BEGIN
    EXECUTE pg_catalog.format('DELETE FROM %I.lineitem t %s t.l_orderkey', schema, keys)
    USING options, first_order, end_order;
    GET DIAGNOSTICS lines = ROW_COUNT;
    EXECUTE pg_catalog.format('DELETE FROM %I.orders t %s t.o_orderkey', schema, keys)
    USING options, first_order, end_order;
    GET DIAGNOSTICS orders = ROW_COUNT;
END
$$;
COMMENT ON FUNCTION millrace.tpch_refresh_delete(text, jsonb, bigint, bigint) IS
'Deletes a range of the old orders of a refresh set with their lines';

CREATE OR REPLACE FUNCTION millrace.tpch_check_refresh(schema text, stream integer, sf double precision) RETURNS double precision
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    PERFORM millrace.kit_check_load('tpch', COALESCE(sf, 1), schema, 'heap');
    PERFORM millrace.kit_check_schema(schema);
    sf := COALESCE(sf, millrace.kit_scale_of('tpch', schema));
    PERFORM millrace.tpch_refresh_orders(sf, stream);
    RETURN sf;
END
$$;
COMMENT ON FUNCTION millrace.tpch_check_refresh(text, integer, double precision) IS
'Refuses wrong arguments of tpch_refresh; returns the scale factor';

CREATE OR REPLACE FUNCTION millrace.tpch_open_refresh(schema text, stream integer, batch_orders integer) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'open_refresh_wrapper';
COMMENT ON FUNCTION millrace.tpch_open_refresh(text, integer, integer) IS
'Takes the lock of a refresh set of a schema for this session; refuses batch_orders below 1';

CREATE OR REPLACE FUNCTION millrace.tpch_close_refresh() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'close_refresh_wrapper';
COMMENT ON FUNCTION millrace.tpch_close_refresh() IS 'Releases the lock of the refresh set that this session applies';

CREATE OR REPLACE PROCEDURE tpch_refresh(
    schema text DEFAULT 'tpch', stream integer DEFAULT 1, sf double precision DEFAULT NULL,
    rf1 boolean DEFAULT true, rf2 boolean DEFAULT true, batch_orders integer DEFAULT 20000
) LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := pg_catalog.clock_timestamp();
    shown timestamptz := started;
    options jsonb;
    orders bigint;
    end_order bigint;
    batch record;
    orders_done bigint[] := '{0,0}';
    lines_done bigint[] := '{0,0}';
BEGIN
    PERFORM millrace.check_may_commit('CALL tpch_refresh');
    COMMIT;
    sf := millrace.tpch_check_refresh(schema, stream, sf);
    PERFORM millrace.tpch_open_refresh(schema, stream, batch_orders);
    orders := millrace.tpch_refresh_orders(sf, stream);
    options := pg_catalog.jsonb_build_object('sf', sf, 'stream', stream);
    FOR rf IN 1 .. 2 LOOP
        CONTINUE WHEN (ARRAY[rf1, rf2])[rf] IS NOT TRUE;
        FOR first_order IN 0 .. orders OPERATOR(pg_catalog.-) 1 BY batch_orders LOOP
            end_order := LEAST(first_order OPERATOR(pg_catalog.+) batch_orders::bigint, orders);
            IF rf OPERATOR(pg_catalog.=) 1 THEN
                SELECT * INTO batch FROM millrace.tpch_refresh_insert(schema, options, first_order, end_order);
            ELSE
                SELECT * INTO batch FROM millrace.tpch_refresh_delete(schema, options, first_order, end_order);
            END IF;
            COMMIT;
            PERFORM millrace.check_cancelled();
            orders_done[rf] := orders_done[rf] OPERATOR(pg_catalog.+) batch.orders;
            lines_done[rf] := lines_done[rf] OPERATOR(pg_catalog.+) batch.lines;
            IF pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) shown)
               OPERATOR(pg_catalog.>=) 1 THEN
                shown := pg_catalog.clock_timestamp();
                RAISE NOTICE 'refresh % of "%": RF% at order % of %', stream, schema, rf, end_order, orders;
            END IF;
        END LOOP;
    END LOOP;
    PERFORM millrace.tpch_close_refresh();
    RAISE NOTICE 'refresh % of "%": inserted % orders with % lines, deleted % with %, in % s', stream, schema,
        orders_done[1], lines_done[1], orders_done[2], lines_done[2],
        pg_catalog.round(pg_catalog.date_part(
            'epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) started)::numeric, 1);
END
$$;
COMMENT ON PROCEDURE tpch_refresh(text, integer, double precision, boolean, boolean, integer) IS
'Applies refresh set number stream to the tables of a schema: RF1 inserts orders with their lines, RF2 deletes the same number of old ones; rf1 or rf2 false: skips that one. Each batch of batch_orders orders is committed with their lines. Run an interrupted call again to resume; it skips what is done';

CREATE TYPE tpcds_dbgen_version AS (
    dv_version varchar(16),
    dv_create_date date,
    dv_create_time time,
    dv_cmdline_args varchar(200)
);
COMMENT ON TYPE tpcds_dbgen_version IS 'A row of TPC-DS table dbgen_version';

CREATE TYPE tpcds_income_band AS (
    ib_income_band_sk integer,
    ib_lower_bound integer,
    ib_upper_bound integer
);
COMMENT ON TYPE tpcds_income_band IS 'A row of TPC-DS table income_band';

CREATE TYPE tpcds_date_dim AS (
    d_date_sk integer,
    d_date_id char(16),
    d_date date,
    d_month_seq integer,
    d_week_seq integer,
    d_quarter_seq integer,
    d_year integer,
    d_dow integer,
    d_moy integer,
    d_dom integer,
    d_qoy integer,
    d_fy_year integer,
    d_fy_quarter_seq integer,
    d_fy_week_seq integer,
    d_day_name char(9),
    d_quarter_name char(6),
    d_holiday char(1),
    d_weekend char(1),
    d_following_holiday char(1),
    d_first_dom integer,
    d_last_dom integer,
    d_same_day_ly integer,
    d_same_day_lq integer,
    d_current_day char(1),
    d_current_week char(1),
    d_current_month char(1),
    d_current_quarter char(1),
    d_current_year char(1)
);
COMMENT ON TYPE tpcds_date_dim IS 'A row of TPC-DS table date_dim';

CREATE TYPE tpcds_time_dim AS (
    t_time_sk integer,
    t_time_id char(16),
    t_time integer,
    t_hour integer,
    t_minute integer,
    t_second integer,
    t_am_pm char(2),
    t_shift char(20),
    t_sub_shift char(20),
    t_meal_time char(20)
);
COMMENT ON TYPE tpcds_time_dim IS 'A row of TPC-DS table time_dim';

CREATE TYPE tpcds_reason AS (
    r_reason_sk integer,
    r_reason_id char(16),
    r_reason_desc char(100)
);
COMMENT ON TYPE tpcds_reason IS 'A row of TPC-DS table reason';

CREATE TYPE tpcds_ship_mode AS (
    sm_ship_mode_sk integer,
    sm_ship_mode_id char(16),
    sm_type char(30),
    sm_code char(10),
    sm_carrier char(20),
    sm_contract char(20)
);
COMMENT ON TYPE tpcds_ship_mode IS 'A row of TPC-DS table ship_mode';

CREATE TYPE tpcds_warehouse AS (
    w_warehouse_sk integer,
    w_warehouse_id char(16),
    w_warehouse_name varchar(20),
    w_warehouse_sq_ft integer,
    w_street_number char(10),
    w_street_name varchar(60),
    w_street_type char(15),
    w_suite_number char(10),
    w_city varchar(60),
    w_county varchar(30),
    w_state char(2),
    w_zip char(10),
    w_country varchar(20),
    w_gmt_offset numeric(5,2)
);
COMMENT ON TYPE tpcds_warehouse IS 'A row of TPC-DS table warehouse';

CREATE TYPE tpcds_customer_address AS (
    ca_address_sk integer,
    ca_address_id char(16),
    ca_street_number char(10),
    ca_street_name varchar(60),
    ca_street_type char(15),
    ca_suite_number char(10),
    ca_city varchar(60),
    ca_county varchar(30),
    ca_state char(2),
    ca_zip char(10),
    ca_country varchar(20),
    ca_gmt_offset numeric(5,2),
    ca_location_type char(20)
);
COMMENT ON TYPE tpcds_customer_address IS 'A row of TPC-DS table customer_address';

CREATE TYPE tpcds_customer_demographics AS (
    cd_demo_sk integer,
    cd_gender char(1),
    cd_marital_status char(1),
    cd_education_status char(20),
    cd_purchase_estimate integer,
    cd_credit_rating char(10),
    cd_dep_count integer,
    cd_dep_employed_count integer,
    cd_dep_college_count integer
);
COMMENT ON TYPE tpcds_customer_demographics IS 'A row of TPC-DS table customer_demographics';

CREATE TYPE tpcds_household_demographics AS (
    hd_demo_sk integer,
    hd_income_band_sk integer,
    hd_buy_potential char(15),
    hd_dep_count integer,
    hd_vehicle_count integer
);
COMMENT ON TYPE tpcds_household_demographics IS 'A row of TPC-DS table household_demographics';

CREATE TYPE tpcds_item AS (
    i_item_sk integer,
    i_item_id char(16),
    i_rec_start_date date,
    i_rec_end_date date,
    i_item_desc varchar(200),
    i_current_price numeric(7,2),
    i_wholesale_cost numeric(7,2),
    i_brand_id integer,
    i_brand char(50),
    i_class_id integer,
    i_class char(50),
    i_category_id integer,
    i_category char(50),
    i_manufact_id integer,
    i_manufact char(50),
    i_size char(20),
    i_formulation char(20),
    i_color char(20),
    i_units char(10),
    i_container char(10),
    i_manager_id integer,
    i_product_name char(50)
);
COMMENT ON TYPE tpcds_item IS 'A row of TPC-DS table item';

CREATE TYPE tpcds_promotion AS (
    p_promo_sk integer,
    p_promo_id char(16),
    p_start_date_sk integer,
    p_end_date_sk integer,
    p_item_sk integer,
    p_cost numeric(15,2),
    p_response_target integer,
    p_promo_name char(50),
    p_channel_dmail char(1),
    p_channel_email char(1),
    p_channel_catalog char(1),
    p_channel_tv char(1),
    p_channel_radio char(1),
    p_channel_press char(1),
    p_channel_event char(1),
    p_channel_demo char(1),
    p_channel_details varchar(100),
    p_purpose char(15),
    p_discount_active char(1)
);
COMMENT ON TYPE tpcds_promotion IS 'A row of TPC-DS table promotion';

CREATE TYPE tpcds_store AS (
    s_store_sk integer,
    s_store_id char(16),
    s_rec_start_date date,
    s_rec_end_date date,
    s_closed_date_sk integer,
    s_store_name varchar(50),
    s_number_employees integer,
    s_floor_space integer,
    s_hours char(20),
    s_manager varchar(40),
    s_market_id integer,
    s_geography_class varchar(100),
    s_market_desc varchar(100),
    s_market_manager varchar(40),
    s_division_id integer,
    s_division_name varchar(50),
    s_company_id integer,
    s_company_name varchar(50),
    s_street_number varchar(10),
    s_street_name varchar(60),
    s_street_type char(15),
    s_suite_number char(10),
    s_city varchar(60),
    s_county varchar(30),
    s_state char(2),
    s_zip char(10),
    s_country varchar(20),
    s_gmt_offset numeric(5,2),
    s_tax_precentage numeric(5,2)
);
COMMENT ON TYPE tpcds_store IS 'A row of TPC-DS table store';

CREATE TYPE tpcds_call_center AS (
    cc_call_center_sk integer,
    cc_call_center_id char(16),
    cc_rec_start_date date,
    cc_rec_end_date date,
    cc_closed_date_sk integer,
    cc_open_date_sk integer,
    cc_name varchar(50),
    cc_class varchar(50),
    cc_employees integer,
    cc_sq_ft integer,
    cc_hours char(20),
    cc_manager varchar(40),
    cc_mkt_id integer,
    cc_mkt_class char(50),
    cc_mkt_desc varchar(100),
    cc_market_manager varchar(40),
    cc_division integer,
    cc_division_name varchar(50),
    cc_company integer,
    cc_company_name char(50),
    cc_street_number char(10),
    cc_street_name varchar(60),
    cc_street_type char(15),
    cc_suite_number char(10),
    cc_city varchar(60),
    cc_county varchar(30),
    cc_state char(2),
    cc_zip char(10),
    cc_country varchar(20),
    cc_gmt_offset numeric(5,2),
    cc_tax_percentage numeric(5,2)
);
COMMENT ON TYPE tpcds_call_center IS 'A row of TPC-DS table call_center';

CREATE TYPE tpcds_catalog_page AS (
    cp_catalog_page_sk integer,
    cp_catalog_page_id char(16),
    cp_start_date_sk integer,
    cp_end_date_sk integer,
    cp_department varchar(50),
    cp_catalog_number integer,
    cp_catalog_page_number integer,
    cp_description varchar(100),
    cp_type varchar(100)
);
COMMENT ON TYPE tpcds_catalog_page IS 'A row of TPC-DS table catalog_page';

CREATE TYPE tpcds_customer AS (
    c_customer_sk integer,
    c_customer_id char(16),
    c_current_cdemo_sk integer,
    c_current_hdemo_sk integer,
    c_current_addr_sk integer,
    c_first_shipto_date_sk integer,
    c_first_sales_date_sk integer,
    c_salutation char(10),
    c_first_name char(20),
    c_last_name char(30),
    c_preferred_cust_flag char(1),
    c_birth_day integer,
    c_birth_month integer,
    c_birth_year integer,
    c_birth_country varchar(20),
    c_login char(13),
    c_email_address char(50),
    c_last_review_date_sk integer
);
COMMENT ON TYPE tpcds_customer IS 'A row of TPC-DS table customer';

CREATE TYPE tpcds_web_site AS (
    web_site_sk integer,
    web_site_id char(16),
    web_rec_start_date date,
    web_rec_end_date date,
    web_name varchar(50),
    web_open_date_sk integer,
    web_close_date_sk integer,
    web_class varchar(50),
    web_manager varchar(40),
    web_mkt_id integer,
    web_mkt_class varchar(50),
    web_mkt_desc varchar(100),
    web_market_manager varchar(40),
    web_company_id integer,
    web_company_name char(50),
    web_street_number char(10),
    web_street_name varchar(60),
    web_street_type char(15),
    web_suite_number char(10),
    web_city varchar(60),
    web_county varchar(30),
    web_state char(2),
    web_zip char(10),
    web_country varchar(20),
    web_gmt_offset numeric(5,2),
    web_tax_percentage numeric(5,2)
);
COMMENT ON TYPE tpcds_web_site IS 'A row of TPC-DS table web_site';

CREATE TYPE tpcds_web_page AS (
    wp_web_page_sk integer,
    wp_web_page_id char(16),
    wp_rec_start_date date,
    wp_rec_end_date date,
    wp_creation_date_sk integer,
    wp_access_date_sk integer,
    wp_autogen_flag char(1),
    wp_customer_sk integer,
    wp_url varchar(100),
    wp_type char(50),
    wp_char_count integer,
    wp_link_count integer,
    wp_image_count integer,
    wp_max_ad_count integer
);
COMMENT ON TYPE tpcds_web_page IS 'A row of TPC-DS table web_page';

CREATE TYPE tpcds_inventory AS (
    inv_date_sk integer,
    inv_item_sk integer,
    inv_warehouse_sk integer,
    inv_quantity_on_hand integer
);
COMMENT ON TYPE tpcds_inventory IS 'A row of TPC-DS table inventory';

CREATE TYPE tpcds_store_sales AS (
    ss_sold_date_sk integer,
    ss_sold_time_sk integer,
    ss_item_sk integer,
    ss_customer_sk integer,
    ss_cdemo_sk integer,
    ss_hdemo_sk integer,
    ss_addr_sk integer,
    ss_store_sk integer,
    ss_promo_sk integer,
    ss_ticket_number bigint,
    ss_quantity integer,
    ss_wholesale_cost numeric(7,2),
    ss_list_price numeric(7,2),
    ss_sales_price numeric(7,2),
    ss_ext_discount_amt numeric(7,2),
    ss_ext_sales_price numeric(7,2),
    ss_ext_wholesale_cost numeric(7,2),
    ss_ext_list_price numeric(7,2),
    ss_ext_tax numeric(7,2),
    ss_coupon_amt numeric(7,2),
    ss_net_paid numeric(7,2),
    ss_net_paid_inc_tax numeric(7,2),
    ss_net_profit numeric(7,2)
);
COMMENT ON TYPE tpcds_store_sales IS 'A row of TPC-DS table store_sales';

CREATE TYPE tpcds_store_returns AS (
    sr_returned_date_sk integer,
    sr_return_time_sk integer,
    sr_item_sk integer,
    sr_customer_sk integer,
    sr_cdemo_sk integer,
    sr_hdemo_sk integer,
    sr_addr_sk integer,
    sr_store_sk integer,
    sr_reason_sk integer,
    sr_ticket_number bigint,
    sr_return_quantity integer,
    sr_return_amt numeric(7,2),
    sr_return_tax numeric(7,2),
    sr_return_amt_inc_tax numeric(7,2),
    sr_fee numeric(7,2),
    sr_return_ship_cost numeric(7,2),
    sr_refunded_cash numeric(7,2),
    sr_reversed_charge numeric(7,2),
    sr_store_credit numeric(7,2),
    sr_net_loss numeric(7,2)
);
COMMENT ON TYPE tpcds_store_returns IS 'A row of TPC-DS table store_returns';

CREATE TYPE tpcds_catalog_sales AS (
    cs_sold_date_sk integer,
    cs_sold_time_sk integer,
    cs_ship_date_sk integer,
    cs_bill_customer_sk integer,
    cs_bill_cdemo_sk integer,
    cs_bill_hdemo_sk integer,
    cs_bill_addr_sk integer,
    cs_ship_customer_sk integer,
    cs_ship_cdemo_sk integer,
    cs_ship_hdemo_sk integer,
    cs_ship_addr_sk integer,
    cs_call_center_sk integer,
    cs_catalog_page_sk integer,
    cs_ship_mode_sk integer,
    cs_warehouse_sk integer,
    cs_item_sk integer,
    cs_promo_sk integer,
    cs_order_number bigint,
    cs_quantity integer,
    cs_wholesale_cost numeric(7,2),
    cs_list_price numeric(7,2),
    cs_sales_price numeric(7,2),
    cs_ext_discount_amt numeric(7,2),
    cs_ext_sales_price numeric(7,2),
    cs_ext_wholesale_cost numeric(7,2),
    cs_ext_list_price numeric(7,2),
    cs_ext_tax numeric(7,2),
    cs_coupon_amt numeric(7,2),
    cs_ext_ship_cost numeric(7,2),
    cs_net_paid numeric(7,2),
    cs_net_paid_inc_tax numeric(7,2),
    cs_net_paid_inc_ship numeric(7,2),
    cs_net_paid_inc_ship_tax numeric(7,2),
    cs_net_profit numeric(7,2)
);
COMMENT ON TYPE tpcds_catalog_sales IS 'A row of TPC-DS table catalog_sales';

CREATE TYPE tpcds_catalog_returns AS (
    cr_returned_date_sk integer,
    cr_returned_time_sk integer,
    cr_item_sk integer,
    cr_refunded_customer_sk integer,
    cr_refunded_cdemo_sk integer,
    cr_refunded_hdemo_sk integer,
    cr_refunded_addr_sk integer,
    cr_returning_customer_sk integer,
    cr_returning_cdemo_sk integer,
    cr_returning_hdemo_sk integer,
    cr_returning_addr_sk integer,
    cr_call_center_sk integer,
    cr_catalog_page_sk integer,
    cr_ship_mode_sk integer,
    cr_warehouse_sk integer,
    cr_reason_sk integer,
    cr_order_number bigint,
    cr_return_quantity integer,
    cr_return_amount numeric(7,2),
    cr_return_tax numeric(7,2),
    cr_return_amt_inc_tax numeric(7,2),
    cr_fee numeric(7,2),
    cr_return_ship_cost numeric(7,2),
    cr_refunded_cash numeric(7,2),
    cr_reversed_charge numeric(7,2),
    cr_store_credit numeric(7,2),
    cr_net_loss numeric(7,2)
);
COMMENT ON TYPE tpcds_catalog_returns IS 'A row of TPC-DS table catalog_returns';

CREATE TYPE tpcds_web_sales AS (
    ws_sold_date_sk integer,
    ws_sold_time_sk integer,
    ws_ship_date_sk integer,
    ws_item_sk integer,
    ws_bill_customer_sk integer,
    ws_bill_cdemo_sk integer,
    ws_bill_hdemo_sk integer,
    ws_bill_addr_sk integer,
    ws_ship_customer_sk integer,
    ws_ship_cdemo_sk integer,
    ws_ship_hdemo_sk integer,
    ws_ship_addr_sk integer,
    ws_web_page_sk integer,
    ws_web_site_sk integer,
    ws_ship_mode_sk integer,
    ws_warehouse_sk integer,
    ws_promo_sk integer,
    ws_order_number bigint,
    ws_quantity integer,
    ws_wholesale_cost numeric(7,2),
    ws_list_price numeric(7,2),
    ws_sales_price numeric(7,2),
    ws_ext_discount_amt numeric(7,2),
    ws_ext_sales_price numeric(7,2),
    ws_ext_wholesale_cost numeric(7,2),
    ws_ext_list_price numeric(7,2),
    ws_ext_tax numeric(7,2),
    ws_coupon_amt numeric(7,2),
    ws_ext_ship_cost numeric(7,2),
    ws_net_paid numeric(7,2),
    ws_net_paid_inc_tax numeric(7,2),
    ws_net_paid_inc_ship numeric(7,2),
    ws_net_paid_inc_ship_tax numeric(7,2),
    ws_net_profit numeric(7,2)
);
COMMENT ON TYPE tpcds_web_sales IS 'A row of TPC-DS table web_sales';

CREATE TYPE tpcds_web_returns AS (
    wr_returned_date_sk integer,
    wr_returned_time_sk integer,
    wr_item_sk integer,
    wr_refunded_customer_sk integer,
    wr_refunded_cdemo_sk integer,
    wr_refunded_hdemo_sk integer,
    wr_refunded_addr_sk integer,
    wr_returning_customer_sk integer,
    wr_returning_cdemo_sk integer,
    wr_returning_hdemo_sk integer,
    wr_returning_addr_sk integer,
    wr_web_page_sk integer,
    wr_reason_sk integer,
    wr_order_number bigint,
    wr_return_quantity integer,
    wr_return_amt numeric(7,2),
    wr_return_tax numeric(7,2),
    wr_return_amt_inc_tax numeric(7,2),
    wr_fee numeric(7,2),
    wr_return_ship_cost numeric(7,2),
    wr_refunded_cash numeric(7,2),
    wr_reversed_charge numeric(7,2),
    wr_account_credit numeric(7,2),
    wr_net_loss numeric(7,2)
);
COMMENT ON TYPE tpcds_web_returns IS 'A row of TPC-DS table web_returns';

CREATE OR REPLACE FUNCTION tpcds_dbgen_version(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_dbgen_version
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_dbgen_version(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table dbgen_version at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_income_band(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_income_band
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_income_band(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table income_band at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_date_dim(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_date_dim
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_date_dim(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table date_dim at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_time_dim(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_time_dim
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_time_dim(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table time_dim at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_reason(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_reason
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_reason(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table reason at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_ship_mode(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_ship_mode
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_ship_mode(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table ship_mode at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_warehouse(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_warehouse
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_warehouse(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table warehouse at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_customer_address(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_customer_address
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_customer_address(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table customer_address at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_customer_demographics(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_customer_demographics
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_customer_demographics(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table customer_demographics at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_household_demographics(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_household_demographics
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_household_demographics(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table household_demographics at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_item(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_item
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_item(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table item at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_promotion(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_promotion
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_promotion(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table promotion at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_store(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_store
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_store(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table store at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_call_center(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_call_center
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_call_center(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table call_center at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_catalog_page(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_catalog_page
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_catalog_page(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table catalog_page at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_customer(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_customer
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_customer(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table customer at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_web_site(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_site
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_site(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_site at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_web_page(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_page
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_page(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_page at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_inventory(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_inventory
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_inventory(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table inventory at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_store_sales(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_store_sales
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_store_sales(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table store_sales at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_store_returns(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_store_returns
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_store_returns(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table store_returns at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_catalog_sales(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_catalog_sales
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_catalog_sales(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table catalog_sales at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_catalog_returns(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_catalog_returns
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_catalog_returns(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table catalog_returns at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_web_sales(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_sales
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_sales(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_sales at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_web_returns(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_returns
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_returns(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_returns at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_gen(
    table_name text, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    row_type anyelement DEFAULT NULL::tpcds_store_sales,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_gen(text, double precision, integer, integer, anyelement, smallint) IS
'Rows of a TPC-DS table at scale factor sf, as dsdgen makes them, in the row type given (its value is ignored); with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_gen(
    row_type anyelement, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_gen(anyelement, double precision, integer, integer, smallint) IS
'Rows of the TPC-DS table that the row type is named after (tpcds_item, or any table called item), columns matched by name; with part and parts, only that part, counted from 1';

CREATE OR REPLACE FUNCTION tpcds_tables(
    sf double precision DEFAULT 1, exact boolean DEFAULT false,
    OUT name text, OUT rows bigint, OUT columns text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 24
AS 'MODULE_PATHNAME', 'kit_tables_wrapper';
COMMENT ON FUNCTION tpcds_tables(double precision, boolean) IS
'The 24 TPC-DS tables, each after those it refers to, with their number of rows at scale factor sf; of sales and returns within 0.2% unless exact';

CREATE OR REPLACE FUNCTION tpcds_export(
    table_name text, sf double precision, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 24
AS 'MODULE_PATHNAME', 'kit_export_wrapper';
COMMENT ON FUNCTION tpcds_export(text, double precision, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes a TPC-DS table, or all 24, at scale factor sf to files in folder path on the server, as tpch_export does; tbl is dsdgen''s form';

CREATE OR REPLACE FUNCTION tpcds_query(
    query integer, schema text DEFAULT NULL, seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_query_wrapper';
COMMENT ON FUNCTION tpcds_query(integer, text, bigint, double precision, boolean) IS
'Text of a TPC-DS query, 1 to 99, over the tables of a schema (or of the search_path), with validation parameters or those that the specification''s rules draw from the seed at scale factor sf; decorrelated: without subqueries that run once per row. Queries 14, 23, 24 and 39 are two statements, with a semicolon on a line of its own between them';

CREATE OR REPLACE FUNCTION tpcds_queries(
    schema text DEFAULT NULL, seed bigint DEFAULT NULL, stream integer DEFAULT NULL,
    sf double precision DEFAULT 1, decorrelated boolean DEFAULT false,
    OUT "position" integer, OUT query integer, OUT sql text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 99 AS 'MODULE_PATHNAME', 'kit_queries_wrapper';
COMMENT ON FUNCTION tpcds_queries(text, bigint, integer, double precision, boolean) IS
'The 99 TPC-DS queries as tpcds_query() gives them, by number or, with a stream (0 is the power run), in that stream''s order and with the seed seed + stream';

CREATE OR REPLACE FUNCTION tpcds_run(
    query integer, schema text DEFAULT 'tpcds', seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS SETOF json
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN QUERY SELECT * FROM millrace.query_rows(@extschema@.tpcds_query(query, schema, seed, sf, decorrelated));
END
$$;
COMMENT ON FUNCTION tpcds_run(integer, text, bigint, double precision, boolean) IS
'Runs a TPC-DS query as tpcds_query() gives it; one JSON object per row, with the query''s columns in order';

CREATE OR REPLACE FUNCTION tpcds_answers(
    query integer DEFAULT NULL, sf double precision DEFAULT 1,
    OUT query integer, OUT "row" integer, OUT columns text[], OUT answer text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_answers_wrapper';
COMMENT ON FUNCTION tpcds_answers(integer, double precision) IS
'Answers to a TPC-DS query, or to all, with validation parameters, at scale factor 0.01, 0.1 or 1. DuckDB computed them from the same rows; at scale factor 1 they are those that the TPC publishes, except for queries 85 and 93. One row per row of the answer, with an empty value for null';

CREATE OR REPLACE FUNCTION tpcds_validate(
    schema text DEFAULT 'tpcds', sf double precision DEFAULT NULL, decorrelated boolean DEFAULT NULL,
    OUT query integer, OUT pass boolean, OUT rows bigint, OUT milliseconds double precision,
    OUT difference text
) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 99 SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_validate_wrapper';
COMMENT ON FUNCTION tpcds_validate(text, double precision, boolean) IS
'Runs the 99 TPC-DS queries on the tables or views of a schema and compares the results with the answers that tpcds_answers() gives; of a query that fails, difference is the error. sf null: taken from the rows of customer. decorrelated null: true';

CREATE OR REPLACE PROCEDURE tpcds_load(
    sf double precision,
    schema text DEFAULT 'tpcds',
    storage text DEFAULT 'heap',
    workers integer DEFAULT 1,
    keys boolean DEFAULT true,
    indexes boolean DEFAULT false,
    "analyze" boolean DEFAULT true,
    partitioned boolean DEFAULT false,
    overwrite boolean DEFAULT false
) LANGUAGE plpgsql AS $$
BEGIN
    CALL millrace.kit_load(
        'tpcds', sf, schema, storage, workers, keys, indexes, "analyze", partitioned, overwrite);
END
$$;
COMMENT ON PROCEDURE tpcds_load(double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean) IS
'Creates the TPC-DS tables in a schema, loads them as stream_ingest does, and adds keys, indexes and statistics. Each step is committed; run the same call again to resume after an interruption. overwrite: first drops the tables that are there. sf 0: the tables without rows';

CREATE OR REPLACE FUNCTION tpcds_drop(schema text DEFAULT 'tpcds') RETURNS void
LANGUAGE sql VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_drop('tpcds', schema)
$$;
COMMENT ON FUNCTION tpcds_drop(text) IS
'Drops the TPC-DS tables or views of a schema and forgets the runs that loaded them; the schema stays';

CREATE OR REPLACE FUNCTION tpcds_virtual(schema text, sf double precision DEFAULT 1) RETURNS void
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_virtual('tpcds', schema, sf)
$$;
COMMENT ON FUNCTION tpcds_virtual(text, double precision) IS
'Creates views income_band to web_returns in a schema. Their rows are made when they are read; nothing is stored';

CREATE OR REPLACE FUNCTION millrace.bench_builtin_variants() RETURNS SETOF millrace.variant
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT v.* FROM jsonb_populate_recordset(
        '("",0,postgresql,,,f,,,,,"",,)'::millrace.variant,
        jsonb_build_array(
            jsonb_build_object(
                'name', 'heap', 'position', 1, 'access_method', 'heap', 'about', 'a plain table'),
            jsonb_build_object(
                'name', 'heap_unlogged', 'position', 2, 'access_method', 'heap', 'unlogged', true,
                'about', 'a table without WAL'),
            jsonb_build_object(
                'name', 'heap_hourly', 'position', 3, 'access_method', 'heap', 'partition_by', 'RANGE (call_hour)',
                'partitions', (SELECT jsonb_agg(format('FOR VALUES FROM (%s) TO (%s)', hour, hour + 1) ORDER BY hour)
                               FROM generate_series(0, 23) AS hour),
                'source', 'cdr', 'about', 'a partition for each hour of the day'),
            jsonb_build_object(
                'name', 'heap_brin', 'position', 4, 'access_method', 'heap',
                'index_set', jsonb_build_array(
                    'USING brin (call_timestamp)', '(caller_number)', '(callee_number)', '(cell_tower_id)',
                    'USING brin (call_date)'),
                'source', 'cdr', 'about', 'a table with BRIN indexes on the columns that follow the order of arrival'),
            jsonb_build_object(
                'name', 'ao_row', 'position', 5, 'engine', 'greenplum', 'access_method', 'ao_row',
                'about', 'append-optimized, by row'),
            jsonb_build_object(
                'name', 'ao_column', 'position', 6, 'engine', 'greenplum', 'access_method', 'ao_column',
                'create_suffix', 'WITH (compresstype = zstd, compresslevel = 5)',
                'about', 'append-optimized, by column, compressed with zstd'),
            jsonb_build_object(
                'name', 'pax', 'position', 7, 'engine', 'cloudberry', 'access_method', 'pax',
                'create_suffix', 'WITH (compresstype = ''zstd'', compresslevel = 5,'
                    ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
                    ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id})',
                'source', 'cdr', 'about', 'PAX with zone maps and Bloom filters'),
            -- Only CLUSTER clusters the rows; inserting does not.
            jsonb_build_object(
                'name', 'pax_clustered', 'position', 8, 'engine', 'cloudberry', 'access_method', 'pax',
                'create_suffix', 'WITH (compresstype = ''zstd'', compresslevel = 5,'
                    ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
                    ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id},'
                    ' cluster_type = ''zorder'', cluster_columns = ''call_hour,cell_tower_id'')',
                'after_load', 'CLUSTER %s', 'source', 'cdr',
                'about', 'PAX, clustered in Z-order by hour and cell tower')
        )) v
$$;
COMMENT ON FUNCTION millrace.bench_builtin_variants() IS 'The variants that come with the extension; their owner is null';

CREATE OR REPLACE VIEW millrace.variants AS
SELECT * FROM millrace.variant
UNION ALL
SELECT b.* FROM millrace.bench_builtin_variants() b;
COMMENT ON VIEW millrace.variants IS 'All variants: those that come with the extension, which have no owner, and those that users added';
GRANT SELECT ON millrace.variants TO PUBLIC;
COMMENT ON COLUMN millrace.variants.name IS
'The variant''s name, which the names of its tables begin with; at most 40 bytes';
COMMENT ON COLUMN millrace.variants.position IS
'Its place in the order of loading; the first variant that the server supports is the baseline';
COMMENT ON COLUMN millrace.variants.engine IS
'What it needs: postgresql (any server will do), greenplum (Greenplum or Cloudberry), cloudberry';
COMMENT ON COLUMN millrace.variants.access_method IS 'Table access method, for USING; null for the server''s default';
COMMENT ON COLUMN millrace.variants.unlogged IS 'Whether the table, or its partitions, are unlogged';
COMMENT ON COLUMN millrace.variants.partition_by IS 'What follows PARTITION BY; null for a table without partitions';
COMMENT ON COLUMN millrace.variants.partitions IS
'What follows PARTITION OF in each partition, such as FOR VALUES FROM (0) TO (1)';
COMMENT ON COLUMN millrace.variants.index_set IS
'What follows the table in CREATE INDEX, for each index of phase index; null for the source''s indexes. Qualify the names of your own functions and operator classes';
COMMENT ON COLUMN millrace.variants.source IS 'The source whose columns it names; null if it can hold any';
COMMENT ON COLUMN millrace.variants.about IS 'What it is';
COMMENT ON COLUMN millrace.variants.after_load IS
'A statement to run on each table once it is loaded, as a template for format() whose argument is the table, such as CLUSTER %s; null for none';
COMMENT ON COLUMN millrace.variants.create_suffix IS 'The end of CREATE TABLE; see millrace.variant';
COMMENT ON COLUMN millrace.variants.owner IS 'The role that added it; null if it came with the extension';

CREATE OR REPLACE FUNCTION millrace.bench_usable_variants() RETURNS SETOF millrace.variant
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT DISTINCT ON (v.name)
           v.name, v.position, v.engine, v.access_method, v.create_suffix, v.unlogged, v.partition_by, v.partitions,
           v.index_set, v.source, v.about, v.owner, v.after_load
    FROM millrace.variants v
    WHERE v.owner IS NULL
       -- As in millrace.role_of(), but evaluated once, here: each segment of a cluster has another system identifier.
       OR CASE WHEN (v.owner).cluster = (SELECT (millrace.role_now()).cluster)
               THEN (v.owner).role = (SELECT (millrace.role_now()).role)
               ELSE (v.owner).name = (SELECT (millrace.role_now()).name) END
    ORDER BY v.name, v.owner IS NULL
$$;
COMMENT ON FUNCTION millrace.bench_usable_variants() IS 'The variants that the caller can use: the extension''s and the caller''s own';

CREATE OR REPLACE FUNCTION stream_variant_drop(name text) RETURNS boolean
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'stream_variant_drop_wrapper';
COMMENT ON FUNCTION stream_variant_drop(text) IS
'Drops a variant that the caller added with INSERT INTO millrace.variant; false if there is none of that name';

CREATE OR REPLACE FUNCTION millrace.bench_why_skipped(
    engine text, access_method text, variant_source text, source text
) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT CASE
        WHEN array_position(engines, engine) > array_position(engines, millrace.engine()) THEN
            format('it needs %s', CASE engine WHEN 'greenplum' THEN 'Greenplum or Cloudberry' ELSE 'Cloudberry' END)
        WHEN NOT EXISTS (SELECT FROM pg_am WHERE amtype = 't' AND amname = coalesce(access_method, amname)) THEN
            format('access method "%s" does not exist', access_method)
        WHEN variant_source <> source THEN
            format('it is for source "%s"', variant_source)
    END
    FROM (SELECT '{postgresql,greenplum,cloudberry}'::text[]) AS e (engines)
$$;
COMMENT ON FUNCTION millrace.bench_why_skipped(text, text, text, text) IS
'Why this server cannot load a source into a variant of this engine, access method and source; null if it can';

CREATE OR REPLACE VIEW stream_variants AS
SELECT v.name, v.engine, v.access_method, v.source, v.about,
       CASE WHEN v.owner IS NOT NULL THEN millrace.role_name(v.owner) END AS owner,
       millrace.bench_why_skipped(v.engine, v.access_method, v.source, NULL) AS skipped,
       v.position
FROM millrace.variants v
ORDER BY v.position, v.name;
COMMENT ON VIEW stream_variants IS
'The variants that stream_bench can compare, in the order in which it loads them; on a cluster add ORDER BY position, name for that order';
COMMENT ON COLUMN stream_variants.name IS 'The variant''s name';
COMMENT ON COLUMN stream_variants.engine IS 'The server it needs: postgresql for any, greenplum for Greenplum or Cloudberry, cloudberry';
COMMENT ON COLUMN stream_variants.access_method IS 'Table access method; null for the server''s default';
COMMENT ON COLUMN stream_variants.source IS 'The source it is for; null for any';
COMMENT ON COLUMN stream_variants.about IS 'What it is';
COMMENT ON COLUMN stream_variants.owner IS 'The role that added it; null if it came with the extension';
COMMENT ON COLUMN stream_variants.skipped IS 'Why this server cannot use it; null if it can';
COMMENT ON COLUMN stream_variants.position IS 'Its place in the order in which they are loaded';
GRANT SELECT ON stream_variants TO PUBLIC;

CREATE OR REPLACE FUNCTION millrace.bench_get_variant(name text) RETURNS millrace.variant
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    found millrace.variant;
    other record;
BEGIN
    SELECT * INTO found FROM millrace.bench_usable_variants() v WHERE v.name = bench_get_variant.name;
    IF found.name IS NULL THEN
        SELECT v.name, millrace.role_name(v.owner) AS owner INTO other FROM millrace.variant v
        WHERE v.name = bench_get_variant.name;
        IF other.name IS NULL THEN
            RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', bench_get_variant.name),
                HINT = 'View stream_variants lists them.';
        END IF;
        RAISE insufficient_privilege
            USING MESSAGE = format('variant "%s" belongs to role "%s"', other.name, other.owner),
                  HINT = 'Its texts become statements that run with the caller''s rights, so only its owner can use it.';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION millrace.bench_get_variant(text) IS
'The variant of that name; an error if it does not exist or belongs to another role';

CREATE OR REPLACE FUNCTION millrace.bench_choose_variants(run text, source text, variants text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    chosen record;
    wanted text;
    reason text;
BEGIN
    FOR chosen IN
        SELECT row_number() OVER (ORDER BY array_position(variants, v.name), v.position, v.name)::integer AS place,
               v.name, millrace.bench_why_skipped(
                   v.engine, v.access_method, v.source, bench_choose_variants.source) AS skipped
        FROM millrace.bench_usable_variants() v
        WHERE variants IS NULL OR v.name = ANY (variants)
    LOOP
        PERFORM millrace.bench_note_variant(run, chosen.place, chosen.name, chosen.skipped);
    END LOOP;
    FOREACH wanted IN ARRAY coalesce(variants, '{}') LOOP
        IF wanted IS NULL THEN
            PERFORM millrace.bench_refuse_argument('variants', NULL, NULL);
        ELSIF NOT EXISTS (SELECT FROM millrace.bench_variant b WHERE b.bench = run AND b.variant = wanted) THEN
            RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', wanted),
                HINT = 'View stream_variants lists them; you can use those of the extension and your own.';
        END IF;
    END LOOP;
    IF cardinality(variants) > (SELECT count(*) FROM millrace.bench_variant b WHERE b.bench = run) THEN
        PERFORM millrace.bench_refuse_argument('variants', variants::text, 'Name each variant once.');
    END IF;
    FOR wanted, reason IN
        SELECT b.variant, b.skipped FROM millrace.bench_variant b
        WHERE b.bench = run AND b.skipped IS NOT NULL ORDER BY b.position
    LOOP
        RAISE NOTICE 'variant "%" skipped: %', wanted, reason;
    END LOOP;
    IF NOT EXISTS (SELECT FROM millrace.bench_variant b WHERE b.bench = run AND b.skipped IS NULL) THEN
        PERFORM millrace.bench_refuse_argument('variants', variants::text, 'This server has none of them.');
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_choose_variants(text, text, text[]) IS
'Notes which variants a new benchmark compares, all by default, and reports those it skips';

CREATE OR REPLACE FUNCTION millrace.bench_row_type(source text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT '@extschema@.' || b.row_type FROM millrace.bench_sources() b WHERE b.source = bench_row_type.source
$$;
COMMENT ON FUNCTION millrace.bench_row_type(text) IS 'The row type of a source that stream_bench can load; null for others';

CREATE OR REPLACE FUNCTION millrace.bench_fill_columns(create_suffix text, source text, rows bigint, options jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    found text[];
    columns text;
BEGIN
    LOOP
        found := regexp_match(create_suffix, '((,?\s*)\{(minmax_columns|bloomfilter_columns):([^}]*)\})');
        EXIT WHEN found IS NULL;
        -- A column that the source does not have stays, for the server to refuse.
        SELECT string_agg(n.name, ',' ORDER BY n.place) INTO columns
        FROM regexp_split_to_table(btrim(found[4]), '\s*,\s*') WITH ORDINALITY AS n (name, place)
        LEFT JOIN @extschema@.stream_columns(source, rows => rows, options => options) c ON c.column_name = n.name
        WHERE CASE found[3] WHEN 'minmax_columns' THEN c.minmax ELSE c.bloom_filter END IS NOT FALSE;
        create_suffix := replace(create_suffix, found[1],
            CASE WHEN columns IS NULL THEN '' ELSE format('%s%s = %L', found[2], found[3], columns) END);
    END LOOP;
    RETURN create_suffix;
END
$$;
COMMENT ON FUNCTION millrace.bench_fill_columns(text, text, bigint, jsonb) IS
'A variant''s create_suffix with the columns that suit a source''s rows in place of {minmax_columns: ...} and {bloomfilter_columns: ...}';

CREATE OR REPLACE FUNCTION millrace.bench_variant_statements(
    variant text, phase text, source text, schema text, rows bigint, options jsonb
) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    v millrace.variant := millrace.bench_get_variant(variant);
    table_name text := format('%I.%I', schema, variant || '_' || phase);
    create_table text := CASE WHEN v.unlogged THEN 'CREATE UNLOGGED TABLE' ELSE 'CREATE TABLE' END;
    create_suffix text := coalesce(millrace.bench_fill_columns(v.create_suffix, source, rows, options), '');
    own_distribution text := coalesce(
        (regexp_match(create_suffix, '\m(DISTRIBUTED\s+(RANDOMLY|REPLICATED|BY\s*\([^)]*\)))', 'i'))[1], '');
    -- By default rows stay on the segment that makes them. A partition is distributed as its table is, and takes no such clause.
    distribution text := coalesce(' ' || nullif(own_distribution, ''), millrace.distribution());
    storage text := coalesce(' USING ' || quote_ident(v.access_method), '')
        || coalesce(' ' || nullif(btrim(replace(create_suffix, own_distribution, '')), ''), '');
BEGIN
    IF v.partition_by IS NULL THEN
        RETURN NEXT format('%s %s (LIKE %s)%s%s',
            create_table, table_name, millrace.bench_row_type(source), storage, distribution);
    ELSE
        RETURN NEXT format('CREATE TABLE %s (LIKE %s) PARTITION BY %s%s',
            table_name, millrace.bench_row_type(source), v.partition_by, distribution);
        RETURN QUERY
            SELECT format('%s %I.%I PARTITION OF %s %s%s', create_table, schema,
                format('%s_%s_%s', variant, phase, to_char(number - 1, 'FM900')), table_name, bounds, storage)
            FROM unnest(v.partitions) WITH ORDINALITY AS p (bounds, number) ORDER BY number;
    END IF;
    IF phase LIKE 'index%' THEN
        RETURN QUERY
            SELECT format('CREATE INDEX ON %s %s', table_name, definition)
            FROM unnest(coalesce(v.index_set, (
                SELECT b.index_set FROM millrace.bench_sources() b WHERE b.source = bench_variant_statements.source
            ))) WITH ORDINALITY AS i (definition, number)
            ORDER BY number;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_variant_statements(text, text, text, text, bigint, jsonb) IS
'The statements that create a variant''s table in a phase, for a source with this number of rows and these options';

CREATE OR REPLACE FUNCTION millrace.bench_create_tables(bench millrace.bench, phase text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on SET client_min_messages TO warning AS $$
DECLARE
    variant text;
    statement text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = bench.schema) THEN
        EXECUTE format('CREATE SCHEMA %I', bench.schema);
    END IF;
    FOR variant IN
        SELECT v.variant FROM millrace.bench_variant v
        WHERE v.bench = bench.name AND v.skipped IS NULL ORDER BY v.position
    LOOP
        FOR statement IN
            SELECT s FROM millrace.bench_variant_statements(
                variant, phase, bench.source, bench.schema, bench.rows, bench.options) s
        LOOP
            EXECUTE statement;
        END LOOP;
    END LOOP;
EXCEPTION WHEN duplicate_table THEN
    RAISE duplicate_table USING MESSAGE = SQLERRM, HINT =
        'Another benchmark or search may have its tables there: give another schema, or drop it with stream_bench_drop() or stream_rate_drop().';
END
$$;
COMMENT ON FUNCTION millrace.bench_create_tables(millrace.bench, text) IS 'Creates the tables of a benchmark''s phase';

CREATE OR REPLACE FUNCTION millrace.bench_target_table(name text, relation oid) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    IF to_regclass(name) IS DISTINCT FROM relation THEN
        RAISE object_not_in_prerequisite_state
            USING MESSAGE = format('target "%s" was dropped, renamed or created again since the run began', name),
                  HINT = 'If it was restored, take it as it is now with stream_resume(run, adopt => true).';
    END IF;
    RETURN relation::regclass;
END
$$;
COMMENT ON FUNCTION millrace.bench_target_table(text, oid) IS
'The table that a row of millrace.target names; an error if the name does not mean that table any more';

CREATE OR REPLACE FUNCTION millrace.bench_rows(source text, options jsonb, first bigint, rows bigint) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT format('millrace.source_rows(%L, %L, %s, %s, NULL::%s)',
                  source, options, first, first + rows, millrace.bench_row_type(source))
$$;
COMMENT ON FUNCTION millrace.bench_rows(text, jsonb, bigint, bigint) IS
'A FROM item for this number of rows of a source that stream_bench can load, from first on, counted from 0';

CREATE OR REPLACE FUNCTION millrace.bench_sample(run text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.bench_rows(r.source, r.options, r.rows_estimated / 2, 10000) FROM millrace.run r WHERE r.name = bench_sample.run
$$;
COMMENT ON FUNCTION millrace.bench_sample(text) IS
'A FROM item that makes ten thousand rows from the middle of a benchmark''s run again';

CREATE OR REPLACE FUNCTION millrace.bench_run_next_query(run text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    due record;
    arguments text[];
    statement text;
    started timestamptz;
    finished timestamptz;
    rows bigint;
    hash numeric;
BEGIN
    -- Each attempt on all tables before the next attempt, so that no table alone gets the quiet moments.
    SELECT t.target, t.name, t.relation, q.query, q.statement, b.arguments, a.attempt INTO due
    FROM millrace.run r
    JOIN millrace.target t ON t.run = r.name
    JOIN millrace.bench_sources() b ON b.source = r.source,
    millrace.bench_queries(r.source) q, generate_series(1, 3) AS a (attempt)
    WHERE r.name = bench_run_next_query.run AND NOT EXISTS (
        SELECT FROM millrace.bench_query d
        WHERE (d.run, d.target, d.query, d.attempt) = (r.name, t.target, q.query, a.attempt))
    ORDER BY q.number, a.attempt, t.target
    LIMIT 1;
    IF due.query IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT %s FROM %s', due.arguments, millrace.bench_sample(run)) INTO arguments;
    statement := format(due.statement, VARIADIC millrace.bench_target_table(due.name, due.relation)::text || arguments);
    started := clock_timestamp();
    PERFORM millrace.run_query(statement);
    finished := clock_timestamp();
    -- Not timed: in FROM of another, it may be planned in another way.
    EXECUTE format('SELECT count(*), sum(hash_record_extended(q, 0)) FROM (%s) q', statement) INTO rows, hash;
    PERFORM millrace.bench_note_query(
        run, due.target, due.query, due.attempt, 1000 * date_part('epoch', finished - started), rows, hash, statement,
        finished);
    RETURN true;
END
$$;
COMMENT ON FUNCTION millrace.bench_run_next_query(text) IS
'Runs and times the next query of a benchmark''s run that was not timed yet; false if there is none';

CREATE OR REPLACE FUNCTION millrace.bench_refuse_argument(name text, value text, hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    IF value IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = format('argument "%s" must not be null', name);
    END IF;
    RAISE invalid_parameter_value
        USING MESSAGE = format('invalid value for argument "%s": %s', name, value), HINT = hint;
END
$$;
COMMENT ON FUNCTION millrace.bench_refuse_argument(text, text, text) IS 'Raises the error for an argument that is null or out of range';

CREATE OR REPLACE FUNCTION millrace.bench_refuse_differences(begun jsonb, wanted jsonb, message text, hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    differences text := (
        SELECT string_agg(format('%s: %s then, %s now', key, coalesce(b.value, 'null'), coalesce(w.value, 'null')), E'\n')
        FROM jsonb_each_text(begun) b JOIN jsonb_each_text(wanted) w USING (key)
        WHERE b.value IS DISTINCT FROM w.value);
BEGIN
    IF differences IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = message, DETAIL = differences, HINT = hint;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_refuse_differences(jsonb, jsonb, text, text) IS
'Raises the error for parameters with which a benchmark is called again, if they differ from those that it was begun with';

CREATE OR REPLACE FUNCTION millrace.bench_get(run text) RETURNS millrace.bench
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    found millrace.bench;
BEGIN
    IF run IS NULL THEN
        PERFORM millrace.bench_refuse_argument('run', NULL, NULL);
    END IF;
    SELECT * INTO found FROM millrace.bench b WHERE b.name = run;
    IF found.name IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('benchmark "%s" does not exist', run),
            HINT = 'Table millrace.bench lists them; CALL stream_bench() begins one.';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION millrace.bench_get(text) IS 'The benchmark of that name, or an error';

CREATE OR REPLACE FUNCTION millrace.bench_check_owner(bench millrace.bench) RETURNS void
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    IF NOT millrace.may_act_for(millrace.role_of(bench.owner)) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of benchmark "%s"', bench.name);
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_check_owner(millrace.bench) IS 'Refuses a benchmark of a role that the caller may not act for';

CREATE OR REPLACE FUNCTION millrace.bench_open(
    source text, rows bigint, batch_rows integer, variants text[], phase text, schema text, options jsonb,
    analyze_every integer, run text
) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    wanted millrace.bench;
    existing millrace.bench;
    begun boolean;
BEGIN
    IF millrace.bench_row_type(source) IS NULL THEN
        PERFORM millrace.bench_refuse_argument('source', source,
            (SELECT format('A benchmark loads %s.', string_agg(b.source, ' or ')) FROM millrace.bench_sources() b));
    ELSIF rows < 1 THEN
        PERFORM millrace.bench_refuse_argument('rows', rows::text, 'Give at least 1, or null for no end.');
    ELSIF batch_rows IS NULL THEN
        PERFORM millrace.bench_refuse_argument('batch_rows', NULL, NULL);
    ELSIF phase IS NULL OR phase NOT IN ('noindex', 'index', 'both') THEN
        PERFORM millrace.bench_refuse_argument('phase', phase, 'A phase is noindex, index, or both.');
    ELSIF coalesce(schema, '') = '' THEN
        PERFORM millrace.bench_refuse_argument('schema', schema, 'Name the schema for the tables.');
    ELSIF options IS NULL OR jsonb_typeof(options) <> 'object' THEN
        PERFORM millrace.bench_refuse_argument('options', options::text, 'Options are a JSON object, such as {"seed": 1}.');
    ELSIF analyze_every < 1 THEN
        PERFORM millrace.bench_refuse_argument('analyze_every', analyze_every::text, 'It is a number of batches, at least 1.');
    ELSIF coalesce(run, '') = '' THEN
        PERFORM millrace.bench_refuse_argument('run', run, 'Name the benchmark.');
    END IF;
    wanted := (run, NULL, source, rows, batch_rows, options - '{rate,duration,synchronous_commit}'::text[], schema, analyze_every,
               now());
    begun := millrace.bench_insert(run, source, rows, batch_rows, wanted.options, schema, analyze_every);
    existing := millrace.bench_get(run);
    IF millrace.role_of(existing.owner) IS DISTINCT FROM (SELECT oid FROM pg_roles WHERE rolname = current_user) THEN
        -- Its tables and variants were chosen by its owner, and would be used with the caller's rights.
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of benchmark "%s"', run),
            HINT = format('Call as role "%s", or give another run name.', millrace.role_name(existing.owner));
    ELSIF begun THEN
        PERFORM millrace.bench_choose_variants(run, source, variants);
    ELSE
        PERFORM millrace.bench_refuse_differences(
            to_jsonb(existing) || jsonb_build_object('variants', (
                SELECT jsonb_agg(b.variant ORDER BY b.position) FROM millrace.bench_variant b WHERE b.bench = run)),
            to_jsonb(wanted) - '{owner,created}'::text[]
                || CASE WHEN variants IS NULL THEN '{}' ELSE jsonb_build_object('variants', variants) END,
            format('benchmark "%s" was begun with other parameters', run),
            'Forget it with stream_bench_drop(), or give another run name.');
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_open(text, bigint, integer, text[], text, text, jsonb, integer, text) IS
'Checks the arguments of stream_bench, and begins a benchmark or finds the one of that name';

CREATE OR REPLACE FUNCTION millrace.bench_open_phase(run text, phase text, workers integer, options jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    bench millrace.bench := millrace.bench_get(run);
    begun boolean := NOT EXISTS (
        SELECT FROM millrace.bench_table t WHERE t.bench = bench_open_phase.run AND t.phase = bench_open_phase.phase);
    variants text[];
    tables regclass[];
    opened text;
    definition text;
BEGIN
    SELECT b.options || bench.options INTO bench.options
    FROM millrace.bench_sources(bench.rows) b WHERE b.source = bench.source;
    IF begun THEN
        PERFORM millrace.bench_create_tables(bench, phase);
    END IF;
    SELECT array_agg(v.variant ORDER BY v.position),
           array_agg(format('%I.%I', bench.schema, v.variant || '_' || bench_open_phase.phase)::regclass ORDER BY v.position)
    INTO variants, tables
    FROM millrace.bench_variant v WHERE v.bench = bench.name AND v.skipped IS NULL;
    opened := millrace.open_run(tables[1], bench.source, NULL, bench.rows, bench.batch_rows, workers,
                                run || '/' || phase, tables[2:],
                                options || bench.options || CASE WHEN bench.rows IS NULL THEN '{"rows": null}' ELSE '{}' END::jsonb);
    IF begun THEN
        -- On a cluster, a statement that writes on all segments cannot call what runs on the coordinator only.
        FOR place IN 1 .. cardinality(variants) LOOP
            definition := array_to_string(ARRAY(
                SELECT s FROM millrace.bench_variant_statements(
                    variants[place], phase, bench.source, bench.schema, bench.rows, bench.options) s), E';\n');
            PERFORM millrace.bench_note_table(bench.name, phase, variants[place], opened, place, definition);
        END LOOP;
    END IF;
    RETURN opened;
END
$$;
COMMENT ON FUNCTION millrace.bench_open_phase(text, text, integer, jsonb) IS
'Creates the tables of a benchmark''s phase if they are not there, and begins or resumes its run; returns the run''s name';

CREATE OR REPLACE FUNCTION millrace.bench_analyze_targets(run text, batch bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    due record;
    started timestamptz;
    finished timestamptz;
BEGIN
    FOR due IN
        SELECT t.target, t.name, t.relation FROM millrace.target t
        WHERE t.run = bench_analyze_targets.run AND NOT EXISTS (
            SELECT FROM millrace.bench_analyze d
            WHERE (d.run, d.target) = (t.run, t.target) AND d.batch >= bench_analyze_targets.batch)
        ORDER BY t.target
    LOOP
        started := clock_timestamp();
        EXECUTE format('ANALYZE %s', millrace.bench_target_table(due.name, due.relation));
        finished := clock_timestamp();
        PERFORM millrace.bench_note_analyze(
            run, due.target, batch, 1000 * date_part('epoch', finished - started), finished);
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.bench_analyze_targets(text, bigint) IS
'Analyzes a run''s tables after a batch, and notes how long that took; skips tables that were analyzed after this batch or a later one';

CREATE OR REPLACE FUNCTION millrace.bench_run_next_after_load(run text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    -- A statement of its own: on a cluster, a statement that reads tables cannot call a function that does.
    variants text[] := ARRAY(SELECT v.name FROM millrace.bench_usable_variants() v WHERE v.after_load IS NOT NULL);
    due record;
    statement text;
    started timestamptz;
    finished timestamptz;
BEGIN
    SELECT b.target, b.variant, t.name, t.relation INTO due
    FROM millrace.bench_table b
    JOIN millrace.target t USING (run, target)
    WHERE b.run = bench_run_next_after_load.run AND b.after_load_ms IS NULL AND b.variant = ANY (variants)
    ORDER BY b.target
    LIMIT 1;
    IF due.variant IS NULL THEN
        RETURN false;
    END IF;
    statement := format((millrace.bench_get_variant(due.variant)).after_load, millrace.bench_target_table(due.name, due.relation));
    started := clock_timestamp();
    EXECUTE statement;
    finished := clock_timestamp();
    PERFORM millrace.bench_note_after_load(run, due.target, 1000 * date_part('epoch', finished - started), statement);
    -- It may have rewritten the table, which must not be refused for that from now on.
    PERFORM millrace.reopen_run(run, true, 1);
    RETURN true;
END
$$;
COMMENT ON FUNCTION millrace.bench_run_next_after_load(text) IS
'Runs and times a variant''s after_load on the next table of a benchmark''s run that lacks it; false if there is none';

CREATE OR REPLACE FUNCTION millrace.bench_phases(phase text, readers integer) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT ARRAY(
        SELECT p.phase || reading
        FROM unnest(CASE phase WHEN 'both' THEN '{noindex,index}' ELSE ARRAY[phase] END) WITH ORDINALITY AS p (phase, number),
             unnest(CASE WHEN readers > 0 THEN '{"",_read}' ELSE '{""}' END::text[]) AS r (reading)
        ORDER BY p.number, reading)
$$;
COMMENT ON FUNCTION millrace.bench_phases(text, integer) IS
'The phases of a benchmark: those asked for; with readers each of them twice, first without readers and then with them';

CREATE OR REPLACE FUNCTION millrace.bench_readers(phase text, readers integer) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT CASE WHEN phase LIKE '%\_read' OR readers < 0 THEN readers ELSE 0 END
$$;
COMMENT ON FUNCTION millrace.bench_readers(text, integer) IS 'How many processes read in a phase';

CREATE OR REPLACE FUNCTION millrace.bench_pace(options jsonb, rate double precision, duration interval) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    IF rate IS NOT NULL AND options ? 'rate' OR duration IS NOT NULL AND options ? 'duration' THEN
        PERFORM millrace.bench_refuse_argument('options', options::text, 'Give rate and duration once, as arguments or as options.');
    ELSIF rate <= 0 OR rate IN ('Infinity', 'NaN') THEN
        PERFORM millrace.bench_refuse_argument('rate', rate::text, 'The rate is a number of rows per second greater than 0.');
    END IF;
    RETURN options || jsonb_strip_nulls(jsonb_build_object('rate', rate, 'duration', date_part('epoch', duration)));
END
$$;
COMMENT ON FUNCTION millrace.bench_pace(jsonb, double precision, interval) IS 'Options of a run, with the rate and the duration that were given as arguments added';

CREATE OR REPLACE PROCEDURE stream_bench(
    source text DEFAULT 'cdr',
    rows bigint DEFAULT 1000000,
    batch_rows integer DEFAULT 100000,
    variants text[] DEFAULT NULL,
    phase text DEFAULT 'both',
    schema text DEFAULT 'bench',
    workers integer DEFAULT 1,
    options jsonb DEFAULT '{}',
    analyze_every integer DEFAULT NULL,
    run text DEFAULT 'bench',
    rate double precision DEFAULT NULL,
    duration interval DEFAULT NULL,
    readers integer DEFAULT 0
) LANGUAGE plpgsql AS $$
DECLARE
    phases text[];
    opened text;
    batches bigint;
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_bench');
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.bench_open(source, rows, batch_rows, variants, phase, schema, options, analyze_every, run);
    phases := millrace.bench_phases(phase, readers);
    options := millrace.bench_pace(options, rate, duration);
    FOREACH phase IN ARRAY phases LOOP
        opened := millrace.bench_open_phase(run, phase, workers, options);
        CALL millrace.ingest(opened, workers, analyze_every, millrace.bench_readers(phase, readers));
        PERFORM millrace.check_cancelled();
        SELECT r.batches INTO batches FROM millrace.run r WHERE r.name OPERATOR(pg_catalog.=) opened;
        -- It was stopped on request; the same call resumes it.
        EXIT WHEN millrace.is_finished(opened) IS NOT TRUE;
        WHILE millrace.bench_run_next_after_load(opened) LOOP
            COMMIT AND CHAIN;
            PERFORM millrace.check_cancelled();
        END LOOP;
        PERFORM millrace.bench_analyze_targets(opened, batches);
        COMMIT AND CHAIN;
        PERFORM millrace.check_cancelled();
        WHILE millrace.bench_run_next_query(opened) LOOP
            COMMIT AND CHAIN;
            PERFORM millrace.check_cancelled();
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE stream_bench(text, bigint, integer, text[], text, text, integer, jsonb, integer, text, double precision, interval, integer) IS
'Loads the same rows into tables of several variants, without indexes and with them, and times queries on each. rate: rows per second that arrive, whether the tables keep up or not; without it, as fast as possible. duration: how long each phase lasts; rows => null: no end until stream_stop(). readers: repeats each phase while this many processes run the queries. Run the same call again to resume after a cancel or a crash';

CREATE OR REPLACE FUNCTION stream_bench_drop(run text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    bench millrace.bench := millrace.bench_get(run);
    bench_table record;
BEGIN
    PERFORM millrace.bench_check_owner(bench);
    FOR bench_table IN
        SELECT t.run, t.target, to_regclass(t.target) AS "table", t.position
        FROM @extschema@.stream_bench_tables t WHERE t.bench = bench.name
    LOOP
        -- Since PostgreSQL 16 to_regclass() is null for an invalid name, too; parse_ident() raises an error for it.
        PERFORM parse_ident(bench_table.target);
        IF bench_table.position = 1 THEN
            PERFORM @extschema@.stream_drop(bench_table.run);
        END IF;
        -- The benchmark's owner can rename any table to that name, so only the owner's own tables are dropped.
        IF EXISTS (SELECT FROM pg_class c WHERE c.oid = bench_table."table" AND c.relowner = millrace.role_of(bench.owner)) THEN
            EXECUTE format('DROP TABLE %s', bench_table."table");
        END IF;
    END LOOP;
    PERFORM millrace.bench_delete(bench.name);
END
$$;

CREATE OR REPLACE VIEW stream_bench_tables AS
SELECT b.bench, b.phase, b.run, b.target AS position, b.variant, t.name AS target, b.definition, b.after_load_ms
FROM millrace.bench_table b JOIN millrace.target t USING (run, target);
COMMENT ON COLUMN stream_bench_tables.phase IS 'noindex or index; with readers noindex_read or index_read';
COMMENT ON COLUMN stream_bench_tables.definition IS 'The statements that created it, one per line';
COMMENT ON COLUMN stream_bench_tables.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none, or it has not run yet';
COMMENT ON COLUMN stream_queries.phase IS 'noindex or index; with readers noindex_read or index_read';
COMMENT ON COLUMN stream_queries.attempt IS 'Number of the attempt on this table, from 1';
COMMENT ON COLUMN stream_queries.cold IS 'Whether it was the first attempt on this table; caches are not flushed before it';
COMMENT ON COLUMN stream_queries.same IS 'Whether the result equals the baseline''s first result';
GRANT SELECT ON stream_bench_tables, stream_bench_skipped, stream_queries TO PUBLIC;

CREATE OR REPLACE FUNCTION millrace.percentiles(
    histograms bytea[],
    OUT count bigint, OUT p50 double precision, OUT p95 double precision, OUT p99 double precision,
    OUT p999 double precision, OUT max double precision
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'percentiles_wrapper';
COMMENT ON FUNCTION millrace.percentiles(bytea[]) IS
'What histograms of table millrace.reading say together: how many things were measured, and percentiles in milliseconds';

CREATE OR REPLACE FUNCTION millrace.bench_reader_query(
    run text, rows bigint, reader integer, number bigint, OUT target integer, OUT query text, OUT statement text
) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    due record;
    sampled constant bigint := 1000;
    draw bigint;
    arguments text[];
    questions bigint;
BEGIN
    SELECT count(*) INTO questions
    FROM millrace.run r JOIN millrace.target t ON t.run = r.name, millrace.bench_queries(r.source) q
    WHERE r.name = bench_reader_query.run;
    SELECT t.target, t.name, t.relation, q.query, q.statement, b.arguments, r.source, r.options INTO due
    FROM millrace.run r
    JOIN millrace.target t ON t.run = r.name
    JOIN millrace.bench_sources() b ON b.source = r.source,
    millrace.bench_queries(r.source) q
    WHERE r.name = bench_reader_query.run
    ORDER BY q.number, t.target
    -- Each reader begins elsewhere, and then takes them in turn.
    OFFSET (reader + bench_reader_query.number) % greatest(questions, 1) LIMIT 1;
    IF due.query IS NULL THEN
        RETURN;
    END IF;
    draw := hashtextextended(concat_ws('/', due.options ->> 'seed', reader, bench_reader_query.number), 0) & 9223372036854775807;
    EXECUTE format('SELECT %s FROM %s', due.arguments,
                   millrace.bench_rows(due.source, due.options, draw % greatest(rows - sampled, 1), least(sampled, rows))) INTO arguments;
    target := due.target;
    query := due.query;
    statement := format(due.statement, VARIADIC millrace.bench_target_table(due.name, due.relation)::text || arguments);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION millrace.bench_reader_query(text, bigint, integer, bigint) IS
'The query that a reader runs next on a benchmark''s run that has this many rows: its table, its name and its text, with constants drawn from rows that are there, by the run''s seed and the numbers of the reader and of the query';

CREATE OR REPLACE FUNCTION millrace.count_checkpoints() RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    checkpoints bigint;
BEGIN
    -- PostgreSQL 17 gave them a view of their own.
    IF current_setting('server_version_num')::integer >= 170000 THEN
        EXECUTE 'SELECT num_timed + num_requested FROM pg_stat_checkpointer' INTO checkpoints;
    ELSE
        EXECUTE 'SELECT checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter' INTO checkpoints;
    END IF;
    RETURN checkpoints;
END
$$;
COMMENT ON FUNCTION millrace.count_checkpoints() IS 'Checkpoints that the server has begun since its statistics were reset';

CREATE OR REPLACE FUNCTION millrace.observe_sizes(leaves oid[], OUT table_bytes bigint, OUT index_bytes bigint) RETURNS record
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET lock_timeout TO '20ms' AS $$
DECLARE
    leaf oid;
BEGIN
    table_bytes := 0;
    index_bytes := 0;
    FOREACH leaf IN ARRAY leaves LOOP
        table_bytes := table_bytes + pg_table_size(leaf);
        index_bytes := index_bytes + pg_indexes_size(leaf);
    END LOOP;
EXCEPTION WHEN lock_not_available THEN
    -- An observer must not wait for what it observes.
    table_bytes := NULL;
    index_bytes := NULL;
END
$$;
COMMENT ON FUNCTION millrace.observe_sizes(oid[]) IS
'Bytes of tables without indexes, and of their indexes; null while a lock keeps them from being looked at';

CREATE OR REPLACE FUNCTION millrace.observe(
    leaves oid[],
    OUT checkpoints bigint, OUT wal_bytes bigint, OUT autovacuums integer, OUT lock_waits integer,
    OUT table_bytes bigint, OUT index_bytes bigint
) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    checkpoints := millrace.count_checkpoints();
    wal_bytes := pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0');
    SELECT count(*) FILTER (WHERE a.backend_type = 'autovacuum worker'), count(*) FILTER (WHERE a.wait_event_type = 'Lock')
    INTO autovacuums, lock_waits
    FROM pg_stat_activity a WHERE a.datname = current_database();
    SELECT s.table_bytes, s.index_bytes INTO table_bytes, index_bytes FROM millrace.observe_sizes(leaves) s;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION millrace.observe(oid[]) IS 'What table millrace.moment notes of the server, now';

CREATE OR REPLACE VIEW stream_moments AS
SELECT m.run, m.at, m.rows,
       round((m.rows - lag(m.rows) OVER run) / date_part('epoch', m.at - lag(m.at) OVER run))::bigint AS rows_per_second,
       m.backlog_rows,
       m.checkpoints - lag(m.checkpoints) OVER run AS checkpoints,
       m.wal_bytes - lag(m.wal_bytes) OVER run AS wal_bytes,
       m.autovacuums, m.lock_waits, m.table_bytes, m.index_bytes
FROM millrace.moment m
-- What happened between two calls is no matter of either.
WINDOW run AS (
    PARTITION BY m.run, (SELECT max(s.begun) FROM millrace.session s WHERE s.run = m.run AND s.begun <= m.at) ORDER BY m.at);
COMMENT ON VIEW stream_moments IS
'What happened in the server while benchmarks with a rate or with readers were ingested, second by second';
COMMENT ON COLUMN stream_moments.run IS 'The run';
COMMENT ON COLUMN stream_moments.at IS 'When the server was observed';
COMMENT ON COLUMN stream_moments.rows IS 'Rows that the run had committed';
COMMENT ON COLUMN stream_moments.rows_per_second IS 'Rows that it had committed since the row before, per second';
COMMENT ON COLUMN stream_moments.backlog_rows IS 'Rows that had arrived and were not committed; null without a rate, and after the last batch';
COMMENT ON COLUMN stream_moments.checkpoints IS 'Checkpoints begun since the row before';
COMMENT ON COLUMN stream_moments.wal_bytes IS 'Bytes of WAL that the server wrote since the row before';
COMMENT ON COLUMN stream_moments.autovacuums IS 'Running autovacuum workers that the caller of the run may see';
COMMENT ON COLUMN stream_moments.lock_waits IS 'Sessions that waited for a lock, as far as the caller may see them';
COMMENT ON COLUMN stream_moments.table_bytes IS 'Size of the run''s tables without indexes; null if a lock prevented measuring it';
COMMENT ON COLUMN stream_moments.index_bytes IS 'Size of their indexes; null if a lock prevented measuring it';
GRANT SELECT ON stream_moments TO PUBLIC;

CREATE OR REPLACE FUNCTION stream_readers(
    run text,
    OUT name text, OUT variant text, OUT query text, OUT streaming boolean, OUT count bigint,
    OUT p50_ms numeric, OUT p95_ms numeric, OUT p99_ms numeric, OUT p999_ms numeric, OUT max_ms numeric,
    OUT fresh_p50_ms numeric, OUT fresh_p99_ms numeric, OUT fresh_max_ms numeric
) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 20 SET search_path TO pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    measured record;
BEGIN
    FOR measured IN
        SELECT b.run, b.variant, b.target, r.query, r.streaming,
               array_agg(r.latency) AS latency, array_agg(r.freshness) AS freshness
        FROM millrace.bench_table b JOIN millrace.reading r USING (run, target)
        WHERE stream_readers.run IN (b.run, b.bench)
        GROUP BY b.run, b.variant, b.target, r.query, r.streaming
        ORDER BY b.run LIKE '%/index%', b.run, b.target, r.query, r.streaming DESC
    LOOP
        RETURN QUERY
        SELECT measured.run, measured.variant, measured.query, measured.streaming, l.count,
               round(l.p50::numeric, 3), round(l.p95::numeric, 3), round(l.p99::numeric, 3), round(l.p999::numeric, 3),
               round(l.max::numeric, 3),
               round(f.p50::numeric, 3), round(f.p99::numeric, 3), round(f.max::numeric, 3)
        FROM millrace.percentiles(measured.latency) l, millrace.percentiles(measured.freshness) f;
    END LOOP;
END
$$;
COMMENT ON FUNCTION stream_readers(text) IS
'How long a benchmark''s queries took, by percentile, while rows arrived (streaming) and right after the last, with readers alone; one row per run, variant and query. fresh: the age of the newest row that a query could see when its answer was there, since its batch was due, or without a rate since it was inserted';

CREATE OR REPLACE FUNCTION millrace.rate_insert(name text, parameters jsonb) RETURNS boolean
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'rate_insert_wrapper';
COMMENT ON FUNCTION millrace.rate_insert(text, jsonb) IS
'Notes a new search of the caller''s; false if there is one of that name';

CREATE OR REPLACE FUNCTION millrace.rate_note_step(
    search text, phase text, variant text, step integer, rate double precision, measured jsonb, sustained boolean
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'rate_note_step_wrapper';
COMMENT ON FUNCTION millrace.rate_note_step(text, text, text, integer, double precision, jsonb, boolean) IS
'Notes a step of a search of the caller''s';

CREATE OR REPLACE FUNCTION millrace.rate_delete(search text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'rate_delete_wrapper';
COMMENT ON FUNCTION millrace.rate_delete(text) IS 'Deletes a search of the caller''s';

CREATE OR REPLACE FUNCTION millrace.rate_open(run text, parameters jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    existing millrace.rate_search;
    wrong record;
BEGIN
    IF coalesce(run, '') = '' THEN
        PERFORM millrace.bench_refuse_argument('run', run, 'Name the search.');
    END IF;
    FOR wrong IN
        SELECT * FROM (VALUES
            ('start_rate', (parameters ->> 'start_rate')::float8 BETWEEN 1 AND 1e12, 'The first rate is from 1 to 10^12 rows per second.'),
            ('seconds', (parameters ->> 'seconds')::float8 BETWEEN 1 AND 86400, 'A step takes from 1 to 86400 seconds.'),
            ('max_p99', (parameters ->> 'max_p99')::float8 > 0, 'The bound on the 99th percentile of latency is a positive interval.'),
            ('phase', parameters ->> 'phase' IN ('noindex', 'index', 'both'), 'A phase is noindex, index, or both.'),
            ('variants', parameters -> 'variants' <> '[]', 'Name at least one, or leave them out for all that the server has.'),
            ('tolerance', (parameters ->> 'tolerance')::float8 BETWEEN 0.001 AND 1, 'The search ends within this share of the rate, from 0.001 to 1.')
        ) AS c (name, is_right, hint)
        WHERE c.is_right IS NOT TRUE
    LOOP
        PERFORM millrace.bench_refuse_argument(wrong.name, parameters ->> wrong.name, wrong.hint);
    END LOOP;
    IF millrace.rate_insert(run, parameters) THEN
        IF EXISTS (SELECT FROM millrace.bench b WHERE b.name = run) THEN
            RAISE duplicate_object USING MESSAGE = format('there is a benchmark "%s"', run),
                HINT = 'The steps of a search are benchmarks of its name: give another run name.';
        END IF;
        RETURN;
    END IF;
    SELECT * INTO existing FROM millrace.rate_search s WHERE s.name = run;
    IF millrace.role_of(existing.owner) IS DISTINCT FROM (SELECT oid FROM pg_roles WHERE rolname = current_user) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of search "%s"', run),
            HINT = format('Call as role "%s", or give another run name.', millrace.role_name(existing.owner));
    END IF;
    PERFORM millrace.bench_refuse_differences(
        existing.parameters, parameters, format('search "%s" was begun with other parameters', run),
        'Forget it with stream_rate_drop(), or give another run name.');
END
$$;
COMMENT ON FUNCTION millrace.rate_open(text, jsonb) IS 'Checks the arguments of stream_rate, and begins a search or finds it';

CREATE OR REPLACE VIEW stream_rates AS
WITH bounds AS (
    SELECT s.search, s.phase, s.variant,
           max(s.rate) FILTER (WHERE s.sustained) AS sustained, min(s.rate) FILTER (WHERE NOT s.sustained) AS too_high,
           count(*) AS steps
    FROM millrace.rate_step s GROUP BY s.search, s.phase, s.variant
)
SELECT b.search, b.phase, b.variant, b.sustained AS rows_per_second, b.too_high, b.steps,
       -- As millrace.rate_next() ends.
       coalesce(b.too_high <= b.sustained * (1 + (r.parameters ->> 'tolerance')::float8), false) OR coalesce(b.too_high <= 1, false) AS done
FROM bounds b JOIN millrace.rate_search r ON r.name = b.search;
COMMENT ON VIEW stream_rates IS 'The highest rate that each variant sustained, as far as stream_rate has searched';
COMMENT ON COLUMN stream_rates.search IS 'The search';
COMMENT ON COLUMN stream_rates.phase IS 'noindex or index';
COMMENT ON COLUMN stream_rates.variant IS 'The variant''s name';
COMMENT ON COLUMN stream_rates.rows_per_second IS 'The highest rate that was sustained; null if none was so far';
COMMENT ON COLUMN stream_rates.too_high IS 'The lowest rate that was not; null if all were so far';
COMMENT ON COLUMN stream_rates.steps IS 'How many rates were tried';
COMMENT ON COLUMN stream_rates.done IS 'Whether the two are as near to each other as was asked for';

CREATE OR REPLACE VIEW stream_rate_steps AS
SELECT s.search, s.phase, s.variant, s.step, s.rate, s.sustained,
       (s.measured ->> 'rows')::bigint AS rows, (s.measured ->> 'rows_offered')::bigint AS rows_offered,
       (s.measured ->> 'rows_per_second')::bigint AS rows_per_second,
       (s.measured ->> 'p50_ms')::numeric AS p50_ms, (s.measured ->> 'p95_ms')::numeric AS p95_ms,
       (s.measured ->> 'p99_ms')::numeric AS p99_ms, (s.measured ->> 'p999_ms')::numeric AS p999_ms,
       (s.measured ->> 'max_ms')::numeric AS max_ms, s.finished
FROM millrace.rate_step s;
COMMENT ON VIEW stream_rate_steps IS 'The rates that stream_rate has tried, one row per step';
COMMENT ON COLUMN stream_rate_steps.search IS 'The search';
COMMENT ON COLUMN stream_rate_steps.phase IS 'noindex or index';
COMMENT ON COLUMN stream_rate_steps.variant IS 'The variant''s name';
COMMENT ON COLUMN stream_rate_steps.step IS 'Number of the step for this phase and variant, from 1';
COMMENT ON COLUMN stream_rate_steps.rate IS 'Rows per second that were offered';
COMMENT ON COLUMN stream_rate_steps.sustained IS 'Whether the table kept up, and p99 was within the bound';
COMMENT ON COLUMN stream_rate_steps.rows IS 'Rows that were committed';
COMMENT ON COLUMN stream_rate_steps.rows_offered IS 'Rows that had arrived by the end';
COMMENT ON COLUMN stream_rate_steps.rows_per_second IS 'Rows that were committed, per second';
COMMENT ON COLUMN stream_rate_steps.p50_ms IS 'Median latency of its batches, in milliseconds';
COMMENT ON COLUMN stream_rate_steps.p95_ms IS 'Its 95th percentile';
COMMENT ON COLUMN stream_rate_steps.p99_ms IS 'Its 99th percentile';
COMMENT ON COLUMN stream_rate_steps.p999_ms IS 'Its 99.9th percentile';
COMMENT ON COLUMN stream_rate_steps.max_ms IS 'The longest latency of a batch';
COMMENT ON COLUMN stream_rate_steps.finished IS 'When the step was done';
GRANT SELECT ON stream_rates, stream_rate_steps TO PUBLIC;

CREATE OR REPLACE FUNCTION millrace.rate_next(run text, phases text[], variants text[], OUT phase text, OUT variant text, OUT step integer, OUT rate double precision)
RETURNS record
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    start_rate float8 := (SELECT (s.parameters ->> 'start_rate')::float8 FROM millrace.rate_search s WHERE s.name = run);
    found record;
BEGIN
    -- A variant whose rate is found gives way to the next.
    SELECT p.phase, v.variant, r.rows_per_second AS low, r.too_high AS high, coalesce(r.steps, 0) AS steps INTO found
    FROM unnest(phases) WITH ORDINALITY AS p (phase, number)
    CROSS JOIN unnest(variants) WITH ORDINALITY AS v (variant, number)
    LEFT JOIN @extschema@.stream_rates r ON r.search = run AND r.phase = p.phase AND r.variant = v.variant
    WHERE r.done IS NOT TRUE
    ORDER BY p.number, v.number LIMIT 1;
    IF found.phase IS NULL THEN
        RETURN;
    END IF;
    phase := found.phase;
    variant := found.variant;
    step := found.steps + 1;
    rate := round(CASE
        WHEN found.low IS NULL AND found.high IS NULL THEN start_rate
        WHEN found.high IS NULL THEN found.low * 2
        WHEN found.low IS NULL THEN greatest(found.high / 2, 1)
        ELSE (found.low + found.high) / 2
    END);
END
$$;
COMMENT ON FUNCTION millrace.rate_next(text, text[], text[]) IS
'The next step of a search: twice the highest rate that was sustained, half the lowest that was not, or between the two; null after the last';

CREATE OR REPLACE FUNCTION millrace.rate_variants(source text, variants text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT coalesce(variants, ARRAY(
        SELECT v.name FROM millrace.bench_usable_variants() v
        WHERE millrace.bench_why_skipped(v.engine, v.access_method, v.source, rate_variants.source) IS NULL
        ORDER BY v.position, v.name))
$$;
COMMENT ON FUNCTION millrace.rate_variants(text, text[]) IS 'The variants that a search measures one after another: those named, or all that the server has';

CREATE OR REPLACE FUNCTION millrace.rate_end_step(
    run text, opened text, phase text, variant text, step integer, rate double precision, max_p99 interval
) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    measured record;
    holds boolean;
BEGIN
    SELECT * INTO measured FROM @extschema@.stream_latency(opened);
    holds := coalesce(measured.sustained AND measured.p99_ms <= 1000 * date_part('epoch', max_p99), false);
    PERFORM millrace.rate_note_step(run, phase, variant, step, rate, to_jsonb(measured), holds);
    PERFORM @extschema@.stream_bench_drop(run);
    RAISE NOTICE '% %: % rows/s %, p50 % ms, p99 % ms', phase, variant, rate,
        CASE WHEN holds THEN 'sustained' ELSE 'not sustained' END, measured.p50_ms, measured.p99_ms;
END
$$;
COMMENT ON FUNCTION millrace.rate_end_step(text, text, text, text, integer, double precision, interval) IS
'Notes a step of a search, whose run is finished, and drops its table';

CREATE OR REPLACE PROCEDURE stream_rate(
    source text DEFAULT 'cdr',
    start_rate double precision DEFAULT 10000,
    seconds double precision DEFAULT 10,
    max_p99 interval DEFAULT '1 s',
    batch_rows integer DEFAULT 1000,
    variants text[] DEFAULT NULL,
    phase text DEFAULT 'both',
    schema text DEFAULT 'rate',
    workers integer DEFAULT 1,
    options jsonb DEFAULT '{}',
    readers integer DEFAULT 0,
    tolerance double precision DEFAULT 0.1,
    run text DEFAULT 'rate'
) LANGUAGE plpgsql AS $$
DECLARE
    wanted text[];
    next record;
    opened text;
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_rate');
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.rate_open(run, pg_catalog.jsonb_build_object(
        'source', source, 'start_rate', start_rate, 'seconds', seconds, 'max_p99', pg_catalog.date_part('epoch', max_p99), 'batch_rows', batch_rows,
        'variants', variants, 'phase', phase, 'schema', schema, 'workers', workers, 'options', options,
        'readers', readers, 'tolerance', tolerance));
    wanted := millrace.rate_variants(source, variants);
    LOOP
        -- What an interrupted step left is of no use: a gap would be in the middle of what it measures.
        IF EXISTS (SELECT FROM millrace.bench b WHERE b.name OPERATOR(pg_catalog.=) run) THEN
            PERFORM @extschema@.stream_bench_drop(run);
        END IF;
        next := millrace.rate_next(run, millrace.bench_phases(phase, 0), wanted);
        EXIT WHEN next.rate IS NULL;
        PERFORM millrace.bench_open(source, NULL, batch_rows, ARRAY[next.variant], next.phase, schema, options, NULL, run);
        opened := millrace.bench_open_phase(
            run, next.phase, workers, millrace.bench_pace(options, next.rate, pg_catalog.make_interval(secs => seconds)));
        CALL millrace.ingest(opened, workers, NULL, readers);
        PERFORM millrace.check_cancelled();
        -- Stopped on request: the same call repeats this step.
        EXIT WHEN millrace.is_finished(opened) IS NOT TRUE;
        PERFORM millrace.rate_end_step(run, opened, next.phase, next.variant, next.step, next.rate, max_p99);
        COMMIT AND CHAIN;
        PERFORM millrace.check_cancelled();
    END LOOP;
END
$$;
COMMENT ON PROCEDURE stream_rate(text, double precision, double precision, interval, integer, text[], text, text, integer, jsonb, integer, double precision, text) IS
'Finds the highest rate of rows per second that each variant sustains by itself. Each step loads a new table for this many seconds: from start_rate on, doubling and halving, until the highest rate that was sustained and the lowest that was not are within tolerance. A rate is sustained if the table keeps up and the 99th percentile of latency is at most max_p99. Results are in stream_rates and stream_rate_steps. Run the same call again to resume after a cancel or a crash';

CREATE OR REPLACE FUNCTION stream_rate_drop(run text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    IF run IS NULL THEN
        PERFORM millrace.bench_refuse_argument('run', NULL, NULL);
    ELSIF NOT EXISTS (SELECT FROM millrace.rate_search s WHERE s.name = run) THEN
        RAISE undefined_object USING MESSAGE = format('search "%s" does not exist', run),
            HINT = 'Table millrace.rate_search lists them; CALL stream_rate() begins one.';
    END IF;
    PERFORM millrace.rate_delete(run);
    IF EXISTS (SELECT FROM millrace.bench b WHERE b.name = run) THEN
        PERFORM @extschema@.stream_bench_drop(run);
    END IF;
END
$$;
COMMENT ON FUNCTION stream_rate_drop(text) IS 'Forgets a search that is not running; the schema of its tables stays';

CREATE OR REPLACE FUNCTION millrace.bench_text_bytes_per_row(run text) RETURNS numeric
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    bytes numeric;
BEGIN
    EXECUTE format('SELECT avg(octet_length(s::text)) FROM %s s', millrace.bench_sample(run)) INTO bytes;
    RETURN bytes;
END
$$;
COMMENT ON FUNCTION millrace.bench_text_bytes_per_row(text) IS 'Mean length of a row of a benchmark''s run as text, from a sample';

CREATE OR REPLACE FUNCTION stream_gates(
    run text,
    min_throughput double precision DEFAULT 0.5, max_size double precision DEFAULT 1.5,
    min_compression double precision DEFAULT 0.5, max_index_overhead double precision DEFAULT 20,
    max_p99 interval DEFAULT '1 s', min_rate double precision DEFAULT 0.95,
    OUT gate text, OUT phase text, OUT variant text, OUT figure numeric, OUT comparison text, OUT bound numeric,
    OUT pass boolean, OUT detail text
) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
#variable_conflict use_column
DECLARE
    bench millrace.bench := millrace.bench_get(run);
    -- Statements of their own: on a cluster a statement that reads tables cannot call these functions.
    reports jsonb := (SELECT jsonb_agg(to_jsonb(r)) FROM @extschema@.stream_report(bench.name) r);
    late jsonb := (SELECT jsonb_agg(to_jsonb(l)) FROM @extschema@.stream_latency(bench.name) l);
    verified jsonb := '[]';
    text_bytes jsonb := '{}';
    phase_run text;
BEGIN
    FOR phase_run IN SELECT DISTINCT b.run FROM @extschema@.stream_bench_tables b WHERE b.bench = bench.name LOOP
        verified := verified || (SELECT jsonb_agg(to_jsonb(v)) FROM @extschema@.stream_verify(phase_run) v);
        text_bytes := text_bytes || jsonb_build_object(phase_run, millrace.bench_text_bytes_per_row(phase_run));
    END LOOP;
    RETURN QUERY
    WITH loaded AS (
        SELECT target, b.phase, b.run, b.position, b.variant, r.batches, r.insert_rows_per_second, r.ratio, r.size_bytes,
               w.batches AS batches_wanted,
               (text_bytes ->> b.run)::numeric * r.rows / nullif(r.table_bytes, 0) AS compression
        FROM @extschema@.stream_bench_tables b
        JOIN millrace.run w ON w.name = b.run
        JOIN jsonb_to_recordset(reports) AS r (
            target text, batches bigint, rows bigint, insert_rows_per_second bigint, ratio numeric, size_bytes bigint,
            table_bytes bigint) USING (target)
        WHERE b.bench = bench.name
    ), queried AS (
        SELECT q.target, count(*) FILTER (WHERE NOT q.same) AS different, count(DISTINCT q.query) AS queries
        FROM @extschema@.stream_queries q WHERE q.bench = bench.name GROUP BY q.target
    ), compared AS (
        SELECT l.*, first_value(l.size_bytes) OVER baseline AS baseline_bytes,
               first_value(l.compression) OVER baseline AS baseline_compression
        FROM loaded l WINDOW baseline AS (PARTITION BY l.run ORDER BY l.position)
    ), gates AS (
        SELECT 1 AS number, 'content' AS gate, l.phase, l.variant, l.position, v.rows_found::numeric AS figure,
               '=' AS comparison, v.rows_expected::numeric AS bound, v.matches AND l.batches = l.batches_wanted AS pass,
               CASE WHEN l.batches < l.batches_wanted
                    THEN format('%s of %s batches are there', l.batches, l.batches_wanted)
                    ELSE coalesce(v.detail, 'the rows are those of the source') END AS detail
        FROM loaded l
        JOIN jsonb_to_recordset(verified) AS v (
            target text, rows_expected bigint, rows_found bigint, matches boolean, detail text) USING (target)
        UNION ALL
        SELECT 2, 'queries', l.phase, l.variant, l.position, coalesce(q.different, 0), '=', 0, NULL,
               format('results that differ from the baseline''s, of %s queries', coalesce(q.queries, 0))
        FROM loaded l LEFT JOIN queried q USING (target)
        UNION ALL
        SELECT 3, 'throughput', l.phase, l.variant, l.position, l.ratio, '>=', min_throughput::numeric, NULL,
               format('%s rows/s inserted, divided by the baseline''s', l.insert_rows_per_second)
        FROM loaded l
        UNION ALL
        SELECT 4, 'size', c.phase, c.variant, c.position, round(c.size_bytes::numeric / nullif(c.baseline_bytes, 0), 3),
               '<=', max_size::numeric, NULL, format('%s bytes with indexes, divided by the baseline''s', c.size_bytes)
        FROM compared c
        UNION ALL
        SELECT 5, 'compression', c.phase, c.variant, c.position, round(c.compression, 3),
               '>=', round(min_compression::numeric * c.baseline_compression, 3), NULL,
               'size of the rows as text, divided by the table''s without indexes'
        FROM compared c
        UNION ALL
        SELECT 6, 'index overhead', i.phase, i.variant, i.position,
               round(n.insert_rows_per_second::numeric / nullif(i.insert_rows_per_second, 0), 3),
               '<=', max_index_overhead::numeric, NULL,
               format('%s rows/s inserted without indexes, %s with', n.insert_rows_per_second, i.insert_rows_per_second)
        FROM loaded n JOIN loaded i ON i.variant = n.variant AND n.phase = 'noindex' AND i.phase = 'index'
        UNION ALL
        SELECT 7, 'rate', l.phase, NULL, 0, round(d.rows / nullif(d.rows + d.backlog_rows, 0)::numeric, 3), '>=',
               min_rate::numeric, NULL,
               format('share committed of the %s rows that had arrived by the last commit, at %s rows/s', d.rows + d.backlog_rows, d.rate)
        FROM jsonb_to_recordset(late) AS d (name text, rate float8, rows bigint, backlog_rows bigint)
        JOIN (SELECT DISTINCT l.run, l.phase FROM loaded l) l ON l.run = d.name
        WHERE d.rate IS NOT NULL
        UNION ALL
        SELECT 8, 'latency', l.phase, NULL, 0, d.p99_ms, '<=', (1000 * date_part('epoch', max_p99))::numeric, NULL,
               format('ms from the arrival of a batch''s last row to its commit, 99th percentile of %s batches', d.batches)
        FROM jsonb_to_recordset(late) AS d (name text, rate float8, batches bigint, p99_ms numeric)
        JOIN (SELECT DISTINCT l.run, l.phase FROM loaded l) l ON l.run = d.name
        WHERE d.rate IS NOT NULL
    )
    SELECT g.gate, g.phase, g.variant, g.figure, g.comparison, g.bound,
           -- A missing figure fails.
           coalesce(g.pass, CASE g.comparison WHEN '=' THEN g.figure = g.bound WHEN '>=' THEN g.figure >= g.bound
                                 ELSE g.figure <= g.bound END, false),
           g.detail
    FROM gates g
    ORDER BY g.number, g.phase LIKE 'index%', g.phase, g.position;
END
$$;
COMMENT ON FUNCTION stream_gates(text, double precision, double precision, double precision, double precision, interval, double precision) IS
'Checks a benchmark, one row per gate, phase and variant (for rate and latency one per phase): that all variants have the same rows and the same query results; insert speed, size and compression, divided by the first variant''s (min_throughput, max_size, min_compression); how many times slower inserting is with indexes (max_index_overhead); and where a rate was offered, the share of the arrived rows that was committed (min_rate), and latency (max_p99)';

CREATE OR REPLACE FUNCTION millrace.cluster_statements() RETURNS SETOF text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    WITH member AS (
        SELECT classid, objid FROM pg_depend
        WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
          AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'millrace')
    )
    SELECT statement FROM (
        -- Read once per plan, on the coordinator; the segments' catalogs may not have it.
        SELECT 1 AS step, 'CREATE OR REPLACE FUNCTION millrace.segments() RETURNS smallint '
            'LANGUAGE sql IMMUTABLE PARALLEL SAFE AS ''SELECT count(*)::smallint '
            'FROM pg_catalog.gp_segment_configuration WHERE role = ''''p'''' AND content >= 0''' AS statement
        UNION ALL
        -- Each segment has all of the ledger: any key can be primary, and joins move no rows.
        SELECT 2, format('ALTER TABLE %s SET DISTRIBUTED REPLICATED', oid::regclass)
        FROM pg_class JOIN member ON classid = 'pg_class'::regclass AND objid = oid
        WHERE relkind = 'r'
        UNION ALL
        -- Rows are made where they are stored.
        SELECT 3, format('ALTER FUNCTION %s EXECUTE ON ALL SEGMENTS', oid::regprocedure)
        FROM pg_proc JOIN member ON classid = 'pg_proc'::regclass AND objid = oid
        WHERE proretset AND 'segments' = ANY (proargnames)
        UNION ALL
        -- What reads tables or locks must do so for the whole cluster. SQL that is inlined runs where the statement does.
        SELECT 4, format('ALTER FUNCTION %s EXECUTE ON %s', p.oid::regprocedure, place.word)
        FROM (
            -- Greenplum has only the older word.
            SELECT upper(coalesce(min(word), 'coordinator')) AS word FROM pg_get_keywords() WHERE word IN ('coordinator', 'master')
        ) place, pg_proc p JOIN member ON classid = 'pg_proc'::regclass AND objid = p.oid
        JOIN pg_language l ON l.oid = prolang
        WHERE proretset AND provolatile <> 'i' AND 'segments' <> ALL (coalesce(proargnames, '{}'))
          AND NOT (lanname = 'sql' AND provolatile = 's' AND proconfig IS NULL)
          AND pronamespace <> coalesce(to_regnamespace('tests'), 0)
        UNION ALL
        -- The view calls a function for each run with unlogged targets, and on a cluster that function cannot read its table.
        -- Only a ledger that was dumped on PostgreSQL has such batches.
        SELECT 5, format('CREATE OR REPLACE VIEW millrace.batches AS SELECT %1$s FROM millrace.batch '
            'UNION ALL SELECT %1$s FROM millrace.batch_unlogged', string_agg(quote_ident(attname), ', ' ORDER BY attnum))
        FROM pg_attribute WHERE attrelid = 'millrace.batches'::regclass
    ) statements
    ORDER BY step, statement COLLATE "C"
$$;
COMMENT ON FUNCTION millrace.cluster_statements() IS
'What CREATE EXTENSION runs on the coordinator of an Apache Cloudberry cluster, in addition to what it runs on PostgreSQL';
DROP FUNCTION tpch_export(text, double precision, text, text, integer, integer, integer, jsonb);
DROP FUNCTION stream_export(text, text, text, integer, integer, integer, jsonb);
DROP FUNCTION millrace.is_owner(name);
DROP FUNCTION millrace.owns_run(text);
DROP FUNCTION millrace.running();
DROP FUNCTION millrace.close_run();
DROP FUNCTION millrace.start_workers(text, integer, bigint, bigint, double precision);
DROP FUNCTION millrace.next_batch();
DROP FUNCTION millrace.add_rows(bigint);
DROP FUNCTION millrace.stop_workers();
DROP FUNCTION millrace.wait_for_workers(double precision);
DROP FUNCTION millrace.ingest_batch(text, bigint);
DROP FUNCTION millrace.note_commit(text, bigint, double precision);
DROP FUNCTION millrace.first_missing_batch(text);
DROP FUNCTION millrace.progress_line(text, bigint, bigint, double precision);
DROP FUNCTION millrace.load_progress_line(text);
DROP FUNCTION millrace.stop_requested(text);
DROP PROCEDURE millrace.ingest(text, integer, integer);
DROP FUNCTION millrace.check_schema_exists(text);
DROP FUNCTION millrace.scale_of(text);
DROP FUNCTION millrace.check_load(double precision, text, text);
DROP FUNCTION millrace.has_table(text, text, regtype, text, boolean);
DROP FUNCTION millrace.check_loadable(text, text, double precision);
DROP FUNCTION millrace.create_table(text, text, text, boolean);
DROP FUNCTION millrace.prepare_load(double precision, text, text, integer, boolean, boolean);
DROP FUNCTION millrace.is_loaded(text);
DROP FUNCTION millrace.load_steps(text, boolean, boolean, boolean, boolean);
DROP FUNCTION millrace.run_step(text, text);
DROP FUNCTION millrace.refresh_orders(double precision, integer);
DROP FUNCTION millrace.column_list(regtype, text);
DROP FUNCTION millrace.refresh_insert(text, jsonb, bigint, bigint);
DROP FUNCTION millrace.refresh_delete(text, jsonb, bigint, bigint);
DROP FUNCTION millrace.check_refresh(text, integer, double precision);
DROP PROCEDURE tpch_refresh(text, integer, double precision);
DROP FUNCTION millrace.owns_bench(text);
DROP FUNCTION millrace.row_type(text);
DROP FUNCTION millrace.index_set(text);
DROP FUNCTION millrace.variant_statements(text, text, text, text);
DROP FUNCTION millrace.refuse_argument(text, text, text);
DROP FUNCTION millrace.get_bench(text);
DROP FUNCTION millrace.check_bench_owner(millrace.bench);
DROP FUNCTION millrace.choose_variants(text, text, text[]);
DROP FUNCTION millrace.open_bench(text, bigint, integer, text[], text, text, jsonb, integer, text);
DROP FUNCTION millrace.create_tables(millrace.bench, text);
DROP FUNCTION millrace.open_phase(text, text, integer, jsonb);
DROP FUNCTION millrace.analyze_targets(text, bigint);
DROP FUNCTION millrace.sample(text);
DROP FUNCTION millrace.queries(text);
DROP FUNCTION millrace.run_next_query(text);
DROP PROCEDURE stream_bench(text, bigint, integer, text[], text, text, integer, jsonb, integer, text);
DROP FUNCTION millrace.text_bytes_per_row(text);
DROP FUNCTION stream_gates(text, double precision, double precision, double precision, double precision);

DO $$
DECLARE
    statement text;
BEGIN
    IF pg_catalog.current_setting('gp_role', true) = 'dispatch' THEN
        -- All of them first, so that no query of this block is running while its functions are altered.
        FOREACH statement IN ARRAY ARRAY(SELECT millrace.cluster_statements()) LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
END
$$;
