//! Benchmark data as a pure function of its options.
//!
//! A [`Source`] makes Arrow record batches from a range of its *units* (the rows that drive it: orders
//! for `lineitem`, parts for `partsupp`, the rows themselves elsewhere). The same range gives the same
//! rows on any machine, in any batch size, any part count and any order, which makes resuming, working
//! in parallel and verifying the same operation.
//!
//! ```
//! use millrace_sources::{registry, Part};
//!
//! let source = registry::open("orders", serde_json::json!({"sf": 0.01}))?;
//! let whole = Part::WHOLE.units(source.units());
//! assert_eq!(source.rows(whole.clone()), 15_000);
//!
//! // Only the columns asked for are built.
//! let keys = source.batch(0..3, &[0])?;
//! assert_eq!(keys.num_columns(), 1);
//! assert_eq!(keys.num_rows(), 3);
//! # Ok::<(), millrace_sources::Error>(())
//! ```

#![deny(missing_docs, unsafe_code)]

mod error;
pub mod kit;
mod lehmer;
mod part;
mod plan;
pub mod registry;
pub mod scale;
mod source;
mod statistics;
mod synthetic;
pub mod tpcds;
pub mod tpch;

pub use error::Error;
pub use part::{Part, share};
pub use plan::{BatchPlan, Profile};
pub use source::{Batches, Preparation, Reference, Source};
pub use statistics::{ColumnStatistics, CommonValues, Distinct, expected_distinct};
