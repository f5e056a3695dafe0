//! Rows per second of each source; TPC-H's tables against `tpchgen-arrow`, large ones of TPC-DS against `tpcdsgen-arrow`, in
//! the same run.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millrace_sources::{registry, tpch};
use serde_json::{Value, json};
use tpcdsgen::config::{CompatMode, SessionBuilder};
use tpcdsgen_arrow::{CatalogSalesArrow, InventoryArrow, StoreSalesArrow};
use tpchgen::generators::*;
use tpchgen_arrow::*;

const SF: f64 = 0.02;

/// Makes all rows of a table with `tpchgen-arrow` or `tpcdsgen-arrow`; returns their number.
fn peer(table: &str) -> usize {
    fn rows(batches: impl arrow_reader::Batches) -> usize {
        batches.rows()
    }
    let session = SessionBuilder::new().with_scale_factor(SF).with_compat_mode(CompatMode::C).build();
    let session = session.expect("the scale factor is in range");
    match table {
        "store_sales" => rows(StoreSalesArrow::new(session)),
        "catalog_sales" => rows(CatalogSalesArrow::new(session)),
        "inventory" => rows(InventoryArrow::new(session)),
        "part" => rows(PartArrow::new(PartGenerator::new(SF, 1, 1))),
        "supplier" => rows(SupplierArrow::new(SupplierGenerator::new(SF, 1, 1))),
        "partsupp" => rows(PartSuppArrow::new(PartSuppGenerator::new(SF, 1, 1))),
        "customer" => rows(CustomerArrow::new(CustomerGenerator::new(SF, 1, 1))),
        "orders" => rows(OrderArrow::new(OrderGenerator::new(SF, 1, 1))),
        _ => rows(LineItemArrow::new(LineItemGenerator::new(SF, 1, 1))),
    }
}

mod arrow_reader {
    use tpchgen_arrow::arrow::record_batch::RecordBatchReader;

    /// Any of the peer's readers.
    pub trait Batches {
        fn rows(self) -> usize;
    }

    impl<R: RecordBatchReader> Batches for R {
        fn rows(self) -> usize {
            self.map(|batch| batch.expect("the peer makes its batch").num_rows()).sum()
        }
    }
}

/// Makes all rows of some columns of a table with our source; returns their number.
fn ours(table: &str, options: Value, columns: &[usize]) -> usize {
    let source = registry::open(table, options).expect("the table exists");
    let units = 0..source.units();
    source.batches(units, columns.to_vec()).map(|batch| batch.expect("the batch is made").num_rows()).sum()
}

fn tables(criterion: &mut Criterion) {
    registry::prepare(1);
    let tpch = tpch::tables().filter(|table| !["region", "nation"].contains(table));
    for table in tpch.chain(["store_sales", "catalog_sales", "inventory"]) {
        let options = json!({ "sf": SF });
        let source = registry::open(table, options.clone()).expect("the table exists");
        let mut group = criterion.benchmark_group(table);
        group.throughput(Throughput::Elements(source.rows(0..source.units())));
        group.bench_function("peer", |bencher| bencher.iter(|| peer(table)));
        each_column(group, table, options);
    }
}

fn streams(criterion: &mut Criterion) {
    for source in ["cdr", "iot"] {
        each_column(criterion.benchmark_group(source), source, json!({ "rows": 100_000 }));
    }
}

/// All columns together, none, and each alone.
fn each_column(mut group: BenchmarkGroup<'_, WallTime>, name: &str, options: Value) {
    let source = registry::open(name, options.clone()).expect("the source exists");
    let all: Vec<usize> = (0..source.schema().fields().len()).collect();
    group.throughput(Throughput::Elements(source.rows(0..source.units())));
    group.bench_function("millrace", |bencher| bencher.iter(|| ours(name, options.clone(), &all)));
    group.bench_function("millrace, no column", |bencher| bencher.iter(|| ours(name, options.clone(), &[])));
    for column in all {
        let id = BenchmarkId::new("millrace", source.schema().field(column).name());
        group.bench_function(id, |bencher| bencher.iter(|| ours(name, options.clone(), &[column])));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(std::time::Duration::from_secs(1))
        .warm_up_time(std::time::Duration::from_millis(300));
    targets = tables, streams
}
criterion_main!(benches);
