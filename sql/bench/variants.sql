-- The variants that come with the extension, and which of them a benchmark compares.

-- Not rows of a table: a publication of all tables would copy them to subscribers that have them already.
CREATE FUNCTION millrace.bench_builtin_variants() RETURNS SETOF millrace.variant
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT v.* FROM jsonb_populate_recordset(
        '("",0,postgresql,,,f,,,,,"",,)'::millrace.variant,
        jsonb_build_array(
            jsonb_build_object(
                'name', 'heap', 'position', 1, 'access_method', 'heap', 'about', 'a plain table'),
            jsonb_build_object(
                'name', 'heap_unlogged', 'position', 2, 'access_method', 'heap', 'unlogged', true,
                'about', 'a table without WAL'),
            jsonb_build_object(
                'name', 'heap_hourly', 'position', 3, 'access_method', 'heap', 'partition_by', 'RANGE (call_hour)',
                'partitions', (SELECT jsonb_agg(format('FOR VALUES FROM (%s) TO (%s)', hour, hour + 1) ORDER BY hour)
                               FROM generate_series(0, 23) AS hour),
                'source', 'cdr', 'about', 'a partition for each hour of the day'),
            jsonb_build_object(
                'name', 'heap_brin', 'position', 4, 'access_method', 'heap',
                'index_set', jsonb_build_array(
                    'USING brin (call_timestamp)', '(caller_number)', '(callee_number)', '(cell_tower_id)',
                    'USING brin (call_date)'),
                'source', 'cdr', 'about', 'a table with BRIN indexes on the columns that follow the order of arrival'),
            jsonb_build_object(
                'name', 'ao_row', 'position', 5, 'engine', 'greenplum', 'access_method', 'ao_row',
                'about', 'append-optimized, by row'),
            jsonb_build_object(
                'name', 'ao_column', 'position', 6, 'engine', 'greenplum', 'access_method', 'ao_column',
                'create_suffix', 'WITH (compresstype = zstd, compresslevel = 5)',
                'about', 'append-optimized, by column, compressed with zstd'),
            jsonb_build_object(
                'name', 'pax', 'position', 7, 'engine', 'cloudberry', 'access_method', 'pax',
                'create_suffix', 'WITH (compresstype = ''zstd'', compresslevel = 5,'
                    ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
                    ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id})',
                'source', 'cdr', 'about', 'PAX with zone maps and Bloom filters'),
            -- Only CLUSTER clusters the rows; inserting does not.
            jsonb_build_object(
                'name', 'pax_clustered', 'position', 8, 'engine', 'cloudberry', 'access_method', 'pax',
                'create_suffix', 'WITH (compresstype = ''zstd'', compresslevel = 5,'
                    ' {minmax_columns: call_timestamp, call_date, call_hour, caller_number, callee_number, cell_tower_id},'
                    ' {bloomfilter_columns: caller_number, callee_number, cell_tower_id},'
                    ' cluster_type = ''zorder'', cluster_columns = ''call_hour,cell_tower_id'')',
                'after_load', 'CLUSTER %s', 'source', 'cdr',
                'about', 'PAX, clustered in Z-order by hour and cell tower')
        )) v
$$;
COMMENT ON FUNCTION millrace.bench_builtin_variants() IS 'The variants that come with the extension; their owner is null';

CREATE VIEW millrace.variants AS
SELECT * FROM millrace.variant
UNION ALL
SELECT b.* FROM millrace.bench_builtin_variants() b;
COMMENT ON VIEW millrace.variants IS 'All variants: those that come with the extension, which have no owner, and those that users added';
GRANT SELECT ON millrace.variants TO PUBLIC;
COMMENT ON COLUMN millrace.variants.name IS
'The variant''s name, which the names of its tables begin with; at most 40 bytes';
COMMENT ON COLUMN millrace.variants.position IS
'Its place in the order of loading; the first variant that the server supports is the baseline';
COMMENT ON COLUMN millrace.variants.engine IS
'What it needs: postgresql (any server will do), greenplum (Greenplum or Cloudberry), cloudberry';
COMMENT ON COLUMN millrace.variants.access_method IS 'Table access method, for USING; null for the server''s default';
COMMENT ON COLUMN millrace.variants.unlogged IS 'Whether the table, or its partitions, are unlogged';
COMMENT ON COLUMN millrace.variants.partition_by IS 'What follows PARTITION BY; null for a table without partitions';
COMMENT ON COLUMN millrace.variants.partitions IS
'What follows PARTITION OF in each partition, such as FOR VALUES FROM (0) TO (1)';
COMMENT ON COLUMN millrace.variants.index_set IS
'What follows the table in CREATE INDEX, for each index of phase index; null for the source''s indexes. Qualify the names of your own functions and operator classes';
COMMENT ON COLUMN millrace.variants.source IS 'The source whose columns it names; null if it can hold any';
COMMENT ON COLUMN millrace.variants.about IS 'What it is';
COMMENT ON COLUMN millrace.variants.after_load IS
'A statement to run on each table once it is loaded, as a template for format() whose argument is the table, such as CLUSTER %s; null for none';
COMMENT ON COLUMN millrace.variants.create_suffix IS 'The end of CREATE TABLE; see millrace.variant';
COMMENT ON COLUMN millrace.variants.owner IS 'The role that added it; null if it came with the extension';

-- A variant's texts become statements that run with the caller's rights, so only the extension's variants and the
-- caller's own are usable. The caller's hides the extension's of the same name.
CREATE FUNCTION millrace.bench_usable_variants() RETURNS SETOF millrace.variant
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT DISTINCT ON (v.name)
           v.name, v.position, v.engine, v.access_method, v.create_suffix, v.unlogged, v.partition_by, v.partitions,
           v.index_set, v.source, v.about, v.owner, v.after_load
    FROM millrace.variants v
    WHERE v.owner IS NULL
       -- As in millrace.role_of(), but evaluated once, here: each segment of a cluster has another system identifier.
       OR CASE WHEN (v.owner).cluster = (SELECT (millrace.role_now()).cluster)
               THEN (v.owner).role = (SELECT (millrace.role_now()).role)
               ELSE (v.owner).name = (SELECT (millrace.role_now()).name) END
    ORDER BY v.name, v.owner IS NULL
$$;
COMMENT ON FUNCTION millrace.bench_usable_variants() IS 'The variants that the caller can use: the extension''s and the caller''s own';

CREATE FUNCTION stream_variant_drop(name text) RETURNS boolean
LANGUAGE c VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS 'MODULE_PATHNAME', 'stream_variant_drop_wrapper';
COMMENT ON FUNCTION stream_variant_drop(text) IS
'Drops a variant that the caller added with INSERT INTO millrace.variant; false if there is none of that name';

CREATE FUNCTION millrace.bench_why_skipped(
    engine text, access_method text, variant_source text, source text
) RETURNS text
LANGUAGE sql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT CASE
        WHEN array_position(engines, engine) > array_position(engines, millrace.engine()) THEN
            format('it needs %s', CASE engine WHEN 'greenplum' THEN 'Greenplum or Cloudberry' ELSE 'Cloudberry' END)
        WHEN NOT EXISTS (SELECT FROM pg_am WHERE amtype = 't' AND amname = coalesce(access_method, amname)) THEN
            format('access method "%s" does not exist', access_method)
        WHEN variant_source <> source THEN
            format('it is for source "%s"', variant_source)
    END
    FROM (SELECT '{postgresql,greenplum,cloudberry}'::text[]) AS e (engines)
$$;
COMMENT ON FUNCTION millrace.bench_why_skipped(text, text, text, text) IS
'Why this server cannot load a source into a variant of this engine, access method and source; null if it can';

CREATE VIEW stream_variants AS
SELECT v.name, v.engine, v.access_method, v.source, v.about,
       CASE WHEN v.owner IS NOT NULL THEN millrace.role_name(v.owner) END AS owner,
       millrace.bench_why_skipped(v.engine, v.access_method, v.source, NULL) AS skipped,
       v.position
FROM millrace.variants v
ORDER BY v.position, v.name;
COMMENT ON VIEW stream_variants IS
'The variants that stream_bench can compare, in the order in which it loads them; on a cluster add ORDER BY position, name for that order';
COMMENT ON COLUMN stream_variants.name IS 'The variant''s name';
COMMENT ON COLUMN stream_variants.engine IS 'The server it needs: postgresql for any, greenplum for Greenplum or Cloudberry, cloudberry';
COMMENT ON COLUMN stream_variants.access_method IS 'Table access method; null for the server''s default';
COMMENT ON COLUMN stream_variants.source IS 'The source it is for; null for any';
COMMENT ON COLUMN stream_variants.about IS 'What it is';
COMMENT ON COLUMN stream_variants.owner IS 'The role that added it; null if it came with the extension';
COMMENT ON COLUMN stream_variants.skipped IS 'Why this server cannot use it; null if it can';
COMMENT ON COLUMN stream_variants.position IS 'Its place in the order in which they are loaded';

GRANT SELECT ON stream_variants TO PUBLIC;

CREATE FUNCTION millrace.bench_get_variant(name text) RETURNS millrace.variant
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    found millrace.variant;
    other record;
BEGIN
    SELECT * INTO found FROM millrace.bench_usable_variants() v WHERE v.name = bench_get_variant.name;
    IF found.name IS NULL THEN
        SELECT v.name, millrace.role_name(v.owner) AS owner INTO other FROM millrace.variant v
        WHERE v.name = bench_get_variant.name;
        IF other.name IS NULL THEN
            RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', bench_get_variant.name),
                HINT = 'View stream_variants lists them.';
        END IF;
        RAISE insufficient_privilege
            USING MESSAGE = format('variant "%s" belongs to role "%s"', other.name, other.owner),
                  HINT = 'Its texts become statements that run with the caller''s rights, so only its owner can use it.';
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION millrace.bench_get_variant(text) IS
'The variant of that name; an error if it does not exist or belongs to another role';

CREATE FUNCTION millrace.bench_choose_variants(run text, source text, variants text[]) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    chosen record;
    wanted text;
    reason text;
BEGIN
    FOR chosen IN
        SELECT row_number() OVER (ORDER BY array_position(variants, v.name), v.position, v.name)::integer AS place,
               v.name, millrace.bench_why_skipped(
                   v.engine, v.access_method, v.source, bench_choose_variants.source) AS skipped
        FROM millrace.bench_usable_variants() v
        WHERE variants IS NULL OR v.name = ANY (variants)
    LOOP
        PERFORM millrace.bench_note_variant(run, chosen.place, chosen.name, chosen.skipped);
    END LOOP;
    FOREACH wanted IN ARRAY coalesce(variants, '{}') LOOP
        IF wanted IS NULL THEN
            PERFORM millrace.bench_refuse_argument('variants', NULL, NULL);
        ELSIF NOT EXISTS (SELECT FROM millrace.bench_variant b WHERE b.bench = run AND b.variant = wanted) THEN
            RAISE undefined_object USING MESSAGE = format('variant "%s" does not exist', wanted),
                HINT = 'View stream_variants lists them; you can use those of the extension and your own.';
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
'Notes which variants a new benchmark compares, all by default, and reports those it skips';
