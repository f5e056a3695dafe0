-- Running the queries of a benchmark.

CREATE FUNCTION millrace.kit_title(benchmark text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_title_wrapper';
COMMENT ON FUNCTION millrace.kit_title(text) IS 'The name of a benchmark as the TPC writes it';

-- A few queries are two statements, with a semicolon on a line of its own between them.
CREATE FUNCTION millrace.kit_rows(query text) RETURNS SETOF json
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    statement text;
BEGIN
    FOREACH statement IN ARRAY pg_catalog.string_to_array(query, E'\n;\n') LOOP
        -- Cloudberry drops the order of a subquery unless its rows are numbered.
        RETURN QUERY EXECUTE pg_catalog.format(
            'SELECT pg_catalog.row_to_json(result) FROM (%s) result ORDER BY pg_catalog.row_number() OVER ()', statement);
    END LOOP;
END
$$;
COMMENT ON FUNCTION millrace.kit_rows(text) IS
'The rows of a query''s statements, one JSON object per row, with the columns in order';
