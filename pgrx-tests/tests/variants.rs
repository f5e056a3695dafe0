//! Several tables loaded by one run, and queries as sources.

use millrace_tests::{Cluster, content, error_of, one, wait_until};
use postgres::{Client, NoTls};

const TABLES: [&str; 5] = ["orders", "quick", "divided", "triggered", "other"];
const CALL: &str = "CALL stream_ingest('orders', sf => 0.01, batch_rows => 1000,
                                       variants => '{quick, divided, triggered, other}')";

/// Tables of several kinds: two that only the executor can fill, and one with other types and fewer columns.
fn create(client: &mut Client) {
    client
        .batch_execute(
            "CREATE TABLE orders (LIKE tpch_orders);
             CREATE UNLOGGED TABLE quick (LIKE tpch_orders);
             CREATE TABLE divided (LIKE tpch_orders) PARTITION BY RANGE (o_orderdate);
             CREATE TABLE divided_1 PARTITION OF divided FOR VALUES FROM (MINVALUE) TO ('1995-01-01');
             CREATE TABLE divided_2 PARTITION OF divided DEFAULT;
             CREATE INDEX ON divided (o_custkey);
             CREATE TABLE triggered (LIKE tpch_orders);
             CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
             CREATE TRIGGER pass BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION pass();
             CREATE TABLE other (o_comment text, o_totalprice float8, o_orderkey int)",
        )
        .unwrap();
}

fn assert_complete(client: &mut Client) {
    let whole = content(client, "tpch_orders(0.01)");
    for table in &TABLES[..4] {
        assert_eq!(content(client, table), whole, "{table}");
    }
    let verified =
        client.query("SELECT target, batches, rows_found, matches FROM stream_verify('public.orders')", &[]);
    let verified = verified.unwrap();
    assert_eq!(verified.len(), TABLES.len());
    for (row, table) in verified.iter().zip(TABLES) {
        assert_eq!(row.get::<_, String>(0), format!("public.{table}"));
        assert_eq!((row.get::<_, i64>(1), row.get::<_, i64>(2)), (15, 15_000), "{table}");
        assert!(row.get::<_, bool>(3), "{table}");
    }
    let once = "SELECT count(*) = 75 AND count(*) = count(DISTINCT (batch, target)) FROM stream_batches";
    assert!(one::<bool>(client, once));
    assert_eq!(one::<String>(client, "SELECT state FROM stream_progress"), "done");
}

#[test]
fn each_batch_goes_into_every_table_in_one_transaction() {
    let cluster = Cluster::with_settings(&["track_commit_timestamp = on"]);
    let mut client = cluster.connect();
    create(&mut client);
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
    let transactions: i64 = one(
        &mut client,
        "SELECT count(DISTINCT pg_xact_commit_timestamp(xmin)) FROM (
            SELECT xmin FROM orders UNION ALL SELECT xmin FROM quick
            UNION ALL SELECT xmin FROM divided UNION ALL SELECT xmin FROM triggered) t",
    );
    assert_eq!(transactions, 15);
    let paths: Vec<String> = client
        .query("SELECT target || ' ' || min(path) FROM stream_batches GROUP BY target ORDER BY 1", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let expected = ["divided bulk", "orders bulk", "other bulk", "quick bulk", "triggered executor"];
    assert_eq!(paths, expected.map(|path| format!("public.{path}")));
    // Timed apart: no two tables take the same time, but rows that are made once take it once.
    let times = "SELECT count(DISTINCT insert_ms), count(DISTINCT generate_ms) FILTER (WHERE path = 'bulk')
                 FROM stream_batches WHERE batch = 1";
    let row = client.query_one(times, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (5, 1));
    let wal = "SELECT bool_and((wal_bytes < 100) = (target = 'public.quick')) FROM stream_batches";
    assert!(one::<bool>(&mut client, wal), "unlogged tables write no WAL but for the ledger's");
}

#[test]
fn interrupted_runs_of_several_tables_go_on_where_each_stopped() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    let mut session = cluster.connect();
    let cancel = session.cancel_token();
    let mut blocker = cluster.connect();
    client.batch_execute("SELECT 1").unwrap();
    std::thread::scope(|scope| {
        // Stops in its first batch after some tables have its rows.
        let mut transaction = blocker.transaction().unwrap();
        transaction.batch_execute("LOCK TABLE other IN ACCESS EXCLUSIVE MODE").unwrap();
        let call = CALL.replace("variants", "workers => 1, variants");
        let running = scope.spawn(move || error_of(&mut session, &call));
        let waits = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'other'::regclass AND NOT granted";
        wait_until("the run to wait", || one(&mut client, waits));
        cancel.cancel_query(NoTls).unwrap();
        assert_eq!(running.join().unwrap().unwrap().0, "57014");
        transaction.rollback().unwrap();
    });
    for table in TABLES {
        assert_eq!(content(&mut client, table).0, 0, "{table}");
    }
    client.batch_execute(&CALL.replace("variants", "workers => 2, variants")).unwrap();
    assert_complete(&mut client);
    // A crash empties the unlogged table only, and only it is filled again.
    drop((client, blocker));
    cluster.stop("immediate");
    cluster.start();
    let mut client = cluster.connect();
    let before: String = one(&mut client, "SELECT max(xmin::text) FROM orders");
    assert_eq!(content(&mut client, "quick").0, 0);
    assert_eq!(one::<String>(&mut client, "SELECT state FROM stream_progress"), "interrupted");
    client.batch_execute(CALL).unwrap();
    assert_complete(&mut client);
    assert_eq!(one::<String>(&mut client, "SELECT max(xmin::text) FROM orders"), before);
}

#[test]
fn wrong_variants_are_refused() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    create(&mut client);
    client
        .batch_execute("CREATE TABLE no_orders (n int); CREATE TEMP TABLE mine (LIKE tpch_orders)")
        .unwrap();
    for (arguments, code, message) in [
        ("variants => '{orders}'", "22023", "invalid value for argument \"variants\": public.orders"),
        ("variants => '{quick, quick}'", "22023", "invalid value for argument \"variants\": public.quick"),
        ("variants => '{NULL}'", "22004", "argument \"variants\" must not be null"),
        ("variants => '{no_orders}'", "42804", "row type public.no_orders has column"),
        ("variants => '{mine}', workers => 2", "0A000", "temporary table"),
        (
            "'sql', rows => 5, options => '{\"query\": \"TABLE orders\"}', variants => '{quick}'",
            "0A000",
            "loading several tables from a query is not supported",
        ),
    ] {
        let call = format!("CALL stream_ingest('orders', {arguments})");
        let (found, text) = error_of(&mut client, &call).unwrap_or_else(|| panic!("{arguments}"));
        assert_eq!(found, code, "{arguments}: {text}");
        assert!(text.contains(message), "{arguments}: {text}");
    }
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_progress WHERE rows_done > 0"), 0);
}

const BACKFILL: &str = r#"CALL stream_ingest('filled', 'sql', rows => 1000, batch_rows => 300, options => '{
    "query": "SELECT g, 1000 / d.divisor, now() FROM generate_series($1, $2) g, divisors d WHERE d.above < $2 -- all",
    "columns": ["id", "quotient", "at"]}')"#;

#[test]
fn a_query_is_a_source_that_goes_on_where_it_failed() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE TABLE filled (at timestamptz, quotient int, id bigint PRIMARY KEY, note text DEFAULT 'none');
             CREATE TABLE divisors AS SELECT 10 AS divisor, 0 AS above;
             CREATE TABLE bad AS SELECT 0 AS divisor, 600 AS above",
        )
        .unwrap();
    // The third batch divides by zero.
    client.batch_execute("INSERT INTO divisors TABLE bad").unwrap();
    assert_eq!(error_of(&mut client, BACKFILL).unwrap().0, "22012");
    assert_eq!(content(&mut client, "filled").0, 600);
    client.batch_execute("DELETE FROM divisors WHERE divisor = 0").unwrap();
    client.batch_execute(&BACKFILL.replace("batch_rows", "workers => 2, batch_rows")).unwrap();
    let whole = "SELECT count(*) = 1000 AND min(id) = 1 AND max(id) = 1000 AND bool_and(quotient = 100)
                 AND bool_and(note = 'none') AND count(DISTINCT at) = 4 FROM filled";
    assert!(one::<bool>(&mut client, whole), "each batch is a statement of its own");
    let batches: Vec<i64> = client
        .query("SELECT rows FROM stream_batches ORDER BY batch", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(batches, [300, 300, 300, 100]);
    assert!(one::<bool>(
        &mut client,
        "SELECT matches AND detail LIKE 'by count%' FROM stream_verify('public.filled')"
    ));
}

#[test]
fn a_query_may_give_other_numbers_of_rows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    // Six batches of two numbers: some have no rows, some more than numbers. $1 and $2 are bigint.
    let call = r#"CALL stream_ingest('chosen', 'sql', rows => 12, batch_rows => 2, options => '{
        "query": "SELECT g, pg_typeof($1)::text FROM generate_series($1, $2) g, generate_series(1, 3) WHERE g % 4 = 0"}')"#;
    client.batch_execute("CREATE TABLE chosen (n bigint, type text)").unwrap();
    client.batch_execute(call).unwrap();
    let rows = "SELECT string_agg(rows::text, ' ' ORDER BY batch) FROM stream_batches";
    assert_eq!(one::<String>(&mut client, rows), "0 3 0 3 0 3");
    assert!(one::<bool>(&mut client, "SELECT bool_and(type = 'bigint') AND count(*) = 9 FROM chosen"));
    let state = "SELECT state || ' ' || batches_done || ' ' || rows_done FROM stream_progress";
    assert_eq!(one::<String>(&mut client, state), "done 6 9");
    // It counts the table's rows, whoever inserted them.
    let verified = "SELECT matches::text || ' ' || rows_expected || ' ' || rows_found FROM stream_verify('public.chosen')";
    assert_eq!(one::<String>(&mut client, verified), "true 9 9");
    client.batch_execute("INSERT INTO chosen VALUES (0)").unwrap();
    assert_eq!(one::<String>(&mut client, verified), "false 9 10");
}

#[test]
fn a_query_runs_with_the_callers_rights_and_is_checked_before_any_work() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE ROLE loader LOGIN; CREATE TABLE filled (id bigint); GRANT INSERT ON filled TO loader;
             CREATE TABLE secret AS SELECT 1::bigint AS id",
        )
        .unwrap();
    let mut loader = cluster.connect_as("loader");
    for (options, code, message) in [
        (r#"{"query": "TABLE secret"}"#, "42501", "permission denied for table secret"),
        (r#"{"query": "SELEC 1"}"#, "42601", "syntax error"),
        (r#"{"query": "DELETE FROM filled"}"#, "42601", "syntax error"),
        (r#"{"query": "SELECT 'text'"}"#, "42804", "column \"id\" is of type bigint"),
        (r#"{"query": "SELECT 1, 2"}"#, "42601", "INSERT has more expressions than target columns"),
        (
            r#"{"query": "SELECT 1", "columns": ["no"]}"#,
            "42703",
            "column \"no\" of relation \"filled\" does not exist",
        ),
        (r#"{"qery": "SELECT 1"}"#, "22023", "invalid options for source \"sql\": unknown field `qery`"),
        (r#"{}"#, "22023", "invalid options for source \"sql\": missing field `query`"),
    ] {
        let call =
            format!("CALL stream_ingest('filled', 'sql', rows => 10, options => $json${options}$json$)");
        let (found, text) = error_of(&mut loader, &call).unwrap_or_else(|| panic!("{options}"));
        assert_eq!(found, code, "{options}: {text}");
        assert!(text.contains(message), "{options}: {text}");
    }
    let call = "CALL stream_ingest('filled', 'sql', options => '{\"query\": \"SELECT 1\"}')";
    assert!(error_of(&mut loader, call).unwrap().1.contains("needs argument \"rows\""));
    assert_eq!(content(&mut client, "filled").0, 0);
}
