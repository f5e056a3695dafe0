-- The variants that come with the extension, and which of them a benchmark compares.

-- Owner null: they came with the extension.
INSERT INTO millrace.variant (name, position, access_method, about, owner)
VALUES ('heap', 1, 'heap', 'a plain table', NULL);

INSERT INTO millrace.variant (name, position, access_method, unlogged, about, owner)
VALUES ('heap_unlogged', 2, 'heap', true, 'a table without WAL', NULL);

INSERT INTO millrace.variant (name, position, access_method, partition_by, partitions, source, about, owner)
SELECT 'heap_hourly', 3, 'heap', 'RANGE (call_hour)',
       pg_catalog.array_agg(pg_catalog.format('FOR VALUES FROM (%s) TO (%s)', hour, hour + 1) ORDER BY hour),
       'cdr', 'a partition for each hour of the day', NULL
FROM pg_catalog.generate_series(0, 23) AS hour;

INSERT INTO millrace.variant (name, position, access_method, index_set, source, about, owner)
VALUES ('heap_brin', 4, 'heap',
        '{USING brin (call_timestamp), (caller_number), (callee_number), (cell_tower_id), USING brin (call_date)}',
        'cdr', 'a table with BRIN indexes on the columns that follow the order of arrival', NULL);

INSERT INTO millrace.variant (name, position, engine, access_method, about, owner)
VALUES ('ao_row', 5, 'greenplum', 'ao_row', 'append-optimized, by row', NULL);

INSERT INTO millrace.variant (name, position, engine, access_method, create_suffix, about, owner)
VALUES ('ao_column', 6, 'greenplum', 'ao_column', 'WITH (compresstype = zstd, compresslevel = 5)',
        'append-optimized, by column, compressed with zstd', NULL);

INSERT INTO millrace.variant (name, position, engine, access_method, create_suffix, source, about, owner)
VALUES ('pax', 7, 'cloudberry', 'pax',
        'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id})',
        'cdr', 'PAX with zone maps and Bloom filters', NULL);

-- Rows are clustered by CLUSTER alone, not as they come.
INSERT INTO millrace.variant (name, position, engine, access_method, create_suffix, after_load, source, about, owner)
VALUES ('pax_clustered', 8, 'cloudberry', 'pax',
        'WITH (compresstype = ''zstd'', compresslevel = 5,'
        ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
        ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id},'
        ' cluster_type = ''zorder'', cluster_columns = ''call_hour,cell_tower_id'')',
        'CLUSTER %s', 'cdr', 'PAX, clustered in Z-order by hour and cell tower', NULL);

CREATE FUNCTION millrace.bench_why_skipped(variant millrace.variant, source text) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN array_position(engines, variant.engine) > array_position(engines, millrace.engine()) THEN
            format('it needs %s', CASE variant.engine WHEN 'greenplum' THEN 'Greenplum or Cloudberry' ELSE 'Cloudberry' END)
        WHEN NOT EXISTS (SELECT FROM pg_am WHERE amtype = 't' AND amname = coalesce(variant.access_method, amname)) THEN
            format('access method "%s" does not exist', variant.access_method)
        WHEN variant.source <> bench_why_skipped.source THEN
            format('it is for source "%s"', variant.source)
    END
    FROM (SELECT '{postgresql,greenplum,cloudberry}'::text[]) AS e (engines)
$$;
COMMENT ON FUNCTION millrace.bench_why_skipped(millrace.variant, text) IS
'Why this server cannot have a variant with a source''s rows; null if it can';

CREATE VIEW stream_variants AS
SELECT v.name, v.engine, v.access_method, v.source, v.about, v.owner, millrace.bench_why_skipped(v, NULL) AS skipped
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

GRANT SELECT ON stream_variants TO PUBLIC;

CREATE FUNCTION millrace.bench_get_variant(name text) RETURNS millrace.variant
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    found millrace.variant;
BEGIN
    SELECT * INTO found FROM millrace.variant v WHERE v.name = bench_get_variant.name;
    IF found.name IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', bench_get_variant.name),
            HINT = 'View stream_variants lists them.';
    ELSIF found.owner <> current_user THEN
        RAISE insufficient_privilege
            USING MESSAGE = format('variant "%s" belongs to role "%s"', found.name, found.owner),
                  HINT = 'Its texts become statements that run with the caller''s rights, so only its owner can use it.';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION millrace.bench_get_variant(text) IS
'The variant of that name, for its texts to be used; an error if it does not exist or is another role''s';

CREATE FUNCTION millrace.bench_choose_variants(run text, source text, variants text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp AS $$
DECLARE
    wanted text;
    reason text;
BEGIN
    -- Their texts become statements that run with the caller's rights, so nobody else's will do.
    INSERT INTO millrace.bench_variant (bench, position, variant, skipped)
    SELECT run, row_number() OVER (ORDER BY array_position(variants, v.name), v.position, v.name),
           v.name, millrace.bench_why_skipped(v, bench_choose_variants.source)
    FROM millrace.variant v
    WHERE coalesce(v.owner, current_user) = current_user AND (variants IS NULL OR v.name = ANY (variants));
    FOREACH wanted IN ARRAY coalesce(variants, '{}') LOOP
        IF wanted IS NULL THEN
            PERFORM millrace.bench_refuse_argument('variants', NULL, NULL);
        ELSIF NOT EXISTS (SELECT FROM millrace.bench_variant b WHERE b.bench = run AND b.variant = wanted) THEN
            RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', wanted),
                HINT = 'View stream_variants lists them; one can use those of the extension and one''s own.';
        END IF;
    END LOOP;
    IF cardinality(variants) > (SELECT count(*) FROM millrace.bench_variant b WHERE b.bench = run) THEN
        PERFORM millrace.bench_refuse_argument('variants', variants::text, 'Name each variant once.');
    END IF;
    FOR wanted, reason IN
        SELECT b.variant, b.skipped FROM millrace.bench_variant b
        WHERE b.bench = run AND b.skipped IS NOT NULL ORDER BY b.position
    LOOP
        RAISE NOTICE 'variant "%" skipped: %', wanted, reason;
    END LOOP;
    IF NOT EXISTS (SELECT FROM millrace.bench_variant b WHERE b.bench = run AND b.skipped IS NULL) THEN
        PERFORM millrace.bench_refuse_argument('variants', variants::text, 'This server has none of them.');
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_choose_variants(text, text, text[]) IS
'Notes which variants a new benchmark compares, all by default, and tells which it skips';
