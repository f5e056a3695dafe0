//! The TPC-H kit: what it loads and makes gives the published answers, whatever happens on the way.

use millrace_sources::{Reference, registry};
use millrace_tests::{Cluster, Script, assert_valid, content, error_of, one, rows_of, strike, wait_until};
use postgres::error::ErrorPosition;
use postgres::{Client, NoTls, SimpleQueryMessage};
use serde_json::Value;

const TABLES: [&str; 8] =
    ["region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem"];

/// Each table holds just what the generating function of its name returns.
fn assert_loaded(client: &mut Client, schema: &str, sf: f64) {
    for table in TABLES {
        let expected = content(client, &format!("tpch_{table}({sf})"));
        assert_eq!(content(client, &format!("{schema}.{table}")), expected, "{schema}.{table}");
    }
}

/// How many keys there are; from PostgreSQL 18 on NOT NULL is a constraint as well.
fn constraints(client: &mut Client, schema: &str) -> i64 {
    let query = format!(
        "SELECT count(*) FROM pg_constraint WHERE contype <> 'n' AND connamespace = '{schema}'::regnamespace"
    );
    one(client, &query)
}

#[test]
fn loaded_tables_give_the_published_answers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.01)").unwrap();
    assert_loaded(&mut client, "tpch", 0.01);
    assert_eq!(constraints(&mut client, "tpch"), 16, "eight primary keys, eight foreign keys");
    assert_valid(&mut client, "tpch_validate()", 0.01);
    // The specification's texts, even if an index makes no difference.
    assert_valid(&mut client, "tpch_validate('tpch', decorrelated => false)", 0.01);

    client.batch_execute("CALL tpch_load(0.01, 'indexed', 'unlogged', indexes => true)").unwrap();
    assert_loaded(&mut client, "indexed", 0.01);
    let indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'indexed'";
    assert_eq!(one::<i64>(&mut client, indexes), 17);
    assert_valid(&mut client, "tpch_validate('indexed')", 0.01);
    assert_valid(&mut client, "tpch_validate('indexed', decorrelated => true)", 0.01);

    for storage in ["heap", "unlogged"] {
        let call = format!(
            "CALL tpch_load(0.01, 'by year', '{storage}', indexes => true, partitioned => true, overwrite => true)"
        );
        client.batch_execute(&call).unwrap();
        assert_loaded(&mut client, "\"by year\"", 0.01);
        let smallest: i64 = one(
            &mut client,
            "SELECT min(rows) FROM (
                 SELECT count(*) AS rows FROM \"by year\".lineitem GROUP BY tableoid UNION ALL
                 SELECT count(*) FROM \"by year\".orders GROUP BY tableoid) leaf",
        );
        assert!(smallest > 1000, "every one of the fourteen partitions has rows");
        assert_valid(&mut client, "tpch_validate('by year')", 0.01);
    }
}

#[test]
fn views_over_generation_give_the_published_answers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("SELECT tpch_virtual('made', 0.01)").unwrap();
    assert_valid(&mut client, "tpch_validate('made')", 0.01);
    let stored = "SELECT count(*) FROM pg_class
                  WHERE relnamespace = 'made'::regnamespace AND pg_relation_filenode(oid) IS NOT NULL";
    assert_eq!(one::<i64>(&mut client, stored), 0);
    // Another scale factor replaces them.
    client.batch_execute("SELECT tpch_virtual('made', 0.1)").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM made.orders"), 150_000);
    assert_valid(&mut client, "tpch_validate('made')", 0.1);
    client.batch_execute("SELECT tpch_drop('made')").unwrap();
    assert_eq!(one::<Option<String>>(&mut client, "SELECT to_regclass('made.orders')::text"), None);
}

/// The rows that the planner expects of the top join, or else of the scan.
fn estimate(node: &Value) -> Option<f64> {
    if ["InitPlan", "SubPlan"].iter().any(|kind| node["Parent Relationship"] == *kind) {
        return None;
    }
    let kind = node["Node Type"].as_str()?;
    if kind.ends_with("Join") || ["Nested Loop", "Seq Scan", "Custom Scan"].contains(&kind) {
        return node["Plan Rows"].as_f64();
    }
    node["Plans"].as_array()?.iter().find_map(estimate)
}

fn expected_rows(client: &mut Client, query: &str) -> f64 {
    let plan = client.simple_query(&format!("EXPLAIN (FORMAT JSON) {query}")).unwrap();
    let plan = plan.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => serde_json::from_str::<Value>(row.get(0)?).ok(),
        _ => None,
    });
    estimate(&plan.unwrap()[0]["Plan"]).unwrap()
}

#[test]
fn views_over_generation_are_planned_as_tables() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.1)").unwrap();
    client
        .batch_execute("SELECT tpch_virtual('made', 0.1); SET max_parallel_workers_per_gather = 0")
        .unwrap();
    for query in 1..=22 {
        let [loaded, made] = ["tpch", "made"].map(|schema| {
            let text = format!("SELECT tpch_query({query}, '{schema}', decorrelated => true)");
            let text: String = one(&mut client, &text);
            expected_rows(&mut client, &text)
        });
        let ratio = made / loaded;
        assert!((0.5..=2.0).contains(&ratio), "query {query}: {made} rows in views, {loaded} in tables");
    }
}

#[test]
fn a_foreign_key_counts_where_it_holds() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("SET max_parallel_workers_per_gather = 0").unwrap();
    // The function scan is estimated as the streaming scan is.
    for scan in ["on", "off"] {
        client.batch_execute(&format!("SET millrace.enable_scan = {scan}")).unwrap();
        let mut rows = |from: &str| expected_rows(&mut client, &format!("SELECT count(*) FROM {from}"));
        let key = "ON (ps_partkey, ps_suppkey) = (l_partkey, l_suppkey)";
        let whole = rows(&format!("tpch_lineitem(1) JOIN tpch_partsupp(1) {key}"));
        assert!((5_900_000.0..6_100_000.0).contains(&whole), "{whole}");
        // Either way round, and not by one of the columns alone.
        assert_eq!(rows(&format!("tpch_partsupp(1) JOIN tpch_lineitem(1) {key}")), whole);
        let by_part = rows("tpch_lineitem(1) JOIN tpch_partsupp(1) ON ps_partkey = l_partkey");
        assert!((3.5..4.5).contains(&(by_part / whole)), "{by_part}");
        // Half of partsupp, or that of another scale, says nothing about the lines.
        for other in ["tpch_partsupp(1, 1, 2)", "tpch_partsupp(2)"] {
            let independent = rows(&format!("tpch_lineitem(1) JOIN {other} {key}"));
            assert!(independent < whole / 1000.0, "{other}: {independent}");
        }
        // Half of the lines still have all their suppliers.
        let half = rows(&format!("tpch_lineitem(1, 1, 2) JOIN tpch_partsupp(1) {key}"));
        assert!((0.49..0.51).contains(&(half / whole)), "{half}");
    }
}

#[test]
fn keys_that_dbgen_repeats_are_left_out() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    // With few suppliers a part may have one twice. A schema without rows repeats nothing.
    for (sf, expected) in [(0.001, 14), (0.015, 14), (0.01, 16), (0.0, 16)] {
        client.batch_execute(&format!("CALL tpch_load({sf}, overwrite => true)")).unwrap();
        assert_eq!(constraints(&mut client, "tpch"), expected, "{sf}");
        let twice = "SELECT count(*) - count(DISTINCT (ps_partkey, ps_suppkey)) FROM tpch.partsupp";
        assert_eq!(one::<i64>(&mut client, twice) > 0, expected == 14, "{sf}");
    }
}

#[test]
fn the_planner_is_told_the_foreign_keys_of_loaded_tables() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.01, \"analyze\" => false)").unwrap();
    let mut loaded: Vec<String> = client
        .query(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint
             WHERE contype = 'f' AND connamespace = 'tpch'::regnamespace",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let said = |table| {
        let key = |key: &Reference| {
            let Reference { columns, source, key } = key;
            let (columns, key) = (columns.join(", "), key.join(", "));
            format!("FOREIGN KEY ({columns}) REFERENCES tpch.{source}({key})")
        };
        registry::find(table).unwrap().references.iter().map(key).collect::<Vec<_>>()
    };
    let mut said: Vec<String> = TABLES.into_iter().flat_map(said).collect();
    loaded.sort();
    said.sort();
    assert_eq!(said, loaded);
}

#[test]
fn validation_finds_what_is_wrong() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.01, keys => false)").unwrap();
    client.batch_execute("DELETE FROM tpch.lineitem WHERE l_shipdate = '1994-01-01'").unwrap();
    client.batch_execute("UPDATE tpch.supplier SET s_name = lower(s_name) WHERE s_suppkey = 21").unwrap();
    let failed = client
        .query("SELECT query, difference FROM tpch_validate() WHERE NOT pass ORDER BY query", &[])
        .unwrap();
    let difference = |query: i32| {
        let row = failed.iter().find(|row| row.get::<_, i32>(0) == query);
        row.map(|row| row.get::<_, String>(1)).unwrap_or_default()
    };
    assert!(difference(1).starts_with("row 1, column sum_qty: "), "{}", difference(1));
    let supplier = "row 1, column s_name: supplier#000000021       , expected Supplier#000000021";
    assert_eq!(difference(15), supplier);
    // A query that neither table has a part in.
    assert_eq!(difference(22), "");
}

#[test]
fn a_query_that_fails_fails_alone() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CALL tpch_load(0.01); ALTER TABLE tpch.part ALTER p_size TYPE text").unwrap();
    let failed =
        rows_of(&mut client, "SELECT query, rows, difference FROM tpch_validate() WHERE NOT pass").unwrap();
    let error = "error: operator does not exist: text";
    let expected = [("16|0|", " = integer"), ("19|0|", " >= integer"), ("2|0|", " = integer")];
    assert_eq!(failed, expected.map(|(query, operator)| format!("{query}{error}{operator}")));
    // The error names the query that ran: it is the kit's text, not one with that in FROM, which ORCA would not plan.
    let error = client.batch_execute("SELECT * FROM tpch_run(2)").unwrap_err();
    let text: String = one(&mut client, "SELECT tpch_query(2, 'tpch')");
    match error.as_db_error().and_then(|error| error.position()) {
        Some(ErrorPosition::Internal { query, .. }) => assert_eq!(query.trim_end(), text.trim_end()),
        other => panic!("{error}: {other:?}"),
    }
    // Time that is up is no fault of a query's.
    client.batch_execute("SET statement_timeout = '1ms'").unwrap();
    assert_eq!(error_of(&mut client, "SELECT * FROM tpch_validate()").unwrap().0, "57014");
}

#[test]
fn queries_run_as_text_and_as_rows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("SELECT tpch_virtual('a \"schema\"', 0.01)").unwrap();
    let text: String = one(&mut client, "SELECT tpch_query(6, 'a \"schema\"')");
    assert!(text.contains("FROM \"a \"\"schema\"\"\".lineitem\n"), "{text}");
    // A type that the client cannot read.
    let revenue: String = one(&mut client, &format!("SELECT revenue::text FROM ({text}) q"));
    let published: String = one(&mut client, "SELECT answer[1] FROM tpch_answers(6, 0.01)");
    assert_eq!(revenue, published);
    let row: String = one(&mut client, "SELECT row::text FROM tpch_run(6, 'a \"schema\"') row");
    assert_eq!(row, format!("{{\"revenue\":{revenue}}}"));
    // Without a schema, the search_path's.
    client.batch_execute("SET search_path TO \"a \"\"schema\"\"\", public").unwrap();
    let text: String = one(&mut client, "SELECT tpch_query(6)");
    assert_eq!(one::<String>(&mut client, &format!("SELECT revenue::text FROM ({text}) q")), published);
    // Every query runs with parameters of any seed, in the order of any stream.
    for stream in [0, 7] {
        let call = format!(
            "SELECT sql FROM tpch_queries('a \"schema\"', seed => 19, stream => {stream}, sf => 0.01, decorrelated => true)"
        );
        let texts = client.query(&call, &[]).unwrap();
        assert_eq!(texts.len(), 22);
        for row in texts {
            client.batch_execute(row.get(0)).unwrap();
        }
    }
    let order = "SELECT array_agg(query ORDER BY position) FROM tpch_queries(seed => 1, stream => 1)";
    let order: Vec<i32> = one(&mut client, order);
    assert_eq!(order[..5], [21, 3, 18, 5, 11]);
    let same = "SELECT count(*) FROM tpch_queries(seed => 5, stream => 3) s
                WHERE s.sql = tpch_query(s.query, seed => 8)";
    assert_eq!(one::<i64>(&mut client, same), 22, "a stream's seed is the first one's plus its number");
}

/// A load that is killed and crashed at every stage, from the first table to the last key, still completes.
#[test]
fn a_load_killed_ten_times_ends_whole() {
    const CALL: &str = "CALL tpch_load(0.1, indexes => true)";
    let cluster = Cluster::new();
    let stages = [
        "SELECT count(*) > 0 FROM stream_progress",
        "SELECT count(*) > 1 FROM stream_batches",
        "SELECT count(*) > 3 FROM stream_batches",
        "SELECT count(*) > 5 FROM stream_batches",
        "SELECT count(*) > 7 FROM stream_batches",
        "SELECT count(*) > 9 FROM stream_batches",
        "SELECT count(*) > 11 FROM stream_batches",
        "SELECT count(*) > 0 FROM pg_indexes WHERE schemaname = 'tpch'",
        "SELECT count(*) > 8 FROM pg_indexes WHERE schemaname = 'tpch'",
        "SELECT count(*) > 9 FROM pg_constraint WHERE contype <> 'n' AND connamespace = 'tpch'::regnamespace",
    ];
    let mut interrupted = 0;
    for (round, stage) in stages.iter().enumerate() {
        let reached = |watcher: &mut Client| {
            let schema = "SELECT to_regnamespace('tpch') IS NOT NULL";
            one::<bool>(watcher, schema) && one::<bool>(watcher, stage)
        };
        interrupted += usize::from(strike(&cluster, round, CALL, reached));
    }
    assert!(interrupted >= 7, "only {interrupted} of {} strikes met a running load", stages.len());
    let mut client = cluster.connect();
    client.batch_execute(CALL).unwrap();
    assert_loaded(&mut client, "tpch", 0.1);
    assert_eq!(constraints(&mut client, "tpch"), 16);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'tpch'"), 17);
    let analyzed = "SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname = 'tpch'";
    assert_eq!(one::<i64>(&mut client, analyzed), 8);
    assert_valid(&mut client, "tpch_validate()", 0.1);
}

/// Asked to stop while it loads the largest table, a load ends after its batch, and the same call resumes.
#[test]
fn a_load_is_stopped_and_goes_on() {
    const CALL: &str = "CALL tpch_load(0.1)";
    let cluster = Cluster::new();
    let mut watcher = cluster.connect();
    let (sender, notices) = std::sync::mpsc::channel();
    let mut config = cluster.config();
    config.notice_callback(move |notice| sender.send(notice.message().to_owned()).unwrap());
    let mut session = config.connect(NoTls).unwrap();
    drop(config);
    let batches = "SELECT count(*) FROM stream_batches WHERE run = 'tpch.lineitem'";
    std::thread::scope(|scope| {
        let loading = scope.spawn(move || error_of(&mut session, CALL));
        let mut blocker = cluster.connect();
        wait_until("a batch of lineitem", || one::<i64>(&mut watcher, batches) > 0);
        // The batch in flight cannot end before the load is asked to stop.
        let mut transaction = blocker.transaction().unwrap();
        transaction.batch_execute("LOCK TABLE tpch.lineitem IN SHARE MODE").unwrap();
        assert!(one::<bool>(&mut watcher, "SELECT stream_stop('tpch.lineitem')"));
        transaction.rollback().unwrap();
        assert_eq!(loading.join().unwrap(), None, "to be stopped is no error");
    });
    let said: Vec<String> = notices.iter().collect();
    assert!(said.iter().any(|notice| notice.contains("\"tpch.lineitem\" stop")), "{said:?}");
    assert!(!said.iter().any(|notice| notice.contains("is ready")), "{said:?}");
    let state = "SELECT state FROM stream_progress WHERE run = 'tpch.lineitem'";
    assert_eq!(one::<String>(&mut watcher, state), "interrupted");
    let before: i64 = one(&mut watcher, batches);
    assert_eq!(constraints(&mut watcher, "tpch"), 0, "keys come after the rows");
    // As a user who looks at the table meanwhile, or autovacuum, might do.
    watcher.batch_execute("ANALYZE tpch.lineitem").unwrap();
    let reach = "SELECT (histogram_bounds::text::bigint[])[array_upper(histogram_bounds, 1)]
                     / (SELECT max(l_orderkey)::float8 FROM tpch_lineitem(0.1))
                 FROM pg_stats WHERE schemaname = 'tpch' AND tablename = 'lineitem' AND attname = 'l_orderkey'";
    assert!(one::<f64>(&mut watcher, reach) < 0.9, "a part of the table");
    watcher.batch_execute(CALL).unwrap();
    assert!(one::<i64>(&mut watcher, batches) > before);
    assert!(one::<f64>(&mut watcher, reach) > 0.99, "statistics are of the whole table");
    assert_loaded(&mut watcher, "tpch", 0.1);
    assert_eq!(constraints(&mut watcher, "tpch"), 16);
}

#[test]
fn a_load_is_repeated_overwritten_and_dropped() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    // Only the schema, which a later load fills.
    client.batch_execute("CALL tpch_load(0)").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM tpch.lineitem"), 0);
    assert_eq!(constraints(&mut client, "tpch"), 16);
    client.batch_execute("CALL tpch_load(0.01)").unwrap();
    assert_loaded(&mut client, "tpch", 0.01);
    // Again: nothing is loaded twice, and what is missing is added.
    client.batch_execute("ALTER TABLE tpch.lineitem DROP CONSTRAINT lineitem_pkey").unwrap();
    client.batch_execute("CALL tpch_load(0.01)").unwrap();
    assert_loaded(&mut client, "tpch", 0.01);
    assert_eq!(constraints(&mut client, "tpch"), 16);
    client.batch_execute("CALL tpch_load(0.02, overwrite => true, \"analyze\" => false)").unwrap();
    assert_loaded(&mut client, "tpch", 0.02);
    // A failed step says which it is, and the load resumes with it.
    client.batch_execute("ALTER TABLE tpch.orders DROP CONSTRAINT orders_o_custkey_fkey").unwrap();
    client.batch_execute("UPDATE tpch.orders SET o_custkey = 9999999 WHERE o_orderkey = 7").unwrap();
    let (code, message) = error_of(&mut client, "CALL tpch_load(0.02)").unwrap();
    assert_eq!(code, "23503");
    let step = "step \"foreign key orders_o_custkey_fkey of orders\" failed: insert or update on table \"orders\" violates";
    assert!(message.starts_with(step) && message.contains("DETAIL: Key (o_custkey)=(9999999)"), "{message}");
    client.batch_execute("UPDATE tpch.orders SET o_custkey = 7 WHERE o_orderkey = 7").unwrap();
    client.batch_execute("CALL tpch_load(0.02)").unwrap();
    assert_eq!(constraints(&mut client, "tpch"), 16);
    client.batch_execute("SELECT tpch_drop()").unwrap();
    let left = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'tpch'::regnamespace)
                     + (SELECT count(*) FROM stream_progress)";
    assert_eq!(one::<i64>(&mut client, left), 0);
}

#[test]
fn workers_build_indexes_too() {
    const SETTING: &str = "SHOW max_parallel_maintenance_workers";
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE TABLE built (command text, workers int);
             CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$
             BEGIN
                 INSERT INTO built VALUES (tg_tag, current_setting('max_parallel_maintenance_workers')::int);
             END $$;
             CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION note()",
        )
        .unwrap();
    for (schema, server, workers, expected) in [("one", 2, 1, 2), ("three", 0, 3, 2), ("more", 5, 3, 5)] {
        client
            .batch_execute(&format!("SET max_parallel_maintenance_workers = {server}; TRUNCATE built"))
            .unwrap();
        let call = format!("CALL tpch_load(0.01, '{schema}', workers => {workers}, indexes => true)");
        client.batch_execute(&call).unwrap();
        let indexes = format!("SELECT count(*) FROM built WHERE workers = {expected}");
        assert_eq!(one::<i64>(&mut client, &indexes), 9, "{call}");
        assert_eq!(one::<String>(&mut client, SETTING), server.to_string(), "the session's setting stays");
    }
}

/// Calls, cancels the call when it is that far, and returns its SQLSTATE.
fn cancelled_when(cluster: &Cluster, call: &str, mut reached: impl FnMut() -> bool) -> Option<String> {
    let mut session = cluster.connect();
    let token = session.cancel_token();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || error_of(&mut session, call));
        wait_until("the moment to cancel", || running.is_finished() || reached());
        token.cancel_query(NoTls).unwrap();
        running.join().unwrap().map(|(code, _)| code)
    })
}

const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)";
const CANCELLED: Option<&str> = Some("57014");

#[test]
fn an_interrupted_overwrite_goes_on() {
    const CALL: &str = "CALL tpch_load(0.1, overwrite => true)";
    const TABLE: &str = "SELECT 'tpch.lineitem'::regclass::oid";
    const STATE: &str = "SELECT state FROM stream_progress WHERE run = 'tpch.lineitem'";
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.01)").unwrap();
    let old: u32 = one(&mut client, TABLE);
    // In the middle of its rows. The old table has one batch.
    let second = "SELECT EXISTS (SELECT FROM stream_batches WHERE run = 'tpch.lineitem' AND batch = 2)";
    assert_eq!(cancelled_when(&cluster, CALL, || one(&mut client, second)).as_deref(), CANCELLED);
    assert_eq!(one::<String>(&mut client, STATE), "interrupted");
    let new: u32 = one(&mut client, TABLE);
    assert_ne!(old, new);
    // At its first step, a key, which has to wait.
    let mut reader = cluster.connect();
    let mut reading = reader.transaction().unwrap();
    reading.batch_execute("LOCK TABLE tpch.region IN ACCESS SHARE MODE").unwrap();
    assert_eq!(cancelled_when(&cluster, CALL, || one(&mut client, WAITS)).as_deref(), CANCELLED);
    reading.rollback().unwrap();
    assert_eq!(one::<String>(&mut client, STATE), "done");
    client.batch_execute(CALL).unwrap();
    assert_eq!(one::<u32>(&mut client, TABLE), new);
    assert_eq!(constraints(&mut client, "tpch"), 16);
    // A complete load is dropped, whatever has happened to its tables.
    client.batch_execute("DELETE FROM tpch.lineitem WHERE l_orderkey < 1000").unwrap();
    client.batch_execute(CALL).unwrap();
    assert_ne!(one::<u32>(&mut client, TABLE), new);
    assert_loaded(&mut client, "tpch", 0.1);
}

#[test]
fn a_role_loads_into_its_own_schema() {
    let cluster = Cluster::new();
    cluster
        .connect()
        .batch_execute("CREATE ROLE loader LOGIN; CREATE SCHEMA own AUTHORIZATION loader")
        .unwrap();
    let mut client = cluster.connect_as("loader");
    // The kit does not use the caller's operators and tables.
    client
        .batch_execute(
            "CREATE OPERATOR own.= (FUNCTION = int4ne, LEFTARG = int4, RIGHTARG = int4);
             SET search_path TO own, public, pg_catalog",
        )
        .unwrap();
    client.batch_execute("CALL tpch_load(0.01, 'own')").unwrap();
    client.batch_execute("CALL tpch_refresh('own')").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM own.orders"), 15_000);
    let (code, _) = error_of(&mut client, "CALL tpch_load(0.01)").unwrap();
    assert_eq!(code, "42501", "it may not create schemas");
    client.batch_execute("SELECT tpch_drop('own')").unwrap();
}

#[test]
fn one_progress_is_reported_over_all_tables() {
    let cluster = Cluster::new();
    let (sender, notices) = std::sync::mpsc::channel();
    let mut config = cluster.config();
    config.notice_callback(move |notice| sender.send(notice.message().to_owned()).unwrap());
    let mut client = config.connect(NoTls).unwrap();
    // Slow enough to be reported about.
    client.batch_execute("CALL tpch_load(0.5, \"analyze\" => false, keys => false)").unwrap();
    // When both are dropped, no sender of notices is left.
    drop((client, config));
    let notices: Vec<String> = notices.iter().collect();
    let total: String =
        one(&mut cluster.connect(), "SELECT 'of ' || sum(rows) || ' rows' FROM tpch_tables(0.5)");
    let (last, reports) = notices.split_last().unwrap();
    assert!(last.starts_with("schema \"tpch\" is ready after "), "{last}");
    for report in reports {
        assert!(report.starts_with("tpch: ") && report.contains(&total), "{report}");
    }
}

/// The content of orders and lineitem at scale factor 0.1 after refresh sets 1 to `sets`.
fn refreshed(client: &mut Client, sets: i32) -> [(i64, Option<String>); 2] {
    [("orders", "o_orderkey"), ("lineitem", "l_orderkey")].map(|(table, key)| {
        let rows = format!(
            "(SELECT * FROM tpch_{table}(0.1)
              WHERE {key} NOT IN (SELECT tpch_orders_delete(set, 0.1) FROM generate_series(1, {sets}) set)
              UNION ALL SELECT r.* FROM generate_series(1, {sets}) set, tpch_{table}_refresh(set, 0.1) r)"
        );
        content(client, &rows)
    })
}

#[test]
fn refresh_sets_are_applied_once() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.1)").unwrap();
    let [orders, lines] = refreshed(&mut client, 2);
    assert_eq!(orders.0, 150_000);
    client.batch_execute("CALL tpch_refresh(); CALL tpch_refresh(stream => 2)").unwrap_err();
    client.batch_execute("CALL tpch_refresh()").unwrap();
    client.batch_execute("CALL tpch_refresh(stream => 2, sf => 0.1)").unwrap();
    assert_eq!(content(&mut client, "tpch.orders"), orders);
    assert_eq!(content(&mut client, "tpch.lineitem"), lines);
    // Each order was inserted with its lines: its price is their sum.
    let torn = "SELECT count(*) FROM tpch.orders o LEFT JOIN (
                    SELECT l_orderkey, sum(trunc(trunc(l_extendedprice * (1 - l_discount), 2) * (1 + l_tax), 2)) AS price
                    FROM tpch.lineitem GROUP BY 1) l ON l_orderkey = o_orderkey
                WHERE price IS DISTINCT FROM o_totalprice";
    assert_eq!(one::<i64>(&mut client, torn), 0);
    // As if the call had ended halfway: some orders are in, some are out.
    client
        .batch_execute(
            "DELETE FROM tpch.lineitem USING tpch_orders_refresh(1, 0.1) o
             WHERE l_orderkey = o_orderkey AND o_orderkey % 2 = 0;
             DELETE FROM tpch.orders o USING tpch_orders_refresh(1, 0.1) r
             WHERE o.o_orderkey = r.o_orderkey AND o.o_orderkey % 2 = 0;
             INSERT INTO tpch.orders SELECT * FROM tpch_orders(0.1) WHERE o_orderkey BETWEEN 1 AND 7;
             INSERT INTO tpch.lineitem SELECT * FROM tpch_lineitem(0.1) WHERE l_orderkey BETWEEN 1 AND 7",
        )
        .unwrap();
    assert_ne!(content(&mut client, "tpch.orders"), orders);
    for _ in 0..2 {
        client.batch_execute("CALL tpch_refresh()").unwrap();
        assert_eq!(content(&mut client, "tpch.orders"), orders);
        assert_eq!(content(&mut client, "tpch.lineitem"), lines);
    }
    // One function at a time.
    let count = "SELECT count(*) FROM tpch.orders";
    for (call, rows) in [
        ("CALL tpch_refresh(stream => 3, rf2 => false)", 150_150),
        ("CALL tpch_refresh(stream => 3, rf1 => false)", 150_000),
        ("CALL tpch_refresh(stream => 4, rf1 => false, rf2 => false)", 150_000),
    ] {
        client.batch_execute(call).unwrap();
        assert_eq!(one::<i64>(&mut client, count), rows, "{call}");
    }
}

/// Cancelled in the second batch of RF1 and then of RF2, a refresh keeps the first and resumes with the second.
#[test]
fn an_interrupted_refresh_goes_on() {
    const CALL: &str = "CALL tpch_refresh(batch_orders => 50)";
    // One of 150 orders that is in the second batch of three.
    const ADDED: &str = "SELECT * FROM tpch_orders_refresh(1, 0.1) OFFSET 75 LIMIT 1";
    const DELETED: &str = "SELECT key FROM tpch_orders_delete(1, 0.1) key OFFSET 75 LIMIT 1";
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.1)").unwrap();
    let whole = refreshed(&mut client, 1);
    let mut other = cluster.connect();
    let done = "SELECT (SELECT count(*) FROM tpch.orders JOIN tpch_orders_refresh(1, 0.1) USING (o_orderkey)),
                       (SELECT count(*) FROM tpch.orders JOIN tpch_orders_delete(1, 0.1) key ON o_orderkey = key)";
    for (obstacle, added, left) in [
        (format!("INSERT INTO tpch.orders {ADDED}"), 50, 150),
        (format!("SELECT FROM tpch.lineitem WHERE l_orderkey = ({DELETED}) FOR UPDATE"), 150, 100),
    ] {
        let mut blocker = other.transaction().unwrap();
        blocker.batch_execute(&obstacle).unwrap();
        assert_eq!(cancelled_when(&cluster, CALL, || one(&mut client, WAITS)).as_deref(), CANCELLED);
        blocker.rollback().unwrap();
        let row = client.query_one(done, &[]).unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (added, left), "{obstacle}");
    }
    client.batch_execute(CALL).unwrap();
    assert_eq!(["tpch.orders", "tpch.lineitem"].map(|table| content(&mut client, table)), whole);
}

/// Without keys nothing else would keep two calls from inserting the same orders.
#[test]
fn a_refresh_set_is_one_sessions() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpch_load(0.1, keys => false)").unwrap();
    let whole = refreshed(&mut client, 1);
    let mut blocker = cluster.connect();
    let mut first = cluster.connect();
    let pid: i32 = one(&mut first, "SELECT pg_backend_pid()");
    std::thread::scope(|scope| {
        let mut reading = blocker.transaction().unwrap();
        reading.batch_execute("LOCK TABLE tpch.orders IN SHARE MODE").unwrap();
        let running = scope.spawn(move || error_of(&mut first, "CALL tpch_refresh()"));
        wait_until("the first session to wait", || one(&mut client, WAITS));
        // It is refused at once, before it would wait for the table.
        client.batch_execute("SET lock_timeout = '10s'").unwrap();
        let (code, message) = error_of(&mut client, "CALL tpch_refresh()").unwrap();
        let expected =
            format!("refresh 1 of schema \"tpch\" is being applied by process {pid} HINT: Wait for it.");
        assert!(code == "55006" && message.starts_with(&expected), "{code} {message}");
        // Another set can be applied.
        client.batch_execute("CALL tpch_refresh(stream => 2, rf1 => false, rf2 => false)").unwrap();
        reading.rollback().unwrap();
        assert_eq!(running.join().unwrap(), None);
    });
    client.batch_execute("CALL tpch_refresh()").unwrap();
    assert_eq!(["tpch.orders", "tpch.lineitem"].map(|table| content(&mut client, table)), whole);
}

const SETUP: &str = "
    CREATE SCHEMA other;
    CREATE TABLE other.region (r_regionkey int);
    CREATE SCHEMA filled;
    CREATE TABLE filled.region AS SELECT * FROM tpch_region();
    CREATE SCHEMA made;
    SELECT tpch_virtual('made', 0.01);
    CREATE SCHEMA half;
    CREATE TABLE half.supplier AS SELECT * FROM tpch_supplier(0.01);
    CREATE FUNCTION load() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL tpch_load(0.01); END $$;
";

/// A statement, its SQLSTATE and a part of its message, detail and hint.
const WRONG: &[(&str, &str, &str)] = &[
    ("CALL tpch_load(NULL)", "22004", "argument \"sf\" must not be null"),
    ("CALL tpch_load(-1)", "22023", "scale factor -1 is out of range HINT: A scale factor is from 0.0001"),
    ("CALL tpch_load('NaN')", "22023", "scale factor NaN is out of range"),
    ("CALL tpch_load(1e6)", "22023", "scale factor 1000000 is out of range"),
    ("CALL tpch_load(0.01, NULL)", "22004", "argument \"schema\" must not be null"),
    ("CALL tpch_load(0.01, '')", "22023", "invalid value for argument \"schema\""),
    ("CALL tpch_load(0.01, 'pg_new')", "42939", "unacceptable schema name \"pg_new\""),
    (
        "CALL tpch_load(0.01, 'new', 'columnar')",
        "42704",
        "table access method \"columnar\" does not exist HINT: Argument \"storage\" is heap, unlogged, or any",
    ),
    ("CALL tpch_load(0.01, 'new', 'btree')", "42704", "table access method \"btree\" does not exist"),
    ("CALL tpch_load(0.01, 'new', NULL)", "22004", "argument \"storage\" must not be null"),
    ("CALL tpch_load(0.01, 'new', workers => 0)", "22023", "invalid value for argument \"workers\""),
    ("CALL tpch_load(0.01, 'new', workers => NULL)", "22004", "argument \"workers\" must not be null"),
    (
        "CALL tpch_load(0.01, 'other')",
        "42P07",
        "relation \"other.region\" exists and has different columns HINT: Load into another schema, or drop",
    ),
    (
        "CALL tpch_load(0.01, 'filled')",
        "42P07",
        "relation \"filled.region\" exists and has rows that no load",
    ),
    ("CALL tpch_load(0.01, 'made')", "42P07", "relation \"made.region\" exists and is not a table"),
    (
        "CALL tpch_load(0.02, 'loaded')",
        "42P07",
        "table \"loaded.region\" was loaded at scale factor 0.01, not 0.02",
    ),
    (
        "CALL tpch_load(0.01, 'loaded', 'unlogged')",
        "42P07",
        "\"loaded.region\" exists and has different storage",
    ),
    (
        "CALL tpch_load(0.01, 'loaded', partitioned => true)",
        "42P07",
        "\"loaded.orders\" exists and is not partitioned",
    ),
    ("BEGIN; CALL tpch_load(0.01)", "25001", "CALL tpch_load cannot run inside a transaction block"),
    ("SELECT load()", "2D000", "CALL tpch_load cannot run where it cannot commit"),
    ("SELECT tpch_drop('nonesuch')", "3F000", "schema \"nonesuch\" does not exist"),
    ("SELECT tpch_virtual(NULL)", "22004", "argument \"schema\" must not be null"),
    ("SELECT tpch_virtual('new', 0)", "22023", "scale factor 0 is out of range"),
    ("SELECT tpch_virtual('loaded', 0.01)", "42809", "\"region\" is not a view"),
    (
        "SELECT tpch_query(0)",
        "22023",
        "TPC-H query 0 does not exist HINT: Queries are numbered from 1 to 22.",
    ),
    ("SELECT tpch_query(23)", "22023", "TPC-H query 23 does not exist"),
    ("SELECT tpch_query(-1)", "22023", "TPC-H query -1 does not exist"),
    ("SELECT tpch_query(NULL)", "22004", "argument \"query\" must not be null"),
    (
        "SELECT tpch_query(1, seed => 0)",
        "22023",
        "invalid value for argument \"seed\": 0 HINT: A seed is from 1 to 2147483646",
    ),
    ("SELECT tpch_query(11, seed => 1, sf => 0)", "22023", "scale factor 0 is out of range"),
    ("SELECT tpch_query(1, decorrelated => NULL)", "22004", "argument \"decorrelated\" must not be null"),
    ("SELECT * FROM tpch_queries(stream => -1)", "22023", "invalid value for argument \"stream\": -1"),
    (
        "SELECT * FROM tpch_queries(seed => 2147483646, stream => 1)",
        "22023",
        "invalid value for argument \"seed\": 2147483646",
    ),
    (
        "SELECT * FROM tpch_answers(1, 2)",
        "22023",
        "no answers are published for scale factor 2 HINT: There are answers for 0.01, 0.1, 1.",
    ),
    ("SELECT * FROM tpch_answers(23)", "22023", "TPC-H query 23 does not exist"),
    ("SELECT * FROM tpch_run(1, 'nonesuch')", "42P01", "relation \"nonesuch.lineitem\" does not exist"),
    ("SELECT * FROM tpch_validate('nonesuch')", "3F000", "schema \"nonesuch\" does not exist"),
    ("SELECT * FROM tpch_validate(NULL)", "22004", "argument \"schema\" must not be null"),
    ("SELECT * FROM tpch_validate('other')", "42P01", "relation \"other.supplier\" does not exist"),
    ("SELECT * FROM tpch_validate('half')", "42P01", "relation \"half.lineitem\" does not exist"),
    ("SELECT * FROM tpch_validate('loaded', 0.5)", "22023", "no answers are published for scale factor 0.5"),
    ("CALL tpch_refresh('nonesuch')", "3F000", "schema \"nonesuch\" does not exist"),
    ("CALL tpch_refresh('loaded', 0)", "22023", "stream 0 is not from 1 to 999 HINT: Its options are"),
    ("CALL tpch_refresh('loaded', 1000)", "22023", "stream 1000 is not from 1 to 999"),
    ("CALL tpch_refresh('loaded', NULL)", "22004", "argument \"stream\" must not be null"),
    ("CALL tpch_refresh('loaded', sf => -3)", "22023", "scale factor -3 is out of range"),
    (
        "CALL tpch_refresh('loaded', batch_orders => NULL)",
        "22004",
        "argument \"batch_orders\" must not be null",
    ),
    (
        "CALL tpch_refresh('loaded', batch_orders => 0)",
        "22023",
        "invalid value for argument \"batch_orders\": 0 HINT: A batch has at least one order.",
    ),
    ("CALL tpch_refresh('made')", "55000", "cannot insert into view \"orders\""),
    (
        "BEGIN; CALL tpch_refresh('loaded')",
        "25001",
        "CALL tpch_refresh cannot run inside a transaction block",
    ),
    ("SELECT * FROM tpch_orders_refresh(0, 1)", "22023", "stream 0 is not from 1 to 999"),
];

#[test]
fn wrong_calls_are_refused_and_leave_nothing_behind() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute(SETUP).unwrap();
    client.batch_execute("CALL tpch_load(0.01, 'loaded')").unwrap();
    let state = "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_namespace) || ' '
                     || (SELECT count(*) FROM stream_progress) || ' ' || (SELECT count(*) FROM loaded.lineitem)";
    let before: String = one(&mut client, state);
    for (statement, code, part) in WRONG {
        let (found, message) = error_of(&mut client, statement).unwrap_or_else(|| panic!("{statement}"));
        client.batch_execute("ROLLBACK").unwrap();
        assert_eq!(&found, code, "{statement}: {message}");
        assert!(message.contains(part), "{statement}: {message}");
        assert_eq!(one::<String>(&mut client, state), before, "{statement}");
    }
    // A load that another session is running.
    client.batch_execute("BEGIN; LOCK TABLE loaded.lineitem IN EXCLUSIVE MODE").unwrap();
    let mut session = cluster.connect();
    session.batch_execute("SET lock_timeout = '1ms'").unwrap();
    let (code, message) = error_of(&mut session, "SELECT tpch_drop('loaded')").unwrap();
    assert_eq!(code, "55P03", "{message}");
    client.batch_execute("ROLLBACK").unwrap();
}
