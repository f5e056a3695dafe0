-- The queries of TPC-DS and their answers; functions that load, drop and view its tables.

CREATE FUNCTION tpcds_query(
    query integer, schema text DEFAULT NULL, seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_query_wrapper';
COMMENT ON FUNCTION tpcds_query(integer, text, bigint, double precision, boolean) IS
'Text of a TPC-DS query, 1 to 99, over the tables of a schema (or of the search_path), with validation parameters or those that the specification''s rules draw from the seed at scale factor sf; decorrelated: without subqueries that run once per row. Queries 14, 23, 24 and 39 are two statements, with a semicolon on a line of its own between them';

CREATE FUNCTION tpcds_queries(
    schema text DEFAULT NULL, seed bigint DEFAULT NULL, stream integer DEFAULT NULL,
    sf double precision DEFAULT 1, decorrelated boolean DEFAULT false,
    OUT "position" integer, OUT query integer, OUT sql text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 99 AS 'MODULE_PATHNAME', 'kit_queries_wrapper';
COMMENT ON FUNCTION tpcds_queries(text, bigint, integer, double precision, boolean) IS
'The 99 TPC-DS queries as tpcds_query() gives them, by number or, with a stream (0 is the power run), in that stream''s order and with the seed seed + stream';

CREATE FUNCTION tpcds_run(
    query integer, schema text DEFAULT 'tpcds', seed bigint DEFAULT NULL, sf double precision DEFAULT 1,
    decorrelated boolean DEFAULT false
) RETURNS SETOF json
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN QUERY SELECT * FROM millrace.query_rows(@extschema@.tpcds_query(query, schema, seed, sf, decorrelated));
END
$$;
COMMENT ON FUNCTION tpcds_run(integer, text, bigint, double precision, boolean) IS
'Runs a TPC-DS query as tpcds_query() gives it; one JSON object per row, with the query''s columns in order';

CREATE FUNCTION tpcds_answers(
    query integer DEFAULT NULL, sf double precision DEFAULT 1,
    OUT query integer, OUT "row" integer, OUT columns text[], OUT answer text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'kit_answers_wrapper';
COMMENT ON FUNCTION tpcds_answers(integer, double precision) IS
'Answers to a TPC-DS query, or to all, with validation parameters, at scale factor 0.01, 0.1 or 1. DuckDB computed them from the same rows; at scale factor 1 they are those that the TPC publishes, except for queries 85 and 93. One row per row of the answer, with an empty value for null';

CREATE FUNCTION tpcds_validate(
    schema text DEFAULT 'tpcds', sf double precision DEFAULT NULL, decorrelated boolean DEFAULT NULL,
    OUT query integer, OUT pass boolean, OUT rows bigint, OUT milliseconds double precision,
    OUT difference text
) RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 99 SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on
AS 'MODULE_PATHNAME', 'kit_validate_wrapper';
COMMENT ON FUNCTION tpcds_validate(text, double precision, boolean) IS
'Runs the 99 TPC-DS queries on the tables or views of a schema and compares the results with the answers that tpcds_answers() gives; of a query that fails, difference is the error. sf null: taken from the rows of customer. decorrelated null: true';

CREATE PROCEDURE tpcds_load(
    sf double precision,
    schema text DEFAULT 'tpcds',
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
        'tpcds', sf, schema, storage, workers, keys, indexes, "analyze", partitioned, overwrite);
END
$$;
COMMENT ON PROCEDURE tpcds_load(double precision, text, text, integer, boolean, boolean, boolean, boolean, boolean) IS
'Creates the TPC-DS tables in a schema, loads them as stream_ingest does, and adds keys, indexes and statistics. Each step is committed; run the same call again to resume after an interruption. overwrite: first drops the tables that are there. sf 0: the tables without rows';

CREATE FUNCTION tpcds_drop(schema text DEFAULT 'tpcds') RETURNS void
LANGUAGE sql VOLATILE STRICT SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_drop('tpcds', schema)
$$;
COMMENT ON FUNCTION tpcds_drop(text) IS
'Drops the TPC-DS tables or views of a schema and forgets the runs that loaded them; the schema stays';

CREATE FUNCTION tpcds_virtual(schema text, sf double precision DEFAULT 1) RETURNS void
LANGUAGE sql VOLATILE SET search_path TO pg_catalog, pg_temp SET quote_all_identifiers TO off SET standard_conforming_strings TO on AS $$
    SELECT millrace.kit_virtual('tpcds', schema, sf)
$$;
COMMENT ON FUNCTION tpcds_virtual(text, double precision) IS
'Creates views income_band to web_returns in a schema. Their rows are made when they are read; nothing is stored';
