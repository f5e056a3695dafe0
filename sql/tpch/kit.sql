-- The queries of TPC-H and their answers; functions that load, drop and view its tables.

CREATE FUNCTION tpch_query(
    query integer, schema text DEFAULT NULL, seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_query_wrapper';
COMMENT ON FUNCTION tpch_query(integer, text, bigint, double precision, boolean) IS
'Text of a TPC-H query, 1 to 22, over the tables of a schema (or of the search_path), with validation parameters or those qgen draws from the seed at scale factor sf; decorrelated: without subqueries that run once per row';

CREATE FUNCTION tpch_queries(
    schema text DEFAULT NULL, seed bigint DEFAULT NULL, stream integer DEFAULT NULL,
    sf double precision DEFAULT 1, decorrelated boolean DEFAULT false,
    OUT "position" integer, OUT query integer, OUT sql text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 22 AS 'MODULE_PATHNAME', 'kit_queries_wrapper';
COMMENT ON FUNCTION tpch_queries(text, bigint, integer, double precision, boolean) IS
'The 22 TPC-H queries as tpch_query() gives them, by number or, with a stream (0 is the power run), in that stream''s order and with the seed seed + stream';

CREATE FUNCTION tpch_run(
    query integer, schema text DEFAULT 'tpch', seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS SETOF json
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN QUERY SELECT * FROM millrace.query_rows(@extschema@.tpch_query(query, schema, seed, sf, decorrelated));
END
$$;
COMMENT ON FUNCTION tpch_run(integer, text, bigint, double precision, boolean) IS
'Runs a TPC-H query as tpch_query() gives it; one JSON object per row, with the query''s columns in order';

CREATE FUNCTION tpch_answers(
    query integer DEFAULT NULL, sf double precision DEFAULT 1,
    OUT query integer, OUT "row" integer, OUT columns text[], OUT answer text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_answers_wrapper';
COMMENT ON FUNCTION tpch_answers(integer, double precision) IS
'Published answers to a TPC-H query, or to all, with validation parameters, at scale factor 0.01, 0.1 or 1: one row per row of the answer, with an empty value for null';

CREATE FUNCTION tpch_validate(
    schema text DEFAULT 'tpch', sf double precision DEFAULT NULL, decorrelated boolean DEFAULT NULL,
    OUT query integer, OUT pass boolean, OUT rows bigint, OUT milliseconds double precision,
    OUT difference text
) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 22 SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_validate_wrapper';
COMMENT ON FUNCTION tpch_validate(text, double precision, boolean) IS
'Runs the 22 TPC-H queries on the tables or views of a schema and compares the results with the published answers by the specification''s rules; of a query that fails, difference is the error. sf null: taken from the rows of supplier. decorrelated null: true if lineitem has no index on l_partkey';

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
BEGIN
    CALL millrace.kit_load(
        'tpch', sf, schema, storage, workers, keys, indexes, "analyze", partitioned, overwrite);
END
$$;
COMMENT ON PROCEDURE tpch_load(double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean) IS
'Creates the TPC-H tables in a schema, loads them as stream_ingest does, and adds keys, indexes and statistics. Each step is committed; run the same call again to resume after an interruption. overwrite: first drops the tables that are there. sf 0: the tables without rows';

CREATE FUNCTION tpch_drop(schema text DEFAULT 'tpch') RETURNS void
LANGUAGE sql VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_drop('tpch', schema)
$$;
COMMENT ON FUNCTION tpch_drop(text) IS
'Drops the TPC-H tables or views of a schema and forgets the runs that loaded them; the schema stays';

CREATE FUNCTION tpch_virtual(schema text, sf double precision DEFAULT 1) RETURNS void
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_virtual('tpch', schema, sf)
$$;
COMMENT ON FUNCTION tpch_virtual(text, double precision) IS
'Creates views region to lineitem in a schema. Their rows are made when they are read; nothing is stored';
