//! One dispatch at a time: what a coordinator refuses, and that the extension and its client ask nothing of the kind.
//!
//! The coordinator stands for the segments here, because it does not matter who makes the rows.

use super::{LAY_OUT_BY_DEFAULT, Simulation, texts};
use millrace_tests::{Cluster, one};
use postgres::Client;
use std::path::{Path, PathBuf};
use std::process::Command;

const NESTED: &str = "query plan with multiple segworker groups is not supported";

/// Rows of a function that runs on the coordinator, and reads no table.
const ON_COORDINATOR: &str =
    "SELECT s FROM millrace.kit_table_statements('tpch', 's', 'nation', 'heap', false) s";

/// A coordinator with two segments that have nothing to do.
fn coordinator() -> Simulation {
    let simulation = Simulation::new(0);
    simulation.pretend(2);
    simulation.coordinator.connect().batch_execute(LAY_OUT_BY_DEFAULT).unwrap();
    simulation
}

/// What a statement's error says, none being empty, by the simple and by the extended protocol.
fn errors(client: &mut Client, statement: &str) -> [String; 2] {
    let said = |error: postgres::Error| error.as_db_error().map(|error| error.message().to_owned());
    let simple = client.simple_query(statement).err().map(|error| said(error).unwrap());
    let extended = client.query(statement, &[]).err().map(|error| said(error).unwrap());
    [simple, extended].map(Option::unwrap_or_default)
}

#[test]
fn a_coordinator_refuses_what_it_cannot_dispatch() {
    let simulation = coordinator();
    let mut client = simulation.coordinator.connect();
    client
        .batch_execute(
            "CREATE TABLE t (a int);
             INSERT INTO t SELECT generate_series(1, 5);
             CREATE FUNCTION rows_of_t() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM t); END';
             CREATE FUNCTION locks() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM pg_locks); END';
             CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS 'BEGIN CREATE TEMPORARY TABLE made (); DROP TABLE made; END';
             CREATE FUNCTION here() RETURNS bigint LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS 'BEGIN RETURN 3; END';
             CREATE FUNCTION inlined() RETURNS SETOF t LANGUAGE sql STABLE AS 'SELECT * FROM t'",
        )
        .unwrap();
    let in_select_list =
        "function with EXECUTE ON restrictions cannot be used in the SELECT list of a query with FROM";
    let volatile = "volatile function in a qualification over a replicated table";
    let updating = "volatile function in an UPDATE or DELETE of a replicated table";
    let together = "functions that run on all segments and on the coordinator cannot be used together";
    let writable = "writable CTE queries cannot be themselves writable";
    let correlated = "function with EXECUTE ON ALL SEGMENTS cannot be used in a correlated subquery";
    let outer = "function with EXECUTE ON restrictions cannot be used in a subquery with arguments from the query around it";
    let fine = ["", ""];
    // A statement of the extended protocol does not count itself, nor does a cursor's.
    let nested = [NESTED, ""];
    let both = |message| [message, message];
    for (statement, expected) in [
        // Nothing else is dispatched, or it has ended.
        ("SELECT rows_of_t(), locks(), pg_table_size('t'), make()", fine),
        ("SELECT * FROM t WHERE a = (SELECT rows_of_t()) OR a = (SELECT pg_table_size('t'))", fine),
        ("SELECT * FROM t JOIN inlined() USING (a)", fine),
        ("SELECT rows_of_t() FROM pg_class LIMIT 1", fine),
        ("SELECT rows_of_t() FROM t", nested),
        ("SELECT locks() FROM t", nested),
        ("SELECT make() FROM t", nested),
        ("INSERT INTO t SELECT rows_of_t()", nested),
        ("SELECT pg_table_size('t') FROM t WHERE a = 0", nested),
        ("SELECT count(*) FROM pg_locks, t", nested),
        (
            "DO $$ DECLARE i int; BEGIN FOR i IN SELECT a FROM t LOOP PERFORM rows_of_t(); END LOOP; END $$",
            fine,
        ),
        ("DO $$ BEGIN PERFORM rows_of_t() FROM t; END $$", both(NESTED)),
        // What failed has ended, too.
        (
            "DO $$ BEGIN PERFORM rows_of_t() FROM t; EXCEPTION WHEN OTHERS THEN PERFORM rows_of_t(); END $$",
            fine,
        ),
        // A function whose settings are changed back while a statement is bound takes its portal away.
        ("SELECT * FROM t WHERE a < (SELECT count(*) FROM t WHERE a < (SELECT locks()))", fine),
        ("SELECT * FROM t WHERE a < (SELECT here())", ["", "portal \"\" does not exist"]),
        ("SELECT * FROM t WHERE a < here()", ["", "portal \"\" does not exist"]),
        ("SELECT here()", fine),
        ("DO $$ BEGIN PERFORM FROM t WHERE a < (SELECT here()); END $$", fine),
        // Where functions that run on segments are allowed.
        ("SELECT tpch_region()", fine),
        ("SELECT tpch_region() LIMIT 1", both("function with EXECUTE ON restrictions cannot be used here")),
        ("SELECT tpch_region() FROM t", both(in_select_list)),
        ("SELECT * FROM t WHERE a = (SELECT max(r_regionkey) FROM tpch_region())", fine),
        (
            "SELECT * FROM t WHERE a = (SELECT max(r_regionkey) FROM tpch_region() WHERE r_regionkey < a)",
            both(correlated),
        ),
        ("SELECT * FROM tpch_region(), stream_report('none')", both(together)),
        ("SELECT (SELECT count(*) FROM millrace.sessions(name)) FROM millrace.run", both(outer)),
        // Each segment evaluates a volatile function itself.
        ("SELECT * FROM t WHERE a > random()", fine),
        ("SELECT * FROM millrace.run WHERE created < clock_timestamp()", both(volatile)),
        ("UPDATE millrace.run SET created = clock_timestamp()", both(updating)),
        (&format!("SELECT name FROM millrace.run UNION {ON_COORDINATOR}"), both("unexpected argument locus")),
        (&format!("SELECT name FROM millrace.run UNION ALL {ON_COORDINATOR}"), fine),
        // One table is written.
        ("WITH w AS (INSERT INTO t VALUES (6) RETURNING a) SELECT * FROM w", fine),
        (
            "WITH w AS (INSERT INTO t VALUES (6) RETURNING a) DELETE FROM t USING w WHERE t.a = w.a",
            both(writable),
        ),
        (
            "WITH v AS (INSERT INTO t VALUES (6) RETURNING a), w AS (DELETE FROM t RETURNING a) SELECT * FROM v, w",
            both("only one modifying WITH clause allowed per query"),
        ),
    ] {
        assert_eq!(errors(&mut client, statement), expected, "{statement}");
    }
    // An order in FROM is lost unless rows are numbered. LIMIT still chooses by it.
    client.batch_execute("TRUNCATE t; INSERT INTO t VALUES (2), (1), (3)").unwrap();
    for (query, order) in [
        ("SELECT a::text FROM (SELECT a FROM t ORDER BY a) s", ["3", "2", "1"]),
        ("SELECT a::text FROM (SELECT a FROM t ORDER BY a OFFSET 0) s", ["3", "2", "1"]),
        ("SELECT a::text FROM (SELECT a FROM t ORDER BY a LIMIT 3) s", ["3", "2", "1"]),
        ("SELECT b::text FROM (SELECT a AS b FROM t ORDER BY t.a + 1 LIMIT 3) s", ["3", "2", "1"]),
        (
            "SELECT a::text FROM (SELECT a FROM t ORDER BY a LIMIT 3) s ORDER BY row_number() OVER ()",
            ["1", "2", "3"],
        ),
        ("SELECT a::text FROM (SELECT a FROM t ORDER BY a) s ORDER BY row_number() OVER ()", ["1", "2", "3"]),
    ] {
        assert_eq!(texts(&mut client, query), order, "{query}");
    }
}

#[test]
fn views_and_functions_answer_by_both_protocols() {
    let simulation = coordinator();
    let mut client = simulation.coordinator.connect();
    client
        .batch_execute(
            "CREATE TABLE nation (LIKE tpch_nation);
             CREATE TABLE numbers (n bigint)",
        )
        .unwrap();
    let loads = [
        "CALL stream_ingest('nation', batch_rows => 10)",
        "CALL stream_ingest('numbers', 'sql', rows => 20, batch_rows => 5,
                            options => '{\"query\": \"SELECT n FROM generate_series($1, $2) n\"}')",
        "CALL stream_bench(rows => 2000, batch_rows => 500, variants => '{heap,heap_hourly}', analyze_every => 2)",
        "CALL tpch_load(0.01, indexes => true)",
        "CALL tpch_refresh()",
        "SELECT tpch_virtual('virtual', 0.01)",
    ];
    for call in loads {
        // The second time there is nothing left to do.
        assert_eq!(errors(&mut client, call), ["", ""], "{call}");
    }
    // As a dump of PostgreSQL's would restore it.
    client
        .batch_execute(
            "UPDATE millrace.target SET unlogged = true WHERE run = 'public.nation';
             INSERT INTO millrace.batch_unlogged SELECT * FROM millrace.batch WHERE run = 'public.nation';
             DELETE FROM millrace.batch WHERE run = 'public.nation'",
        )
        .unwrap();
    let batches = "SELECT count(*) FROM stream_batches WHERE run = 'public.nation'";
    assert_eq!(one::<i64>(&mut client, batches), 3);
    for view in [
        "stream_batches",
        "stream_progress",
        "stream_variants",
        "stream_bench_tables",
        "stream_bench_skipped",
        "stream_queries",
    ] {
        // An empty table would allow anything.
        let filled = one::<i64>(&mut client, &format!("SELECT count(*) FROM {view}")) > 0;
        assert!(filled || view == "stream_bench_skipped", "{view}");
        assert_eq!(errors(&mut client, &format!("TABLE {view}")), ["", ""], "{view}");
    }
    for query in [
        "SELECT * FROM stream_report('bench')",
        "SELECT * FROM stream_report('public.nation')",
        "SELECT * FROM stream_gates('bench')",
        "SELECT * FROM stream_verify('bench/index')",
        "SELECT * FROM stream_verify('public.numbers')",
        "SELECT * FROM stream_columns('cdr', rows => 1000)",
        "SELECT * FROM stream_plan('nation')",
        "SELECT * FROM tpch_validate()",
        "SELECT * FROM tpch_run(1)",
        "SELECT millrace.rows_done('tpch.orders'), millrace.is_finished('tpch.orders')",
        "SELECT * FROM stream_progress JOIN stream_batches USING (run)",
        "SELECT * FROM tpch.orders WHERE o_orderkey IN (SELECT tpch_orders_delete FROM tpch_orders_delete(1, 0.01))",
        "SELECT * FROM tpch.lineitem JOIN tpch_lineitem_refresh(1, 0.01) USING (l_orderkey)",
        "SELECT * FROM tpch.orders JOIN tpch_orders_refresh(1, 0.01) USING (o_orderkey)",
        "SELECT stream_stop('public.nation')",
    ] {
        assert_eq!(errors(&mut client, query), ["", ""], "{query}");
    }
    // Sorted as in the queries.
    let flags = "SELECT r ->> 'l_returnflag' || (r ->> 'l_linestatus') FROM tpch_run(1) r";
    assert_eq!(texts(&mut client, flags), ["AF", "NF", "NO", "RF"]);
    let passed = "SELECT count(*) FROM tpch_validate('virtual') WHERE pass";
    assert_eq!(one::<i64>(&mut client, passed), 22);
    for drop in [
        "SELECT stream_bench_drop('bench')",
        "SELECT tpch_drop(), tpch_drop('virtual')",
        "SELECT stream_drop('public.nation')",
    ] {
        client.simple_query(drop).unwrap_or_else(|error| panic!("{drop}: {error}"));
    }
}

/// The client program, on the coordinator.
fn millrace(server: &Cluster, arguments: &[&str]) -> String {
    let path =
        std::env::var("MILLRACE_CLI").expect("MILLRACE_CLI is not set: run the tests with `make test`");
    let mut command = Command::new(path);
    command.args(arguments).env("PGHOST", server.folder()).env("PGUSER", "postgres");
    let output = command.output().unwrap();
    let [printed, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{arguments:?}: {printed}{said}");
    printed
}

/// The lines of a file that a report has.
fn lines(folder: &Path, name: &str) -> usize {
    std::fs::read_to_string(folder.join(name)).unwrap().lines().count()
}

#[test]
fn the_client_works_on_a_coordinator() {
    let simulation = coordinator();
    let server = &simulation.coordinator;
    let folder = |name: &str| -> (PathBuf, String) {
        let place =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(server.folder().file_name().unwrap()).join(name);
        std::fs::create_dir_all(&place).unwrap();
        (place.clone(), place.to_str().unwrap().to_owned())
    };
    let shown = millrace(server, &["demo", "--sf", "0.02", "--yes"]);
    // Verified: a small load may be done before it is cancelled.
    assert!(shown.trim_end().ends_with(" t"), "{shown}");
    assert_eq!(one::<i64>(&mut server.connect(), "SELECT count(*) FROM stream_progress"), 0);

    let (bench, place) = folder("bench");
    let printed = millrace(
        server,
        &[
            "bench",
            "--rows",
            "2000",
            "--batch-rows",
            "500",
            "--variants",
            "heap,heap_brin",
            "--yes",
            "-o",
            &place,
        ],
    );
    assert!(printed.contains("Gates\n"), "{printed}");
    // Two phases of two tables: four batches, and four queries three times, each.
    assert_eq!(lines(&bench, "metrics.csv"), 1 + 16 + 48);
    let (report, place) = folder("report");
    millrace(server, &["report", "bench", "--output", &place]);
    assert_eq!(lines(&report, "metrics.csv"), 1 + 16 + 48);
    assert_eq!(lines(&report, "summary.md"), lines(&bench, "summary.md"));
    let earlier = bench.join("metrics.csv");
    let printed =
        millrace(server, &["report", "bench", "--output", &place, "--against", earlier.to_str().unwrap()]);
    assert!(printed.contains("\nNone of 24 figures differs"), "{printed}");

    let (tpch, place) = folder("tpch");
    millrace(server, &["tpch", "both", "--sf", "0.01", "--streams", "2", "--yes", "-o", &place]);
    // Power: 22 queries and a pair of refreshes; throughput: two streams with a pair each.
    assert_eq!(lines(&tpch, "metrics.csv"), 1 + 24 + 2 * 24);
    // Without --sf, the scale factor is the tables'.
    millrace(server, &["tpch", "power", "--yes"]);
}
