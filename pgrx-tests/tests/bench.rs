//! The streaming benchmark: variants, phases, queries, gates; interrupted on purpose.

use millrace_tests::{Cluster, Dice, content, error_of, one, texts, wait_until, wait_until_free};
use postgres::{Client, NoTls};
use std::sync::mpsc::channel;

const SMALL: &str = "CALL stream_bench(rows => 20000, batch_rows => 2000, analyze_every => 3)";

/// The failed gates of benchmark `bench`, without those that say nothing about few rows: speed and, from PostgreSQL 16 on, the
/// size of partitions, which the server extends by many pages at once.
fn failed_gates(client: &mut Client) -> Vec<String> {
    texts(
        client,
        "SELECT concat_ws(' ', gate, phase, variant)
         FROM stream_gates('bench', min_throughput => 0, max_size => 2.5, max_index_overhead => 1e9) WHERE NOT pass",
    )
}

#[test]
fn all_variants_that_the_server_has_are_compared() {
    let cluster = Cluster::new();
    let (notices, noticed) = channel();
    let mut config = cluster.config();
    config.notice_callback(move |notice| notices.send(notice.message().to_owned()).unwrap());
    let mut session = config.connect(NoTls).unwrap();
    session.batch_execute(SMALL).unwrap();
    drop((session, config));
    let mut client = cluster.connect();
    let told: Vec<String> = noticed.iter().filter(|notice| notice.contains("skipped")).collect();
    let missing = [("ao_row", "Greenplum or Cloudberry"), ("ao_column", "Greenplum or Cloudberry")];
    let missing: Vec<_> =
        missing.into_iter().chain([("pax", "Cloudberry"), ("pax_clustered", "Cloudberry")]).collect();
    let expected: Vec<_> = missing
        .iter()
        .map(|(variant, needs)| format!("variant \"{variant}\" skipped: it needs {needs}"))
        .collect();
    assert_eq!(told, expected);
    let noted = texts(
        &mut client,
        "SELECT variant || ' ' || reason FROM stream_bench_skipped ORDER BY reason DESC, 1 LIMIT 1",
    );
    assert_eq!(noted, ["ao_column it needs Greenplum or Cloudberry"]);

    let variants = ["heap", "heap_unlogged", "heap_hourly", "heap_brin"];
    let whole = content(&mut client, "cdr_gen(20000, '{\"rows_per_day\": 20000}')");
    for variant in variants {
        for phase in ["noindex", "index"] {
            assert_eq!(content(&mut client, &format!("bench.{variant}_{phase}")), whole, "{variant} {phase}");
        }
    }
    assert_eq!(
        one::<String>(
            &mut client,
            "SELECT relpersistence::text FROM pg_class WHERE relname = 'heap_unlogged_index'"
        ),
        "u"
    );
    let partitions = "SELECT count(DISTINCT tableoid) FROM bench.heap_hourly_index";
    assert_eq!(one::<i64>(&mut client, partitions), 24);
    let methods = texts(
        &mut client,
        "SELECT c.relname || ' ' || string_agg(m.amname, ' ' ORDER BY i.indkey[0])
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
         WHERE c.relnamespace = 'bench'::regnamespace AND NOT c.relispartition GROUP BY c.relname ORDER BY c.relname",
    );
    let expected = [
        "heap_brin_index brin brin btree btree btree",
        "heap_hourly_index btree btree btree btree btree",
        "heap_index btree btree btree btree btree",
        "heap_unlogged_index btree btree btree btree btree",
    ];
    assert_eq!(methods, expected, "five each, and none in the other phase");

    // Each target was analyzed after every third batch, and at the end of its phase.
    let analyzed = texts(
        &mut client,
        "SELECT DISTINCT string_agg(batch::text, ' ' ORDER BY batch) FROM millrace.bench_analyze GROUP BY run, target",
    );
    assert_eq!(analyzed, ["3 6 9 10"]);
    assert!(one::<bool>(
        &mut client,
        "SELECT bool_and(reltuples = 20000) FROM pg_class WHERE relname ~ '^heap(_brin)?_(no)?index$'"
    ));

    // Four queries, three times each, on each of eight tables, with a result, and the same on all.
    let queries =
        "SELECT count(*) = 96 AND count(*) FILTER (WHERE cold) = 32 AND min(rows) > 0 AND bool_and(same)
                      AND count(DISTINCT query) = 4 FROM stream_queries";
    assert!(one::<bool>(&mut client, queries));
    let report = "SELECT count(*) = 8 AND bool_and(rows = 20000 AND batches = 10 AND seconds >= insert_seconds
                      AND rows_per_second_min <= rows_per_second_p50 AND rows_per_second_p50 <= rows_per_second_p95
                      AND rows_per_second_p95 <= rows_per_second_max AND insert_rows_per_second >= rows_per_second
                      AND ratio > 0 AND analyze_seconds > 0 AND commit_seconds > 0 AND table_bytes > 0
                      AND (ratio = 1 OR target !~ 'heap_(no)?index')
                      AND (size_bytes > table_bytes) = (target ~ '_index') AND (wal_bytes < 1000) = (target ~ 'unlogged'))
                  FROM stream_report('bench')";
    assert!(one::<bool>(&mut client, report));
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_report('bench/index')"), 4);
    assert_eq!(failed_gates(&mut client), Vec::<String>::new());

    // The figures are computed from the ledger.
    let recomputed = "
        WITH batch AS (
            -- A commit is noted by the next batch of its process, or by the end of the call.
            SELECT b.*, t.name AS target_name, coalesce(b.commit_ms, 0) + coalesce(b.commit_before_ms, 0) AS commits_ms
            FROM millrace.batches b JOIN millrace.target t USING (run, target)
        ), timed AS (
            SELECT target_name AS target, rows, (elapsed_ms + commits_ms) / 1000 AS seconds, wal_bytes, insert_ms, generate_ms,
                   commits_ms AS commit_ms
            FROM batch
        ), figures AS (
            SELECT target, sum(rows) AS rows, sum(seconds) AS seconds, sum(rows) / sum(seconds) AS mean,
                   array_agg(rows / seconds ORDER BY rows / seconds) AS speeds, sum(wal_bytes) / sum(rows) AS wal,
                   1000 * sum(rows) / sum(insert_ms) AS inserting, sum(generate_ms) / 1000 AS generate,
                   sum(insert_ms) / 1000 AS insert, sum(commit_ms) / 1000 AS commit
            FROM timed GROUP BY target
        )
        SELECT count(*) FROM stream_report('bench') r JOIN figures f USING (target)
        JOIN figures b ON b.target = regexp_replace(f.target, 'heap_.*(?=_(no)?index)|heap(?=_(no)?index)', 'heap')
        WHERE r.rows = f.rows AND abs(r.seconds - f.seconds) <= 0.001
          AND abs(r.rows_per_second - f.mean) <= 1
          AND abs(r.rows_per_second_min - f.speeds[1]) <= 1 AND abs(r.rows_per_second_max - f.speeds[10]) <= 1
          -- Between the fifth and the sixth of ten, and at 0.55 between the ninth and the tenth.
          AND abs(r.rows_per_second_p50 - (f.speeds[5] + f.speeds[6]) / 2) <= 1
          AND abs(r.rows_per_second_p95 - (f.speeds[9] + 0.55 * (f.speeds[10] - f.speeds[9]))) <= 1
          AND abs(r.insert_rows_per_second - f.inserting) <= 1 AND abs(r.ratio - f.inserting / b.inserting) <= 0.001
          AND abs(r.wal_bytes_per_row - f.wal) <= 0.1
          AND abs(r.generate_seconds - f.generate) <= 0.001 AND abs(r.insert_seconds - f.insert) <= 0.001
          AND abs(r.commit_seconds - f.commit) <= 0.001";
    assert_eq!(one::<i64>(&mut client, recomputed), 8);

    // Calling it again changes nothing.
    let state = "SELECT (SELECT count(*) FROM stream_batches) + (SELECT count(*) FROM stream_queries)
                      + (SELECT count(*) FROM millrace.bench_analyze)";
    let before: i64 = one(&mut client, state);
    client.batch_execute(SMALL).unwrap();
    assert_eq!(one::<i64>(&mut client, state), before);

    client.batch_execute("SELECT stream_bench_drop('bench')").unwrap();
    let left = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'bench'::regnamespace)
                     + (SELECT count(*) FROM millrace.run) + (SELECT count(*) FROM millrace.bench_table)
                     + (SELECT count(*) FROM millrace.bench_variant) + (SELECT count(*) FROM millrace.bench_query)
                     + (SELECT count(*) FROM millrace.bench_analyze) + (SELECT count(*) FROM millrace.bench)";
    assert_eq!(one::<i64>(&mut client, left), 0);
}

#[test]
fn gates_tell_what_is_wrong() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let call =
        "CALL stream_bench(rows => 5000, batch_rows => 1000, variants => '{heap, heap_hourly, heap_brin}')";
    client.batch_execute(call).unwrap();
    let gate = |client: &mut Client, arguments: &str, gate: &str| {
        texts(
            client,
            &format!(
                "SELECT concat_ws(' ', phase, variant) FROM stream_gates('bench'{arguments}) WHERE gate = '{gate}' AND NOT pass"
            ),
        )
    };
    assert_eq!(gate(&mut client, ", max_size => 0.5", "size").len(), 6);
    // Partitions have indexes and last pages of their own.
    assert_eq!(gate(&mut client, ", max_size => 1.1", "size"), ["noindex heap_hourly", "index heap_hourly"]);
    assert_eq!(gate(&mut client, ", min_compression => 2", "compression").len(), 6);
    assert_eq!(gate(&mut client, ", min_throughput => 1000", "throughput").len(), 6);
    assert_eq!(gate(&mut client, ", max_index_overhead => 0.001", "index overhead").len(), 3);

    client.batch_execute("DELETE FROM bench.heap_hourly_index WHERE sequence_number = 7").unwrap();
    // The same number of rows, with other content.
    client
        .batch_execute(
            "UPDATE bench.heap_brin_noindex SET is_roaming = NOT is_roaming WHERE sequence_number = 7",
        )
        .unwrap();
    assert_eq!(gate(&mut client, "", "content"), ["noindex heap_brin", "index heap_hourly"]);
    let figures =
        "SELECT figure = 4999 AND bound = 5000 AND detail ~ '^1 rows fewer' FROM stream_gates('bench')
                   WHERE gate = 'content' AND phase = 'index' AND variant = 'heap_hourly'";
    assert!(one::<bool>(&mut client, figures));

    assert_eq!(gate(&mut client, "", "queries"), Vec::<String>::new());
    // Queries that are forgotten are run again.
    client
        .batch_execute(
            "DELETE FROM millrace.bench_query; DELETE FROM bench.heap_hourly_noindex WHERE call_hour = 12",
        )
        .unwrap();
    client.batch_execute(call).unwrap();
    assert_eq!(gate(&mut client, "", "queries"), ["noindex heap_hourly"]);
}

#[test]
fn a_benchmark_goes_on_after_a_stop_and_a_cancel() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let slow = r#"CALL stream_bench('iot', rows => 6000, batch_rows => 200, options => '{"rate": 4000, "seed": 5}')"#;
    let begin = |ended: &str, end: &mut dyn FnMut(&mut Client, &postgres::CancelToken)| {
        let mut session = cluster.connect();
        let mut watcher = cluster.connect();
        let token = session.cancel_token();
        let before: i64 = one(&mut watcher, "SELECT count(*) FROM stream_batches");
        std::thread::scope(|scope| {
            let running = scope.spawn(move || error_of(&mut session, slow));
            wait_until("some batches", || {
                one::<i64>(&mut watcher, "SELECT count(*) FROM stream_batches") > before + 4
            });
            end(&mut watcher, &token);
            assert_eq!(running.join().unwrap().map(|error| error.0).unwrap_or_default(), ended);
            wait_until_free(&mut watcher);
        });
    };
    begin("", &mut |watcher, _| watcher.batch_execute("SELECT stream_stop('bench/noindex')").unwrap());
    assert_eq!(
        one::<String>(&mut client, "SELECT string_agg(run || state, ' ') FROM stream_progress"),
        "bench/noindexinterrupted"
    );
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_queries"), 0);
    begin("57014", &mut |_, token| token.cancel_query(NoTls).unwrap());
    // A benchmark that another session is running is refused.
    begin("57014", &mut |watcher, token| {
        let (code, text) = error_of(watcher, slow).unwrap();
        assert_eq!(
            (code.as_str(), text.contains("run \"bench/noindex\" is being ingested by process")),
            ("55006", true),
            "{text}"
        );
        let (code, _) = error_of(watcher, "SELECT stream_bench_drop('bench')").unwrap();
        assert_eq!(code, "55006");
        token.cancel_query(NoTls).unwrap();
    });

    for (arguments, difference) in [
        ("rows => 6001, batch_rows => 200, options => '{\"seed\": 5}'", "rows: 6000 then, 6001 now"),
        ("rows => 6000, batch_rows => 300, options => '{\"seed\": 5}'", "batch_rows: 200 then, 300 now"),
        ("rows => 6000, batch_rows => 200", "options: {\"seed\": 5} then, {} now"),
        (
            "rows => 6000, batch_rows => 200, options => '{\"seed\": 5}', schema => 'other'",
            "schema: bench then, other now",
        ),
        ("rows => 6000, batch_rows => 200, options => '{\"seed\": 5}', variants => '{heap}'", "variants: "),
        (
            "rows => 6000, batch_rows => 200, options => '{\"seed\": 5}', analyze_every => 2",
            "analyze_every: null then, 2 now",
        ),
    ] {
        let (code, text) = error_of(&mut client, &format!("CALL stream_bench('iot', {arguments})")).unwrap();
        assert_eq!(code, "22023", "{text}");
        assert!(text.starts_with("benchmark \"bench\" was begun with other parameters DETAIL: "), "{text}");
        assert!(text.contains(difference), "{text}");
        assert!(
            text.ends_with("HINT: Forget it with stream_bench_drop(), or give another run name."),
            "{text}"
        );
    }
    // Phase and processes are this call's.
    let call = r#"CALL stream_bench('iot', rows => 6000, batch_rows => 200, options => '{"seed": 5}', workers => 2, phase => "#;
    client.batch_execute(&format!("{call}'noindex')")).unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_progress"), 1);
    client.batch_execute(&format!("{call}'both')")).unwrap();
    assert_eq!(
        texts(&mut client, "SELECT run || ' ' || state FROM stream_progress ORDER BY 1"),
        ["bench/index done", "bench/noindex done"]
    );
    assert_eq!(failed_gates(&mut client), Vec::<String>::new());
    let whole = content(&mut client, "iot_gen(6000, '{\"seed\": 5}')");
    for table in ["heap_noindex", "heap_index", "heap_unlogged_noindex", "heap_unlogged_index"] {
        assert_eq!(content(&mut client, &format!("bench.{table}")), whole, "{table}");
    }
    let once =
        "SELECT count(*) = 120 AND count(*) = count(DISTINCT (run, batch, target)) FROM stream_batches";
    assert!(one::<bool>(&mut client, once));
}

#[test]
fn an_analyze_that_was_cancelled_is_made_up_for() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let call = "CALL stream_bench(rows => 6000, batch_rows => 500, variants => '{heap}', phase => 'noindex', analyze_every => 5)";
    let mut session = cluster.connect();
    let cancel = session.cancel_token();
    let mut blocker = cluster.connect();
    std::thread::scope(|scope| {
        // The step can be done but not noted, because another session may be about to note the same.
        let mut transaction = blocker.transaction().unwrap();
        transaction
            .batch_execute("INSERT INTO millrace.bench_analyze VALUES ('bench/noindex', 1, 5, 0, now())")
            .unwrap();
        let running = scope.spawn(move || error_of(&mut session, call));
        let waits = "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted";
        wait_until("the ANALYZE", || one(&mut client, waits));
        cancel.cancel_query(NoTls).unwrap();
        assert_eq!(running.join().unwrap().unwrap().0, "57014");
        transaction.rollback().unwrap();
    });
    wait_until_free(&mut client);
    assert_eq!(one::<i64>(&mut client, "SELECT max(batches_done) FROM stream_progress"), 5);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM millrace.bench_analyze"), 0);
    client.batch_execute(call).unwrap();
    let analyzed = "SELECT string_agg(batch::text, ' ' ORDER BY batch) FROM millrace.bench_analyze";
    assert_eq!(one::<String>(&mut client, analyzed), "5 10 12");

    // Workers are ahead of the session, and take batches beyond the end before they know it.
    client.batch_execute("SELECT stream_bench_drop('bench')").unwrap();
    client.batch_execute(&call.replace("analyze_every => 5", "analyze_every => 1, workers => 3")).unwrap();
    let numbers = "SELECT max(batch) = 12 AND min(batch) >= 1 AND count(*) = count(DISTINCT batch) FROM millrace.bench_analyze";
    assert!(one::<bool>(&mut client, numbers));
}

#[test]
fn a_stopped_benchmark_says_how_it_goes_on() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let (hints, hinted) = channel();
    let mut config = cluster.config();
    config.notice_callback(move |notice| hints.send(notice.hint().map(str::to_owned)).unwrap());
    let mut session = config.connect(NoTls).unwrap();
    std::thread::scope(|scope| {
        let call =
            r#"CALL stream_bench('iot', rows => 6000, batch_rows => 200, options => '{"rate": 4000}')"#;
        let running = scope.spawn(move || session.batch_execute(call));
        wait_until("a batch", || one(&mut client, "SELECT count(*) > 0 FROM stream_batches"));
        client.batch_execute("SELECT stream_stop('bench/noindex')").unwrap();
        running.join().unwrap().unwrap();
    });
    drop(config);
    let hints: Vec<String> = hinted.iter().flatten().collect();
    assert_eq!(hints, ["Run the same CALL stream_bench() again to resume."]);
}

#[test]
fn what_a_variant_wants_after_the_load_is_done_once() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "INSERT INTO millrace.variant (name, index_set, after_load)
             VALUES ('sorted', '{(caller_number)}', 'CLUSTER %s USING sorted_index_caller_number_idx')",
        )
        .unwrap();
    let call = "CALL stream_bench(rows => 3000, batch_rows => 1000, variants => '{heap, sorted}', phase => 'index', analyze_every => 1)";
    client.batch_execute(call).unwrap();
    let inversions = "SELECT count(*) FILTER (WHERE caller_number < before)
                      FROM (SELECT caller_number, lag(caller_number) OVER (ORDER BY ctid) AS before FROM bench.TABLE_index) t";
    assert_eq!(one::<i64>(&mut client, &inversions.replace("TABLE", "sorted")), 0);
    assert!(one::<i64>(&mut client, &inversions.replace("TABLE", "heap")) > 1000);
    let noted = "SELECT string_agg(variant || ' ' || (after_load_ms > 0)::text, ', ') FROM stream_bench_tables WHERE after_load_ms IS NOT NULL";
    assert_eq!(one::<String>(&mut client, noted), "sorted true");
    let report =
        "SELECT string_agg(target, ', ') FROM stream_report('bench') WHERE after_load_seconds IS NOT NULL";
    assert_eq!(one::<String>(&mut client, report), "bench.sorted_index");
    let definition = "SELECT definition FROM stream_bench_tables WHERE variant = 'sorted'";
    let definition: String = one(&mut client, definition);
    assert!(
        definition.ends_with(";\nCLUSTER bench.sorted_index USING sorted_index_caller_number_idx"),
        "{definition}"
    );
    // The statistics are those of the table as it is then, and its rows are still the run's.
    let correlation = "SELECT correlation::float8 FROM pg_stats WHERE tablename = 'sorted_index' AND attname = 'caller_number'";
    assert!(one::<f64>(&mut client, correlation) > 0.99);
    assert_eq!(failed_gates(&mut client), Vec::<String>::new());
    let state = "SELECT (SELECT relfilenode::text FROM pg_class WHERE relname = 'sorted_index')
                     || (SELECT string_agg(b::text, ' ' ORDER BY target) FROM millrace.bench_table b)";
    let before: String = one(&mut client, state);
    client.batch_execute(call).unwrap();
    assert_eq!(one::<String>(&mut client, state), before, "once more changes nothing");

    // If it was interrupted before that step, the same call does it.
    client.batch_execute("UPDATE millrace.bench_table SET after_load_ms = NULL").unwrap();
    client.batch_execute(call).unwrap();
    assert_eq!(one::<String>(&mut client, noted), "sorted true");
    client.batch_execute("SELECT stream_bench_drop('bench')").unwrap();
}

#[test]
fn wrong_calls_are_refused_and_leave_nothing() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE SCHEMA taken; CREATE TABLE taken.heap_noindex (n int)").unwrap();
    for (statement, code, message) in [
        (
            "CALL stream_bench('lineitem')",
            "22023",
            "invalid value for argument \"source\": lineitem HINT: A benchmark loads cdr or iot.",
        ),
        ("CALL stream_bench(NULL)", "22004", "argument \"source\" must not be null"),
        ("CALL stream_bench(rows => 0)", "22023", "invalid value for argument \"rows\": 0"),
        ("CALL stream_bench(rows => -1)", "22023", "argument \"rows\": -1"),
        ("CALL stream_bench(batch_rows => 0)", "22023", "invalid value for argument \"batch_rows\": 0"),
        ("CALL stream_bench(batch_rows => NULL)", "22004", "argument \"batch_rows\" must not be null"),
        ("CALL stream_bench(phase => 'indexed')", "22023", "A phase is noindex, index, or both."),
        ("CALL stream_bench(phase => NULL)", "22004", "argument \"phase\" must not be null"),
        ("CALL stream_bench(schema => '')", "22023", "invalid value for argument \"schema\""),
        ("CALL stream_bench(workers => 0)", "22023", "invalid value for argument \"workers\": 0"),
        ("CALL stream_bench(options => '[]')", "22023", "Options are a JSON object"),
        ("CALL stream_bench(options => '{\"sead\": 1}')", "22023", "sead"),
        ("CALL stream_bench(options => '{\"rate\": -1}')", "22023", "options.rate"),
        ("CALL stream_bench(analyze_every => 0)", "22023", "invalid value for argument \"analyze_every\": 0"),
        ("CALL stream_bench(run => '')", "22023", "invalid value for argument \"run\""),
        ("CALL stream_bench(run => NULL)", "22004", "argument \"run\" must not be null"),
        (
            "CALL stream_bench(variants => '{hoop}')",
            "42704",
            "variant \"hoop\" does not exist HINT: View stream_variants",
        ),
        ("CALL stream_bench(variants => '{heap, NULL}')", "22004", "argument \"variants\" must not be null"),
        ("CALL stream_bench(variants => '{heap, heap}')", "22023", "Name each variant once."),
        ("CALL stream_bench(variants => '{pax, ao_row}')", "22023", "This server has none of them."),
        ("CALL stream_bench(variants => '{}')", "22023", "This server has none of them."),
        ("CALL stream_bench(schema => 'taken')", "42P07", "relation \"heap_noindex\" already exists"),
        ("BEGIN; CALL stream_bench()", "25001", "CALL stream_bench cannot run inside a transaction block"),
        ("SELECT * FROM stream_gates('bench')", "42704", "benchmark \"bench\" does not exist"),
        ("SELECT * FROM stream_gates(NULL)", "22004", "argument \"run\" must not be null"),
        ("SELECT stream_bench_drop('bench')", "42704", "benchmark \"bench\" does not exist"),
    ] {
        let (found, text) = error_of(&mut client, statement).unwrap_or_else(|| panic!("{statement}"));
        assert_eq!(found, code, "{statement}: {text}");
        assert!(text.contains(message), "{statement}: {text}");
        let _ = client.batch_execute("ROLLBACK");
        let left = "SELECT (SELECT count(*) FROM millrace.bench) + (SELECT count(*) FROM millrace.run)
                         + (SELECT count(*) FROM pg_namespace WHERE nspname = 'bench')";
        assert_eq!(one::<i64>(&mut client, left), 0, "{statement}");
    }
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_report('bench')"), 0);
}

#[test]
fn a_partitioned_variant_is_distributed_by_its_table() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "INSERT INTO millrace.variant (name, create_suffix, partition_by, partitions) VALUES
                ('spread', 'WITH (fillfactor = 50) distributed by (caller_number, call_id)',
                 'RANGE (call_hour)', '{FOR VALUES FROM (0) TO (12), DEFAULT}'),
                ('copied', 'DISTRIBUTED REPLICATED', NULL, NULL)",
        )
        .unwrap();
    let mut statements = |variant: &str| {
        let made = format!(
            "SELECT millrace.bench_variant_statements('{variant}', 'noindex', 'cdr', 'bench', 1000, '{{}}')"
        );
        texts(&mut client, &made)
    };
    assert_eq!(
        statements("spread"),
        [
            "CREATE TABLE bench.spread_noindex (LIKE public.cdr_calls) PARTITION BY RANGE (call_hour) \
             distributed by (caller_number, call_id)",
            "CREATE TABLE bench.spread_noindex_00 PARTITION OF bench.spread_noindex FOR VALUES FROM (0) TO (12) \
             WITH (fillfactor = 50)",
            "CREATE TABLE bench.spread_noindex_01 PARTITION OF bench.spread_noindex DEFAULT WITH (fillfactor = 50)",
        ]
    );
    assert_eq!(
        statements("copied"),
        ["CREATE TABLE bench.copied_noindex (LIKE public.cdr_calls) DISTRIBUTED REPLICATED"]
    );
}

#[test]
fn variants_of_ones_own_and_whose_benchmark_it_is() {
    let cluster = Cluster::new();
    let mut admin = cluster.connect();
    admin
        .batch_execute(
            "CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
             GRANT CREATE ON DATABASE postgres TO ann, bob",
        )
        .unwrap();
    let mut ann = cluster.connect_as("ann");
    ann.batch_execute(
        "INSERT INTO millrace.variant (name, access_method, create_suffix, index_set, about)
         VALUES ('loose', NULL, 'WITH (fillfactor = 50)', '{USING hash (caller_number)}', 'half-full pages'),
                ('magic', 'magic', NULL, NULL, 'not there')",
    )
    .unwrap();
    let call = "CALL stream_bench(rows => 3000, batch_rows => 1000, variants => '{loose, magic, heap}', schema => 'of_ann')";
    ann.batch_execute(call).unwrap();
    let skipped = texts(&mut ann, "SELECT variant || ': ' || reason FROM stream_bench_skipped");
    assert_eq!(skipped, ["magic: access method \"magic\" does not exist"]);
    assert_eq!(
        one::<String>(
            &mut ann,
            "SELECT definition FROM stream_bench_tables WHERE variant = 'loose' AND phase = 'index'"
        ),
        "CREATE TABLE of_ann.loose_index (LIKE public.cdr_calls) WITH (fillfactor = 50);\n\
         CREATE INDEX ON of_ann.loose_index USING hash (caller_number)"
    );
    // The first named is the baseline: with half the space in use, the other is about half as large.
    assert!(one::<bool>(
        &mut ann,
        "SELECT bool_and(figure < 0.7 OR variant = 'loose') FROM stream_gates('bench') WHERE gate = 'size' AND phase = 'noindex'"
    ));
    assert_eq!(failed_gates(&mut ann), Vec::<String>::new());

    // Texts of one role never become statements of another, not even of a superuser.
    for client in [&mut cluster.connect_as("bob"), &mut admin] {
        let (code, text) =
            error_of(client, "CALL stream_bench(rows => 10, run => 'mine', variants => '{loose}')").unwrap();
        assert_eq!((code.as_str(), text.contains("\"loose\" does not exist")), ("42704", true), "{text}");
        client
            .batch_execute(
                "CALL stream_bench(rows => 10, run => 'mine', phase => 'noindex', schema => current_user)",
            )
            .unwrap();
        assert_eq!(
            one::<i64>(
                client,
                "SELECT count(*) FROM stream_bench_tables WHERE bench = 'mine' AND variant = 'loose'"
            ),
            0
        );
        client.batch_execute("SELECT stream_bench_drop('mine')").unwrap();
    }
    let mut bob = cluster.connect_as("bob");
    for (statement, code) in [
        ("INSERT INTO millrace.variant (name, owner) VALUES ('trap', ROW(10, 'postgres', 0))", "42501"),
        ("INSERT INTO millrace.variant (name, owner) VALUES ('trap', NULL)", "42501"),
        ("INSERT INTO millrace.variant (name) VALUES ('loose')", "23505"),
        ("SELECT stream_bench_drop('bench')", "42501"),
        ("SELECT stream_variant_drop('loose')", "42501"),
        (call, "42501"),
        ("UPDATE millrace.variant SET create_suffix = ''", "42501"),
        ("DELETE FROM millrace.variant", "42501"),
        ("DELETE FROM millrace.bench_query", "42501"),
    ] {
        assert_eq!(error_of(&mut bob, statement).unwrap().0, code, "{statement}");
    }
    assert_eq!(
        one::<i64>(&mut bob, "SELECT count(*) FROM stream_report('bench') WHERE rows = 3000"),
        4,
        "all may look"
    );

    // Not even if a benchmark, its variants and its tables' names are prepared for another role to resume, such as in a dump.
    ann.batch_execute(
        "INSERT INTO millrace.variant (name, create_suffix, after_load)
         VALUES ('trap', '; ALTER ROLE ann SUPERUSER', 'ALTER ROLE ann SUPERUSER')",
    )
    .unwrap();
    admin
        .batch_execute(
            "INSERT INTO millrace.bench (name, owner, source, rows, batch_rows, options, schema, created)
                 SELECT 'trap', owner, 'cdr', 1000000, 100000, '{}', 'trap', now()
                 FROM millrace.variant WHERE name = 'trap';
             INSERT INTO millrace.bench_variant VALUES ('trap', 1, 'trap')",
        )
        .unwrap();
    for (statement, message) in [
        ("CALL stream_bench(run => 'trap', schema => 'trap')", "must be owner of benchmark \"trap\""),
        (
            "SELECT millrace.bench_open_phase('trap', 'noindex', 1, '{}')",
            "variant \"trap\" belongs to role \"ann\"",
        ),
        (
            "SELECT millrace.bench_variant_statements('trap', 'noindex', 'cdr', 'trap', 1000, '{}')",
            "variant \"trap\" belongs to role \"ann\"",
        ),
    ] {
        let (code, text) = error_of(&mut admin, statement).unwrap();
        assert_eq!((code.as_str(), text.contains(message)), ("42501", true), "{statement}: {text}");
    }
    admin.batch_execute("CREATE TABLE kept AS SELECT 1 AS n").unwrap();
    for name in ["kept; ALTER ROLE ann SUPERUSER", "public.kept"] {
        admin.execute("UPDATE millrace.target SET name = $1", &[&name]).unwrap();
        admin.batch_execute("DELETE FROM millrace.bench_query; DELETE FROM millrace.bench_analyze").unwrap();
        for statement in [
            "SELECT millrace.bench_analyze_targets('bench/noindex', 1)",
            "SELECT millrace.bench_run_next_query('bench/noindex')",
        ] {
            let (code, text) = error_of(&mut admin, statement).unwrap();
            assert!(["42602", "42601", "55000"].contains(&code.as_str()), "{statement}: {code} {text}");
        }
        if name == "public.kept" {
            admin.batch_execute("BEGIN; SELECT stream_bench_drop('bench')").unwrap();
            assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM kept"), 1, "it is not ann's");
            admin.batch_execute("ROLLBACK").unwrap();
        } else {
            let (code, text) = error_of(&mut admin, "SELECT stream_bench_drop('bench')").unwrap();
            assert!(["42602", "42601", "22023"].contains(&code.as_str()), "{code} {text}");
        }
    }
    assert!(!one::<bool>(&mut admin, "SELECT rolsuper FROM pg_roles WHERE rolname = 'ann'"));
    admin.batch_execute("UPDATE millrace.target SET name = relation::regclass::text").unwrap();
    ann.batch_execute(
        "SELECT stream_bench_drop('trap'), stream_bench_drop('bench');
         SELECT stream_variant_drop(name) FROM millrace.variant",
    )
    .unwrap();
    assert_eq!(
        one::<i64>(&mut admin, "SELECT count(*) FROM millrace.variants"),
        8,
        "those of the extension stay"
    );
}

#[test]
fn a_dump_keeps_benchmarks_and_variants() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("INSERT INTO millrace.variant (name, unlogged) VALUES ('quick', true)").unwrap();
    client
        .batch_execute("CALL stream_bench(rows => 3000, batch_rows => 1000, variants => '{heap, quick}')")
        .unwrap();
    client.batch_execute("CREATE DATABASE restored").unwrap();
    let dump = cluster.folder().join("dump").to_string_lossy().into_owned();
    cluster.client_program("pg_dump", &["-Fc", "-f", &dump, "postgres"]);
    cluster.client_program("pg_restore", &["--exit-on-error", "-d", "restored", &dump]);
    let mut restored = cluster.config().dbname("restored").connect(NoTls).unwrap();
    for query in [
        "SELECT count(*) FROM millrace.variant",
        "SELECT count(*) FROM stream_queries WHERE same",
        "SELECT count(*) FROM millrace.bench_analyze",
        "SELECT sum(rows_per_second)::bigint FROM stream_report('bench')",
    ] {
        assert_eq!(one::<i64>(&mut restored, query), one::<i64>(&mut client, query), "{query}");
    }
    for phase in ["noindex", "index"] {
        restored.batch_execute(&format!("CALL stream_resume('bench/{phase}', adopt => true)")).unwrap();
    }
    assert_eq!(failed_gates(&mut restored), Vec::<String>::new());
    restored.batch_execute("SELECT stream_bench_drop('bench')").unwrap();
    assert_eq!(
        one::<i64>(&mut restored, "SELECT count(*) FROM pg_class WHERE relname ~ '^(heap|quick)_'"),
        0
    );
}

/// The sizes of the first 400 batches are those of any longer plan.
const ROWS: &str = "SELECT sum(rows_in_batch)::bigint FROM (
    SELECT * FROM stream_plan('cdr', rows => 10000000, batch_rows => 400, options => '{\"profile\": \"diurnal\"}') LIMIT 400) p";

#[test]
fn interrupted_thirty_times_all_variants_are_whole() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE EXTENSION amcheck").unwrap();
    let rows: i64 = one(&mut client, ROWS);
    let call = format!(
        "CALL stream_bench(rows => {rows}, batch_rows => 400, variants => '{{heap, heap_hourly}}', phase => 'index',
                           options => '{{\"profile\": \"diurnal\"}}')"
    );
    let mut dice = Dice::new();
    let mut done = 0;
    for round in 0..30 {
        let mut watcher = cluster.connect();
        let mut session = cluster.connect();
        let cancel = session.cancel_token();
        let enough = done + dice.below(7) as i64;
        let progress = "SELECT coalesce(max(batches_done), 0) FROM stream_progress";
        let is_due =
            format!("SELECT EXISTS (SELECT FROM pg_stat_progress_copy) AND ({progress}) >= {enough}");
        std::thread::scope(|scope| {
            let running = scope.spawn(|| error_of(&mut session, &call));
            wait_until("the moment to strike", || running.is_finished() || one(&mut watcher, &is_due));
            match round % 3 {
                0 => cancel.cancel_query(NoTls).unwrap(),
                1 => cluster.crash(one(&mut watcher, "SELECT pid FROM stream_progress")),
                _ => {
                    cluster.stop("immediate");
                    cluster.start();
                }
            }
            let error = running.join().unwrap().expect("the run is not interrupted");
            assert_eq!(error.0 == "57014", round % 3 == 0, "{error:?}");
        });
        if round % 3 == 0 {
            wait_until_free(&mut watcher);
        }
        let mut client = cluster.connect();
        let now: i64 = one(&mut client, progress);
        assert!(now >= done, "committed batches are kept");
        done = now;
        if done > 0 {
            assert!(
                one::<bool>(&mut client, "SELECT bool_and(matches) FROM stream_verify('bench/index')"),
                "round {round}"
            );
        }
    }
    println!("{done} of 400 batches after thirty interruptions");
    let mut client = cluster.connect();
    client.batch_execute(&call).unwrap();
    let once = "SELECT count(*) = 800 AND count(DISTINCT (batch, target)) = 800 AND max(batch) = 400 FROM stream_batches";
    assert!(one::<bool>(&mut client, once), "each batch once");
    let whole = content(&mut client, &format!("cdr_gen({rows}, '{{\"rows_per_day\": {rows}}}')"));
    assert_eq!(whole.0, rows);
    assert_eq!(content(&mut client, "bench.heap_index"), whole);
    assert_eq!(content(&mut client, "bench.heap_hourly_index"), whole);
    assert_eq!(failed_gates(&mut client), Vec::<String>::new());
    let indexes = "SELECT count(bt_index_check(indexrelid, true)::text) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
                   WHERE indrelid::regclass::text ~ '^bench' AND c.relkind = 'i'";
    assert_eq!(one::<i64>(&mut client, indexes), 5 + 24 * 5);
}
