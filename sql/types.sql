-- Row types of the sources. TPC-H's have the columns that the specification defines; keys are bigint where scale
-- factor 100,000 needs it (orders, customers, parts), else integer.

CREATE SCHEMA millrace;
COMMENT ON SCHEMA millrace IS 'Ledger and internals of extension millrace';
GRANT USAGE ON SCHEMA millrace TO PUBLIC;

CREATE TYPE millrace.role_then AS (
    role oid,
    name name,
    cluster bigint
);
COMMENT ON TYPE millrace.role_then IS
'A role at the time it was noted: its OID, which is valid in the cluster with this system identifier, and its name, which identifies it after a restore into another cluster';

CREATE TYPE tpch_region AS (
    r_regionkey integer,
    r_name char(25),
    r_comment varchar(152)
);
COMMENT ON TYPE tpch_region IS 'A row of TPC-H table region';

CREATE TYPE tpch_nation AS (
    n_nationkey integer,
    n_name char(25),
    n_regionkey integer,
    n_comment varchar(152)
);
COMMENT ON TYPE tpch_nation IS 'A row of TPC-H table nation';

CREATE TYPE tpch_part AS (
    p_partkey bigint,
    p_name varchar(55),
    p_mfgr char(25),
    p_brand char(10),
    p_type varchar(25),
    p_size integer,
    p_container char(10),
    p_retailprice numeric(15,2),
    p_comment varchar(23)
);
COMMENT ON TYPE tpch_part IS 'A row of TPC-H table part';

CREATE TYPE tpch_supplier AS (
    s_suppkey integer,
    s_name char(25),
    s_address varchar(40),
    s_nationkey integer,
    s_phone char(15),
    s_acctbal numeric(15,2),
    s_comment varchar(101)
);
COMMENT ON TYPE tpch_supplier IS 'A row of TPC-H table supplier';

CREATE TYPE tpch_partsupp AS (
    ps_partkey bigint,
    ps_suppkey integer,
    ps_availqty integer,
    ps_supplycost numeric(15,2),
    ps_comment varchar(199)
);
COMMENT ON TYPE tpch_partsupp IS 'A row of TPC-H table partsupp';

CREATE TYPE tpch_customer AS (
    c_custkey bigint,
    c_name varchar(25),
    c_address varchar(40),
    c_nationkey integer,
    c_phone char(15),
    c_acctbal numeric(15,2),
    c_mktsegment char(10),
    c_comment varchar(117)
);
COMMENT ON TYPE tpch_customer IS 'A row of TPC-H table customer';

CREATE TYPE tpch_orders AS (
    o_orderkey bigint,
    o_custkey bigint,
    o_orderstatus char(1),
    o_totalprice numeric(15,2),
    o_orderdate date,
    o_orderpriority char(15),
    o_clerk char(15),
    o_shippriority integer,
    o_comment varchar(79)
);
COMMENT ON TYPE tpch_orders IS 'A row of TPC-H table orders';

CREATE TYPE tpch_lineitem AS (
    l_orderkey bigint,
    l_partkey bigint,
    l_suppkey integer,
    l_linenumber integer,
    l_quantity numeric(15,2),
    l_extendedprice numeric(15,2),
    l_discount numeric(15,2),
    l_tax numeric(15,2),
    l_returnflag char(1),
    l_linestatus char(1),
    l_shipdate date,
    l_commitdate date,
    l_receiptdate date,
    l_shipinstruct char(25),
    l_shipmode char(10),
    l_comment varchar(44)
);
COMMENT ON TYPE tpch_lineitem IS 'A row of TPC-H table lineitem';

CREATE TYPE cdr_cell_towers AS (
    cell_tower_id integer,
    tower_name text,
    region text,
    latitude numeric(8,5),
    longitude numeric(8,5),
    technology text,
    capacity integer
);
COMMENT ON TYPE cdr_cell_towers IS 'A row of source cell_towers: its position in degrees, its newest network, and how many calls it can carry at a time';

CREATE TYPE cdr_rate_plans AS (
    rate_plan_id integer,
    plan_name text,
    voice_per_minute numeric(10,4),
    data_per_minute numeric(10,4),
    sms_price numeric(10,4),
    monthly_fee numeric(10,2)
);
COMMENT ON TYPE cdr_rate_plans IS 'A row of source rate_plans: the prices of voice and data calls and messages';

CREATE TYPE cdr_termination_reasons AS (
    termination_code integer,
    reason text,
    category text,
    answered boolean
);
COMMENT ON TYPE cdr_termination_reasons IS 'A row of source termination_reasons: a cause value of ITU-T Q.850, and whether calls that end with it were answered';

CREATE TYPE cdr_calls AS (
    call_id text,
    call_timestamp timestamp,
    call_date date,
    call_hour integer,
    caller_number text,
    callee_number text,
    duration_seconds integer,
    cell_tower_id integer,
    call_type text,
    network_type text,
    bytes_transferred bigint,
    termination_code integer,
    billing_amount numeric(10,4),
    rate_plan_id integer,
    is_roaming boolean,
    call_quality_mos numeric(3,2),
    packet_loss_percent numeric(5,2),
    sequence_number bigint
);
COMMENT ON TYPE cdr_calls IS 'A row of source cdr: one call record';

CREATE TYPE iot_readings AS (
    device bigint,
    metric text,
    "time" timestamp,
    arrival timestamp,
    value double precision,
    quality text
);
COMMENT ON TYPE iot_readings IS 'A row of source iot: what a device measured, when, and when that arrived';
