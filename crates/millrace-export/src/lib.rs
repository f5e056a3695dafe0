//! Sources to files: Parquet, CSV, dbgen's tbl, Arrow IPC.
//!
//! Each file is cut into chunks of whole units, whatever the number of threads. Threads generate and encode chunks in
//! parallel; the chunks are appended in order ([`mod@pool`]) and written by a separate thread if asked for ([`mod@output`]).
//! So the bytes of a file depend only on its source and the options, and the memory depends only on the number of threads.
//!
//! ```
//! use millrace_export::{Format, Options, Parts, Progress, Request, Table, export};
//! use millrace_sources::registry;
//!
//! let folder = tempfile::tempdir()?;
//! let orders = registry::open("orders", serde_json::json!({"sf": 0.001}))?;
//! let request = Request {
//!     tables: vec![Table { name: "orders".into(), source: orders, parts: Parts::Whole, segment: None }],
//!     folder: folder.path().into(),
//!     format: Format::Parquet,
//!     threads: 2,
//!     options: Options::from_json(serde_json::json!({"compression": "zstd"}))?,
//! };
//! let files = export(&request, &Progress::default())?;
//! assert_eq!(files[0].path, folder.path().join("orders.parquet"));
//! assert_eq!(files[0].written.as_ref().map(|written| written.rows), Some(1500));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(missing_docs, unsafe_code)]

mod direct;
mod error;
mod ipc;
mod options;
mod output;
mod parquet;
mod partition;
mod plan;
mod pool;
mod text;

pub use error::Error;
pub use options::{Compression, Format, Options, THREADS};
pub use output::{FileReport, Written};
pub use plan::{Parts, Segment, Table};

use crate::output::Buffers;
use crate::plan::{Columns, Plan};
use arrow::record_batch::RecordBatch;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What to export, where to and how.
pub struct Request {
    /// The tables, whose files are written in this order.
    pub tables: Vec<Table>,
    /// Where the files go; the folder must exist.
    pub folder: PathBuf,
    /// The format of all files.
    pub format: Format,
    /// How many threads generate and encode, in [`THREADS`].
    pub threads: usize,
    /// Everything else.
    pub options: Options,
}

impl Request {
    /// About how many rows an export writes, including those of files that are skipped.
    pub fn estimated_rows(&self) -> Result<u64, Error> {
        self.tables.iter().map(Table::estimated_rows).sum()
    }
}

/// How far an export has come, and how to cancel it; for another thread.
#[derive(Debug, Default)]
pub struct Progress {
    cancelled: AtomicBool,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// Asks the export to end, which takes milliseconds, or as long as the disk needs for what is already on its way.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Rows generated so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes given to the files so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), Error> {
        if self.cancelled.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Exports, and reports each file.
///
/// Returns when all files are complete. After an error, the files that are complete stay, and nothing is left of the
/// others.
pub fn export(request: &Request, progress: &Progress) -> Result<Vec<FileReport>, Error> {
    let Request { format, options, threads, .. } = request;
    if !THREADS.contains(threads) {
        return Err(Error::Threads(*threads as i64));
    }
    options.check(*format)?;
    match format {
        Format::Parquet => export_as(request, progress, parquet::Parquet::new),
        Format::Csv => export_as(request, progress, text::Text::csv),
        Format::Tbl => export_as(request, progress, |columns, _| text::Text::tbl(columns)),
        Format::Arrow => export_as(request, progress, ipc::Ipc::file),
        Format::ArrowStream => export_as(request, progress, ipc::Ipc::stream),
    }
}

fn export_as<F: Encoding>(
    request: &Request,
    progress: &Progress,
    encoding: impl Fn(&Columns<'_>, &Options) -> Result<F, Error>,
) -> Result<Vec<FileReport>, Error> {
    let plan = Plan::new(request, encoding)?;
    let mut written = pool::run(&plan, request, progress)?.into_iter();
    let mut reports = Vec::new();
    for skipped in plan.skipped {
        reports.extend(skipped.or_else(|| written.next()));
    }
    // A file in many partitions is written as many.
    reports.extend(written);
    Ok(reports)
}

/// How rows become the bytes of a file: chunks of them are encoded in parallel and joined in order.
trait Encoding: Sync {
    /// An encoded chunk.
    type Chunk: Send;
    /// What is remembered about a file from its beginning to its end.
    type File: Send;

    fn encode(&self, batches: &mut Batches<'_>, buffers: &Buffers) -> Result<Self::Chunk, Error>;

    /// Begins a file; appends its first bytes.
    fn begin(&self, bytes: &mut Vec<u8>) -> Result<Self::File, Error>;

    /// The chunk's bytes at this place of the file.
    fn append(&self, file: &mut Self::File, chunk: Self::Chunk, buffers: &Buffers) -> Result<Vec<u8>, Error>;

    /// Appends the last bytes; returns how many row groups the file has.
    fn end(&self, file: Self::File, bytes: &mut Vec<u8>) -> Result<u64, Error>;
}

/// The rows of a chunk, batch by batch.
type Batches<'a> = dyn Iterator<Item = Result<RecordBatch, Error>> + 'a;
