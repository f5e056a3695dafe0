-- The queries that a benchmark times.

CREATE FUNCTION millrace.bench_sample(run text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off AS $$
    SELECT format('millrace.source_rows(%L, %L, %s, %s, NULL::%s)', r.source, r.options,
                  r.rows_estimated / 2, r.rows_estimated / 2 + 10000, millrace.bench_row_type(r.source))
    FROM millrace.run r WHERE r.name = bench_sample.run
$$;
COMMENT ON FUNCTION millrace.bench_sample(text) IS
'What to select from to have ten thousand rows from the middle of a benchmark''s run, made again';

CREATE FUNCTION millrace.bench_queries(
    source text, OUT number integer, OUT query text, OUT statement text, OUT arguments text
) RETURNS SETOF record
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off AS $$
    SELECT q.number, q.query, q.statement, a.arguments
    FROM (VALUES
        ('cdr', 1, 'time range',
         'SELECT call_type, count(*), sum(billing_amount), avg(duration_seconds) FROM %1$s'
         ' WHERE call_timestamp >= %2$L AND call_timestamp < %3$L GROUP BY call_type'),
        ('cdr', 2, 'caller history',
         'SELECT call_timestamp, callee_number, duration_seconds, billing_amount FROM %1$s'
         ' WHERE caller_number = %4$L ORDER BY call_timestamp, call_id'),
        ('cdr', 3, 'time and tower',
         'SELECT count(*), avg(call_quality_mos), sum(bytes_transferred) FROM %1$s'
         ' WHERE call_timestamp >= %2$L AND call_timestamp < %3$L AND cell_tower_id = %5$L'),
        ('cdr', 4, 'top towers',
         'SELECT cell_tower_id, count(*) AS calls, sum(billing_amount) FROM %1$s'
         ' GROUP BY cell_tower_id ORDER BY calls DESC, cell_tower_id LIMIT 10'),
        ('iot', 1, 'time range',
         'SELECT metric, count(*), min(value), max(value) FROM %1$s'
         ' WHERE "time" >= %2$L AND "time" < %3$L GROUP BY metric'),
        ('iot', 2, 'device history',
         'SELECT "time", metric, value, quality FROM %1$s WHERE device = %4$L ORDER BY "time", metric'),
        ('iot', 3, 'time and device',
         'SELECT count(*), min(value), max(value) FROM %1$s'
         ' WHERE "time" >= %2$L AND "time" < %3$L AND device = %4$L'),
        ('iot', 4, 'top devices',
         'SELECT device, count(*), max(value) AS highest FROM %1$s'
         ' GROUP BY device ORDER BY highest DESC, device LIMIT 10')
    ) AS q (source, number, query, statement)
    JOIN (VALUES
        ('cdr', 'ARRAY[date_trunc(''hour'', min(call_timestamp))::text, (date_trunc(''hour'', min(call_timestamp)) + interval ''1 hour'')::text,'
                ' mode() WITHIN GROUP (ORDER BY caller_number), mode() WITHIN GROUP (ORDER BY cell_tower_id)::text]'),
        ('iot', 'ARRAY[date_trunc(''minute'', min("time"))::text, (date_trunc(''minute'', min("time")) + interval ''1 minute'')::text,'
                ' mode() WITHIN GROUP (ORDER BY device)::text]')
    ) AS a (source, arguments) USING (source)
    WHERE source = bench_queries.source
$$;
COMMENT ON FUNCTION millrace.bench_queries(text) IS
'The queries that a benchmark of a source times: texts for format(), whose first argument is the table; the others come from a sample of the source';

CREATE FUNCTION millrace.bench_run_next_query(run text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off AS $$
DECLARE
    due record;
    arguments text[];
    statement text;
    started timestamptz;
    finished timestamptz;
    rows bigint;
    hash numeric;
BEGIN
    -- Table after table, so that none has the quiet moments to itself.
    SELECT t.target, t.name, t.relation, q.query, q.statement, q.arguments, a.attempt INTO due
    FROM millrace.run r
    JOIN millrace.target t ON t.run = r.name,
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
    EXECUTE format('SELECT count(*), sum(hash_record_extended(q, 0)) FROM (%s) q', statement) INTO rows, hash;
    finished := clock_timestamp();
    PERFORM millrace.bench_note_query(
        run, due.target, due.query, due.attempt, 1000 * date_part('epoch', finished - started), rows, hash, statement,
        finished);
    RETURN true;
END
$$;
COMMENT ON FUNCTION millrace.bench_run_next_query(text) IS
'Runs and times the next query of a benchmark''s run that is not there yet; false if there is none';
