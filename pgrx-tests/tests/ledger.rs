//! The ledger and an administrator's tasks: dumps, roles, history, publications, and writing to it by hand.

use millrace_tests::{Cluster, Script, error_of, fill_ledger, one, rows_of, state, verified, wait_until};
use postgres::{Client, NoTls};

/// Makes a table `name` and a run of that name into it, and interrupts it after two of five batches.
fn interrupted_run(client: &mut Client, name: &str) {
    client
        .script(&format!("CREATE TABLE {name} (LIKE tpch_nation, CONSTRAINT half CHECK (n_nationkey < 12))"))
        .unwrap();
    let call = format!("CALL stream_ingest('{name}', 'nation', batch_rows => 5, run => '{name}')");
    assert_eq!(error_of(client, &call).unwrap().0, "23514");
    client.script(&format!("ALTER TABLE {name} DROP CONSTRAINT half")).unwrap();
}

/// A cluster with roles alice, bob and carol, and a finished and an interrupted run of alice's.
fn with_roles() -> Cluster {
    let cluster = Cluster::new();
    cluster
        .connect()
        .script("CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol LOGIN; GRANT CREATE ON SCHEMA public TO alice, bob")
        .unwrap();
    let mut alice = cluster.connect_as("alice");
    interrupted_run(&mut alice, "half");
    alice
        .script(
            "CREATE TABLE whole (LIKE tpch_nation); CALL stream_ingest('whole', 'nation', run => 'whole')",
        )
        .unwrap();
    cluster
}

// Dumps.

fn path(cluster: &Cluster, name: &str) -> String {
    cluster.folder().join(name).to_string_lossy().into_owned()
}

/// Expects both runs in a restored database, and resumes one.
fn assert_restored(client: &mut Client, context: &str) {
    assert_eq!(state(client, "whole"), "done", "{context}");
    assert_eq!(state(client, "half"), "interrupted", "{context}");
    client
        .script("CALL stream_resume('half', adopt => true)")
        .unwrap_or_else(|error| panic!("{context}: {error:?}"));
    assert!(verified(client, "half"), "{context}");
    assert_eq!(one::<i64>(client, "SELECT count(*) FROM half"), 25, "{context}");
    assert!(verified_after_adopting(client), "{context}");
    client
        .script("SELECT stream_drop('half'); SELECT stream_drop('whole')")
        .unwrap_or_else(|error| panic!("{context}: {error:?}"));
}

fn verified_after_adopting(client: &mut Client) -> bool {
    client.script("CALL stream_resume('whole', adopt => true)").unwrap();
    verified(client, "whole")
}

#[test]
fn who_may_read_all_data_may_dump_it() {
    let cluster = with_roles();
    cluster
        .connect()
        .script("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data; CREATE DATABASE restored")
        .unwrap();
    let dump = path(&cluster, "dump");
    cluster.client_program("pg_dump", &["-U", "reader", "-Fc", "-f", &dump, "postgres"]);
    cluster.client_program("pg_restore", &["--exit-on-error", "-d", "restored", &dump]);
    assert_restored(&mut cluster.connect_to("restored", "postgres"), "dumped by a reader");
}

#[test]
fn the_databases_owner_may_dump_it() {
    let cluster = Cluster::new();
    cluster
        .connect()
        .script("CREATE ROLE dana LOGIN; CREATE DATABASE mine OWNER dana; CREATE DATABASE restored")
        .unwrap();
    cluster
        .connect_to("mine", "postgres")
        .script("CREATE EXTENSION millrace; GRANT CREATE ON SCHEMA public TO dana")
        .unwrap();
    let mut dana = cluster.connect_to("mine", "dana");
    interrupted_run(&mut dana, "half");
    dana.script(
        "CREATE TABLE whole (LIKE tpch_nation); CALL stream_ingest('whole', 'nation', run => 'whole')",
    )
    .unwrap();
    let dump = path(&cluster, "dump");
    cluster.client_program("pg_dump", &["-U", "dana", "-Fc", "-f", &dump, "mine"]);
    cluster.client_program("pg_restore", &["--exit-on-error", "-d", "restored", &dump]);
    assert_restored(&mut cluster.connect_to("restored", "postgres"), "dumped by the owner");
}

#[test]
fn row_security_off_stands_in_nobodys_way() {
    let cluster = with_roles();
    let mut alice = cluster.connect_as("alice");
    alice.script("SET row_security = off").unwrap();
    assert_eq!(state(&mut alice, "half"), "interrupted");
    alice
        .script(
            "CALL stream_resume('half'); SELECT * FROM stream_batches; SELECT * FROM stream_report('half')",
        )
        .unwrap();
    assert!(verified(&mut alice, "half"));
    alice.script("SELECT stream_stop('half'); SELECT stream_drop('half')").unwrap();
    alice
        .script("CREATE TABLE more (LIKE tpch_nation); CALL stream_ingest('more', 'nation', workers => 2)")
        .unwrap();
    let mut bob = cluster.connect_as("bob");
    bob.script("SET row_security = off; SELECT * FROM stream_progress; SELECT * FROM stream_batches; SELECT * FROM stream_variants").unwrap();
}

#[test]
fn a_dump_is_restored_in_parallel() {
    let cluster = with_roles();
    let mut client = cluster.connect();
    client
        .script("CALL stream_bench(rows => 200, batch_rows => 100, variants => '{heap, heap_brin}')")
        .unwrap();
    fill_ledger(&mut client, 5, 200);
    let dump = path(&cluster, "dump");
    cluster.client_program("pg_dump", &["-Fd", "-j2", "-f", &dump, "postgres"]);
    for database in ["one", "two"] {
        client.script(&format!("CREATE DATABASE {database}")).unwrap();
        cluster.client_program("pg_restore", &["--exit-on-error", "-j4", "-d", database, &dump]);
        let mut restored = cluster.connect_to(database, "postgres");
        for table in ["run", "target", "batch", "bench", "bench_variant", "bench_table", "bench_query"] {
            let count = format!("SELECT count(*) FROM millrace.{table}");
            assert_eq!(one::<i64>(&mut restored, &count), one::<i64>(&mut client, &count), "{table}");
        }
        let runs = "SELECT name FROM millrace.run EXCEPT SELECT run FROM millrace.target";
        assert_eq!(rows_of(&mut restored, runs), Ok(Vec::new()), "every run has its targets");
        assert_restored(&mut restored, database);
        restored.script("SELECT stream_bench_drop('bench')").unwrap();
    }
}

#[test]
fn a_dump_of_data_alone_is_restored_into_a_database_that_has_the_extension() {
    let cluster = with_roles();
    let dump = path(&cluster, "dump");
    cluster.client_program("pg_dump", &["-Fc", "-f", &dump, "postgres"]);
    let mut restored = cluster.database("restored", "");
    cluster.client_program("pg_restore", &["-d", "restored", "--exit-on-error", "--schema-only", &dump]);
    cluster.client_program(
        "pg_restore",
        &["-d", "restored", "--exit-on-error", "--data-only", "--disable-triggers", &dump],
    );
    assert_restored(&mut restored, "data alone");
}

#[test]
fn a_run_whose_owner_a_restore_lacks_is_the_superusers() {
    let cluster = with_roles();
    cluster.connect_as("alice").script(
        "CREATE TABLE q (n bigint); CALL stream_ingest('q', 'sql', rows => 2, run => 'query', options => '{\"query\": \"SELECT generate_series($1, $2)\"}')").unwrap();
    let other = Cluster::new();
    let dump = path(&other, "dump");
    // Written by the server's user, as who both servers run.
    let host = cluster.folder().to_string_lossy().into_owned();
    other.client_program("pg_dump", &["-h", &host, "-Fc", "-f", &dump, "postgres"]);
    other.connect().script("CREATE DATABASE restored").unwrap();
    other.client_program(
        "pg_restore",
        &["--exit-on-error", "--no-owner", "--no-privileges", "-d", "restored", &dump],
    );
    let mut admin = other.connect_to("restored", "postgres");
    assert_eq!(rows_of(&mut admin, "SELECT count(*) FROM stream_progress"), Ok(vec!["3".to_owned()]));
    // A role of the old name is not the old role.
    admin.script("CREATE ROLE alice LOGIN").unwrap();
    let mut impostor = other.connect_to("restored", "alice");
    for call in [
        "SELECT stream_drop('half')",
        "CALL stream_resume('half')",
        "CALL stream_resume('query', adopt => true)",
    ] {
        assert_eq!(error_of(&mut impostor, call).unwrap_or_default().0, "42501", "{call}");
    }
    // The sessions refused before may still be ending, and hold the run until they have.
    wait_until("the run to be free", || {
        one::<String>(&mut admin, "SELECT state FROM stream_progress WHERE run = 'query'") != "running"
    });
    admin.script("SELECT stream_drop('query')").unwrap();
    assert_restored(&mut admin, "without the roles");
}

// Roles.

#[test]
fn a_renamed_role_keeps_its_runs() {
    let cluster = with_roles();
    let mut admin = cluster.connect();
    admin.script("ALTER ROLE alice RENAME TO anna; CREATE ROLE alice LOGIN; GRANT INSERT, SELECT ON half, whole TO alice").unwrap();
    let mut impostor = cluster.connect_as("alice");
    for call in ["SELECT stream_drop('half')", "CALL stream_resume('half')", "SELECT stream_stop('half')"] {
        assert_eq!(error_of(&mut impostor, call).unwrap_or_default().0, "42501", "{call}");
    }
    let mut anna = cluster.connect_as("anna");
    anna.script("CALL stream_resume('half'); SELECT stream_drop('half')").unwrap();
    assert_eq!(
        rows_of(&mut admin, "SELECT owner FROM stream_progress WHERE run = 'whole'"),
        Ok(vec!["anna".to_owned()])
    );
    admin.script("SELECT stream_drop('whole')").unwrap();
}

#[test]
fn a_renamed_role_resumes_its_query() {
    let cluster = with_roles();
    let mut alice = cluster.connect_as("alice");
    alice.script("CREATE TABLE q (n bigint, CONSTRAINT half CHECK (n < 15))").unwrap();
    let call = r#"CALL stream_ingest('q', 'sql', rows => 20, batch_rows => 5, run => 'query', options => '{"query": "SELECT generate_series($1, $2)"}')"#;
    assert_eq!(error_of(&mut alice, call).unwrap().0, "23514");
    alice.script("ALTER TABLE q DROP CONSTRAINT half").unwrap();
    drop(alice);
    cluster.connect().script("ALTER ROLE alice RENAME TO anna").unwrap();
    cluster.connect_as("anna").script("CALL stream_resume('query')").unwrap();
    assert_eq!(one::<i64>(&mut cluster.connect(), "SELECT count(*) FROM q"), 20);
}

#[test]
fn a_role_can_be_dropped_and_its_runs_are_the_superusers() {
    let cluster = with_roles();
    let mut admin = cluster.connect();
    admin.script("REASSIGN OWNED BY alice TO bob; DROP OWNED BY alice; DROP ROLE alice").unwrap();
    for run in ["half", "whole"] {
        assert_eq!(
            one::<i64>(&mut admin, &format!("SELECT count(*) FROM stream_progress WHERE run = '{run}'")),
            1
        );
    }
    // Nobody else becomes its owner, not even a new role with the name.
    admin.script("CREATE ROLE alice LOGIN").unwrap();
    assert_eq!(
        error_of(&mut cluster.connect_as("alice"), "SELECT stream_drop('half')").unwrap_or_default().0,
        "42501"
    );
    assert_eq!(
        error_of(&mut cluster.connect_as("carol"), "SELECT stream_drop('half')").unwrap_or_default().0,
        "42501"
    );
    admin.script("CALL stream_resume('half')").unwrap();
    assert!(verified(&mut admin, "half"));
    admin.script("SELECT stream_drop('half'); SELECT stream_drop('whole')").unwrap();
}

#[test]
fn a_superuser_may_drop_any_benchmark_of_a_role_that_is_gone() {
    let cluster = with_roles();
    let mut admin = cluster.connect();
    admin.script("GRANT CREATE ON DATABASE postgres TO alice").unwrap();
    cluster
        .connect_as("alice")
        .script("CALL stream_bench(rows => 100, variants => '{heap}'); CALL tpch_load(0.001)")
        .unwrap();
    admin.script("DROP OWNED BY alice; DROP ROLE alice; SELECT stream_bench_drop('bench')").unwrap();
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM millrace.bench"), 0);
    admin.script("SELECT stream_drop(run) FROM stream_progress").unwrap();
    assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM stream_progress"), 0);
}

#[test]
fn a_member_may_look_after_a_run_and_a_stranger_may_not() {
    let cluster = with_roles();
    let mut admin = cluster.connect();
    admin.script("GRANT alice TO bob; GRANT INSERT ON half TO carol").unwrap();
    for call in ["CALL stream_resume('half')", "SELECT stream_drop('half')"] {
        assert_eq!(error_of(&mut cluster.connect_as("carol"), call).unwrap_or_default().0, "42501", "{call}");
        cluster.connect_as("bob").script(call).unwrap();
    }
}

// History.

/// Keeps the planner from reading a small table whole, so that it uses the index that a large one would need.
const AS_IF_LARGE: &str = "SET enable_seqscan = off";

/// How many rows of the ledger a statement reads that does not commit.
fn rows_read(client: &mut Client, statement: &str) -> i64 {
    client.script("BEGIN").unwrap();
    client.script(AS_IF_LARGE).unwrap();
    client.script(statement).unwrap();
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_xact_all_tables WHERE schemaname = 'millrace'";
    let read = one(client, read);
    client.script("ROLLBACK").unwrap();
    read
}

#[test]
fn what_is_asked_of_one_run_does_not_read_the_others() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    interrupted_run(&mut client, "half");
    fill_ledger(&mut client, 50, 1000);
    for statement in [
        "SELECT * FROM stream_progress WHERE run = 'half'",
        "SELECT * FROM stream_batches WHERE run = 'half'",
        "SELECT * FROM stream_report('half')",
        "SELECT * FROM stream_verify('half')",
        "SELECT stream_stop('half')",
        "SELECT stream_drop('half')",
    ] {
        let read = rows_read(&mut client, statement);
        // Of the run two batches, each perhaps more than once; of the others nothing but what a view of all runs must.
        assert!(read <= 500, "{statement}: reads {read} rows of the ledger");
    }
    // If all runs are asked for, everything is read once, not once for each run.
    let read = rows_read(&mut client, "SELECT * FROM stream_progress");
    assert!(read <= 3 * 50_000, "reads {read} rows of the ledger");
}

/// How many rows of the ledger a call reads in a session of its own.
fn rows_read_by_call(cluster: &Cluster, call: &str) -> i64 {
    let mut watcher = cluster.connect();
    let read = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_all_tables WHERE schemaname = 'millrace'";
    let before: i64 = one(&mut watcher, read);
    let mut session = cluster.connect();
    let pid: i32 = one(&mut session, "SELECT pg_backend_pid()");
    session.script(AS_IF_LARGE).unwrap();
    session.script(call).unwrap();
    drop(session);
    // It tells its statistics when it ends.
    wait_until("the session to end", || {
        one(&mut watcher, &format!("SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {pid}"))
    });
    one::<i64>(&mut watcher, read) - before
}

#[test]
fn a_run_costs_the_same_whatever_was_loaded_before() {
    let cluster = Cluster::with_settings(&["autovacuum = off"]);
    let mut client = cluster.connect();
    interrupted_run(&mut client, "half");
    fill_ledger(&mut client, 50, 1000);
    client.script("CREATE TABLE nation (LIKE tpch_nation)").unwrap();
    for call in [
        "CALL stream_ingest('nation', batch_rows => 5)",
        "CALL stream_resume('half')",
        "CALL tpch_load(0.001)",
        "SELECT tpch_drop()",
    ] {
        let read = rows_read_by_call(&cluster, call);
        assert!(read <= 5_000, "{call}: reads {read} rows of the ledger");
    }
}

#[test]
fn the_last_of_many_batches_costs_what_the_first_did() {
    let cluster = Cluster::with_settings(&["autovacuum = off"]);
    cluster.connect().script("CREATE TABLE orders (LIKE tpch_orders)").unwrap();
    let read = rows_read_by_call(&cluster, "CALL stream_ingest('orders', sf => 0.001, batch_rows => 1)");
    assert!(read <= 20 * 1500, "reads {read} rows of the ledger for 1500 batches");
}

// Publications.

#[test]
fn a_publication_of_all_tables_reaches_a_subscriber_that_has_the_extension() {
    let publisher = Cluster::with_settings(&["wal_level = logical"]);
    let subscriber = Cluster::with_settings(&["wal_level = logical"]);
    let mut client = publisher.connect();
    client
        .script("CREATE TABLE nation (LIKE tpch_nation); CALL stream_ingest('nation'); CREATE PUBLICATION everything FOR ALL TABLES")
        .unwrap();
    let mut replica = subscriber.connect();
    let host = publisher.folder().display();
    replica
        .script(&format!(
            "CREATE TABLE nation (LIKE tpch_nation);
             CREATE SUBSCRIPTION s CONNECTION 'host={host} user=postgres dbname=postgres' PUBLICATION everything"
        ))
        .unwrap();
    let mut log = String::new();
    wait_until("all tables to be in sync, or a conflict", || {
        log = subscriber.log();
        log.contains("duplicate key")
            || one(&mut replica, "SELECT bool_and(srsubstate IN ('r', 's')) FROM pg_subscription_rel")
    });
    let conflicts: Vec<_> = log.lines().filter(|line| line.contains("duplicate key")).collect();
    assert!(conflicts.is_empty(), "{}", conflicts.join("\n"));
    replica.script("CREATE TABLE region (LIKE tpch_region)").unwrap();
    client.script("CREATE TABLE region (LIKE tpch_region); CALL stream_ingest('region')").unwrap();
    client.script("TRUNCATE nation; CALL stream_ingest('nation')").unwrap();
    wait_until("the new rows, or a conflict", || {
        log = subscriber.log();
        log.contains("ERROR") || one(&mut replica, "SELECT count(*) = 25 FROM nation")
    });
    replica
        .script(
            "ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s",
        )
        .unwrap();
    let conflicts: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(conflicts.is_empty(), "{}", conflicts.join("\n"));
}

// Writing to the ledger by hand.

/// All rows of the ledger that are not bob's own.
fn ledger_but_for_bobs(client: &mut Client) -> Vec<String> {
    let mut rows = Vec::new();
    for table in tables(client) {
        rows.extend(
            rows_of(client, &format!("SELECT '{table}', t FROM {table} t WHERE t::text NOT LIKE '%bobs%'"))
                .unwrap(),
        );
    }
    rows
}

fn tables(client: &mut Client) -> Vec<String> {
    let query = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'millrace'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1";
    client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn nobody_changes_what_is_anothers_by_hand() {
    let cluster = with_roles();
    let mut admin = cluster.connect();
    admin.script("CALL stream_bench(rows => 100, variants => '{heap}'); INSERT INTO millrace.variant (name, access_method) VALUES ('admins', 'heap')").unwrap();
    let before = ledger_but_for_bobs(&mut admin);
    let mut bob = cluster.connect_as("bob");
    for table in tables(&mut admin) {
        let columns: Vec<String> = admin
            .query("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped", &[&table])
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let mut attacks = vec![
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table} CASCADE"),
            format!("INSERT INTO {table} SELECT * FROM {table}"),
            format!("INSERT INTO {table} SELECT * FROM {table} ON CONFLICT DO NOTHING"),
            format!("COPY {table} FROM PROGRAM 'true'"),
            format!("COPY {table} FROM STDIN"),
            format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"),
            format!("DROP TABLE {table} CASCADE"),
            format!(
                "CREATE TRIGGER t BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
            format!("CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING"),
            format!("CREATE TABLE child () INHERITS ({table})"),
            format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
            format!("MERGE INTO {table} t USING (VALUES (1)) v ON true WHEN MATCHED THEN DELETE"),
            format!("WITH d AS (DELETE FROM {table} RETURNING *) SELECT count(*) FROM d"),
        ];
        for column in columns {
            attacks.push(format!("UPDATE {table} SET {column} = NULL"));
            attacks.push(format!("UPDATE {table} SET {column} = DEFAULT"));
            attacks.push(format!("UPDATE {table} SET {column} = {column}"));
        }
        for attack in attacks {
            // Refused, or without effect.
            let _ = error_of(&mut bob, &format!("BEGIN; {attack}; COMMIT"));
            let _ = bob.batch_execute("ROLLBACK");
            assert_eq!(ledger_but_for_bobs(&mut admin), before, "{attack}");
        }
    }
    admin.script("CALL stream_resume('half')").unwrap();
    assert!(verified(&mut admin, "half"));
}

#[test]
fn nobody_locks_others_out_of_the_ledger() {
    let cluster = with_roles();
    let mut bob = cluster.connect_as("bob");
    let mut alice = cluster.connect_as("alice");
    for table in tables(&mut cluster.connect()) {
        for mode in ["SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE"] {
            let (code, message) =
                error_of(&mut bob, &format!("BEGIN; LOCK TABLE {table} IN {mode} MODE")).unwrap_or_default();
            let _ = bob.batch_execute("ROLLBACK");
            assert_eq!(code, "42501", "{table} {mode}: {message}");
        }
        for lock in ["FOR UPDATE", "FOR SHARE"] {
            let _ = error_of(&mut bob, &format!("BEGIN; SELECT * FROM {table} {lock}"));
            alice
                .script("SET lock_timeout = '5s'; UPDATE millrace.run SET stop_requested = false WHERE false")
                .ok();
            alice
                .script("SELECT stream_stop('half')")
                .unwrap_or_else(|error| panic!("{table} {lock}: {error:?}"));
            let _ = bob.batch_execute("ROLLBACK");
        }
    }
}

#[test]
fn nobody_holds_the_lock_of_anothers_run() {
    let cluster = with_roles();
    let mut bob = cluster.connect_as("bob");
    let mut alice = cluster.connect_as("alice");
    bob.script(
        "SELECT pg_advisory_lock(millrace.lock_key('half')), pg_advisory_lock_shared(millrace.lock_key('half')),
                pg_advisory_lock('millrace.run'::regclass::oid::int, millrace.lock_key('half')::bit(64)::bit(32)::int)",
    )
    .unwrap();
    for refused in [
        "SELECT stream_drop('half')",
        "CALL stream_resume('half')",
        "SELECT millrace.begin_ingest('half', 1, NULL, 0)",
    ] {
        assert_eq!(error_of(&mut bob, refused).unwrap_or_default().0, "42501", "{refused}");
    }
    alice.script("CALL stream_resume('half')").unwrap();
    assert!(verified(&mut alice, "half"));
}

#[test]
fn a_session_that_ends_lets_go_of_its_run() {
    let cluster = with_roles();
    let mut alice = cluster.connect_as("alice");
    // Which nobody is meant to call, and which leaves the session with the run's lock outside of a transaction.
    alice
        .script("SELECT millrace.begin_ingest('half', 1, NULL, 0), millrace.tpch_open_refresh('tpch', 1, 10)")
        .unwrap();
    let mut watcher = cluster.connect();
    assert_eq!(one::<i64>(&mut watcher, "SELECT count(*) FROM millrace.running"), 2);
    drop(alice);
    wait_until("the locks to be free", || one(&mut watcher, "SELECT count(*) = 0 FROM millrace.running"));
    let mut alice = cluster.connect_as("alice");
    alice.script("CALL stream_resume('half')").unwrap();
    assert!(verified(&mut alice, "half"));
}

#[test]
fn a_name_that_anothers_run_has_is_told_with_its_owner() {
    let cluster = with_roles();
    let mut alice = cluster.connect_as("alice");
    let mut bob = cluster.connect_as("bob");
    alice.script("CREATE TABLE theirs (LIKE tpch_nation); GRANT INSERT ON theirs TO bob").unwrap();
    for call in ["CALL stream_ingest('theirs', 'nation', run => 'half')", "CALL stream_resume('half')"] {
        let error = bob.batch_execute(call).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!((error.code().code(), error.message()), ("42501", "must be owner of run \"half\""));
        assert_eq!(error.detail(), Some("Role \"alice\" began it."), "{call}");
    }
}

#[test]
fn who_does_not_see_all_rows_is_told_so() {
    let cluster = with_roles();
    cluster
        .connect()
        .script(
            "CREATE TABLE hidden (LIKE tpch_nation); CALL stream_ingest('hidden', 'nation', run => 'hidden');
             ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON hidden FOR SELECT USING (n_regionkey = 1);
             GRANT SELECT ON hidden TO bob",
        )
        .unwrap();
    assert!(verified(&mut cluster.connect(), "hidden"));
    let verify = "SELECT rows_found, matches, detail FROM stream_verify('hidden')";
    let found = rows_of(&mut cluster.connect_as("bob"), verify).unwrap();
    assert_eq!(
        found,
        ["5|f|20 rows fewer than the run's committed batches hold; row security may hide rows from you"]
    );
}

/// What a hostile role writes into the ledger as a trap for a superuser; it may also be refused.
const TRAPS: &[&str] = &[
    "INSERT INTO millrace.variant (name, access_method, owner, after_load) VALUES ('bobs', 'heap', 'postgres', 'CREATE ROLE %s_evil')",
    "INSERT INTO millrace.variant (name, access_method, owner, after_load) VALUES ('bobs', 'heap', NULL, 'CREATE ROLE evil --%s')",
    "INSERT INTO millrace.variant (name, access_method, after_load) VALUES ('bobs', 'heap', 'CREATE ROLE evil --%s')",
    "INSERT INTO millrace.variant (name, create_suffix) VALUES ('bobs', '; CREATE ROLE evil')",
    "INSERT INTO millrace.variant (name, index_set) VALUES ('bobs', '{\"(call_id); CREATE ROLE evil\"}')",
    "UPDATE millrace.variant SET after_load = 'CREATE ROLE evil --%s'",
    "UPDATE millrace.variant SET create_suffix = '; CREATE ROLE evil'",
    "UPDATE millrace.run SET owner = 'postgres' WHERE name = 'bobs'",
    "UPDATE millrace.run SET source = 'sql', options = '{\"query\": \"SELECT evil() FROM generate_series($1, $2)\"}' WHERE name = 'bobs'",
    "UPDATE millrace.run SET source = 'sql', options = '{\"query\": \"SELECT evil() FROM generate_series($1, $2)\"}', owner = 'postgres' WHERE name = 'bobs'",
    "INSERT INTO millrace.run SELECT (jsonb_populate_record(r, '{\"name\": \"bobs2\", \"owner\": \"postgres\", \"source\": \"sql\", \"options\": {\"query\": \"SELECT evil() FROM generate_series($1, $2)\"}}')).* FROM millrace.run r WHERE name = 'bobs'",
    "INSERT INTO millrace.target SELECT (jsonb_populate_record(t, '{\"run\": \"bobs2\"}')).* FROM millrace.target t WHERE run = 'bobs'",
    "UPDATE millrace.target SET name = 'public.bobs; CREATE ROLE evil' WHERE run = 'bobs'",
    "UPDATE millrace.target SET name = 'public.secret', relation = 'public.secret'::regclass WHERE run = 'bobs'",
    "UPDATE millrace.run SET load = 'tpch' WHERE name = 'bobs'",
    "UPDATE millrace.run SET load = 'x''; CREATE ROLE evil; --', profile = '\"evil\"' WHERE name = 'bobs'",
    "UPDATE millrace.run SET options = '{\"query\": \"SELECT evil()\"}' WHERE name = 'bobs'",
    "INSERT INTO millrace.bench (name, source, rows, batch_rows, options, schema, created) VALUES ('bench', 'cdr', 100, 100, '{}', 'bobs', now())",
    "UPDATE millrace.bench SET owner = 'postgres' WHERE schema = 'bobs'",
    "INSERT INTO millrace.bench_table SELECT 'bench', 'noindex', 'heap', 'bobs', 1, 'DROP TABLE secret'",
    "INSERT INTO millrace.bench_query (run, target, query, attempt, ms, rows, statement, finished) VALUES ('bobs', 1, 'q', 1, 1, 1, 'CREATE ROLE evil', now())",
];

/// What a superuser may do in good faith.
const GOOD_FAITH: &[&str] = &[
    "SELECT * FROM stream_progress",
    "SELECT * FROM stream_batches",
    "SELECT * FROM stream_report('bobs')",
    "SELECT * FROM stream_verify('bobs')",
    "SELECT * FROM stream_verify('bobs2')",
    "CALL stream_resume('bobs')",
    "CALL stream_resume('bobs', adopt => true)",
    "CALL stream_resume('bobs2', adopt => true)",
    "SELECT stream_stop('bobs')",
    "CALL stream_bench(rows => 100, variants => '{heap}')",
    "CALL stream_bench(rows => 100, phase => 'noindex', run => 'admins', schema => 'admins')",
    "CALL stream_bench(rows => 100, run => 'pair', schema => 'pair', variants => '{heap, bobs}')",
    "SELECT * FROM stream_gates('bench')",
    "SELECT * FROM stream_variants",
    "CALL tpch_load(0.001, keys => false, \"analyze\" => false)",
    "SELECT tpch_drop()",
    "SELECT stream_bench_drop('bench')",
    "SELECT stream_drop('bobs')",
    "SELECT stream_drop('bobs2')",
];

#[test]
fn no_text_of_a_hostile_role_runs_with_anothers_rights() {
    let cluster = with_roles();
    let mut admin = cluster.connect();
    for trap in TRAPS {
        admin
            .script(
                "DROP SCHEMA IF EXISTS bench, admins, pair, tpch CASCADE; DROP TABLE IF EXISTS bobs, secret, evidence;
                 CREATE TABLE secret (LIKE tpch_nation); CREATE TABLE evidence (who text);
                 CREATE OR REPLACE FUNCTION evil() RETURNS bigint LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO evidence VALUES (current_user); RETURN 1; END $$;
                 GRANT INSERT ON evidence TO bob;
                 DELETE FROM millrace.bench; DELETE FROM millrace.batch; DELETE FROM millrace.target; DELETE FROM millrace.run; DELETE FROM millrace.variant WHERE name = 'bobs'",
            )
            .unwrap();
        let mut bob = cluster.connect_as("bob");
        interrupted_run(&mut bob, "bobs");
        let refused = error_of(&mut bob, trap);
        for call in GOOD_FAITH {
            let error = error_of(&mut admin, call);
            let context = format!("{trap} ({refused:?}); then {call}: {error:?}");
            assert_eq!(
                one::<i64>(&mut admin, "SELECT count(*) FROM pg_roles WHERE rolname LIKE '%evil%'"),
                0,
                "{context}"
            );
            assert_eq!(
                one::<i64>(&mut admin, "SELECT count(*) FROM evidence WHERE who <> 'bob'"),
                0,
                "{context}"
            );
            assert_eq!(one::<i64>(&mut admin, "SELECT count(*) FROM secret"), 0, "{context}");
        }
        assert_eq!(
            one::<i64>(&mut admin, "SELECT count(*) FROM pg_class WHERE relname = 'secret'"),
            1,
            "{trap}"
        );
    }
}

#[test]
fn a_victims_benchmark_is_not_led_astray() {
    let cluster = with_roles();
    let mut admin = cluster.connect();
    admin.script("GRANT CREATE ON DATABASE postgres TO bob, carol").unwrap();
    let mut bob = cluster.connect_as("bob");
    // Bob has the name that carol's call would take: it is his, and she is told so.
    bob.script("CALL stream_bench(rows => 100, variants => '{heap}', schema => 'bobs')").unwrap();
    let (code, message) =
        error_of(&mut cluster.connect_as("carol"), "CALL stream_bench(rows => 100, variants => '{heap}')")
            .unwrap();
    assert_eq!(code, "42501", "{message}");
    let mut config = cluster.config();
    let mut carol = config.user("carol").connect(NoTls).unwrap();
    carol
        .script("CALL stream_bench(rows => 100, variants => '{heap}', run => 'carols', schema => 'carols')")
        .unwrap();
}
