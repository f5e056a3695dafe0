//! How large tables become while they are filled: as the server would make them.

use millrace_tests::{Cluster, content, one};
use postgres::Client;

/// Pages of a table.
fn pages(client: &mut Client, table: &str) -> i64 {
    one(client, &format!("SELECT pg_relation_size('{table}') / 8192"))
}

/// Runs statements one by one, since the calls commit.
fn run(client: &mut Client, statements: &str) {
    for statement in statements.split(';') {
        client.batch_execute(statement).unwrap();
    }
}

/// More pages than the server takes, a megabyte: each process reserves some, which go to the next batch.
const RESERVED: i64 = 128;

#[test]
fn a_heap_has_the_pages_its_rows_need() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for options in ["", "WITH (fillfactor = 30)"] {
        run(
            &mut client,
            &format!(
                "CREATE TABLE expected (LIKE tpch_lineitem) {options};
                 INSERT INTO expected SELECT * FROM tpch_lineitem(0.03);
                 CREATE TABLE alone (LIKE tpch_lineitem) {options};
                 CALL stream_ingest('alone', 'lineitem', sf => 0.03, batch_rows => 20000);
                 CREATE TABLE shared (LIKE tpch_lineitem) {options};
                 CALL stream_ingest('shared', 'lineitem', sf => 0.03, batch_rows => 20000, workers => 3)"
            ),
        );
        let expected = pages(&mut client, "expected");
        for (table, processes) in [("alone", 1), ("shared", 3)] {
            assert_eq!(content(&mut client, table), content(&mut client, "expected"), "{table} {options}");
            let pages = pages(&mut client, table);
            let most = expected + processes * RESERVED;
            assert!((expected..=most).contains(&pages), "{table} {options}: {pages} pages, not {expected}");
        }
        client.batch_execute("SELECT stream_drop(run) FROM stream_progress").unwrap();
        client.batch_execute("DROP TABLE expected, alone, shared").unwrap();
    }
}

#[test]
fn converted_and_partitioned_rows_grow_their_heaps_too() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for by in ["", "PARTITION BY HASH (l_orderkey)"] {
        for (table, call) in [
            ("expected", "INSERT INTO expected SELECT l_orderkey, l_comment FROM tpch_lineitem(0.1)"),
            ("loaded", "CALL stream_ingest('loaded', 'lineitem', sf => 0.1)"),
        ] {
            run(&mut client, &format!("CREATE TABLE {table} (l_orderkey text, l_comment text) {by}"));
            for remainder in (0..3).filter(|_| !by.is_empty()) {
                let bound = format!("FOR VALUES WITH (MODULUS 3, REMAINDER {remainder})");
                run(&mut client, &format!("CREATE TABLE {table}_{remainder} PARTITION OF {table} {bound}"));
            }
            run(&mut client, call);
        }
        assert_eq!(one::<String>(&mut client, "SELECT min(path) FROM stream_batches"), "bulk");
        assert_eq!(content(&mut client, "loaded"), content(&mut client, "expected"));
        let mut pages = |table: &str| -> i64 {
            let query = format!(
                "SELECT (sum(pg_relation_size(oid)) / 8192)::bigint FROM pg_class WHERE relname ~ '^{table}'"
            );
            one(&mut client, &query)
        };
        let (expected, loaded) = (pages("expected"), pages("loaded"));
        assert!((expected..=expected + RESERVED).contains(&loaded), "{by}: {loaded} pages, not {expected}");
        run(&mut client, "SELECT stream_drop('public.loaded'); DROP TABLE expected, loaded");
    }
}

#[test]
fn small_batches_share_pages() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    run(
        &mut client,
        "CREATE TABLE orders (LIKE tpch_orders);
             CALL stream_ingest('orders', sf => 0.001, batch_rows => 10)",
    );
    assert_eq!(one::<i64>(&mut client, "SELECT batches_done FROM stream_progress"), 150);
    assert!(pages(&mut client, "orders") < 30, "{} pages", pages(&mut client, "orders"));
}

#[test]
fn free_pages_are_used_before_a_heap_grows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    run(
        &mut client,
        "CREATE TABLE orders (LIKE tpch_orders);
             CALL stream_ingest('orders', sf => 0.1, batch_rows => 50000)",
    );
    let before = pages(&mut client, "orders");
    client.batch_execute("DELETE FROM orders WHERE o_orderkey <= 300000").unwrap();
    client.batch_execute("VACUUM orders").unwrap();
    client.batch_execute("CALL stream_ingest('orders', sf => 0.04, run => 'again')").unwrap();
    let after = pages(&mut client, "orders");
    assert!((before..=before + RESERVED).contains(&after), "{before} pages, then {after}");
}

/// A gigabyte in, a table continues in another file; with few buffers, pages are reserved a few at a time.
#[test]
fn a_heap_goes_on_in_its_second_file() {
    let cluster = Cluster::with_settings(&["shared_buffers = '1MB'", "max_connections = 10"]);
    let mut client = cluster.connect();
    run(
        &mut client,
        "CREATE UNLOGGED TABLE lineitem (LIKE tpch_lineitem) WITH (fillfactor = 10);
             CALL stream_ingest('lineitem', sf => 0.15, workers => 2)",
    );
    assert!(pages(&mut client, "lineitem") > 1 << 17);
    assert_eq!(content(&mut client, "lineitem"), content(&mut client, "tpch_lineitem(0.15)"));
    cluster.stop("immediate");
}
