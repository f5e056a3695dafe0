-- Exporting TPC-DS.

CREATE FUNCTION tpcds_export(
    table_name text, sf double precision, path text, format text DEFAULT 'parquet',
    part integer DEFAULT NULL, parts integer DEFAULT NULL, threads integer DEFAULT 2, options jsonb DEFAULT '{}',
    segments smallint DEFAULT millrace.segments(),
    OUT path text, OUT rows bigint, OUT bytes bigint, OUT row_groups bigint, OUT sha256 text, OUT seconds double precision
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 24
AS 'MODULE_PATHNAME', 'kit_export_wrapper';
COMMENT ON FUNCTION tpcds_export(text, double precision, text, text, integer, integer, integer, jsonb, smallint) IS
'Writes a TPC-DS table, or all 24, at scale factor sf to files in folder path on the server, as tpch_export does; tbl is dsdgen''s form';
