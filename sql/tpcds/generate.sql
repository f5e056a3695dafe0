-- Functions that return rows of TPC-DS.

CREATE FUNCTION tpcds_dbgen_version(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_dbgen_version
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_dbgen_version(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table dbgen_version at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_income_band(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_income_band
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_income_band(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table income_band at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_date_dim(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_date_dim
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_date_dim(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table date_dim at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_time_dim(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_time_dim
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_time_dim(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table time_dim at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_reason(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_reason
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_reason(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table reason at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_ship_mode(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_ship_mode
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_ship_mode(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table ship_mode at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_warehouse(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_warehouse
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_warehouse(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table warehouse at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_customer_address(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_customer_address
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_customer_address(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table customer_address at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_customer_demographics(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_customer_demographics
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_customer_demographics(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table customer_demographics at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_household_demographics(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_household_demographics
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_household_demographics(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table household_demographics at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_item(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_item
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_item(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table item at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_promotion(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_promotion
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_promotion(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table promotion at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_store(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_store
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_store(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table store at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_call_center(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_call_center
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_call_center(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table call_center at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_catalog_page(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_catalog_page
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_catalog_page(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table catalog_page at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_customer(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_customer
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_customer(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table customer at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_web_site(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_site
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_site(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_site at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_web_page(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_page
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_page(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_page at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_inventory(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_inventory
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_inventory(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table inventory at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_store_sales(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_store_sales
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_store_sales(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table store_sales at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_store_returns(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_store_returns
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_store_returns(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table store_returns at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_catalog_sales(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_catalog_sales
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_catalog_sales(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table catalog_sales at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_catalog_returns(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_catalog_returns
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_catalog_returns(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table catalog_returns at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_web_sales(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_sales
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_sales(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_sales at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_web_returns(
    sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF tpcds_web_returns
LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_web_returns(double precision, integer, integer, smallint) IS
'Rows of TPC-DS table web_returns at scale factor sf, as dsdgen makes them; with part and parts, only that part, counted from 1';

-- Stable, not immutable: what they return depends on the definition of the row type.
CREATE FUNCTION tpcds_gen(
    table_name text, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    row_type anyelement DEFAULT NULL::tpcds_store_sales,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_gen(text, double precision, integer, integer, anyelement, smallint) IS
'Rows of a TPC-DS table at scale factor sf, as dsdgen makes them, in the row type given (its value is ignored); with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_gen(
    row_type anyelement, sf double precision DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
    segments smallint DEFAULT millrace.segments()
) RETURNS SETOF anyelement
LANGUAGE c STABLE PARALLEL SAFE SUPPORT millrace.generate_support
AS 'MODULE_PATHNAME', 'generate_wrapper';
COMMENT ON FUNCTION tpcds_gen(anyelement, double precision, integer, integer, smallint) IS
'Rows of the TPC-DS table that the row type is named after (tpcds_item, or any table called item), columns matched by name; with part and parts, only that part, counted from 1';

CREATE FUNCTION tpcds_tables(
    sf double precision DEFAULT 1, exact boolean DEFAULT false,
    OUT name text, OUT rows bigint, OUT columns text[]
) RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 24
AS 'MODULE_PATHNAME', 'kit_tables_wrapper';
COMMENT ON FUNCTION tpcds_tables(double precision, boolean) IS
'The 24 TPC-DS tables, each after those it refers to, with their number of rows at scale factor sf; of sales and returns within 0.2% unless exact';
