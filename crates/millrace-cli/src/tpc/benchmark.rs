//! What differs between the benchmarks of the TPC.

use super::metrics;

/// A benchmark. Its functions on the server are those of the others, with its family before their names.
pub struct Benchmark {
    /// As the TPC writes it.
    pub name: &'static str,
    /// What the names of its functions begin with, and the schema of its tables if none is given.
    pub family: &'static str,
    /// Queries of a stream, numbered from 1.
    pub queries: i32,
    /// A table that is there if the others are.
    pub largest_table: &'static str,
    /// Table and column without whose index queries with a subquery per row run as joins; None if no index helps them all,
    /// so they always do.
    pub subqueries_need: Option<[&'static str; 2]>,
    /// Whether there are refresh functions to run beside the queries.
    pub refreshes: bool,
    /// How many query streams the specification wants at a scale factor.
    pub fewest_streams: fn(f64) -> i32,
    pub metrics: &'static [Metric],
    /// What a reader of the metrics has to know.
    pub remark: &'static str,
}

/// A figure of the whole.
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

pub const TPC_H: Benchmark = Benchmark {
    name: "TPC-H",
    family: "tpch",
    queries: 22,
    largest_table: "lineitem",
    // The same rule as tpch_validate's.
    subqueries_need: Some(["lineitem", "l_partkey"]),
    refreshes: true,
    fewest_streams: metrics::fewest_streams_of_tpch,
    metrics: &[Metric::Power, Metric::Throughput, Metric::Composite],
    remark: "This is not an audited TPC-H result. The metrics are computed as the specification does, but must \
             not be compared with published ones.",
};

pub const TPC_DS: Benchmark = Benchmark {
    name: "TPC-DS",
    family: "tpcds",
    queries: 99,
    largest_table: "store_sales",
    // Most tables do not grow in proportion; orders do, and are numbered from 1.
    // Some of the subqueries are over WITH queries, which have no index.
    subqueries_need: None,
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
