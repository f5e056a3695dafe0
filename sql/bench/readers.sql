-- Queries that run while rows arrive, and what happens in the server meanwhile.

CREATE FUNCTION millrace.percentiles(
    histograms bytea[],
    OUT count bigint, OUT p50 double precision, OUT p95 double precision, OUT p99 double precision,
    OUT p999 double precision, OUT max double precision
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'percentiles_wrapper';
COMMENT ON FUNCTION millrace.percentiles(bytea[]) IS
'What histograms of table millrace.reading say together: how many things were measured, and percentiles in milliseconds';

-- As millrace.bench_run_next_query() has it, but the rows that give the constants are some of those that are there by now.
CREATE FUNCTION millrace.bench_reader_query(
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

CREATE FUNCTION millrace.count_checkpoints() RETURNS bigint
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

CREATE FUNCTION millrace.observe_sizes(leaves oid[], OUT table_bytes bigint, OUT index_bytes bigint) RETURNS record
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

CREATE FUNCTION millrace.observe(
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

CREATE VIEW stream_moments AS
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

CREATE FUNCTION stream_readers(
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
