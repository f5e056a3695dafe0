//! Ingesting call records and readings: profiles, plans, resuming.

use millrace_tests::{Cluster, content, error_of, verified, wait_until};
use postgres::NoTls;

#[test]
fn tables_of_calls_and_readings_are_filled_by_name() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for (table, row_type, function, arguments) in [
        ("cdr", "cdr_calls", "cdr_gen(30000)", ", rows => 30000"),
        ("iot", "iot_readings", "iot_gen(30000)", ", rows => 30000"),
        ("cell_towers", "cdr_cell_towers", "cdr_cell_towers()", ""),
        ("rate_plans", "cdr_rate_plans", "cdr_rate_plans()", ""),
        ("termination_reasons", "cdr_termination_reasons", "cdr_termination_reasons()", ""),
    ] {
        client.batch_execute(&format!("CREATE TABLE {table} (LIKE {row_type})")).unwrap();
        client
            .batch_execute(&format!("CALL stream_ingest('{table}', batch_rows => 7000{arguments})"))
            .unwrap();
        assert!(verified(&mut client, &format!("public.{table}")), "{table}");
        assert_eq!(content(&mut client, table), content(&mut client, function), "{table}");
    }
    // The keys hold where the server checks them, which is the executor's path.
    client
        .batch_execute(
            "ALTER TABLE cell_towers ADD PRIMARY KEY (cell_tower_id);
             ALTER TABLE rate_plans ADD PRIMARY KEY (rate_plan_id);
             ALTER TABLE termination_reasons ADD PRIMARY KEY (termination_code);
             CREATE TABLE keyed (
                 LIKE cdr_calls, PRIMARY KEY (call_id),
                 FOREIGN KEY (cell_tower_id) REFERENCES cell_towers,
                 FOREIGN KEY (rate_plan_id) REFERENCES rate_plans,
                 FOREIGN KEY (termination_code) REFERENCES termination_reasons
             )",
        )
        .unwrap();
    client.batch_execute("CALL stream_ingest('keyed', 'cdr', rows => 30000)").unwrap();
    assert_eq!(content(&mut client, "keyed"), content(&mut client, "cdr"));
}

#[test]
fn a_run_commits_the_batches_of_its_plan() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for (run, source, arguments) in [
        ("day", "cdr", r#"rows => 45000, batch_rows => 500, options => '{"profile": "diurnal", "seed": 4}'"#),
        ("list", "cdr", r#"rows => 10000, options => '{"profile": [1, 400, 2000]}'"#),
        ("bursts", "lineitem", r#"sf => 0.01, batch_rows => 1000, options => '{"profile": "burst"}'"#),
        ("even", "orders", "sf => 0.01, batch_rows => 4000"),
    ] {
        let row_type = if source == "cdr" { "cdr_calls".to_owned() } else { format!("tpch_{source}") };
        client.batch_execute(&format!("CREATE TABLE \"{run}\" (LIKE {row_type})")).unwrap();
        let call = format!("CALL stream_ingest('{run}', '{source}', run => '{run}', {arguments})");
        client.batch_execute(&call).unwrap();
        let different = format!(
            "SELECT count(*) FILTER (WHERE p.rows_in_batch IS DISTINCT FROM b.rows), count(*),
                    sum(p.rows_in_batch)::bigint, count(DISTINCT p.rows_in_batch)
             FROM stream_plan('{source}', {arguments}) p
             FULL JOIN (SELECT batch, rows FROM stream_batches WHERE run = '{run}') b USING (batch)"
        );
        let row = client.query_one(&different, &[]).unwrap();
        let (different, batches, rows, sizes): (i64, i64, i64, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(different, 0, "{run}");
        assert_eq!(content(&mut client, &format!("\"{run}\"")).0, rows, "{run}");
        assert!(verified(&mut client, run), "{run}");
        let done = "SELECT batches FROM stream_progress WHERE run = $1 AND state = 'done'";
        assert_eq!(client.query_one(done, &[&run]).unwrap().get::<_, i64>(0), batches);
        assert!(sizes >= if run == "even" { 1 } else { 3 }, "{run}: {sizes} sizes");
    }
}

#[test]
fn a_diurnal_run_is_cancelled_and_resumed() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CREATE TABLE cdr (LIKE cdr_calls); CREATE INDEX ON cdr (caller_number)").unwrap();
    let call = r#"CALL stream_ingest('cdr', rows => 120000, batch_rows => 1000,
                                     options => '{"profile": "diurnal", "seed": 9}')"#;
    let mut session = cluster.connect();
    let cancel = session.cancel_token();
    let error = std::thread::scope(|scope| {
        let paced = call.replace("\"seed\"", "\"rate\": 20000, \"seed\"");
        let running = scope.spawn(move || error_of(&mut session, &paced));
        wait_until("some batches", || {
            let query = "SELECT coalesce(max(batches_done), 0) >= 70 FROM stream_progress";
            client.query_one(query, &[]).unwrap().get(0)
        });
        cancel.cancel_query(NoTls).unwrap();
        running.join().unwrap()
    });
    assert_eq!(error.unwrap().0, "57014");
    wait_until("the run to be free", || {
        let query = "SELECT state = 'interrupted' FROM stream_progress";
        client.query_one(query, &[]).unwrap().get(0)
    });
    assert!(verified(&mut client, "public.cdr"));
    // Another profile makes other batches.
    let (code, message) = error_of(&mut client, &call.replace("diurnal", "burst")).unwrap();
    assert_eq!(code, "22023");
    assert!(message.contains("profile: \"diurnal\" then, \"burst\" now"), "{message}");
    client.batch_execute(call).unwrap();
    assert!(verified(&mut client, "public.cdr"));
    assert_eq!(content(&mut client, "cdr"), content(&mut client, "cdr_gen(120000, '{\"seed\": 9}')"));
    // Each batch once, in the sizes of a day: nights, then bursts.
    let sizes = "SELECT string_agg(DISTINCT rows::text, ' ') FROM stream_batches WHERE batch < 90";
    assert_eq!(client.query_one(sizes, &[]).unwrap().get::<_, &str>(0), "100 1000 5000");
}
