//! Memory of exports: as much for many rows as for few. A test of its own, because it counts all allocations.

use millrace_export::{Format, Options, Parts, Progress, Request, Table, export};
use millrace_sources::{registry, tpch};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most memory in KiB that an export of lineitem takes beyond what was there before, and its files.
fn peak(format: Format, sf: f64, threads: usize, options: Value) -> (usize, usize) {
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
    let files = export(&request, &Progress::default()).unwrap();
    ((MEMORY.peak_usage() - before) >> 10, files.len())
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    // What all exports of a process share: 300 MiB.
    tpch::build_text_pool(2);

    // One thread makes one chunk at a time, always in the same way.
    for format in [Format::Parquet, Format::Csv, Format::Arrow] {
        let alone = |sf| peak(format, sf, 1, json!({"async": false, "fsync": false})).0;
        let (half, whole) = (alone(0.5), alone(1.0));
        // A row group's part of Parquet's footer is about 28 KiB of lineitem's, and there are 23 more.
        let footer = if format == Format::Parquet { 23 * 32 } else { 0 };
        assert!(whole <= half * 105 / 100 + footer, "{format:?}: {half} KiB, then {whole} KiB");
    }

    // With more threads the peak depends on how they happen to run, but never is above the chunks there may be:
    // two being made, four waiting, three at the writer.
    for (format, most) in [(Format::Parquet, 96), (Format::Csv, 40), (Format::Arrow, 64)] {
        for sf in [0.1, 0.5, 1.0] {
            let (peak, _) = peak(format, sf, 2, json!({"fsync": false}));
            assert!(peak <= most << 10, "{format:?} at scale factor {sf}: {peak} KiB");
        }
    }

    // However many the row groups are, a file has 256 of them at most.
    let small_groups =
        |sf| peak(Format::Parquet, sf, 1, json!({"row_group_rows": 500, "async": false, "fsync": false}));
    let ((one, files), (four, more)) = (small_groups(0.02), small_groups(0.08));
    assert_eq!((files, more), (1, 4));
    assert!(four <= one * 110 / 100, "{one} KiB, then {four} KiB");
}
