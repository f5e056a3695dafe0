//! A simulated cluster: what the extension does on Apache Cloudberry, on plain PostgreSQL.
//!
//! Each process of the cluster is a server of its own. It gets its role and content id as from Cloudberry, by the settings
//! `gp_role` and `gp_contentid`, which a library built for tests defines. In place of Cloudberry's executor, a function on the
//! coordinator has all segments' servers run a function that is marked EXECUTE ON ALL SEGMENTS. A library,
//! `pgrx-tests/dispatch/dispatch.c`, refuses what a coordinator refuses and PostgreSQL does not.

#[path = "segments/dispatch.rs"]
mod dispatch;

use millrace_tests::{Cluster, content, error_of, one, texts, wait_until};
use postgres::{Client, Config, NoTls};
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

/// Sizes of clusters: a cluster of n is the coordinator and the first n of the segments' servers.
const SIZES: [usize; 4] = [1, 2, 3, 7];
const LARGEST: usize = 7;

/// The catalog of segments, which only the coordinator has rows of.
const CATALOG: &str = "
    SET allow_system_table_mods = on;
    CREATE TABLE pg_catalog.gp_segment_configuration (content smallint, role \"char\", address text);
    RESET allow_system_table_mods";

/// Prepares the coordinator: access methods with the names of Cloudberry's, and no foreign keys, because Cloudberry does not
/// enforce them.
const COORDINATOR: &str = "
    CREATE ACCESS METHOD ao_row TYPE TABLE HANDLER heap_tableam_handler;
    CREATE ACCESS METHOD ao_column TYPE TABLE HANDLER heap_tableam_handler;
    CREATE ACCESS METHOD pax TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE orders (LIKE tpch_orders);
    CREATE TABLE orders_row (LIKE tpch_orders) USING ao_row;
    CREATE TABLE orders_column (LIKE tpch_orders) USING ao_column;
    CREATE TABLE orders_pax (LIKE tpch_orders) USING pax;
    CREATE TABLE own (o_totalprice float8, o_orderkey bigint, note text DEFAULT 'none');
    DO $$
    DECLARE
        constrained record;
    BEGIN
        FOR constrained IN
            SELECT conrelid::regclass AS name, conname FROM pg_constraint
            WHERE contype = 'f' AND connamespace = 'millrace'::regnamespace
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', constrained.name, constrained.conname);
        END LOOP;
    END
    $$";

/// On the coordinator: the engine's statements, in a form that PostgreSQL understands.
const LABELS: &str = r"
    DO $$
    DECLARE
        statement text;
    BEGIN
        FOR statement IN SELECT millrace.cluster_statements() LOOP
            IF statement LIKE 'ALTER %' THEN
                EXECUTE regexp_replace(statement, '^ALTER (FUNCTION|TABLE) (.*) (EXECUTE ON|SET DISTRIBUTED) (.*)$',
                                       'SECURITY LABEL FOR dispatch ON \1 \2 IS ''\4''');
            ELSIF statement LIKE 'CREATE OR REPLACE VIEW %' THEN
                EXECUTE statement;
            END IF;
        END LOOP;
    END
    $$";

/// On the coordinator, for CREATE TABLE: PostgreSQL would not understand the clause that says how rows are distributed.
const LAY_OUT_BY_DEFAULT: &str = "
    CREATE OR REPLACE FUNCTION millrace.distribution(columns text[] DEFAULT NULL) RETURNS text LANGUAGE sql AS $$ SELECT ''::text $$";

/// On the coordinator: EXECUTE ON ALL SEGMENTS for the function that batches are inserted from. Tables are the
/// coordinator's alone, so the row type goes with the query. Each segment first takes a lock by the number of the first
/// unit, so that a test can hold it up there.
const DISPATCH: &str = "
    CREATE EXTENSION dblink;
    ALTER FUNCTION millrace.source_rows RENAME TO source_rows_here;
    CREATE FUNCTION millrace.source_rows(
        source text, options jsonb, first_unit bigint, end_unit bigint, row_type anyelement,
        segments smallint DEFAULT millrace.segments()
    ) RETURNS SETOF anyelement LANGUAGE plpgsql SET search_path = public SET dispatch.enforce = off AS $$
    DECLARE
        columns text;
        segment text;
        address text;
    BEGIN
        SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
        INTO columns
        FROM pg_type t JOIN pg_attribute ON attrelid = typrelid AND attnum > 0 WHERE t.oid = pg_typeof(row_type);
        FOR segment, address IN
            SELECT 'segment_' || c.content, c.address FROM gp_segment_configuration c
            WHERE c.role = 'p' AND c.content >= 0
        LOOP
            IF segment <> ALL (coalesce(dblink_get_connections(), '{}')) THEN
                PERFORM dblink_connect(segment, format('host=%s dbname=postgres user=postgres', address));
            END IF;
            PERFORM dblink_exec(segment, format(
                'DROP TABLE IF EXISTS pg_temp.row_made; CREATE TEMPORARY TABLE row_made (%s)', columns));
            PERFORM dblink_send_query(segment, format(
                'SELECT made::text FROM pg_advisory_xact_lock_shared(%3$s),
                 LATERAL millrace.source_rows(%1$L, %2$L, %3$s, %4$s, NULL::row_made, %5$s::smallint) made',
                source, options, first_unit, end_unit, segments));
        END LOOP;
        FOR segment IN
            SELECT 'segment_' || c.content FROM gp_segment_configuration c WHERE c.role = 'p' AND c.content >= 0
        LOOP
            RETURN QUERY EXECUTE format(
                'SELECT (made.row_made::%s).* FROM dblink_get_result(%L) AS made (row_made text)',
                pg_typeof(row_type), segment);
            PERFORM FROM dblink_get_result(segment) AS nothing_more (row_made text);
        END LOOP;
    EXCEPTION WHEN OTHERS THEN
        PERFORM dblink_disconnect(c) FROM unnest(dblink_get_connections()) c;
        RAISE;
    END
    $$;
    SECURITY LABEL FOR dispatch ON FUNCTION millrace.source_rows IS 'ALL SEGMENTS'";

/// On the coordinator: the same for the functions of a benchmark's tables, by way of the one above.
const DISPATCH_TABLES: &str = "
    DO $do$
    DECLARE
        design record;
    BEGIN
        FOR design IN SELECT d.row_type AS name, d.source FROM millrace.kit_designs('BENCHMARK') d LOOP
            EXECUTE format('ALTER FUNCTION %1$s(float8, int, int, smallint) RENAME TO %1$s_here', design.name);
            EXECUTE format($f$
                CREATE FUNCTION %1$s(sf float8, segments smallint DEFAULT millrace.segments()) RETURNS SETOF %1$s
                LANGUAGE sql SET search_path = public SET dispatch.enforce = off AS $$
                    SELECT * FROM millrace.source_rows(
                        %2$L, jsonb_build_object('sf', sf), 0, 9223372036854775807, NULL::%1$s, segments)
                $$;
                SECURITY LABEL FOR dispatch ON FUNCTION %1$s IS 'ALL SEGMENTS' $f$, design.name, design.source);
        END LOOP;
    END
    $do$";

struct Simulation {
    coordinator: Cluster,
    segments: Vec<Cluster>,
}

impl Simulation {
    /// With a server for each of this number of segments.
    fn new(segments: usize) -> Self {
        let (coordinator, segments) = thread::scope(|scope| {
            let start = |number| scope.spawn(move || server("execute", number as i32));
            let starting: Vec<_> = (0..segments).map(start).collect();
            let coordinator = server("dispatch", -1);
            (coordinator, starting.into_iter().map(|server| server.join().unwrap()).collect())
        });
        coordinator.connect().batch_execute(COORDINATOR).unwrap();
        coordinator.connect().batch_execute(LABELS).unwrap();
        Self { coordinator, segments }
    }

    /// Gives the cluster this number of the segments, each with a mirror.
    fn resize(&self, segments: usize) {
        let mut client = self.coordinator.connect();
        // Otherwise users cannot change the catalog.
        client.batch_execute("SET allow_system_table_mods = on; TRUNCATE gp_segment_configuration").unwrap();
        let insert = "INSERT INTO gp_segment_configuration
                      SELECT $1, role, $2 FROM unnest('{p,m}'::\"char\"[]) role";
        client.execute(insert, &[&-1i16, &""]).unwrap();
        for (number, server) in self.segments.iter().enumerate().take(segments) {
            client.execute(insert, &[&(number as i16), &server.folder().to_str().unwrap()]).unwrap();
        }
    }

    /// As [`Simulation::resize`], for tests that only ask how many segments there are.
    fn pretend(&self, segments: usize) {
        let fill = format!(
            "SET allow_system_table_mods = on;
             INSERT INTO gp_segment_configuration
             SELECT content, role FROM generate_series(-1, {segments} - 1) content, unnest('{{p,m}}'::\"char\"[]) role"
        );
        self.coordinator.connect().batch_execute(&fill).unwrap();
    }
}

/// A server with this role and content id.
fn server(role: &str, content_id: i32) -> Cluster {
    let dispatch =
        std::env::var("MILLRACE_DISPATCH").expect("MILLRACE_DISPATCH names the library of a coordinator");
    let server = Cluster::with_settings(&[
        &format!("shared_preload_libraries = 'millrace, {dispatch}'"),
        "shared_buffers = 16MB",
        // Segments are the parallelism.
        "max_parallel_workers_per_gather = 0",
    ]);
    let mut client = server.connect();
    client.batch_execute(CATALOG).unwrap();
    // Those of the engine's statements that PostgreSQL knows, too.
    for statement in statements(&mut client).iter().filter(|statement| statement.starts_with("CREATE ")) {
        client.batch_execute(statement).unwrap();
    }
    // PostgreSQL reads its configuration file before the library defines these.
    let settings =
        format!("ALTER ROLE ALL SET gp_role = '{role}'; ALTER ROLE ALL SET gp_contentid = {content_id}");
    client.batch_execute(&settings).unwrap();
    server
}

/// A session with another cluster role, or with none, as on PostgreSQL.
fn with_role(server: &Cluster, role: &str) -> Client {
    server.config().options(&format!("-c gp_role={role}")).connect(NoTls).unwrap()
}

/// The statements that CREATE EXTENSION runs on a cluster beyond what it runs on PostgreSQL.
fn statements(client: &mut Client) -> Vec<String> {
    texts(client, "SELECT millrace.cluster_statements()")
}

fn sum(contents: impl Iterator<Item = (i64, Option<String>)>) -> (i64, i128) {
    let number = |hash: Option<String>| hash.map_or(0, |hash| hash.parse::<i128>().unwrap());
    contents.fold((0, 0), |(rows, hashes), (more, hash)| (rows + more, hashes + number(hash)))
}

#[test]
fn clusters_of_servers_make_and_load_the_whole() {
    let simulation = Simulation::new(LARGEST);
    rows_of_all_segments_are_the_whole(&simulation);
    only_segments_of_a_planned_cluster_make_shares(&simulation);
    limit_ends_the_scans_of_segments(&simulation);
    simulation.coordinator.connect().batch_execute(LAY_OUT_BY_DEFAULT).unwrap();
    simulation.coordinator.connect().batch_execute(DISPATCH).unwrap();
    batches_come_from_all_segments(&simulation);
    benchmarks_compare_what_the_engine_has(&simulation);
    a_stream_is_read_from_the_coordinator(&simulation);
    the_tpch_kit_works_on_segments(&simulation);
    the_tpcds_kit_works_on_segments(&simulation);
}

fn rows_of_all_segments_are_the_whole(simulation: &Simulation) {
    let mut segments: Vec<_> = simulation.segments.iter().map(Cluster::connect).collect();
    for size in SIZES {
        simulation.resize(size);
        let mut coordinator = simulation.coordinator.connect();
        // What goes to the segments with the plan.
        let count: i16 = one(&mut coordinator, "SELECT millrace.segments()");
        assert_eq!(count, size as i16);
        for call in [
            // Fewer rows than segments.
            "tpch_region(1, NULL, NULL",
            "tpch_orders(0.01, NULL, NULL",
            "tpch_orders(0.01, 2, 3",
            "tpch_partsupp(0.01, 1, 7",
            "tpch_lineitem(0.01, 3, 3",
            "tpch_gen('part', 0.01, 2, 2, NULL::tpch_part",
            "tpch_gen(NULL::tpch_supplier, 0.01, NULL, NULL",
            "cdr_gen(1000, '{\"seed\": 3}', NULL, NULL",
            "iot_gen(1000, '{}', 4, 5",
            "cdr_rate_plans('{}'",
            "millrace.source_rows('customer', '{\"sf\": 0.01}', 100, 1111, NULL::tpch_customer",
        ] {
            let whole = content(&mut coordinator, &format!("{call})"));
            assert!(whole.0 > 0, "{call}");
            let call = format!("{call}, segments => {count}::smallint)");
            let shares: Vec<_> = segments[..size].iter_mut().map(|segment| content(segment, &call)).collect();
            let (least, most) =
                (shares.iter().map(|share| share.0).min(), shares.iter().map(|share| share.0).max());
            // But for lines, of which orders have up to seven, and the four suppliers of a part.
            if !call.contains("lineitem") && !call.contains("partsupp") {
                assert!(most.unwrap() - least.unwrap() <= 1, "{call} on {size}: {shares:?}");
            }
            assert_eq!(sum(shares.into_iter()), sum(std::iter::once(whole)), "{call} on {size}");
        }
    }
}

fn only_segments_of_a_planned_cluster_make_shares(simulation: &Simulation) {
    simulation.resize(3);
    let mut segment = simulation.segments[2].connect();
    // A function on a segment that calls one of ours is for that segment alone.
    assert_eq!(one::<i64>(&mut segment, "SELECT count(*) FROM tpch_nation()"), 25);
    let share = "SELECT count(*) FROM tpch_nation(segments => 3::smallint)";
    assert_eq!(one::<i64>(&mut segment, share), 9);
    // Nor do sessions in utility mode share, on whichever server; a cluster of a single node knows no others.
    let [coordinator, other] = [&simulation.coordinator, &simulation.segments[2]];
    let sessions = [
        coordinator.connect(),
        with_role(coordinator, "utility"),
        with_role(other, "utility"),
        with_role(other, ""),
    ];
    for mut client in sessions {
        assert_eq!(one::<i64>(&mut client, share), 25);
    }
    // A plan that was made before the cluster grew would leave rows out.
    let (code, message) = error_of(&mut segment, &share.replace('3', "2")).unwrap();
    assert_eq!(code, "55000");
    assert!(message.starts_with("segment 2 has no share of rows that 2 segments make"), "{message}");
    assert!(message.contains("HINT: Leave out argument \"segments\"."), "{message}");
}

fn limit_ends_the_scans_of_segments(simulation: &Simulation) {
    simulation.resize(3);
    let mut segment = simulation.segments[1].connect();
    // A third of six billion rows, which no machine makes in this time.
    segment.batch_execute("SET statement_timeout = '20s'").unwrap();
    let first = "SELECT l_orderkey FROM tpch_lineitem(1000, segments => 3::smallint) LIMIT 1";
    assert_eq!(one::<i64>(&mut segment, first), 2_000_000_001);
}

#[test]
fn a_cluster_has_neither_the_scan_nor_bulk_inserts() {
    let simulation = Simulation::new(0);
    simulation.pretend(3);
    simulation.coordinator.connect().batch_execute("CREATE TABLE nation (LIKE tpch_nation)").unwrap();
    let plan_and_path = |client: &mut Client| {
        let rows = client.query("EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM tpch_orders(1)", &[]).unwrap();
        let plan: String = rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect();
        client.batch_execute("CALL stream_ingest('nation')").unwrap();
        (plan, one::<String>(client, "SELECT path FROM stream_batches"))
    };
    let (plan, path) = plan_and_path(&mut simulation.coordinator.connect());
    assert!(plan.contains("Function Scan on public.tpch_orders"), "{plan}");
    // The number of segments is a constant of the plan.
    assert!(plan.contains("'3'::smallint)"), "{plan}");
    assert_eq!(path, "executor");
    let mut elsewhere = with_role(&simulation.coordinator, "");
    elsewhere.batch_execute("SELECT stream_drop('public.nation'); TRUNCATE nation").unwrap();
    let (plan, path) = plan_and_path(&mut elsewhere);
    // What is built for Cloudberry has neither on PostgreSQL, either.
    let built_for_clusters =
        std::env::var("MILLRACE_FEATURES").is_ok_and(|features| features.contains("cbdb"));
    assert_eq!(plan.contains("MillraceScan"), !built_for_clusters, "{plan}");
    assert_eq!(path, if built_for_clusters { "executor" } else { "bulk" });
}

fn batches_come_from_all_segments(simulation: &Simulation) {
    let tables = ["orders", "orders_row", "orders_column", "orders_pax"];
    let call = "CALL stream_ingest('orders', sf => 0.002, batch_rows => 800, run => 'run',
                                   variants => '{orders_row, orders_column, orders_pax, own}')";
    for (size, signal) in SIZES.into_iter().zip([true, false, true, false]) {
        simulation.resize(size);
        let mut coordinator = simulation.coordinator.connect();
        let whole = content(&mut coordinator, "tpch_orders(0.002)");
        // Two of four batches are committed when a segment crashes.
        let victim = &simulation.segments[size - 1];
        let mut holder = victim.connect();
        holder.batch_execute("SELECT pg_advisory_lock(1600)").unwrap();
        let failed = thread::scope(|scope| {
            let loading = scope.spawn(|| error_of(&mut coordinator, call));
            let held = "SELECT min(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            wait_until("the third batch", || {
                loading.is_finished() || one::<Option<i32>>(&mut holder, held).is_some()
            });
            if loading.is_finished() {
                return loading.join().unwrap();
            }
            if signal {
                victim.crash(one(&mut holder, held));
            } else {
                victim.stop("immediate");
                victim.start();
            }
            loading.join().unwrap()
        });
        let (_, message) = failed.expect("a batch without a segment");
        assert!(message.contains("server closed the connection"), "{size}: {message}");
        let state: String = one(&mut coordinator, "SELECT state || batches_done FROM stream_progress");
        assert_eq!(state, "interrupted2");
        for table in tables {
            assert_eq!(content(&mut coordinator, table).0, 1600, "{table} on {size}");
        }
        coordinator.batch_execute(call).unwrap();
        for table in tables {
            assert_eq!(content(&mut coordinator, table), whole, "{table} on {size}");
        }
        let ledger =
            "SELECT count(*) = 20 AND count(DISTINCT (batch, target)) = 20 AND bool_and(path = 'executor')
                      FROM stream_batches";
        assert!(one::<bool>(&mut coordinator, ledger), "{size}");
        let verified =
            "SELECT count(*) = 5 AND bool_and(matches AND rows_found = 3000) FROM stream_verify('run')";
        assert!(one::<bool>(&mut coordinator, verified), "{size}");
        coordinator.batch_execute("DELETE FROM orders_pax WHERE o_orderkey = 1").unwrap();
        let verified = "SELECT string_agg(target, ' ') FROM stream_verify('run') WHERE NOT matches";
        assert_eq!(one::<String>(&mut coordinator, verified), "public.orders_pax");
        coordinator.batch_execute("SELECT stream_drop('run')").unwrap();
        assert_eq!(left_over(&mut coordinator), "");
        coordinator.batch_execute(&format!("TRUNCATE {}, own", tables.join(", "))).unwrap();
    }
}

/// The tables of the extension that still have rows, where no foreign key takes them away.
fn left_over(client: &mut Client) -> String {
    let tables = "SELECT oid::regclass::text FROM pg_class
                  WHERE relnamespace = 'millrace'::regnamespace AND relkind = 'r' AND relname <> 'variant' ORDER BY 1";
    let tables = texts(client, tables);
    assert!(tables.len() >= 9, "{tables:?}");
    let filled = tables.into_iter().filter(|table| content(client, table).0 > 0);
    filled.collect::<Vec<_>>().join(" ")
}

fn benchmarks_compare_what_the_engine_has(simulation: &Simulation) {
    let mut coordinator = simulation.coordinator.connect();
    coordinator
        .batch_execute(
            "INSERT INTO millrace.variant (name, position, engine, access_method) VALUES
                 ('by_row', 1001, 'greenplum', 'ao_row'),
                 ('by_column', 1002, 'greenplum', 'ao_column'),
                 ('by_pax', 1003, 'cloudberry', 'pax')",
        )
        .unwrap();
    for size in SIZES {
        simulation.resize(size);
        // The second phase takes as long again.
        let (phase, tables, gates) = if size == LARGEST {
            ("both", &["by_row_noindex", "by_column_noindex", "by_row_index", "by_column_index"][..], 22)
        } else {
            ("noindex", &["by_row_noindex", "by_column_noindex"][..], 10)
        };
        coordinator
            .batch_execute(&format!(
                "CALL stream_bench(rows => 2000, batch_rows => 1000, phase => '{phase}',
                                   variants => '{{by_row,by_column,by_pax}}')"
            ))
            .unwrap();
        // A server with PostgreSQL's version and Greenplum's settings is not Cloudberry.
        let skipped = "SELECT string_agg(variant || ': ' || reason, ', ') FROM stream_bench_skipped";
        assert_eq!(one::<String>(&mut coordinator, skipped), "by_pax: it needs Cloudberry");
        let whole = content(&mut coordinator, "cdr_gen(2000, '{\"rows_per_day\": 2000}')");
        for table in tables {
            assert_eq!(content(&mut coordinator, &format!("bench.{table}")), whole, "{table} on {size}");
        }
        let passed = "SELECT count(*) FROM stream_gates('bench', 0.01, 100, 0.01, 1000) WHERE pass";
        assert_eq!(one::<i64>(&mut coordinator, passed), gates, "{size}");
        coordinator.batch_execute("SELECT stream_bench_drop('bench')").unwrap();
        assert_eq!(left_over(&mut coordinator), "");
    }
}

/// A rate, and readers, which are sessions of the coordinator's: what they find lies on all segments.
fn a_stream_is_read_from_the_coordinator(simulation: &Simulation) {
    simulation.resize(2);
    let mut coordinator = simulation.coordinator.connect();
    let variant =
        "INSERT INTO millrace.variant (name, engine, access_method) VALUES ('read', 'greenplum', 'ao_row')";
    coordinator.batch_execute(variant).unwrap();
    coordinator
        .batch_execute(
            "CALL stream_bench(rows => 4000, batch_rows => 500, phase => 'noindex', variants => '{read}',
                               rate => 2000, readers => 1)",
        )
        .unwrap();
    let runs =
        "SELECT string_agg(name || ' ' || rows || ' ' || (p99_ms > 0), ', ') FROM stream_latency('bench')";
    assert_eq!(
        one::<String>(&mut coordinator, runs),
        "bench/noindex 4000 true, bench/noindex_read 4000 true"
    );
    let queries = "SELECT count(DISTINCT query) FROM stream_readers('bench') WHERE count > 0";
    assert_eq!(one::<i64>(&mut coordinator, queries), 4);
    assert!(one::<bool>(&mut coordinator, "SELECT max(rows) = 4000 FROM stream_moments"));
    coordinator.batch_execute("SELECT stream_bench_drop('bench')").unwrap();
    assert_eq!(left_over(&mut coordinator), "");
}

fn the_tpch_kit_works_on_segments(simulation: &Simulation) {
    simulation.resize(3);
    let mut coordinator = simulation.coordinator.connect();
    coordinator.batch_execute(&DISPATCH_TABLES.replace("BENCHMARK", "tpch")).unwrap();
    coordinator.batch_execute("CALL tpch_load(0.01, storage => 'ao_column', partitioned => true)").unwrap();
    for table in texts(&mut coordinator, "SELECT name FROM tpch_tables()") {
        let whole = content(&mut coordinator, &format!("tpch_{table}_here(0.01)"));
        assert_eq!(content(&mut coordinator, &format!("tpch.{table}")), whole, "{table}");
    }
    coordinator.batch_execute("SELECT tpch_virtual('virtual', 0.01)").unwrap();
    for schema in ["tpch", "virtual"] {
        let answers = format!(
            "SELECT count(*) || ' ' || coalesce(string_agg(concat(query, ': ', difference), ', ') FILTER (WHERE NOT pass), '')
             FROM tpch_validate('{schema}')"
        );
        assert_eq!(one::<String>(&mut coordinator, &answers), "22 ", "{schema}");
    }
    coordinator.batch_execute("CALL tpch_refresh()").unwrap();
    for (table, key) in [("orders", "o_orderkey"), ("lineitem", "l_orderkey")] {
        let refreshed = format!(
            "SELECT (SELECT count(*) FROM tpch.{table} WHERE {key} IN (SELECT * FROM tpch_orders_delete(1, 0.01))) = 0
                AND NOT EXISTS (SELECT * FROM tpch_{table}_refresh(1, 0.01) EXCEPT SELECT * FROM tpch.{table})
                AND (SELECT count(*) FROM tpch_orders_delete(1, 0.01)) = 10"
        );
        assert!(one::<bool>(&mut coordinator, &refreshed), "{table}");
    }
    coordinator.batch_execute("SELECT tpch_drop(), tpch_drop('virtual')").unwrap();
    assert_eq!(left_over(&mut coordinator), "");
}

fn the_tpcds_kit_works_on_segments(simulation: &Simulation) {
    simulation.resize(3);
    let mut coordinator = simulation.coordinator.connect();
    coordinator.batch_execute(&DISPATCH_TABLES.replace("BENCHMARK", "tpcds")).unwrap();
    coordinator.batch_execute("CALL tpcds_load(0.01)").unwrap();
    for table in texts(&mut coordinator, "SELECT name FROM tpcds_tables()") {
        let whole = content(&mut coordinator, &format!("tpcds_{table}_here(0.01)"));
        assert_eq!(content(&mut coordinator, &format!("tpcds.{table}")), whole, "{table}");
    }
    let answers = "SELECT count(*) || ' ' || coalesce(string_agg(concat(query, ': ', difference), ', ') FILTER (WHERE NOT pass), '')
                   FROM tpcds_validate()";
    assert_eq!(one::<String>(&mut coordinator, answers), "99 ");
    // A view reads what the segments make.
    coordinator.batch_execute("SELECT tpcds_virtual('virtual', 0.01)").unwrap();
    let same = "SELECT (SELECT sum(cs_net_paid) FROM virtual.catalog_sales) = (SELECT sum(cs_net_paid) FROM tpcds.catalog_sales)";
    assert!(one::<bool>(&mut coordinator, same));
    coordinator.batch_execute("SELECT tpcds_drop(), tpcds_drop('virtual')").unwrap();
    assert_eq!(left_over(&mut coordinator), "");
}

#[test]
fn segments_write_files_that_join_to_the_whole() {
    let simulation = Simulation::new(3);
    simulation.resize(3);
    let folder = simulation.coordinator.folder().join("files");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    let export = |client: &mut Client, more: &str| -> Vec<String> {
        let folder = folder.display();
        let call = format!("SELECT path FROM tpch_export('orders', 0.01, '{folder}', 'tbl'{more})");
        client.query(&call, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    let mut read = BTreeSet::new();
    let mut content = |name: &str| {
        assert!(read.insert(name.to_owned()), "{name} was written twice");
        std::fs::read_to_string(folder.join(name)).unwrap()
    };
    // The coordinator, like any process that is no segment's, writes everything.
    export(&mut simulation.coordinator.connect(), ", segments => 3::smallint");
    let whole = content("orders.tbl");
    for number in 0..3 {
        let mut segment = simulation.segments[number].connect();
        assert_eq!(export(&mut segment, ", segments => 3::smallint").len(), 1);
        assert_eq!(export(&mut segment, ", parts => 2, segments => 3::smallint").len(), 2);
    }
    let shares: Vec<_> = (0..3).map(|number| content(&format!("orders.seg{number}.tbl"))).collect();
    assert!(shares.iter().all(|share| share.lines().count() == 5000));
    assert!(shares.concat() == whole);
    let parts = [1, 2].map(|part| [0, 1, 2].map(|number| content(&format!("orders.seg{number}.{part}.tbl"))));
    assert!(parts.concat().concat() == whole);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), read.len(), "no other file is there");
}

#[test]
fn storage_options_that_name_the_wrong_columns_are_warned_of() {
    let simulation = Simulation::new(0);
    let mut client = simulation.coordinator.connect();
    // Heap, which stands for PAX, would refuse options it does not know.
    client
        .batch_execute(
            "CREATE TABLE calls (LIKE cdr_calls) PARTITION BY RANGE (call_hour);
             CREATE TABLE calls_am PARTITION OF calls FOR VALUES FROM (0) TO (12) USING pax;
             CREATE TABLE calls_pm PARTITION OF calls FOR VALUES FROM (12) TO (24) USING pax;
             UPDATE pg_class SET reloptions = '{
                 \"cluster_columns=call_timestamp, cell_tower_id,call_date\",
                 \"bloomfilter_columns=call_id,caller_number,network_type,gone\",
                 \"minmax_columns=call_timestamp,is_roaming,billing_amount\"}'
             WHERE relname = 'calls_pm'",
        )
        .unwrap();
    let warnings = Warnings::default();
    let mut client = warnings.heard_by(simulation.coordinator.config());
    client
        .batch_execute(
            "CALL stream_ingest('calls', 'cdr', rows => 20000, options => '{\"subscribers\": 5000}')",
        )
        .unwrap();
    let warnings = warnings.take();
    let expected = [
        "bloomfilter_columns of table public.calls names column \"call_id\", which has another value in nearly",
        "bloomfilter_columns of table public.calls names column \"gone\", which does not exist",
        "bloomfilter_columns of table public.calls names column \"network_type\", which has about 3 values",
        "cluster_columns of table public.calls names column \"call_timestamp\", which is of type timestamp",
        "minmax_columns of table public.calls names column \"is_roaming\", which has about 2 values",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
    // Of the partitions: that of their parent is 0.
    let sizes = "SELECT size_bytes > 0 AND size_bytes = (
                     SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('calls') WHERE isleaf)
                 FROM stream_report('public.calls')";
    assert!(one::<bool>(&mut client, sizes));
    let bloom =
        "SELECT string_agg(column_name, ' ') FROM stream_columns('cdr', rows => 10000000) WHERE bloom_filter";
    // Few calls transfer bytes, but nearly each of these a number of its own.
    let columns = "caller_number callee_number duration_seconds cell_tower_id packet_loss_percent";
    assert_eq!(one::<String>(&mut client, bloom), columns);
}

#[test]
fn the_engine_is_known_by_its_role_and_version() {
    const CLOUDBERRY: &str =
        "PostgreSQL 14.4 (Apache Cloudberry 2.0.0-incubating build 1) on x86_64-pc-linux-gnu";
    let simulation = Simulation::new(0);
    let mut client = simulation.coordinator.connect();
    for (role, version, engine) in [
        (None, "PostgreSQL 15.6 on x86_64-pc-linux-gnu", "postgresql"),
        (Some("dispatch"), "PostgreSQL 12.12 (Greenplum Database 7.1.0 build 1) on x86_64", "greenplum"),
        (Some("dispatch"), CLOUDBERRY, "cloudberry"),
        (Some("utility"), CLOUDBERRY, "cloudberry"),
    ] {
        // In a transaction, or the function's settings would take the portal away.
        let query = "SELECT millrace.engine_of($1, $2)";
        let found: String =
            client.transaction().unwrap().query_one(query, &[&role, &version]).unwrap().get(0);
        assert_eq!(found, engine, "{role:?} {version}");
    }
    // What a benchmark leaves out on Cloudberry.
    let stand_in = format!(
        "CREATE OR REPLACE FUNCTION millrace.engine() RETURNS text LANGUAGE sql STABLE
         AS $$ SELECT millrace.engine_of(current_setting('gp_role'), '{CLOUDBERRY}') $$"
    );
    client.batch_execute(&stand_in).unwrap();
    let skipped =
        "SELECT coalesce(string_agg(name || ': ' || millrace.bench_why_skipped(engine, access_method, source, 'cdr'), ', '
                                    ORDER BY position), 'none')
         FROM stream_variants";
    assert_eq!(one::<String>(&mut client, skipped), "none");
    client.batch_execute("DROP ACCESS METHOD pax CASCADE").unwrap();
    let without =
        "pax: access method \"pax\" does not exist, pax_clustered: access method \"pax\" does not exist";
    assert_eq!(one::<String>(&mut client, skipped), without);
}

#[test]
fn pax_variants_name_the_columns_that_suit_their_rows() {
    let simulation = Simulation::new(0);
    let mut client = simulation.coordinator.connect();
    // Rows end the load once their warnings were received.
    client.batch_execute("CREATE TABLE calls (LIKE cdr_calls, CHECK (call_id IS NULL)) USING pax").unwrap();
    let warnings = Warnings::default();
    let mut loader = warnings.heard_by(simulation.coordinator.config());
    let mut storage_for = |variant: &str, rows: i64, options: &str| {
        let statement: String = one(
            &mut client,
            &format!(
                "SELECT s FROM millrace.bench_variant_statements(
                     '{variant}', 'noindex', 'cdr', 'bench', {rows}, '{options}') s"
            ),
        );
        let (_, storage) = statement.split_once(" USING pax WITH (").unwrap();
        let storage = storage.strip_suffix(") DISTRIBUTED RANDOMLY").unwrap();
        // As the server stores them.
        let stored = storage.split(", ").map(|option| option.replace(" = ", "=").replace('\'', ""));
        let stored: Vec<_> = stored.collect();
        client.execute("UPDATE pg_class SET reloptions = $1 WHERE relname = 'calls'", &[&stored]).unwrap();
        let call = format!("CALL stream_ingest('calls', 'cdr', rows => {rows}, options => '{options}')");
        assert_eq!(error_of(&mut loader, &call).unwrap().0, "23514");
        loader.batch_execute("SELECT stream_drop('public.calls')").unwrap();
        storage.to_owned()
    };
    // What stream_bench() asks for by default, a benchmark of 100 days, and a small one.
    let a_day = storage_for("pax", 1_000_000, "{\"rows_per_day\": 1000000}");
    let days = storage_for("pax", 100_000_000, "{\"rows_per_day\": 1000000}");
    let few = storage_for("pax_clustered", 500, "{\"rows_per_day\": 5000000}");
    assert_eq!(warnings.take(), Vec::<String>::new());
    let common = "compresstype = 'zstd', compresslevel = 5";
    assert_eq!(
        [a_day, days, few],
        [
            format!(
                "{common}, minmax_columns = 'call_timestamp,call_hour,caller_number,callee_number,cell_tower_id', \
                 bloomfilter_columns = 'cell_tower_id'"
            ),
            format!(
                "{common}, minmax_columns = 'call_timestamp,call_date,call_hour,caller_number,callee_number,cell_tower_id', \
                 bloomfilter_columns = 'caller_number,callee_number,cell_tower_id'"
            ),
            format!(
                "{common}, minmax_columns = 'call_timestamp,caller_number,callee_number,cell_tower_id', \
                 cluster_type = 'zorder', cluster_columns = 'call_hour,cell_tower_id'"
            ),
        ]
    );
    // Only what does not suit is left out silently.
    let texts = [
        ("WITH ({bloomfilter_columns: call_id})", "WITH ()"),
        ("WITH (a = 1, {minmax_columns:gone , is_roaming})", "WITH (a = 1, minmax_columns = 'gone')"),
        ("/* {minmax: call_id} */", "/* {minmax: call_id} */"),
    ];
    for (text, filled) in texts {
        let fill = format!("SELECT millrace.bench_fill_columns('{text}', 'cdr', 1000, '{{}}')");
        assert_eq!(one::<String>(&mut client, &fill), filled);
    }
}

#[test]
fn workers_are_refused_because_segments_are_the_workers() {
    let simulation = Simulation::new(0);
    simulation.pretend(2);
    let mut coordinator = simulation.coordinator.connect();
    for call in ["CALL stream_ingest('orders', workers => 2)", "CALL stream_resume('run', workers => 2)"] {
        let (code, message) = error_of(&mut coordinator, call).unwrap();
        assert_eq!(code, "0A000", "{call}: {message}");
        assert!(message.contains("HINT: On a cluster the segments make and insert the rows"), "{message}");
    }
}

#[test]
fn the_engine_is_told_where_functions_run_and_tables_lie() {
    let server = Cluster::with_settings(&["shared_preload_libraries = 'millrace'"]);
    let mut client = server.connect();
    let mut found = statements(&mut client);
    // Benchmarks' tables, as the coordinator of a cluster makes them.
    let variants = "
        SELECT s FROM stream_variants,
            LATERAL millrace.bench_variant_statements(
                name, 'noindex', coalesce(source, 'iot'), 'bench', 1000000,
                CASE source WHEN 'cdr' THEN '{\"rows_per_day\": 1000000}' ELSE '{}' END::jsonb) WITH ORDINALITY AS s (s, number)
        ORDER BY position, number";
    let plain = texts(&mut client, variants);
    assert!(plain.iter().all(|statement| !statement.contains("DISTRIBUTED")));
    client.batch_execute("SET gp_role = 'dispatch'").unwrap();
    found.extend(texts(&mut client, variants));
    // The tables of benchmarks, and some that are partitioned.
    for statements in [
        "SELECT millrace.kit_table_statements('tpch', 'tpch', name, 'heap', false) FROM tpch_tables()",
        "SELECT millrace.kit_table_statements('tpch', 'tpch', 'lineitem', 'ao_column', true)",
        "SELECT millrace.kit_table_statements('tpcds', 'tpcds', name, 'heap', false) FROM tpcds_tables()",
        "SELECT millrace.kit_table_statements('tpcds', 'tpcds', 'store_returns', 'ao_row', true)",
    ] {
        found.extend(texts(&mut client, statements));
    }
    client.batch_execute("RESET gp_role").unwrap();
    let found = found.join(";\n") + ";\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster.sql");
    if std::env::var_os("MILLRACE_WRITE_GOLDEN").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    assert_eq!(found, expected, "to accept: MILLRACE_WRITE_GOLDEN=1 make test-cluster");
    // Nothing of it is run on PostgreSQL.
    assert_eq!(one::<i16>(&mut client, "SELECT millrace.segments()"), 1);
    // Every function that makes rows takes part.
    let all =
        "SELECT oid::regprocedure::text FROM pg_proc WHERE prosupport = 'millrace.generate_support'::regproc";
    let all = BTreeSet::from_iter(texts(&mut client, all));
    assert!(all.len() >= 15);
    for function in all {
        let statement = format!("ALTER FUNCTION public.{function} EXECUTE ON ALL SEGMENTS;\n");
        assert!(found.contains(&statement), "{statement}");
    }
    // Each segment has a copy of the extension's tables, and would make a volatile default's value itself.
    let defaults =
        "SELECT DISTINCT pg_get_expr(adbin, adrelid) COLLATE \"C\" FROM pg_attrdef JOIN pg_class c ON c.oid = adrelid
                    WHERE relnamespace = 'millrace'::regnamespace ORDER BY 1";
    let expected = [
        "'\"steady\"'::jsonb",
        "''::text",
        "'postgresql'::text",
        "'{}'::jsonb",
        "1000",
        "false",
        "millrace.role_now()",
        "true",
    ];
    assert_eq!(texts(&mut client, defaults), expected);
    // Stable, so that the coordinator evaluates it.
    assert_eq!(
        one::<i8>(&mut client, "SELECT provolatile FROM pg_proc WHERE proname = 'role_now'"),
        b's' as i8
    );
}

#[test]
fn unlogged_targets_are_warned_of_and_noted_where_no_crash_reaches() {
    let simulation = Simulation::new(0);
    let mut client = simulation.coordinator.connect();
    client
        .batch_execute(
            "CREATE UNLOGGED TABLE nation (LIKE tpch_nation);
             CREATE TABLE region (LIKE tpch_region) PARTITION BY LIST (r_regionkey);
             CREATE UNLOGGED TABLE region_rest PARTITION OF region DEFAULT",
        )
        .unwrap();
    let warnings = Warnings::default();
    let mut client = warnings.heard_by(simulation.coordinator.config());
    for call in ["'nation'", "'region'", "'orders', sf => 0.001"] {
        client.batch_execute(&format!("CALL stream_ingest({call})")).unwrap();
    }
    let lost = "is unlogged: a segment that crashes or fails over loses its part of the rows";
    assert_eq!(warnings.take(), ["nation", "region"].map(|table| format!("table public.{table} {lost}")));
    // The unlogged ledger would lose its rows with the coordinator's crash, though the segments' tables keep theirs.
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM millrace.batch"), 3);
    assert_eq!(one::<i64>(&mut client, "SELECT count(*) FROM millrace.batch_unlogged"), 0);
    // PostgreSQL fills it again after a crash, and has nothing to warn of.
    let plain = simulation.coordinator.config().options("-c gp_role=").to_owned();
    warnings.heard_by(plain).batch_execute("CALL stream_ingest('nation')").unwrap();
    assert_eq!(warnings.take(), Vec::<String>::new());
}

/// The warnings that sessions receive.
#[derive(Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// A session whose warnings are kept.
    fn heard_by(&self, mut config: Config) -> Client {
        let heard = Arc::clone(&self.0);
        config.notice_callback(move |notice| {
            if notice.severity() == "WARNING" {
                heard.lock().unwrap().push(notice.message().to_owned());
            }
        });
        config.connect(NoTls).unwrap()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
