//! Ingesting from a client's view: every kind of table, resuming, stopping, privileges, dumps.

use millrace_tests::{Cluster, content, error_of, one, state, verified, wait_until};
use postgres::{Client, NoTls};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

const ORDERS: &str = "CREATE TABLE orders AS SELECT * FROM tpch_orders(1) WITH NO DATA";

fn batches_done(client: &mut Client, run: &str) -> i64 {
    let query = "SELECT coalesce(max(batches_done), 0) FROM stream_progress WHERE run = $1";
    client.query_one(query, &[&run]).unwrap().get(0)
}

/// Runs a statement in a session of its own; the result is its error, if it has one.
fn in_background(mut client: Client, statement: &str) -> JoinHandle<Option<(String, String)>> {
    let statement = statement.to_owned();
    std::thread::spawn(move || error_of(&mut client, &statement))
}

/// Starts a run with a rate at which it does not end by itself, and waits for its second batch.
fn start_slow_run(cluster: &Cluster, client: &mut Client) -> (JoinHandle<Option<(String, String)>>, Client) {
    client.batch_execute(ORDERS).unwrap();
    let session = cluster.connect();
    let running = in_background(
        cluster.connect(),
        r#"CALL stream_ingest('orders', sf => 0.02, batch_rows => 1000, options => '{"rate": 3000}')"#,
    );
    wait_until("two batches", || batches_done(client, "public.orders") >= 2);
    (running, session)
}

#[test]
fn every_kind_of_table_is_filled() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE TABLE expected AS SELECT * FROM tpch_orders(0.01);
             CREATE TABLE plain (LIKE expected);
             CREATE UNLOGGED TABLE unlogged (LIKE expected);
             CREATE TABLE indexed (LIKE expected, PRIMARY KEY (o_orderkey));
             CREATE INDEX ON indexed (o_orderdate);
             CREATE TABLE partitioned (LIKE expected) PARTITION BY RANGE (o_orderdate);
             CREATE TABLE partitioned_1 PARTITION OF partitioned FOR VALUES FROM (MINVALUE) TO ('1995-01-01');
             CREATE TABLE partitioned_2 PARTITION OF partitioned FOR VALUES FROM ('1995-01-01') TO (MAXVALUE);
             CREATE TABLE customer AS SELECT * FROM tpch_customer(0.01);
             ALTER TABLE customer ADD PRIMARY KEY (c_custkey);
             CREATE TABLE constrained (
                 LIKE expected,
                 CHECK (o_totalprice > 0), UNIQUE (o_orderkey),
                 FOREIGN KEY (o_custkey) REFERENCES customer
             );
             CREATE TABLE reordered (
                 id bigserial, o_comment text, dropped int, o_totalprice float8 NOT NULL, o_orderdate timestamp,
                 year int GENERATED ALWAYS AS (extract(year FROM o_orderdate)) STORED,
                 o_orderkey bigint, o_custkey numeric, o_orderstatus text, o_orderpriority varchar(20),
                 o_clerk char(20), o_shippriority smallint
             );
             ALTER TABLE reordered DROP dropped;
             CREATE TABLE audit (o_orderkey bigint);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN INSERT INTO audit VALUES (NEW.o_orderkey); RETURN NEW; END';
             CREATE TABLE triggered (LIKE expected);
             CREATE TRIGGER note AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION note();
             CREATE TEMP TABLE temporary (LIKE expected);
             CREATE TABLE \"odd\"\"name; DROP TABLE plain\" (LIKE expected);
             CREATE VIEW view AS SELECT * FROM plain;
             CREATE TABLE remote (LIKE expected);
             CREATE EXTENSION postgres_fdw;",
        )
        .unwrap();
    let socket = cluster.folder().display();
    client
        .batch_execute(&format!(
            "CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{socket}', dbname 'postgres');
             CREATE USER MAPPING FOR postgres SERVER loopback OPTIONS (user 'postgres');
             CREATE SCHEMA far;
             IMPORT FOREIGN SCHEMA public LIMIT TO (remote) FROM SERVER loopback INTO far;"
        ))
        .unwrap();
    let expected = content(&mut client, "expected");
    assert_eq!(expected.0, 15_000);
    for table in [
        "plain",
        "unlogged",
        "indexed",
        "partitioned",
        "constrained",
        "reordered",
        "triggered",
        "temporary",
        "far.remote",
        "\"odd\"\"name; DROP TABLE plain\"",
    ] {
        let literal = table.replace('\'', "''");
        let call = format!(
            "CALL stream_ingest('{literal}', 'orders', sf => 0.01, batch_rows => 2000, run => '{literal}')"
        );
        client.batch_execute(&call).unwrap_or_else(|error| panic!("{table}: {error}"));
        assert!(verified(&mut client, table), "{table}");
        let columns =
            "o_orderkey::bigint, o_custkey::bigint, o_orderstatus::char(1), o_totalprice::numeric(15,2),
             o_orderdate::date, o_orderpriority::char(15), o_clerk::char(15), o_shippriority::int, o_comment";
        let found = content(&mut client, &format!("(SELECT {columns} FROM {table})"));
        assert_eq!(found, expected, "{table}");
        let batches: i64 =
            client.query_one("SELECT count(*) FROM stream_batches WHERE run = $1", &[&table]).unwrap().get(0);
        assert_eq!(batches, 8, "{table}");
    }
    assert_eq!(content(&mut client, "audit").0, 15_000);
    let ids = client.query_one("SELECT count(DISTINCT id), max(year) FROM reordered", &[]).unwrap();
    assert_eq!((ids.get::<_, i64>(0), ids.get::<_, i32>(1)), (15_000, 1998));
    // A view's rows go to its table.
    client.batch_execute("CALL stream_ingest('view', 'orders', sf => 0.01, run => 'view')").unwrap();
    assert_eq!(content(&mut client, "plain").0, 30_000);
}

#[test]
fn all_tables_are_filled_by_name_with_their_keys() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE SCHEMA tpch").unwrap();
    for table in ["region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem"] {
        client
            .batch_execute(&format!(
                "CREATE TABLE tpch.{table} AS SELECT * FROM tpch_{table}(1) WITH NO DATA;"
            ))
            .unwrap();
        client
            .batch_execute(&format!("CALL stream_ingest('tpch.{table}', sf => 0.01, batch_rows => 3000)"))
            .unwrap();
        assert!(verified(&mut client, &format!("tpch.{table}")), "{table}");
        assert_eq!(
            content(&mut client, &format!("tpch.{table}")),
            content(&mut client, &format!("tpch_{table}(0.01)")),
            "{table}"
        );
    }
}

#[test]
fn a_cancel_costs_its_batch_only_and_frees_the_run() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE lineitem AS SELECT * FROM tpch_lineitem(1) WITH NO DATA").unwrap();
    let mut first = cluster.connect();
    let cancel = first.cancel_token();
    let call = "CALL stream_ingest('lineitem', sf => 1, batch_rows => 200000)";
    let error = std::thread::scope(|scope| {
        let running = scope.spawn(|| error_of(&mut first, call));
        // In the middle of a batch, as pg_stat_progress_copy shows.
        wait_until("rows of the third batch", || {
            let query = "SELECT concat_ws(' ', p.command, p.type) FROM pg_stat_progress_copy p, stream_progress s
                         WHERE p.relid = 'lineitem'::regclass AND p.tuples_processed > 50000 AND s.batches_done >= 2";
            let row = client.query_opt(query, &[]).unwrap();
            row.inspect(|row| assert_eq!(row.get::<_, &str>(0), "COPY FROM CALLBACK")).is_some()
        });
        cancel.cancel_query(NoTls).unwrap();
        running.join().unwrap()
    });
    assert_eq!(error.unwrap().0, "57014");
    // The session that was cancelled is still there, and yet the run is free.
    // (The client has its error a moment before the transaction's end.)
    wait_until("the run to be free", || state(&mut client, "public.lineitem") == "interrupted");
    let done = batches_done(&mut client, "public.lineitem");
    assert!(done >= 2, "{done}");
    assert!(verified(&mut client, "public.lineitem"), "no row of the cancelled batch is there");
    let mut second = cluster.connect();
    second.batch_execute(call).unwrap();
    assert_eq!(state(&mut client, "public.lineitem"), "done");
    assert!(verified(&mut client, "public.lineitem"));
    assert_eq!(content(&mut client, "lineitem").0, 6_001_215);
    first.batch_execute("SELECT 1").unwrap();
}

#[test]
fn a_run_has_one_session_at_a_time() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (running, mut other) = start_slow_run(&cluster, &mut client);
    let pid: i32 = client.query_one("SELECT pid FROM stream_progress", &[]).unwrap().get(0);
    for call in [
        "CALL stream_ingest('orders', sf => 0.02, batch_rows => 1000)",
        "CALL stream_resume('public.orders')",
        "SELECT stream_drop('public.orders')",
    ] {
        let (code, message) = error_of(&mut other, call).unwrap();
        assert_eq!(code, "55006", "{call}: {message}");
        assert!(message.contains(&format!("process {pid}")), "{message}");
    }
    assert!(!running.is_finished());
    client.batch_execute(&format!("SELECT pg_cancel_backend({pid})")).unwrap();
    assert_eq!(running.join().unwrap().unwrap().0, "57014");
    other.batch_execute("SELECT stream_drop('public.orders')").unwrap();
}

#[test]
fn a_terminated_backend_frees_its_run() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (running, mut other) = start_slow_run(&cluster, &mut client);
    client.batch_execute("SELECT pg_terminate_backend(pid) FROM stream_progress").unwrap();
    assert_eq!(running.join().unwrap().unwrap().0, "57P01");
    wait_until("the lock to be free", || state(&mut client, "public.orders") == "interrupted");
    other.batch_execute("CALL stream_resume('public.orders')").unwrap();
    assert!(verified(&mut other, "public.orders"));
}

#[test]
fn a_stop_takes_effect_after_the_batch() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (running, mut other) = start_slow_run(&cluster, &mut client);
    let asked: bool = client.query_one("SELECT stream_stop('public.orders')", &[]).unwrap().get(0);
    assert!(asked);
    assert_eq!(running.join().unwrap(), None);
    assert_eq!(state(&mut client, "public.orders"), "interrupted");
    assert!(verified(&mut client, "public.orders"));
    let asked: bool = client.query_one("SELECT stream_stop('public.orders')", &[]).unwrap().get(0);
    assert!(!asked, "nothing is running");
    // The request is not remembered: the next session ends the run.
    let before = batches_done(&mut client, "public.orders");
    other.batch_execute("CALL stream_ingest('orders', sf => 0.02, batch_rows => 1000)").unwrap();
    assert_eq!(state(&mut client, "public.orders"), "done");
    assert!(before < batches_done(&mut client, "public.orders"));
    assert!(verified(&mut client, "public.orders"));
}

#[test]
fn the_pace_asked_for_is_kept() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute(ORDERS).unwrap();
    let start = std::time::Instant::now();
    client
        .batch_execute(
            r#"CALL stream_ingest('orders', sf => 0.002, batch_rows => 500, options => '{"rate": 2000}')"#,
        )
        .unwrap();
    // Six batches, each of which begins a quarter of a second or more after the one before.
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds >= 1.24, "{seconds}");
    assert_eq!(content(&mut client, "orders").0, 3_000);
}

#[test]
fn the_same_call_again_goes_on_or_says_what_differs() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (running, _) = start_slow_run(&cluster, &mut client);
    client.batch_execute("SELECT stream_stop('public.orders')").unwrap();
    running.join().unwrap();
    let (code, message) =
        error_of(&mut client, "CALL stream_ingest('orders', sf => 0.2, batch_rows => 500)").unwrap();
    assert_eq!(code, "22023");
    assert!(message.contains("batch_rows: 1000 then, 500 now"), "{message}");
    assert!(message.contains(r#"options: {"sf":0.02} then, {"sf":0.2} now"#), "{message}");
    client.batch_execute("CREATE TABLE other (LIKE orders)").unwrap();
    let call =
        "CALL stream_ingest('other', 'orders', sf => 0.02, batch_rows => 1000, run => 'public.orders')";
    let (code, message) = error_of(&mut client, call).unwrap();
    assert_eq!(code, "22023");
    assert!(message.contains("targets: public.orders then, public.other now"), "{message}");
    client.batch_execute("CALL stream_ingest('orders', sf => 0.02, batch_rows => 1000)").unwrap();
    assert_eq!(content(&mut client, "orders").0, 30_000);
    // Finished and unnamed: the same call again begins another run. Named: it does nothing.
    client.batch_execute("CALL stream_ingest('orders', sf => 0.001, batch_rows => 1000)").unwrap();
    assert_eq!(content(&mut client, "orders").0, 31_500);
    assert_eq!(state(&mut client, "public.orders#2"), "done");
    for _ in 0..2 {
        client.batch_execute("CALL stream_ingest('other', 'orders', sf => 0.001, run => 'once')").unwrap();
        assert_eq!(content(&mut client, "other").0, 1_500);
    }
    client.batch_execute("SELECT stream_drop('once')").unwrap();
    assert_eq!(error_of(&mut client, "CALL stream_resume('once')").unwrap().0, "42704");
    assert_eq!(content(&mut client, "other").0, 1_500, "only the run is forgotten");
}

#[test]
fn a_target_that_lost_its_rows_is_refused() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let call = "CALL stream_ingest('orders', sf => 0.02, batch_rows => 1000)";
    for (change, reason) in [
        ("TRUNCATE orders", "truncated"),
        ("DROP TABLE orders", "dropped"),
        ("DROP TABLE orders; CREATE TABLE orders AS SELECT * FROM tpch_orders(1) WITH NO DATA", ""),
    ] {
        client.batch_execute("DROP TABLE IF EXISTS orders").unwrap();
        let (running, _) = start_slow_run(&cluster, &mut client);
        client.batch_execute("SELECT stream_stop('public.orders')").unwrap();
        running.join().unwrap();
        client.batch_execute(change).unwrap();
        let resume = if change.starts_with("DROP") { "CALL stream_resume('public.orders')" } else { call };
        let (code, message) = error_of(&mut client, resume).unwrap();
        assert_eq!(code, "55000", "{change}: {message}");
        assert!(message.contains(reason) && message.contains("stream_drop()"), "{change}: {message}");
        client.batch_execute("SELECT stream_drop('public.orders')").unwrap();
    }
}

#[test]
fn a_target_truncated_or_dropped_while_it_is_loaded_ends_the_run() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for change in ["TRUNCATE orders", "DROP TABLE orders"] {
        client.batch_execute("DROP TABLE IF EXISTS orders").unwrap();
        let (running, _) = start_slow_run(&cluster, &mut client);
        client.batch_execute(change).unwrap();
        let (code, message) = running.join().unwrap().unwrap();
        assert_eq!(code, "55000", "{change}: {message}");
        client.batch_execute("SELECT stream_drop('public.orders')").unwrap();
    }
}

#[test]
fn a_rewritten_target_is_adopted_when_told() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (running, _) = start_slow_run(&cluster, &mut client);
    client.batch_execute("SELECT stream_stop('public.orders')").unwrap();
    running.join().unwrap();
    client.batch_execute("VACUUM FULL orders").unwrap();
    assert_eq!(error_of(&mut client, "CALL stream_resume('public.orders')").unwrap().0, "55000");
    client.batch_execute("ALTER TABLE orders SET UNLOGGED").unwrap();
    client.batch_execute("CALL stream_resume('public.orders', adopt => true)").unwrap();
    assert_eq!(state(&mut client, "public.orders"), "done");
    assert!(verified(&mut client, "public.orders"));
}

#[test]
fn verify_finds_rows_lost_added_and_changed() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute(ORDERS).unwrap();
    client.batch_execute("CALL stream_ingest('orders', sf => 0.01, batch_rows => 1000)").unwrap();
    for (change, detail) in [
        ("UPDATE orders SET o_totalprice = o_totalprice + 0.01 WHERE o_orderkey = 7", "with other content"),
        ("DELETE FROM orders WHERE o_orderkey = 7", "1 rows fewer"),
        ("INSERT INTO orders SELECT * FROM orders WHERE o_orderkey < 3", "2 rows more"),
    ] {
        client.batch_execute("BEGIN").unwrap();
        client.batch_execute(change).unwrap();
        let row =
            client.query_one("SELECT matches, detail FROM stream_verify('public.orders')", &[]).unwrap();
        assert!(!row.get::<_, bool>(0), "{change}");
        assert!(row.get::<_, String>(1).contains(detail), "{change}: {}", row.get::<_, String>(1));
        client.batch_execute("ROLLBACK").unwrap();
    }
    assert!(verified(&mut client, "public.orders"));
}

#[test]
fn an_ordinary_role_needs_insert_on_the_target_and_owns_its_runs() {
    let cluster = Cluster::new();
    let mut admin = cluster.connect();
    admin.batch_execute(ORDERS).unwrap();
    admin.batch_execute("CREATE ROLE loader LOGIN; CREATE ROLE other LOGIN").unwrap();
    let mut loader = cluster.connect_as("loader");
    let call = "CALL stream_ingest('orders', sf => 0.01, batch_rows => 1000, run => 'mine')";
    assert_eq!(error_of(&mut loader, call).unwrap().0, "42501");
    admin.batch_execute("GRANT INSERT ON orders TO loader, other").unwrap();
    loader.batch_execute(call).unwrap();
    let mut other = cluster.connect_as("other");
    for forbidden in
        [call, "CALL stream_resume('mine')", "SELECT stream_stop('mine')", "SELECT stream_drop('mine')"]
    {
        let (code, message) = error_of(&mut other, forbidden).unwrap();
        assert_eq!(code, "42501", "{forbidden}: {message}");
        assert!(message.contains("must be owner of run"), "{forbidden}: {message}");
    }
    // The ledger itself is guarded as well; everybody may read it.
    for attack in [
        "UPDATE millrace.run SET batches = 0",
        "UPDATE millrace.run SET owner = NULL",
        "DELETE FROM millrace.run",
        "DELETE FROM millrace.batch",
        "UPDATE millrace.target SET relation = 1",
    ] {
        assert_eq!(error_of(&mut other, attack).unwrap().0, "42501", "{attack}");
    }
    assert_eq!(
        error_of(&mut other, "INSERT INTO millrace.batch SELECT * FROM millrace.batch").unwrap().0,
        "42501"
    );
    let forged =
        "INSERT INTO millrace.run (name, owner, source, options, batch_rows, batches, rows_estimated, named)
                  VALUES ('x', ROW(1, 'loader', 1), 'orders', '{}', 1, 1, 1, true)";
    assert_eq!(error_of(&mut other, forged).unwrap().0, "42501");
    assert_eq!(state(&mut other, "mine"), "done");
    admin.batch_execute("GRANT SELECT ON orders TO loader").unwrap();
    assert!(verified(&mut loader, "mine"));
    loader.batch_execute("SELECT stream_drop('mine')").unwrap();
}

#[test]
fn a_query_goes_on_for_its_owner_only() {
    let cluster = Cluster::new();
    let mut admin = cluster.connect();
    let setup = "CREATE TABLE t (n bigint); CREATE ROLE loader LOGIN; GRANT INSERT ON t TO loader";
    admin.batch_execute(setup).unwrap();
    let mut loader = cluster.connect_as("loader");
    // Its third batch fails.
    let call = r#"CALL stream_ingest('t', 'sql', rows => 20, batch_rows => 5, run => 'mine',
                  options => '{"query": "SELECT n / (n - 15) FROM generate_series($1, $2) n"}')"#;
    assert_eq!(error_of(&mut loader, call).unwrap().0, "22012");
    // The client has the error before the server is done with it.
    wait_until("the run to end", || state(&mut admin, "mine") == "interrupted");
    let resume = "CALL stream_resume('mine')";
    let (code, message) = error_of(&mut admin, resume).unwrap();
    assert_eq!(code, "42501");
    assert!(message.ends_with("Call as role \"loader\"."), "{message}");
    admin.batch_execute("SET ROLE loader").unwrap();
    assert_eq!(error_of(&mut admin, resume).unwrap().0, "22012");
}

#[test]
fn row_security_and_search_path_are_the_callers() {
    let cluster = Cluster::new();
    let mut admin = cluster.connect();
    admin.batch_execute(ORDERS).unwrap();
    admin
        .batch_execute(
            "CREATE ROLE loader LOGIN;
             GRANT INSERT, SELECT ON orders TO loader;
             ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
             CREATE POLICY early ON orders USING (o_orderdate < '1998-01-01');
             CREATE SCHEMA helpers AUTHORIZATION loader;
             CREATE TABLE helpers.seen (n bigint);
             GRANT INSERT, SELECT ON helpers.seen TO loader;
             CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN INSERT INTO seen VALUES (NEW.o_orderkey); RETURN NEW; END';
             CREATE TRIGGER see AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION see()",
        )
        .unwrap();
    let mut loader = cluster.connect_as("loader");
    loader.batch_execute("SET search_path = helpers, public").unwrap();
    let (code, message) = error_of(&mut loader, "CALL stream_ingest('orders', sf => 0.001)").unwrap();
    assert_eq!(code, "42501", "{message}");
    assert!(message.contains("row-level security"), "{message}");
    admin.batch_execute("ALTER POLICY early ON orders USING (true)").unwrap();
    loader.batch_execute("CALL stream_ingest('orders', sf => 0.001)").unwrap();
    assert_eq!(content(&mut loader, "seen").0, 1_500, "the trigger found its table by search_path");
}

#[test]
fn a_dump_keeps_the_runs_and_a_restored_run_goes_on() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (running, _) = start_slow_run(&cluster, &mut client);
    client.batch_execute("SELECT stream_stop('public.orders')").unwrap();
    running.join().unwrap();
    client.batch_execute("CREATE UNLOGGED TABLE nation AS SELECT * FROM tpch_nation() WITH NO DATA").unwrap();
    client.batch_execute("CREATE DATABASE restored").unwrap();
    client.batch_execute("CALL stream_ingest('nation', run => 'nations')").unwrap();
    let done = batches_done(&mut client, "public.orders");
    let dump = cluster.folder().join("dump").to_string_lossy().into_owned();
    cluster.client_program("pg_dump", &["-Fc", "-f", &dump, "postgres"]);
    cluster.client_program("pg_restore", &["--exit-on-error", "-d", "restored", &dump]);
    let mut restored = cluster.config().dbname("restored").connect(NoTls).unwrap();
    assert_eq!(state(&mut restored, "nations"), "done");
    assert_eq!(state(&mut restored, "public.orders"), "interrupted");
    assert_eq!(batches_done(&mut restored, "public.orders"), done);
    // Its tables have other OIDs and files now, so the run must be told that they are the right ones.
    assert_eq!(error_of(&mut restored, "CALL stream_resume('public.orders')").unwrap().0, "55000");
    restored.batch_execute("CALL stream_resume('public.orders', adopt => true)").unwrap();
    assert_eq!(content(&mut restored, "orders").0, 30_000);
    assert!(verified(&mut restored, "public.orders"));
}

#[test]
fn progress_is_told_once_a_second_at_most() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute(ORDERS).unwrap();
    let (notices, noticed) = channel();
    let mut config = cluster.config();
    config.notice_callback(move |notice| notices.send(notice.message().to_owned()).unwrap());
    let mut session = config.connect(NoTls).unwrap();
    let call = r#"CALL stream_ingest('orders', sf => 0.01, batch_rows => 500, options => '{"rate": 5000}')"#;
    session.batch_execute(call).unwrap();
    drop((session, config));
    let notices: Vec<String> = noticed.iter().collect();
    assert_eq!(notices[0], "run \"public.orders\": starting at batch 1 of 30");
    assert!(notices.last().unwrap().starts_with("run \"public.orders\" done: 15000 rows in "), "{notices:?}");
    let seconds: f64 = notices.last().unwrap().split(' ').nth(6).unwrap().parse().unwrap();
    let lines = &notices[1..notices.len() - 1];
    assert!(!lines.is_empty() && lines.len() as f64 <= seconds, "{notices:?}");
    for line in lines {
        let told = line.contains("of 15000 rows (") && line.contains(" rows/s, ETA 00:0");
        assert!(told, "{line}");
    }
}

#[test]
fn vacuum_is_not_held_back_by_a_run() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (running, _) = start_slow_run(&cluster, &mut client);
    // With a snapshot held, the transactions that it sees as running would stay those of the run's beginning.
    let now: i64 = client.query_one("SELECT txid_current()", &[]).unwrap().get(0);
    wait_until("a younger snapshot", || {
        let query = "SELECT coalesce(a.backend_xmin::text::bigint > $1, true)
                     FROM stream_progress p JOIN pg_stat_activity a USING (pid)";
        client.query_opt(query, &[&now]).unwrap().is_some_and(|row| row.get(0))
    });
    client.batch_execute("SELECT stream_stop('public.orders')").unwrap();
    assert_eq!(running.join().unwrap(), None);
}

/// Columns of lineitem, each with types that hold it as it is, and with types it is cast to.
const COLUMNS: &[(&str, &[&str], &[&str])] = &[
    ("l_orderkey", &["bigint", "integer"], &["numeric", "numeric(12,1)", "float8", "text", "varchar(20)"]),
    ("l_partkey", &["bigint", "integer"], &["numeric(9,0)", "real"]),
    ("l_linenumber", &["integer", "bigint"], &["smallint", "numeric(5,2)", "char(3)"]),
    ("l_quantity", &["numeric(15,2)", "numeric"], &["numeric(10,4)", "numeric(3,0)", "float8", "text"]),
    ("l_extendedprice", &["numeric(15,2)", "numeric(30,2)"], &["numeric(15,1)", "amount", "float4", "money"]),
    ("l_discount", &["numeric(15,2)", "numeric"], &["numeric(2,2)", "float8"]),
    ("l_returnflag", &["char(1)", "text", "varchar", "char(7)"], &["\"char\"", "name"]),
    ("l_shipdate", &["date"], &["timestamp", "timestamptz", "text"]),
    ("l_shipinstruct", &["char(25)", "text", "varchar(25)", "char(40)", "char(300)"], &["name"]),
    ("l_comment", &["varchar(44)", "text", "char(44)", "char(3000)"], &["name"]),
];

/// What else a table may have.
const EXTRAS: &[&str] = &[
    "ALTER TABLE t ADD CHECK (l_orderkey IS NOT NULL)",
    "ALTER TABLE t ADD gone int, ADD gone_too text; ALTER TABLE t DROP gone, DROP gone_too",
    "CREATE INDEX ON t (l_orderkey)",
    "CREATE UNIQUE INDEX ON t (l_orderkey, l_linenumber)",
    "CREATE INDEX ON t (l_linenumber DESC NULLS FIRST, l_orderkey); CREATE INDEX ON t ((l_linenumber::text))",
    "CREATE INDEX ON t (l_orderkey) INCLUDE (l_linenumber)",
    "CREATE INDEX ON t USING hash (l_orderkey)",
    "CREATE INDEX ON t USING brin (l_orderkey)",
    "CREATE INDEX ON t (md5(l_orderkey::text))",
    "CREATE INDEX ON t (l_orderkey) WHERE l_orderkey::text < '5'",
    "CREATE INDEX ON t (l_orderkey); ALTER TABLE t SET (fillfactor = 50)",
    "ALTER TABLE t ALTER l_orderkey SET NOT NULL",
    "ALTER TABLE t SET UNLOGGED",
    "ALTER TABLE t ALTER l_orderkey SET DEFAULT 0",
    "CREATE TABLE {}_parent (LIKE t) PARTITION BY LIST (l_orderkey); ALTER TABLE {}_parent ATTACH PARTITION t DEFAULT",
];

/// Partitions a table `{}`: with another order of columns, with two levels, and with a default partition.
const PARTITIONS: &str = "CREATE TABLE {}_first (gone int, columns);
    ALTER TABLE {}_first DROP gone;
    ALTER TABLE t ATTACH PARTITION {}_first FOR VALUES IN ('1', '4');
    CREATE TABLE {}_second PARTITION OF t FOR VALUES IN ('2') PARTITION BY HASH (l_orderkey);
    CREATE TABLE {}_even PARTITION OF {}_second FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE {}_odd PARTITION OF {}_second FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE {}_rest PARTITION OF t DEFAULT";

/// Features that a partitioned table cannot have.
const NOT_PARTITIONED: [&str; 3] = ["SET (", "SET UNLOGGED", "UNIQUE INDEX ON t (l_orderkey)"];

#[test]
fn both_ways_to_insert_give_the_same_rows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE DOMAIN amount AS numeric(12,2) CHECK (VALUE > 0) NOT NULL").unwrap();
    let mut state = 20_261_120u64;
    let mut dice = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    client.batch_execute("CREATE EXTENSION amcheck; CREATE EXTENSION pageinspect").unwrap();
    for round in 0..60 {
        let mut columns: Vec<String> = Vec::new();
        // Without casts threads form the tuples.
        let casts = dice(2) > 0;
        for (name, as_it_is, cast_to) in COLUMNS {
            if ["l_orderkey", "l_linenumber"].contains(name) || dice(3) > 0 {
                let types = if casts && dice(2) > 0 { cast_to } else { as_it_is };
                let column = format!("{name} {}", types[dice(types.len())]);
                let place = dice(columns.len() + 1);
                columns.insert(place, column);
            }
        }
        let extra = EXTRAS[dice(EXTRAS.len())];
        let is_partitioned = dice(3) == 0 && !NOT_PARTITIONED.iter().any(|not| extra.contains(not));
        for (table, bulk) in [("bulk", "on"), ("executed", "off")] {
            let columns = columns.join(", ");
            let mut reversed: Vec<_> = columns.split(", ").collect();
            reversed.reverse();
            let (by, partitions) = if is_partitioned {
                (" PARTITION BY LIST (l_linenumber)", PARTITIONS.replace("columns", &reversed.join(", ")))
            } else {
                ("", String::new())
            };
            let create = format!(
                "DROP TABLE IF EXISTS {{}}_parent, {{}}; CREATE TABLE t ({columns}){by}; {partitions}; {extra};
                 ALTER TABLE t RENAME TO {{}}"
            );
            client
                .batch_execute(&create.replace("{}", table))
                .unwrap_or_else(|error| panic!("{create}: {error:?}"));
            // In the row as they are, or outside if they are long.
            let storage = [Some("PLAIN"), None, Some("EXTERNAL"), None][round % 4];
            if let Some(storage) = storage.filter(|_| columns.contains("l_comment")) {
                let alter = format!("ALTER TABLE {table} ALTER l_comment SET STORAGE {storage}");
                client.batch_execute(&alter).unwrap();
            }
            let ahead = if round % 3 == 0 { "off" } else { "on" };
            let call = format!(
                "SET millrace.enable_bulk_insert = {bulk};
                 SET millrace.generate_ahead = {ahead};
                 DELETE FROM millrace.batch; DELETE FROM millrace.target; DELETE FROM millrace.run"
            );
            client.batch_execute(&call).unwrap();
            let call = format!("CALL stream_ingest('{table}', 'lineitem', sf => 0.002, batch_rows => 5000)");
            client.batch_execute(&call).unwrap_or_else(|error| panic!("{create}: {error:?}"));
            let path: String = client.query_one("SELECT min(path) FROM stream_batches", &[]).unwrap().get(0);
            assert_eq!(path, if bulk == "on" { "bulk" } else { "executor" }, "{create}");
        }
        let (bulk, executed) = (content(&mut client, "bulk"), content(&mut client, "executed"));
        assert_eq!(bulk, executed, "round {round}: {columns:?} {extra}");
        assert_eq!(bulk.0, 11_957);
        // Values outside are known by other numbers in each table.
        if !is_partitioned && round % 4 != 2 {
            let (bulk, executed) = (stored(&mut client, "bulk"), stored(&mut client, "executed"));
            assert_eq!(bulk, executed, "round {round}: {columns:?} {extra}");
        }
        // The indexes contain what the table does.
        let check = "SELECT count(bt_index_check(indexrelid, true))
                     FROM pg_partition_tree('bulk') JOIN pg_index ON indrelid = relid
                     JOIN pg_class c ON c.oid = indexrelid WHERE isleaf AND c.relam = 403";
        client.query_one(check, &[]).unwrap_or_else(|error| panic!("{columns:?} {extra}: {error:?}"));
        client.batch_execute("SET enable_seqscan = off").unwrap();
        let indexed = "SELECT count(*) FROM bulk WHERE l_orderkey = (SELECT max(l_orderkey) FROM executed)";
        let through_index: i64 = client.query_one(indexed, &[]).unwrap().get(0);
        client.batch_execute("RESET enable_seqscan").unwrap();
        assert_eq!(client.query_one(indexed, &[]).unwrap().get::<_, i64>(0), through_index, "{extra}");
    }
}

/// The tuples of a table, byte by byte, but for who wrote them and where they are.
fn stored(client: &mut Client, table: &str) -> (i64, String) {
    let query = format!(
        "SELECT count(*), md5(string_agg(tuple, ',' ORDER BY tuple))
         FROM generate_series(0, pg_relation_size('{table}') / 8192 - 1) page,
              heap_page_items(get_raw_page('{table}', page::int)),
              concat_ws(' ', t_infomask2 & 2047, t_infomask & 7, t_hoff, t_bits, t_data) tuple"
    );
    let row = client.query_one(&query, &[]).unwrap();
    (row.get(0), row.get(1))
}

#[test]
fn tuples_are_those_the_server_forms() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE EXTENSION pageinspect").unwrap();
    for (source, row_type) in [("cdr", "cdr_calls"), ("iot", "iot_readings")] {
        // Nulls in some rows, and in all.
        for more in ["", "ALTER TABLE {} ADD gone int; ALTER TABLE {} DROP gone"] {
            for (table, bulk) in [("bulk", "on"), ("executed", "off")] {
                client
                    .batch_execute(&format!(
                        "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (LIKE {row_type}); {};
                         DELETE FROM millrace.batch; DELETE FROM millrace.target; DELETE FROM millrace.run; SET millrace.enable_bulk_insert = {bulk}",
                        more.replace("{}", table)
                    ))
                    .unwrap();
                let call =
                    format!("CALL stream_ingest('{table}', '{source}', rows => 20000, batch_rows => 7000)");
                client.batch_execute(&call).unwrap();
            }
            let (bulk, executed) = (stored(&mut client, "bulk"), stored(&mut client, "executed"));
            assert_eq!(bulk, executed, "{source} {more}");
            assert_eq!(bulk.0, 20_000);
        }
    }
}

#[test]
fn unique_indexes_find_doubles_within_a_batch_and_beyond() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE TABLE within (o_custkey bigint UNIQUE);
             CREATE TABLE beyond (o_orderkey bigint PRIMARY KEY, o_custkey bigint);
             INSERT INTO beyond VALUES (1024);
             CREATE TABLE routed (o_orderkey bigint PRIMARY KEY) PARTITION BY RANGE (o_orderkey);
             CREATE TABLE routed_1 PARTITION OF routed FOR VALUES FROM (0) TO (2000);
             INSERT INTO routed VALUES (999)",
        )
        .unwrap();
    for (table, rows) in [("within", 0), ("beyond", 1), ("routed", 1)] {
        let call = format!("CALL stream_ingest('{table}', 'orders', sf => 0.001, batch_rows => 5000)");
        let expected = if table == "routed" { "23514" } else { "23505" };
        let (found, message) = error_of(&mut client, &call).unwrap();
        assert_eq!(found, expected, "{table}: {message}");
        assert_eq!(content(&mut client, table).0, rows, "{table}");
    }
}

#[test]
fn a_partition_with_a_trigger_goes_to_the_executor() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE TABLE orders (o_orderkey bigint, o_clerk text DEFAULT '') PARTITION BY RANGE (o_orderkey);
             CREATE TABLE low PARTITION OF orders FOR VALUES FROM (0) TO (1000);
             CREATE TABLE high PARTITION OF orders DEFAULT;
             CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN NEW.o_clerk := 'marked'; RETURN NEW; END $$;
             CREATE TRIGGER mark BEFORE INSERT ON low FOR EACH ROW EXECUTE FUNCTION mark()",
        )
        .unwrap();
    client.batch_execute("CALL stream_ingest('orders', sf => 0.01)").unwrap();
    let marked = "SELECT bool_and((o_clerk = 'marked') = (o_orderkey < 1000)) FROM orders";
    assert!(client.query_one(marked, &[]).unwrap().get::<_, bool>(0));
    let path: String = client.query_one("SELECT min(path) FROM stream_batches", &[]).unwrap().get(0);
    assert_eq!(path, "executor");
}

#[test]
fn bulk_inserts_keep_constraints() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE EXTENSION btree_gist;
             CREATE TABLE excluded (o_orderkey bigint, EXCLUDE USING gist (o_orderkey WITH =));
             INSERT INTO excluded VALUES (100);
             CREATE TABLE required (o_orderkey bigint, o_clerk text CHECK (o_clerk <> 'Clerk#000000880'));
             CREATE TABLE parent (o_orderkey bigint) PARTITION BY RANGE (o_orderkey);
             CREATE TABLE child PARTITION OF parent FOR VALUES FROM (1) TO (100)",
        )
        .unwrap();
    for (table, code) in [("excluded", "23P01"), ("required", "23514"), ("child", "23514")] {
        let call = format!("CALL stream_ingest('{table}', 'orders', sf => 0.001, batch_rows => 500)");
        let (found, message) = error_of(&mut client, &call).unwrap();
        assert_eq!(found, code, "{table}: {message}");
        let rows = content(&mut client, table).0;
        assert_eq!(rows, i64::from(table == "excluded"), "{table}");
    }
}

#[test]
fn a_partition_met_late_that_has_a_trigger_loses_no_row() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    // Rows of the default partition are inserted before those with a trigger are met.
    client
        .batch_execute(
            "CREATE TABLE orders (o_orderkey bigint, o_clerk text DEFAULT '') PARTITION BY RANGE (o_orderkey);
             CREATE TABLE late PARTITION OF orders FOR VALUES FROM (50000) TO (51000);
             CREATE TABLE early PARTITION OF orders DEFAULT;
             CREATE TABLE plain (o_orderkey bigint, o_clerk text);
             CREATE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN NEW.o_clerk := 'marked'; RETURN NEW; END $$;
             CREATE TRIGGER mark BEFORE INSERT ON late FOR EACH ROW EXECUTE FUNCTION mark()",
        )
        .unwrap();
    let call = "CALL stream_ingest('plain', 'orders', sf => 0.01, batch_rows => 15000,
                variants => ARRAY['orders'::regclass])";
    client.batch_execute(call).unwrap();
    let marked = "SELECT bool_and((o_clerk = 'marked') = (tableoid = 'late'::regclass)) FROM orders";
    assert!(one::<bool>(&mut client, marked));
    assert_eq!(content(&mut client, "orders").0, 15_000);
    assert_eq!(content(&mut client, "plain").0, 15_000);
    let paths = "SELECT string_agg(target || ' ' || path, ', ' ORDER BY target) FROM stream_batches";
    assert_eq!(one::<String>(&mut client, paths), "public.orders executor, public.plain bulk");
}

#[test]
fn partitions_with_their_columns_in_another_order_leave_nothing_behind() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE TABLE orders (o_orderkey bigint, o_clerk text, o_totalprice numeric) PARTITION BY HASH (o_orderkey);
             CREATE TABLE even (o_clerk text, gone int, o_totalprice numeric, o_orderkey bigint);
             ALTER TABLE even DROP COLUMN gone;
             ALTER TABLE orders ATTACH PARTITION even FOR VALUES WITH (MODULUS 2, REMAINDER 0);
             CREATE TABLE odd PARTITION OF orders FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        )
        .unwrap();
    client.batch_execute("CALL stream_ingest('orders', sf => 0.01, batch_rows => 5000)").unwrap();
    let expected = "SELECT count(*) FROM (SELECT o_orderkey, o_clerk, o_totalprice FROM orders
                    INTERSECT SELECT o_orderkey, o_clerk, o_totalprice FROM tpch_orders(0.01)) rows";
    assert_eq!(one::<i64>(&mut client, expected), 15_000);
    assert_eq!(one::<String>(&mut client, "SELECT min(path) FROM stream_batches"), "bulk");
    let log = cluster.log();
    assert!(!log.contains("WARNING"), "{log}");
}

#[test]
fn only_partitions_that_rows_go_to_are_locked() {
    let cluster = Cluster::with_settings(&["max_connections = 10", "max_locks_per_transaction = 64"]);
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE TABLE orders (o_orderkey bigint, o_clerk text) PARTITION BY RANGE (o_orderkey);
             CREATE PROCEDURE divide(parts int) LANGUAGE plpgsql AS $$
             BEGIN
                 FOR part IN 0..parts - 1 LOOP
                     EXECUTE format('CREATE TABLE part%s PARTITION OF orders FOR VALUES FROM (%s) TO (%s)',
                                    part, part * 1000, part * 1000 + 1000);
                     COMMIT;
                 END LOOP;
             END $$",
        )
        .unwrap();
    client.batch_execute("CALL divide(3000)").unwrap();
    client.batch_execute("CALL stream_ingest('orders', sf => 0.001, batch_rows => 500)").unwrap();
    // A query of the whole table would take all the locks.
    let filled = (0..6).map(|part| content(&mut client, &format!("part{part}")).0);
    assert_eq!(filled.sum::<i64>(), 1_500);
    assert_eq!(one::<String>(&mut client, "SELECT min(path) FROM stream_batches"), "bulk");
}

#[test]
fn a_finished_run_says_what_became_of_its_table() {
    let cluster = Cluster::new();
    let (notices, seen) = channel();
    let mut client = cluster
        .config()
        .notice_callback(move |notice| notices.send(notice.detail().map(str::to_owned)).unwrap())
        .connect(NoTls)
        .unwrap();
    client.batch_execute("CREATE TABLE nation (LIKE tpch_nation)").unwrap();
    let call = "CALL stream_ingest('nation', run => 'nation')";
    client.batch_execute(call).unwrap();
    for (change, expected) in [
        ("DELETE FROM nation", None),
        (
            "TRUNCATE nation",
            Some("Its target \"public.nation\" was truncated, rewritten or created again since.".to_owned()),
        ),
    ] {
        client.batch_execute(change).unwrap();
        for call in [call, "CALL stream_resume('nation')"] {
            seen.try_iter().for_each(drop);
            client.batch_execute(call).unwrap();
            assert_eq!(
                seen.try_iter().collect::<Vec<_>>(),
                std::slice::from_ref(&expected),
                "{change}; {call}"
            );
        }
    }
}

#[test]
fn inserts_that_an_extension_plans_go_through_its_plan() {
    let cluster = Cluster::new();
    let module = cluster.folder().join("hypertable.so");
    let includes = Command::new(std::env::var("PG_CONFIG").unwrap_or_else(|_| "pg_config".to_owned()))
        .arg("--includedir-server")
        .output()
        .unwrap();
    let includes = String::from_utf8(includes.stdout).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-I", includes.trim(), "-o"])
        .arg(&module)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hypertable.c"))
        .status()
        .unwrap();
    assert!(compiled.success());

    let (notices, seen) = channel();
    let mut client = cluster
        .config()
        .notice_callback(move |notice| notices.send(notice.message().to_owned()).unwrap())
        .connect(NoTls)
        .unwrap();
    let mut paths = Vec::new();
    client.batch_execute(&format!("LOAD '{}'", module.display())).unwrap();
    for table in ["hyper", "usual"] {
        client.batch_execute(&format!("CREATE TABLE {table} (o_orderkey bigint, o_clerk text)")).unwrap();
        let call = format!(
            "CALL stream_ingest('{table}', 'orders', sf => 0.001, batch_rows => 500, run => '{table}')"
        );
        client.batch_execute(&call).unwrap();
        assert_eq!(content(&mut client, table).0, 1_500);
        let path = format!("SELECT min(path) || count(*) FROM stream_batches WHERE run = '{table}'");
        paths.push(one::<String>(&mut client, &path));
    }
    assert_eq!(paths, ["executor3", "bulk3"]);
    let seen: Vec<_> = seen.try_iter().collect();
    let count = |notice: &str| seen.iter().filter(|seen| *seen == notice).count();
    assert_eq!(count("insert seen"), 3);
    // An observer of writes sees each batch, and which columns it fills, either way.
    assert_eq!(count("rights to insert into hyper, 2 columns"), 3);
    assert_eq!(count("rights to insert into usual, 2 columns"), 3);
}

#[test]
fn rights_to_the_columns_it_fills_are_enough_for_a_bulk_insert() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE ROLE loader LOGIN;
             CREATE TABLE orders (o_orderkey bigint, o_clerk text);
             GRANT INSERT (o_orderkey) ON orders TO loader",
        )
        .unwrap();
    let mut loader = cluster.connect_as("loader");
    let call = "CALL stream_ingest('orders', sf => 0.001)";
    assert_eq!(error_of(&mut loader, call).unwrap().0, "42501");
    client.batch_execute("GRANT INSERT (o_clerk) ON orders TO loader").unwrap();
    loader.batch_execute(call).unwrap();
    assert_eq!(content(&mut client, "orders").0, 1_500);
    assert_eq!(one::<String>(&mut client, "SELECT min(path) FROM stream_batches"), "bulk");
}
