-- Beginning, running and dropping a benchmark.

CREATE FUNCTION millrace.bench_refuse_argument(name text, value text, hint text) RETURNS void
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

CREATE FUNCTION millrace.bench_refuse_differences(begun jsonb, wanted jsonb, message text, hint text) RETURNS void
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

CREATE FUNCTION millrace.bench_get(run text) RETURNS millrace.bench
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

CREATE FUNCTION millrace.bench_check_owner(bench millrace.bench) RETURNS void
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    IF NOT millrace.may_act_for(millrace.role_of(bench.owner)) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of benchmark "%s"', bench.name);
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_check_owner(millrace.bench) IS 'Refuses a benchmark of a role that the caller may not act for';

CREATE FUNCTION millrace.bench_open(
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

CREATE FUNCTION millrace.bench_open_phase(run text, phase text, workers integer, options jsonb) RETURNS text
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

CREATE FUNCTION millrace.bench_analyze_targets(run text, batch bigint) RETURNS void
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

CREATE FUNCTION millrace.bench_run_next_after_load(run text) RETURNS boolean
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

CREATE FUNCTION millrace.bench_phases(phase text, readers integer) RETURNS text[]
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT ARRAY(
        SELECT p.phase || reading
        FROM unnest(CASE phase WHEN 'both' THEN '{noindex,index}' ELSE ARRAY[phase] END) WITH ORDINALITY AS p (phase, number),
             unnest(CASE WHEN readers > 0 THEN '{"",_read}' ELSE '{""}' END::text[]) AS r (reading)
        ORDER BY p.number, reading)
$$;
COMMENT ON FUNCTION millrace.bench_phases(text, integer) IS
'The phases of a benchmark: those asked for; with readers each of them twice, first without readers and then with them';

CREATE FUNCTION millrace.bench_readers(phase text, readers integer) RETURNS integer
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT CASE WHEN phase LIKE '%\_read' OR readers < 0 THEN readers ELSE 0 END
$$;
COMMENT ON FUNCTION millrace.bench_readers(text, integer) IS 'How many processes read in a phase';

CREATE FUNCTION millrace.bench_pace(options jsonb, rate double precision, duration interval) RETURNS jsonb
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

CREATE PROCEDURE stream_bench(
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

CREATE FUNCTION stream_bench_drop(run text) RETURNS void
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
COMMENT ON FUNCTION stream_bench_drop(text) IS 'Forgets a benchmark that is not running, and drops its tables; their schema stays';
