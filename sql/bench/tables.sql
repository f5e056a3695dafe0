-- The statements that create a variant's tables.

CREATE FUNCTION millrace.bench_row_type(source text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT '@extschema@.' || b.row_type FROM millrace.bench_sources() b WHERE b.source = bench_row_type.source
$$;
COMMENT ON FUNCTION millrace.bench_row_type(text) IS 'The row type of a source that stream_bench can load; null for others';

CREATE FUNCTION millrace.bench_fill_columns(create_suffix text, source text, rows bigint, options jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
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
COMMENT ON FUNCTION millrace.bench_fill_columns(text, text, bigint, jsonb) IS
'A variant''s create_suffix with the columns that suit a source''s rows in place of {minmax_columns: ...} and {bloomfilter_columns: ...}';

CREATE FUNCTION millrace.bench_variant_statements(
    variant text, phase text, source text, schema text, rows bigint, options jsonb
) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
DECLARE
    v millrace.variant := millrace.bench_get_variant(variant);
    table_name text := format('%I.%I', schema, variant || '_' || phase);
    create_table text := CASE WHEN v.unlogged THEN 'CREATE UNLOGGED TABLE' ELSE 'CREATE TABLE' END;
    create_suffix text := coalesce(millrace.bench_fill_columns(v.create_suffix, source, rows, options), '');
    own_distribution text := coalesce(
        (regexp_match(create_suffix, '\m(DISTRIBUTED\s+(RANDOMLY|REPLICATED|BY\s*\([^)]*\)))', 'i'))[1], '');
    -- By default rows stay on the segment that makes them. A partition is distributed as its table is, and takes no such clause.
    distribution text := coalesce(' ' || nullif(own_distribution, ''), millrace.distribution());
    storage text := coalesce(' USING ' || quote_ident(v.access_method), '')
        || coalesce(' ' || nullif(btrim(replace(create_suffix, own_distribution, '')), ''), '');
BEGIN
    IF v.partition_by IS NULL THEN
        RETURN NEXT format('%s %s (LIKE %s)%s%s',
            create_table, table_name, millrace.bench_row_type(source), storage, distribution);
    ELSE
        RETURN NEXT format('CREATE TABLE %s (LIKE %s) PARTITION BY %s%s',
            table_name, millrace.bench_row_type(source), v.partition_by, distribution);
        RETURN QUERY
            SELECT format('%s %I.%I PARTITION OF %s %s%s', create_table, schema,
                format('%s_%s_%s', variant, phase, to_char(number - 1, 'FM900')), table_name, bounds, storage)
            FROM unnest(v.partitions) WITH ORDINALITY AS p (bounds, number) ORDER BY number;
    END IF;
    IF phase LIKE 'index%' THEN
        RETURN QUERY
            SELECT format('CREATE INDEX ON %s %s', table_name, definition)
            FROM unnest(coalesce(v.index_set, (
                SELECT b.index_set FROM millrace.bench_sources() b WHERE b.source = bench_variant_statements.source
            ))) WITH ORDINALITY AS i (definition, number)
            ORDER BY number;
    END IF;
END
$$;
COMMENT ON FUNCTION millrace.bench_variant_statements(text, text, text, text, bigint, jsonb) IS
'The statements that create a variant''s table in a phase, for a source with this number of rows and these options';

-- Warnings only, because Cloudberry sends a notice for each partition.
CREATE FUNCTION millrace.bench_create_tables(bench millrace.bench, phase text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on SET client_min_messages TO warning AS $$
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
            SELECT s FROM millrace.bench_variant_statements(
                variant, phase, bench.source, bench.schema, bench.rows, bench.options) s
        LOOP
            EXECUTE statement;
        END LOOP;
    END LOOP;
EXCEPTION WHEN duplicate_table THEN
    RAISE duplicate_table USING MESSAGE = SQLERRM, HINT =
        'Another benchmark or search may have its tables there: give another schema, or drop it with stream_bench_drop() or stream_rate_drop().';
END
$$;
COMMENT ON FUNCTION millrace.bench_create_tables(millrace.bench, text) IS 'Creates the tables of a benchmark''s phase';

CREATE FUNCTION millrace.bench_target_table(name text, relation oid) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
BEGIN
    IF to_regclass(name) IS DISTINCT FROM relation THEN
        RAISE object_not_in_prerequisite_state
            USING MESSAGE = format('target "%s" was dropped, renamed or created again since the run began', name),
                  HINT = 'If it was restored, take it as it is now with stream_resume(run, adopt => true).';
    END IF;
    RETURN relation::regclass;
END
$$;
COMMENT ON FUNCTION millrace.bench_target_table(text, oid) IS
'The table that a row of millrace.target names; an error if the name does not mean that table any more';
