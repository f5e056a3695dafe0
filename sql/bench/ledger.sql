-- The streaming benchmark: the same rows into tables stored in different ways, without indexes and with them.
-- Its phases are runs like any other (sql/runs).

CREATE TABLE millrace.variant (
    name text PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 40),
    position integer NOT NULL DEFAULT 1000,
    engine text NOT NULL DEFAULT 'postgresql' CHECK (engine IN ('postgresql', 'greenplum', 'cloudberry')),
    access_method text,
    create_suffix text,
    unlogged boolean NOT NULL DEFAULT false,
    partition_by text,
    partitions text[] CHECK ((partitions IS NULL) = (partition_by IS NULL) AND cardinality(partitions) BETWEEN 1 AND 1000),
    index_set text[],
    source text,
    about text NOT NULL DEFAULT '',
    owner millrace.role_then NOT NULL DEFAULT millrace.role_now(),
    after_load text
);
COMMENT ON TABLE millrace.variant IS
'Ways to store a table that users added for stream_bench to compare; view millrace.variants has those of the extension, too';
COMMENT ON COLUMN millrace.variant.name IS 'The variant''s name, which the names of its tables begin with; at most 40 bytes';
COMMENT ON COLUMN millrace.variant.position IS 'Its place in the order of loading; the first variant that the server supports is the baseline';
COMMENT ON COLUMN millrace.variant.engine IS
'What it needs: postgresql (any server will do), greenplum (Greenplum or Cloudberry), cloudberry';
COMMENT ON COLUMN millrace.variant.access_method IS 'Table access method, for USING; null for the server''s default';
COMMENT ON COLUMN millrace.variant.create_suffix IS
'The end of CREATE TABLE, such as WITH (fillfactor = 90). For a partitioned table it goes to the partitions, except DISTRIBUTED, which goes to the table itself. {minmax_columns: a, b} and {bloomfilter_columns: a, b} become the PAX option of that name, for those of the columns that it suits according to stream_columns(); if it suits none, the option is removed, with the comma before it. On a cluster DISTRIBUTED RANDOMLY is added if there is no DISTRIBUTED clause';
COMMENT ON COLUMN millrace.variant.unlogged IS 'Whether the table, or its partitions, are unlogged';
COMMENT ON COLUMN millrace.variant.partition_by IS 'What follows PARTITION BY; null for a table without partitions';
COMMENT ON COLUMN millrace.variant.partitions IS 'What follows PARTITION OF in each partition, such as FOR VALUES FROM (0) TO (1)';
COMMENT ON COLUMN millrace.variant.index_set IS
'What follows the table in CREATE INDEX, for each index of phase index; null for the source''s indexes. Qualify the names of your own functions and operator classes';
COMMENT ON COLUMN millrace.variant.source IS 'The source whose columns it names; null if it can hold any';
COMMENT ON COLUMN millrace.variant.about IS 'What it is';
COMMENT ON COLUMN millrace.variant.owner IS
'The role that added it; only that role can use it, because its texts become statements';
COMMENT ON COLUMN millrace.variant.after_load IS
'A statement to run on each table once it is loaded, as a template for format() whose argument is the table, such as CLUSTER %s; null for none';

CREATE TABLE millrace.bench (
    name text PRIMARY KEY CHECK (name <> ''),
    owner millrace.role_then NOT NULL,
    source text NOT NULL,
    rows bigint,
    batch_rows integer NOT NULL,
    options jsonb NOT NULL,
    schema text NOT NULL,
    analyze_every integer CHECK (analyze_every > 0),
    created timestamptz NOT NULL
);
COMMENT ON TABLE millrace.bench IS 'One row per benchmark of stream_bench: what it loads, which never changes';
COMMENT ON COLUMN millrace.bench.name IS 'The benchmark''s name; its phases are the runs name/noindex and name/index';
COMMENT ON COLUMN millrace.bench.owner IS 'The role that began it';
COMMENT ON COLUMN millrace.bench.source IS 'What it loads: cdr or iot';
COMMENT ON COLUMN millrace.bench.rows IS 'Rows per table; null: no limit';
COMMENT ON COLUMN millrace.bench.batch_rows IS 'Rows per batch, as asked for';
COMMENT ON COLUMN millrace.bench.options IS 'The source''s options and the profile; not those that may change from call to call: rate, duration and synchronous_commit';
COMMENT ON COLUMN millrace.bench.schema IS 'The schema of its tables';
COMMENT ON COLUMN millrace.bench.analyze_every IS 'After how many batches the tables are analyzed each time; null: only at the end of a phase';
COMMENT ON COLUMN millrace.bench.created IS 'When it was begun';

CREATE TABLE millrace.bench_variant (
    bench text NOT NULL,
    position integer NOT NULL,
    variant text NOT NULL,
    skipped text,
    PRIMARY KEY (bench, variant)
);
COMMENT ON TABLE millrace.bench_variant IS 'The variants a benchmark compares, and those it skips';
COMMENT ON COLUMN millrace.bench_variant.bench IS 'The benchmark';
COMMENT ON COLUMN millrace.bench_variant.position IS 'Their order; the first that is not skipped is the baseline';
COMMENT ON COLUMN millrace.bench_variant.variant IS 'The variant''s name';
COMMENT ON COLUMN millrace.bench_variant.skipped IS 'Why it is skipped; null if it is not';

-- Rows of a target are deleted when its run is dropped, by src/runs/ledger.rs.
CREATE TABLE millrace.bench_table (
    bench text NOT NULL,
    phase text NOT NULL,
    variant text NOT NULL,
    run text NOT NULL,
    target integer NOT NULL,
    definition text NOT NULL,
    after_load_ms double precision,
    PRIMARY KEY (run, target)
);
COMMENT ON TABLE millrace.bench_table IS 'The tables a benchmark made, one for each variant and phase';
COMMENT ON COLUMN millrace.bench_table.bench IS 'The benchmark';
COMMENT ON COLUMN millrace.bench_table.phase IS 'noindex or index; with readers noindex_read or index_read';
COMMENT ON COLUMN millrace.bench_table.variant IS 'The variant''s name';
COMMENT ON COLUMN millrace.bench_table.run IS 'The run that loads it';
COMMENT ON COLUMN millrace.bench_table.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.bench_table.definition IS 'The statements that created it, one per line';
COMMENT ON COLUMN millrace.bench_table.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none, or it has not run yet';

CREATE TABLE millrace.bench_analyze (
    run text NOT NULL,
    target integer NOT NULL,
    batch bigint NOT NULL,
    ms double precision NOT NULL,
    finished timestamptz NOT NULL,
    PRIMARY KEY (run, target, batch)
);
COMMENT ON TABLE millrace.bench_analyze IS 'Each ANALYZE of a benchmark''s tables';
COMMENT ON COLUMN millrace.bench_analyze.run IS 'The run that loads the table';
COMMENT ON COLUMN millrace.bench_analyze.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.bench_analyze.batch IS 'The batch it came after';
COMMENT ON COLUMN millrace.bench_analyze.ms IS 'Milliseconds it took';
COMMENT ON COLUMN millrace.bench_analyze.finished IS 'When it was done';

CREATE TABLE millrace.bench_query (
    run text NOT NULL,
    target integer NOT NULL,
    query text NOT NULL,
    attempt integer NOT NULL,
    ms double precision NOT NULL,
    rows bigint NOT NULL,
    hash numeric,
    statement text NOT NULL,
    finished timestamptz NOT NULL,
    PRIMARY KEY (run, target, query, attempt)
);
COMMENT ON TABLE millrace.bench_query IS 'Each query that a benchmark timed';
COMMENT ON COLUMN millrace.bench_query.run IS 'The run that loaded the table';
COMMENT ON COLUMN millrace.bench_query.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.bench_query.query IS 'The query''s name';
COMMENT ON COLUMN millrace.bench_query.attempt IS 'Number of the attempt on this table, from 1, which is the cold one';
COMMENT ON COLUMN millrace.bench_query.ms IS 'Milliseconds it took';
COMMENT ON COLUMN millrace.bench_query.rows IS 'Rows of its result';
COMMENT ON COLUMN millrace.bench_query.hash IS 'Sum of the hashes of its result''s rows';
COMMENT ON COLUMN millrace.bench_query.statement IS 'What was run';
COMMENT ON COLUMN millrace.bench_query.finished IS 'When it was done';

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

CREATE TABLE millrace.rate_search (
    name text PRIMARY KEY CHECK (name <> ''),
    owner millrace.role_then NOT NULL,
    parameters jsonb NOT NULL,
    created timestamptz NOT NULL
);
COMMENT ON TABLE millrace.rate_search IS 'One row per search of stream_rate: what it looks for, which never changes';
COMMENT ON COLUMN millrace.rate_search.name IS 'The search''s name; its steps are runs of the benchmark of this name';
COMMENT ON COLUMN millrace.rate_search.owner IS 'The role that began it';
COMMENT ON COLUMN millrace.rate_search.parameters IS 'The arguments of the call; max_p99 in seconds';
COMMENT ON COLUMN millrace.rate_search.created IS 'When it was begun';

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
COMMENT ON TABLE millrace.rate_step IS 'The rates that searches tried';
COMMENT ON COLUMN millrace.rate_step.search IS 'The search';
COMMENT ON COLUMN millrace.rate_step.phase IS 'noindex or index';
COMMENT ON COLUMN millrace.rate_step.variant IS 'The variant''s name';
COMMENT ON COLUMN millrace.rate_step.step IS 'Number of the step for this phase and variant, from 1';
COMMENT ON COLUMN millrace.rate_step.rate IS 'Rows per second offered';
COMMENT ON COLUMN millrace.rate_step.measured IS 'The step''s row of stream_latency()';
COMMENT ON COLUMN millrace.rate_step.sustained IS 'Whether the table kept up, and p99 was within the bound';
COMMENT ON COLUMN millrace.rate_step.finished IS 'When it was done';

SELECT pg_catalog.pg_extension_config_dump('millrace.variant', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_variant', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_table', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_analyze', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_query', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.reading', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.moment', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.rate_search', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.rate_step', '');

-- As with runs, everybody can read, and only C functions that check the caller's rights write (src/bench.rs).
-- Everybody can add variants, and drop their own with stream_variant_drop().
GRANT SELECT ON millrace.variant, millrace.bench, millrace.bench_variant, millrace.bench_table, millrace.bench_analyze,
    millrace.bench_query, millrace.reading, millrace.moment, millrace.rate_search, millrace.rate_step TO PUBLIC;
GRANT INSERT (name, position, engine, access_method, create_suffix, unlogged, partition_by, partitions, index_set, source,
    about, after_load) ON millrace.variant TO PUBLIC;

CREATE FUNCTION millrace.bench_insert(
    name text, source text, rows bigint, batch_rows integer, options jsonb, schema text, analyze_every integer
) RETURNS boolean
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_insert_wrapper';
COMMENT ON FUNCTION millrace.bench_insert(text, text, bigint, integer, jsonb, text, integer) IS
'Notes a new benchmark that the caller owns; false if there is one of that name';

CREATE FUNCTION millrace.bench_note_variant(bench text, place integer, variant text, skipped text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_variant_wrapper';
COMMENT ON FUNCTION millrace.bench_note_variant(text, integer, text, text) IS
'Notes a variant of one of the caller''s benchmarks';

CREATE FUNCTION millrace.bench_note_table(
    bench text, phase text, variant text, run text, target integer, definition text
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_table_wrapper';
COMMENT ON FUNCTION millrace.bench_note_table(text, text, text, text, integer, text) IS
'Notes a table of one of the caller''s benchmarks';

CREATE FUNCTION millrace.bench_note_analyze(
    run text, target integer, batch bigint, ms double precision, finished timestamptz
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_analyze_wrapper';
COMMENT ON FUNCTION millrace.bench_note_analyze(text, integer, bigint, double precision, timestamptz) IS
'Notes an ANALYZE of a table of one of the caller''s runs';

CREATE FUNCTION millrace.bench_note_after_load(run text, target integer, ms double precision, statement text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_after_load_wrapper';
COMMENT ON FUNCTION millrace.bench_note_after_load(text, integer, double precision, text) IS
'Notes that after_load has run on a table of one of the caller''s benchmarks, and how long it took';

CREATE FUNCTION millrace.bench_note_query(
    run text, target integer, query text, attempt integer, ms double precision, rows bigint, hash numeric, statement text,
    finished timestamptz
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_note_query_wrapper';
COMMENT ON FUNCTION millrace.bench_note_query(text, integer, text, integer, double precision, bigint, numeric, text, timestamptz) IS
'Notes a query that was timed on a table of one of the caller''s runs';

CREATE FUNCTION millrace.bench_delete(bench text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'bench_delete_wrapper';
COMMENT ON FUNCTION millrace.bench_delete(text) IS 'Forgets one of the caller''s benchmarks, after its runs were dropped';
