//! Memory of exports: as much for many rows as for few. A test of its own, because it counts all allocations.

use millrace_export::{Format, Options, Parts, Progress, Request, Table, export};
use millrace_sources::registry;
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most memory in KiB that an export of lineitem takes beyond what was there before.
fn peak(format: Format, sf: f64, threads: usize, options: Value) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let request = Request {
        tables: vec![Table {
            name: "lineitem".to_owned(),
            source: registry::open("lineitem", json!({ "sf": sf })).unwrap(),
            parts: Parts::Whole,
            segment: None,
        }],
        folder: folder.path().into(),
        format,
        threads,
        options: Options::from_json(options).unwrap(),
    };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    export(&request, &Progress::default()).unwrap();
    (MEMORY.peak_usage() - before) >> 10
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    // What all exports of a process share: 300 MiB.
    registry::prepare(2);

    // One thread makes one chunk at a time, always in the same way; of Parquet small ones, so that there are
    // many files with as many row groups as a footer takes.
    for format in [Format::Parquet, Format::Csv, Format::Arrow] {
        let mut options = json!({"async": false, "fsync": false});
        if format == Format::Parquet {
            options["row_group_rows"] = json!(1000);
        }
        let alone = |sf| peak(format, sf, 1, options.clone());
        // Of Parquet two files of 64 row groups and 56, which share what footers are written with. Of the others few
        // chunks are not enough: buffers grow by doubling, and none may need the last of it.
        let (few_rows, most) = if format == Format::Parquet { (0.021, 106) } else { (0.256, 102) };
        let (few, many) = (alone(few_rows), alone(0.6));
        assert!(many <= few * most / 100, "{format:?}: {few} KiB, then {many} KiB");
    }

    // With more threads the peak depends on how they happen to run, but never is above the chunks there may be:
    // two being made, one waiting, two at the writer.
    for (format, most) in [(Format::Parquet, 52), (Format::Csv, 28), (Format::Arrow, 40)] {
        let peak = peak(format, 0.3, 2, json!({"fsync": false}));
        assert!(peak <= most << 10, "{format:?}: {peak} KiB");
    }
}
