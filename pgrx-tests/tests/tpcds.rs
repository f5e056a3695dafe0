//! The TPC-DS kit: rows as dsdgen's, and the answers on loaded tables and on views, whatever happens on the way. What it has
//! in common with TPC-H's is tested there.

use millrace_sources::tpcds::KIT;
use millrace_tests::{Cluster, assert_valid, content, copy_out, error_of, one, strike};
use postgres::Client;
use sha2::{Digest, Sha256};

/// SHA-256 of the tables as tpcgen-cli 4.0.0 makes them (benches/tpcds_checksums.py).
const DSDGEN: &str = include_str!("dsdgen.sha256");

/// The checksum of what COPY prints for a call; dsdgen prints no blanks after a char(n), and offsets from GMT as integers.
fn checksum(client: &mut Client, table: &str, call: &str) -> String {
    let columns: String = one(
        client,
        &format!(
            "SELECT string_agg(CASE WHEN atttypid = 'bpchar'::regtype THEN format('rtrim(%s)', attname)
                                    WHEN attname LIKE '%gmt_offset' THEN format('trim_scale(%s)', attname)
                                    ELSE attname END,
                               ', ' ORDER BY attnum)
             FROM pg_attribute WHERE attrelid = 'tpcds_{table}'::regclass AND attnum > 0"
        ),
    );
    let copy = format!("COPY (SELECT {columns} FROM {call}) TO STDOUT (DELIMITER '|', NULL '')");
    let mut sum = Sha256::new();
    copy_out(client, &copy, |piece| sum.update(piece));
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares all tables at some scale factors; gives how many there were.
fn compare(client: &mut Client, wanted: impl Fn(&str) -> bool) -> usize {
    let lines = DSDGEN.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut compared = 0;
    for line in lines.filter(|line| wanted(line[0])) {
        let [sf, table, rows, expected] = line[..] else { panic!("{line:?}") };
        let call = format!("tpcds_{table}({sf})");
        assert_eq!(checksum(client, table, &call), expected, "{table} at scale factor {sf}");
        let counted =
            format!("SELECT rows::text FROM tpcds_tables({sf}, exact => true) WHERE name = '{table}'");
        assert_eq!(one::<String>(client, &counted), rows, "{table} at scale factor {sf}");
        compared += 1;
    }
    compared
}

#[test]
fn every_table_is_dsdgens_byte_for_byte() {
    let cluster = Cluster::new();
    assert_eq!(compare(&mut cluster.connect(), |sf| sf != "1"), 48);
}

#[test]
#[ignore = "takes minutes: make proof"]
fn every_table_is_dsdgens_byte_for_byte_at_scale_factor_1() {
    let cluster = Cluster::new();
    assert_eq!(compare(&mut cluster.connect(), |sf| sf == "1"), 24);
}

#[test]
#[ignore = "takes minutes: make proof"]
fn loaded_tables_and_views_give_the_answers_at_scale_factor_1() {
    let cluster = Cluster::with_settings(&["shared_buffers=1GB", "max_wal_size=4GB"]);
    let mut client = cluster.connect();
    client.batch_execute("CALL tpcds_load(1, workers => 2)").unwrap();
    assert_valid(&mut client, "tpcds_validate()", 1.0);
    client.batch_execute("SELECT tpcds_virtual('made', 1)").unwrap();
    assert_valid(&mut client, "tpcds_validate('made')", 1.0);
}

/// Each table holds just what the generating function of its name returns.
fn assert_loaded(client: &mut Client, schema: &str, sf: f64) {
    for table in KIT.tables {
        let expected = content(client, &format!("tpcds_{}({sf})", table.name));
        assert_eq!(content(client, &format!("{schema}.{}", table.name)), expected, "{schema}.{}", table.name);
    }
}

fn constraints(client: &mut Client, schema: &str, kind: char) -> i64 {
    let of_kind =
        format!("contype = '{kind}' AND connamespace = '{schema}'::regnamespace AND conparentid = 0");
    one(client, &format!("SELECT count(*) FROM pg_constraint WHERE {of_kind}"))
}

#[test]
fn loaded_tables_give_the_answers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpcds_load(0.01)").unwrap();
    assert_loaded(&mut client, "tpcds", 0.01);
    let references: usize = KIT.tables.iter().map(|table| KIT.references(table).len()).sum();
    assert_eq!(constraints(&mut client, "tpcds", 'p'), 24);
    assert_eq!(constraints(&mut client, "tpcds", 'f'), references as i64);
    assert_valid(&mut client, "tpcds_validate()", 0.01);

    client
        .batch_execute(
            "CALL tpcds_load(0.01, 'by year', indexes => true, partitioned => true, overwrite => true)",
        )
        .unwrap();
    assert_loaded(&mut client, "\"by year\"", 0.01);
    let smallest: i64 = one(
        &mut client,
        "SELECT min(rows) FROM (SELECT count(*) AS rows FROM \"by year\".store_sales GROUP BY tableoid) leaf",
    );
    assert!(smallest > 100, "each year and the rest have rows: sold dates may be null");
    assert_valid(&mut client, "tpcds_validate('by year')", 0.01);
    client.batch_execute("SELECT tpcds_drop('by year')").unwrap();
    let left = "SELECT count(*) FROM pg_class WHERE relnamespace = '\"by year\"'::regnamespace";
    assert_eq!(one::<i64>(&mut client, left), 0);
}

#[test]
fn views_over_generation_give_the_answers() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("SELECT tpcds_virtual('made', 0.01)").unwrap();
    assert_valid(&mut client, "tpcds_validate('made')", 0.01);
    let stored = "SELECT count(*) FROM pg_class
                  WHERE relnamespace = 'made'::regnamespace AND pg_relation_filenode(oid) IS NOT NULL";
    assert_eq!(one::<i64>(&mut client, stored), 0);
}

#[test]
fn queries_run_as_text_and_as_rows() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client.batch_execute("CALL tpcds_load(0.01)").unwrap();
    client.batch_execute("SET search_path TO tpcds, public").unwrap();
    // Of any seed, in the order of any stream, both statements of those that have two.
    for stream in [0, 20, 21] {
        let texts = client
            .query(&format!("SELECT query, sql FROM tpcds_queries(seed => 19, stream => {stream}, decorrelated => true)"), &[])
            .unwrap();
        assert_eq!(texts.len(), 99);
        for row in texts {
            let (query, sql): (i32, String) = (row.get(0), row.get(1));
            client.batch_execute(&sql).unwrap_or_else(|error| panic!("query {query}: {error}\n{sql}"));
        }
    }
    let rows = |query: i32| format!("SELECT count(*) FROM tpcds_run({query}, sf => 0.01)");
    let expected: i64 = one(&mut client, "SELECT count(*) FROM tpcds_answers(39, 0.01)");
    assert_eq!(one::<i64>(&mut client, &rows(39)), expected);
}

const WRONG: &[(&str, &str, &str)] = &[
    (
        "SELECT tpcds_query(100)",
        "22023",
        "TPC-DS query 100 does not exist HINT: Queries are numbered from 1 to 99",
    ),
    ("SELECT tpcds_query(0)", "22023", "TPC-DS query 0 does not exist"),
    ("SELECT tpcds_query(1, seed => -1)", "22023", "invalid value for argument \"seed\": -1"),
    (
        "SELECT * FROM tpcds_gen('lineitem')",
        "22023",
        "TPC-DS table \"lineitem\" does not exist HINT: The tables are",
    ),
    ("SELECT * FROM tpcds_item(0.0001)", "22023", "A scale factor is from 0.001 to 100000"),
    ("SELECT * FROM tpcds_item('NaN')", "22023", "scale factor NaN is out of range"),
    ("SELECT * FROM tpcds_item(1, 2)", "22023", "part 2 of 1 does not exist"),
    ("SELECT * FROM tpcds_gen('item')", "42804", "Call tpcds_item(), or give tpcds_gen() a row_type"),
    ("SELECT * FROM tpcds_answers(1, 2)", "22023", "There are answers for 0.01, 0.1, 1"),
    ("SELECT * FROM tpcds_validate('nowhere')", "3F000", "schema \"nowhere\" does not exist"),
    ("CALL tpcds_load(-1)", "22023", "scale factor -1 is out of range"),
    ("CALL tpcds_load(NULL)", "22004", "sf"),
    ("CALL tpcds_load(0.01, storage => 'floppy')", "42704", "floppy"),
    ("SELECT tpcds_virtual('made', 0)", "22023", "scale factor 0 is out of range"),
    ("BEGIN; CALL tpcds_load(0.01)", "25001", "CALL tpcds_load cannot run inside a transaction block"),
];

#[test]
fn wrong_calls_are_refused_and_leave_nothing_behind() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let state = "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_namespace)";
    let before: String = one(&mut client, state);
    for (statement, code, part) in WRONG {
        let (found, message) = error_of(&mut client, statement).unwrap_or_else(|| panic!("{statement}"));
        client.batch_execute("ROLLBACK").unwrap();
        assert_eq!(&found, code, "{statement}: {message}");
        assert!(message.contains(part), "{statement}: {message}");
        assert_eq!(one::<String>(&mut client, state), before, "{statement}");
    }
}

#[test]
fn names_that_are_not_ascii_reach_databases_of_other_encodings() {
    let cluster = Cluster::new();
    let count = "SELECT count(*) FROM tpcds_customer(0.01) WHERE c_birth_country = $1";
    let mut client = cluster.connect();
    let expected: i64 = client.query_one(count, &[&"C\u{d4}TE D'IVOIRE"]).unwrap().get(0);
    assert!(expected > 0);
    let mut latin = cluster.database("latin", "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    latin.batch_execute("CREATE EXTENSION IF NOT EXISTS millrace").unwrap();
    latin.batch_execute("CALL tpcds_load(0.01, keys => false)").unwrap();
    assert_eq!(latin.query_one(count, &[&"C\u{d4}TE D'IVOIRE"]).unwrap().get::<_, i64>(0), expected);
    let loaded = "SELECT count(*) FROM tpcds.customer WHERE c_birth_country = $1";
    assert_eq!(latin.query_one(loaded, &[&"C\u{d4}TE D'IVOIRE"]).unwrap().get::<_, i64>(0), expected);
}

#[test]
fn a_load_killed_ten_times_ends_whole() {
    const CALL: &str = "CALL tpcds_load(0.01)";
    let cluster = Cluster::new();
    let mut interrupted = 0;
    for round in 0..10 {
        let before = if round == 0 { 0 } else { done(&mut cluster.connect()) };
        let reached = |watcher: &mut Client| done(watcher) > before + 9;
        interrupted += usize::from(strike(&cluster, round, CALL, reached));
    }
    assert!(interrupted > 5, "only {interrupted} calls were interrupted");
    let mut client = cluster.connect();
    client.batch_execute(CALL).unwrap();
    assert_loaded(&mut client, "tpcds", 0.01);
    assert_eq!(constraints(&mut client, "tpcds", 'p'), 24);
    assert_valid(&mut client, "tpcds_validate()", 0.01);
}

/// How much of a load is done: batches and keys.
fn done(client: &mut Client) -> i64 {
    one(
        client,
        "SELECT (SELECT count(*) FROM stream_batches)
              + (SELECT count(*) FROM pg_constraint WHERE connamespace = to_regnamespace('tpcds'))",
    )
}
