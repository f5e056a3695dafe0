//! Killed backends, crashed servers and standbys: whatever happens, each batch is there once or not at all.

use millrace_tests::{Cluster, Dice, content, error_of, kill, one, wait_until};
use postgres::Client;

const SF: f64 = 0.2;
const CALL: &str = "CALL stream_ingest('lineitem', sf => 0.2, batch_rows => 10000)";
/// Only its last commit waits for the disk, so that a crash takes the last batches back, too.
const CALL_WITHOUT_WAITING: &str = r#"CALL stream_ingest('lineitem', sf => 0.2, batch_rows => 10000, options => '{"synchronous_commit": false}')"#;
const RUN: &str = "public.lineitem";

fn create(client: &mut Client, kind: &str) {
    let create = format!("CREATE {kind} TABLE lineitem AS SELECT * FROM tpch_lineitem(1) WITH NO DATA");
    client.batch_execute(&create).unwrap();
}

fn batches_done(client: &mut Client) -> i64 {
    one(client, "SELECT coalesce(max(batches_done), 0) FROM stream_progress")
}

/// Starts or resumes the run, and once some more batches are there, at a moment that `dice` choose,
/// has `strike` end it. Returns the run's batches before.
fn interrupt(
    cluster: &Cluster,
    call: &'static str,
    dice: &mut Dice,
    strike: impl FnOnce(&mut Client),
) -> i64 {
    let mut watcher = cluster.connect();
    let before = batches_done(&mut watcher);
    let enough = before + dice.below(4) as i64;
    let rows_in_flight = dice.below(3) * 4_000;
    let mut session = cluster.connect();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || error_of(&mut session, call));
        wait_until("the moment to strike", || {
            let query = "SELECT p.tuples_processed FROM pg_stat_progress_copy p";
            let in_flight: Option<i64> = watcher.query_opt(query, &[]).unwrap().map(|row| row.get(0));
            batches_done(&mut watcher) >= enough
                && in_flight.is_some_and(|rows| rows >= rows_in_flight as i64)
        });
        strike(&mut watcher);
        assert!(running.join().unwrap().is_some(), "the run was not interrupted");
    });
    before
}

/// What the interrupted run must end as: the whole table once, each batch once in the ledger.
fn assert_complete(client: &mut Client) {
    assert!(one::<bool>(client, "SELECT matches FROM stream_verify('public.lineitem')"));
    let whole = content(client, &format!("tpch_lineitem({SF})"));
    assert_eq!(content(client, "lineitem"), whole);
    let ledger = "SELECT count(*) = count(DISTINCT batch) AND count(*) = 120 AND sum(rows) = (SELECT count(*) FROM lineitem)
                  FROM stream_batches";
    assert!(one::<bool>(client, ledger));
    assert_eq!(one::<String>(client, "SELECT state FROM stream_progress"), "done");
}

#[test]
fn killed_and_crashed_twenty_times_the_table_is_whole() {
    let cluster = Cluster::new();
    create(&mut cluster.connect(), "");
    let mut dice = Dice::new();
    for round in 0..20 {
        let call = if round % 4 < 2 { CALL } else { CALL_WITHOUT_WAITING };
        let before = if round % 2 == 0 {
            let before = interrupt(&cluster, call, &mut dice, |watcher| {
                kill(one(watcher, "SELECT pid FROM stream_progress"));
                // The postmaster then ends all other sessions, too.
                wait_until("the server to notice", || watcher.batch_execute("SELECT 1").is_err());
            });
            cluster.wait_for_recovery();
            before
        } else {
            let before = interrupt(&cluster, call, &mut dice, |_| cluster.stop("immediate"));
            cluster.start();
            before
        };
        let mut client = cluster.connect();
        assert!(batches_done(&mut client) >= before, "committed batches are kept");
        assert_eq!(one::<String>(&mut client, "SELECT state FROM stream_progress"), "interrupted");
        assert!(
            one::<bool>(&mut client, &format!("SELECT matches FROM stream_verify('{RUN}')")),
            "round {round}"
        );
    }
    let mut client = cluster.connect();
    client.batch_execute(CALL_WITHOUT_WAITING).unwrap();
    assert_complete(&mut client);
    // What the call has returned for is there whatever comes.
    cluster.stop("immediate");
    cluster.start();
    assert_complete(&mut cluster.connect());
}

#[test]
fn an_unlogged_target_emptied_by_a_crash_is_filled_again() {
    let cluster = Cluster::new();
    create(&mut cluster.connect(), "UNLOGGED");
    let mut dice = Dice::new();
    interrupt(&cluster, CALL, &mut dice, |_| cluster.stop("immediate"));
    cluster.start();
    let mut client = cluster.connect();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM lineitem"), 0);
    assert_eq!(batches_done(&mut client), 0, "the ledger rows vanished with the table's");
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
    // Also when the run was finished.
    cluster.stop("immediate");
    cluster.start();
    let mut client = cluster.connect();
    assert_eq!(one::<String>(&mut client, "SELECT state FROM stream_progress"), "interrupted");
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
}

#[test]
fn a_standby_ends_with_the_same_content() {
    let cluster = Cluster::new();
    let standby = cluster.standby();
    let mut client = cluster.connect();
    create(&mut client, "");
    client.batch_execute("CREATE UNLOGGED TABLE nation AS SELECT * FROM tpch_nation() WITH NO DATA").unwrap();
    client.batch_execute(CALL).unwrap();
    client.batch_execute("CALL stream_ingest('nation')").unwrap();
    let lsn: String = one(&mut client, "SELECT pg_current_wal_lsn()::text");
    let mut replica = standby.connect();
    wait_until("the standby to catch up", || {
        one(&mut replica, &format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'"))
    });
    assert_eq!(content(&mut replica, "lineitem"), content(&mut client, "lineitem"));
    let progress =
        "SELECT run, state, batches_done, rows_done FROM stream_progress WHERE run = 'public.lineitem'";
    let on = |client: &mut Client| {
        let row = client.query_one(progress, &[]).unwrap();
        (row.get::<_, String>(1), row.get::<_, i64>(2), row.get::<_, i64>(3))
    };
    assert_eq!(on(&mut replica), on(&mut client));
    assert!(one::<bool>(&mut replica, "SELECT matches FROM stream_verify('public.lineitem')"));
    assert_eq!(error_of(&mut replica, CALL).unwrap().0, "25006", "a standby is read-only");
}
