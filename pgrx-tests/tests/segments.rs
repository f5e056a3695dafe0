//! A simulated cluster: what the extension does on Apache Cloudberry, on plain PostgreSQL.
//!
//! Sessions of one server stand for the processes. Each is told its role as Cloudberry tells it, by the settings
//! `gp_role` and `gp_contentid`, which a library built for tests defines. Every segment has a database of its own,
//! with its own catalogs and tables. What Cloudberry's executor does with a function that is marked EXECUTE ON ALL
//! SEGMENTS is done by a function that calls it on each of them.

use millrace_tests::{Cluster, content, error_of};
use postgres::{Client, NoTls};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Sizes of clusters; the largest has a segment in each of the databases.
const SIZES: [usize; 4] = [1, 2, 3, 7];
const LARGEST: usize = 7;

/// What every database has: tables of each of Cloudberry's access methods, by their names.
const TABLES: &str = "
    CREATE ACCESS METHOD ao_row TYPE TABLE HANDLER heap_tableam_handler;
    CREATE ACCESS METHOD ao_column TYPE TABLE HANDLER heap_tableam_handler;
    CREATE ACCESS METHOD pax TYPE TABLE HANDLER heap_tableam_handler;
    CREATE TABLE orders (LIKE tpch_orders);
    CREATE TABLE orders_row (LIKE tpch_orders) USING ao_row;
    CREATE TABLE orders_column (LIKE tpch_orders) USING ao_column;
    CREATE TABLE orders_pax (LIKE tpch_orders) USING pax;
    CREATE TABLE own (o_totalprice float8, o_orderkey bigint, note text DEFAULT 'none');
    SET allow_system_table_mods = on;
    CREATE TABLE pg_catalog.gp_segment_configuration (content smallint, role \"char\");
    RESET allow_system_table_mods";

/// On the coordinator: EXECUTE ON ALL SEGMENTS for the function that batches are inserted from. A segment that is
/// lost fails from a unit on.
const DISPATCH: &str = "
    CREATE EXTENSION dblink;
    CREATE TABLE lost (segment smallint, from_unit bigint);
    ALTER FUNCTION millrace.source_rows RENAME TO source_rows_here;
    CREATE FUNCTION millrace.source_rows(
        source text, options jsonb, first_unit bigint, end_unit bigint, row_type anyelement,
        segments smallint DEFAULT millrace.segments()
    ) RETURNS SETOF anyelement LANGUAGE plpgsql AS $$
    DECLARE
        this smallint;
    BEGIN
        FOR this IN SELECT content FROM gp_segment_configuration WHERE role = 'p' AND content >= 0 LOOP
            IF EXISTS (SELECT FROM lost WHERE segment = this AND from_unit <= first_unit) THEN
                RAISE EXCEPTION 'segment % is lost', this;
            END IF;
            RETURN QUERY EXECUTE format(
                'SELECT (made.row_made::%1$s).* FROM dblink(%2$L, %3$L) AS made (row_made text)',
                pg_typeof(row_type),
                format('host=%s dbname=segment_%s user=postgres options=''-c gp_role=execute -c gp_contentid=%s''',
                       current_setting('unix_socket_directories'), this, this),
                format('SELECT made::text FROM millrace.source_rows(%L, %L, %s, %s, NULL::%s, %s::smallint) made',
                       source, options, first_unit, end_unit, pg_typeof(row_type), segments));
        END LOOP;
    END
    $$";

struct Simulation {
    server: Cluster,
}

impl Simulation {
    /// With databases for so many segments.
    fn new(databases: usize) -> Self {
        let server = Cluster::with_settings(&["shared_preload_libraries = 'millrace'"]);
        let mut client = server.connect();
        client.batch_execute(TABLES).unwrap();
        // The only one of the engine's statements that PostgreSQL knows, too.
        client.batch_execute(&statements(&mut server.connect())[0]).unwrap();
        drop(client);
        // The segments' databases begin as copies of the coordinator's; their lists of segments stay empty.
        let mut client = server.config().dbname("template1").connect(NoTls).unwrap();
        for segment in 0..databases {
            client.batch_execute(&format!("CREATE DATABASE segment_{segment} TEMPLATE postgres")).unwrap();
        }
        Self { server }
    }

    /// Gives the cluster so many segments, each with a mirror.
    fn resize(&self, segments: usize) {
        let fill = format!(
            "TRUNCATE gp_segment_configuration;
             INSERT INTO gp_segment_configuration
             SELECT content, role FROM generate_series(-1, {segments} - 1) content, unnest('{{p,m}}'::\"char\"[]) role"
        );
        // The catalog is not a user's to change otherwise.
        self.server.connect().batch_execute(&format!("SET allow_system_table_mods = on; {fill}")).unwrap();
    }

    fn coordinator(&self) -> Client {
        self.server.config().options("-c gp_role=dispatch -c gp_contentid=-1").connect(NoTls).unwrap()
    }

    fn segment(&self, number: usize) -> Client {
        let options = format!("-c gp_role=execute -c gp_contentid={number}");
        let database = format!("segment_{number}");
        self.server.config().dbname(&database).options(&options).connect(NoTls).unwrap()
    }
}

/// The statements that CREATE EXTENSION runs on a cluster beyond what it runs on PostgreSQL.
fn statements(client: &mut Client) -> Vec<String> {
    let rows = client.query("SELECT millrace.cluster_statements()", &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap().get(0)
}

fn sum(contents: impl Iterator<Item = (i64, Option<String>)>) -> (i64, i128) {
    let number = |hash: Option<String>| hash.map_or(0, |hash| hash.parse::<i128>().unwrap());
    contents.fold((0, 0), |(rows, hashes), (more, hash)| (rows + more, hashes + number(hash)))
}

#[test]
fn the_rows_of_all_segments_are_the_whole() {
    let simulation = Simulation::new(LARGEST);
    let mut segments: Vec<_> = (0..LARGEST).map(|number| simulation.segment(number)).collect();
    for size in SIZES {
        simulation.resize(size);
        let mut coordinator = simulation.coordinator();
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

#[test]
fn only_segments_of_a_planned_cluster_make_shares() {
    let simulation = Simulation::new(3);
    simulation.resize(3);
    let mut segment = simulation.segment(2);
    // A function on a segment that calls one of ours is for that segment alone.
    assert_eq!(one::<i64>(&mut segment, "SELECT count(*) FROM tpch_nation()"), 25);
    let share = "SELECT count(*) FROM tpch_nation(segments => 3::smallint)";
    assert_eq!(one::<i64>(&mut segment, share), 9);
    for (client, rows) in [(&mut simulation.coordinator(), 25), (&mut simulation.server.connect(), 25)] {
        assert_eq!(one::<i64>(client, share), rows);
    }
    // A plan that was made before the cluster grew would leave rows out.
    let (code, message) = error_of(&mut segment, &share.replace('3', "2")).unwrap();
    assert_eq!(code, "55000");
    assert!(message.starts_with("segment 2 has no share of rows that 2 segments make"), "{message}");
    assert!(message.contains("HINT: Leave out argument \"segments\"."), "{message}");
}

#[test]
fn plans_for_a_cluster_are_those_it_can_run() {
    let simulation = Simulation::new(0);
    simulation.resize(3);
    let plan = |client: &mut Client| -> String {
        let rows = client.query("EXPLAIN (VERBOSE, COSTS OFF) SELECT * FROM tpch_orders(1)", &[]).unwrap();
        rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    };
    let planned = plan(&mut simulation.coordinator());
    assert!(planned.contains("Function Scan on public.tpch_orders"), "{planned}");
    // The number of segments is a constant of the plan.
    assert!(planned.contains("'3'::smallint)"), "{planned}");
    assert!(plan(&mut simulation.server.connect()).contains("MillraceScan"));
}

#[test]
fn batches_come_from_all_segments() {
    let simulation = Simulation::new(LARGEST);
    simulation.server.connect().batch_execute(DISPATCH).unwrap();
    let tables = ["orders", "orders_row", "orders_column", "orders_pax"];
    let call = "CALL stream_ingest('orders', sf => 0.002, batch_rows => 800, run => 'run',
                                   variants => '{orders_row, orders_column, orders_pax, own}')";
    for size in SIZES {
        simulation.resize(size);
        let mut coordinator = simulation.coordinator();
        let whole = content(&mut coordinator, "tpch_orders(0.002)");
        // Two of four batches are committed when a segment is lost.
        coordinator.batch_execute("INSERT INTO lost VALUES (0, 1600)").unwrap();
        assert_eq!(error_of(&mut coordinator, call).unwrap().1, "segment 0 is lost");
        let state: String = one(&mut coordinator, "SELECT state || batches_done FROM stream_progress");
        assert_eq!(state, "interrupted2");
        assert_eq!(content(&mut coordinator, "orders_pax").0, 1600);
        coordinator.batch_execute("DELETE FROM lost").unwrap();
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
        // No row of the ledger stays, though a cluster's foreign keys would leave them.
        coordinator
            .batch_execute("ALTER TABLE millrace.batch DROP CONSTRAINT IF EXISTS batch_run_fkey")
            .unwrap();
        coordinator.batch_execute("SELECT stream_drop('run')").unwrap();
        assert_eq!(one::<i64>(&mut coordinator, "SELECT count(*) FROM millrace.batch"), 0);
        coordinator.batch_execute(&format!("TRUNCATE {}, own", tables.join(", "))).unwrap();
    }
}

#[test]
fn storage_options_that_name_the_wrong_columns_are_warned_of() {
    let simulation = Simulation::new(0);
    let mut client = simulation.server.connect();
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
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let mut config = simulation.server.config();
    config.notice_callback(move |notice| {
        if notice.severity() == "WARNING" {
            heard.lock().unwrap().push(notice.message().to_owned());
        }
    });
    let mut client = config.connect(NoTls).unwrap();
    client
        .batch_execute(
            "CALL stream_ingest('calls', 'cdr', rows => 20000, options => '{\"subscribers\": 5000}')",
        )
        .unwrap();
    let warnings = warnings.lock().unwrap();
    let expected = [
        "bloomfilter_columns of table public.calls names column \"call_id\", which has a value of its own in nearly",
        "bloomfilter_columns of table public.calls names column \"gone\", which does not exist",
        "bloomfilter_columns of table public.calls names column \"network_type\", which has about 3 values",
        "cluster_columns of table public.calls names column \"call_timestamp\", which is of type timestamp",
        "minmax_columns of table public.calls names column \"is_roaming\", which has about 2 values",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
    let bloom =
        "SELECT string_agg(column_name, ' ') FROM stream_columns('cdr', rows => 10000000) WHERE bloom_filter";
    let columns =
        "caller_number callee_number duration_seconds cell_tower_id bytes_transferred packet_loss_percent";
    assert_eq!(one::<String>(&mut client, bloom), columns);
}

#[test]
fn workers_are_refused_because_segments_are_the_workers() {
    let simulation = Simulation::new(0);
    simulation.resize(2);
    let mut coordinator = simulation.coordinator();
    for call in ["CALL stream_ingest('orders', workers => 2)", "CALL stream_resume('run', workers => 2)"] {
        let (code, message) = error_of(&mut coordinator, call).unwrap();
        assert_eq!(code, "0A000", "{call}: {message}");
        assert!(message.contains("HINT: The cluster's segments are the processes"), "{message}");
    }
}

#[test]
fn the_engine_is_told_where_functions_run_and_tables_lie() {
    let server = Cluster::new();
    let mut client = server.connect();
    let found = statements(&mut client).join(";\n") + ";\n";
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster.sql");
    if std::env::var_os("MILLRACE_WRITE_GOLDEN").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    let expected = std::fs::read_to_string(golden).unwrap();
    assert_eq!(found, expected, "to accept: MILLRACE_WRITE_GOLDEN=1 make test-server");
    // Nothing of it is run on PostgreSQL.
    assert_eq!(one::<i16>(&mut client, "SELECT millrace.segments()"), 1);
    // Every function that makes rows takes part.
    let all: BTreeSet<String> = client
        .query("SELECT oid::regprocedure::text FROM pg_proc WHERE prosupport = 'millrace.generate_support'::regproc", &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(all.len() >= 15);
    for function in all {
        let statement = format!("ALTER FUNCTION public.{function} EXECUTE ON ALL SEGMENTS;\n");
        assert!(found.contains(&statement), "{statement}");
    }
}
