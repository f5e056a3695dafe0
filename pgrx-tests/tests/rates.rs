//! Rows that arrive at a rate, whether the tables keep up or not: when batches are due, how late they are, who reads
//! meanwhile, and which rate holds.

use millrace_tests::{Cluster, error_of, one, percentile, rows_of, wait_until, wait_until_free};
use postgres::{Client, NoTls};
use std::time::{Duration, Instant};

/// Microseconds of a time of the server's.
const MICROSECONDS: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// When each batch of a run was due, and how late it was, in milliseconds; in the order of the batches.
fn latencies(client: &mut Client, run: &str) -> Vec<(i64, f64)> {
    let batches = "SELECT (extract(epoch FROM due) * 1000000)::bigint, latency_ms FROM stream_batches
                   WHERE run = $1 ORDER BY batch";
    client.query(batches, &[&run]).unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn a_stall_is_charged_to_every_batch_that_it_delays() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE t AS SELECT * FROM cdr_gen(1) WITH NO DATA").unwrap();
    let mut session = cluster.connect();
    let (mut locked, mut released) = (0, 0);
    std::thread::scope(|scope| {
        let call = "CALL stream_ingest('t', 'cdr', rows => 60000, batch_rows => 100, run => 'r', options => '{\"rate\": 10000}')";
        let running = scope.spawn(move || session.batch_execute(call));
        wait_until("some batches", || one(&mut client, "SELECT count(*) > 50 FROM stream_batches"));
        let mut transaction = client.transaction().unwrap();
        transaction.batch_execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE").unwrap();
        let begun = Instant::now();
        locked = transaction.query_one(&format!("SELECT {MICROSECONDS}"), &[]).unwrap().get(0);
        wait_until("three seconds to pass", || begun.elapsed() > Duration::from_secs(3));
        released = transaction.query_one(&format!("SELECT {MICROSECONDS}"), &[]).unwrap().get::<_, i64>(0);
        transaction.commit().unwrap();
        running.join().unwrap().unwrap();
    });
    let batches = latencies(&mut client, "r");
    assert_eq!(batches.len(), 600);
    assert!(batches.windows(2).all(|pair| pair[1].0 - pair[0].0 == 10_000), "a batch is due every 10 ms");

    // Batches that were due while nobody could write waited until then, or longer.
    let delayed: Vec<_> = batches.iter().filter(|(due, _)| (locked..released).contains(due)).collect();
    let expected = (released - locked) / 10_000;
    assert!(
        (expected - 1..=expected + 1).contains(&(delayed.len() as i64)),
        "{} of {expected}",
        delayed.len()
    );
    assert!(delayed.iter().all(|(due, ms)| *ms >= (released - due) as f64 / 1e3));

    let mut sorted: Vec<f64> = batches.iter().map(|(_, ms)| *ms).collect();
    sorted.sort_by(f64::total_cmp);
    let row = client
        .query_one(
            "SELECT p50_ms::float8, p95_ms::float8, p99_ms::float8, p999_ms::float8, max_ms::float8,
                    rows = rows_offered AND rows = 60000 AND sustained IS NOT NULL
             FROM stream_latency('r')",
            &[],
        )
        .unwrap();
    for (column, share) in [0.5, 0.95, 0.99, 0.999, 1.0].into_iter().enumerate() {
        let (said, exact): (f64, f64) = (row.get(column), percentile(&sorted, share));
        assert!((said - exact).abs() < 0.001, "{share}: {said}, {exact}");
        // The batch of this rank was due at least this long before the end of the stall.
        let rank_from_above = 600.0 - (share * 600.0_f64).ceil();
        let least = (released - locked) as f64 / 1e3 - 10.0 * (rank_from_above + 2.0);
        assert!(said >= least, "{share}: {said}, {least}");
    }
    assert!(row.get::<_, bool>(5));
}

#[test]
fn no_more_rows_arrive_than_a_run_has() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CALL stream_bench(rows => 2000000, batch_rows => 1000, variants => '{heap}', phase => 'noindex',
                               rate => 50000000)",
        )
        .unwrap();
    // All have arrived after the first 40 ms.
    let arrived = "SELECT DISTINCT rows + backlog_rows FROM stream_moments
                   WHERE at > (SELECT min(at) FROM stream_moments) + '40 ms'::interval AND backlog_rows IS NOT NULL";
    assert_eq!(rows_of(&mut client, arrived).unwrap(), ["2000000"]);
}

#[test]
fn a_rate_beyond_what_the_server_can_do_leaves_a_backlog_of_the_difference() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CALL stream_bench(rows => NULL, batch_rows => 1000, variants => '{heap}', phase => 'noindex',
                               rate => 50000000, duration => '3 s')",
        )
        .unwrap();
    let moments = client
        .query(
            "SELECT (extract(epoch FROM at) * 1000000)::bigint, rows, backlog_rows FROM stream_moments
             WHERE backlog_rows IS NOT NULL ORDER BY at",
            &[],
        )
        .unwrap();
    assert!(moments.len() >= 2, "{}", moments.len());
    let moments: Vec<(i64, i64, i64)> =
        moments.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    for pair in moments.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        assert!(after.2 > before.2, "the backlog grows: {pair:?}");
        // What has arrived, minus what was committed, at 50 rows a microsecond.
        let come = (after.1 + after.2) - (before.1 + before.2);
        assert!((come - 50 * (after.0 - before.0)).abs() <= 1, "{pair:?}");
    }
    let row = client
        .query_one(
            "SELECT sustained, rows, rows_offered, p50_ms <= p99_ms AND p99_ms <= max_ms AND max_ms < 4000 + 1000 * seconds
             FROM stream_latency('bench')",
            &[],
        )
        .unwrap();
    let (sustained, rows, offered): (bool, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert!(!sustained && row.get::<_, bool>(3));
    // All rows that came are counted, including those not stored when time ended the run.
    assert!((149_000_000..=150_001_000).contains(&offered), "{offered}");
    assert!(rows < offered / 10, "{rows}");
    let gates = "SELECT string_agg(gate || ' ' || pass, ', ' ORDER BY gate) FROM stream_gates('bench') WHERE variant IS NULL";
    assert_eq!(one::<String>(&mut client, gates), "latency false, rate false");

    // Time has ended the run: it is done, and what is there is what there should be.
    let state =
        "SELECT state || ' ' || (batches = batches_done AND rows_total = rows_done) FROM stream_progress";
    assert_eq!(one::<String>(&mut client, state), "done true");
    assert!(one::<bool>(&mut client, "SELECT matches FROM stream_verify('bench/noindex')"));
    client.batch_execute("SELECT stream_bench_drop('bench')").unwrap();
    for table in ["run", "session", "moment", "reading", "batch"] {
        assert_eq!(one::<i64>(&mut client, &format!("SELECT count(*) FROM millrace.{table}")), 0, "{table}");
    }
}

#[test]
fn a_run_without_end_goes_on_after_a_stop_and_a_crash_and_the_time_between_is_a_gap() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE t AS SELECT * FROM cdr_gen(1) WITH NO DATA").unwrap();
    let call = "CALL stream_ingest('t', 'cdr', batch_rows => 100, run => 'r', options => '{\"rows\": null, \"rate\": 1000}')";
    let ingest = |end: &mut dyn FnMut(&mut Client, i32)| {
        let mut session = cluster.connect();
        let mut watcher = cluster.connect();
        let pid: i32 = one(&mut session, "SELECT pg_backend_pid()");
        let before: i64 = one(&mut watcher, "SELECT count(*) FROM stream_batches");
        std::thread::scope(|scope| {
            scope.spawn(move || session.batch_execute(call));
            wait_until("some batches", || {
                one::<i64>(&mut watcher, "SELECT count(*) FROM stream_batches") > before + 5
            });
            end(&mut watcher, pid);
        });
    };
    ingest(&mut |watcher, _| watcher.batch_execute("SELECT stream_stop('r')").unwrap());
    wait_until_free(&mut client);
    let state = "SELECT concat_ws(' ', state, batches, rows_total, percent, eta) FROM stream_progress";
    assert_eq!(one::<String>(&mut client, state), "interrupted");
    ingest(&mut |_, pid| cluster.crash(pid));
    ingest(&mut |watcher, _| watcher.batch_execute("SELECT stream_stop('r')").unwrap());
    let mut client = cluster.connect();
    wait_until_free(&mut client);
    assert!(one::<bool>(&mut client, "SELECT matches FROM stream_verify('r')"));

    // Due times stand still while nobody ingests, to the moment.
    let gaps = "SELECT s.begun, lag(s.ended) OVER (ORDER BY s.begun) AS ended FROM millrace.sessions('r') s";
    let moved = client
        .query(
            &format!(
                "WITH gap AS (SELECT * FROM ({gaps}) g WHERE ended IS NOT NULL), due AS (
                     SELECT finished, due - lag(due) OVER (ORDER BY batch) - interval '100 ms' AS moved,
                            lag(finished) OVER (ORDER BY batch) AS before
                     FROM stream_batches)
                 SELECT moved >= begun - ended AND moved <= finished - ended FROM gap JOIN due ON before = ended"
            ),
            &[],
        )
        .unwrap();
    assert_eq!(moved.iter().map(|row| row.get(0)).collect::<Vec<bool>>(), [true, true]);
    let steady = "SELECT count(*) FILTER (WHERE step = interval '100 ms') = count(*) - 2
                  FROM (SELECT due - lag(due) OVER (ORDER BY batch) AS step FROM stream_batches) s WHERE step IS NOT NULL";
    assert!(one::<bool>(&mut client, steady));
    let reported = format!(
        "SELECT abs(gap_seconds - (SELECT sum(extract(epoch FROM begun - ended)) FROM ({gaps}) g)) < 0.001 FROM stream_latency('r')"
    );
    assert!(one::<bool>(&mut client, &reported));
    client.batch_execute("SELECT stream_drop('r')").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM millrace.session"), 0);
}

#[test]
fn readers_and_the_stream_are_counted_whole() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let mut session = cluster.connect();
    let call = "CALL stream_bench(rows => 20000, batch_rows => 500, variants => '{heap}', phase => 'noindex',
                                      rate => 10000, readers => 2)";
    std::thread::scope(|scope| {
        let running = scope.spawn(move || session.batch_execute(call));
        let workers =
            "SELECT coalesce(string_agg(backend_type, ', ' ORDER BY backend_type), '') FROM pg_stat_activity
                       WHERE backend_type LIKE 'millrace %'";
        wait_until("the readers", || {
            one::<String>(&mut client, workers) == "millrace observer, millrace reader, millrace reader"
        });
        running.join().unwrap().unwrap();
        wait_until("them to be gone", || one::<String>(&mut client, workers).is_empty());
    });
    // The phase with readers is one more, with the same rows.
    let runs = "SELECT string_agg(name || ' ' || rows, ', ') FROM stream_latency('bench')";
    assert_eq!(one::<String>(&mut client, runs), "bench/noindex 20000, bench/noindex_read 20000");
    assert_eq!(
        one::<String>(&mut client, "SELECT string_agg(DISTINCT name, ', ') FROM stream_readers('bench')"),
        "bench/noindex_read"
    );
    // Readers run the queries in turn: none can have run two times more often than another.
    let counts =
        client.query("SELECT sum(count)::bigint FROM stream_readers('bench') GROUP BY query", &[]).unwrap();
    let counts: Vec<i64> = counts.iter().map(|row| row.get(0)).collect();
    // A finished benchmark is not read again.
    client.batch_execute(call).unwrap();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert_eq!(counts.len(), 4);
    assert!(*least > 0 && most - least <= 2, "{counts:?}");
    let noted = "SELECT sum(count)::bigint FROM millrace.reading";
    assert_eq!(counts.iter().sum::<i64>(), one::<i64>(&mut client, noted));
    let sound = "SELECT bool_and(p50_ms <= p95_ms AND p95_ms <= p99_ms AND p99_ms <= p999_ms AND p999_ms <= max_ms)
                        AND bool_and((fresh_max_ms > 0) IS NOT DISTINCT FROM CASE WHEN streaming THEN true END)
                        AND bool_or(streaming) AND NOT bool_and(streaming)
                 FROM stream_readers('bench')";
    assert!(one::<bool>(&mut client, sound));
    // The last look at the server saw all rows.
    let last = "SELECT max(rows) FROM stream_moments WHERE run = 'bench/noindex_read'";
    assert_eq!(one::<i64>(&mut client, last), 20_000);
    let sizes = "SELECT bool_or(table_bytes > 1000000 AND index_bytes = 0) FROM stream_moments";
    assert!(one::<bool>(&mut client, sizes));
    for (readers, code) in [("-1", "22023"), ("101", "22023")] {
        let call = format!(
            "CALL stream_bench(rows => 100, readers => {readers}, run => 'other', schema => 'other')"
        );
        assert_eq!(error_of(&mut client, &call).unwrap().0, code, "{readers}");
    }
}

#[test]
fn the_highest_rate_is_found_for_each_variant_alone() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let call = "CALL stream_rate(start_rate => 40000, seconds => 1, batch_rows => 2000, tolerance => 1, phase => 'noindex',
                                 variants => '{heap, half}')";
    client
        .batch_execute(
            "INSERT INTO millrace.variant (name, create_suffix) VALUES ('half', 'WITH (fillfactor = 50)')",
        )
        .unwrap();
    let mut session = cluster.connect();
    let token = session.cancel_token();
    std::thread::scope(|scope| {
        let running = scope.spawn(move || error_of(&mut session, call));
        wait_until("the second step", || {
            one(&mut client, "SELECT count(*) > 0 FROM stream_rate_steps, stream_batches")
        });
        token.cancel_query(NoTls).unwrap();
        assert_eq!(running.join().unwrap().unwrap().0, "57014");
    });
    wait_until_free(&mut client);
    client.batch_execute(call).unwrap();
    // Each step offers twice as much as the one before, or half of it.
    let steps = client
        .query(
            "SELECT variant, step, rate, sustained FROM stream_rate_steps ORDER BY variant DESC, step",
            &[],
        )
        .unwrap();
    for variant in ["heap", "half"] {
        let of_variant: Vec<(i32, f64, bool)> = steps
            .iter()
            .filter(|row| row.get::<_, &str>(0) == variant)
            .map(|row| (row.get(1), row.get(2), row.get(3)))
            .collect();
        assert!(of_variant.iter().zip(1..).all(|(step, number)| step.0 == number), "{of_variant:?}");
        assert_eq!(of_variant[0].1, 40_000.0);
        assert!(
            of_variant.windows(2).all(|pair| pair[1].1 == if pair[0].2 { 2.0 } else { 0.5 } * pair[0].1),
            "{of_variant:?}"
        );
        assert!(
            of_variant.iter().any(|step| step.2) && of_variant.iter().any(|step| !step.2),
            "{of_variant:?}"
        );
    }
    let found = "SELECT string_agg(variant, ', ' ORDER BY variant) FROM stream_rates WHERE done AND too_high <= 2 * rows_per_second";
    assert_eq!(one::<String>(&mut client, found), "half, heap");
    // The tables of the steps are gone, and a search that is done is not made again.
    assert_eq!(
        one::<i64>(&mut client, "SELECT count(*) FROM pg_class WHERE relnamespace = 'rate'::regnamespace"),
        0
    );
    client.batch_execute(call).unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_rate_steps"), steps.len() as i64);

    client.batch_execute("CREATE TABLE heap_noindex ()").unwrap();
    for (call, code, text) in [
        ("CALL stream_rate(start_rate => 1000)", "22023", "search \"rate\" was begun with other parameters"),
        ("CALL stream_rate(start_rate => 0, run => 'n')", "22023", "\"start_rate\""),
        ("CALL stream_rate(start_rate => 'NaN', run => 'n')", "22023", "\"start_rate\""),
        ("CALL stream_rate(seconds => NULL, run => 'n')", "22004", "\"seconds\""),
        ("CALL stream_rate(max_p99 => '-1 s', run => 'n')", "22023", "\"max_p99\""),
        ("CALL stream_rate(tolerance => 0, run => 'n')", "22023", "\"tolerance\""),
        ("CALL stream_rate(variants => '{none}', run => 'n')", "42704", "variant \"none\" does not exist"),
        ("CALL stream_rate(phase => NULL, run => 'n')", "22004", "\"phase\""),
        ("CALL stream_rate(phase => 'x', run => 'n')", "22023", "A phase is noindex, index, or both."),
        ("CALL stream_rate(variants => '{}', run => 'n')", "22023", "\"variants\""),
        ("CALL stream_rate(run => '')", "22023", "\"run\""),
        (
            "CALL stream_bench(schema => 'public', run => 'n', variants => '{heap}', rows => 1, phase => 'noindex')",
            "42P07",
            "give another schema",
        ),
        ("SELECT stream_rate_drop('none')", "42704", "search \"none\" does not exist"),
        ("CALL stream_bench(rate => 0)", "22023", "\"rate\""),
        ("CALL stream_bench(rate => 'Infinity')", "22023", "\"rate\""),
        ("CALL stream_bench(rate => 1, options => '{\"rate\": 1}')", "22023", "Give rate and duration once"),
        ("CALL stream_bench(duration => '-1 s')", "22023", "\"options.duration\""),
        ("CALL stream_bench(rate => 10, duration => '1 s')", "22023", "choose a longer duration"),
        (
            "CALL stream_bench(options => '{\"duration\": \"soon\"}')",
            "22007",
            "invalid input syntax for type interval",
        ),
    ] {
        let (found, message) = error_of(&mut client, call).unwrap_or_default();
        assert_eq!(found, code, "{call}: {message}");
        assert!(message.contains(text), "{call}: {message}");
    }
    client.batch_execute("SELECT stream_rate_drop('rate')").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_rate_steps"), 0);
}

#[test]
fn time_ends_a_run_of_several_processes_without_holes() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE t AS SELECT * FROM cdr_gen(1) WITH NO DATA").unwrap();
    let call = "CALL stream_ingest('t', 'cdr', batch_rows => 200, workers => 3, run => 'r',
                                   options => '{\"rows\": null, \"duration\": \"2 s\"}')";
    let mut session = cluster.connect();
    std::thread::scope(|scope| {
        scope.spawn(move || session.batch_execute(call));
        let worker = "SELECT count(*) > 20, min(pid) FROM stream_batches
                      LEFT JOIN pg_stat_activity ON backend_type = 'millrace ingest worker'";
        let mut pid = None;
        wait_until("batches and a worker", || {
            let row = client.query_one(worker, &[]).unwrap();
            pid = row.get::<_, Option<i32>>(1);
            row.get(0) && pid.is_some()
        });
        cluster.crash(pid.unwrap());
    });
    let mut client = cluster.connect();
    wait_until_free(&mut client);
    client.batch_execute(call).unwrap();
    let whole = "SELECT count(*) = max(batch) AND count(*) = (SELECT batches FROM stream_progress WHERE state = 'done')
                        AND sum(rows) = (SELECT count(*) FROM t)
                 FROM stream_batches";
    assert!(one::<bool>(&mut client, whole));
    assert!(one::<bool>(&mut client, "SELECT matches FROM stream_verify('r')"));
    // Both calls together took at least that long, and the time between them does not count.
    let used = "SELECT sum(ended - begun) >= interval '1.9 s' FROM millrace.sessions('r')";
    assert!(one::<bool>(&mut client, used));
    // It is done: the same call does nothing.
    let batches: i64 = one(&mut client, "SELECT count(*) FROM stream_batches");
    client.batch_execute(call).unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_batches"), batches);
}

#[test]
fn time_between_two_batches_ends_a_run_as_well() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE UNLOGGED TABLE t AS SELECT * FROM cdr_gen(1) WITH NO DATA").unwrap();
    // The sixteenth batch would come after 1.6 s.
    let call = "CALL stream_ingest('t', 'cdr', batch_rows => 1000, run => 'r',
                                   options => '{\"rows\": null, \"rate\": 10000, \"duration\": 1.55}')";
    client.batch_execute(call).unwrap();
    let state = "SELECT concat_ws(' ', state, batches_done = batches, percent, rows_done = rows_total, batches <= 15) FROM stream_progress";
    assert_eq!(one::<String>(&mut client, state), "done t 100.0 t t");
}

#[test]
fn a_run_goes_on_without_its_observer_but_not_without_a_reader() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let mut struck = |run: &str, readers: i32, worker: &str| {
        let mut session = cluster.connect();
        let call = format!(
            "CALL stream_bench(rows => 6000, batch_rows => 100, variants => '{{heap}}', phase => 'noindex', rate => 3000,
                               readers => {readers}, run => '{run}', schema => '{run}')"
        );
        std::thread::scope(|scope| {
            let running = scope.spawn(move || error_of(&mut session, &call));
            let end = format!(
                "SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity WHERE backend_type = '{worker}'"
            );
            wait_until(worker, || one::<bool>(&mut client, &end));
            running.join().unwrap()
        })
    };
    assert_eq!(struck("observed", 0, "millrace observer"), None);
    let (code, _) = struck("read", 1, "millrace reader").unwrap();
    assert_eq!(code, "57P01");
    let rows = "SELECT rows FROM stream_latency('observed')";
    assert_eq!(one::<i64>(&mut client, rows), 6000);
}
