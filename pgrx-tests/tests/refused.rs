//! What INSERT accepts is not refused, and refusals say why: defaults, partitions, collations, rights of folders, calls that
//! cannot commit, names of settings.

use millrace_tests::{Cluster, Script, content, error_of, one, rows_of};
use postgres::{Client, NoTls};
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{Receiver, channel};

/// A session, and the warnings that come in it.
fn with_warnings(cluster: &Cluster) -> (Client, Receiver<String>) {
    let (sender, warnings) = channel();
    let mut config = cluster.config();
    config.notice_callback(move |notice| {
        if notice.severity() == "WARNING" {
            let _ = sender.send(notice.message().to_owned());
        }
    });
    (config.connect(NoTls).unwrap(), warnings)
}

/// Loads nation into `t` and expects the values that its other column has.
fn assert_other_column(client: &mut Client, make: &str, expected: &str) {
    for bulk in ["on", "off"] {
        client
            .script(&format!(
                "DROP SCHEMA IF EXISTS w CASCADE; CREATE SCHEMA w; SET search_path = w, public;
                 SET millrace.enable_bulk_insert = {bulk}; {make}"
            ))
            .unwrap_or_else(|error| panic!("{make}: {error:?}"));
        client.script("INSERT INTO t (n_nationkey) VALUES (-1)").unwrap();
        client
            .script("CALL stream_ingest('t', 'nation')")
            .unwrap_or_else(|error| panic!("{make}: {error:?}"));
        let found = rows_of(client, "SELECT count(*), min(other::text), max(other::text) FROM t");
        assert_eq!(found, Ok(vec![format!("26|{expected}|{expected}")]), "{make}, bulk {bulk}");
        client.script("SELECT stream_drop('w.t')").unwrap();
    }
}

#[test]
fn a_domains_default_is_a_default() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for (make, expected) in [
        ("CREATE DOMAIN d AS int DEFAULT 7; CREATE TABLE t (n_nationkey int, other d)", "7"),
        (
            "CREATE DOMAIN d AS int DEFAULT 7; CREATE DOMAIN e AS d; CREATE TABLE t (n_nationkey int, other e)",
            "7",
        ),
        (
            "CREATE DOMAIN d AS int DEFAULT 7; CREATE DOMAIN e AS d DEFAULT 8; CREATE TABLE t (n_nationkey int, other e)",
            "8",
        ),
        (
            "CREATE DOMAIN d AS int DEFAULT 7 NOT NULL; CREATE TABLE t (n_nationkey int, other d DEFAULT 9)",
            "9",
        ),
        ("CREATE DOMAIN d AS int[] DEFAULT '{1,2}'; CREATE TABLE t (n_nationkey int, other d)", "{1,2}"),
        (
            "CREATE DOMAIN d AS int DEFAULT 7; CREATE TABLE t (n_nationkey int, other d) PARTITION BY LIST (n_nationkey); CREATE TABLE p PARTITION OF t DEFAULT",
            "7",
        ),
    ] {
        assert_other_column(&mut client, make, expected);
    }
}

#[test]
fn a_default_of_the_table_under_a_view_is_a_default() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for (make, expected) in [
        ("CREATE TABLE b (n_nationkey int, other int DEFAULT 7); CREATE VIEW t AS SELECT * FROM b", "7"),
        (
            "CREATE TABLE b (n_nationkey int, other int DEFAULT 7); CREATE VIEW t AS SELECT * FROM b; ALTER VIEW t ALTER other SET DEFAULT 5",
            "5",
        ),
        (
            "CREATE TABLE b (n_nationkey int, o int DEFAULT 7); CREATE VIEW i AS SELECT o AS other, n_nationkey FROM b; CREATE VIEW t AS SELECT * FROM i",
            "7",
        ),
        (
            "CREATE DOMAIN d AS int DEFAULT 7; CREATE TABLE b (n_nationkey int, other d); CREATE VIEW t AS SELECT * FROM b",
            "7",
        ),
        (
            "CREATE TABLE b (n_nationkey int, other int GENERATED ALWAYS AS (7) STORED); CREATE VIEW t AS SELECT * FROM b",
            "7",
        ),
    ] {
        assert_other_column(&mut client, make, expected);
    }
    let identity = "CREATE TABLE b (n_nationkey int, other int GENERATED ALWAYS AS IDENTITY); CREATE VIEW t AS SELECT * FROM b";
    client
        .script(&format!(
            "DROP SCHEMA w CASCADE; CREATE SCHEMA w; {identity}; CALL stream_ingest('t', 'nation')"
        ))
        .unwrap();
    assert_eq!(rows_of(&mut client, "SELECT count(DISTINCT other) FROM t"), Ok(vec!["25".to_owned()]));
}

#[test]
fn a_trigger_of_a_view_fills_what_the_source_does_not_have() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let make = "CREATE TABLE b (n_nationkey int, other int);
                CREATE VIEW t AS SELECT DISTINCT * FROM b;
                CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO b VALUES (NEW.n_nationkey, coalesce(NEW.other, 7)); RETURN NEW; END $$;
                CREATE TRIGGER put INSTEAD OF INSERT ON t FOR EACH ROW EXECUTE FUNCTION put()";
    assert_other_column(&mut client, make, "7");
}

#[test]
fn a_column_that_nothing_fills_is_still_refused() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for make in [
        "CREATE DOMAIN d AS int; CREATE TABLE t (n_nationkey int, other d)",
        "CREATE DOMAIN d AS int DEFAULT 7; CREATE TABLE t (n_nationkey int, other d DEFAULT NULL)",
        "CREATE DOMAIN d AS int DEFAULT 7; CREATE DOMAIN e AS d DEFAULT NULL; CREATE TABLE t (n_nationkey int, other e)",
        "CREATE TABLE b (n_nationkey int, other int); CREATE VIEW t AS SELECT * FROM b",
    ] {
        client
            .script(&format!(
                "DROP SCHEMA IF EXISTS w CASCADE; CREATE SCHEMA w; SET search_path = w, public; {make}"
            ))
            .unwrap();
        let found = error_of(&mut client, "CALL stream_ingest('t', 'nation')");
        // An explicit default of null is a default for INSERT, and so it is for us.
        if !make.contains("DEFAULT NULL") || found.is_some() {
            let (code, message) = found.unwrap_or_default();
            assert_eq!(code, "42804", "{make}: {message}");
            assert!(message.contains("\"other\""), "{make}: {message}");
        }
    }
}

#[test]
fn a_small_server_loads_a_table_of_many_partitions() {
    // Room for some hundred locks, where each partition would take one or two.
    let cluster = Cluster::with_settings(&[
        "max_connections = 10",
        "max_locks_per_transaction = 10",
        "max_worker_processes = 2",
        "max_wal_senders = 0",
        "autovacuum_max_workers = 1",
    ]);
    let mut client = cluster.connect();
    client.script("CREATE TABLE t (n_nationkey int, n_name text) PARTITION BY RANGE (n_nationkey)").unwrap();
    for number in (0..2000).step_by(100) {
        client
            .script(&format!(
                "DO $$ BEGIN FOR i IN {number} .. {number} + 99 LOOP
                     EXECUTE format('CREATE TABLE t%s PARTITION OF t FOR VALUES FROM (%s) TO (%s)', i, i * 10, i * 10 + 10);
                     COMMIT;
                 END LOOP; END $$"
            ))
            .unwrap();
    }
    client.script("INSERT INTO t VALUES (19999, 'by hand')").unwrap();
    client.script("CALL stream_ingest('t', 'nation')").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM t0"), 10);
    client.script("SET millrace.enable_bulk_insert = off").unwrap();
    client.script("CALL stream_ingest('t', 'nation')").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM t2"), 10);
}

#[test]
fn partitions_of_another_order_of_columns_bring_no_warning() {
    let cluster = Cluster::new();
    let (mut client, warnings) = with_warnings(&cluster);
    client
        .script(
            "CREATE TABLE t (n_nationkey int, n_name text, n_regionkey int) PARTITION BY LIST (n_regionkey);
             CREATE TABLE low (gone int, n_regionkey int, n_name text, n_nationkey int);
             ALTER TABLE low DROP gone; ALTER TABLE t ATTACH PARTITION low FOR VALUES IN (0, 1, 2);
             CREATE TABLE high PARTITION OF t DEFAULT",
        )
        .unwrap();
    let expected =
        content(&mut client, "(SELECT n_nationkey, rtrim(n_name), n_regionkey FROM tpch_nation())");
    for (bulk, workers) in [("on", 1), ("off", 1), ("on", 2)] {
        client
            .script(&format!(
                "TRUNCATE t; SET millrace.enable_bulk_insert = {bulk};
                 CALL stream_ingest('t', 'nation', batch_rows => 5, workers => {workers}, run => '{bulk}{workers}')"
            ))
            .unwrap();
        assert_eq!(content(&mut client, "(SELECT n_nationkey, rtrim(n_name), n_regionkey FROM t)"), expected);
        client.script(&format!("SELECT * FROM stream_verify('{bulk}{workers}')")).unwrap();
        assert_eq!(warnings.try_iter().collect::<Vec<_>>(), [""; 0], "bulk {bulk}, workers {workers}");
    }
    assert!(!cluster.log().contains("WARNING"), "{}", cluster.log());
}

#[test]
fn answers_are_compared_in_one_order_whatever_the_databases_is() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    if one::<i64>(&mut client, "SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'") == 0 {
        println!("this server has no ICU");
        return;
    }
    for (number, locale) in ["cs-CZ", "en-u-kn-true", "de-u-ka-shifted"].iter().enumerate() {
        let name = format!("icu{number}");
        let options = format!("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE '{locale}'");
        let mut client = cluster.database(&name, &options);
        client.script("SELECT tpch_virtual('made', 0.01)").unwrap();
        let failed =
            rows_of(&mut client, "SELECT query, difference FROM tpch_validate('made') WHERE NOT pass");
        assert_eq!(failed, Ok(Vec::new()), "{locale}");
    }
}

#[test]
fn who_may_read_an_exported_file_may_enter_its_folder() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let path = cluster.folder().join("out");
    let output =
        std::process::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/as-server-user"))
            .args(["mkdir", &path.to_string_lossy()])
            .status()
            .unwrap();
    assert!(output.success());
    let query = r#"SELECT path FROM stream_export('nation', $1, 'csv', options => '{"partition_by": "n_regionkey"}')"#;
    let files: Vec<String> =
        client.query(query, &[&path.to_string_lossy()]).unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(files.len(), 5);
    for file in files {
        let file = std::path::Path::new(&file);
        let readers = std::fs::metadata(file).unwrap().mode() & 0o044;
        let mut folder = file.parent().unwrap();
        while folder != path {
            let mode = std::fs::metadata(folder).unwrap().mode();
            assert_eq!(mode & 0o055, readers | readers >> 2, "{}: {mode:o}", folder.display());
            folder = folder.parent().unwrap();
        }
    }
}

#[test]
fn where_a_call_cannot_commit_a_hint_says_how_it_can() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for (call, wrapper) in [
        ("CALL stream_ingest('nation')", "nation"),
        ("CALL stream_resume('public.nation')", "resume"),
        ("CALL tpch_load(0.001)", "load"),
        ("CALL tpch_refresh(stream => 1)", "refresh"),
        ("CALL stream_bench(rows => 100)", "bench"),
    ] {
        client
            .script(&format!(
                "CREATE TABLE IF NOT EXISTS nation (LIKE tpch_nation);
                 CREATE FUNCTION f_{wrapper}() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {call}; END $$;
                 CREATE PROCEDURE set_{wrapper}() LANGUAGE plpgsql SET work_mem = '4MB' AS $$ BEGIN {call}; END $$;
                 CREATE PROCEDURE definer_{wrapper}() LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {call}; END $$;
                 CREATE PROCEDURE sql_{wrapper}() LANGUAGE sql AS $$ {call} $$"
            ))
            .unwrap();
        for outer in ["SELECT f_", "CALL set_", "CALL definer_", "CALL sql_"] {
            let statement = format!("{outer}{wrapper}()");
            let (code, message) = error_of(&mut client, &statement).unwrap();
            assert_eq!(code, "2D000", "{statement}: {message}");
            assert!(message.contains(" HINT: "), "{statement}: {message}");
        }
    }
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM stream_progress"), 0);
    // A procedure without SET may, and so may a DO.
    client
        .script(
            "CREATE PROCEDURE plain() LANGUAGE plpgsql AS $$ BEGIN CALL stream_ingest('nation'); END $$; CALL plain();
             DO $$ BEGIN CALL stream_ingest('nation'); END $$",
        )
        .unwrap();
    assert_eq!(content(&mut client, "nation").0, 50);
}

#[test]
fn a_misspelt_setting_is_told() {
    let cluster = Cluster::with_settings(&["millrace.enable_bulk_inserts = off"]);
    let (mut client, warnings) = with_warnings(&cluster);
    client.script("SELECT count(*) FROM tpch_region()").unwrap();
    let told = warnings.try_iter().any(|warning| warning.contains("millrace.enable_bulk_inserts"));
    assert!(told || cluster.log().contains("\"millrace.enable_bulk_inserts\""), "of postgresql.conf");
    let error = error_of(&mut client, "SET millrace.enable_scans = off");
    // Refused from 15 on; 14 has no reserved prefixes.
    if one::<i32>(&mut client, "SELECT current_setting('server_version_num')::int") >= 150_000 {
        let (code, message) = error.unwrap_or_default();
        assert!(["42704", "42602"].contains(&code.as_str()), "{code} {message}");
    }
    client.script("SET millrace.enable_scan = off").unwrap();
}
