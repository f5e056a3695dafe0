//! Generation from a client's view: cancels, memory, the shared text pool.

use millrace_tests::{Cluster, error_of, wait_until};
use postgres::{Client, NoTls};

/// Kilobytes of memory that only this session's process has.
fn private_kilobytes(client: &mut Client) -> u64 {
    let rollup: String =
        client.query_one("SELECT pg_read_file('/proc/self/smaps_rollup')", &[]).unwrap().get(0);
    let kilobytes = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    rollup.lines().filter(|line| line.starts_with("Private_")).map(kilobytes).sum()
}

#[test]
fn a_cancel_ends_generation() {
    let cluster = Cluster::new();
    let mut watcher = cluster.connect();
    for query in [
        // The first builds the text pool for most of a second, the others never end by themselves.
        "SELECT count(l_comment) FROM tpch_lineitem(10000)",
        "SELECT count(t) FROM tpch_lineitem(10000) t",
        "SELECT count(value) FROM iot_gen(1000000000000)",
        "SELECT count(t) FROM cdr_gen(1000000000000, '{\"rows_per_day\": 10000000000}') t",
        "SELECT count(*) FROM (SELECT tpch_lineitem(10000)) s",
        "SELECT rows FROM tpch_tables(100000, exact => true)",
    ] {
        let mut session = cluster.connect();
        let cancel = session.cancel_token();
        let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
        let error = std::thread::scope(|scope| {
            let running = scope.spawn(|| error_of(&mut session, query));
            wait_until("the query to run", || {
                let state =
                    "SELECT state = 'active' AND query ~ 'tpch|gen' FROM pg_stat_activity WHERE pid = $1";
                watcher.query_one(state, &[&pid]).unwrap().get(0)
            });
            cancel.cancel_query(NoTls).unwrap();
            running.join().unwrap()
        });
        assert_eq!(error.unwrap().0, "57014", "{query}");
        assert_eq!(error_of(&mut session, "SELECT count(n_comment) FROM tpch_nation()"), None);
    }
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for query in [
        "SELECT count(*) FROM (SELECT tpch_lineitem(SF)) s",
        "SELECT count(l_comment) FROM tpch_lineitem(SF)",
        "SELECT count(caller_number) FROM cdr_gen(SF000000)",
        "SELECT count(value) FROM iot_gen(SF000000)",
    ] {
        client.batch_execute(&query.replace("SF", "1")).unwrap();
        let small = private_kilobytes(&mut client);
        client.batch_execute(&query.replace("SF", "2")).unwrap();
        let large = private_kilobytes(&mut client);
        assert!(large < small + 10_000, "{query}: {small} kB, then {large} kB");
    }
}

#[test]
fn preloaded_backends_share_one_text_pool() {
    let cluster = Cluster::with_settings(&["shared_preload_libraries = 'millrace'"]);
    for _ in 0..2 {
        let mut client = cluster.connect();
        let before = private_kilobytes(&mut client);
        client.batch_execute("SELECT count(l_comment) FROM tpch_lineitem(0.01)").unwrap();
        let grown = private_kilobytes(&mut client).saturating_sub(before);
        assert!(grown < 50_000, "{grown} kB of its own");
    }
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE orders AS SELECT * FROM tpch_orders() WITH NO DATA").unwrap();
    client.batch_execute("CALL stream_ingest('orders', sf => 0.01)").unwrap();
    let matches: bool =
        client.query_one("SELECT matches FROM stream_verify('public.orders')", &[]).unwrap().get(0);
    assert!(matches);
}

#[test]
fn rows_that_changed_while_an_update_waited_are_checked_again() {
    let cluster = Cluster::new();
    let mut first = cluster.connect();
    first
        .batch_execute("CREATE TABLE t AS SELECT k, 0 AS seen, -1 AS region FROM generate_series(1, 3) k")
        .unwrap();
    first.batch_execute("BEGIN; UPDATE t SET seen = 1 WHERE k = 2").unwrap();
    let mut second = cluster.connect();
    // Both subqueries are scanned again for the row that the first session changed.
    let update = "UPDATE t SET region = (SELECT n_regionkey FROM tpch_nation() WHERE n_nationkey = t.k)
                  WHERE k IN (SELECT n_nationkey FROM tpch_nation()) AND k < (SELECT max(n_nationkey) FROM tpch_nation())";
    let waiting = std::thread::spawn(move || error_of(&mut second, update));
    let mut watcher = cluster.connect();
    wait_until("the update to wait", || {
        let blocked =
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0)";
        watcher.query_one(blocked, &[]).unwrap().get(0)
    });
    first.batch_execute("COMMIT").unwrap();
    assert_eq!(waiting.join().unwrap(), None);
    let rows = "SELECT string_agg(format('%s:%s:%s', k, seen, region), ' ' ORDER BY k) FROM t";
    assert_eq!(watcher.query_one(rows, &[]).unwrap().get::<_, String>(0), "1:0:1 2:1:1 3:0:1");
}
