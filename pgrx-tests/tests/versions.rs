//! Features that newer servers have and older ones do not; on those, tests expect that the server refuses them.

use millrace_tests::{Cluster, Script, content, error_of, one, verified, wait_until};
use postgres::Client;

/// The server's major version.
fn major(client: &mut Client) -> i32 {
    one::<i32>(client, "SELECT current_setting('server_version_num')::int / 10000")
}

/// Runs statements that servers know since a version; false where this one is older, which must refuse them.
fn is_known_since(client: &mut Client, version: i32, statements: &str) -> bool {
    let is_known = major(client) >= version;
    let answer = client.script(statements);
    assert_eq!(answer.is_ok(), is_known, "{statements}: {answer:?}");
    is_known
}

fn rows(client: &mut Client, table: &str) -> i64 {
    one(client, &format!("SELECT count(*) FROM {table}"))
}

// Tables.

#[test]
fn a_virtual_generated_column_is_computed_from_loaded_rows() {
    let cluster = Cluster::new();
    let mut session = cluster.connect();
    let client = &mut session;
    let table = "CREATE TABLE t (n_nationkey int, n_name text, twice int GENERATED ALWAYS AS (n_nationkey * 2) VIRTUAL)";
    if !is_known_since(client, 18, table) {
        return;
    }
    client.script("CALL stream_ingest('t', 'nation', batch_rows => 10)").unwrap();
    assert_eq!(one::<i64>(client, "SELECT sum(twice) FROM t"), 600);
    assert!(verified(client, "public.t"));
    client.script("CREATE TABLE plain (n_nationkey int); ALTER TABLE plain ADD later int GENERATED ALWAYS AS (n_nationkey + 1)").unwrap();
    client.script("CALL stream_ingest('plain', 'nation', batch_rows => 10)").unwrap();
    assert_eq!(one::<i64>(client, "SELECT sum(later) FROM plain"), 325);
}

#[test]
fn a_temporal_key_holds_for_loaded_rows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let table = "CREATE EXTENSION btree_gist;
                 CREATE TABLE t (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS))";
    if !is_known_since(&mut client, 18, table) {
        return;
    }
    let load = |days: u32| {
        let query = format!(
            "SELECT 1 AS id, daterange(DATE ''2026-01-01'' + n::int, DATE ''2026-01-01'' + n::int + {days}) AS during FROM generate_series($1, $2) n"
        );
        format!(
            "CALL stream_ingest('t', 'sql', rows => 20, batch_rows => 5, options => '{{\"query\": \"{query}\"}}')"
        )
    };
    client.script(&load(1)).unwrap();
    assert_eq!(rows(&mut client, "t"), 20);
    client.script("TRUNCATE t; SELECT stream_drop('public.t')").unwrap();
    assert_eq!(error_of(&mut client, &load(2)).unwrap().0, "23P01", "days overlap");
    assert_eq!(rows(&mut client, "t"), 0);
}

#[test]
fn a_constraint_that_is_not_enforced_lets_rows_pass_and_one_that_is_not_valid_does_not() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let tables = "CREATE TABLE region (r_regionkey int PRIMARY KEY);
                  CREATE TABLE t (LIKE tpch_nation, CHECK (n_nationkey < 0) NOT ENFORCED,
                                  FOREIGN KEY (n_regionkey) REFERENCES region NOT ENFORCED);
                  CREATE TABLE u (LIKE tpch_nation);
                  ALTER TABLE u ADD CONSTRAINT named NOT NULL n_name NOT VALID";
    if !is_known_since(&mut client, 18, tables) {
        return;
    }
    client.script("CALL stream_ingest('t', 'nation', batch_rows => 10)").unwrap();
    assert_eq!(rows(&mut client, "t"), 25);
    let nameless = "CALL stream_ingest('u', 'sql', rows => 5, options => '{\"query\": \"SELECT n::int AS n_nationkey, NULL::text AS n_name FROM generate_series($1, $2) n\"}')";
    assert_eq!(error_of(&mut client, nameless).unwrap().0, "23502");
    client.script("SELECT stream_drop('public.u'); CALL stream_ingest('u', 'nation')").unwrap();
    assert_eq!(rows(&mut client, "u"), 25);
}

#[test]
fn a_partitioned_table_numbers_loaded_rows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let table = "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY, n_nationkey int, n_name text) PARTITION BY RANGE (n_nationkey);
                 CREATE TABLE low PARTITION OF t FOR VALUES FROM (0) TO (10);
                 CREATE TABLE high PARTITION OF t FOR VALUES FROM (10) TO (100)";
    client.script(table).unwrap();
    client.script("CALL stream_ingest('t', 'nation', batch_rows => 10)").unwrap();
    assert_eq!(
        one::<String>(&mut client, "SELECT concat_ws(' ', count(DISTINCT id), min(id), max(id)) FROM t"),
        "25 1 25"
    );
    assert!(verified(&mut client, "public.t"));
}

// Privileges and settings.

#[test]
fn whoever_may_maintain_a_table_may_do_so_between_batches_and_not_load_it() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE ROLE keeper LOGIN;
             CREATE TABLE t (LIKE tpch_nation, CONSTRAINT half CHECK (n_nationkey < 12));
             CREATE INDEX ON t (n_nationkey)",
        )
        .unwrap();
    if !is_known_since(&mut client, 17, "GRANT SELECT, MAINTAIN ON t TO keeper") {
        return;
    }
    let load = "CALL stream_ingest('t', 'nation', batch_rows => 5)";
    assert_eq!(error_of(&mut client, load).unwrap().0, "23514");
    let mut keeper = cluster.connect_as("keeper");
    keeper
        .script("VACUUM (FREEZE) t; ANALYZE t; REINDEX TABLE t; CLUSTER t USING t_n_nationkey_idx")
        .unwrap();
    assert_eq!(error_of(&mut keeper, "CALL stream_resume('public.t')").unwrap().0, "42501");
    client.script("ALTER TABLE t DROP CONSTRAINT half").unwrap();
    // CLUSTER gave the table a new file, as TRUNCATE does.
    assert_eq!(error_of(&mut client, load).unwrap().0, "55000");
    client.script("CALL stream_resume('public.t', adopt => true)").unwrap();
    assert_eq!(rows(&mut client, "t"), 25);
    assert!(verified(&mut client, "public.t"));
}

#[test]
fn a_timeout_of_transactions_ends_a_long_batch_and_no_run_of_short_ones() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CREATE TABLE t (LIKE tpch_nation); CREATE TABLE held (LIKE tpch_nation)").unwrap();
    if !is_known_since(&mut client, 17, "SET transaction_timeout = '2s'") {
        return;
    }
    let mut holder = cluster.connect();
    holder.script("BEGIN; LOCK TABLE held").unwrap();
    let load = "CALL stream_ingest('held', 'nation', batch_rows => 5)";
    // The connection may be gone before the client reads why.
    assert!(error_of(&mut client, load).is_some());
    wait_until("the reason", || cluster.log().contains("terminating connection due to transaction timeout"));
    holder.script("ROLLBACK").unwrap();
    let mut client = cluster.connect();
    client.script("SET transaction_timeout = '2s'").unwrap();
    client.script(load).unwrap();
    assert_eq!(rows(&mut client, "held"), 25);
    // Five batches a rate spreads over longer than the timeout: each is a transaction of its own.
    client.script("CALL stream_ingest('t', 'nation', batch_rows => 5, options => '{\"rate\": 8}')").unwrap();
    assert!(verified(&mut client, "public.t"));
}

#[test]
fn each_way_of_reading_and_writing_keeps_what_was_committed() {
    let probe = Cluster::new();
    let mut client = probe.connect();
    if major(&mut client) < 18 {
        assert_eq!(error_of(&mut client, "SHOW io_method").unwrap().0, "42704");
        return;
    }
    let methods: Vec<String> =
        one(&mut client, "SELECT array_remove(enumvals, 'sync') FROM pg_settings WHERE name = 'io_method'");
    assert!(methods.contains(&"worker".to_owned()), "{methods:?}");
    for method in methods {
        let cluster = Cluster::with_settings(&[&format!("io_method = {method}")]);
        let mut client = cluster.connect();
        client
            .script("CREATE TABLE orders (LIKE tpch_orders); CREATE UNIQUE INDEX ON orders (o_orderkey)")
            .unwrap();
        let load = "CALL stream_ingest('orders', sf => 0.01, batch_rows => 3000)";
        client.script(load).unwrap();
        cluster.stop("immediate");
        cluster.start();
        let mut client = cluster.connect();
        assert_eq!(one::<String>(&mut client, "SHOW io_method"), method);
        assert!(verified(&mut client, "public.orders"), "{method}");
        client.script("CREATE TABLE made AS SELECT * FROM tpch_orders(0.01)").unwrap();
        assert_eq!(content(&mut client, "orders"), content(&mut client, "made"), "{method}");
    }
}

#[test]
fn pages_that_were_written_in_bulk_have_their_checksums() {
    let cluster = Cluster::with_checksums();
    let mut client = cluster.connect();
    assert_eq!(one::<String>(&mut client, "SHOW data_checksums"), "on");
    client
        .script(
            "CREATE EXTENSION amcheck;
             CREATE TABLE lineitem (LIKE tpch_lineitem);
             CREATE INDEX by_order ON lineitem (l_orderkey);
             CALL stream_ingest('lineitem', sf => 0.01, batch_rows => 5000)",
        )
        .unwrap();
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM verify_heapam('lineitem')"), 0);
    client.script("SELECT bt_index_parent_check('by_order', true)").unwrap();
    drop(client);
    cluster.stop("fast");
    let checked = cluster.offline_program("pg_checksums", &["--check"]);
    assert!(checked.contains("Bad checksums:  0"), "{checked}");
}

// Other ways in and out.

#[test]
fn two_servers_that_replicate_to_each_other_have_each_row_once() {
    let servers = [(); 2].map(|()| Cluster::with_settings(&["wal_level = logical"]));
    let mut clients = [servers[0].connect(), servers[1].connect()];
    for client in &mut clients {
        client
            .script(
                "CREATE TABLE orders (LIKE tpch_orders, PRIMARY KEY (o_orderkey));
                 CREATE PUBLICATION own FOR TABLE orders",
            )
            .unwrap();
    }
    for (here, (client, other)) in clients.iter_mut().zip(servers.iter().rev()).enumerate() {
        let host = other.folder().display();
        let subscription = format!(
            "CREATE SUBSCRIPTION other_{here} CONNECTION 'host={host} user=postgres dbname=postgres' PUBLICATION own
             WITH (origin = none, copy_data = false)"
        );
        if !is_known_since(client, 16, &subscription) {
            return;
        }
    }
    for (client, part) in clients.iter_mut().zip(1..) {
        let part = format!("SELECT * FROM tpch_orders(0.01, {part}, 2) OFFSET $1 - 1 LIMIT $2 - $1 + 1");
        client
            .script(&format!(
                "CALL stream_ingest('orders', 'sql', rows => 7500, batch_rows => 1000, options => '{{\"query\": \"{part}\"}}')"
            ))
            .unwrap();
    }
    for (client, server) in clients.iter_mut().zip(&servers) {
        wait_until("the other's rows, or a conflict", || {
            rows(client, "orders") == 15000 || server.log().contains("duplicate key")
        });
        client.script("CREATE TABLE made AS SELECT * FROM tpch_orders(0.01)").unwrap();
        assert_eq!(content(client, "orders"), content(client, "made"));
    }
    for (here, client) in clients.iter_mut().enumerate() {
        let name = format!("other_{here}");
        client
            .script(&format!(
                "ALTER SUBSCRIPTION {name} DISABLE; ALTER SUBSCRIPTION {name} SET (slot_name = NONE); DROP SUBSCRIPTION {name}"
            ))
            .unwrap();
    }
}

#[test]
fn explain_counts_the_buffers_of_a_generated_table() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.script("CREATE TABLE nation AS SELECT * FROM tpch_nation()").unwrap();
    let plan = client
        .query("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) SELECT * FROM tpch_nation() JOIN nation USING (n_nationkey)", &[])
        .unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(plan.contains("MillraceScan"), "{plan}");
    assert!(plan.contains("Buffers: shared hit="), "{plan}");
}

#[test]
fn compiled_expressions_read_generated_rows_as_others_do() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let query = "SELECT md5(string_agg(s::text, ',' ORDER BY s::text)) FROM (
                     SELECT l_returnflag, sum(l_extendedprice * (1 - l_discount)), min(l_comment), count(*)
                     FROM tpch_lineitem(0.01) WHERE l_shipdate < '1998-09-02' GROUP BY 1) s";
    client.script("SET jit = off").unwrap();
    let expected = one::<String>(&mut client, query);
    client
        .script("SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0")
        .unwrap();
    assert_eq!(one::<String>(&mut client, query), expected);
    let plan = client.query(&format!("EXPLAIN (ANALYZE) {query}"), &[]).unwrap();
    let compiles = plan.iter().any(|row| row.get::<_, &str>(0).contains("JIT:"));
    assert_eq!(
        compiles,
        one::<bool>(&mut client, "SELECT pg_jit_available()"),
        "compiled where the server can"
    );
}

#[test]
fn an_extension_outside_of_the_servers_folders_is_found_by_its_path() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let elsewhere = cluster.folder().join("elsewhere");
    let elsewhere = elsewhere.display();
    let settings = format!(
        "ALTER SYSTEM SET extension_control_path = '{elsewhere}/share:$system';
         ALTER SYSTEM SET dynamic_library_path = '{elsewhere}/lib:$libdir'"
    );
    if !is_known_since(&mut client, 18, &settings) {
        return;
    }
    cluster.copy_extension("elsewhere");
    client.script("DROP EXTENSION millrace").unwrap();
    drop(client);
    cluster.stop("fast");
    cluster.start();
    let mut client = cluster.connect();
    client
        .script(
            "CREATE EXTENSION millrace; CREATE TABLE nation (LIKE tpch_nation); CALL stream_ingest('nation')",
        )
        .unwrap();
    assert_eq!(rows(&mut client, "nation"), 25);
    let loaded: String = one(&mut client, "SELECT pg_read_file('/proc/self/maps')");
    assert!(loaded.contains(&format!("{elsewhere}/lib/millrace.so")), "{loaded}");
    let module =
        "SELECT module_name || ' ' || version FROM pg_get_loaded_modules() WHERE file_name = 'millrace.so'";
    assert_eq!(one::<String>(&mut client, module), format!("millrace {}", env!("CARGO_PKG_VERSION")));
}
