//! A run is a value: what it loads follows from what it began with, whatever the settings of the session that resumes or
//! verifies it, and whatever happened to its table meanwhile.

use millrace_tests::{Cluster, Script, content, error_of, one, rows_of, state, verified, wait_until};
use postgres::{Client, NoTls};

/// Begins a run that fails at a batch in its middle, which a constraint refuses; without the constraint it can be resumed.
fn interrupt(client: &mut Client, table: &str, condition: &str, call: &str) {
    client.script(&format!("ALTER TABLE {table} ADD CONSTRAINT half CHECK ({condition})")).unwrap();
    let (code, message) = error_of(client, call).unwrap();
    assert_eq!(code, "23514", "{call}: {message}");
    client.script(&format!("ALTER TABLE {table} DROP CONSTRAINT half")).unwrap();
}

/// A setting, two values, a source with its arguments, the target's columns, and a condition that its later rows break.
struct Case {
    setting: &'static str,
    values: [&'static str; 2],
    source: &'static str,
    columns: &'static str,
    half: &'static str,
}

const IOT: &str = "'iot', rows => 100, batch_rows => 10";

const SETTINGS: &[Case] = &[
    Case {
        setting: "timezone",
        values: ["UTC", "Asia/Tokyo"],
        source: IOT,
        columns: "device bigint, metric text, \"time\" timestamptz, arrival timestamptz, n int GENERATED ALWAYS AS IDENTITY",
        half: "n < 45",
    },
    Case {
        setting: "timezone",
        values: ["America/New_York", "Asia/Kathmandu"],
        source: "'orders', sf => 0.0001, batch_rows => 10",
        columns: "o_orderkey int, o_orderdate timestamptz",
        half: "o_orderkey < 100",
    },
    Case {
        setting: "timezone",
        values: ["UTC", "Europe/Berlin"],
        source: "'cdr', rows => 100, batch_rows => 10",
        columns: "call_timestamp timestamptz, call_date timestamptz, n int GENERATED ALWAYS AS IDENTITY",
        half: "n < 45",
    },
    Case {
        setting: "DateStyle",
        values: ["ISO, MDY", "German"],
        source: "'orders', sf => 0.0001, batch_rows => 10",
        columns: "o_orderkey int, o_orderdate text",
        half: "o_orderkey < 100",
    },
    Case {
        setting: "DateStyle",
        values: ["SQL, DMY", "Postgres, MDY"],
        source: IOT,
        columns: "device bigint, metric text, \"time\" varchar(40), arrival text, n int GENERATED ALWAYS AS IDENTITY",
        half: "n < 45",
    },
    Case {
        setting: "extra_float_digits",
        values: ["1", "-5"],
        source: IOT,
        columns: "device bigint, metric text, value text, n int GENERATED ALWAYS AS IDENTITY",
        half: "n < 45",
    },
    Case {
        setting: "IntervalStyle",
        values: ["postgres", "iso_8601"],
        source: IOT,
        columns: "device bigint, metric text, \"time\" text, n int GENERATED ALWAYS AS IDENTITY",
        half: "n < 45",
    },
    Case {
        setting: "lc_monetary",
        values: ["C", "C.UTF-8"],
        source: "'orders', sf => 0.0001, batch_rows => 10",
        columns: "o_orderkey int, o_totalprice money",
        half: "o_orderkey < 100",
    },
    Case {
        setting: "bytea_output",
        values: ["hex", "escape"],
        source: "'orders', sf => 0.0001, batch_rows => 10",
        columns: "o_orderkey int, o_clerk text",
        half: "o_orderkey < 100",
    },
];

fn each_setting(check: impl Fn(&Cluster, &Case)) {
    let cluster = Cluster::new();
    for case in SETTINGS {
        cluster.connect().script("DROP SCHEMA IF EXISTS w CASCADE; CREATE SCHEMA w").unwrap();
        check(&cluster, case);
    }
}

fn set(client: &mut Client, case: &Case, value: usize) {
    client.script(&format!("SET {} = '{}'", case.setting, case.values[value])).unwrap();
}

fn rows_in(client: &mut Client, table: &str) -> Vec<String> {
    client.script("RESET ALL").unwrap();
    rows_of(client, &format!("SELECT * FROM {table}")).unwrap()
}

#[test]
fn what_is_loaded_does_not_depend_on_the_session() {
    each_setting(|cluster, case| {
        let context = format!("{} {:?} {}", case.setting, case.values, case.columns);
        let mut client = cluster.connect();
        client.script(&format!("CREATE TABLE w.t ({})", case.columns)).unwrap();
        set(&mut client, case, 0);
        client.script(&format!("CALL stream_ingest('w.t', {}, run => '{context}')", case.source)).unwrap();
        for value in [0, 1] {
            set(&mut client, case, value);
            assert!(verified(&mut client, &context), "{context}, verified under {}", case.values[value]);
        }
    });
}

#[test]
fn a_run_resumed_under_other_settings_is_as_if_it_had_never_stopped() {
    each_setting(|cluster, case| {
        let context = format!("{} {:?} {}", case.setting, case.values, case.columns);
        let mut client = cluster.connect();
        client
            .script(&format!(
                "CREATE TABLE w.whole ({}); CREATE TABLE w.halves ({})",
                case.columns, case.columns
            ))
            .unwrap();
        set(&mut client, case, 0);
        client
            .script(&format!("CALL stream_ingest('w.whole', {}, run => 'whole {context}')", case.source))
            .unwrap();
        let call = format!("CALL stream_ingest('w.halves', {}, run => '{context}')", case.source);
        interrupt(&mut client, "w.halves", case.half, &call);
        set(&mut client, case, 1);
        client.script(&format!("CALL stream_resume('{context}')")).unwrap();
        assert!(verified(&mut client, &context), "{context}");
        let numbers = "ALTER TABLE w.whole DROP IF EXISTS n; ALTER TABLE w.halves DROP IF EXISTS n";
        client.script(numbers).unwrap();
        assert_eq!(rows_in(&mut client, "w.halves"), rows_in(&mut client, "w.whole"), "{context}");
    });
}

#[test]
fn the_same_call_under_other_settings_resumes_as_begun_or_is_refused() {
    each_setting(|cluster, case| {
        let context = format!("{} {:?} {}", case.setting, case.values, case.columns);
        let mut client = cluster.connect();
        client.script(&format!("CREATE TABLE w.t ({})", case.columns)).unwrap();
        set(&mut client, case, 0);
        let call = format!("CALL stream_ingest('w.t', {}, run => '{context}')", case.source);
        interrupt(&mut client, "w.t", case.half, &call);
        set(&mut client, case, 1);
        match error_of(&mut client, &call) {
            Some((code, message)) => assert_eq!(code, "22023", "{context}: {message}"),
            None => assert_eq!(state(&mut client, &context), "done"),
        }
        assert!(verified(&mut client, &context), "{context}");
    });
}

#[test]
fn workers_make_the_same_rows_under_any_setting() {
    each_setting(|cluster, case| {
        let context = format!("{} {:?} {}", case.setting, case.values, case.columns);
        let mut client = cluster.connect();
        client.script(&format!("CREATE TABLE w.t ({})", case.columns)).unwrap();
        set(&mut client, case, 1);
        client
            .script(&format!("CALL stream_ingest('w.t', {}, workers => 2, run => '{context}')", case.source))
            .unwrap();
        assert!(verified(&mut client, &context), "{context}");
    });
}

#[test]
fn the_two_ways_to_insert_agree_under_any_setting() {
    each_setting(|cluster, case| {
        let mut client = cluster.connect();
        set(&mut client, case, 1);
        for (table, bulk) in [("bulk", "on"), ("executed", "off")] {
            let run = format!("{table} {} {}", case.setting, case.columns);
            client
                .script(&format!(
                    "CREATE TABLE w.{table} ({}); SET millrace.enable_bulk_insert = {bulk};
                     CALL stream_ingest('w.{table}', {}, run => '{run}')",
                    case.columns, case.source
                ))
                .unwrap_or_else(|error| panic!("{run}: {error:?}"));
        }
        assert_eq!(
            rows_in(&mut client, "w.bulk"),
            rows_in(&mut client, "w.executed"),
            "{} {}",
            case.setting,
            case.columns
        );
    });
}

#[test]
fn local_times_are_utc_in_a_timestamptz_column() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for (zone, bulk) in [("America/New_York", "on"), ("Asia/Tokyo", "off"), ("Europe/Berlin", "on")] {
        client
            .script(&format!(
                "SET timezone = '{zone}'; SET millrace.enable_bulk_insert = {bulk};
                 DROP TABLE IF EXISTS t; CREATE TABLE t (device bigint, metric text, \"time\" timestamptz, arrival timestamptz);
                 CALL stream_ingest('t', 'iot', rows => 50, run => '{zone}')"
            ))
            .unwrap();
        assert_eq!(
            content(
                &mut client,
                "(SELECT device, metric, \"time\" AT TIME ZONE 'UTC', arrival AT TIME ZONE 'UTC' FROM t)"
            ),
            content(&mut client, "(SELECT device, metric, \"time\", arrival FROM iot_gen(50))"),
            "{zone}, bulk {bulk}"
        );
    }
}

#[test]
fn the_hour_that_clocks_skip_is_an_hour_like_any_other() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "SET timezone = 'America/New_York';
             CREATE TABLE iot (device bigint, metric text, \"time\" timestamptz, value float8, PRIMARY KEY (device, metric, \"time\"))",
        )
        .unwrap();
    let call = r#"CALL stream_ingest('iot', rows => 100,
                  options => '{"start": "2024-03-10 01:30:00", "interval": 600, "devices": 1}')"#;
    client.script(call).unwrap();
    assert_eq!(content(&mut client, "iot").0, 100);
    assert!(verified(&mut client, "public.iot"));
}

#[test]
fn a_column_of_money_can_be_verified() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CREATE TABLE orders (o_orderkey bigint, o_totalprice money)").unwrap();
    client.script("CALL stream_ingest('orders', sf => 0.001)").unwrap();
    assert!(verified(&mut client, "public.orders"));
    client.script("UPDATE orders SET o_totalprice = o_totalprice + '0.01' WHERE o_orderkey = 7").unwrap();
    assert!(!verified(&mut client, "public.orders"));
}

#[test]
fn a_column_of_any_type_that_can_be_loaded_can_be_verified() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CREATE DOMAIN cash AS money").unwrap();
    for kind in [
        "money",
        "cash",
        "xml",
        "json",
        "jsonb",
        "bit(8)",
        "tsvector",
        "text COLLATE \"C\"",
        "citext",
        "numeric",
        "float4",
    ] {
        client.script("CREATE EXTENSION IF NOT EXISTS citext").unwrap();
        client
            .script(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (r_regionkey {kind}, r_name text)"))
            .unwrap();
        let run = format!("of {kind}");
        // A type that cannot be loaded is refused as INSERT would do.
        if error_of(&mut client, &format!("CALL stream_ingest('t', 'region', run => '{run}')")).is_none() {
            let verified = rows_of(&mut client, &format!("SELECT matches FROM stream_verify('{run}')"));
            assert_eq!(verified, Ok(vec!["t".to_owned()]), "{kind}");
        }
    }
}

#[test]
fn how_names_are_quoted_is_no_part_of_a_run() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let call = "CALL stream_ingest('nation', batch_rows => 5)";
    for (table, then, now) in [("a", "on", "off"), ("b", "off", "on")] {
        client
            .script(&format!(
                "CREATE SCHEMA {table}; CREATE TABLE {table}.nation (LIKE tpch_nation);
                 SET search_path = {table}, public; SET quote_all_identifiers = {then}"
            ))
            .unwrap();
        interrupt(&mut client, "nation", "n_nationkey < 12", call);
        client.script(&format!("SET quote_all_identifiers = {now}")).unwrap();
        client.script(call).unwrap();
        assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM nation"), 25, "{then} then {now}");
        assert!(verified(&mut client, &format!("{table}.nation")), "{then} then {now}");
        // Finished; the setting brings no other name for the next one.
        client.script(call).unwrap();
        assert_eq!(state(&mut client, &format!("{table}.nation#2")), "done");
    }
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_progress"), 4);
}

#[test]
fn a_kit_begun_with_all_names_quoted_is_resumed_without() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "SET quote_all_identifiers = on; CALL tpch_load(0, keys => false); ALTER TABLE tpch.orders ADD CONSTRAINT half CHECK (o_orderkey < 0)",
        )
        .unwrap();
    assert_eq!(error_of(&mut client, "CALL tpch_load(0.001, keys => false)").unwrap().0, "23514");
    client.script("SET quote_all_identifiers = off; ALTER TABLE tpch.orders DROP CONSTRAINT half").unwrap();
    client.script("CALL tpch_load(0.001, keys => false)").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_progress WHERE state = 'done'"), 8);
    client
        .script("SET quote_all_identifiers = on; CALL tpch_refresh(stream => 1); SELECT tpch_drop()")
        .unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_progress"), 0);
}

/// The main jobs, in the schemas of the search path. Each must succeed.
const MAIN_JOBS: &[&str] = &[
    "CREATE TABLE nation (LIKE tpch_nation, CONSTRAINT half CHECK (n_nationkey < 12))",
    "CREATE TABLE squares (n bigint, square bigint)",
    "!CALL stream_ingest('nation', batch_rows => 5)",
    "ALTER TABLE nation DROP CONSTRAINT half",
    "CALL stream_ingest('nation', batch_rows => 5, workers => 2)",
    "SELECT 1 / matches::int FROM stream_verify('w.nation')",
    "SELECT 1 / (rows = 25)::int FROM stream_report('w.nation')",
    "SELECT 1 / (min(state) OPERATOR(pg_catalog.=) 'done')::int FROM stream_progress WHERE run OPERATOR(pg_catalog.=) 'w.nation'",
    "CALL stream_ingest('squares', 'sql', rows => 20, batch_rows => 10,
         options => '{\"query\": \"SELECT g, g * g FROM generate_series($1, $2) g\", \"columns\": [\"n\", \"square\"]}')",
    "SELECT 1 / (count(*) = 20)::int FROM squares",
    "SELECT 1 / (count(*) = 150)::int FROM tpch_orders(0.0001)",
    "SELECT count(n_name) FROM tpch_gen('nation', row_type => NULL::tpch_nation)",
    "CALL stream_bench(rows => 100, batch_rows => 50, analyze_every => 1, phase => 'noindex', variants => '{heap_hourly}')",
    "SELECT 1 / bool_and(pass)::int FROM stream_gates('bench', 0, 100, 0, 1000) WHERE gate IN ('content', 'queries')",
    "SELECT stream_bench_drop('bench')",
    "SELECT stream_drop('w.nation')",
];

/// What takes longer: the TPC-H kit.
const KIT: &[&str] = &[
    "CALL tpch_load(0.001, 'kit')",
    "CALL tpch_refresh('kit', stream => 1)",
    "SELECT count(*) FROM tpch_run(1, 'kit')",
    "SELECT tpch_drop('kit')",
    "SELECT tpch_virtual('made', 0.01)",
    "SELECT 1 / (count(*) FILTER (WHERE pass) = 22)::int FROM tpch_validate('made')",
    "SELECT tpch_drop('made')",
];

/// Runs jobs and returns what went wrong, warnings included.
fn run_jobs(
    cluster: &Cluster,
    jobs: &[&str],
    database: &str,
    search_path: &str,
    settings: &str,
) -> Vec<String> {
    let (sender, warnings) = std::sync::mpsc::channel();
    let mut config = cluster.config();
    config.dbname(database).notice_callback(move |notice| {
        if notice.severity() == "WARNING" {
            let _ = sender.send(notice.message().to_owned());
        }
    });
    let mut client = config.connect(NoTls).unwrap();
    let schemas = "DROP SCHEMA IF EXISTS w, kit, made, bench CASCADE; CREATE SCHEMA w";
    client
        .script(&format!(
            "{schemas}; SET search_path = w, {search_path}; DELETE FROM millrace.run; {settings}"
        ))
        .unwrap();
    let mut wrong = Vec::new();
    for job in jobs {
        let (job, fails) = job.strip_prefix('!').map_or((*job, false), |job| (job, true));
        let error = error_of(&mut client, job);
        if error.is_some() != fails {
            wrong.push(format!("{settings}: {job}: {error:?}"));
        }
        wrong.extend(warnings.try_iter().map(|warning| format!("{settings}: {job}: {warning}")));
    }
    wrong
}

#[test]
fn the_extensions_schema_may_have_any_name() {
    let cluster = Cluster::new();
    let mut wrong = Vec::new();
    for (database, schema) in [
        ("percent", "50%off"),
        ("quoted", "it''s \\ \"\"so\"\""),
        ("dollar", "a$1$$b"),
        ("spaced", "%s %I %L"),
    ] {
        cluster.connect().script(&format!("CREATE DATABASE {database}")).unwrap();
        let mut client = cluster.connect_to(database, "postgres");
        let identifier = format!("\"{}\"", schema.replace("''", "'"));
        let create =
            format!("CREATE SCHEMA {identifier}; CREATE EXTENSION millrace WITH SCHEMA {identifier}");
        match error_of(&mut client, &create) {
            // CREATE EXTENSION itself refuses names that could not be put into its script: " $ ' or \.
            Some((code, message)) => {
                assert!(
                    schema.contains(['"', '$', '\'', '\\']) && code == "22P02",
                    "{schema}: {code} {message}"
                );
            }
            None => {
                wrong.extend(run_jobs(&cluster, &[MAIN_JOBS, KIT].concat(), database, &identifier, "SELECT"))
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_backslash_is_what_the_session_says_but_not_in_our_statements() {
    let cluster = Cluster::new();
    let wrong = run_jobs(
        &cluster,
        &[MAIN_JOBS, KIT].concat(),
        "postgres",
        "public",
        "SET standard_conforming_strings = off",
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_with_backslashes_are_names() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for strings in ["on", "off"] {
        client
            .script(&format!(
                r#"SET standard_conforming_strings = on; DROP TABLE IF EXISTS "back\slash"; CREATE TABLE "back\slash" (LIKE tpch_nation);
                   SET standard_conforming_strings = {strings};
                   CALL stream_ingest('"back' || chr(92) || 'slash"', 'nation', run => 'a' || chr(92) || 'n{strings}')"#
            ))
            .unwrap();
        assert!(verified(&mut client, &format!("a\\n{strings}")), "{strings}");
    }
}

#[test]
fn no_setting_of_a_session_stands_in_the_way() {
    let cluster = Cluster::new();
    let mut wrong = Vec::new();
    for settings in [
        "SET plpgsql.variable_conflict = use_column",
        "SET plpgsql.variable_conflict = use_variable",
        "SET plpgsql.extra_errors = 'all'; SET plpgsql.extra_warnings = 'all'",
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_sort = off",
        "SET array_nulls = off; SET transform_null_equals = on; SET xmlbinary = hex; SET row_security = off",
        "SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'; SET timezone = 'Pacific/Apia'; SET extra_float_digits = -15",
        "SET check_function_bodies = off; SET search_path = w, public, pg_catalog; SET quote_all_identifiers = on",
        "SET default_transaction_isolation = 'serializable'; SET default_transaction_deferrable = on",
        "SET standard_conforming_strings = off; SET escape_string_warning = off; SET backslash_quote = off",
        "SET client_encoding = 'UTF8'; SET bytea_output = 'escape'; SET lc_messages = 'C'; SET lc_numeric = 'C'",
        "CREATE FUNCTION w.count(integer) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'; CREATE FUNCTION w.format(text, text) RETURNS text LANGUAGE sql AS 'SELECT NULL::text';
         CREATE FUNCTION w.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE OPERATOR w.= (FUNCTION = w.eq, LEFTARG = text, RIGHTARG = text); SET search_path = w, public, pg_catalog",
    ] {
        wrong.extend(run_jobs(&cluster, MAIN_JOBS, "postgres", "public", settings));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_column_added_to_an_interrupted_target_is_refused_or_left_alone() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for (columns, change) in [
        ("n_nationkey int", "ADD n_name text"),
        ("n_nationkey int", "ADD n_name text DEFAULT 'given'"),
        ("n_nationkey int, n_name text", "ADD n_regionkey int, DROP n_name"),
        ("n_nationkey int, label text DEFAULT 'x'", "RENAME label TO n_name"),
        ("n_nationkey int, n_name text", "RENAME n_name TO label"),
        ("n_nationkey int, n_name text", "DROP n_name"),
    ] {
        for resume in ["CALL stream_ingest('t', 'nation', batch_rows => 5)", "CALL stream_resume('public.t')"]
        {
            client.script(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t ({columns})")).unwrap();
            client.script("DELETE FROM millrace.run").unwrap();
            interrupt(
                &mut client,
                "t",
                "n_nationkey < 12",
                "CALL stream_ingest('t', 'nation', batch_rows => 5)",
            );
            client.script(&format!("ALTER TABLE t {change}")).unwrap();
            match error_of(&mut client, resume) {
                Some((code, message)) => {
                    assert!(
                        ["22023", "42703", "42804", "55000"].contains(&code.as_str()),
                        "{change}: {code} {message}"
                    );
                }
                None => {
                    assert!(verified(&mut client, "public.t"), "{change}");
                    // All rows have been made alike.
                    let kinds = "SELECT count(DISTINCT (t.* IS NULL, to_jsonb(t) - 'n_nationkey' = jsonb_strip_nulls(to_jsonb(t) - 'n_nationkey'))) FROM t";
                    assert_eq!(one::<i64>(&mut client, kinds), 1, "{change}");
                }
            }
        }
    }
}

/// Changes table t while a run into it is within its second batch of five, so that the change comes right after it. Returns the
/// run's error.
fn change_within_a_run(cluster: &Cluster, settings: &str, change: &str) -> Option<(String, String)> {
    let mut gate = cluster.connect();
    gate.script(
        "DROP TABLE IF EXISTS t, elsewhere; DELETE FROM millrace.run; DELETE FROM millrace.batch; DELETE FROM millrace.target;
         CREATE OR REPLACE FUNCTION pass(key bigint) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
             IF key = 7 THEN PERFORM pg_advisory_xact_lock_shared(7); END IF; RETURN true;
         END $$;
         CREATE TABLE t (n_nationkey int CHECK (pass(n_nationkey)), n_name text); SELECT pg_advisory_lock(7)",
    )
    .unwrap();
    let mut session = cluster.connect();
    session.script(settings).unwrap();
    let running = std::thread::spawn(move || {
        error_of(&mut session, "CALL stream_ingest('t', 'nation', batch_rows => 5, run => 'r')")
    });
    let mut watcher = cluster.connect();
    let mut wait_for_waiters = |waiters: i64| {
        let query = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        wait_until("all to wait", || running.is_finished() || one::<i64>(&mut watcher, query) == waiters);
    };
    wait_for_waiters(1);
    let (mut changer, change) = (cluster.connect(), change.to_owned());
    let changing = std::thread::spawn(move || changer.script(&change).unwrap());
    wait_for_waiters(2);
    gate.script("SELECT pg_advisory_unlock(7)").unwrap();
    changing.join().unwrap();
    running.join().unwrap()
}

#[test]
fn a_column_that_goes_within_a_run_ends_it() {
    let cluster = Cluster::new();
    for settings in ["SELECT", "SET millrace.enable_bulk_insert = off"] {
        for change in ["ALTER TABLE t DROP n_name", "ALTER TABLE t RENAME n_name TO label"] {
            let (code, message) = change_within_a_run(&cluster, settings, change).unwrap_or_default();
            assert_eq!(code, "42703", "{settings}; {change}: {message}");
            let mut client = cluster.connect();
            assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM t"), 10, "{settings}; {change}");
        }
    }
}

#[test]
fn a_run_goes_on_in_its_own_table_when_another_takes_the_name() {
    let cluster = Cluster::new();
    for settings in ["SELECT", "SET millrace.enable_bulk_insert = off"] {
        let change = "BEGIN; ALTER TABLE t RENAME TO elsewhere; CREATE TABLE t (LIKE elsewhere); COMMIT";
        let error = change_within_a_run(&cluster, settings, change);
        assert_eq!(error, None, "{settings}");
        let mut client = cluster.connect();
        assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM t"), 0, "{settings}");
        assert!(verified(&mut client, "r"), "{settings}");
    }
}

#[test]
fn a_table_dropped_within_a_run_ends_it() {
    let cluster = Cluster::new();
    for settings in ["SELECT", "SET millrace.enable_bulk_insert = off"] {
        let (code, message) = change_within_a_run(&cluster, settings, "DROP TABLE t").unwrap_or_default();
        assert_eq!(code, "55000", "{settings}: {message}");
        assert!(message.contains("\"public.t\" of run \"r\" was dropped since"), "{settings}: {message}");
    }
}

#[test]
fn a_column_that_goes_while_a_call_waits_for_the_table_is_no_part_of_the_run() {
    let cluster = Cluster::new();
    let mut changer = cluster.connect();
    changer
        .script("CREATE TABLE t (n_nationkey int, n_name text); BEGIN; ALTER TABLE t DROP n_name, ADD n_regionkey int")
        .unwrap();
    let mut session = cluster.connect();
    let running =
        std::thread::spawn(move || error_of(&mut session, "CALL stream_ingest('t', 'nation', run => 'r')"));
    let mut watcher = cluster.connect();
    wait_until("the call to wait", || {
        running.is_finished() || one(&mut watcher, "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted")
    });
    changer.script("COMMIT").unwrap();
    assert_eq!(running.join().unwrap(), None);
    let columns = rows_of(&mut watcher, "SELECT columns FROM millrace.target");
    assert_eq!(columns, Ok(vec!["{n_nationkey,n_regionkey}".to_owned()]));
    assert_eq!(one::<i64>(&mut watcher, "SELECT count(n_regionkey) FROM t"), 25);
    assert!(verified(&mut watcher, "r"));
}

#[test]
fn the_rows_of_a_tables_children_are_not_its_own() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE parent (LIKE tpch_nation); CREATE TABLE child () INHERITS (parent);
             INSERT INTO child SELECT * FROM tpch_nation() WHERE n_nationkey < 3;
             CALL stream_ingest('parent', 'nation', run => 'rows');
             CREATE TABLE numbers (n bigint); CREATE TABLE more () INHERITS (numbers); INSERT INTO more VALUES (0);
             CALL stream_ingest('numbers', 'sql', rows => 10, run => 'query', options => '{\"query\": \"SELECT generate_series($1, $2)\"}')",
        )
        .unwrap();
    for run in ["rows", "query"] {
        assert!(verified(&mut client, run), "{run}");
    }
    client
        .script("DELETE FROM ONLY parent WHERE n_nationkey = 7; DELETE FROM ONLY numbers WHERE n = 7")
        .unwrap();
    for run in ["rows", "query"] {
        assert!(!verified(&mut client, run), "{run}: a row of its own is missing");
    }
}

/// Resumes a run while another session has dropped it in a transaction that ends as told.
fn resume_beside_a_drop(end: &str) -> (Option<(String, String)>, Cluster) {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CREATE TABLE zz (LIKE tpch_nation)").unwrap();
    interrupt(
        &mut client,
        "zz",
        "n_nationkey < 12",
        "CALL stream_ingest('zz', 'nation', batch_rows => 5, run => 'zz')",
    );
    client.script("BEGIN; SELECT stream_drop('zz')").unwrap();
    let mut other = cluster.connect();
    let pid: i32 = one(&mut other, "SELECT pg_backend_pid()");
    let resuming = std::thread::spawn(move || error_of(&mut other, "CALL stream_resume('zz')"));
    let mut watcher = cluster.connect();
    wait_until("the resume to wait or end", || {
        resuming.is_finished()
            || one(
                &mut watcher,
                &format!(
                    "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
                ),
            )
    });
    client.script(end).unwrap();
    (resuming.join().unwrap(), cluster)
}

#[test]
fn a_run_dropped_in_an_open_transaction_is_busy_and_then_unknown() {
    let (error, cluster) = resume_beside_a_drop("COMMIT");
    let (code, message) = error.unwrap();
    assert!(["55006", "42704"].contains(&code.as_str()), "{code} {message}");
    assert_eq!(error_of(&mut cluster.connect(), "CALL stream_resume('zz')").unwrap().0, "42704");
}

#[test]
fn a_run_whose_drop_is_rolled_back_is_resumed() {
    let (error, cluster) = resume_beside_a_drop("ROLLBACK");
    let mut client = cluster.connect();
    if let Some((code, message)) = error {
        assert_eq!(code, "55006", "{message}");
        client.script("CALL stream_resume('zz')").unwrap();
    }
    assert!(verified(&mut client, "zz"));
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM zz"), 25);
}

#[test]
fn two_sessions_drop_one_run_or_one_is_told_of_the_other() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script("CREATE TABLE zz (LIKE tpch_nation); CALL stream_ingest('zz', 'nation', run => 'zz')")
        .unwrap();
    client.script("BEGIN; SELECT stream_drop('zz')").unwrap();
    let mut other = cluster.connect();
    let pid: i32 = one(&mut other, "SELECT pg_backend_pid()");
    let dropping = std::thread::spawn(move || error_of(&mut other, "SELECT stream_drop('zz')"));
    let mut watcher = cluster.connect();
    wait_until("the drop to wait or end", || {
        dropping.is_finished()
            || one(
                &mut watcher,
                &format!(
                    "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
                ),
            )
    });
    client.script("COMMIT").unwrap();
    let (code, message) = dropping.join().unwrap().unwrap();
    assert!(["55006", "42704"].contains(&code.as_str()), "{code} {message}");
}

#[test]
fn a_benchmark_or_load_dropped_in_an_open_transaction_is_not_begun_anew_beside_it() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CALL tpch_load(0.001)").unwrap();
    client.script("BEGIN; SELECT tpch_drop()").unwrap();
    let mut other = cluster.connect();
    let pid: i32 = one(&mut other, "SELECT pg_backend_pid()");
    let loading = std::thread::spawn(move || error_of(&mut other, "CALL tpch_load(0.001)"));
    let mut watcher = cluster.connect();
    wait_until("the load to wait or end", || {
        loading.is_finished()
            || one(
                &mut watcher,
                &format!(
                    "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = {pid} AND wait_event_type = 'Lock'"
                ),
            )
    });
    client.script("COMMIT").unwrap();
    if let Some((code, message)) = loading.join().unwrap() {
        assert!(!code.starts_with("XX"), "{code} {message}");
    }
}

#[test]
fn a_serializable_session_shares_its_run_with_workers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for level in ["serializable", "repeatable read"] {
        client
            .script(&format!(
                "SET default_transaction_isolation = '{level}';
                 DROP TABLE IF EXISTS orders; CREATE TABLE orders (LIKE tpch_orders, PRIMARY KEY (o_orderkey));
                 CALL stream_ingest('orders', sf => 0.02, batch_rows => 500, workers => 4, run => '{level}')"
            ))
            .unwrap_or_else(|error| panic!("{level}: {error:?}"));
        assert_eq!(content(&mut client, "orders").0, 30_000, "{level}");
        assert!(verified(&mut client, level), "{level}");
    }
}

#[test]
fn serializable_sessions_load_unrelated_runs_at_once() {
    let cluster = Cluster::with_settings(&["default_transaction_isolation = 'serializable'"]);
    let mut client = cluster.connect();
    client.script("CREATE TABLE a (LIKE tpch_orders); CREATE TABLE b (LIKE tpch_orders)").unwrap();
    let loads: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|table| {
            let mut session = cluster.connect();
            let call = format!("CALL stream_ingest('{table}', 'orders', sf => 0.02, batch_rows => 200)");
            std::thread::spawn(move || error_of(&mut session, &call))
        })
        .collect();
    for load in loads {
        assert_eq!(load.join().unwrap(), None);
    }
    for table in ["a", "b"] {
        assert_eq!(content(&mut client, table).0, 30_000);
        assert!(verified(&mut client, &format!("public.{table}")));
    }
}
