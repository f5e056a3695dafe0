//! Killed backends, crashed servers and standbys: whatever happens, each batch is there once or not at all.

use millrace_tests::{Cluster, Dice, content, error_of, one, rows_of, wait_until};
use postgres::Client;

const SF: f64 = 0.2;
const CALL: &str = "CALL stream_ingest('lineitem', sf => 0.2, batch_rows => 10000)";
/// Only its last commit waits for the disk, so that a crash loses the last batches, too.
const CALL_WITHOUT_WAITING: &str = r#"CALL stream_ingest('lineitem', sf => 0.2, batch_rows => 10000, options => '{"synchronous_commit": false}')"#;
const RUN: &str = "public.lineitem";

fn create(client: &mut Client, kind: &str) {
    let create = format!("CREATE {kind} TABLE lineitem AS SELECT * FROM tpch_lineitem(1) WITH NO DATA");
    client.batch_execute(&create).unwrap();
}

const BATCHES_DONE: &str = "SELECT coalesce(max(batches_done), 0) FROM stream_progress";

fn batches_done(client: &mut Client) -> i64 {
    one(client, BATCHES_DONE)
}

/// Starts or resumes the run; once some more batches are there, `strike` ends it at a moment that `dice` choose. Returns the
/// run's batches before that.
fn interrupt(
    cluster: &Cluster,
    call: &'static str,
    dice: &mut Dice,
    strike: impl FnOnce(&mut Client),
) -> i64 {
    let mut watcher = cluster.connect();
    let before = batches_done(&mut watcher);
    let enough = before + dice.below(4) as i64;
    let rows_in_flight = dice.below(3) * 3_000;
    // One query, so that few batches pass while it is asked.
    let is_due = format!(
        "SELECT EXISTS (SELECT FROM pg_stat_progress_copy WHERE tuples_processed >= {rows_in_flight})
                AND ({BATCHES_DONE}) >= {enough}"
    );
    let mut session = cluster.connect();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || error_of(&mut session, call));
        wait_until("the moment to strike", || running.is_finished() || one(&mut watcher, &is_due));
        strike(&mut watcher);
        assert!(running.join().unwrap().is_some(), "the run was not interrupted");
    });
    before
}

/// How the interrupted run must end: with the whole table once, and each batch once in the ledger.
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
        let before = interrupt(&cluster, call, &mut dice, |watcher| {
            if round % 2 == 0 {
                cluster.crash(one(watcher, "SELECT pid FROM stream_progress"));
            } else {
                cluster.stop("immediate");
                cluster.start();
            }
        });
        let mut client = cluster.connect();
        assert!(batches_done(&mut client) >= before, "committed batches are kept");
        assert_eq!(one::<String>(&mut client, "SELECT state FROM stream_progress"), "interrupted");
        assert!(
            one::<bool>(&mut client, &format!("SELECT matches FROM stream_verify('{RUN}')")),
            "round {round}"
        );
    }
    let mut client = cluster.connect();
    println!("{} of 120 batches after twenty interruptions", batches_done(&mut client));
    client.batch_execute(CALL_WITHOUT_WAITING).unwrap();
    assert_complete(&mut client);
    // Once the call has returned, its rows survive anything.
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

/// Waits until a standby has all that its primary has written.
fn catch_up(primary: &mut Client, standby: &mut Client) {
    let lsn: String = one(primary, "SELECT pg_current_wal_lsn()::text");
    wait_until("the standby to catch up", || {
        one(standby, &format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'"))
    });
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
    client
        .batch_execute(
            "CREATE TABLE region (LIKE tpch_region); CREATE TABLE child () INHERITS (region); INSERT INTO child DEFAULT VALUES",
        )
        .unwrap();
    client.batch_execute("CALL stream_ingest('region')").unwrap();
    let mut replica = standby.connect();
    catch_up(&mut client, &mut replica);
    assert_eq!(content(&mut replica, "lineitem"), content(&mut client, "lineitem"));
    let progress =
        "SELECT run, state, batches_done, rows_done FROM stream_progress WHERE run = 'public.lineitem'";
    let on = |client: &mut Client| {
        let row = client.query_one(progress, &[]).unwrap();
        (row.get::<_, String>(1), row.get::<_, i64>(2), row.get::<_, i64>(3))
    };
    assert_eq!(on(&mut replica), on(&mut client));
    assert!(one::<bool>(&mut replica, "SELECT matches FROM stream_verify('public.lineitem')"));
    assert!(one::<bool>(&mut replica, "SELECT matches FROM stream_verify('public.region')"));
    assert_eq!(error_of(&mut replica, CALL).unwrap().0, "25006", "a standby is read-only");
}

/// What a standby shows at any point of the WAL: whole batches, each with its ledger row.
fn assert_whole_batches(client: &mut Client, context: &str) {
    let alike =
        "SELECT (SELECT coalesce(sum(rows), 0) FROM stream_batches) = (SELECT count(*) FROM lineitem)";
    assert!(one::<bool>(client, alike), "{context}");
    assert!(
        one::<bool>(client, &format!("SELECT matches FROM stream_verify('{RUN}')")),
        "{context}: {} batches",
        batches_done(client)
    );
}

/// A primary with a table to load, and its standby, which has it too.
fn with_standby() -> (Cluster, Cluster) {
    let cluster = Cluster::new();
    let standby = cluster.standby();
    create(&mut cluster.connect(), "");
    catch_up(&mut cluster.connect(), &mut standby.connect());
    (cluster, standby)
}

#[test]
fn a_standby_promoted_within_a_run_goes_on_where_it_stood() {
    let mut dice = Dice::new();
    for call in [CALL, CALL_WITHOUT_WAITING] {
        let (cluster, standby) = with_standby();
        interrupt(&cluster, call, &mut dice, |_| {
            let mut replica = standby.connect();
            wait_until("the standby to have a batch", || batches_done(&mut replica) > 0);
            cluster.stop("immediate");
        });
        let mut client = standby.connect();
        assert!(one::<bool>(&mut client, "SELECT pg_promote()"));
        assert_whole_batches(&mut client, call);
        assert_eq!(one::<String>(&mut client, "SELECT state FROM stream_progress"), "interrupted");
        client.batch_execute(call).unwrap();
        assert_complete(&mut client);
    }
}

#[test]
fn a_standby_that_crashes_within_a_run_has_whole_batches() {
    for call in [CALL, CALL_WITHOUT_WAITING] {
        let (cluster, standby) = with_standby();
        let (mut client, mut replica) = (cluster.connect(), standby.connect());
        std::thread::scope(|scope| {
            let loading = scope.spawn(|| client.batch_execute(call));
            wait_until("the standby to have a batch", || batches_done(&mut replica) > 0);
            standby.stop("immediate");
            standby.start();
            // It accepts sessions once its data is consistent, which may be before the table was created.
            replica = standby.connect();
            wait_until("the standby to have a batch again", || {
                rows_of(&mut replica, "SELECT 'one' FROM stream_batches LIMIT 1")
                    .is_ok_and(|rows| rows.len() == 1)
            });
            assert_whole_batches(&mut replica, call);
            loading.join().unwrap().unwrap();
        });
        catch_up(&mut client, &mut replica);
        assert_complete(&mut replica);
    }
}

#[test]
fn a_call_that_has_returned_is_on_the_synchronous_standby() {
    for call in [CALL, CALL_WITHOUT_WAITING] {
        let (cluster, standby) = with_standby();
        let mut client = cluster.connect();
        client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = '*'").unwrap();
        client.batch_execute("SELECT pg_reload_conf()").unwrap();
        wait_until("the standby to be waited for", || {
            one(&mut client, "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
        });
        client.batch_execute(call).unwrap();
        cluster.stop("immediate");
        let mut client = standby.connect();
        assert!(one::<bool>(&mut client, "SELECT pg_promote()"));
        assert_complete(&mut client);
    }
}
