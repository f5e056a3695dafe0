//! A view's rows are in its table, and so is what a run must know about them.

use millrace_tests::{Cluster, Script, error_of, one, verified};
use postgres::Client;

const CALL: &str = "CALL stream_ingest('vv', 'nation', batch_rows => 5)";

/// Interrupts a run into view `vv` after two of its five batches.
fn interrupt(client: &mut Client) {
    client.script("ALTER TABLE vb ADD CONSTRAINT half CHECK (n_nationkey < 12)").unwrap();
    assert_eq!(error_of(client, CALL).unwrap().0, "23514");
    client.script("ALTER TABLE vb DROP CONSTRAINT half").unwrap();
}

#[test]
fn an_unlogged_table_below_a_view_is_filled_again_after_a_crash() {
    let cluster = Cluster::new();
    for (name, make) in [
        ("vv", "CREATE UNLOGGED TABLE vb (n_nationkey int); CREATE VIEW vv AS SELECT * FROM vb"),
        ("vw", "CREATE VIEW vw AS SELECT * FROM vv"),
        (
            "vp",
            "CREATE TABLE p (n_nationkey int) PARTITION BY LIST (n_nationkey);
             CREATE UNLOGGED TABLE p1 PARTITION OF p DEFAULT; CREATE VIEW vp AS SELECT * FROM p",
        ),
    ] {
        let mut client = cluster.connect();
        client.script(make).unwrap();
        client.script(&format!("TRUNCATE vb; CALL stream_ingest('{name}', 'nation')")).unwrap();
        drop(client);
        cluster.stop("immediate");
        cluster.start();
        let mut client = cluster.connect();
        let count = format!("SELECT count(*) FROM {name}");
        assert_eq!(one::<i64>(&mut client, &count), 0, "{name}");
        client.script(&format!("CALL stream_resume('public.{name}')")).unwrap();
        assert_eq!(one::<i64>(&mut client, &count), 25, "{name}");
        assert!(verified(&mut client, &format!("public.{name}")), "{name}");
    }
}

#[test]
fn a_truncated_table_below_a_view_is_refused() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CREATE TABLE vb (LIKE tpch_nation); CREATE VIEW vv AS SELECT * FROM vb").unwrap();
    interrupt(&mut client);
    client.script("TRUNCATE vb").unwrap();
    for call in [CALL, "CALL stream_resume('public.vv')"] {
        let (code, message) = error_of(&mut client, call).unwrap_or_default();
        assert_eq!(code, "55000", "{call}: {message}");
    }
}

#[test]
fn a_truncated_table_below_a_view_of_a_view_is_refused() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE vb (LIKE tpch_nation) PARTITION BY LIST (n_nationkey); CREATE TABLE vp PARTITION OF vb DEFAULT;
             CREATE VIEW vi AS SELECT * FROM vb; CREATE VIEW vv AS SELECT * FROM vi",
        )
        .unwrap();
    interrupt(&mut client);
    client.script("TRUNCATE vp").unwrap();
    assert_eq!(error_of(&mut client, CALL).unwrap_or_default().0, "55000");
}

#[test]
fn a_view_led_to_another_table_is_refused() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script("CREATE TABLE vb (LIKE tpch_nation); CREATE TABLE other (LIKE vb); CREATE VIEW vv AS SELECT * FROM vb")
        .unwrap();
    interrupt(&mut client);
    client.script("CREATE OR REPLACE VIEW vv AS SELECT * FROM other").unwrap();
    assert_eq!(error_of(&mut client, CALL).unwrap_or_default().0, "55000");
    // Adopted as it is now; then verified by what is there.
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM other"), 0);
}

#[test]
fn a_finished_run_whose_table_below_a_view_was_truncated_is_not_there_any_more() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE vb (LIKE tpch_nation); CREATE VIEW vv AS SELECT * FROM vb; CALL stream_ingest('vv', 'nation', run => 'v');
             CALL stream_ingest('vb', 'nation', run => 't'); TRUNCATE vb",
        )
        .unwrap();
    assert!(!verified(&mut client, "v"));
    // Whatever a finished run of a truncated table is, through a view it is the same.
    let [through_view, of_table] = ["v", "t"]
        .map(|run| error_of(&mut client, &format!("CALL stream_resume('{run}')")).map(|(code, _)| code));
    assert_eq!(through_view, of_table);
}

#[test]
fn a_view_filled_by_triggers_has_no_table_that_a_run_could_know() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE TABLE vb (LIKE tpch_nation); CREATE VIEW vv AS SELECT DISTINCT * FROM vb;
             CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO vb SELECT NEW.*; RETURN NEW; END $$;
             CREATE TRIGGER put INSTEAD OF INSERT ON vv FOR EACH ROW EXECUTE FUNCTION put()",
        )
        .unwrap();
    interrupt(&mut client);
    client.script(CALL).unwrap();
    assert!(verified(&mut client, "public.vv"));
}
