//! Wrong calls: each gives its SQLSTATE and message, and leaves nothing behind.

use millrace_tests::{Cluster, SmallDisk, content, error_of};

const SETUP: &str = "
    CREATE TABLE lineitem AS SELECT * FROM tpch_lineitem(1) WITH NO DATA;
    CREATE TABLE orders AS SELECT * FROM tpch_orders(1) WITH NO DATA;
    CREATE TABLE extra (o_orderkey bigint, o_custkey bigint, flag int, \"Weird\" text);
    CREATE TABLE nothing (id serial);
    CREATE TABLE mistyped (o_orderkey date);
    CREATE TABLE narrow (o_comment varchar(5));
    CREATE TABLE small (o_orderkey smallint, o_orderdate date);
    CREATE TABLE checked (o_orderkey bigint CHECK (o_orderkey < 100));
    CREATE TABLE keyed (o_orderkey bigint PRIMARY KEY);
    INSERT INTO keyed VALUES (7);
    CREATE TABLE deferred (o_orderkey bigint, UNIQUE (o_orderkey) DEFERRABLE INITIALLY DEFERRED);
    INSERT INTO deferred VALUES (7);
    CREATE TABLE calls (LIKE cdr_calls);
    CREATE TYPE pair AS (a int, b int);
    CREATE DOMAIN quantity AS numeric CHECK (VALUE < 30);
    CREATE TABLE domained (l_quantity quantity);
    CREATE MATERIALIZED VIEW stored AS SELECT 1 AS o_orderkey;
    CREATE SEQUENCE counter;
    CREATE INDEX orders_key ON orders (o_orderkey);
    CREATE TABLE mixed (o_orderkey bigint) PARTITION BY RANGE (o_orderkey);
    CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES FROM (MINVALUE) TO (100);
    CREATE UNLOGGED TABLE mixed_2 PARTITION OF mixed FOR VALUES FROM (100) TO (MAXVALUE);
    CREATE TABLE gap (o_orderkey bigint) PARTITION BY RANGE (o_orderkey);
    CREATE TABLE gap_1 PARTITION OF gap FOR VALUES FROM (MINVALUE) TO (100);
    CREATE FUNCTION load() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL stream_ingest('orders'); END $$;
    CREATE ROLE nobody LOGIN;
";

/// A statement, its SQLSTATE and a part of its message, detail and hint.
const WRONG: &[(&str, &str, &str)] = &[
    // Names.
    (
        "SELECT * FROM tpch_gen('lineitems', 1)",
        "22023",
        "TPC-H table \"lineitems\" does not exist HINT: The tables are region, nation,",
    ),
    ("SELECT * FROM tpch_gen('', 1)", "22023", "TPC-H table \"\" does not exist"),
    ("SELECT * FROM tpch_gen('LINEITEM', 1)", "22023", "TPC-H table \"LINEITEM\" does not exist"),
    ("SELECT * FROM tpch_gen('lineitem; DROP TABLE orders', 1)", "22023", "does not exist"),
    ("SELECT * FROM tpch_gen(NULL::text, 1)", "22004", "argument \"table_name\" must not be null"),
    (
        "CALL stream_ingest('orders', 'order')",
        "22023",
        "source \"order\" does not exist HINT: The sources are region, nation,",
    ),
    ("CALL stream_ingest('orders', '')", "22023", "source \"\" does not exist"),
    ("CALL stream_ingest('extra')", "22023", "source \"extra\" does not exist"),
    ("CALL stream_ingest('no_such_table')", "42P01", "relation \"no_such_table\" does not exist"),
    ("CALL stream_ingest('')", "42602", "invalid name syntax"),
    ("CALL stream_ingest(4294967295::oid, 'orders')", "42809", "cannot ingest into relation \"4294967295\""),
    ("CALL stream_ingest(NULL)", "22004", "argument \"target\" must not be null"),
    ("CALL stream_ingest('orders', run => '')", "22023", "invalid value for argument \"run\""),
    (
        "CALL stream_resume('nonesuch')",
        "42704",
        "run \"nonesuch\" does not exist HINT: View stream_progress lists the runs.",
    ),
    ("CALL stream_resume(NULL)", "22004", "argument \"run\" must not be null"),
    ("SELECT stream_stop('nonesuch')", "42704", "run \"nonesuch\" does not exist"),
    (
        "SELECT stream_drop('''; DROP TABLE orders; --')",
        "42704",
        "run \"'; DROP TABLE orders; --\" does not exist",
    ),
    (
        "SELECT * FROM millrace.source_rows('sql', '{\"query\": \"SELECT 1\"}', 0, 1, NULL::orders)",
        "0A000",
        "making rows of a query is not supported",
    ),
    ("SELECT * FROM stream_verify(NULL)", "22004", "argument \"run\" must not be null"),
    ("SELECT * FROM stream_verify('nonesuch')", "42704", "run \"nonesuch\" does not exist"),
    // Scale factors.
    (
        "SELECT * FROM tpch_gen('orders', 0)",
        "22023",
        "scale factor 0 is out of range HINT: A scale factor is from 0.0001 to 100000.",
    ),
    ("SELECT * FROM tpch_orders(-1)", "22023", "scale factor -1 is out of range"),
    ("SELECT * FROM tpch_orders('NaN')", "22023", "scale factor NaN is out of range"),
    ("SELECT * FROM tpch_orders('Infinity')", "22023", "scale factor inf is out of range"),
    ("SELECT * FROM tpch_orders(1e9)", "22023", "scale factor 1000000000 is out of range"),
    ("SELECT * FROM tpch_orders(NULL)", "22004", "argument \"sf\" must not be null"),
    ("SELECT * FROM tpch_tables(0)", "22023", "scale factor 0 is out of range"),
    ("CALL stream_ingest('orders', sf => 'NaN')", "22023", "scale factor NaN is out of range"),
    ("CALL stream_ingest('orders', sf => 0)", "22023", "scale factor 0 is out of range"),
    ("CALL stream_ingest('orders', sf => 1, options => '{\"sf\": 1}')", "22023", "\"sf\": given twice"),
    // Parts.
    (
        "SELECT * FROM tpch_orders(1, 0, 4)",
        "22023",
        "part 0 of 4 does not exist HINT: Parts are counted from 1 to parts.",
    ),
    ("SELECT * FROM tpch_orders(1, 5, 4)", "22023", "part 5 of 4 does not exist"),
    ("SELECT * FROM tpch_orders(1, -1, 4)", "22023", "part -1 of 4 does not exist"),
    ("SELECT * FROM tpch_orders(1, 1, 0)", "22023", "part 1 of 0 does not exist"),
    ("SELECT * FROM tpch_orders(2, 3)", "22023", "part 3 of 2 does not exist"),
    ("SELECT * FROM tpch_orders(1, parts => 4)", "22023", "argument \"parts\" needs argument \"part\""),
    // Row types.
    (
        "SELECT * FROM tpch_gen('orders', 1)",
        "42804",
        "HINT: Call tpch_orders(), or give tpch_gen() a row_type => NULL::tpch_orders.",
    ),
    (
        "SELECT * FROM tpch_gen('orders', 1, row_type => 1)",
        "42804",
        "argument \"row_type\" must be of a table's row type",
    ),
    ("SELECT * FROM tpch_gen(1, 1)", "42804", "argument \"row_type\" must be of a table's row type"),
    ("SELECT * FROM tpch_gen(NULL::record, 1)", "42601", "a column definition list is required"),
    (
        "SELECT * FROM tpch_gen('orders', 1, row_type => NULL::record) AS t (o_orderkey bigint)",
        "42804",
        "argument \"row_type\" must be of a table's row type",
    ),
    ("SELECT * FROM tpch_gen(NULL::pair, 1)", "22023", "TPC-H table \"pair\" does not exist"),
    (
        "SELECT * FROM tpch_gen('orders', 1, row_type => NULL::extra)",
        "42804",
        "row type extra has columns that source \"orders\" does not have: \"flag\", \"Weird\"",
    ),
    (
        "SELECT * FROM tpch_gen('orders', 1, row_type => NULL::mistyped)",
        "42804",
        "column \"o_orderkey\" is of type date but its values are of type bigint",
    ),
    ("SELECT * FROM tpch_gen('orders', 1, row_type => NULL::narrow)", "22001", "value too long"),
    ("SELECT * FROM tpch_gen('orders', 1, row_type => NULL::small)", "22003", "smallint out of range"),
    (
        "SELECT * FROM tpch_gen('lineitem', 1, row_type => NULL::domained)",
        "23514",
        "violates check constraint",
    ),
    // Targets.
    ("CALL stream_ingest('extra', 'orders')", "42804", "does not have: \"flag\", \"Weird\""),
    ("CALL stream_ingest('nothing', 'orders')", "42804", "has no column that source \"orders\" has"),
    ("CALL stream_ingest('mistyped', 'orders')", "42804", "column \"o_orderkey\" is of type date"),
    ("CALL stream_ingest('counter', 'orders')", "42809", "cannot ingest into relation \"public.counter\""),
    ("CALL stream_ingest('orders_key', 'orders')", "42809", "cannot ingest into relation"),
    ("CALL stream_ingest('stored', 'orders')", "42809", "cannot ingest into relation"),
    ("CALL stream_ingest('mixed', 'orders')", "0A000", "both logged and unlogged partitions"),
    ("CALL stream_ingest('narrow', 'orders', sf => 0.001)", "22001", "value too long"),
    ("CALL stream_ingest('small', 'orders', sf => 0.01)", "22003", "smallint out of range"),
    ("CALL stream_ingest('checked', 'orders', sf => 0.001)", "23514", "violates check constraint"),
    ("CALL stream_ingest('keyed', 'orders', sf => 0.001)", "23505", "duplicate key"),
    ("CALL stream_ingest('deferred', 'orders', sf => 0.001)", "23505", "duplicate key"),
    (
        "CALL stream_ingest('gap', 'orders', sf => 0.001)",
        "23514",
        "no partition of relation \"gap\" found for row",
    ),
    ("CALL stream_ingest('domained', 'lineitem', sf => 0.001)", "23514", "violates check constraint"),
    // Other arguments.
    (
        "CALL stream_ingest('orders', batch_rows => 0)",
        "22023",
        "invalid value for argument \"batch_rows\": 0",
    ),
    (
        "CALL stream_ingest('orders', batch_rows => -5)",
        "22023",
        "invalid value for argument \"batch_rows\": -5",
    ),
    ("CALL stream_ingest('orders', batch_rows => NULL)", "22004", "argument \"batch_rows\" must not be null"),
    (
        "CALL stream_ingest('orders', batch_rows => 2147483647)",
        "22023",
        "A batch has from 1 to 100000000 rows.",
    ),
    ("CALL stream_ingest('orders', workers => 0)", "22023", "invalid value for argument \"workers\": 0"),
    (
        "CALL stream_ingest('orders', workers => 2000)",
        "22023",
        "invalid value for argument \"workers\": 2000",
    ),
    (
        "CALL stream_ingest('orders', variants => '{orders}')",
        "22023",
        "invalid value for argument \"variants\": public.orders",
    ),
    ("CALL stream_ingest('orders', rows => 10)", "22023", "unknown field `rows`"),
    (
        "CALL stream_ingest('orders', options => '{\"scale\": 1}')",
        "22023",
        "unknown field `scale`, expected `sf` HINT: Its options are sf (scale factor,",
    ),
    (
        "SELECT * FROM cdr_gen(0)",
        "22023",
        "rows must be from 1 to 1000000000000000, not 0 HINT: Its options are rows (number of calls,",
    ),
    ("SELECT * FROM cdr_gen(-5)", "22023", "invalid options for source \"cdr\""),
    ("SELECT * FROM cdr_gen(NULL)", "22004", "argument \"rows\" must not be null"),
    ("SELECT * FROM cdr_gen(5, '{\"rows\": 5}')", "22023", "\"rows\": given twice"),
    ("SELECT * FROM cdr_gen(5, '[1]')", "22023", "invalid value for argument \"options\": [1]"),
    ("SELECT * FROM cdr_gen(5, '{\"row\": 5}')", "22023", "unknown field `row`, expected one of `rows`"),
    ("SELECT * FROM cdr_gen(5, '{\"exponent\": -1}')", "22023", "exponent must be from 0 to 4, not -1"),
    (
        "SELECT * FROM cdr_gen(5, '{\"start\": \"now\"}')",
        "22023",
        "\"now\" is not a timestamp from 1678 to 2261 such as 2024-01-01 00:00:00",
    ),
    ("SELECT * FROM cdr_gen(5, part => 2)", "22023", "part 2 of 1 does not exist"),
    ("SELECT * FROM cdr_gen(5, parts => 2)", "22023", "argument \"parts\" needs argument \"part\""),
    ("SELECT * FROM iot_gen(5, '{\"lost\": 0.9}')", "22023", "lost must be from 0 to 0.4, not 0.9"),
    (
        "SELECT * FROM cdr_rate_plans('{\"seed\": 1}')",
        "22023",
        "unknown field `seed`, there are no fields HINT: It has no options of its own",
    ),
    ("SELECT * FROM tpch_gen('cdr', 1)", "22023", "TPC-H table \"cdr\" does not exist"),
    ("CALL stream_ingest('calls', 'cdr', sf => 1)", "22023", "unknown field `sf`, expected one of `rows`"),
    ("CALL stream_ingest('calls', 'cdr', rows => 0)", "22023", "rows must be from 1"),
    (
        "CALL stream_ingest('orders', options => '{\"profile\": \"weekly\"}')",
        "22023",
        "invalid value for argument \"options.profile\": \"weekly\" HINT: A profile is \"steady\", \"diurnal\",",
    ),
    ("CALL stream_ingest('orders', options => '{\"profile\": [0]}')", "22023", "\"options.profile\": [0]"),
    ("CALL stream_ingest('orders', options => '{\"profile\": []}')", "22023", "\"options.profile\": []"),
    ("SELECT * FROM stream_plan(NULL)", "22004", "argument \"source\" must not be null"),
    ("SELECT * FROM stream_plan('call')", "22023", "source \"call\" does not exist"),
    ("SELECT * FROM stream_plan('cdr', batch_rows => 0)", "22023", "\"batch_rows\": 0"),
    (
        "CALL stream_ingest('orders', options => '{\"sf\": \"big\"}')",
        "22023",
        "invalid options for source \"orders\"",
    ),
    ("CALL stream_ingest('orders', options => '[1]')", "22023", "invalid value for argument \"options\""),
    (
        "CALL stream_ingest('orders', options => '{\"rate\": -1}')",
        "22023",
        "invalid value for argument \"options.rate\": -1",
    ),
    (
        "CALL stream_ingest('orders', options => '{\"rate\": \"fast\"}')",
        "22023",
        "invalid value for argument \"options.rate\"",
    ),
    // Transactions.
    (
        "BEGIN; CALL stream_ingest('orders')",
        "25001",
        "CALL stream_ingest cannot run inside a transaction block",
    ),
    ("BEGIN; CALL stream_resume('x')", "25001", "CALL stream_resume cannot run inside a transaction block"),
    ("SELECT load()", "2D000", "CALL stream_ingest cannot run where it cannot commit"),
    (
        "DO $$ BEGIN CALL stream_ingest('orders'); EXCEPTION WHEN division_by_zero THEN END $$",
        "25001",
        "cannot run inside a transaction block",
    ),
];

#[test]
fn each_wrong_call_gives_its_error_and_leaves_nothing() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute(SETUP).unwrap();
    for (statement, code, part) in WRONG {
        let Some((found, message)) = error_of(&mut client, statement) else {
            panic!("{statement}: no error")
        };
        assert_eq!((found.as_str(), message.contains(part)), (*code, true), "{statement}: {found} {message}");
        client.batch_execute("ROLLBACK").unwrap();
        let running: i64 = client
            .query_one("SELECT count(*) FROM stream_progress WHERE state = 'running'", &[])
            .unwrap()
            .get(0);
        assert_eq!(running, 0, "{statement}");
    }
    for table in ["orders", "calls", "lineitem", "extra", "checked", "gap", "domained", "narrow", "small"] {
        assert_eq!(content(&mut client, table).0, 0, "{table}");
    }
    assert_eq!(content(&mut client, "keyed").0, 1);
    assert_eq!(content(&mut client, "deferred").0, 1);
    assert!(WRONG.len() >= 40);
    assert!(!cluster.log().contains("was terminated by signal"), "the server stayed up");
}

#[test]
fn a_role_without_rights_is_refused() {
    let cluster = Cluster::new();
    cluster.connect().batch_execute(SETUP).unwrap();
    let mut nobody = cluster.connect_as("nobody");
    let (code, message) = error_of(&mut nobody, "CALL stream_ingest('orders')").unwrap();
    assert_eq!(code, "42501", "{message}");
    assert!(message.contains("permission denied for table public.orders"), "{message}");
    assert_eq!(nobody.query_one("SELECT count(*) FROM stream_progress", &[]).unwrap().get::<_, i64>(0), 0);
    // Making rows takes no rights.
    assert_eq!(content(&mut nobody, "tpch_nation()").0, 25);
}

#[test]
fn a_full_disk_costs_the_batch_in_flight_only() {
    let cluster = Cluster::new();
    let disk = SmallDisk::mount(&cluster, 10);
    let mut client = cluster.connect();
    client.batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path)).unwrap();
    client.batch_execute("CREATE TABLE orders (LIKE tpch_orders) TABLESPACE small").unwrap();
    let call = "CALL stream_ingest('orders', sf => 0.1, batch_rows => 10000)";
    let (code, message) = error_of(&mut client, call).unwrap();
    assert_eq!(code, "53100", "{message}");
    let query = "SELECT batches_done BETWEEN 1 AND 14, state FROM stream_progress";
    let row = client.query_one(query, &[]).unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, &str>(1)), (true, "interrupted"));
    let matches = "SELECT matches FROM stream_verify('public.orders')";
    assert!(client.query_one(matches, &[]).unwrap().get::<_, bool>(0));
    // With room again, it resumes. Moving the table gave it another file, so the run has to adopt that.
    client.batch_execute("ALTER TABLE orders SET TABLESPACE pg_default").unwrap();
    client.batch_execute("CALL stream_resume('public.orders', adopt => true)").unwrap();
    assert_eq!(content(&mut client, "orders"), content(&mut client, "tpch_orders(0.1)"));
    client.batch_execute("DROP TABLESPACE small").unwrap();
    cluster.stop("fast");
}
