//! Rows through PostgreSQL's types and COPY against the files dbgen writes.

use millrace_tests::{Cluster, copy_out};
use postgres::Client;
use sha2::{Digest, Sha256};

/// SHA-256 of the files of dbgen 2.x (TPC-H tools), made with `dbgen -s` at each scale factor.
const DBGEN: &str = include_str!("dbgen.sha256");

/// SHA-256 of the files of refresh sets that dbgen 2.14 makes with `-s` and `-U`.
const DBGEN_REFRESH: &str = include_str!("dbgen_refresh.sha256");

/// Columns as dbgen prints them: no blanks after a char(n), no fraction in a quantity.
fn as_dbgen_prints(client: &mut Client, table: &str) -> String {
    let columns = client
        .query(
            "SELECT attname::text, atttypid = 'bpchar'::regtype FROM pg_attribute
             WHERE attrelid = ('tpch_' || $1)::regclass AND attnum > 0 ORDER BY attnum",
            &[&table],
        )
        .unwrap();
    let column = |name: &str, padded: bool| match name {
        "l_quantity" => "trim_scale(l_quantity)".to_owned(),
        name if padded => format!("rtrim({name})"),
        name => name.to_owned(),
    };
    let list: Vec<_> = columns.iter().map(|row| column(row.get(0), row.get(1))).collect();
    list.join(", ")
}

/// The checksum of what COPY prints for a call, with the bar that dbgen ends a line with.
fn checksum(client: &mut Client, table: &str, calls: &[String]) -> String {
    let columns = as_dbgen_prints(client, table);
    checksum_of_columns(client, &columns, calls)
}

fn checksum_of_columns(client: &mut Client, columns: &str, calls: &[String]) -> String {
    let mut sum = Sha256::new();
    for call in calls {
        let copy = format!("COPY (SELECT {columns}, '' FROM {call}) TO STDOUT (DELIMITER '|')");
        copy_out(client, &copy, |piece| sum.update(piece));
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_table_is_dbgens_byte_for_byte() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let mut compared = 0;
    for line in DBGEN.lines() {
        let [sf, table, rows, expected] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let call = format!("tpch_{table}({sf})");
        assert_eq!(checksum(&mut client, table, &[call]), expected, "{table} at scale factor {sf}");
        let counted = format!("SELECT rows FROM tpch_tables({sf}, exact => true) WHERE name = '{table}'");
        assert_eq!(
            client.query_one(&counted, &[]).unwrap().get::<_, i64>(0).to_string(),
            rows,
            "{table} {sf}"
        );
        compared += 1;
    }
    assert_eq!(compared, 24);
}

#[test]
fn seven_parts_are_the_whole() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for line in DBGEN.lines().filter(|line| line.starts_with("0.01 ")) {
        let [sf, table, _, expected] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let by_function = |part| format!("tpch_{table}({sf}, {part}, 7)");
        let by_type = |part| format!("tpch_gen(NULL::tpch_{table}, {sf}, part => {part}, parts => 7)");
        let by_name = |part| format!("tpch_gen('{table}', {sf}, {part}, 7, row_type => NULL::tpch_{table})");
        let forms: [&dyn Fn(i32) -> String; 3] = [&by_function, &by_type, &by_name];
        for form in forms {
            let calls: Vec<_> = (1..=7).map(form).collect();
            assert_eq!(checksum(&mut client, table, &calls), expected, "{}", calls[0]);
        }
    }
}

#[test]
fn refresh_sets_are_dbgens_byte_for_byte() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let mut compared = 0;
    for line in DBGEN_REFRESH.lines() {
        let [sf, stream, source, rows, expected] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let call = format!("tpch_{source}({stream}, {sf})");
        let columns = match source.strip_suffix("_refresh") {
            Some(table) => as_dbgen_prints(&mut client, table),
            None => "tpch_orders_delete".to_owned(),
        };
        assert_eq!(
            checksum_of_columns(&mut client, &columns, std::slice::from_ref(&call)),
            expected,
            "{call}"
        );
        let counted = format!("SELECT count(*) FROM {call}");
        assert_eq!(client.query_one(&counted, &[]).unwrap().get::<_, i64>(0).to_string(), rows, "{call}");
        compared += 1;
    }
    assert_eq!(compared, 24);
}
