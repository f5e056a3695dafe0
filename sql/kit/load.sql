-- Creates, loads and drops the tables of a benchmark. Argument `benchmark` is tpch or tpcds; all that differs between the
-- two comes from millrace.kit_designs().

CREATE FUNCTION millrace.kit_designs(
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

CREATE FUNCTION millrace.kit_check_schema(schema text) RETURNS void
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'check_schema_exists_wrapper';
COMMENT ON FUNCTION millrace.kit_check_schema(text) IS 'Refuses a schema that does not exist';

CREATE FUNCTION millrace.kit_scale_of(benchmark text, schema text) RETURNS double precision
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_scale_of_wrapper';
COMMENT ON FUNCTION millrace.kit_scale_of(text, text) IS
'Scale factor of the tables or views of a benchmark in a schema, told from the rows of a small one';

CREATE FUNCTION millrace.kit_check_load(benchmark text, sf double precision, schema text, storage text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_check_load_wrapper';
COMMENT ON FUNCTION millrace.kit_check_load(text, double precision, text, text) IS
'Refuses invalid arguments of a load';

CREATE FUNCTION millrace.kit_check_virtual(benchmark text, sf double precision, schema text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_check_virtual_wrapper';
COMMENT ON FUNCTION millrace.kit_check_virtual(text, double precision, text) IS
'Refuses invalid arguments of tpch_virtual and tpcds_virtual';

CREATE FUNCTION millrace.kit_has_table(schema text, "table" text, row_type regtype, storage text, partitioned boolean)
RETURNS boolean
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'has_table_wrapper';
COMMENT ON FUNCTION millrace.kit_has_table(text, text, regtype, text, boolean) IS
'Whether a table is there as a load would create it; a different table of that name is an error';

CREATE FUNCTION millrace.kit_check_loadable(schema text, "table" text, source text, sf double precision) RETURNS void
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_check_loadable_wrapper';
COMMENT ON FUNCTION millrace.kit_check_loadable(text, text, text, double precision) IS
'Refuses a table loaded at another scale factor, or with rows that no load put there';

CREATE FUNCTION millrace.kit_table_statements(
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

CREATE FUNCTION millrace.kit_create_table(benchmark text, schema text, "table" text, storage text, partitioned boolean) RETURNS void
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

CREATE FUNCTION millrace.kit_note_load(run text, load text, overwriting jsonb) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'kit_note_load_wrapper';
COMMENT ON FUNCTION millrace.kit_note_load(text, text, jsonb) IS
'Notes that one of the caller''s runs belongs to the load of a schema, and the arguments of a load that overwrites, if not null';

CREATE FUNCTION millrace.kit_note_loaded(benchmark text, load text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'kit_note_loaded_wrapper';
COMMENT ON FUNCTION millrace.kit_note_loaded(text, text) IS 'Notes that one of the caller''s loads is complete';

CREATE FUNCTION millrace.kit_is_overwriting(benchmark text, schema text, overwriting jsonb) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT count(*) = (SELECT count(*) FROM millrace.kit_designs(benchmark))
    FROM millrace.run r JOIN millrace.target t ON t.run = r.name
    WHERE r.load = schema AND r.overwriting = kit_is_overwriting.overwriting AND t.relation = to_regclass(t.name)
$$;
COMMENT ON FUNCTION millrace.kit_is_overwriting(text, text, jsonb) IS
'Whether the tables in a schema are those of an incomplete load with overwrite and these arguments';

-- One transaction, so an error leaves nothing behind. Without warnings, because stream_ingest gives them.
CREATE FUNCTION millrace.kit_prepare_load(
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

-- The statements that follow the load. A step whose result is there is skipped, so an interrupted load resumes with the
-- first missing step.
CREATE FUNCTION millrace.kit_load_steps(
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

CREATE FUNCTION millrace.kit_run_step(benchmark text, name text, statement text, workers integer) RETURNS void
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

CREATE PROCEDURE millrace.kit_load(
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

CREATE FUNCTION millrace.kit_drop(benchmark text, schema text) RETURNS void
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

CREATE FUNCTION millrace.kit_virtual(benchmark text, schema text, sf double precision) RETURNS void
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
