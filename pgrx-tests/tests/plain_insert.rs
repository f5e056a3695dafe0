//! With other extensions that hook into the server: rows go where INSERT would put them, auditors see them written, and
//! others can read our plans. The hooks are in `hooks/hooks.c`.

use millrace_tests::{Cluster, Script, error_of, one, rows_of};
use postgres::Client;

fn hooked() -> Cluster {
    let library =
        std::env::var("MILLRACE_HOOKS").expect("MILLRACE_HOOKS names the library of the tests' hooks");
    Cluster::with_settings(&[&format!("shared_preload_libraries = '{library}'")])
}

/// Whether the run is done and its target holds what it should.
fn assert_whole(client: &mut Client, run: &str, context: &str) {
    let progress =
        rows_of(client, &format!("SELECT state, rows_done FROM stream_progress WHERE run = '{run}'"));
    assert_eq!(progress, Ok(vec!["done|25".to_owned()]), "{context}");
    let matches = rows_of(client, &format!("SELECT rows_found, matches FROM stream_verify('{run}')"));
    assert_eq!(matches, Ok(vec!["25|t".to_owned()]), "{context}");
}

#[test]
fn rows_of_a_table_that_lies_elsewhere_go_there() {
    let cluster = hooked();
    let mut client = cluster.connect();
    for (wrap, arguments) in
        [("off", ""), ("on", ""), ("off", ", batch_rows => 5"), ("on", ", batch_rows => 5, workers => 2")]
    {
        let context = format!("wrap {wrap}{arguments}");
        client
            .script(&format!(
                "SET hooks.wrap = {wrap}; CREATE TABLE moved (LIKE tpch_nation);
                 CREATE TABLE moved_elsewhere (LIKE tpch_nation)"
            ))
            .unwrap();
        client.script(&format!("CALL stream_ingest('moved', 'nation', run => 'moved'{arguments})")).unwrap();
        assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM moved_elsewhere"), 25, "{context}");
        assert_eq!(one::<i64>(&mut client, "SELECT pg_relation_size('moved')"), 0, "{context}: nothing here");
        assert_whole(&mut client, "moved", &context);
        client.script("SELECT stream_drop('moved'); DROP TABLE moved, moved_elsewhere").unwrap();
    }
}

#[test]
fn rows_of_a_hypertable_are_those_of_its_chunks() {
    let cluster = hooked();
    let mut client = cluster.connect();
    client
        .script(
            "SET hooks.wrap = on; CREATE TABLE moved (LIKE tpch_nation); CREATE TABLE moved_elsewhere () INHERITS (moved);
             CALL stream_ingest('moved', 'nation', batch_rows => 5, run => 'moved');
             CREATE TABLE queried (n bigint); CREATE TABLE queried_elsewhere () INHERITS (queried);
             CALL stream_ingest('queried', 'sql', rows => 25, run => 'queried',
                                options => '{\"query\": \"SELECT generate_series($1, $2)\"}')",
        )
        .unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM ONLY moved"), 0);
    for run in ["moved", "queried"] {
        assert_whole(&mut client, run, run);
    }
    client.script("DELETE FROM moved WHERE n_nationkey = 7").unwrap();
    assert_eq!(rows_of(&mut client, "SELECT matches FROM stream_verify('moved')"), Ok(vec!["f".to_owned()]));
}

/// The value of `synchronous_commit` when batches of a call with `synchronous_commit` false commit, for tables created by
/// these statements.
fn waiting_at_commit(
    client: &mut Client,
    make: &str,
    rows_in: &str,
    call: &str,
    options: &str,
) -> Result<Vec<String>, (String, String)> {
    client
        .script(&format!(
            "DROP TABLE IF EXISTS target, target_elsewhere, noted CASCADE; DROP VIEW IF EXISTS seen;
             DELETE FROM millrace.run; CREATE TABLE noted (setting text);
             CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN INSERT INTO noted VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
             {make};
             CREATE CONSTRAINT TRIGGER note AFTER INSERT ON {rows_in} DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION note();
             CALL stream_ingest({call}, batch_rows => 5, options => '{options}')"
        ))
        .unwrap_or_else(|error| panic!("{make}: {error:?}"));
    rows_of(client, "SELECT DISTINCT setting FROM noted")
}

#[test]
fn commits_wait_where_rows_would_outlive_what_the_ledger_says_of_them() {
    let cluster = hooked();
    let mut client = cluster.connect();
    let plain = "CREATE TABLE target (LIKE tpch_nation)";
    let elsewhere =
        "CREATE TABLE target (LIKE tpch_nation); CREATE TABLE target_elsewhere (LIKE tpch_nation)";
    for (make, rows_in, call, expected) in [
        (plain.to_owned(), "target", "'target', 'nation'", "off"),
        (format!("{plain}; CREATE VIEW seen AS SELECT * FROM target"), "target", "'seen', 'nation'", "off"),
        (elsewhere.to_owned(), "target_elsewhere", "'target', 'nation'", "on"),
        (format!("SET hooks.wrap = on; {elsewhere}"), "target_elsewhere", "'target', 'nation'", "on"),
        (
            "CREATE FOREIGN DATA WRAPPER elsewhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER elsewhere;
             CREATE TABLE target (LIKE tpch_nation) PARTITION BY LIST (n_regionkey);
             CREATE TABLE target_here PARTITION OF target DEFAULT;
             CREATE FOREIGN TABLE target_there PARTITION OF target FOR VALUES IN (100) SERVER elsewhere"
                .to_owned(),
            "target_here",
            "'target', 'nation'",
            "on",
        ),
        ("CREATE TABLE target (n bigint)".to_owned(), "target", "'target', 'sql', rows => 25", "off"),
    ] {
        let options = match call.contains("sql") {
            true => r#"{"synchronous_commit": false, "query": "SELECT generate_series($1, $2)"}"#,
            false => r#"{"synchronous_commit": false}"#,
        };
        let found = waiting_at_commit(&mut client, &make, rows_in, call, options);
        assert_eq!(found, Ok(vec![expected.to_owned()]), "{make}; {call}");
    }
}

#[test]
fn a_view_of_a_table_that_lies_elsewhere_fills_it_there() {
    let cluster = hooked();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE moved (LIKE tpch_nation); CREATE TABLE moved_elsewhere (LIKE moved);
             CREATE VIEW seen AS SELECT * FROM moved; CALL stream_ingest('seen', 'nation', run => 'seen')",
        )
        .unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM moved_elsewhere"), 25);
    assert_eq!(one::<i64>(&mut client, "SELECT pg_relation_size('moved')"), 0);
    assert_whole(&mut client, "seen", "through a view");
}

#[test]
fn a_variant_that_lies_elsewhere_goes_there_beside_one_that_does_not() {
    let cluster = hooked();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE here (LIKE tpch_nation); CREATE TABLE moved (LIKE here); CREATE TABLE moved_elsewhere (LIKE here);
             CALL stream_ingest('here', 'nation', variants => '{moved}', batch_rows => 10)",
        )
        .unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM moved_elsewhere"), 25);
    assert_eq!(one::<i64>(&mut client, "SELECT pg_relation_size('moved')"), 0);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM here"), 25);
}

#[test]
fn a_table_that_moves_elsewhere_between_two_calls_is_noticed() {
    let cluster = hooked();
    let mut client = cluster.connect();
    client.script("CREATE TABLE moved (LIKE tpch_nation, CONSTRAINT half CHECK (n_nationkey < 12))").unwrap();
    let call = "CALL stream_ingest('moved', 'nation', batch_rows => 5)";
    assert_eq!(error_of(&mut client, call).unwrap().0, "23514");
    client
        .script(
            "ALTER TABLE moved DROP CONSTRAINT half;
             CREATE TABLE moved_elsewhere AS SELECT * FROM moved",
        )
        .unwrap();
    // Refused, or what INSERT would do: the rest of the rows go where the first are now.
    if error_of(&mut client, call).is_none() {
        assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM moved_elsewhere"), 25);
    }
    // None was added to the old place.
    client.script("ALTER TABLE moved_elsewhere RENAME TO kept").unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM moved"), 10);
}

/// How often the auditor saw an INSERT into a table since the last look.
fn audited(cluster: &Cluster, table: &str) -> usize {
    cluster.log().matches(&format!("AUDIT: insert into \"{table}\"")).count()
}

#[test]
fn an_auditor_sees_each_batch() {
    let cluster = hooked();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE plain (LIKE tpch_nation);
             CREATE TABLE executed (LIKE tpch_nation);
             CREATE TABLE shared (LIKE tpch_nation);
             CREATE TABLE first (LIKE tpch_nation);
             CREATE TABLE second (LIKE tpch_nation);
             CREATE TABLE parted (LIKE tpch_nation) PARTITION BY LIST (n_regionkey);
             CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
             CREATE TABLE below (LIKE tpch_nation);
             CREATE VIEW seen AS SELECT * FROM below;
             CREATE TABLE queried (n bigint);
             CALL stream_ingest('plain', 'nation', batch_rows => 5);
             CALL stream_ingest('shared', 'nation', batch_rows => 5, workers => 2);
             CALL stream_ingest('first', 'nation', batch_rows => 5, variants => '{second}');
             CALL stream_ingest('parted', 'nation', batch_rows => 5);
             CALL stream_ingest('seen', 'nation', batch_rows => 5);
             CALL stream_ingest('queried', 'sql', rows => 25, batch_rows => 5,
                                options => '{\"query\": \"SELECT generate_series($1, $2)\"}');
             SET millrace.enable_bulk_insert = off;
             CALL stream_ingest('executed', 'nation', batch_rows => 5)",
        )
        .unwrap();
    for table in ["plain", "shared", "first", "second", "parted", "seen", "queried", "executed"] {
        let seen = audited(&cluster, table);
        assert!(seen >= 5, "{table}: {seen} of 5 batches seen");
    }
}

#[test]
fn what_an_auditor_forbids_is_not_loaded() {
    let cluster = hooked();
    let mut client = cluster.connect();
    client
        .script("CREATE TABLE forbidden (LIKE tpch_nation); CREATE TABLE other (LIKE tpch_nation)")
        .unwrap();
    for (bulk, arguments) in [("on", ""), ("off", ""), ("on", ", workers => 2, batch_rows => 5")] {
        client.script(&format!("SET millrace.enable_bulk_insert = {bulk}")).unwrap();
        let call =
            format!("CALL stream_ingest('forbidden', 'nation'{arguments}, run => 'r{bulk}{arguments}')");
        let (code, message) = error_of(&mut client, &call).unwrap_or_default();
        assert_eq!((code.as_str(), message.as_str()), ("42501", "the auditor forbids this"), "{call}");
        assert_eq!(one::<i64>(&mut client, "SELECT pg_relation_size('forbidden')"), 0);
    }
    let call = "CALL stream_ingest('other', 'nation', variants => '{forbidden}')";
    assert_eq!(error_of(&mut client, call).unwrap_or_default().0, "42501");
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM other"), 0, "both or none");
}

#[test]
fn another_extension_can_read_our_plans() {
    let cluster = hooked();
    let mut client = cluster.connect();
    let parallel =
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0";
    for settings in ["SELECT", parallel] {
        client.script(settings).unwrap();
        for (query, expected) in [
            ("SELECT count(*) FROM tpch_nation()", "25"),
            ("SELECT max(o_orderkey) FROM tpch_orders(0.01)", "60000"),
            (
                "SELECT count(*) FROM tpch_lineitem(0.001) JOIN tpch_orders(0.001) ON l_orderkey = o_orderkey",
                "6005",
            ),
            (
                "SELECT (SELECT count(n_name) FROM tpch_nation() WHERE n_regionkey = r_regionkey) FROM tpch_region() LIMIT 1",
                "5",
            ),
            ("SELECT sum(duration_seconds) > 0 FROM cdr_gen(1000)", "t"),
        ] {
            assert_eq!(rows_of(&mut client, query), Ok(vec![expected.to_owned()]), "{query}");
        }
    }
}

/// Tables into which INSERT does more than put rows: the statements that create them (from `{}`), and what to check afterwards.
const MORE_THAN_PLAIN: &[(&str, &[&str])] = &[
    (
        "CREATE RULE also AS ON INSERT TO {} DO ALSO INSERT INTO {}_log VALUES (NEW.n_nationkey)",
        &["{}", "{}_log"],
    ),
    (
        "CREATE RULE instead AS ON INSERT TO {} DO INSTEAD INSERT INTO {}_log VALUES (NEW.n_nationkey)",
        &["{}", "{}_log"],
    ),
    (
        "CREATE RULE few AS ON INSERT TO {} WHERE NEW.n_nationkey > 20 DO INSTEAD INSERT INTO {}_log VALUES (NEW.n_nationkey)",
        &["{}", "{}_log"],
    ),
    ("CREATE RULE nothing AS ON INSERT TO {} DO INSTEAD NOTHING", &["{}"]),
    (
        "CREATE OR REPLACE FUNCTION {}_note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO {}_log SELECT count(*) FROM new_rows; RETURN NULL; END $$;
         CREATE TRIGGER note AFTER INSERT ON {} REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {}_note()",
        &["{}", "{}_log"],
    ),
    (
        "CREATE OR REPLACE FUNCTION {}_note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO {}_log VALUES (-1); RETURN NULL; END $$;
         CREATE TRIGGER note BEFORE INSERT ON {} FOR EACH STATEMENT EXECUTE FUNCTION {}_note()",
        &["{}", "{}_log"],
    ),
    (
        "CREATE OR REPLACE FUNCTION {}_skip() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF NEW.n_nationkey % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$;
         CREATE TRIGGER skip BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION {}_skip();
         ALTER TABLE {} ENABLE ALWAYS TRIGGER skip; SET session_replication_role = replica",
        &["{}"],
    ),
    (
        "CREATE OR REPLACE FUNCTION {}_skip() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN IF NEW.n_nationkey % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW; END $$;
         CREATE TRIGGER skip BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION {}_skip();
         SET session_replication_role = replica",
        &["{}"],
    ),
    ("ALTER TABLE {} ADD doubled int GENERATED ALWAYS AS (n_nationkey * 2) STORED, ADD id int GENERATED ALWAYS AS IDENTITY", &["{}"]),
    ("CREATE TABLE {}_child () INHERITS ({})", &["{}", "{}_child", "ONLY {}"]),
    ("CREATE INDEX ON {} ((n_nationkey / (n_nationkey + 1)))", &["{}"]),
];

#[test]
fn where_insert_does_more_than_to_put_rows_so_does_ingest() {
    let cluster = Cluster::new();
    for (make, tables) in MORE_THAN_PLAIN {
        let mut client = cluster.connect();
        let mut found = Vec::new();
        for (name, load) in [
            ("inserted", "INSERT INTO inserted SELECT * FROM tpch_nation()"),
            ("ingested", "CALL stream_ingest('ingested', 'nation', workers => 2)"),
        ] {
            client
                .script(&format!(
                    "DROP TABLE IF EXISTS {name}, {name}_log CASCADE; CREATE TABLE {name} (LIKE tpch_nation); CREATE TABLE {name}_log (n bigint)"
                ))
                .unwrap();
            client.script(&make.replace("{}", name)).unwrap_or_else(|error| panic!("{make}: {error:?}"));
            client.script(load).unwrap_or_else(|error| panic!("{make}: {load}: {error:?}"));
            let rows: Vec<_> = tables
                .iter()
                .map(|table| {
                    rows_of(&mut client, &format!("SELECT * FROM {}", table.replace("{}", name))).unwrap()
                })
                .collect();
            found.push(rows);
        }
        assert_eq!(found[0], found[1], "{make}");
    }
}

#[test]
fn the_right_to_insert_into_the_columns_that_are_filled_is_enough() {
    let cluster = Cluster::new();
    cluster
        .connect()
        .script(
            "CREATE ROLE loader LOGIN; CREATE TABLE t (n_nationkey int, n_name text, note text DEFAULT 'x');
             GRANT INSERT (n_nationkey, n_name) ON t TO loader",
        )
        .unwrap();
    let mut loader = cluster.connect_as("loader");
    loader.script("INSERT INTO t (n_nationkey, n_name) VALUES (-1, 'by hand')").unwrap();
    loader.script("CALL stream_ingest('t', 'nation')").unwrap();
    assert_eq!(one::<i64>(&mut cluster.connect(), "SELECT count(*) FROM t"), 26);
}

#[test]
fn a_right_taken_away_during_a_run_ends_it() {
    let cluster = Cluster::new();
    let mut admin = cluster.connect();
    admin
        .script(
            "CREATE ROLE loader LOGIN; CREATE TABLE t (LIKE tpch_nation); GRANT INSERT ON t TO loader;
             CREATE TABLE barrier (LIKE tpch_nation, CHECK (n_nationkey < 10))",
        )
        .unwrap();
    let mut loader = cluster.connect_as("loader");
    admin.script("ALTER TABLE t ADD CONSTRAINT half CHECK (n_nationkey < 10)").unwrap();
    let call = "CALL stream_ingest('t', 'nation', batch_rows => 5)";
    assert_eq!(error_of(&mut loader, call).unwrap().0, "23514");
    admin.script("ALTER TABLE t DROP CONSTRAINT half; REVOKE INSERT ON t FROM loader").unwrap();
    for call in [call, "CALL stream_resume('public.t')"] {
        assert_eq!(error_of(&mut loader, call).unwrap().0, "42501", "{call}");
    }
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM t"), 10);
}

#[test]
fn a_view_with_check_option_refuses_what_it_would_not_show() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE t (LIKE tpch_nation);
             CREATE VIEW low AS SELECT * FROM t WHERE n_nationkey < 12 WITH CHECK OPTION",
        )
        .unwrap();
    assert_eq!(
        error_of(&mut client, "CALL stream_ingest('low', 'nation', batch_rows => 5)").unwrap().0,
        "44000"
    );
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM t"), 10);
}
