-- Functions that return generated rows.

CREATE FUNCTION millrace.generate_support(internal) RETURNS internal
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'generate_support_wrapper';
COMMENT ON FUNCTION millrace.generate_support(internal) IS
'Planner support of the generating functions: how many rows a call returns';

CREATE FUNCTION tpch_region(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_region
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_region(double precision, integer, integer, smallint) IS
'Rows of TPC-H table region at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_nation(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_nation
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_nation(double precision, integer, integer, smallint) IS
'Rows of TPC-H table nation at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_part(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_part
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_part(double precision, integer, integer, smallint) IS
'Rows of TPC-H table part at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_supplier(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_supplier
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_supplier(double precision, integer, integer, smallint) IS
'Rows of TPC-H table supplier at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_partsupp(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_partsupp
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_partsupp(double precision, integer, integer, smallint) IS
'Rows of TPC-H table partsupp at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_customer(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_customer
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_customer(double precision, integer, integer, smallint) IS
'Rows of TPC-H table customer at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_orders(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_orders
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_orders(double precision, integer, integer, smallint) IS
'Rows of TPC-H table orders at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_lineitem(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpch_lineitem
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_lineitem(double precision, integer, integer, smallint) IS
'Rows of TPC-H table lineitem at scale factor sf, as dbgen makes them; with part and parts, only that part, counted from 1';

-- Stable, not immutable: what they return depends on the definition of the row type.
CREATE FUNCTION tpch_gen(
    table_name text, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    row_type anyelement DEFAULT NULL::tpch_lineitem,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_gen(text, double precision, integer, integer, anyelement, smallint) IS
'Rows of a TPC-H table at scale factor sf, as dbgen makes them, in the row type given (its value is ignored); with part and parts, only that part, counted from 1';

CREATE FUNCTION tpch_gen(
    row_type anyelement, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpch_gen(anyelement, double precision, integer, integer, smallint) IS
'Rows of the TPC-H table that the row type is named after (tpch_orders, or any table called orders), columns matched by name; with part and parts, only that part, counted from 1';

CREATE FUNCTION cdr_gen(
    rows bigint DEFAULT 1000000, options jsonb DEFAULT '{}', part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF cdr_calls
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION cdr_gen(bigint, jsonb, integer, integer, smallint) IS
'Call records in the order the calls began; options as stream_sources() lists them for source cdr; with part and parts, only that part, counted from 1';

CREATE FUNCTION iot_gen(
    rows bigint DEFAULT 1000000, options jsonb DEFAULT '{}', part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF iot_readings
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION iot_gen(bigint, jsonb, integer, integer, smallint) IS
'Readings of sensors in the order they arrive; options as stream_sources() lists them for source iot; with part and parts, only that part, counted from 1';

CREATE FUNCTION cdr_cell_towers(options jsonb DEFAULT '{}', segments smallint DEFAULT millrace.segments()) RETURNS SETOF cdr_cell_towers
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION cdr_cell_towers(jsonb, smallint) IS
'The 10,000 cell towers that call records refer to; the only option is seed';

CREATE FUNCTION cdr_rate_plans(options jsonb DEFAULT '{}', segments smallint DEFAULT millrace.segments()) RETURNS SETOF cdr_rate_plans
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION cdr_rate_plans(jsonb, smallint) IS
'The 50 rate plans that call records are billed by; no options';

CREATE FUNCTION cdr_termination_reasons(options jsonb DEFAULT '{}', segments smallint DEFAULT millrace.segments()) RETURNS SETOF cdr_termination_reasons
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION cdr_termination_reasons(jsonb, smallint) IS
'The 20 reasons why calls end; no options';

CREATE FUNCTION tpch_tables(
    sf double precision DEFAULT 1, exact boolean DEFAULT false,
    OUT name text, OUT rows bigint, OUT columns text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 8
AS 'MODULE_PATHNAME', 'kit_tables_wrapper';
COMMENT ON FUNCTION tpch_tables(double precision, boolean) IS
'The TPC-H tables with their number of rows at scale factor sf; lineitem''s is within 0.1% unless exact';

CREATE FUNCTION stream_sources(
    OUT name text, OUT about text, OUT columns text[], OUT options text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 10
AS 'MODULE_PATHNAME', 'stream_sources_wrapper';
COMMENT ON FUNCTION stream_sources() IS
'What can be streamed into tables: every source with its columns and its options';

CREATE FUNCTION stream_columns(
    source text, sf double precision DEFAULT NULL, rows bigint DEFAULT NULL, options jsonb DEFAULT '{}',
    OUT column_name text, OUT distinct_values double precision, OUT null_fraction double precision,
    OUT bloom_filter boolean, OUT minmax boolean, OUT clusters boolean
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 16
AS 'MODULE_PATHNAME', 'stream_columns_wrapper';
COMMENT ON FUNCTION stream_columns(text, double precision, bigint, jsonb) IS
'What is known about a source''s columns without making rows: the number of distinct values (null: unknown), the share of nulls, from 0 to 1, and whether PAX''s Bloom filters, minima and maxima, and clustering suit them';

CREATE FUNCTION millrace.source_rows(
    source text, options jsonb, first_unit bigint, end_unit bigint, row_type anyelement,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'source_rows_wrapper';
COMMENT ON FUNCTION millrace.source_rows(text, jsonb, bigint, bigint, anyelement, smallint) IS
'Rows of any source from first_unit, counted from 0, up to but not including end_unit, in the row type given; columns that the source does not have are null';
