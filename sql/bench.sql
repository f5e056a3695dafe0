-- The streaming benchmark: the same rows into tables stored in different ways, without indexes and with them.
-- Its phases are runs like any other (sql/ingest.sql); sql/report.sql says what they came to.

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
    source text CHECK (source IN ('cdr', 'iot')),
    about text NOT NULL DEFAULT '',
    owner name DEFAULT current_user,
    after_load text
);
COMMENT ON TABLE millrace.variant IS 'Ways to store a table that stream_bench compares; add rows for your own';
COMMENT ON COLUMN millrace.variant.name IS 'The variant''s name, with which its tables'' names begin; at most 40 bytes';
COMMENT ON COLUMN millrace.variant.position IS 'The order in which they are loaded; the first that the server has is the baseline';
COMMENT ON COLUMN millrace.variant.engine IS
'What it needs: postgresql (any server will do), greenplum (Greenplum or Cloudberry), cloudberry';
COMMENT ON COLUMN millrace.variant.access_method IS 'Table access method, for USING; null for the server''s default';
COMMENT ON COLUMN millrace.variant.create_suffix IS
'What follows in CREATE TABLE, such as WITH (fillfactor = 90); of a partitioned table it follows in its partitions. {minmax_columns: a, b} and {bloomfilter_columns: a, b} stand for the PAX option of this name with those of the columns that it suits, going by stream_columns() for the benchmark''s rows; where it suits none, they go, with the comma before them. On a cluster DISTRIBUTED RANDOMLY is added unless it says how rows are distributed';
COMMENT ON COLUMN millrace.variant.unlogged IS 'Whether the table, or its partitions, are unlogged';
COMMENT ON COLUMN millrace.variant.partition_by IS 'What follows PARTITION BY; null for a table without partitions';
COMMENT ON COLUMN millrace.variant.partitions IS 'What follows PARTITION OF in each partition, such as FOR VALUES FROM (0) TO (1)';
COMMENT ON COLUMN millrace.variant.index_set IS
'What follows the table in CREATE INDEX, for each index of phase index; null for the source''s five. Names of your own are to be qualified';
COMMENT ON COLUMN millrace.variant.source IS 'The source whose columns it names; null if it can hold any';
COMMENT ON COLUMN millrace.variant.about IS 'What it is';
COMMENT ON COLUMN millrace.variant.owner IS
'The role that added it, who alone can use it, because its texts become statements; null if it came with the extension';
COMMENT ON COLUMN millrace.variant.after_load IS
'A statement to run on each table when its rows are in, such as CLUSTER %s: a text for format(), whose argument is the table; null for none';

INSERT INTO millrace.variant
    (name, position, engine, access_method, create_suffix, unlogged, partition_by, partitions, index_set, source, about, owner,
     after_load)
VALUES
    ('heap', 1, 'postgresql', 'heap', NULL, false, NULL, NULL, NULL, NULL, 'a plain table', NULL, NULL),
    ('heap_unlogged', 2, 'postgresql', 'heap', NULL, true, NULL, NULL, NULL, NULL, 'a table without WAL', NULL, NULL),
    ('heap_hourly', 3, 'postgresql', 'heap', NULL, false, 'RANGE (call_hour)',
        (SELECT array_agg(pg_catalog.format('FOR VALUES FROM (%s) TO (%s)', hour, hour + 1) ORDER BY hour)
         FROM pg_catalog.generate_series(0, 23) hour),
        NULL, 'cdr', 'a partition for each hour of the day', NULL, NULL),
    ('heap_brin', 4, 'postgresql', 'heap', NULL, false, NULL, NULL,
        '{USING brin (call_timestamp), (caller_number), (callee_number), (cell_tower_id), USING brin (call_date)}',
        'cdr', 'a table with BRIN indexes on the columns that follow the order of arrival', NULL, NULL),
    ('ao_row', 5, 'greenplum', 'ao_row', NULL, false, NULL, NULL, NULL, NULL, 'append-optimized, by row', NULL, NULL),
    ('ao_column', 6, 'greenplum', 'ao_column', 'WITH (compresstype = zstd, compresslevel = 5)', false, NULL, NULL,
        NULL, NULL, 'append-optimized, by column, compressed with zstd', NULL, NULL),
    ('pax', 7, 'cloudberry', 'pax',
        'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id})',
        false, NULL, NULL, NULL, 'cdr', 'PAX with zone maps and Bloom filters', NULL, NULL),
    ('pax_clustered', 8, 'cloudberry', 'pax',
        'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id},'
        ' cluster_type = ''zorder'', cluster_columns = ''call_hour,cell_tower_id'')',
        false, NULL, NULL, NULL, 'cdr', 'PAX, clustered in Z-order by hour and cell tower', NULL,
        -- It clusters no row as it comes.
        'CLUSTER %s');

CREATE TABLE millrace.bench (
    name text PRIMARY KEY CHECK (name <> ''),
    owner name NOT NULL DEFAULT current_user,
    source text NOT NULL,
    rows bigint NOT NULL,
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
COMMENT ON COLUMN millrace.bench.rows IS 'Rows per table';
COMMENT ON COLUMN millrace.bench.batch_rows IS 'Rows per batch, as asked for';
COMMENT ON COLUMN millrace.bench.options IS 'The source''s options and the profile, without the rate';
COMMENT ON COLUMN millrace.bench.schema IS 'The schema of its tables';
COMMENT ON COLUMN millrace.bench.analyze_every IS 'After how many batches the tables are analyzed; null for only at the end of a phase';
COMMENT ON COLUMN millrace.bench.created IS 'When it was begun';

CREATE TABLE millrace.bench_variant (
    bench text NOT NULL REFERENCES millrace.bench ON DELETE CASCADE,
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

-- What hangs on a target goes when its run is dropped, by src/ledger.rs: Cloudberry has foreign keys but does not act
-- on them.
CREATE TABLE millrace.bench_table (
    bench text NOT NULL REFERENCES millrace.bench ON DELETE CASCADE,
    phase text NOT NULL,
    variant text NOT NULL,
    run text NOT NULL,
    target integer NOT NULL,
    definition text NOT NULL,
    after_load_ms double precision,
    PRIMARY KEY (run, target),
    FOREIGN KEY (run, target) REFERENCES millrace.target ON DELETE CASCADE
);
COMMENT ON TABLE millrace.bench_table IS 'The tables a benchmark made, one for each variant and phase';
COMMENT ON COLUMN millrace.bench_table.bench IS 'The benchmark';
COMMENT ON COLUMN millrace.bench_table.phase IS 'noindex or index';
COMMENT ON COLUMN millrace.bench_table.variant IS 'The variant''s name';
COMMENT ON COLUMN millrace.bench_table.run IS 'The run that loads it';
COMMENT ON COLUMN millrace.bench_table.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.bench_table.definition IS 'The statements that made it, a line each';
COMMENT ON COLUMN millrace.bench_table.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none or it was not run yet';

CREATE TABLE millrace.bench_analyze (
    run text NOT NULL,
    target integer NOT NULL,
    batch bigint NOT NULL,
    ms double precision NOT NULL,
    finished timestamptz NOT NULL,
    PRIMARY KEY (run, target, batch),
    FOREIGN KEY (run, target) REFERENCES millrace.target ON DELETE CASCADE
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
    PRIMARY KEY (run, target, query, attempt),
    FOREIGN KEY (run, target) REFERENCES millrace.target ON DELETE CASCADE
);
COMMENT ON TABLE millrace.bench_query IS 'Each query that a benchmark timed';
COMMENT ON COLUMN millrace.bench_query.run IS 'The run that loaded the table';
COMMENT ON COLUMN millrace.bench_query.target IS 'Number of the target in the run, from 1';
COMMENT ON COLUMN millrace.bench_query.query IS 'The query''s name';
COMMENT ON COLUMN millrace.bench_query.attempt IS 'How often it was run on this table by then; the first is the cold one';
COMMENT ON COLUMN millrace.bench_query.ms IS 'Milliseconds it took';
COMMENT ON COLUMN millrace.bench_query.rows IS 'Rows of its result';
COMMENT ON COLUMN millrace.bench_query.hash IS 'Sum of the hashes of its result''s rows';
COMMENT ON COLUMN millrace.bench_query.statement IS 'What was run';
COMMENT ON COLUMN millrace.bench_query.finished IS 'When it was done';

SELECT pg_catalog.pg_extension_config_dump('millrace.variant', 'WHERE owner IS NOT NULL');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_variant', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_table', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_analyze', '');
SELECT pg_catalog.pg_extension_config_dump('millrace.bench_query', '');

CREATE FUNCTION millrace.owns_bench(bench text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM millrace.bench b WHERE b.name = owns_bench.bench AND millrace.is_owner(b.owner))
$$;
COMMENT ON FUNCTION millrace.owns_bench(text) IS 'Whether the caller is a member of the role that owns the benchmark';

-- As for the ledger: callers write themselves, and each only what is theirs.
DO $$
DECLARE
    protected record;
BEGIN
    FOR protected IN
        SELECT * FROM (VALUES
            ('millrace.variant', 'millrace.is_owner(owner)', 'A variant belongs to the role that added it'),
            ('millrace.bench', 'millrace.is_owner(owner)', 'A benchmark belongs to the role that began it'),
            ('millrace.bench_variant', 'millrace.owns_bench(bench)', 'As the benchmark it belongs to'),
            ('millrace.bench_table', 'millrace.owns_bench(bench)', 'As the benchmark it belongs to'),
            ('millrace.bench_analyze', 'millrace.owns_run(run)', 'As the run it belongs to'),
            ('millrace.bench_query', 'millrace.owns_run(run)', 'As the run it belongs to')
        ) AS p (name, condition, reason)
    LOOP
        EXECUTE pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO PUBLIC', protected.name);
        EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', protected.name);
        EXECUTE pg_catalog.format('CREATE POLICY seen_by_all ON %s FOR SELECT USING (true)', protected.name);
        EXECUTE pg_catalog.format('CREATE POLICY changed_by_owner ON %s USING (%s)', protected.name, protected.condition);
        EXECUTE pg_catalog.format('COMMENT ON POLICY seen_by_all ON %s IS %L', protected.name, 'Results are no secret');
        EXECUTE pg_catalog.format('COMMENT ON POLICY changed_by_owner ON %s IS %L', protected.name, protected.reason);
    END LOOP;
END
$$;

CREATE FUNCTION millrace.why_skipped(variant millrace.variant, source text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN array_position(engines, variant.engine) > array_position(engines, millrace.engine()) THEN
            format('it needs %s', CASE variant.engine WHEN 'greenplum' THEN 'Greenplum or Cloudberry' ELSE 'Cloudberry' END)
        WHEN NOT EXISTS (SELECT FROM pg_am WHERE amtype = 't' AND amname = coalesce(variant.access_method, amname)) THEN
            format('access method "%s" does not exist', variant.access_method)
        WHEN variant.source <> why_skipped.source THEN
            format('it is for source "%s"', variant.source)
    END
    FROM (SELECT '{postgresql,greenplum,cloudberry}'::text[]) AS e (engines)
$$;
COMMENT ON FUNCTION millrace.why_skipped(millrace.variant, text) IS
'Why this server cannot have a variant with a source''s rows; null if it can';

CREATE VIEW stream_variants AS
SELECT v.name, v.engine, v.access_method, v.source, v.about, v.owner, millrace.why_skipped(v, NULL) AS skipped
FROM millrace.variant v
ORDER BY v.position, v.name;
COMMENT ON VIEW stream_variants IS 'The variants that stream_bench can compare, in its order';
COMMENT ON COLUMN stream_variants.name IS 'The variant''s name';
COMMENT ON COLUMN stream_variants.engine IS 'The server it needs: postgresql for any, greenplum for Greenplum or Cloudberry, cloudberry';
COMMENT ON COLUMN stream_variants.access_method IS 'Table access method; null for the server''s default';
COMMENT ON COLUMN stream_variants.source IS 'The source it is for; null for any';
COMMENT ON COLUMN stream_variants.about IS 'What it is';
COMMENT ON COLUMN stream_variants.owner IS 'The role that added it; null if it came with the extension';
COMMENT ON COLUMN stream_variants.skipped IS 'Why this server cannot have it; null if it can';

CREATE VIEW stream_bench_tables AS
SELECT b.bench, b.phase, b.run, b.target AS position, b.variant, t.name AS target, b.definition, b.after_load_ms
FROM millrace.bench_table b JOIN millrace.target t USING (run, target);
COMMENT ON VIEW stream_bench_tables IS 'The tables of all benchmarks, one for each variant and phase';
COMMENT ON COLUMN stream_bench_tables.bench IS 'The benchmark';
COMMENT ON COLUMN stream_bench_tables.phase IS 'noindex or index';
COMMENT ON COLUMN stream_bench_tables.run IS 'The run that loads it';
COMMENT ON COLUMN stream_bench_tables.position IS 'The variant''s place, from 1, which is the baseline';
COMMENT ON COLUMN stream_bench_tables.variant IS 'The variant';
COMMENT ON COLUMN stream_bench_tables.target IS 'The table, by the name it had when the run began';
COMMENT ON COLUMN stream_bench_tables.definition IS 'The statements that made it, a line each';
COMMENT ON COLUMN stream_bench_tables.after_load_ms IS
'Milliseconds that its variant''s after_load took; null if there is none or it was not run yet';

CREATE VIEW stream_bench_skipped AS
SELECT v.bench, v.variant, v.skipped AS reason FROM millrace.bench_variant v WHERE v.skipped IS NOT NULL;
COMMENT ON VIEW stream_bench_skipped IS 'The variants that benchmarks skipped';
COMMENT ON COLUMN stream_bench_skipped.bench IS 'The benchmark';
COMMENT ON COLUMN stream_bench_skipped.variant IS 'The variant';
COMMENT ON COLUMN stream_bench_skipped.reason IS 'Why it was skipped';

CREATE VIEW stream_queries AS
SELECT b.bench, b.phase, b.variant, t.name AS target, q.query, q.attempt, q.attempt = 1 AS cold, q.ms, q.rows,
       (q.rows, q.hash) IS NOT DISTINCT FROM
           (first_value(q.rows) OVER baseline, first_value(q.hash) OVER baseline) AS same,
       q.statement, q.finished
FROM millrace.bench_query q
JOIN millrace.bench_table b USING (run, target)
JOIN millrace.target t USING (run, target)
WINDOW baseline AS (PARTITION BY q.run, q.query ORDER BY q.target, q.attempt);
COMMENT ON VIEW stream_queries IS 'The queries that benchmarks timed';
COMMENT ON COLUMN stream_queries.bench IS 'The benchmark';
COMMENT ON COLUMN stream_queries.phase IS 'noindex or index';
COMMENT ON COLUMN stream_queries.variant IS 'The variant';
COMMENT ON COLUMN stream_queries.target IS 'The table, by the name it had when the run began';
COMMENT ON COLUMN stream_queries.query IS 'The query''s name';
COMMENT ON COLUMN stream_queries.attempt IS 'How often it was run on this table by then, from 1';
COMMENT ON COLUMN stream_queries.cold IS 'Whether it was the first run on this table, with caches as the load and the queries before left them';
COMMENT ON COLUMN stream_queries.ms IS 'Milliseconds it took';
COMMENT ON COLUMN stream_queries.rows IS 'Rows of its result';
COMMENT ON COLUMN stream_queries.same IS 'Whether the result equals the baseline''s first';
COMMENT ON COLUMN stream_queries.statement IS 'What was run';
COMMENT ON COLUMN stream_queries.finished IS 'When it was done';

GRANT SELECT ON stream_variants, stream_bench_tables, stream_bench_skipped, stream_queries TO PUBLIC;

CREATE FUNCTION millrace.row_type(source text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE source WHEN 'cdr' THEN '@extschema@.cdr_calls' WHEN 'iot' THEN '@extschema@.iot_readings' END
$$;
COMMENT ON FUNCTION millrace.row_type(text) IS 'The row type of a source that stream_bench can load; null for others';

CREATE FUNCTION millrace.index_set(source text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE source
        WHEN 'cdr' THEN
            ARRAY['(call_timestamp)', '(caller_number)', '(callee_number)', '(cell_tower_id)', '(call_date)']
        WHEN 'iot' THEN ARRAY['("time")', '(device)', '(metric, "time")', '(arrival)', '(quality)']
    END
$$;
COMMENT ON FUNCTION millrace.index_set(text) IS 'The five indexes that each table of phase index has, unless its variant says otherwise';

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

CREATE FUNCTION millrace.refuse_argument(name text, value text, hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF value IS NULL THEN
        RAISE null_value_not_allowed USING MESSAGE = format('argument "%s" must not be null', name);
    END IF;
    RAISE invalid_parameter_value
        USING MESSAGE = format('invalid value for argument "%s": %s', name, value), HINT = hint;
END
$$;
COMMENT ON FUNCTION millrace.refuse_argument(text, text, text) IS 'Raises the error for an argument out of its range, or null';

CREATE FUNCTION millrace.get_bench(run text) RETURNS millrace.bench
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    found millrace.bench;
BEGIN
    IF run IS NULL THEN
        PERFORM millrace.refuse_argument('run', NULL, NULL);
    END IF;
    SELECT * INTO found FROM millrace.bench b WHERE b.name = run;
    IF found.name IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('benchmark "%s" does not exist', run),
            HINT = 'Table millrace.bench lists them; CALL stream_bench() begins one.';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION millrace.get_bench(text) IS 'The benchmark of that name, or an error';

CREATE FUNCTION millrace.check_bench_owner(bench millrace.bench) RETURNS void
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
BEGIN
    IF NOT millrace.is_owner(bench.owner) THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of benchmark "%s"', bench.name);
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.check_bench_owner(millrace.bench) IS 'Refuses a benchmark of a role that the caller is not a member of';

CREATE FUNCTION millrace.choose_variants(run text, source text, variants text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
    reason text;
BEGIN
    -- Their texts become statements that run with the caller's rights, so nobody else's will do.
    INSERT INTO millrace.bench_variant (bench, position, variant, skipped)
    SELECT run, row_number() OVER (ORDER BY array_position(variants, v.name), v.position, v.name),
           v.name, millrace.why_skipped(v, choose_variants.source)
    FROM millrace.variant v
    WHERE coalesce(v.owner, current_user) = current_user AND (variants IS NULL OR v.name = ANY (variants));
    FOREACH wanted IN ARRAY coalesce(variants, '{}') LOOP
        IF wanted IS NULL THEN
            PERFORM millrace.refuse_argument('variants', NULL, NULL);
        ELSIF NOT EXISTS (SELECT FROM millrace.bench_variant b WHERE b.bench = run AND b.variant = wanted) THEN
            RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', wanted),
                HINT = 'View stream_variants lists them; one can use those of the extension and one''s own.';
        END IF;
    END LOOP;
    IF cardinality(variants) > (SELECT count(*) FROM millrace.bench_variant b WHERE b.bench = run) THEN
        PERFORM millrace.refuse_argument('variants', variants::text, 'Name each variant once.');
    END IF;
    FOR wanted, reason IN
        SELECT b.variant, b.skipped FROM millrace.bench_variant b
        WHERE b.bench = run AND b.skipped IS NOT NULL ORDER BY b.position
    LOOP
        RAISE NOTICE 'variant "%" skipped: %', wanted, reason;
    END LOOP;
    IF NOT EXISTS (SELECT FROM millrace.bench_variant b WHERE b.bench = run AND b.skipped IS NULL) THEN
        PERFORM millrace.refuse_argument('variants', variants::text, 'This server has none of them.');
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.choose_variants(text, text, text[]) IS
'Notes which variants a new benchmark compares, all by default, and tells which it skips';

CREATE FUNCTION millrace.open_bench(
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
COMMENT ON FUNCTION millrace.open_bench(text, bigint, integer, text[], text, text, jsonb, integer, text) IS
'Checks the arguments of stream_bench, and begins a benchmark or finds it; returns its phases';

CREATE FUNCTION millrace.create_tables(bench millrace.bench, phase text) RETURNS void
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
COMMENT ON FUNCTION millrace.create_tables(millrace.bench, text) IS 'Makes the tables of a benchmark''s phase';

CREATE FUNCTION millrace.open_phase(run text, phase text, workers integer, options jsonb) RETURNS text
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
COMMENT ON FUNCTION millrace.open_phase(text, text, integer, jsonb) IS
'Makes the tables of a benchmark''s phase if they are not there, and begins its run or goes on with it; returns the run''s name';

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

CREATE FUNCTION millrace.analyze_targets(run text, batch bigint) RETURNS void
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
COMMENT ON FUNCTION millrace.analyze_targets(text, bigint) IS
'Analyzes a run''s tables after a batch, and notes how long that took; does nothing if it was noted for this batch or a later one';

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

CREATE FUNCTION millrace.sample(run text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT format('millrace.source_rows(%L, %L, %s, %s, NULL::%s)', r.source, r.options,
                  r.rows_estimated / 2, r.rows_estimated / 2 + 10000, millrace.row_type(r.source))
    FROM millrace.run r WHERE r.name = sample.run
$$;
COMMENT ON FUNCTION millrace.sample(text) IS
'What to select from to have ten thousand rows from the middle of a benchmark''s run, made again';

CREATE FUNCTION millrace.queries(
    source text, OUT number integer, OUT query text, OUT statement text, OUT arguments text
) RETURNS SETOF record
LANGUAGE sql IMMUTABLE SET search_path TO pg_catalog, pg_temp AS $$
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
    WHERE source = queries.source
$$;
COMMENT ON FUNCTION millrace.queries(text) IS
'The queries that a benchmark of a source times: texts for format(), whose first argument is the table; the others come from a sample of the source';

CREATE FUNCTION millrace.run_next_query(run text) RETURNS boolean
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
COMMENT ON FUNCTION millrace.run_next_query(text) IS
'Runs and times the next query of a benchmark''s run that is not there yet; false if there is none';

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
COMMENT ON PROCEDURE stream_bench(text, bigint, integer, text[], text, text, integer, jsonb, integer, text) IS
'Loads the same rows into tables of several variants, without indexes and with them, and times queries on each. Cancelled or crashed, the same call goes on where it stopped';

CREATE FUNCTION stream_bench_drop(run text) RETURNS void
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
COMMENT ON FUNCTION stream_bench_drop(text) IS 'Forgets a benchmark that is not running, and drops its tables; their schema stays';
