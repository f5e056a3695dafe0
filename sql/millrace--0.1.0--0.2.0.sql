-- From 0.1.0 to 0.2.0: each change of sql/*.sql since, so that a database upgraded is as one made anew. A test compares.

DROP PROCEDURE tpch_refresh(text, integer, double precision);

CREATE FUNCTION millrace.open_refresh(schema text, stream integer, batch_orders integer) RETURNS void
LANGUAGE c VOLATILE SET search_path TO pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'open_refresh_wrapper';
COMMENT ON FUNCTION millrace.open_refresh(text, integer, integer) IS
'Takes the lock of a refresh set of a schema for this session; refuses batches of no orders';

CREATE PROCEDURE tpch_refresh(
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
    sf := millrace.check_refresh(schema, stream, sf);
    PERFORM millrace.open_refresh(schema, stream, batch_orders);
    orders := millrace.refresh_orders(sf, stream);
    options := pg_catalog.jsonb_build_object('sf', sf, 'stream', stream);
    FOR rf IN 1 .. 2 LOOP
        CONTINUE WHEN (ARRAY[rf1, rf2])[rf] IS NOT TRUE;
        FOR first_order IN 0 .. orders OPERATOR(pg_catalog.-) 1 BY batch_orders LOOP
            end_order := LEAST(first_order OPERATOR(pg_catalog.+) batch_orders::bigint, orders);
            IF rf OPERATOR(pg_catalog.=) 1 THEN
                SELECT * INTO batch FROM millrace.refresh_insert(schema, options, first_order, end_order);
            ELSE
                SELECT * INTO batch FROM millrace.refresh_delete(schema, options, first_order, end_order);
            END IF;
            COMMIT;
            orders_done[rf] := orders_done[rf] OPERATOR(pg_catalog.+) batch.orders;
            lines_done[rf] := lines_done[rf] OPERATOR(pg_catalog.+) batch.lines;
            IF pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) shown)
               OPERATOR(pg_catalog.>=) 1 THEN
                shown := pg_catalog.clock_timestamp();
                RAISE NOTICE 'refresh % of "%": RF% at order % of %', stream, schema, rf, end_order, orders;
            END IF;
        END LOOP;
    END LOOP;
    PERFORM millrace.close_run();
    RAISE NOTICE 'refresh % of "%": inserted % orders with % lines, deleted % with %, in % s', stream, schema,
        orders_done[1], lines_done[1], orders_done[2], lines_done[2],
        pg_catalog.round(pg_catalog.date_part(
            'epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) started)::numeric, 1);
END
$$;
COMMENT ON PROCEDURE tpch_refresh(text, integer, double precision, boolean, boolean, integer) IS
'Applies refresh set number stream to the tables of a schema: RF1 inserts orders with their lines, RF2 deletes as many old ones; rf1 or rf2 false: without it. Each batch of batch_orders orders, with their lines, is committed. What is done already is left alone, so an interrupted call is called again';

-- Volatile defaults are gone: each segment of a cluster would make its own.
ALTER TABLE millrace.run ALTER created DROP DEFAULT;
ALTER TABLE millrace.batch ALTER worker DROP DEFAULT, ALTER finished DROP DEFAULT;
ALTER TABLE millrace.batch_unlogged ALTER worker DROP DEFAULT, ALTER finished DROP DEFAULT;
ALTER TABLE millrace.bench ALTER created DROP DEFAULT;
ALTER TABLE millrace.bench_analyze ALTER finished DROP DEFAULT;
ALTER TABLE millrace.bench_query ALTER finished DROP DEFAULT;

COMMENT ON COLUMN millrace.variant.create_suffix IS
'What follows in CREATE TABLE, such as WITH (fillfactor = 90); of a partitioned table it follows in its partitions. {minmax_columns: a, b} and {bloomfilter_columns: a, b} stand for the PAX option of this name with those of the columns that it suits, going by stream_columns() for the benchmark''s rows; where it suits none, they go, with the comma before them. On a cluster DISTRIBUTED RANDOMLY is added unless it says how rows are distributed';

UPDATE millrace.variant
SET create_suffix = 'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id})'
WHERE name = 'pax' AND owner IS NULL;
UPDATE millrace.variant
SET create_suffix = 'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id},'
        ' cluster_type = ''zorder'', cluster_columns = ''call_hour,cell_tower_id'')'
WHERE name = 'pax_clustered' AND owner IS NULL;

CREATE FUNCTION millrace.engine_of(role text, version text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN coalesce(role, '') = '' THEN 'postgresql'
                WHEN version ~ 'Cloudberry' THEN 'cloudberry'
                ELSE 'greenplum' END
$$;
COMMENT ON FUNCTION millrace.engine_of(text, text) IS
'What a server is by its setting gp_role, which PostgreSQL does not have, and its version()';

CREATE OR REPLACE FUNCTION millrace.engine() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT millrace.engine_of(current_setting('gp_role', true), version())
$$;

CREATE FUNCTION millrace.distribution(key text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE WHEN millrace.engine() = 'postgresql' THEN ''
                WHEN key IS NULL THEN ' DISTRIBUTED RANDOMLY'
                ELSE format(' DISTRIBUTED BY (%I)', key) END
$$;
COMMENT ON FUNCTION millrace.distribution(text) IS
'The end of CREATE TABLE that has each row stay on the segment that makes it, or go by the column key; empty on PostgreSQL';

DROP FUNCTION millrace.variant_statements(text, text, text, text);

CREATE FUNCTION millrace.fill_columns(create_suffix text, source text, rows bigint, options jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
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
COMMENT ON FUNCTION millrace.fill_columns(text, text, bigint, jsonb) IS
'A variant''s create_suffix with the columns that suit a source''s rows in place of {minmax_columns: …} and {bloomfilter_columns: …}';

CREATE FUNCTION millrace.variant_statements(
    variant text, phase text, source text, schema text, rows bigint, options jsonb
) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    v millrace.variant := millrace.get_variant(variant);
    table_name text := format('%I.%I', schema, variant || '_' || phase);
    create_table text;
    storage text;
    distribution text := '';
BEGIN
    create_table := CASE WHEN v.unlogged THEN 'CREATE UNLOGGED TABLE' ELSE 'CREATE TABLE' END;
    storage := coalesce(' USING ' || quote_ident(v.access_method), '')
        || coalesce(' ' || millrace.fill_columns(v.create_suffix, source, rows, options), '');
    -- Rows stay on the segment that makes them. Partitions lie as their table does.
    IF storage !~* 'distributed' THEN
        distribution := millrace.distribution();
    END IF;
    IF v.partition_by IS NULL THEN
        RETURN NEXT format('%s %s (LIKE %s)%s%s',
            create_table, table_name, millrace.row_type(source), storage, distribution);
    ELSE
        RETURN NEXT format('CREATE TABLE %s (LIKE %s) PARTITION BY %s%s',
            table_name, millrace.row_type(source), v.partition_by, distribution);
        RETURN QUERY
            SELECT format('%s %I.%I PARTITION OF %s %s%s', create_table, schema,
                format('%s_%s_%s', variant, phase, to_char(number - 1, 'FM900')), table_name, bounds, storage)
            FROM unnest(v.partitions) WITH ORDINALITY AS p (bounds, number) ORDER BY number;
    END IF;
    IF phase = 'index' THEN
        RETURN QUERY
            SELECT format('CREATE INDEX ON %s %s', table_name, definition)
            FROM unnest(coalesce(v.index_set, millrace.index_set(source))) WITH ORDINALITY AS i (definition, number)
            ORDER BY number;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.variant_statements(text, text, text, text, bigint, jsonb) IS
'The statements that make a variant''s table for so many rows of a source with these options, in phase noindex or index';

CREATE OR REPLACE FUNCTION millrace.create_tables(bench millrace.bench, phase text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
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
            SELECT s FROM millrace.variant_statements(
                variant, phase, bench.source, bench.schema, bench.rows, bench.options) s
        LOOP
            EXECUTE statement;
        END LOOP;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION millrace.open_phase(run text, phase text, workers integer, options jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    bench millrace.bench := millrace.get_bench(run);
    begun boolean := NOT EXISTS (
        SELECT FROM millrace.bench_table t WHERE t.bench = open_phase.run AND t.phase = open_phase.phase);
    variants text[];
    tables regclass[];
    opened text;
    definition text;
BEGIN
    IF bench.source = 'cdr' AND NOT bench.options ? 'rows_per_day' THEN
        -- Then the rows are a day's, however many they are.
        bench.options := bench.options || jsonb_build_object('rows_per_day', least(bench.rows, 10000000000));
    END IF;
    IF begun THEN
        PERFORM millrace.create_tables(bench, phase);
    END IF;
    SELECT array_agg(v.variant ORDER BY v.position),
           array_agg(format('%I.%I', bench.schema, v.variant || '_' || open_phase.phase)::regclass ORDER BY v.position)
    INTO variants, tables
    FROM millrace.bench_variant v WHERE v.bench = bench.name AND v.skipped IS NULL;
    opened := millrace.open_run(tables[1], bench.source, NULL, bench.rows, bench.batch_rows, workers,
                                run || '/' || phase, tables[2:], options || bench.options);
    IF begun THEN
        -- On a cluster what runs on the coordinator alone cannot be part of a statement that writes on all segments.
        FOR place IN 1 .. cardinality(variants) LOOP
            definition := array_to_string(ARRAY(
                SELECT s FROM millrace.variant_statements(
                    variants[place], phase, bench.source, bench.schema, bench.rows, bench.options) s), E';\n');
            INSERT INTO millrace.bench_table (bench, phase, variant, run, target, definition)
            VALUES (bench.name, phase, variants[place], opened, place, definition);
        END LOOP;
    END IF;
    RETURN opened;
END
$$;

CREATE OR REPLACE FUNCTION millrace.analyze_targets(run text, batch bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    due record;
    started timestamptz;
    finished timestamptz;
BEGIN
    FOR due IN
        SELECT t.target, t.name, t.relation FROM millrace.target t
        WHERE t.run = analyze_targets.run AND NOT EXISTS (
            SELECT FROM millrace.bench_analyze d
            WHERE (d.run, d.target) = (t.run, t.target) AND d.batch >= analyze_targets.batch)
        ORDER BY t.target
    LOOP
        started := clock_timestamp();
        EXECUTE format('ANALYZE %s', millrace.target_table(due.name, due.relation));
        finished := clock_timestamp();
        INSERT INTO millrace.bench_analyze (run, target, batch, ms, finished)
        VALUES (run, due.target, batch, 1000 * date_part('epoch', finished - started), finished);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION millrace.run_next_query(run text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
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
    millrace.queries(r.source) q, generate_series(1, 3) AS a (attempt)
    WHERE r.name = run_next_query.run AND NOT EXISTS (
        SELECT FROM millrace.bench_query d
        WHERE (d.run, d.target, d.query, d.attempt) = (r.name, t.target, q.query, a.attempt))
    ORDER BY q.number, a.attempt, t.target
    LIMIT 1;
    IF due.query IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('SELECT %s FROM %s', due.arguments, millrace.sample(run)) INTO arguments;
    statement := format(due.statement, VARIADIC millrace.target_table(due.name, due.relation)::text || arguments);
    started := clock_timestamp();
    EXECUTE format('SELECT count(*), sum(hash_record_extended(q, 0)) FROM (%s) q', statement) INTO rows, hash;
    finished := clock_timestamp();
    INSERT INTO millrace.bench_query (run, target, query, attempt, ms, rows, hash, statement, finished)
    VALUES (run, due.target, due.query, due.attempt, 1000 * date_part('epoch', finished - started), rows, hash, statement,
            finished);
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION stream_bench_drop(run text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    bench millrace.bench := millrace.get_bench(run);
    bench_table record;
BEGIN
    PERFORM millrace.check_bench_owner(bench);
    FOR bench_table IN
        SELECT t.run, t.target, to_regclass(t.target) AS "table", t.position
        FROM @extschema@.stream_bench_tables t WHERE t.bench = bench.name
    LOOP
        -- Since PostgreSQL 16 what is no name is null, too, as what names no table any more.
        PERFORM parse_ident(bench_table.target);
        IF bench_table.position = 1 THEN
            PERFORM @extschema@.stream_drop(bench_table.run);
        END IF;
        -- Names can be changed by who owns the benchmark: no table of anybody else goes.
        IF EXISTS (SELECT FROM pg_class c WHERE c.oid = bench_table."table" AND pg_get_userbyid(c.relowner) = bench.owner) THEN
            EXECUTE format('DROP TABLE %s', bench_table."table");
        END IF;
    END LOOP;
    -- The benchmark comes last, because whose its other rows are follows from it.
    DELETE FROM millrace.bench_table t WHERE t.bench = bench.name;
    DELETE FROM millrace.bench_variant v WHERE v.bench = bench.name;
    DELETE FROM millrace.bench b WHERE b.name = bench.name;
END
$$;

CREATE FUNCTION millrace.table_statements(schema text, "table" text, storage text, partition boolean) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    whole text := format('%I.%I', schema, "table");
    row_type text := format('@extschema@.%I', 'tpch_' || "table");
    create_table text := CASE storage WHEN 'unlogged' THEN 'CREATE UNLOGGED TABLE' ELSE 'CREATE TABLE' END;
    access_method text := CASE storage WHEN 'unlogged' THEN '' ELSE format(' USING %I', storage) END;
    date_column text := CASE "table" WHEN 'orders' THEN 'o_orderdate' ELSE 'l_shipdate' END;
    columns name[] := ARRAY(
        SELECT attname FROM pg_attribute WHERE attrelid = row_type::regclass AND attnum > 0 ORDER BY attnum);
    -- The first column begins every key, and by it lines lie with their orders and partsupp with its parts.
    distribution text := millrace.distribution(columns[1]);
BEGIN
    IF partition THEN
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
COMMENT ON FUNCTION millrace.table_statements(text, text, text, boolean) IS
'The statements that make a TPC-H table; partition: by year of the order or of the shipment';

CREATE OR REPLACE FUNCTION millrace.create_table(schema text, "table" text, storage text, partition boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    statement text;
BEGIN
    FOR statement IN SELECT s FROM millrace.table_statements(schema, "table", storage, partition) s LOOP
        EXECUTE statement;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION millrace.is_loaded(run text) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    -- Nothing that runs on a cluster's coordinator alone may be asked for each row of a table.
    SELECT millrace.first_missing_batch(run) > (SELECT r.batches FROM millrace.run r WHERE r.name = is_loaded.run)
$$;

CREATE OR REPLACE FUNCTION millrace.refresh_insert(
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
             FROM millrace.source_rows(''orders_refresh'', $1, $2, $3, NULL::@extschema@.tpch_orders) r
             WHERE NOT EXISTS (SELECT FROM %1$I.orders o
                               WHERE o.o_orderkey OPERATOR(pg_catalog.=) r.o_orderkey)
             RETURNING o_orderkey
         )
         SELECT pg_catalog.array_agg(o_orderkey) FROM new_order',
        schema,
        millrace.column_list('@extschema@.tpch_orders', ''), millrace.column_list('@extschema@.tpch_orders', 'r.'))
    INTO keys USING options, first_order, end_order;
    EXECUTE pg_catalog.format(
        'INSERT INTO %I.lineitem (%s)
         SELECT %s
         FROM millrace.source_rows(''lineitem_refresh'', $1, $2, $3, NULL::@extschema@.tpch_lineitem) r
         JOIN pg_catalog.unnest($4) AS o (o_orderkey) ON o.o_orderkey OPERATOR(pg_catalog.=) r.l_orderkey',
        schema,
        millrace.column_list('@extschema@.tpch_lineitem', ''),
        millrace.column_list('@extschema@.tpch_lineitem', 'r.'))
    USING options, first_order, end_order, keys;
    GET DIAGNOSTICS lines = ROW_COUNT;
    orders := COALESCE(pg_catalog.cardinality(keys), 0);
END
$$;

CREATE OR REPLACE PROCEDURE millrace.ingest(run text, workers integer, analyze_every integer) LANGUAGE plpgsql AS $$
DECLARE
    batches bigint;
    rows_total bigint;
    rows_before bigint;
    rate float8;
    load text;
    first_batch bigint;
    batch bigint;
    rows bigint := 0;
    inserted bigint;
    due timestamptz;
    started timestamptz;
    shown timestamptz;
    paused timestamptz;
    commit_started timestamptz;
    commit_ms float8;
    committed bigint;
    elapsed float8;
    stop boolean := false;
    working boolean := true;
    on_cluster CONSTANT boolean := millrace.engine() OPERATOR(pg_catalog.<>) 'postgresql';
BEGIN
    SELECT r.batches, r.rows_estimated, r.rate, r.load INTO batches, rows_total, rate, load
    FROM millrace.run r WHERE r.name OPERATOR(pg_catalog.=) ingest.run;
    SELECT p.rows_done INTO rows_before
    FROM @extschema@.stream_progress p WHERE p.run OPERATOR(pg_catalog.=) ingest.run;
    first_batch := millrace.first_missing_batch(run);
    -- Makes the run visible to others. The lock is the session's and stays.
    COMMIT;
    IF first_batch <= batches AND load IS NULL THEN
        RAISE NOTICE 'run "%": % at batch % of %', run,
            CASE WHEN first_batch = 1 THEN 'starting' ELSE 'going on' END, first_batch, batches;
    END IF;
    IF first_batch <= batches AND first_batch > analyze_every THEN
        -- What the call before committed, but did not come to analyze.
        PERFORM millrace.analyze_targets(run, (first_batch - 1) / analyze_every * analyze_every);
        COMMIT;
    END IF;
    started := pg_catalog.clock_timestamp();
    shown := started;
    rate := rate / millrace.start_workers(run, workers, batches, first_batch, rate);
    batch := millrace.next_batch();
    -- When no batch is left to take, the workers may still be at theirs.
    WHILE working LOOP
        due := NULL;
        IF batch <= batches AND NOT stop THEN
            IF committed IS NOT NULL THEN
                PERFORM millrace.note_commit(run, committed, commit_ms);
                IF on_cluster THEN
                    -- An update locks the ledger until it is committed: other runs would wait for the whole next batch.
                    COMMIT;
                END IF;
            END IF;
            due := pg_catalog.clock_timestamp();
            inserted := millrace.ingest_batch(run, batch);
            due := due + pg_catalog.make_interval(secs => inserted / rate);
            commit_started := pg_catalog.clock_timestamp();
            COMMIT;
            commit_ms := 1000 * pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - commit_started);
            committed := batch;
            rows := millrace.add_rows(inserted);
            batch := millrace.next_batch();
            -- After the last batch it is the benchmark's own step.
            IF batch <= batches AND (batch - 1) / analyze_every > (committed - 1) / analyze_every THEN
                paused := pg_catalog.clock_timestamp();
                PERFORM millrace.analyze_targets(run, (batch - 1) / analyze_every * analyze_every);
                COMMIT;
                -- Not the ingest's time.
                started := started + (pg_catalog.clock_timestamp() - paused);
            END IF;
        ELSE
            working := millrace.wait_for_workers(0.25);
            COMMIT;
            rows := millrace.add_rows(0);
        END IF;
        LOOP
            elapsed := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started);
            IF pg_catalog.clock_timestamp() >= shown + pg_catalog.make_interval(secs => 1) THEN
                RAISE NOTICE '%', CASE
                    WHEN load IS NULL THEN millrace.progress_line(run, rows_before + rows, rows_total, rows / elapsed)
                    ELSE millrace.load_progress_line(load) END;
                shown := pg_catalog.clock_timestamp();
            END IF;
            IF NOT stop AND millrace.stop_requested(run) THEN
                stop := true;
                PERFORM millrace.stop_workers();
            END IF;
            EXIT WHEN stop OR due IS NULL OR batch > batches OR pg_catalog.clock_timestamp() >= due;
            -- Ahead of the pace asked for. Each nap is a transaction of its own, to hold no snapshot for long.
            PERFORM pg_catalog.pg_sleep_until(LEAST(
                due, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => 0.25)));
            COMMIT;
        END LOOP;
    END LOOP;
    IF committed IS NOT NULL THEN
        PERFORM millrace.note_commit(run, committed, commit_ms);
    END IF;
    PERFORM millrace.close_run();
    COMMIT;
    IF millrace.first_missing_batch(run) <= batches THEN
        RAISE NOTICE 'run "%" stopped after % of % batches, as asked', run,
            (SELECT p.batches_done FROM @extschema@.stream_progress p
             WHERE p.run OPERATOR(pg_catalog.=) ingest.run), batches
            USING HINT = CASE WHEN EXISTS (
                SELECT FROM millrace.bench_table b WHERE b.run OPERATOR(pg_catalog.=) ingest.run)
                THEN 'CALL stream_bench() again, as before, to go on.' ELSE 'CALL stream_resume() to go on.' END;
    ELSIF (rows > 0 OR first_batch <= batches) AND load IS NULL THEN
        elapsed := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started);
        RAISE NOTICE 'run "%" done: % rows in % s, % rows/s', run, rows_before + rows,
            pg_catalog.round(elapsed::numeric, 1), pg_catalog.round(rows / elapsed);
    END IF;
END
$$;

-- Exports know how many segments share them.
DROP FUNCTION tpch_export(text, double precision, text, text, integer, integer, integer, jsonb);
DROP FUNCTION stream_export(text, text, text, integer, integer, integer, jsonb);

CREATE FUNCTION tpch_export(
    table_name text, sf double precision, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 8
AS 'MODULE_PATHNAME', 'tpch_export_wrapper';
COMMENT ON FUNCTION tpch_export(text, double precision, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes a TPC-H table, or all eight, at scale factor sf to files in folder path on the server: parquet, csv, tbl (as dbgen), arrow or arrow_stream; one part, or a file for each of parts. A row for each file; rows, row_groups, sha256 and seconds (in s) are null for one that was there and passed over. On Cloudberry each segment writes its share to the folder of this path on its host, its content id in the name: lineitem.seg0.parquet';

CREATE FUNCTION stream_export(
    source text, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 8
AS 'MODULE_PATHNAME', 'stream_export_wrapper';
COMMENT ON FUNCTION stream_export(text, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes any source to files in folder path on the server, as tpch_export does; options are the source''s and the export''s';

-- A part's suppliers are a quarter of their number and more apart, which among few of them leads to the same one again.
-- Of more than 228 it does not.
CREATE FUNCTION millrace.has_partsupp_key(sf double precision) RETURNS boolean
LANGUAGE sql STABLE STRICT SET search_path TO pg_catalog, pg_temp AS $$
    SELECT sf >= 0.03 OR (SELECT count(*) = count(DISTINCT (ps_partkey, ps_suppkey)) FROM @extschema@.tpch_partsupp(sf))
$$;
COMMENT ON FUNCTION millrace.has_partsupp_key(double precision) IS
'Whether no two rows of partsupp have the same part and supplier, as dbgen makes them at a scale factor';

CREATE OR REPLACE FUNCTION millrace.load_steps(
    schema text, keys boolean, indexes boolean, "analyze" boolean, partition boolean,
    OUT "position" bigint, OUT name text, OUT statement text
) RETURNS SETOF record
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    WITH partsupp_key (is_there) AS (
        -- Without rows nothing is there twice.
        SELECT coalesce(millrace.has_partsupp_key((
            SELECT (r.options ->> 'sf')::double precision
            FROM millrace.run r WHERE r.name = format('%I.%I', schema, 'partsupp'))), true)
    ), primary_key ("table", columns) AS (VALUES
        ('region', 'r_regionkey'), ('nation', 'n_nationkey'), ('part', 'p_partkey'),
        ('supplier', 's_suppkey'), ('partsupp', 'ps_partkey, ps_suppkey'), ('customer', 'c_custkey'),
        -- A key of a partitioned table has the column it is partitioned by.
        ('orders', 'o_orderkey' || CASE WHEN partition THEN ', o_orderdate' ELSE '' END),
        ('lineitem', 'l_orderkey, l_linenumber' || CASE WHEN partition THEN ', l_shipdate' ELSE '' END)
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
          AND NOT (partition AND k.other = 'orders')
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
    LEFT JOIN (SELECT b.run, max(b.finished) AS finished FROM millrace.batches() b GROUP BY b.run) last_batch
        ON last_batch.run = format('%I.%I', schema, s."table"),
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

-- An interrupted tpch_load with overwrite goes on.
ALTER TABLE millrace.run ADD overwriting jsonb;
COMMENT ON COLUMN millrace.run.overwriting IS 'Arguments of the tpch_load with overwrite that began it, until that has come to its end; else null';

CREATE FUNCTION millrace.is_overwriting(schema text, overwriting jsonb) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT count(*) = (SELECT count(*) FROM @extschema@.tpch_tables())
    FROM millrace.run r JOIN millrace.target t ON t.run = r.name
    WHERE r.load = schema AND r.overwriting = is_overwriting.overwriting AND t.relation = to_regclass(t.name)
$$;
COMMENT ON FUNCTION millrace.is_overwriting(text, jsonb) IS
'Whether the tables in a schema are those of a tpch_load with overwrite and these arguments that has not come to its end';

CREATE OR REPLACE PROCEDURE tpch_load(
    sf double precision,
    schema text DEFAULT 'tpch',
    storage text DEFAULT 'heap',
    workers integer DEFAULT 1,
    keys boolean DEFAULT true,
    indexes boolean DEFAULT false,
    "analyze" boolean DEFAULT true,
    partition boolean DEFAULT false,
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
    PERFORM millrace.prepare_load(sf, schema, storage, workers, partition, overwrite);
    SELECT pg_catalog.array_agg(t.name) INTO tables FROM @extschema@.tpch_tables() t
    WHERE sf OPERATOR(pg_catalog.>) 0;
    COMMIT;
    FOREACH name IN ARRAY COALESCE(tables, '{}') LOOP
        run := pg_catalog.format('%I.%I', schema, name);
        CONTINUE WHEN millrace.is_loaded(run);
        CALL @extschema@.stream_ingest(
            run::pg_catalog.regclass, source => name, sf => sf, workers => workers, run => run);
        IF NOT millrace.is_loaded(run) THEN
            -- It was asked to stop, and has said so.
            RETURN;
        END IF;
    END LOOP;
    LOOP
        SELECT s.* INTO step
        FROM millrace.load_steps(schema, keys, indexes, "analyze", partition) s
        WHERE s."position" OPERATOR(pg_catalog.>) done ORDER BY s."position" LIMIT 1;
        EXIT WHEN NOT FOUND;
        PERFORM millrace.run_step(step.name, step.statement, workers);
        COMMIT;
        done := step."position";
    END LOOP;
    UPDATE millrace.run r SET overwriting = NULL
    WHERE r.load OPERATOR(pg_catalog.=) tpch_load.schema AND r.overwriting IS NOT NULL;
    COMMIT;
    IF keys AND sf OPERATOR(pg_catalog.>) 0 AND NOT millrace.has_partsupp_key(sf) THEN
        RAISE NOTICE 'partsupp has no primary key, nor lineitem a foreign key to it'
            USING DETAIL = pg_catalog.format('At scale factor %s dbgen makes some of its keys twice.', sf);
    END IF;
    RAISE NOTICE 'schema "%" is ready after % s', schema,
        pg_catalog.round(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started)::numeric, 1);
END
$$;
COMMENT ON PROCEDURE tpch_load(double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean) IS
'Makes the TPC-H tables in a schema, loads them as stream_ingest does, adds keys, indexes and statistics; each step is committed, and the same call goes on where it was interrupted. overwrite: drops the tables that are there first. sf 0: the tables without rows';

CREATE OR REPLACE FUNCTION millrace.prepare_load(
    sf double precision, schema text, storage text, workers integer, partition boolean, overwrite boolean
) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET client_min_messages TO warning AS $$
DECLARE
    name text;
    partitioned boolean;
    opened text;
    replacing jsonb;
BEGIN
    PERFORM millrace.check_load(sf, schema, storage);
    IF to_regnamespace(quote_ident(schema)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', schema);
    END IF;
    IF overwrite THEN
        replacing := jsonb_build_object('sf', sf, 'storage', storage, 'partition', partition);
        IF NOT millrace.is_overwriting(schema, replacing) THEN
            PERFORM @extschema@.tpch_drop(schema);
        END IF;
    END IF;
    FOR name IN SELECT t.name FROM @extschema@.tpch_tables() t LOOP
        partitioned := partition AND name IN ('orders', 'lineitem');
        IF NOT millrace.has_table(
            schema, name, format('@extschema@.%I', 'tpch_' || name)::regtype, storage, partitioned)
        THEN
            PERFORM millrace.create_table(schema, name, storage, partitioned);
        END IF;
        IF sf > 0 THEN
            PERFORM millrace.check_loadable(schema, name, sf);
            opened := millrace.open_run(
                format('%I.%I', schema, name)::regclass, name, sf, NULL, 100000, workers,
                format('%I.%I', schema, name), NULL, '{}');
            UPDATE millrace.run r
            SET load = prepare_load.schema, overwriting = coalesce(replacing, r.overwriting)
            WHERE r.name = opened;
            PERFORM millrace.close_run();
        END IF;
    END LOOP;
END
$$;

DROP FUNCTION millrace.run_step(text, text);
CREATE FUNCTION millrace.run_step(name text, statement text, workers integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    started timestamptz := pg_catalog.clock_timestamp();
    seconds numeric;
    problem text;
    detail text;
    hint text;
BEGIN
    -- An index is built by the session and so many others. A server that allows more is left to it.
    PERFORM pg_catalog.set_config('max_parallel_maintenance_workers', GREATEST(
        workers OPERATOR(pg_catalog.-) 1,
        pg_catalog.current_setting('max_parallel_maintenance_workers')::integer)::text, true);
    EXECUTE statement;
    seconds := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - started);
    IF seconds OPERATOR(pg_catalog.>=) 1 THEN
        RAISE NOTICE '%: % s', name, pg_catalog.round(seconds, 1);
    END IF;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    problem := pg_catalog.format('step "%s" failed: %s', name, problem);
    hint := pg_catalog.concat_ws(' ', NULLIF(hint, ''), 'The same CALL tpch_load goes on with this step.');
    IF detail OPERATOR(pg_catalog.=) '' THEN
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = problem, HINT = hint;
    ELSE
        RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = problem, DETAIL = detail, HINT = hint;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.run_step(text, text, integer) IS
'Runs a statement of tpch_load with at least so many processes for an index, reports it if it took a second or more; an error says which step it was';

-- Variants have a step after the load, and only their owner's use of them is served.
ALTER TABLE millrace.variant ADD after_load text;
COMMENT ON COLUMN millrace.variant.after_load IS
'A statement to run on each table when its rows are in, such as CLUSTER %s: a text for format(), whose argument is the table; null for none';
UPDATE millrace.variant SET after_load = 'CLUSTER %s' WHERE name = 'pax_clustered';
ALTER TABLE millrace.bench_table ADD after_load_ms double precision;
COMMENT ON COLUMN millrace.bench_table.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none or it was not run yet';

CREATE OR REPLACE VIEW stream_bench_tables AS
SELECT b.bench, b.phase, b.run, b.target AS position, b.variant, t.name AS target, b.definition, b.after_load_ms
FROM millrace.bench_table b JOIN millrace.target t USING (run, target);
COMMENT ON COLUMN stream_bench_tables.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none or it was not run yet';

COMMENT ON COLUMN stream_queries.cold IS 'Whether it was the first run on this table, with caches as the load and the queries before left them';

CREATE FUNCTION millrace.get_variant(name text) RETURNS millrace.variant
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    found millrace.variant;
BEGIN
    SELECT * INTO found FROM millrace.variant v WHERE v.name = get_variant.name;
    IF found.name IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', get_variant.name),
            HINT = 'View stream_variants lists them.';
    ELSIF found.owner <> current_user THEN
        RAISE insufficient_privilege
            USING MESSAGE = format('variant "%s" belongs to role "%s"', found.name, found.owner),
                  HINT = 'Its texts become statements that run with the caller''s rights, so only its owner can use it.';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION millrace.get_variant(text) IS
'The variant of that name, for its texts to be used; an error if it does not exist or is another role''s';

CREATE FUNCTION millrace.target_table(name text, relation oid) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass(name) IS DISTINCT FROM relation THEN
        RAISE object_not_in_prerequisite_state
            USING MESSAGE = format('target "%s" was dropped, renamed or created again since the run began', name),
                  HINT = 'If it was restored, take it as it is now with stream_resume(run, adopt => true).';
    END IF;
    RETURN relation::regclass;
END
$$;
COMMENT ON FUNCTION millrace.target_table(text, oid) IS
'The table that a row of millrace.target names, whose text is quoted, or an error if it is not that table any more';

CREATE FUNCTION millrace.run_next_after_load(run text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    due record;
    statement text;
    started timestamptz;
    finished timestamptz;
BEGIN
    SELECT b.target, b.variant, t.name, t.relation INTO due
    FROM millrace.bench_table b
    JOIN millrace.target t USING (run, target)
    JOIN millrace.variant v ON v.name = b.variant
    WHERE b.run = run_next_after_load.run AND b.after_load_ms IS NULL AND v.after_load IS NOT NULL
    ORDER BY b.target
    LIMIT 1;
    IF due.variant IS NULL THEN
        RETURN false;
    END IF;
    statement := format((millrace.get_variant(due.variant)).after_load, millrace.target_table(due.name, due.relation));
    started := clock_timestamp();
    EXECUTE statement;
    finished := clock_timestamp();
    UPDATE millrace.bench_table b
    SET after_load_ms = 1000 * date_part('epoch', finished - started), definition = b.definition || E';\n' || statement
    WHERE b.run = run_next_after_load.run AND b.target = due.target;
    -- What rewrote the table is no reason to refuse it from now on.
    PERFORM millrace.reopen_run(run, true, 1);
    PERFORM millrace.close_run();
    RETURN true;
END
$$;
COMMENT ON FUNCTION millrace.run_next_after_load(text) IS
'Runs and times what a variant wants done after the load, on the next table of a benchmark''s run where it was not; false if there is none';

CREATE OR REPLACE FUNCTION millrace.open_bench(
    source text, rows bigint, batch_rows integer, variants text[], phase text, schema text, options jsonb,
    analyze_every integer, run text
) RETURNS text[]
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    wanted millrace.bench;
    existing millrace.bench;
    begun boolean;
    differences text;
BEGIN
    IF millrace.row_type(source) IS NULL THEN
        PERFORM millrace.refuse_argument('source', source, 'A benchmark loads cdr or iot.');
    ELSIF rows IS NULL OR rows < 1 THEN
        PERFORM millrace.refuse_argument('rows', rows::text, 'The tables have at least one row.');
    ELSIF batch_rows IS NULL THEN
        PERFORM millrace.refuse_argument('batch_rows', NULL, NULL);
    ELSIF phase IS NULL OR phase NOT IN ('noindex', 'index', 'both') THEN
        PERFORM millrace.refuse_argument('phase', phase, 'A phase is noindex, index, or both.');
    ELSIF coalesce(schema, '') = '' THEN
        PERFORM millrace.refuse_argument('schema', schema, 'Name the schema for the tables.');
    ELSIF options IS NULL OR jsonb_typeof(options) <> 'object' THEN
        PERFORM millrace.refuse_argument('options', options::text, 'Options are a JSON object, such as {"seed": 1}.');
    ELSIF analyze_every < 1 THEN
        PERFORM millrace.refuse_argument('analyze_every', analyze_every::text, 'It is a number of batches, at least 1.');
    ELSIF coalesce(run, '') = '' THEN
        PERFORM millrace.refuse_argument('run', run, 'Name the benchmark.');
    END IF;
    wanted := (run, current_user, source, rows, batch_rows, options - 'rate', schema, analyze_every, now());
    INSERT INTO millrace.bench SELECT wanted.* ON CONFLICT DO NOTHING;
    begun := FOUND;
    existing := millrace.get_bench(run);
    IF existing.owner <> current_user THEN
        -- Its tables and variants were chosen by its owner, and would be used with the caller's rights.
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of benchmark "%s"', run),
            HINT = format('Call as role "%s", or give another run name.', existing.owner);
    ELSIF begun THEN
        PERFORM millrace.choose_variants(run, source, variants);
    ELSE
        SELECT string_agg(format('%s: %s then, %s now', key, coalesce(e.value, 'null'), coalesce(w.value, 'null')), E'\n')
        INTO differences
        FROM jsonb_each_text(to_jsonb(existing) || jsonb_build_object('variants', (
                 SELECT jsonb_agg(b.variant ORDER BY b.position) FROM millrace.bench_variant b WHERE b.bench = run))) e
        JOIN jsonb_each_text(to_jsonb(wanted) || jsonb_build_object('variants', variants)) w USING (key)
        WHERE e.value IS DISTINCT FROM w.value AND key NOT IN ('owner', 'created')
          AND (key <> 'variants' OR variants IS NOT NULL);
        IF differences IS NOT NULL THEN
            RAISE invalid_parameter_value
                USING MESSAGE = format('benchmark "%s" was begun with other parameters', run), DETAIL = differences,
                      HINT = 'Forget it with stream_bench_drop(), or give another run name.';
        END IF;
    END IF;
    RETURN CASE phase WHEN 'both' THEN '{noindex,index}'::text[] ELSE ARRAY[phase] END;
END
$$;

COMMENT ON FUNCTION millrace.analyze_targets(text, bigint) IS
'Analyzes a run''s tables after a batch, and notes how long that took; does nothing if it was noted for this batch or a later one';

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
    run text DEFAULT 'bench'
) LANGUAGE plpgsql AS $$
DECLARE
    phases text[];
    opened text;
    batches bigint;
BEGIN
    PERFORM millrace.check_may_commit('CALL stream_bench');
    COMMIT;
    phases := millrace.open_bench(source, rows, batch_rows, variants, phase, schema, options, analyze_every, run);
    FOREACH phase IN ARRAY phases LOOP
        opened := millrace.open_phase(run, phase, workers, options);
        CALL millrace.ingest(opened, workers, analyze_every);
        SELECT r.batches INTO batches FROM millrace.run r WHERE r.name OPERATOR(pg_catalog.=) opened;
        -- Stopped, as somebody asked: the same call goes on.
        EXIT WHEN batches IS NULL OR millrace.first_missing_batch(opened) <= batches;
        WHILE millrace.run_next_after_load(opened) LOOP
            COMMIT;
        END LOOP;
        PERFORM millrace.analyze_targets(opened, batches);
        COMMIT;
        WHILE millrace.run_next_query(opened) LOOP
            COMMIT;
        END LOOP;
    END LOOP;
END
$$;

DROP FUNCTION stream_report(text);
CREATE FUNCTION stream_report(
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
LANGUAGE sql STABLE ROWS 1 SET search_path TO pg_catalog, pg_temp AS $$
    WITH timed AS (
        SELECT b.*, (b.elapsed_ms + coalesce(b.commit_ms, 0)) / 1000 AS seconds FROM millrace.batches() b
    ), summary AS (
        SELECT t.run, t.target, t.name, t.leaves, count(b.batch) AS batches, coalesce(sum(b.rows), 0)::bigint AS rows,
               sum(b.seconds) AS seconds,
               array_agg(b.rows / b.seconds) AS speeds,
               sum(b.rows) / (nullif(sum(b.insert_ms), 0) / 1000) AS insert_speed,
               sum(b.generate_ms) / 1000 AS generate, sum(b.insert_ms) / 1000 AS insert, sum(b.commit_ms) / 1000 AS commit,
               sum(b.wal_bytes)::bigint AS wal
        FROM millrace.target t LEFT JOIN timed b USING (run, target)
        WHERE t.run = stream_report.run
           OR t.run IN (SELECT bt.run FROM millrace.bench_table bt WHERE bt.bench = stream_report.run)
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
        SELECT sum(pg_total_relation_size(c.oid))::bigint AS total, sum(pg_table_size(c.oid))::bigint AS heap
        FROM unnest(s.leaves) leaf JOIN pg_class c ON c.oid = leaf
    ) size
    -- Phase noindex comes before phase index.
    ORDER BY s.run DESC, s.target
$$;
COMMENT ON FUNCTION stream_report(text) IS
'Summary of a run, or of all phases of a benchmark, one row per target: rows per second, of one process where workers help, over all its batches, of the slowest, median, 95th percentile and fastest, and by the time for inserting alone, which others of the run did not share, with the ratio of that to the first target''s; where the time went; WAL; size in bytes, with indexes and (table_bytes) without';

-- Last, as in cluster.sql: Cloudberry is told of what is new, too.
DO $$
DECLARE
    statement text;
BEGIN
    IF pg_catalog.current_setting('gp_role', true) = 'dispatch' THEN
        -- All at once: no query of ours is under way while its functions are altered.
        FOREACH statement IN ARRAY ARRAY(SELECT millrace.cluster_statements()) LOOP
            EXECUTE statement;
        END LOOP;
    END IF;
END
$$;
