//! Memory that is allocated to make a row: allocations and bytes, per table, of whole rows in batches of the usual size. The
//! memory in use is that of one batch, so this is about speed, not about size.

use millrace_sources::{Source, registry, tpch};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    registry::prepare(1);
    println!("{:24} {:>12} {:>20} {:>14}", "source", "rows", "allocations/1000 rows", "bytes/row");
    for definition in registry::all() {
        let options = if tpch::tables().any(|table| table == definition.name) {
            json!({"sf": 0.02})
        } else {
            json!({})
        };
        let source: Arc<dyn Source> =
            registry::open(definition.name, options).expect("the source has defaults").into();
        let all = (0..source.schema().fields().len()).collect();
        let units = 0..source.units().min(200_000);
        let region = Region::new(ALLOCATOR);
        let rows: usize =
            source.full_batches(units, all).map(|batch| batch.expect("the batch is made").num_rows()).sum();
        let change = region.change();
        println!(
            "{:24} {rows:>12} {:>20.1} {:>14.0}",
            definition.name,
            change.allocations as f64 * 1000.0 / rows as f64,
            change.bytes_allocated as f64 / rows as f64
        );
    }
}
