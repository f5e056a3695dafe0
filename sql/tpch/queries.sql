-- The queries of TPC-H and their answers.

CREATE FUNCTION tpch_query(
    query integer, schema text DEFAULT NULL, seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tpch_query_wrapper';
COMMENT ON FUNCTION tpch_query(integer, text, bigint, double precision, boolean) IS
'Text of a TPC-H query, 1 to 22, over the tables of a schema (or of the search_path), with validation parameters or those qgen draws from the seed at scale factor sf; decorrelated: without subqueries that run once per row';

CREATE FUNCTION tpch_queries(
    schema text DEFAULT NULL, seed bigint DEFAULT NULL, stream integer DEFAULT NULL,
    sf double precision DEFAULT 1, decorrelated boolean DEFAULT false,
    OUT "position" integer, OUT query integer, OUT sql text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 22 AS 'MODULE_PATHNAME', 'tpch_queries_wrapper';
COMMENT ON FUNCTION tpch_queries(text, bigint, integer, double precision, boolean) IS
'The 22 TPC-H queries as tpch_query() gives them, by number or, with a stream (0 is the power run), in that stream''s order and with the seed seed + stream';

CREATE FUNCTION tpch_run(
    query integer, schema text DEFAULT 'tpch', seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS SETOF json
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- Cloudberry drops the order of a subquery whose rows nobody numbers.
    RETURN QUERY EXECUTE pg_catalog.format(
        'SELECT pg_catalog.row_to_json(result) FROM (%s) result ORDER BY pg_catalog.row_number() OVER ()',
        @extschema@.tpch_query(query, schema, seed, sf, decorrelated));
END
$$;
COMMENT ON FUNCTION tpch_run(integer, text, bigint, double precision, boolean) IS
'Runs a TPC-H query as tpch_query() gives it; one JSON object per row, with the query''s columns in order';

CREATE FUNCTION tpch_answers(
    query integer DEFAULT NULL, sf double precision DEFAULT 1,
    OUT query integer, OUT "row" integer, OUT columns text[], OUT answer text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tpch_answers_wrapper';
COMMENT ON FUNCTION tpch_answers(integer, double precision) IS
'Published answers to a TPC-H query, or to all, with validation parameters, at scale factor 0.01, 0.1 or 1: one row per row, an empty value for null';

CREATE FUNCTION tpch_validate(
    schema text DEFAULT 'tpch', sf double precision DEFAULT NULL, decorrelated boolean DEFAULT NULL,
    OUT query integer, OUT pass boolean, OUT rows bigint, OUT milliseconds double precision,
    OUT difference text
) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 22 SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'tpch_validate_wrapper';
COMMENT ON FUNCTION tpch_validate(text, double precision, boolean) IS
'Runs the 22 TPC-H queries on the tables or views of a schema and compares with the published answers by the specification''s rules; sf is taken from the suppliers if null; decorrelated if null where lineitem has no index on l_partkey';
