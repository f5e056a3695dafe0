//! Runs ingested by several processes: whatever ends one of them, nothing is lost or duplicated, and no worker is left
//! behind.

use millrace_tests::{Cluster, content, error_of, one, wait_until};
use postgres::Client;

const CALL: &str = "CALL stream_ingest('lineitem', sf => 0.05, batch_rows => 10000, workers => 3)";
const BATCHES: i64 = 30;

fn create(client: &mut Client) {
    client.batch_execute("CREATE TABLE lineitem AS SELECT * FROM tpch_lineitem(1) WITH NO DATA").unwrap();
}

fn workers(client: &mut Client) -> i64 {
    one(client, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'millrace ingest worker'")
}

/// The whole table once, each batch once in the ledger.
fn assert_complete(client: &mut Client) {
    assert!(one::<bool>(client, "SELECT matches FROM stream_verify('public.lineitem')"));
    let whole = content(client, "tpch_lineitem(0.05)");
    assert_eq!(content(client, "lineitem"), whole);
    assert_eq!(one::<i64>(client, "SELECT count(*) FROM stream_batches"), BATCHES);
    assert_eq!(one::<String>(client, "SELECT state FROM stream_progress"), "done");
    assert_eq!(workers(client), 0);
}

/// Calls in one session, and in another does `strike` when all three processes have a batch in flight.
/// Returns the call's error.
fn struck(cluster: &Cluster, strike: impl FnOnce(&mut Client, i32)) -> Option<(String, String)> {
    let mut watcher = cluster.connect();
    let mut caller = cluster.connect();
    let pid: i32 = one(&mut caller, "SELECT pg_backend_pid()");
    // They all wait for this lock, which does not block readers of the table.
    let mut blocker = cluster.connect();
    let mut transaction = blocker.transaction().unwrap();
    transaction.batch_execute("LOCK TABLE lineitem IN SHARE MODE").unwrap();
    std::thread::scope(|scope| {
        let calling = scope.spawn(move || error_of(&mut caller, CALL));
        wait_until("three batches in flight", || {
            let query = "SELECT count(*) FROM pg_locks WHERE relation = 'lineitem'::regclass AND NOT granted";
            one::<i64>(&mut watcher, query) == 3
        });
        strike(&mut watcher, pid);
        // Those that are still there continue.
        let _ = transaction.rollback();
        calling.join().unwrap()
    })
}

fn a_worker(client: &mut Client) -> i32 {
    one(client, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'millrace ingest worker' LIMIT 1")
}

#[test]
fn all_processes_work_with_the_callers_rights_and_settings() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE ROLE loader; CREATE ROLE login LOGIN IN ROLE loader; CREATE SCHEMA mine AUTHORIZATION loader;
             SET ROLE loader; SET search_path = mine, public;
             CREATE TABLE lineitem AS SELECT * FROM tpch_lineitem(1) WITH NO DATA;
             ALTER TABLE lineitem ADD made_by text DEFAULT '', ADD tenant text DEFAULT '';
             CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 NEW.made_by := concat_ws(' ', current_user, session_user, current_setting('search_path'),
                     current_setting('timezone'), current_setting('work_mem'), 'lineitem'::regclass);
                 NEW.tenant := current_setting('app.tenant');
                 RETURN NEW;
             END $$;
             CREATE TRIGGER sign BEFORE INSERT ON lineitem FOR EACH ROW EXECUTE FUNCTION sign();
             ALTER TABLE lineitem ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY tenants ON lineitem USING (tenant = current_setting('app.tenant'))",
        )
        .unwrap();
    let mut superuser = cluster.connect();
    superuser.batch_execute("SET SESSION AUTHORIZATION login").unwrap();
    for mut caller in [cluster.connect_as("login"), superuser] {
        caller
            .batch_execute(
                "SET ROLE loader; SET search_path = mine, public; SET timezone = 'Asia/Tokyo'; SET work_mem = '5MB';
                 SET app.tenant = 'mill'",
            )
            .unwrap();
        caller.batch_execute(CALL).unwrap();
        let signed: Vec<String> = caller
            .query("SELECT DISTINCT made_by || ' ' || tenant FROM mine.lineitem", &[])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(signed, ["loader login mine, public Asia/Tokyo 5MB lineitem mill"]);
        let processes: i64 = one(&mut caller, "SELECT count(DISTINCT worker) FROM stream_batches");
        assert!(processes > 1, "no worker took a batch");
        assert_eq!(
            one::<i64>(&mut caller, "SELECT count(*) FROM mine.lineitem"),
            one::<i64>(&mut caller, "SELECT count(*) FROM tpch_lineitem(0.05)")
        );
        client.batch_execute("SELECT stream_drop(run) FROM stream_progress").unwrap();
        client.batch_execute("TRUNCATE mine.lineitem").unwrap();
    }
}

#[test]
fn a_cancelled_caller_takes_its_workers_with_it() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    let error = struck(&cluster, |watcher, pid| {
        watcher.execute("SELECT pg_cancel_backend($1)", &[&pid]).unwrap();
        wait_until("the workers' end", || workers(watcher) == 0);
    });
    assert_eq!(error.unwrap().0, "57014");
    wait_until("the run to be free", || {
        one::<String>(&mut client, "SELECT state FROM stream_progress") == "interrupted"
    });
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
}

#[test]
fn a_terminated_caller_takes_its_workers_with_it() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    let error = struck(&cluster, |watcher, pid| {
        watcher.execute("SELECT pg_terminate_backend($1)", &[&pid]).unwrap();
        wait_until("the workers' end", || workers(watcher) == 0);
    });
    assert!(error.is_some());
    wait_until("the run to be free", || {
        one::<String>(&mut client, "SELECT state FROM stream_progress") == "interrupted"
    });
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
}

#[test]
fn the_error_of_a_worker_is_the_callers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    client
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF pg_backend_pid() <> (SELECT pid FROM stream_progress) THEN
                     RAISE EXCEPTION 'the mill is closed' USING ERRCODE = '22012', HINT = 'Come back.';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON lineitem FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .unwrap();
    let (code, message) = error_of(&mut client, CALL).unwrap();
    assert_eq!((code.as_str(), message.as_str()), ("22012", "the mill is closed HINT: Come back."));
    wait_until("the workers' end", || workers(&mut client) == 0);
    client.batch_execute("DROP TRIGGER refuse ON lineitem").unwrap();
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
}

#[test]
fn a_worker_terminated_by_somebody_ends_the_call() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    let error = struck(&cluster, |watcher, _| {
        let worker = a_worker(watcher);
        watcher.execute("SELECT pg_terminate_backend($1)", &[&worker]).unwrap();
        wait_until("the worker's end", || workers(watcher) == 1);
    });
    let (code, message) = error.unwrap();
    assert_eq!(code, "57P01");
    assert!(message.starts_with("a worker was terminated before its work was done"), "{message}");
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
}

#[test]
fn killed_workers_and_stopped_servers_lose_their_batches_only() {
    let cluster = Cluster::new();
    create(&mut cluster.connect());
    assert!(struck(&cluster, |watcher, _| cluster.crash(a_worker(watcher))).is_some());
    for mode in ["fast", "immediate"] {
        assert!(struck(&cluster, |_, _| cluster.stop(mode)).is_some());
        cluster.start();
        assert!(one::<bool>(&mut cluster.connect(), "SELECT matches FROM stream_verify('public.lineitem')"));
    }
    let mut client = cluster.connect();
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
}

#[test]
fn without_free_workers_the_session_works_alone() {
    // One is the logical replication launcher's.
    let cluster = Cluster::with_settings(&["max_worker_processes = 1"]);
    let mut client = cluster.connect();
    create(&mut client);
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
    assert_eq!(one::<i64>(&mut client, "SELECT count(DISTINCT worker) FROM stream_batches"), 1);
}

#[test]
fn workers_that_cannot_connect_are_done_without() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    client
        .batch_execute(
            "CREATE ROLE loader LOGIN; GRANT ALL ON lineitem TO loader; ALTER ROLE loader CONNECTION LIMIT 1",
        )
        .unwrap();
    cluster.connect_as("loader").batch_execute(CALL).unwrap();
    assert_complete(&mut client);
}

#[test]
fn a_request_to_stop_reaches_the_workers_and_a_pace_is_shared() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    let mut caller = cluster.connect();
    // A batch is due every four seconds.
    let call = CALL.replace("workers", "options => '{\"rate\": 2500}', workers");
    std::thread::scope(|scope| {
        let calling = scope.spawn(move || error_of(&mut caller, &call));
        let done = "SELECT coalesce(max(batches_done), 0) FROM stream_progress";
        wait_until("a batch of each process", || one::<i64>(&mut client, done) == 3);
        assert!(one::<bool>(&mut client, "SELECT stream_stop('public.lineitem')"));
        assert_eq!(calling.join().unwrap(), None);
    });
    let done: i64 = one(&mut client, "SELECT batches_done FROM stream_progress");
    assert_eq!(done, 3, "nobody took another batch");
    assert_eq!(workers(&mut client), 0);
    client.batch_execute("UPDATE millrace.run SET rate = NULL").unwrap();
    client.batch_execute("CALL stream_resume('public.lineitem', workers => 2)").unwrap();
    assert_complete(&mut client);
}

#[test]
fn a_temporary_table_is_for_one_process() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute("CREATE TEMP TABLE lineitem AS SELECT * FROM tpch_lineitem(1) WITH NO DATA")
        .unwrap();
    let (code, message) = error_of(&mut client, CALL).unwrap();
    assert_eq!(code, "0A000");
    assert!(message.contains("temporary table"), "{message}");
}
