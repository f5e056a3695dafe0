//! A server that was upgraded by pg_upgrade has its runs, and resumes them.

use millrace_tests::{Cluster, Script, content, error_of, one};
use postgres::Client;

fn states(client: &mut Client) -> String {
    one(
        client,
        "SELECT string_agg(concat_ws(' ', run, state, batches_done, owner), ', ' ORDER BY run) FROM stream_progress",
    )
}

#[test]
fn runs_of_an_older_server_go_on() {
    const LOAD: &str = "CALL stream_ingest('orders', sf => 0.01, batch_rows => 1000)";
    for older in Cluster::of_older_versions() {
        let mut client = older.connect();
        client.script("CREATE ROLE alice LOGIN; GRANT CREATE ON SCHEMA public TO alice").unwrap();
        let mut alice = older.connect_as("alice");
        alice
            .script(
                "CREATE TABLE nation (LIKE tpch_nation);
                 CALL stream_ingest('nation');
                 CREATE TABLE orders (LIKE tpch_orders, CONSTRAINT half CHECK (o_orderkey < 30000))",
            )
            .unwrap();
        assert_eq!(error_of(&mut alice, LOAD).unwrap().0, "23514");
        alice.script("ALTER TABLE orders DROP CONSTRAINT half").unwrap();
        let before = states(&mut client);
        assert_eq!(before, "public.nation done 1 alice, public.orders interrupted 7 alice");
        drop((client, alice));

        let newer = older.upgraded();
        let mut client = newer.connect();
        assert_eq!(states(&mut client), before);
        let mut alice = newer.connect_as("alice");
        alice.script(LOAD).unwrap();
        for run in ["public.nation", "public.orders"] {
            assert!(one::<bool>(&mut alice, &format!("SELECT matches FROM stream_verify('{run}')")), "{run}");
        }
        alice.script("CREATE TABLE made AS SELECT * FROM tpch_orders(0.01)").unwrap();
        assert_eq!(content(&mut alice, "orders"), content(&mut alice, "made"));
        alice.script("SELECT stream_drop('public.orders')").unwrap();
        assert_eq!(states(&mut client), "public.nation done 1 alice");
    }
}
