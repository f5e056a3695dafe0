//! Files of small exports: their bytes, their names, and what is left of those that fail.

use arrow::array::AsArray;
use arrow::array::RecordBatch;
use arrow::datatypes::{Date32Type, Int64Type};
use millrace_export::{Error, FileReport, Format, Options, Parts, Progress, Request, Table, export};
use millrace_sources::{registry, tpch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn table(name: &str, sf: f64, parts: Parts) -> Table {
    Table {
        name: name.to_owned(),
        source: registry::open(name, json!({ "sf": sf })).unwrap(),
        parts,
        segment: None,
    }
}

fn request(folder: &Path, tables: Vec<Table>, format: Format, threads: usize, options: Value) -> Request {
    let options = Options::from_json(options).unwrap();
    Request { tables, folder: folder.to_owned(), format, threads, options }
}

/// Exports part or all of one table with two threads.
fn export_one(
    folder: &Path,
    name: &str,
    sf: f64,
    parts: Parts,
    format: Format,
    options: Value,
) -> Result<Vec<FileReport>, Error> {
    export(&request(folder, vec![table(name, sf, parts)], format, 2, options), &Progress::default())
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_parquet(path: &Path) -> RecordBatch {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[test]
fn fifty_times_all_tables_in_all_formats_are_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let mut first: BTreeMap<PathBuf, String> = BTreeMap::new();
    // Two rounds without either show what fifty with several threads and asynchronous writes have to make.
    for round in 0..52 {
        let (threads, is_async) = if round < 2 { (1, false) } else { ([2, 3, 8, 64][round % 4], true) };
        let request = |names: Vec<&str>, format, mut options: Value| {
            let tables = names.into_iter().map(|name| table(name, 0.001, Parts::Whole)).collect();
            // The last files, which are read below, are written past the page cache, where time is for that.
            let how = json!({"async": is_async, "fsync": round >= 50, "overwrite": true});
            options.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
            request(folder.path(), tables, format, threads, options)
        };
        let mut requests: Vec<_> = Format::ALL
            .into_iter()
            .map(|format| {
                // Small enough for many chunks.
                let options =
                    if format == Format::Parquet { json!({"row_group_rows": 500}) } else { json!({}) };
                (request(tpch::tables().collect(), format, options), 8, 8695)
            })
            .collect();
        let options = json!({"row_group_rows": 500, "partition_by": "l_shipmode", "sort_by": ["l_shipdate"]});
        requests.push((request(vec!["lineitem"], Format::Parquet, options), 7, 6005));
        for (request, count, rows) in requests {
            let progress = Progress::default();
            let files = export(&request, &progress).unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!((files.len(), progress.rows()), (count, rows));
            assert_eq!(progress.bytes(), files.iter().map(|file| file.bytes).sum::<u64>());
            for file in files {
                let sum = file.written.unwrap().sha256;
                let before = first.entry(file.path.clone()).or_insert_with(|| sum.clone());
                assert_eq!(*before, sum, "{} with {threads} threads", file.path.display());
            }
        }
    }
    for (path, sum) in &first {
        assert_eq!(sha256(&fs::read(path).unwrap()), *sum, "{}", path.display());
    }
    assert_eq!(first.len(), 5 * 8 + 7);
    assert_eq!(names(folder.path()).len(), 5 * 8 + 1, "no temporary file is left");
    for partition in names(&folder.path().join("lineitem")) {
        assert_eq!(names(&folder.path().join("lineitem").join(partition)), ["lineitem.parquet"]);
    }
}

#[test]
fn tbl_is_dbgens() {
    let folder = TempDir::new().unwrap();
    let sums = include_str!("../../../pgrx-tests/tests/dbgen.sha256");
    let mut compared = 0;
    for line in sums.lines().filter(|line| !line.starts_with("1 ")) {
        let [sf, name, rows, sum] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let options = json!({"overwrite": true});
        let files =
            export_one(folder.path(), name, sf.parse().unwrap(), Parts::Whole, Format::Tbl, options).unwrap();
        let written = files[0].written.as_ref().unwrap();
        assert_eq!((written.sha256.as_str(), written.rows.to_string().as_str()), (sum, rows), "{name} {sf}");
        assert_eq!(sha256(&fs::read(&files[0].path).unwrap()), sum, "{name} {sf}");
        compared += 1;
    }
    assert_eq!(compared, 16);
}

#[test]
fn parts_and_files_of_a_size_join_to_the_whole() {
    let folder = TempDir::new().unwrap();
    let whole = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let run =
        |parts, options| export_one(folder.path(), "orders", 0.01, parts, Format::Tbl, options).unwrap();
    run(Parts::Whole, json!({}));
    let all = whole("orders.tbl");
    let join = |files: Vec<FileReport>| -> Vec<u8> {
        files.iter().flat_map(|file| fs::read(&file.path).unwrap()).collect()
    };

    let files = run(Parts::All(7), json!({}));
    assert_eq!(files[6].path, folder.path().join("orders.7.tbl"));
    assert!(join(files) == all);
    let files = run(Parts::One { part: 7, parts: 7 }, json!({"overwrite": true}));
    assert!(all.ends_with(&join(files)));

    let files = run(Parts::Whole, json!({"file_bytes": 500_000, "overwrite": true}));
    assert_eq!(files.len(), all.len().div_ceil(500_000));
    assert!(files.iter().all(|file| (400_000..520_000).contains(&file.bytes)), "{files:?}");
    assert_eq!(files[0].path, folder.path().join("orders.1.tbl"));
    assert!(join(files) == all);
    let files = run(Parts::All(2), json!({"file_bytes": 500_000}));
    assert_eq!(files[0].path, folder.path().join("orders.1.1.tbl"));
    assert!(join(files) == all);

    // Of the other formats, whose sizes are known less well, within 30%; the last file is as large as the others.
    for format in [Format::Parquet, Format::Csv, Format::Arrow] {
        let options = json!({"file_bytes": 300_000});
        let files = export_one(folder.path(), "orders", 0.01, Parts::Whole, format, options).unwrap();
        assert!(
            files.len() > 1 && files.iter().all(|file| (210_000..390_000).contains(&file.bytes)),
            "{files:?}"
        );
        let rows: Vec<_> = files.iter().map(|file| file.written.as_ref().unwrap().rows).collect();
        assert_eq!(rows.iter().sum::<u64>(), 15_000, "{rows:?}");
    }

    // Some parts of five rows are empty; their files are there all the same.
    for format in Format::ALL {
        let files = export_one(folder.path(), "region", 1.0, Parts::All(8), format, json!({})).unwrap();
        let rows: Vec<_> = files.iter().map(|file| file.written.as_ref().unwrap().rows).collect();
        assert_eq!(rows, [0, 0, 0, 0, 0, 0, 0, 5], "{format:?}");
    }
    assert_eq!(read_parquet_rows(&folder.path().join("region.1.parquet")), 0);
    assert_eq!(whole("region.1.csv"), b"r_regionkey,r_name,r_comment\n");
}

fn read_parquet_rows(path: &Path) -> i64 {
    SerializedFileReader::new(File::open(path).unwrap()).unwrap().metadata().file_metadata().num_rows()
}

#[test]
fn parquet_holds_what_the_source_makes_in_row_groups_as_asked_for() {
    let folder = TempDir::new().unwrap();
    let options = json!({
        "row_group_rows": 20_000, "bloom_filters": ["l_partkey"], "compression": "zstd", "level": 1,
    });
    let files = export_one(folder.path(), "lineitem", 0.01, Parts::Whole, Format::Parquet, options).unwrap();
    let source = registry::open("lineitem", json!({"sf": 0.01})).unwrap();
    let all: Vec<_> = (0..16).collect();
    assert!(read_parquet(&files[0].path) == source.batch(0..source.units(), &all).unwrap());

    let reader = SerializedFileReader::new(File::open(&files[0].path).unwrap()).unwrap();
    let groups = reader.metadata().row_groups();
    assert_eq!(groups.len(), 3);
    assert!(groups.iter().all(|group| (19_500..20_500).contains(&group.num_rows())));
    let filtered = |column: usize| groups[0].column(column).bloom_filter_offset().is_some();
    assert!(filtered(1) && !filtered(0));

    let options = json!({"row_group_bytes": 500_000, "overwrite": true, "statistics": false});
    let files = export_one(folder.path(), "lineitem", 0.01, Parts::Whole, Format::Parquet, options).unwrap();
    let reader = SerializedFileReader::new(File::open(&files[0].path).unwrap()).unwrap();
    let groups = reader.metadata().row_groups();
    // All but the last, which is what is left.
    let sizes: Vec<_> = groups.iter().map(|group| group.compressed_size()).collect();
    assert!(sizes[..sizes.len() - 1].iter().all(|size| (400_000..600_000).contains(size)), "{sizes:?}");
    assert!(groups[0].column(0).statistics().is_none());
}

#[test]
fn parquet_has_dictionaries_where_values_repeat() {
    // Which columns of part have none, by what differs in a row group; what nobody knows has one.
    let without = |source, options, more: Value| {
        let folder = TempDir::new().unwrap();
        let (name, source) = (String::from(source), registry::open(source, options).unwrap());
        let table = Table { name, source, parts: Parts::Whole, segment: None };
        let request = request(folder.path(), vec![table], Format::Parquet, 2, more);
        let files = export(&request, &Progress::default()).unwrap();
        let reader = SerializedFileReader::new(File::open(&files[0].path).unwrap()).unwrap();
        let columns = reader.metadata().row_group(0).columns().to_vec();
        let without = columns.iter().filter(|column| column.dictionary_page_offset().is_none());
        without.map(|column| column.column_path().string()).collect::<Vec<_>>()
    };
    let part = |options| without("part", json!({"sf": 0.1}), options);
    assert_eq!(part(json!({})), ["p_partkey", "p_name", "p_comment"]);
    // Of a hundred parts a quarter differs in brand already.
    let few =
        ["p_partkey", "p_name", "p_brand", "p_type", "p_size", "p_container", "p_retailprice", "p_comment"];
    assert_eq!(part(json!({"row_group_rows": 100})), few);
    // The numbers of columns count, not those of the source, with partitions too.
    let some = ["p_size", "p_comment", "p_mfgr", "p_partkey"];
    assert_eq!(part(json!({"columns": some, "partition_by": "p_size"})), ["p_comment", "p_partkey"]);
    assert_eq!(without("iot", json!({"rows": 10_000}), json!({})), ["time", "arrival"]);
}

#[test]
fn parquet_beyond_64_row_groups_is_several_files() {
    let folder = TempDir::new().unwrap();
    let options = json!({"row_group_rows": 100, "dictionary": false});
    let files = export_one(folder.path(), "orders", 0.01, Parts::Whole, Format::Parquet, options).unwrap();
    assert_eq!(files[2].path, folder.path().join("orders.3.parquet"));
    let row_groups: Vec<_> = files.iter().map(|file| file.written.as_ref().unwrap().row_groups).collect();
    assert_eq!(row_groups, [50, 50, 50]);
    let keys =
        |file: &FileReport| read_parquet(&file.path).column(0).as_primitive::<Int64Type>().values().to_vec();
    let all = registry::open("orders", json!({"sf": 0.01})).unwrap();
    let all = all.batch(0..all.units(), &[0]).unwrap();
    assert!(
        files.iter().flat_map(keys).eq(all.column(0).as_primitive::<Int64Type>().values().iter().copied())
    );
    let reader = SerializedFileReader::new(File::open(&files[0].path).unwrap()).unwrap();
    let columns = reader.metadata().row_group(0).columns();
    assert!(columns.iter().all(|column| column.dictionary_page_offset().is_none()));
}

#[test]
fn columns_come_as_asked_for_and_row_groups_sorted() {
    let folder = TempDir::new().unwrap();
    let options =
        json!({"columns": ["o_comment", "o_orderdate"], "sort_by": ["o_orderdate"], "row_group_rows": 4_000});
    let files = export_one(folder.path(), "orders", 0.01, Parts::Whole, Format::Parquet, options).unwrap();
    let rows = read_parquet(&files[0].path);
    let names: Vec<_> = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["o_comment", "o_orderdate"]);
    for start in (0..rows.num_rows()).step_by(4_000) {
        let group = rows.slice(start, 4_000.min(rows.num_rows() - start));
        assert!(group.column(1).as_primitive::<Date32Type>().values().is_sorted(), "from row {start}");
    }
    // The same rows, whatever their order: comments with their dates.
    let source = registry::open("orders", json!({"sf": 0.01})).unwrap();
    let pairs = |batch: &RecordBatch| {
        let dates = batch.column(1).as_primitive::<Date32Type>().values().to_vec();
        let mut pairs: Vec<_> = batch
            .column(0)
            .as_string::<i32>()
            .iter()
            .map(|text| text.unwrap().to_owned())
            .zip(dates)
            .collect();
        pairs.sort();
        pairs
    };
    assert!(pairs(&rows) == pairs(&source.batch(0..source.units(), &[8, 4]).unwrap()));
}

#[test]
fn partitions_are_folders_whose_files_join_to_the_whole() {
    let folder = TempDir::new().unwrap();
    let options = |more: Value| {
        let mut options =
            json!({"partition_by": "l_shipmode", "columns": ["l_orderkey", "l_shipmode", "l_linenumber"]});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    let run =
        |parts, more| export_one(folder.path(), "lineitem", 0.01, parts, Format::Parquet, options(more));
    let files = run(Parts::Whole, json!({"row_group_rows": 20_000})).unwrap();
    let modes = ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"];
    let paths: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
    let expected =
        modes.map(|mode| folder.path().join(format!("lineitem/l_shipmode={mode}/lineitem.parquet")));
    assert_eq!(paths, expected);

    let source = registry::open("lineitem", json!({"sf": 0.01})).unwrap();
    let all = source.batch(0..source.units(), &[0, 3, 14]).unwrap();
    for (mode, file) in modes.iter().zip(&files) {
        let of_mode = arrow::array::BooleanArray::from_iter(
            all.column(2).as_string::<i32>().iter().map(|value| Some(value == Some(mode))),
        );
        let expected = arrow::compute::filter_record_batch(&all, &of_mode).unwrap().project(&[0, 1]).unwrap();
        assert!(read_parquet(&file.path) == expected, "{mode}");
        assert_eq!(file.written.as_ref().unwrap().rows, expected.num_rows() as u64);
    }
    assert!(matches!(run(Parts::Whole, json!({})), Err(Error::Exists(_))));
    // Parts lie beside one another.
    assert_eq!(run(Parts::All(2), json!({})).unwrap().len(), 14);
    assert_eq!(
        names(&folder.path().join("lineitem/l_shipmode=FOB")),
        ["lineitem.1.parquet", "lineitem.2.parquet", "lineitem.parquet"]
    );

    // A link in a folder's place is not followed, with overwrite neither.
    let elsewhere = TempDir::new().unwrap();
    let air = folder.path().join("lineitem/l_shipmode=AIR");
    fs::remove_dir_all(&air).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &air).unwrap();
    let refused = run(Parts::Whole, json!({"overwrite": true}));
    assert!(matches!(refused, Err(Error::Exists(path)) if path == air));
    assert!(names(elsewhere.path()).is_empty());

    let many = export_one(
        folder.path(),
        "orders",
        0.01,
        Parts::Whole,
        Format::Csv,
        json!({"partition_by": "o_custkey"}),
    );
    assert!(many.unwrap_err().to_string().contains("more than 256 values"));
    assert_eq!(names(folder.path()), ["lineitem"], "nothing is left of it, nor its folder");
}

#[test]
fn a_file_in_the_way_is_refused_passed_over_or_replaced() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("nation.csv");
    let run = |options| export_one(folder.path(), "nation", 1.0, Parts::Whole, Format::Csv, options);
    fs::write(&file, "mine").unwrap();
    assert!(matches!(run(json!({})), Err(Error::Exists(path)) if path == file));
    let files = run(json!({"skip_existing": true})).unwrap();
    assert_eq!((files[0].bytes, files[0].written.is_none()), (4, true));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    assert_eq!(run(json!({"overwrite": true})).unwrap()[0].written.as_ref().unwrap().rows, 25);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 26);
    // Neither is a link followed nor a folder replaced.
    let other = folder.path().join("other");
    fs::rename(&file, &other).unwrap();
    std::os::unix::fs::symlink(&other, &file).unwrap();
    assert!(matches!(run(json!({"overwrite": true})), Err(Error::Exists(_))));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(run(json!({"overwrite": true})), Err(Error::Exists(_))));
    assert_eq!(names(folder.path()), ["nation.csv", "other"]);
}

#[test]
fn a_cancelled_export_leaves_complete_files_only() {
    for (format, is_async) in [(Format::Parquet, true), (Format::Parquet, false), (Format::Csv, true)] {
        let folder = TempDir::new().unwrap();
        let tables = vec![table("nation", 1.0, Parts::Whole), table("lineitem", 100.0, Parts::Whole)];
        let request = request(folder.path(), tables, format, 2, json!({"async": is_async, "fsync": false}));
        let progress = Progress::default();
        let ended = std::thread::scope(|scope| {
            let running = scope.spawn(|| export(&request, &progress));
            while progress.bytes() < 5_000_000 {
                std::thread::yield_now();
            }
            progress.cancel();
            running.join().unwrap()
        });
        assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
        assert_eq!(names(folder.path()), [format!("nation.{}", format.extension())]);
    }
}

#[test]
fn wrong_requests_are_refused_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    let refused = |format, options| {
        export_one(folder.path(), "orders", 0.01, Parts::Whole, format, options).unwrap_err().to_string()
    };
    for (format, options, why) in [
        (Format::Tbl, json!({"compression": "zstd"}), "format \"tbl\" has no option `compression`"),
        (
            Format::Csv,
            json!({"bloom_filters": ["o_orderkey"]}),
            "format \"csv\" has no option `bloom_filters`",
        ),
        (Format::Parquet, json!({"header": true}), "format \"parquet\" has no option `header`"),
        (Format::Csv, json!({"columns": ["o_orderkey", "o_orderkey"]}), "names column \"o_orderkey\" twice"),
        (
            Format::Parquet,
            json!({"partition_by": "o_orderstatus", "skip_existing": true}),
            "`partition_by` and `skip_existing` exclude each other",
        ),
        (Format::Arrow, json!({"compression": "snappy"}), "no compression `snappy`"),
        (Format::Parquet, json!({"row_group_rows": 5, "row_group_bytes": 5}), "exclude each other"),
        (Format::Parquet, json!({"columns": ["o_ordrekey"]}), "has no column \"o_ordrekey\""),
        (
            Format::Parquet,
            json!({"columns": ["o_orderkey"], "sort_by": ["o_custkey"]}),
            "has no column \"o_custkey\"",
        ),
    ] {
        let message = refused(format, options.clone());
        assert!(message.contains(why), "{options}: {message}");
    }
    for delimiter in ["é", "1", "e", "T", "-", ".", ":", "+", " ", "\0", "\n", "\u{7f}", "\""] {
        let message = refused(Format::Csv, json!({ "delimiter": delimiter }));
        assert!(message.contains("`delimiter` is a tab or one"), "{delimiter:?}: {message}");
    }
    for threads in [0, 257] {
        let request =
            request(folder.path(), vec![table("nation", 1.0, Parts::Whole)], Format::Csv, threads, json!({}));
        assert!(matches!(export(&request, &Progress::default()), Err(Error::Threads(_))));
    }
    assert!(matches!("orc".parse::<Format>(), Err(Error::Format(name)) if name == "orc"));
    assert!(names(folder.path()).is_empty());
    let nowhere = folder.path().join("nowhere");
    let ended = export_one(&nowhere, "nation", 1.0, Parts::Whole, Format::Csv, json!({}));
    assert!(matches!(ended, Err(Error::NoFolder(_))));
}

#[test]
fn csv_takes_other_delimiters_and_no_header() {
    let folder = TempDir::new().unwrap();
    let options = json!({"delimiter": ";", "header": false, "columns": ["n_name", "n_nationkey"]});
    let files = export_one(folder.path(), "nation", 1.0, Parts::Whole, Format::Csv, options).unwrap();
    assert!(fs::read_to_string(&files[0].path).unwrap().starts_with("ALGERIA;0\nARGENTINA;1\n"));
}
