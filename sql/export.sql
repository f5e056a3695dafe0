-- Functions that write files on the server.

CREATE FUNCTION tpch_export(
    table_name text, sf double precision, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 8
AS 'MODULE_PATHNAME', 'kit_export_wrapper';
COMMENT ON FUNCTION tpch_export(text, double precision, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes a TPC-H table, or all eight, at scale factor sf to files in folder path on the server: parquet, csv, tbl (as dbgen), arrow or arrow_stream. With part and parts, only that part; with parts alone, a file for each part. Returns a row for each file; rows, row_groups, sha256 and seconds are null if the file was there already and was skipped. On Cloudberry each segment writes its share to the folder of this path on its own host, with its content id in the file name: lineitem.seg0.parquet';

CREATE FUNCTION stream_export(
    source text, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 8
AS 'MODULE_PATHNAME', 'stream_export_wrapper';
COMMENT ON FUNCTION stream_export(text, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes any source to files in folder path on the server, as tpch_export does; options are the source''s and the export''s';
