-- What a benchmark needs to know about the sources, from the library.

CREATE FUNCTION millrace.bench_sources(
    rows bigint DEFAULT 1,
    OUT source text, OUT row_type text, OUT index_set text[], OUT arguments text, OUT options jsonb
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 2
AS 'MODULE_PATHNAME', 'bench_sources_wrapper';
COMMENT ON FUNCTION millrace.bench_sources(bigint) IS
'The sources that stream_bench can load: row type, what follows the table in CREATE INDEX, the expression that computes the queries'' arguments from sample rows, and the options that depend on the number of rows';

CREATE FUNCTION millrace.bench_queries(
    source text, OUT number integer, OUT query text, OUT statement text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 4
AS 'MODULE_PATHNAME', 'bench_queries_wrapper';
COMMENT ON FUNCTION millrace.bench_queries(text) IS
'The queries that a benchmark of a source times, as templates for format(): the first argument is the table, and the others come from a sample of the source';
