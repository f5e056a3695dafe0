-- Making, loading and dropping the tables of TPC-H.

CREATE FUNCTION millrace.tpch_check_schema(schema text) RETURNS void
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'check_schema_exists_wrapper';
COMMENT ON FUNCTION millrace.tpch_check_schema(text) IS 'Refuses a schema that does not exist';

CREATE FUNCTION millrace.tpch_scale_of(schema text) RETURNS double precision
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'scale_of_wrapper';
COMMENT ON FUNCTION millrace.tpch_scale_of(text) IS
'Scale factor of the TPC-H tables or views in a schema, by the number of suppliers';

CREATE FUNCTION millrace.tpch_check_load(sf double precision, schema text, storage text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'check_load_wrapper';
COMMENT ON FUNCTION millrace.tpch_check_load(double precision, text, text) IS
'Refuses arguments of tpch_load that no table could be made with';

CREATE FUNCTION millrace.tpch_has_table(schema text, "table" text, row_type regtype, storage text, partitioned boolean)
RETURNS boolean
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'has_table_wrapper';
COMMENT ON FUNCTION millrace.tpch_has_table(text, text, regtype, text, boolean) IS
'Whether a table is there as tpch_load would make it; another one of its name is an error';

CREATE FUNCTION millrace.tpch_check_loadable(schema text, "table" text, sf double precision) RETURNS void
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'check_loadable_wrapper';
COMMENT ON FUNCTION millrace.tpch_check_loadable(text, text, double precision) IS
'Refuses a table loaded at another scale factor, or with rows that no load put there';

-- Everything but comments of region and nation must have a value.
CREATE FUNCTION millrace.tpch_table_statements(schema text, "table" text, storage text, partitioned boolean) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    whole text := format('%I.%I', schema, "table");
    row_type text := '@extschema@.' || quote_ident('tpch_' || "table");
    create_table text := CASE storage WHEN 'unlogged' THEN 'CREATE UNLOGGED TABLE' ELSE 'CREATE TABLE' END;
    access_method text := CASE storage WHEN 'unlogged' THEN '' ELSE format(' USING %I', storage) END;
    date_column text := CASE "table" WHEN 'orders' THEN 'o_orderdate' ELSE 'l_shipdate' END;
    columns name[] := ARRAY(
        SELECT attname FROM pg_attribute WHERE attrelid = row_type::regclass AND attnum > 0 ORDER BY attnum);
    -- The first column begins every key, and by it lines lie with their orders and partsupp with its parts.
    distribution text := millrace.distribution(columns[1]);
BEGIN
    IF partitioned THEN
        RETURN NEXT format('CREATE TABLE %s (LIKE %s) PARTITION BY RANGE (%I)%s', whole, row_type, date_column, distribution);
        -- Orders are from 1992-01-01 to 1998-08-02, and shipped up to 121 days later.
        FOR year IN 1992 .. 1998 LOOP
            RETURN NEXT format(
                '%s %I.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)%s', create_table,
                schema, "table" || '_' || year, whole,
                make_date(year, 1, 1), make_date(year + 1, 1, 1), access_method);
        END LOOP;
    ELSE
        RETURN NEXT format('%s %s (LIKE %s)%s%s', create_table, whole, row_type, access_method, distribution);
    END IF;
    RETURN NEXT format('ALTER TABLE %s ', whole) || (
        SELECT string_agg(format('ALTER %I SET NOT NULL', name), ', ') FROM unnest(columns) name
        WHERE name NOT IN ('r_comment', 'n_comment'));
    RETURN NEXT format('COMMENT ON TABLE %s IS %L', whole, 'TPC-H table ' || "table");
END
$$;
COMMENT ON FUNCTION millrace.tpch_table_statements(text, text, text, boolean) IS
'The statements that make a TPC-H table; partitioned: by year of the order or of the shipment';

CREATE FUNCTION millrace.tpch_create_table(schema text, "table" text, storage text, partitioned boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT s FROM millrace.tpch_table_statements(schema, "table", storage, partitioned) s LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.tpch_create_table(text, text, text, boolean) IS
'Makes a TPC-H table; partitioned: by year of the order or of the shipment';

CREATE FUNCTION millrace.tpch_note_load(run text, load text, overwriting jsonb) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'tpch_note_load_wrapper';
COMMENT ON FUNCTION millrace.tpch_note_load(text, text, jsonb) IS
'Notes that a run of the caller''s belongs to the load of a schema, and the arguments of one that overwrites, if not null';

CREATE FUNCTION millrace.tpch_note_loaded(load text) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'tpch_note_loaded_wrapper';
COMMENT ON FUNCTION millrace.tpch_note_loaded(text) IS 'Notes that a load of the caller''s is complete';

CREATE FUNCTION millrace.tpch_is_overwriting(schema text, overwriting jsonb) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT count(*) = (SELECT count(*) FROM @extschema@.tpch_tables())
    FROM millrace.run r JOIN millrace.target t ON t.run = r.name
    WHERE r.load = schema AND r.overwriting = tpch_is_overwriting.overwriting AND t.relation = to_regclass(t.name)
$$;
COMMENT ON FUNCTION millrace.tpch_is_overwriting(text, jsonb) IS
'Whether the tables in a schema are those of an incomplete tpch_load with overwrite and these arguments';

-- One transaction: what is refused here leaves nothing behind. Warnings are left to stream_ingest.
CREATE FUNCTION millrace.tpch_prepare_load(
    sf double precision, schema text, storage text, workers integer, partitioned boolean, overwrite boolean
) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on SET client_min_messages TO error AS $$
DECLARE
    name text;
    by_year boolean;
    opened text;
    replacing jsonb;
BEGIN
    PERFORM millrace.tpch_check_load(sf, schema, storage);
    IF to_regnamespace(quote_ident(schema)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', schema);
    END IF;
    IF overwrite THEN
        replacing := jsonb_build_object('sf', sf, 'storage', storage, 'partitioned', partitioned);
        IF NOT millrace.tpch_is_overwriting(schema, replacing) THEN
            PERFORM @extschema@.tpch_drop(schema);
        END IF;
    END IF;
    FOR name IN SELECT t.name FROM @extschema@.tpch_tables() t LOOP
        by_year := partitioned AND name IN ('orders', 'lineitem');
        IF NOT millrace.tpch_has_table(
            schema, name, ('@extschema@.' || quote_ident('tpch_' || name))::regtype, storage, by_year)
        THEN
            PERFORM millrace.tpch_create_table(schema, name, storage, by_year);
        END IF;
        IF sf > 0 THEN
            PERFORM millrace.tpch_check_loadable(schema, name, sf);
            opened := millrace.open_run(
                format('%I.%I', schema, name)::regclass, name, sf, NULL, 100000, workers,
                format('%I.%I', schema, name), NULL, '{}');
            PERFORM millrace.tpch_note_load(opened, schema, replacing);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.tpch_prepare_load(double precision, text, text, integer, boolean, boolean) IS
'Makes the tables of tpch_load that are not there, and begins a run for each';

-- A part's suppliers are a quarter of their number and more apart, which among few of them leads to the same one again.
-- Of more than 228 it does not.
CREATE FUNCTION millrace.tpch_has_partsupp_key(sf double precision) RETURNS boolean
LANGUAGE sql STABLE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT sf >= 0.03 OR (SELECT count(*) = count(DISTINCT (ps_partkey, ps_suppkey)) FROM @extschema@.tpch_partsupp(sf))
$$;
COMMENT ON FUNCTION millrace.tpch_has_partsupp_key(double precision) IS
'Whether no two rows of partsupp have the same part and supplier, as dbgen makes them at a scale factor';

-- What comes after the load, as statements. A step whose result is there is left out, so an interrupted load resumes
-- with the first one missing.
CREATE FUNCTION millrace.tpch_load_steps(
    schema text, keys boolean, indexes boolean, "analyze" boolean, partitioned boolean,
    OUT "position" bigint, OUT name text, OUT statement text
) RETURNS SETOF record
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    WITH partsupp_key (is_there) AS (
        -- Without rows nothing is there twice. A subquery of its own, because a cluster does not make rows in the middle
        -- of a statement that reads the ledger.
        SELECT (SELECT coalesce(millrace.tpch_has_partsupp_key((
            SELECT (r.options ->> 'sf')::double precision
            FROM millrace.run r WHERE r.name = format('%I.%I', schema, 'partsupp'))), true))
    ), primary_key ("table", columns) AS (VALUES
        ('region', 'r_regionkey'), ('nation', 'n_nationkey'), ('part', 'p_partkey'),
        ('supplier', 's_suppkey'), ('partsupp', 'ps_partkey, ps_suppkey'), ('customer', 'c_custkey'),
        -- A key of a partitioned table has the column it is partitioned by.
        ('orders', 'o_orderkey' || CASE WHEN partitioned THEN ', o_orderdate' ELSE '' END),
        ('lineitem', 'l_orderkey, l_linenumber' || CASE WHEN partitioned THEN ', l_shipdate' ELSE '' END)
    ), foreign_key ("table", columns, other) AS (VALUES
        ('nation', 'n_regionkey', 'region'), ('supplier', 's_nationkey', 'nation'),
        ('partsupp', 'ps_partkey', 'part'), ('partsupp', 'ps_suppkey', 'supplier'),
        ('customer', 'c_nationkey', 'nation'), ('orders', 'o_custkey', 'customer'),
        ('lineitem', 'l_orderkey', 'orders'), ('lineitem', 'l_partkey, l_suppkey', 'partsupp')
    ), index ("table", columns) AS (VALUES
        ('nation', 'n_regionkey'), ('supplier', 's_nationkey'), ('partsupp', 'ps_suppkey'),
        ('customer', 'c_nationkey'), ('orders', 'o_custkey'), ('orders', 'o_orderdate'),
        ('lineitem', 'l_partkey, l_suppkey'), ('lineitem', 'l_shipdate'), ('lineitem', 'l_receiptdate')
    ), step (kind, "table", object, definition) AS (
        SELECT 'primary key', k."table", k."table" || '_pkey', format('PRIMARY KEY (%s)', k.columns)
        FROM primary_key k, partsupp_key p WHERE keys AND (k."table" <> 'partsupp' OR p.is_there)
        UNION ALL
        SELECT 'foreign key', k."table", format('%s_%s_fkey', k."table", replace(k.columns, ', ', '_')),
               format('FOREIGN KEY (%s) REFERENCES %I.%I', k.columns, schema, k.other)
        FROM foreign_key k, partsupp_key p
        WHERE keys AND (k.other <> 'partsupp' OR p.is_there)
          -- A partitioned table's primary key is not the one to refer to.
          AND NOT (partitioned AND k.other = 'orders')
          -- Partitioned tables themselves are logged, and may not refer to what is not.
          AND 1 = (SELECT count(DISTINCT relpersistence) FROM pg_class
                   WHERE oid IN (to_regclass(format('%I.%I', schema, k."table")),
                                 to_regclass(format('%I.%I', schema, k.other))))
        UNION ALL
        SELECT 'index', i."table", format('%s_%s_idx', i."table", replace(i.columns, ', ', '_')),
               format('(%s)', i.columns)
        FROM index i WHERE indexes
        UNION ALL
        SELECT 'statistics', t.name, NULL, NULL FROM @extschema@.tpch_tables() t WHERE "analyze"
    ), numbered AS (
        SELECT row_number() OVER (
                   ORDER BY array_position('{primary key,index,foreign key,statistics}', s.kind), t.ordinality,
                   s.object) AS "position", s.*
        FROM step s JOIN @extschema@.tpch_tables() WITH ORDINALITY t ON t.name = s."table"
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
        -- Of an unlogged table's run it is not noted when it was done.
        SELECT coalesce(r.finished, (SELECT max(b.finished) FROM millrace.unlogged_batches(r.name) b)) AS finished
        FROM millrace.run r WHERE r.name = format('%I.%I', schema, s."table")
    ) last_batch ON true,
    LATERAL (SELECT to_regclass(format('%I.%I', schema, s."table")) AS oid) relation
    WHERE NOT CASE s.kind
        WHEN 'index' THEN EXISTS (
            SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
            WHERE i.indrelid = relation.oid AND c.relname = s.object)
        -- Statistics that autovacuum made do not count: it may have begun before the last rows came.
        WHEN 'statistics' THEN coalesce(
            pg_stat_get_last_analyze_time(relation.oid) > coalesce(last_batch.finished, '-infinity'), false)
        ELSE EXISTS (SELECT FROM pg_constraint WHERE conrelid = relation.oid AND conname = s.object)
    END
$$;
COMMENT ON FUNCTION millrace.tpch_load_steps(text, boolean, boolean, boolean, boolean) IS
'The statements that tpch_load runs after the load: keys, indexes and statistics that are not there';

CREATE FUNCTION millrace.tpch_run_step(name text, statement text, workers integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    started timestamptz := pg_catalog.clock_timestamp();
    seconds numeric;
    messages CONSTANT text := pg_catalog.current_setting('client_min_messages');
    problem text;
    detail text;
    hint text;
BEGIN
    -- An index is built by this many processes, the session included; more if the server allows more.
    PERFORM pg_catalog.set_config('max_parallel_maintenance_workers', GREATEST(
        workers OPERATOR(pg_catalog.-) 1,
        pg_catalog.current_setting('max_parallel_maintenance_workers')::integer)::text, true);
    IF name OPERATOR(pg_catalog.~~) 'foreign key %' THEN
        -- Cloudberry warns of each that it declares a key and does not enforce it.
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
    hint := pg_catalog.concat_ws(' ', NULLIF(hint, ''), 'Run the same CALL tpch_load again to resume with this step.');
    IF detail OPERATOR(pg_catalog.=) '' THEN
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = problem, HINT = hint;
    ELSE
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = problem, DETAIL = detail, HINT = hint;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.tpch_run_step(text, text, integer) IS
'Runs a statement of tpch_load, with at least this many processes for an index, and reports it if it took a second or more; an error says which step it was';

CREATE PROCEDURE tpch_load(
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
DECLARE
    started timestamptz := pg_catalog.clock_timestamp();
    tables text[];
    name text;
    run text;
    step record;
    done bigint := 0;
BEGIN
    PERFORM millrace.check_may_commit('CALL tpch_load');
    COMMIT;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    PERFORM millrace.tpch_prepare_load(sf, schema, storage, workers, partitioned, overwrite);
    SELECT pg_catalog.array_agg(t.name) INTO tables FROM @extschema@.tpch_tables() t
    WHERE sf OPERATOR(pg_catalog.>) 0;
    COMMIT AND CHAIN;
    PERFORM millrace.check_cancelled();
    FOREACH name IN ARRAY COALESCE(tables, '{}') LOOP
        run := millrace.qualified_name(schema, name);
        CONTINUE WHEN millrace.is_finished(run);
        CALL @extschema@.stream_ingest(
            run::pg_catalog.regclass, source => name, sf => sf, workers => workers, run => run);
        PERFORM millrace.check_cancelled();
        IF NOT millrace.is_finished(run) THEN
            -- It was asked to stop, and has said so.
            RETURN;
        END IF;
    END LOOP;
    LOOP
        SELECT s.* INTO step
        FROM millrace.tpch_load_steps(schema, keys, indexes, "analyze", partitioned) s
        WHERE s."position" OPERATOR(pg_catalog.>) done ORDER BY s."position" LIMIT 1;
        EXIT WHEN NOT FOUND;
        PERFORM millrace.tpch_run_step(step.name, step.statement, workers);
        COMMIT AND CHAIN;
        PERFORM millrace.check_cancelled();
        done := step."position";
    END LOOP;
    PERFORM millrace.tpch_note_loaded(schema);
    COMMIT AND CHAIN;
    IF keys AND sf OPERATOR(pg_catalog.>) 0 AND NOT millrace.tpch_has_partsupp_key(sf) THEN
        RAISE NOTICE 'partsupp has no primary key, nor lineitem a foreign key to it'
            USING DETAIL = pg_catalog.format('At scale factor %s dbgen makes some of its keys twice.', sf);
    END IF;
    RAISE NOTICE 'schema "%" is ready after % s', schema,
        pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started)::numeric, 1);
END
$$;
COMMENT ON PROCEDURE tpch_load(double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean) IS
'Makes the TPC-H tables in a schema, loads them as stream_ingest does, adds keys, indexes and statistics; each step is committed, and the same call resumes where it was interrupted. overwrite: drops the tables that are there first. sf 0: the tables without rows';

CREATE FUNCTION tpch_drop(schema text DEFAULT 'tpch') RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    names text[] := ARRAY(SELECT format('%I.%I', schema, t.name) FROM @extschema@.tpch_tables() t);
    run text;
    kind record;
BEGIN
    PERFORM millrace.tpch_check_schema(schema);
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
COMMENT ON FUNCTION tpch_drop(text) IS
'Drops the TPC-H tables or views of a schema and forgets the runs that loaded them; the schema stays';
