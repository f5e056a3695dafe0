//! Every error a user can meet: its SQLSTATE, its message and its hint.

mod export;
mod source;

use crate::pg::server::report::Report;
use crate::runs::origin;
use millrace_export::Error as ExportError;
use millrace_sources::{Error as SourceError, kit, registry};
use pgrx::prelude::PgSqlErrorCode as Code;
use std::convert::Infallible;
use std::{fmt, io};

/// What the crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// What a function that SQL calls returns: turning an error into [`Raised`] raises it.
pub type SqlResult<T> = std::result::Result<T, Raised>;

/// An error that was raised. It has no values, because raising does not return.
#[derive(Debug)]
pub struct Raised(Infallible);

impl fmt::Display for Raised {
    fn fmt(&self, _: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {}
    }
}

impl From<Error> for Raised {
    fn from(error: Error) -> Self {
        error.raise()
    }
}

/// Returns the value or raises the error: for code that the server calls itself.
pub fn or_raise<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| error.raise())
}

/// What can be wrong, with its message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    // Calls.
    /// A source refused the request.
    #[error(transparent)]
    Source(SourceError),
    #[error("{} table \"{name}\" does not exist", family_title(family))]
    UnknownTable { family: String, name: String },
    /// The function that is called was dropped.
    #[error("function with OID {0} does not exist")]
    UnknownFunction(u32),
    /// A column of the row type was dropped since the query was planned.
    #[error("attribute {position} of type {row} has been dropped")]
    ColumnDropped { position: usize, row: String },
    /// The type of a column of the row type changed since the query was planned.
    #[error("function return row and query-specified return row do not match")]
    RowTypeChanged { position: usize, found: String, expected: String },
    /// An argument that needs a value has none.
    #[error("argument \"{0}\" must not be null")]
    Null(&'static str),
    /// The same, where only its number is known.
    #[error("argument {0} must not be null")]
    NullArgument(usize),
    #[error("invalid byte sequence for encoding \"UTF8\": {}", hexadecimal(.0))]
    InvalidText(Vec<u8>),
    /// A jsonb beyond the limits of what can be read.
    #[error("invalid value for argument of type jsonb: {0}")]
    Json(serde_json::Error),
    #[error("argument \"parts\" needs argument \"part\"")]
    PartsWithoutPart,
    /// An argument out of its range.
    #[error("invalid value for argument \"{name}\": {value}")]
    Argument { name: &'static str, value: String, hint: &'static str },
    /// Something that this version cannot do.
    #[error("{what} is not supported")]
    NotSupported { what: &'static str, hint: &'static str },
    /// A segment that is not among those that share the rows.
    #[error("segment {segment} has no share of rows that {segments} segments make")]
    Segment { segment: u64, segments: u64 },
    #[error("could not start a thread: {0}")]
    Thread(io::Error),
    #[error("a thread that makes rows ended unexpectedly")]
    ThreadGone,
    /// A function of an older version's SQL.
    #[error("the SQL objects of extension \"millrace\" are older than its library")]
    Retired,

    // Rows.
    #[error("argument \"row_type\" must be of a table's row type")]
    NotComposite,
    #[error(
        "row type {row} has {} that source \"{from_source}\" does not have: {}",
        plural(columns, "column"),
        quoted(columns)
    )]
    NoSuchColumns { from_source: String, row: String, columns: Vec<String> },
    #[error("row type {row} has no column that source \"{from_source}\" has")]
    NoCommonColumn { from_source: String, row: String },
    #[error("column \"{column}\" is of type {to} but its values are of type {from}")]
    ColumnType { column: String, to: String, from: &'static str },
    #[error("value too long for column \"{column}\" of {limit} characters")]
    ValueTooLong { column: String, limit: usize },
    #[error("value {value} is out of range for column \"{column}\" of type integer")]
    IntegerRange { column: String, value: i64 },

    // Runs.
    /// A procedure that commits was called inside a transaction block.
    #[error("{0} cannot run inside a transaction block")]
    TransactionBlock(String),
    /// A procedure that commits was called where it cannot.
    #[error("{0} cannot run where it cannot commit")]
    Atomic(String),
    #[error("cannot ingest into relation \"{0}\"")]
    NotATable(String),
    #[error("relation \"{0}\" does not exist")]
    UnknownTarget(String),
    #[error("permission denied for table {0}")]
    NoInsertRight(String),
    #[error("must be owner of run \"{run}\"")]
    NotOwner { run: String, owner: String },
    /// The run's query belongs to one role and would run with the rights of another.
    #[error("must be owner of run \"{run}\" to resume its query")]
    OthersQuery { run: String, owner: String },
    #[error("run \"{0}\" does not exist")]
    UnknownRun(String),
    /// Another session holds the run.
    #[error("run \"{run}\" is being ingested by {}", holder(.pid))]
    RunBusy { run: String, pid: Option<i32> },
    #[error("run \"{run}\" was begun with other parameters")]
    RunDiffers { run: String, differences: Vec<String> },
    /// The target is not the one the run began with.
    #[error("target \"{target}\" of run \"{run}\" was {how} since the run began")]
    TargetChanged { run: String, target: String, how: &'static str },
    /// A run's column is gone.
    #[error("column \"{column}\" of table {table}, which the run fills, no longer exists")]
    UnknownColumn { table: String, column: String },
    #[error("invalid options for source \"sql\": {0}")]
    QueryOptions(String),
    #[error("source \"sql\" needs argument \"rows\"")]
    QueryRows,
    /// The ledger lacks a value that it must have, for example because a dump was restored in part.
    #[error("the ledger of runs is incomplete")]
    BrokenLedger,
    /// A step of a run within a step of a run.
    #[error("this session is already ingesting a run")]
    Nested,
    /// A step where no run is being ingested.
    #[error("this session is not ingesting a run")]
    NoSession,
    /// A cancel that came during a commit, which the server then forgot.
    #[error("canceling statement due to user request")]
    Cancelled,
    /// A worker failed.
    #[error("a worker failed")]
    Worker(Report),
    /// A worker was terminated, not by its run.
    #[error("a worker was terminated before its work was done")]
    WorkerGone,

    // The TPC-H kit and benchmarks.
    #[error("no answers are published for scale factor {sf}")]
    NoAnswers { sf: f64, known: Vec<f64> },
    #[error("benchmark \"{0}\" does not exist")]
    UnknownBenchmark(String),
    #[error("invalid value for argument \"seed\": {seed}")]
    Seed { seed: i64, least: i64, largest: i64 },
    #[error("schema \"{0}\" does not exist")]
    UnknownSchema(String),
    /// Neither `unlogged` nor a table access method.
    #[error("table access method \"{0}\" does not exist")]
    UnknownStorage(String),
    /// A table has the name that `tpch_load` needs, but was not created by it, or was created differently.
    #[error("relation \"{table}\" exists and {how}")]
    TableDiffers { table: String, how: &'static str },
    #[error("table \"{table}\" was loaded at scale factor {then}, not {now}")]
    LoadDiffers { table: String, then: f64, now: f64 },
    /// Another session applies the refresh set.
    #[error("refresh {stream} of schema \"{schema}\" is being applied by {}", holder(.pid))]
    RefreshBusy { schema: String, stream: i32, pid: Option<i32> },
    #[error("must be owner of benchmark \"{0}\"")]
    NotOwnerOfBench(String),
    #[error("must be owner of search \"{0}\"")]
    NotOwnerOfSearch(String),
    #[error("must be owner of variant \"{0}\"")]
    NotOwnerOfVariant(String),

    // Exports.
    #[error("permission denied to export to a file")]
    NoFileRight,
    #[error("relative path not allowed for an export: \"{0}\"")]
    RelativePath(String),
    #[error("path \"{0}\" is among the server's own files")]
    ServerPath(String),
    #[error(transparent)]
    Export(ExportError),

    /// One of the extension's own queries failed, which should not happen.
    #[error(transparent)]
    Spi(#[from] pgrx::spi::Error),
}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        Error::Source(error)
    }
}

impl From<ExportError> for Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Source(error) => Error::Source(error),
            error => Error::Export(error),
        }
    }
}

impl Error {
    /// Raises it in the server.
    pub fn raise(self) -> ! {
        self.describe().raise()
    }

    /// As PostgreSQL reports it.
    fn describe(self) -> Report {
        let error = match self {
            Error::Worker(report) => return report,
            error => error,
        };
        let mut report = Report::new(error.code(), error.to_string());
        if let Some(detail) = error.detail() {
            report = report.detail(detail);
        }
        if let Some(hint) = error.hint() {
            report = report.hint(hint);
        }
        report
    }

    fn code(&self) -> Code {
        match self {
            Error::Source(error) => source::code(error),
            Error::Export(error) => export::code(error),
            Error::UnknownFunction(_) => Code::ERRCODE_UNDEFINED_FUNCTION,
            Error::ColumnDropped { .. } => Code::ERRCODE_UNDEFINED_COLUMN,
            Error::RowTypeChanged { .. } => Code::ERRCODE_DATATYPE_MISMATCH,
            Error::Null(_) | Error::NullArgument(_) => Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
            Error::InvalidText(_) => Code::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
            Error::UnknownTable { .. }
            | Error::Json(_)
            | Error::PartsWithoutPart
            | Error::Argument { .. }
            | Error::RunDiffers { .. }
            | Error::QueryOptions(_)
            | Error::QueryRows
            | Error::UnknownBenchmark(_)
            | Error::Seed { .. }
            | Error::NoAnswers { .. } => Code::ERRCODE_INVALID_PARAMETER_VALUE,
            Error::NotSupported { .. } => Code::ERRCODE_FEATURE_NOT_SUPPORTED,
            Error::NotComposite
            | Error::NoSuchColumns { .. }
            | Error::NoCommonColumn { .. }
            | Error::ColumnType { .. } => Code::ERRCODE_DATATYPE_MISMATCH,
            Error::ValueTooLong { .. } => Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
            Error::IntegerRange { .. } => Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
            Error::TransactionBlock(_) => Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
            Error::Atomic(_) => Code::ERRCODE_INVALID_TRANSACTION_TERMINATION,
            Error::NotATable(_) => Code::ERRCODE_WRONG_OBJECT_TYPE,
            Error::UnknownTarget(_) => Code::ERRCODE_UNDEFINED_TABLE,
            Error::UnknownColumn { .. } => Code::ERRCODE_UNDEFINED_COLUMN,
            Error::NoInsertRight(_)
            | Error::NotOwner { .. }
            | Error::NotOwnerOfBench(_)
            | Error::NotOwnerOfSearch(_)
            | Error::NotOwnerOfVariant(_)
            | Error::OthersQuery { .. }
            | Error::NoFileRight
            | Error::ServerPath(_) => Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Error::UnknownRun(_) | Error::UnknownStorage(_) => Code::ERRCODE_UNDEFINED_OBJECT,
            Error::RunBusy { .. } | Error::RefreshBusy { .. } | Error::Nested => Code::ERRCODE_OBJECT_IN_USE,
            Error::Segment { .. }
            | Error::TargetChanged { .. }
            | Error::BrokenLedger
            | Error::Retired
            | Error::NoSession => Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
            Error::Cancelled => Code::ERRCODE_QUERY_CANCELED,
            Error::WorkerGone => Code::ERRCODE_ADMIN_SHUTDOWN,
            Error::Thread(_) => Code::ERRCODE_INSUFFICIENT_RESOURCES,
            Error::UnknownSchema(_) => Code::ERRCODE_INVALID_SCHEMA_NAME,
            Error::TableDiffers { .. } | Error::LoadDiffers { .. } => Code::ERRCODE_DUPLICATE_TABLE,
            Error::RelativePath(_) => Code::ERRCODE_INVALID_NAME,
            Error::ThreadGone | Error::Spi(_) | Error::Worker(_) => Code::ERRCODE_INTERNAL_ERROR,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Error::RowTypeChanged { position, found, expected } => Some(format!(
                "Returned type {found} at ordinal position {position}, but query expects {expected}."
            )),
            Error::NotOwner { owner, .. } => Some(format!("Role \"{owner}\" began it.")),
            Error::RunDiffers { differences, .. } => Some(differences.join("\n")),
            _ => None,
        }
    }

    /// What to do about it, where that can be said.
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Error::Source(error) => return source::hint(error),
            Error::Export(error) => return export::hint(error),
            Error::UnknownTable { family, .. } => {
                let tables: Vec<_> = registry::tables(family).map(|table| table.name).collect();
                return Some(format!("The tables are {}.", tables.join(", ")));
            }
            Error::NoSuchColumns { from_source, row, .. } => {
                return Some(source::columns_hint(from_source, row));
            }
            Error::NoCommonColumn { from_source, .. } => return Some(source::names_hint(from_source)),
            Error::OthersQuery { owner, .. } => {
                return Some(format!(
                    "The query would run with the caller's rights. Call as role \"{owner}\"."
                ));
            }
            Error::QueryOptions(_) => {
                return Some(format!("Its options are {}.", origin::QUERY_OPTIONS.join("; ")));
            }
            Error::NoAnswers { known, .. } => {
                let scales: Vec<_> = known.iter().map(f64::to_string).collect();
                return Some(format!("There are answers for {}.", scales.join(", ")));
            }
            Error::Seed { least, largest, .. } => {
                return Some(format!(
                    "A seed is from {least} to {largest}, even with the stream's number added."
                ));
            }
            Error::Argument { hint, .. } | Error::NotSupported { hint, .. } => hint,
            error => error.plain_hint()?,
        };
        Some(hint.to_owned())
    }

    /// A hint that is the same whatever the values are.
    fn plain_hint(&self) -> Option<&'static str> {
        Some(match self {
            Error::Json(_) => {
                "Numbers can be up to about 1.8e308, and values can nest up to 127 levels deep."
            }
            Error::PartsWithoutPart => {
                "Give the part to make, from 1 to parts, or leave out both for the whole table."
            }
            Error::Segment { .. } => {
                "Leave out argument \"segments\". If the cluster has grown, have the statement planned again, with DISCARD \
                 PLANS or in another session."
            }
            Error::Thread(_) => "Set millrace.generate_ahead to off to work without threads.",
            Error::Retired => "Run ALTER EXTENSION millrace UPDATE.",
            Error::NotComposite => "Write NULL::tpch_orders, or NULL::t for a table t.",
            Error::ColumnType { .. } => "Use a type that an INSERT would convert the values to.",
            Error::IntegerRange { .. } => "Use a row type in which the column is a bigint.",
            Error::TransactionBlock(_) => {
                "It commits after each batch: call it outside BEGIN, with autocommit on."
            }
            Error::Atomic(_) => {
                "It commits after each batch: call it directly, or from a procedure without SET and SECURITY DEFINER, \
                 not from a function."
            }
            Error::NotATable(_) => {
                "A target is a table, a partitioned table, a foreign table or a view that accepts INSERT."
            }
            Error::NoInsertRight(_) => "The caller needs the INSERT privilege on the target.",
            Error::NotOwner { .. } => "Give your own run another name.",
            Error::UnknownRun(_) => "View stream_progress lists the runs.",
            Error::RunBusy { .. } => "Wait for it, or ask it to stop with stream_stop().",
            Error::RunDiffers { .. } => {
                "Resume it with stream_resume(), forget it with stream_drop(), or give another run name."
            }
            Error::TargetChanged { .. } => {
                "If its rows are still there (after VACUUM FULL, say, or pg_restore), resume with \
                 stream_resume(run, adopt => true); if they are not, forget the run with stream_drop()."
            }
            Error::UnknownColumn { .. } => "Add the column again, or forget the run with stream_drop().",
            Error::QueryRows => "Give the number of row numbers of all batches together, at least 1.",
            Error::BrokenLedger => "If it was restored in part, forget the run with stream_drop().",
            Error::Nested => "A run's trigger or query cannot ingest another run.",
            Error::NoSession => "Use CALL stream_ingest() or CALL stream_resume().",
            Error::WorkerGone => "Run the same call again to insert the missing batches.",
            Error::UnknownStorage(_) => {
                "Argument \"storage\" is heap, unlogged, or any table access method of the server."
            }
            Error::TableDiffers { .. } | Error::LoadDiffers { .. } => {
                "Load into another schema, or drop what is there with overwrite => true."
            }
            Error::RefreshBusy { .. } => "Wait for it. Another refresh set can be applied meanwhile.",
            Error::NoFileRight => {
                "Only roles with privileges of the role \"pg_write_server_files\" may write files on the server."
            }
            Error::RelativePath(_) => "Give the absolute path of a folder on the server.",
            Error::ServerPath(_) => "Give a folder outside the data directory and the tablespaces.",
            _ => return None,
        })
    }
}

fn family_title(family: &str) -> &str {
    kit::find(family).map_or(family, |kit| kit.title)
}

/// Who holds a session lock, as far as that is known.
fn holder(pid: &Option<i32>) -> String {
    pid.map_or_else(|| "another session".to_owned(), |pid| format!("process {pid}"))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("0x{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn plural(names: &[String], noun: &str) -> String {
    if names.len() == 1 { noun.to_owned() } else { format!("{noun}s") }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}
