//! Exports from the server: what other programs read in the files, and what is left when an export fails.

use millrace_sources::{registry, tpch};
use millrace_tests::{Cluster, SmallDisk, error_of, wait_until};
use postgres::{Client, NoTls};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// A folder that the server may write to.
fn folder(cluster: &Cluster, name: &str) -> PathBuf {
    let folder = cluster.folder().join(name);
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    let mut sum = Sha256::new();
    sum.update(bytes);
    hex(sum)
}

/// What other programs find in a folder's files: by file and reader.
fn read_by_others(folder: &Path) -> BTreeMap<(String, String), Value> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/bench/bin/python");
    let output = Command::new(python).arg(tests.join("tests/readers.py")).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let of_line = |line| {
        let found: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        ((text("file"), text("reader")), found.clone())
    };
    found.lines().map(of_line).collect()
}

/// The name and the type of each of a table's columns, as pyarrow calls them.
fn columns(table: &str) -> BTreeMap<String, String> {
    let schema = (registry::find(table).unwrap().schema)();
    let of_field = |name: &str, data_type: String| {
        let named = match data_type.as_str() {
            "Int32" => "int32",
            "Int64" => "int64",
            "Utf8" => "string",
            "Date32" => "date32[day]",
            "Decimal128(15, 2)" => "decimal128(15, 2)",
            other => panic!("{name} is of type {other}"),
        };
        (name.to_owned(), named.to_owned())
    };
    schema.fields().iter().map(|field| of_field(field.name(), field.data_type().to_string())).collect()
}

/// The number of rows of `tpch_gen`, their checksum as COPY prints them, and the least and greatest values.
fn generated(
    client: &mut Client,
    table: &str,
    sf: &str,
) -> (u64, String, BTreeMap<String, (String, String)>) {
    let schema = (registry::find(table).unwrap().schema)();
    let fields: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
    // As text, a char(n) has no blanks at its end.
    let rows = format!("tpch_gen(NULL::tpch_{table}, {sf})");
    let bare: Vec<_> = fields
        .iter()
        .map(|name| {
            let is_text = columns(table)[name] == "string";
            if is_text { format!("{name}::text COLLATE \"C\" AS {name}") } else { name.clone() }
        })
        .collect();
    let select = format!("SELECT {} FROM {rows}", bare.join(", "));
    let mut text = Vec::new();
    let copy = format!("COPY ({select}) TO STDOUT (DELIMITER '|')");
    client.copy_out(copy.as_str()).unwrap().read_to_end(&mut text).unwrap();
    let extremes: Vec<_> =
        fields.iter().map(|name| format!("min({name})::text, max({name})::text")).collect();
    let row = client.query_one(&format!("SELECT {} FROM ({select}) r", extremes.join(", ")), &[]).unwrap();
    let extremes = fields.iter().enumerate().map(|(index, name)| {
        (name.clone(), (row.get::<_, String>(2 * index), row.get::<_, String>(2 * index + 1)))
    });
    let lines = text.iter().filter(|&&byte| byte == b'\n').count();
    (lines as u64, sha256(&text), extremes.collect())
}

#[test]
fn a_standby_exports_as_its_primary_does() {
    let primary = Cluster::new();
    let standby = primary.standby();
    let exported = |cluster: &Cluster| {
        let folder = folder(cluster, "exported");
        let export = "SELECT sum(rows)::bigint FROM tpch_export('all', 0.001, $1)";
        assert_eq!(cluster.connect().query_one(export, &[&folder.to_str()]).unwrap().get::<_, i64>(0), 8695);
        let read = |name: String| (sha256(&fs::read(folder.join(&name)).unwrap()), name);
        names(&folder).into_iter().map(read).collect::<Vec<_>>()
    };
    assert_eq!(exported(&standby), exported(&primary));
}

#[test]
fn others_read_what_tpch_gen_makes() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = folder(&cluster, "files");
    for format in ["parquet", "csv", "arrow", "arrow_stream"] {
        let call = format!(
            "SELECT path, rows, bytes, sha256, row_groups, seconds FROM tpch_export('all', 0.01, '{}', '{format}')",
            folder.display()
        );
        let files = client.query(&call, &[]).unwrap();
        assert_eq!(files.len(), 8);
        for (file, table) in files.iter().zip(tpch::tables()) {
            let path: String = file.get(0);
            assert!(path.contains(&format!("/{table}.")), "{path}");
            let content = fs::read(&path).unwrap();
            assert_eq!(content.len() as i64, file.get::<_, i64>(2), "{path}");
            assert_eq!(sha256(&content), file.get::<_, String>(3), "{path}");
            assert_eq!(file.get::<_, i64>(4) == 0, format == "csv", "{path}");
        }
    }
    let found = read_by_others(&folder);
    assert_eq!(found.len(), 8 * 6);
    for table in tpch::tables() {
        let (rows, sum, extremes) = generated(&mut client, table, "0.01");
        let types = columns(table);
        for (suffix, reader) in [
            ("parquet", "duckdb"),
            ("parquet", "pyarrow"),
            ("csv", "duckdb"),
            ("csv", "pyarrow"),
            ("arrow", "pyarrow"),
            ("arrows", "pyarrow"),
        ] {
            let read = &found[&(format!("{table}.{suffix}"), reader.to_owned())];
            assert_eq!(read["rows"], rows, "{table}.{suffix} by {reader}");
            assert_eq!(read["sha256"], sum, "{table}.{suffix} by {reader}");
            if reader == "pyarrow" && suffix != "csv" {
                assert_eq!(serde_json::from_value::<BTreeMap<_, _>>(read["types"].clone()).unwrap(), types);
            }
        }
        // Statistics of long texts are cut.
        let parquet = &found[&(format!("{table}.parquet"), "pyarrow".to_owned())];
        for (name, (least, greatest)) in extremes.iter().filter(|(name, _)| !name.ends_with("_comment")) {
            assert_eq!(
                (&parquet["least"][name], &parquet["greatest"][name]),
                (&least.as_str().into(), &greatest.as_str().into()),
                "{name}"
            );
        }
        assert_eq!(parquet["page_index"], true);
    }
}

#[test]
fn others_read_times_truth_values_and_floats() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = folder(&cluster, "files");
    for format in ["parquet", "arrow", "arrow_stream"] {
        for source in ["cdr", "iot"] {
            let path = folder.display();
            let call = format!(
                "SELECT rows FROM stream_export('{source}', '{path}', '{format}', options => '{{\"rows\": 20000}}')"
            );
            assert_eq!(client.query_one(&call, &[]).unwrap().get::<_, i64>(0), 20_000);
        }
    }
    let found = read_by_others(&folder);
    assert_eq!(found.len(), 2 * 4);
    for (source, expected) in [
        (
            "cdr",
            vec![("call_timestamp", "timestamp[us]"), ("is_roaming", "bool"), ("bytes_transferred", "int64")],
        ),
        ("iot", vec![("time", "timestamp[us]"), ("value", "double")]),
    ] {
        let schema = (registry::find(source).unwrap().schema)();
        // As DuckDB prints them.
        let printed: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| match (field.name(), field.data_type().to_string().as_str()) {
                (name, "Boolean") => format!("{name}::text"),
                (name, "Float64") => {
                    format!("{name}::text || CASE WHEN {name} = trunc({name}) THEN '.0' ELSE '' END")
                }
                (name, _) => name.clone(),
            })
            .collect();
        let rows = format!("{source}_gen(20000)");
        let copy =
            format!("COPY (SELECT {} FROM {rows}) TO STDOUT (DELIMITER '|', NULL '')", printed.join(", "));
        let mut text = Vec::new();
        client.copy_out(copy.as_str()).unwrap().read_to_end(&mut text).unwrap();
        if source == "cdr" {
            let nulls = format!("SELECT count(*) FROM {rows} WHERE bytes_transferred IS NULL");
            assert!(client.query_one(&nulls, &[]).unwrap().get::<_, i64>(0) > 1000);
        }
        for (suffix, reader) in
            [("parquet", "duckdb"), ("parquet", "pyarrow"), ("arrow", "pyarrow"), ("arrows", "pyarrow")]
        {
            let read = &found[&(format!("{source}.{suffix}"), reader.to_owned())];
            assert_eq!(read["rows"], 20_000, "{source}.{suffix} by {reader}");
            assert_eq!(read["sha256"], sha256(&text), "{source}.{suffix} by {reader}");
            for (column, data_type) in expected.iter().filter(|_| reader == "pyarrow") {
                assert_eq!(read["types"][column], *data_type, "{source}.{suffix}");
            }
        }
    }
}

#[test]
fn options_are_what_others_find_in_the_files() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = folder(&cluster, "files");
    let (rows, sum, _) = generated(&mut client, "lineitem", "0.01");
    for (codec, level) in [("none", ""), ("snappy", ""), ("lz4", ""), ("zstd", ", \"level\": 9")] {
        let options =
            format!(r#"{{"compression": "{codec}"{level}, "row_group_rows": 10000, "overwrite": true}}"#);
        let call = format!(
            "SELECT row_groups FROM stream_export('lineitem', '{}', options => $1::text::jsonb || '{{\"sf\": 0.01}}')",
            folder.display()
        );
        assert_eq!(client.query_one(&call, &[&options]).unwrap().get::<_, i64>(0), 6);
        let found = &read_by_others(&folder)[&("lineitem.parquet".to_owned(), "pyarrow".to_owned())];
        let name = match codec {
            "none" => "UNCOMPRESSED".to_owned(),
            codec => codec.to_uppercase(),
        };
        assert_eq!(found["codecs"], serde_json::json!([name]));
        assert_eq!((&found["rows"], &found["sha256"]), (&rows.into(), &sum.clone().into()), "{codec}");
        assert_eq!(found["row_groups"].as_array().unwrap().len(), 6);
    }
    for codec in ["zstd", "lz4"] {
        let call = format!(
            "SELECT count(*) FROM tpch_export('lineitem', 0.01, '{}', 'arrow', options => '{{\"compression\": \"{codec}\", \"overwrite\": true}}')",
            folder.display()
        );
        client.query_one(&call, &[]).unwrap();
        let found = &read_by_others(&folder)[&("lineitem.arrow".to_owned(), "pyarrow".to_owned())];
        assert_eq!(found["sha256"], sum, "{codec}");
    }
    let call = format!(
        r#"SELECT count(*) FROM tpch_export('orders', 0.01, '{}', options => '{{"columns": ["o_orderdate", "o_orderkey"],
           "sort_by": ["o_orderdate"], "page_index": false, "dictionary": false, "bloom_filters": ["o_orderkey"]}}')"#,
        folder.display()
    );
    client.query_one(&call, &[]).unwrap();
    let found = &read_by_others(&folder)[&("orders.parquet".to_owned(), "pyarrow".to_owned())];
    assert_eq!(found["types"].as_object().unwrap().len(), 2);
    let call = format!(
        "SELECT sum(rows)::bigint FROM tpch_export('lineitem', 0.01, '{}', options => '{{\"partition_by\": \"l_shipmode\"}}')",
        folder.display()
    );
    assert_eq!(client.query_one(&call, &[]).unwrap().get::<_, i64>(0), 60_175);
    let partitions = &read_by_others(&folder)[&("lineitem".to_owned(), "both".to_owned())];
    assert_eq!((&partitions["rows"], &partitions["rows_by_pyarrow"]), (&60_175.into(), &60_175.into()));
    assert_eq!(
        (&partitions["columns"], &partitions["values"][4]),
        (&16.into(), &"l_shipmode=REG AIR".into())
    );
    assert_eq!((&found["sorted_by"], &found["page_index"]), (&serde_json::json!([0]), &false.into()));
    assert_eq!(
        (&found["dictionaries"], &found["bloom_filters"]),
        (&serde_json::json!([]), &serde_json::json!(["o_orderkey"]))
    );
}

#[test]
fn tbl_is_dbgens_byte_for_byte_whole_and_in_parts() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    for sf in ["0.001", "0.01"] {
        let folder = folder(&cluster, &format!("tbl{sf}"));
        let expected =
            include_str!("dbgen.sha256").lines().filter(|line| line.starts_with(&format!("{sf} ")));
        let expected: Vec<Vec<_>> = expected.map(|line| line.split(' ').collect()).collect();
        let call = |more: &str| {
            format!(
                "SELECT path, sha256, rows FROM tpch_export('all', {sf}, '{}', 'tbl'{more})",
                folder.display()
            )
        };
        for (file, line) in client.query(&call(""), &[]).unwrap().iter().zip(&expected) {
            assert_eq!(file.get::<_, String>(1), line[3], "{}", line[1]);
            assert_eq!(file.get::<_, i64>(2).to_string(), line[2], "{}", line[1]);
        }
        // A file for each part, and one part made again on its own.
        assert_eq!(client.query(&call(", parts => 3"), &[]).unwrap().len(), 24);
        let again = client.query(&call(r#", 2, 3, options => '{"overwrite": true}'"#), &[]).unwrap();
        assert_eq!(again.len(), 8);
        for line in &expected {
            let mut sum = Sha256::new();
            for part in 1..=3 {
                sum.update(fs::read(folder.join(format!("{}.{part}.tbl", line[1]))).unwrap());
            }
            assert_eq!(hex(sum), line[3], "{} in parts", line[1]);
        }
    }
}

#[test]
fn files_that_are_there_are_refused_passed_over_or_replaced() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let folder = folder(&cluster, "files");
    fs::write(folder.join("nation.tbl"), "mine").unwrap();
    fs::set_permissions(folder.join("nation.tbl"), Permissions::from_mode(0o666)).unwrap();
    let call = |options: &str| {
        format!(
            "SELECT path, rows, bytes, sha256 FROM tpch_export('all', 0.001, '{}', 'tbl', options => '{options}')",
            folder.display()
        )
    };
    let (code, message) = error_of(&mut client, &call("{}")).unwrap();
    assert_eq!(code, "58P02", "{message}");
    assert!(message.contains("nation.tbl\" already exists HINT: Replace it"), "{message}");
    assert_eq!(names(&folder), ["nation.tbl"], "nothing was begun");

    let files = client.query(&call(r#"{"skip_existing": true}"#), &[]).unwrap();
    assert_eq!(files.len(), 8);
    assert_eq!((files[1].get::<_, Option<i64>>(1), files[1].get::<_, i64>(2)), (None, 4));
    assert_eq!(fs::read_to_string(folder.join("nation.tbl")).unwrap(), "mine");

    let files = client.query(&call(r#"{"overwrite": true}"#), &[]).unwrap();
    assert_eq!(files[1].get::<_, Option<i64>>(1), Some(25));
    assert_eq!(sha256(&fs::read(folder.join("nation.tbl")).unwrap()), files[1].get::<_, String>(3));
    assert_eq!(names(&folder).len(), 8, "no temporary file is left");
}

#[test]
fn each_wrong_call_gives_its_error_and_leaves_no_file() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let open = folder(&cluster, "open");
    let closed = cluster.folder().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    let data: String = client.query_one("SHOW data_directory", &[]).unwrap().get(0);
    std::os::unix::fs::symlink(&data, open.join("link")).unwrap();
    let spaces = folder(&cluster, "spaces");
    fs::create_dir(spaces.join("space")).unwrap();
    let owner = format!("chown --reference={data} {0} && chmod 700 {0}", spaces.join("space").display());
    assert!(Command::new("sh").args(["-c", &owner]).status().unwrap().success());
    let space = spaces.join("space").to_string_lossy().into_owned();
    client.batch_execute(&format!("CREATE TABLESPACE space LOCATION '{space}'")).unwrap();

    // Partitions' folders whose place is taken by a link.
    let linked = folder(&cluster, "linked");
    std::os::unix::fs::symlink(&data, linked.join("lineitem")).unwrap();
    let linked = linked.to_string_lossy().into_owned();

    let open_path = open.to_string_lossy().into_owned();
    let path = |path: &str| format!("tpch_export('nation', 1, '{path}')");
    let more = |more: &str| format!("tpch_export('lineitem', 0.01, '{open_path}', {more})");
    let options = |options: &str| more(&format!("options => '{options}'"));
    let wrong: Vec<(String, &str, &str)> = vec![
        (path("files"), "42602", "relative path not allowed"),
        (path(""), "42602", "relative path not allowed"),
        (path("/no/such/folder"), "58P01", "folder \"/no/such/folder\" does not exist"),
        (path(&data), "42501", "is among the server's own files"),
        (path(&format!("{data}/base")), "42501", "is among the server's own files"),
        (path(&format!("{open_path}/../data/base/../pg_wal")), "42501", "is among the server's own files"),
        (path(&format!("{open_path}/link")), "42501", "is among the server's own files"),
        (path(&space), "42501", "is among the server's own files"),
        (path(&closed.to_string_lossy()), "42501", "Permission denied"),
        (path("/dev/null"), "58P01", "does not exist"),
        ("tpch_export('nation', 1, NULL)".to_owned(), "22004", "argument \"path\" must not be null"),
        (
            format!("tpch_export('nations', 1, '{open_path}')"),
            "22023",
            "TPC-H table \"nations\" does not exist",
        ),
        (format!("tpch_export('nation', 'NaN', '{open_path}')"), "22023", "scale factor NaN is out of range"),
        (format!("stream_export('nations', '{open_path}')"), "22023", "source \"nations\" does not exist"),
        (
            format!("stream_export('nation', '{open_path}', options => '{{\"sf\": 0}}')"),
            "22023",
            "scale factor 0",
        ),
        (
            more("'orc'"),
            "22023",
            "format \"orc\" does not exist HINT: The formats are parquet, csv, tbl, arrow, arrow_stream.",
        ),
        (more("NULL"), "22004", "argument \"format\" must not be null"),
        (
            more("threads => 0"),
            "22023",
            "invalid number of threads: 0 HINT: An export can use from 1 to 256 threads.",
        ),
        (more("threads => 10000"), "22023", "invalid number of threads: 10000"),
        (more("threads => -1"), "22023", "invalid number of threads: -1"),
        (more("part => 4, parts => 3"), "22023", "part 4 of 3 does not exist"),
        (more("parts => 0"), "22023", "part 1 of 0 does not exist"),
        (more("parts => 2000000000"), "22023", "at most 100000 files"),
        (options("[]"), "22023", "invalid value for argument \"options\": []"),
        (options("{\"codec\": \"gzip\"}"), "22023", "unknown field `codec`"),
        (options("{\"compression\": \"gzip\"}"), "22023", "unknown variant `gzip`, expected one of `none`"),
        (options("{\"compression\": \"zstd\", \"level\": 99}"), "22023", "`level` is from 1 to 22"),
        (options("{\"level\": 3}"), "22023", "`level` is for compression `zstd`"),
        (options("{\"row_group_rows\": 0}"), "22023", "`row_group_rows` is from 1 to"),
        (
            format!("tpch_export('lineitem', 1, '{open_path}', options => '{{\"file_bytes\": 1}}')"),
            "22023",
            "an export has at most 100000 files",
        ),
        (options("{\"overwrite\": true, \"skip_existing\": true}"), "22023", "exclude each other"),
        (
            options("{\"columns\": [\"l_nope\"]}"),
            "42703",
            "source \"lineitem\" has no column \"l_nope\" HINT: Its columns are l_orderkey,",
        ),
        (options("{\"columns\": []}"), "22023", "`columns` names no column"),
        (options("{\"sort_by\": [\"l_nope\"]}"), "42703", "has no column \"l_nope\""),
        (
            more("'csv', options => '{\"sort_by\": [\"l_tax\"]}'"),
            "22023",
            "format \"csv\" has no option `sort_by`",
        ),
        (more("'csv', options => '{\"delimiter\": \"ab\"}'"), "22023", "invalid export options"),
        (
            more("'csv', options => '{\"delimiter\": \"0\"}'"),
            "22023",
            "`delimiter` is a tab or one printable",
        ),
        (options("{\"columns\": [\"l_tax\", \"l_tax\"]}"), "22023", "names column \"l_tax\" twice"),
        (
            options("{\"partition_by\": \"l_tax\", \"skip_existing\": true}"),
            "22023",
            "`partition_by` and `skip_existing` exclude each other",
        ),
        (
            format!(
                "tpch_export('lineitem', 0.01, '{linked}', options => '{{\"partition_by\": \"l_tax\"}}')"
            ),
            "58P02",
            "/lineitem\" already exists",
        ),
        (
            format!("stream_export('sql', '{open_path}', options => '{{\"query\": \"SELECT 1\"}}')"),
            "0A000",
            "exporting a query is not supported HINT: COPY (query) TO writes",
        ),
        (more("'arrow', options => '{\"compression\": \"snappy\"}'"), "22023", "no compression `snappy`"),
    ];
    for (call, code, part) in &wrong {
        let Some((found, message)) = error_of(&mut client, &format!("SELECT * FROM {call}")) else {
            panic!("{call}: no error")
        };
        assert_eq!((found.as_str(), message.contains(part)), (*code, true), "{call}: {found} {message}");
        assert_eq!(names(&open), ["link"], "{call}");
    }
    assert!(names(&closed).is_empty());
    let strangers = names(Path::new(&data));
    assert!(!strangers.iter().any(|name| name.contains("l_tax")), "{strangers:?}");
}

#[test]
fn only_who_may_write_the_servers_files_exports() {
    let cluster = Cluster::new();
    cluster.connect().batch_execute("CREATE ROLE clerk LOGIN").unwrap();
    let folder = folder(&cluster, "files");
    let mut clerk = cluster.connect_as("clerk");
    let call = format!("SELECT * FROM tpch_export('nation', 1, '{}')", folder.display());
    let (code, message) = error_of(&mut clerk, &call).unwrap();
    assert_eq!(code, "42501", "{message}");
    assert!(message.contains("pg_write_server_files"), "{message}");
    assert!(names(&folder).is_empty());
    cluster.connect().batch_execute("GRANT pg_write_server_files TO clerk").unwrap();
    clerk.batch_execute(&call).unwrap();
    assert_eq!(names(&folder), ["nation.parquet"]);
}

#[test]
fn a_full_disk_leaves_no_file() {
    let cluster = Cluster::new();
    let disk = SmallDisk::mount(&cluster, 3);
    let mut client = cluster.connect();
    for format in ["parquet", "csv", "tbl", "arrow", "arrow_stream"] {
        for is_async in [true, false] {
            let call = format!(
                "SELECT * FROM tpch_export('lineitem', 0.1, '{}', '{format}', options => '{{\"async\": {is_async}}}')",
                disk.path
            );
            let (code, message) = error_of(&mut client, &call).unwrap();
            assert_eq!(code, "53100", "{message}");
            assert!(names(Path::new(&disk.path)).is_empty(), "{format}");
        }
    }
    // There is room for some tables, which stay; the next run skips those.
    let call = |options: &str| {
        format!("SELECT path FROM tpch_export('all', 0.01, '{}', 'csv', options => '{options}')", disk.path)
    };
    assert_eq!(error_of(&mut client, &call("{}")).unwrap().0, "53100");
    let complete = names(Path::new(&disk.path));
    assert_eq!(
        complete,
        ["customer.csv", "nation.csv", "part.csv", "partsupp.csv", "region.csv", "supplier.csv"]
    );
    assert_eq!(error_of(&mut client, &call(r#"{"skip_existing": true}"#)).unwrap().0, "53100");
    cluster.stop("fast");
}

#[test]
fn an_export_says_how_far_it_is_and_keeps_signals_from_its_threads() {
    let cluster = Cluster::new();
    let folder = folder(&cluster, "files");
    let call = format!("SELECT * FROM tpch_export('lineitem', 100, '{}', threads => 3)", folder.display());
    let (said, notices) = mpsc::channel();
    let mut config = cluster.config();
    // The test may be over before the last of them.
    config.notice_callback(move |notice| drop(said.send(notice.message().to_owned())));
    let exporting = std::thread::spawn(move || {
        config.connect(NoTls).unwrap().batch_execute(&call).unwrap_err();
    });
    let notice = notices.recv_timeout(Duration::from_secs(120)).unwrap();
    assert!(notice.starts_with("export: ") && notice.contains(" of 600000000 rows ("), "{notice}");
    assert!(notice.contains(" rows/s, ETA "), "{notice}");

    let mut other = cluster.connect();
    let pid: i32 = other.query_one("SELECT pid FROM pg_stat_progress_copy", &[]).unwrap().get(0);
    let blocked = |thread: &Path| {
        let status = fs::read_to_string(thread.join("status")).unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    // Hangup, interrupt, quit, the two of users, alarm, termination and urgent: those that a server uses.
    let signals = [1, 2, 3, 10, 12, 14, 15, 23].iter().fold(0u64, |mask, signal| mask | 1 << (signal - 1));
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|entry| entry.unwrap().path());
    let (main, threads): (Vec<_>, Vec<_>) = threads.partition(|thread| thread.ends_with(pid.to_string()));
    // The server itself blocks the urgent one, to wait for it.
    assert_eq!(blocked(&main[0]) & signals & !(1 << 22), 0);
    // Three that make rows, and one that writes.
    assert!(threads.len() >= 4, "{threads:?}");
    for thread in threads {
        assert_eq!(blocked(&thread) & signals, signals, "{}", thread.display());
    }
    other.batch_execute(&format!("SELECT pg_cancel_backend({pid})")).unwrap();
    exporting.join().unwrap();
    assert!(names(&folder).is_empty());
}

/// How an export that runs is ended by another session.
fn end_an_export(function: &str) -> (Cluster, PathBuf, Option<String>) {
    let cluster = Cluster::new();
    let folder = folder(&cluster, "files");
    let call = format!("SELECT * FROM tpch_export('lineitem', 100, '{}', 'parquet')", folder.display());
    let mut other = cluster.connect();
    let config = cluster.config();
    let exporting = std::thread::spawn(move || {
        let mut client = config.connect(NoTls).unwrap();
        client.batch_execute(&call).unwrap_err().code().map(|code| code.code().to_owned())
    });
    let running = "SELECT pid FROM pg_stat_progress_copy
                   WHERE command = 'COPY TO' AND type = 'FILE' AND tuples_processed > 0 AND bytes_processed > 0";
    wait_until("the export to run", || other.query_opt(running, &[]).unwrap().is_some());
    assert_eq!(names(&folder).len(), 1, "one file is being written");
    other.batch_execute(&format!("SELECT {function}(pid) FROM pg_stat_progress_copy")).unwrap();
    let code = exporting.join().unwrap();
    wait_until("the backend to be done", || other.query_opt(running, &[]).unwrap().is_none());
    (cluster, folder, code)
}

#[test]
fn a_cancelled_export_leaves_no_file() {
    let (cluster, folder, code) = end_an_export("pg_cancel_backend");
    assert_eq!(code.as_deref(), Some("57014"));
    assert!(names(&folder).is_empty());
    drop(cluster);
}

#[test]
fn a_terminated_export_leaves_no_file() {
    let (cluster, folder, code) = end_an_export("pg_terminate_backend");
    assert_eq!(code.as_deref(), Some("57P01"));
    assert!(names(&folder).is_empty());
    drop(cluster);
}
