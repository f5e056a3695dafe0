-- The highest rate that a variant sustains, found by doubling and halving. Each step is a benchmark of its own, of one
-- variant and one phase, whose tables are dropped when the step is noted.

CREATE FUNCTION millrace.rate_insert(name text, parameters jsonb) RETURNS boolean
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'rate_insert_wrapper';
COMMENT ON FUNCTION millrace.rate_insert(text, jsonb) IS
'Notes a new search of the caller''s; false if there is one of that name';

CREATE FUNCTION millrace.rate_note_step(
    search text, phase text, variant text, step integer, rate double precision, measured jsonb, sustained boolean
) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'rate_note_step_wrapper';
COMMENT ON FUNCTION millrace.rate_note_step(text, text, text, integer, double precision, jsonb, boolean) IS
'Notes a step of a search of the caller''s';

CREATE FUNCTION millrace.rate_delete(search text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'rate_delete_wrapper';
COMMENT ON FUNCTION millrace.rate_delete(text) IS 'Deletes a search of the caller''s';

CREATE FUNCTION millrace.rate_open(run text, parameters jsonb) RETURNS void
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

CREATE VIEW stream_rates AS
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

CREATE VIEW stream_rate_steps AS
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

CREATE FUNCTION millrace.rate_next(run text, phases text[], variants text[], OUT phase text, OUT variant text, OUT step integer, OUT rate double precision)
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

CREATE FUNCTION millrace.rate_variants(source text, variants text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT coalesce(variants, ARRAY(
        SELECT v.name FROM millrace.bench_usable_variants() v
        WHERE millrace.bench_why_skipped(v.engine, v.access_method, v.source, rate_variants.source) IS NULL
        ORDER BY v.position, v.name))
$$;
COMMENT ON FUNCTION millrace.rate_variants(text, text[]) IS 'The variants that a search measures one after another: those named, or all that the server has';

CREATE FUNCTION millrace.rate_end_step(
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

CREATE PROCEDURE stream_rate(
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

CREATE FUNCTION stream_rate_drop(run text) RETURNS void
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
