-- What a benchmark needs to know of the sources: the library says it.

CREATE FUNCTION millrace.bench_sources(
    rows bigint DEFAULT 1,
    OUT source text, OUT row_type text, OUT index_set text[], OUT arguments text, OUT options jsonb
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 2
AS 'MODULE_PATHNAME', 'bench_sources_wrapper';
COMMENT ON FUNCTION millrace.bench_sources(bigint) IS
'The sources that stream_bench can load: row type, what follows the table in CREATE INDEX, the expression over sample rows that gives the queries'' arguments, and the options that follow from the number of rows';

CREATE FUNCTION millrace.bench_queries(
    source text, OUT number integer, OUT query text, OUT statement text
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 4
AS 'MODULE_PATHNAME', 'bench_queries_wrapper';
COMMENT ON FUNCTION millrace.bench_queries(text) IS
'The queries that a benchmark of a source times: texts for format(), whose first argument is the table; the others come from a sample of the source';
