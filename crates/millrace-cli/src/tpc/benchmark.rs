//! What differs between the benchmarks of the TPC.

use super::metrics;
use millrace_sources::kit::Kit;
use millrace_sources::{tpcds, tpch};

/// A benchmark. Its functions on the server are those of the others, with its family before their names.
pub struct Benchmark {
    /// Its names, its queries, and the index that correlated subqueries need to run as they are written.
    pub kit: &'static Kit,
    /// A table that is there if the others are.
    pub largest_table: &'static str,
    /// Whether there are refresh functions to run beside the queries.
    pub refreshes: bool,
    /// How many query streams the specification requires at a scale factor.
    pub fewest_streams: fn(f64) -> i32,
    pub metrics: &'static [Metric],
    /// What a reader of the metrics must know.
    pub remark: &'static str,
}

/// A figure of the whole test.
#[derive(Clone, Copy)]
pub enum Metric {
    /// TPC-H's Power@Size
    Power,
    /// TPC-H's Throughput@Size
    Throughput,
    /// TPC-H's QphH@Size
    Composite,
    /// How long the load took, if it is this command's from its beginning
    Load,
    /// How long the power test took
    PowerTime,
    /// The geometric mean of its queries
    PowerMean,
    /// How long the throughput test took
    ThroughputTime,
    /// The geometric mean of the queries of all its streams
    ThroughputMean,
}

pub static TPC_H: Benchmark = Benchmark {
    kit: &tpch::KIT,
    largest_table: "lineitem",
    refreshes: true,
    fewest_streams: metrics::fewest_streams_of_tpch,
    metrics: &[Metric::Power, Metric::Throughput, Metric::Composite],
    remark: "This is not an audited TPC-H result. The metrics are computed as the specification does, but must \
             not be compared with published ones.",
};

pub static TPC_DS: Benchmark = Benchmark {
    kit: &tpcds::KIT,
    largest_table: "store_sales",
    refreshes: false,
    // Clause 7.4 of the specification.
    fewest_streams: |_| 4,
    metrics: &[
        Metric::Load,
        Metric::PowerTime,
        Metric::PowerMean,
        Metric::ThroughputTime,
        Metric::ThroughputMean,
    ],
    remark: "This is not an audited TPC-DS result. It has no composite metric (QphDS): that counts data maintenance, which \
             is not part of the kit.",
};
