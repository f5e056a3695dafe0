//! Cancels that come while a commit waits for a synchronous standby: the server answers them with a warning only.

use millrace_tests::{Cluster, Script, error_of, one, wait_until};
use postgres::NoTls;

/// Cancels a call once while its commit waits for a standby that does not exist. Returns the call's error, or `Err` if
/// it waits for another commit next.
fn cancel(arguments: &str) -> (Result<Option<(String, String)>, String>, Cluster) {
    cancel_call(
        "CREATE TABLE nation (LIKE tpch_nation); CREATE TABLE twin (LIKE nation); SELECT count(*) FROM tpch_nation()",
        format!("CALL stream_ingest('nation', batch_rows => 1{arguments})"),
    )
}

/// As [`cancel`], any call.
fn cancel_call(prepare: &str, call: String) -> (Result<Option<(String, String)>, String>, Cluster) {
    let cluster = Cluster::new();
    let mut watcher = cluster.connect();
    watcher.script(prepare).unwrap();
    watcher.script("ALTER SYSTEM SET synchronous_standby_names = 'nowhere'").unwrap();
    watcher.script("SELECT pg_reload_conf()").unwrap();
    let mut session = cluster.connect();
    let pid: i32 = one(&mut session, "SELECT pg_backend_pid()");
    wait_until("the setting", || one::<String>(&mut session, "SHOW synchronous_standby_names") == "nowhere");
    let token = session.cancel_token();
    let running = std::thread::spawn(move || error_of(&mut session, &call));
    let waits = format!(
        "SELECT coalesce(max(backend_xid::text || ' ' || xact_start), '') FROM pg_stat_activity
         WHERE wait_event = 'SyncRep' AND pid = {pid}"
    );
    let mut first = String::new();
    wait_until("a commit to wait", || {
        first = one(&mut watcher, &waits);
        !first.is_empty() || running.is_finished()
    });
    token.cancel_query(NoTls).unwrap();
    let mut next = String::new();
    wait_until("the call to end or wait again", || {
        next = one(&mut watcher, &waits);
        running.is_finished() || !(next.is_empty() || next == first)
    });
    let outcome = if running.is_finished() {
        Ok(running.join().unwrap())
    } else {
        Err(format!("waited at {first}, then at {next}"))
    };
    (outcome, cluster)
}

#[test]
fn a_cancel_during_a_wait_for_a_standby_ends_the_run() {
    let (outcome, cluster) = cancel("");
    assert_ended(outcome, &cluster);
}

#[test]
fn a_cancel_during_a_wait_for_a_standby_ends_the_workers_too() {
    let (outcome, cluster) = cancel(", workers => 2");
    assert_ended(outcome, &cluster);
    let mut client = cluster.connect();
    wait_until("the workers to end", || {
        one(&mut client, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type LIKE '%millrace%'")
    });
}

#[test]
fn a_cancel_during_a_wait_for_a_standby_ends_a_run_into_two_tables() {
    let (outcome, cluster) = cancel(", variants => '{twin}'");
    assert_ended(outcome, &cluster);
}

#[test]
fn a_cancel_during_a_wait_for_a_standby_ends_other_calls_that_commit() {
    let loaded = "CALL tpch_load(0.01, keys => false, \"analyze\" => false)";
    let benched = "CALL stream_bench(rows => 100, variants => '{heap}'); DELETE FROM millrace.bench_query";
    for (prepare, call) in [
        ("SELECT", "CALL tpch_load(0.001)"),
        (loaded, "CALL tpch_load(0.01)"),
        (loaded, "CALL tpch_refresh(sf => 0.01, batch_orders => 1)"),
        ("SELECT", "CALL stream_bench(rows => 100, variants => '{heap}')"),
        (benched, "CALL stream_bench(rows => 100, variants => '{heap}')"),
    ] {
        let (outcome, _cluster) = cancel_call(prepare, call.to_owned());
        let (code, message) = outcome.expect("one cancel ends the call").unwrap_or_default();
        assert_eq!(code, "57014", "{prepare}; {call}: {message}");
    }
}

/// One cancel was enough, what was committed is there, and the rest is loaded when it can be.
fn assert_ended(outcome: Result<Option<(String, String)>, String>, cluster: &Cluster) {
    if let Some((code, message)) = outcome.expect("one cancel ends the call") {
        assert_eq!(code, "57014", "{message}");
    }
    let mut client = cluster.connect();
    client.script("SET synchronous_commit = local").unwrap();
    client.script("ALTER SYSTEM RESET synchronous_standby_names").unwrap();
    client.script("SELECT pg_reload_conf()").unwrap();
    assert!(one::<bool>(&mut client, "SELECT bool_and(matches) FROM stream_verify('public.nation')"));
    client.script("CALL stream_resume('public.nation')").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM nation"), 25);
    assert!(one::<bool>(&mut client, "SELECT bool_and(matches) FROM stream_verify('public.nation')"));
}
