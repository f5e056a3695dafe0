-- The queries that a benchmark times.

CREATE FUNCTION millrace.bench_rows(source text, options jsonb, first bigint, rows bigint) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT format('millrace.source_rows(%L, %L, %s, %s, NULL::%s)',
                  source, options, first, first + rows, millrace.bench_row_type(source))
$$;
COMMENT ON FUNCTION millrace.bench_rows(text, jsonb, bigint, bigint) IS
'A FROM item for this number of rows of a source that stream_bench can load, from first on, counted from 0';

CREATE FUNCTION millrace.bench_sample(run text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.bench_rows(r.source, r.options, r.rows_estimated / 2, 10000) FROM millrace.run r WHERE r.name = bench_sample.run
$$;
COMMENT ON FUNCTION millrace.bench_sample(text) IS
'A FROM item that makes ten thousand rows from the middle of a benchmark''s run again';

CREATE FUNCTION millrace.bench_run_next_query(run text) RETURNS boolean
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
