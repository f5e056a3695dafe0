//! Every error a user can meet: its SQLSTATE, its message and its hint.

use crate::pg::server::report::Report;
use crate::runs::origin;
use millrace_export::{Error as ExportError, Format, THREADS};
use millrace_sources::{Error as SourceError, registry, tpch};
use pgrx::prelude::PgSqlErrorCode as Code;
use std::convert::Infallible;
use std::{fmt, io};

/// What the crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// What a function answers with that SQL calls: making a [`Raised`] of an error raises it.
pub type SqlResult<T> = std::result::Result<T, Raised>;

/// An error that was raised: there is no value of it.
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

/// The value, or the error raised: for code that the server calls itself.
pub fn or_raise<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| error.raise())
}

/// What can be wrong, beyond what a source refuses.
#[derive(Debug)]
pub enum Error {
    /// A source refused the request.
    Source(SourceError),
    /// No table of that name in its family of sources.
    UnknownTable { family: String, name: String },
    /// The function that is called was dropped.
    UnknownFunction(u32),
    /// A column of the row type was dropped since the query was planned.
    #[cfg(not(feature = "cbdb"))]
    ColumnDropped { position: usize, row: String },
    /// A column of the row type is not of the type any more that the query was planned with.
    #[cfg(not(feature = "cbdb"))]
    RowTypeChanged { position: usize, found: String, expected: String },
    /// An argument that needs a value has none.
    Null(&'static str),
    /// The same, where only its number is known.
    NullArgument(usize),
    /// Bytes of a text that are no valid UTF-8.
    InvalidText(Vec<u8>),
    /// A jsonb that is beyond what can be read.
    Json(serde_json::Error),
    /// `parts` was given without `part`.
    PartsWithoutPart,
    /// The rows asked for are not of a composite type.
    NotComposite,
    /// The row type has columns the source does not have.
    NoSuchColumns { source: String, row: String, columns: Vec<String> },
    /// The table has no column of the source.
    NoCommonColumn { source: String, row: String },
    /// A column of the row type cannot hold the source's values.
    ColumnType { column: String, to: String, from: &'static str },
    /// A value does not fit its column.
    ValueTooLong { column: String, limit: usize },
    /// An integer does not fit its column.
    IntegerRange { column: String, value: i64 },
    /// A procedure that commits was called inside a transaction block.
    TransactionBlock(String),
    /// A procedure that commits was called where it cannot.
    Atomic(String),
    /// An argument out of its range.
    Argument { name: &'static str, value: String, hint: &'static str },
    /// A segment that is not among those that share the rows.
    Segment { segment: u64, segments: u64 },
    /// Something the design has and this version does not.
    NotSupported { what: &'static str, hint: &'static str },
    /// A relation that cannot be ingested into.
    NotATable(String),
    /// The target was dropped in the meantime.
    UnknownTarget(String),
    /// The caller may not insert into the target.
    NoInsertRight(String),
    /// The caller does not own the run.
    NotOwner { run: String, owner: String },
    /// The caller does not own the benchmark.
    NotOwnerOfBench(String),
    /// The caller does not own the variant.
    NotOwnerOfVariant(String),
    /// The run's query would run with the rights of another role than the one it belongs to.
    OthersQuery { run: String, owner: String },
    /// No run of that name.
    UnknownRun(String),
    /// Another session holds the run.
    RunBusy { run: String, pid: Option<i32> },
    /// Another session applies the refresh set.
    RefreshBusy { schema: String, stream: i32, pid: Option<i32> },
    /// The run exists with other parameters.
    RunDiffers { run: String, differences: Vec<String> },
    /// The target is not the one the run began with.
    TargetChanged { run: String, target: String, how: &'static str },
    /// A worker failed.
    Worker(Report),
    /// A worker was ended by somebody else.
    WorkerGone,
    /// A thread could not be started.
    Thread(io::Error),
    /// A thread that made rows ended before they were all made.
    ThreadGone,
    /// Options of a query that are not what they must be.
    QueryOptions(String),
    /// A query without a number of rows.
    QueryRows,
    /// No answers are published for the scale factor.
    NoAnswers(f64),
    /// No schema of that name.
    UnknownSchema(String),
    /// Neither `unlogged` nor a table access method.
    UnknownStorage(String),
    /// A table that `tpch_load` did not make, or made otherwise, has the name it needs.
    TableDiffers { table: String, how: &'static str },
    /// A table was loaded at another scale factor.
    LoadDiffers { table: String, then: f64, now: f64 },
    /// The caller may not write files on the server.
    NoFileRight,
    /// The path of an export is relative to nobody knows what.
    RelativePath(String),
    /// The path of an export leads to where the server keeps its own files.
    ServerPath(String),
    /// An export failed.
    Export(ExportError),
    /// The ledger has no value where it must have one: a dump that was restored in part, say.
    BrokenLedger,
    /// A run's column is gone.
    UnknownColumn { table: String, column: String },
    /// A function of an older version's SQL.
    Retired,
    /// A step of a run within a step of a run.
    Nested,
    /// A step where no run is being ingested.
    NoSession,
    /// A cancel that the server forgot over a commit.
    Cancelled,
    /// The server failed in a way no query of ours should.
    Spi(pgrx::spi::Error),
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

impl From<pgrx::spi::Error> for Error {
    fn from(error: pgrx::spi::Error) -> Self {
        Error::Spi(error)
    }
}

impl Error {
    /// Raises it in the server.
    pub fn raise(self) -> ! {
        self.describe().raise()
    }

    /// As PostgreSQL reports it.
    fn describe(self) -> Report {
        match self {
            Error::Source(error) => describe_source(error),
            Error::UnknownTable { family, name } => {
                let title = if family == tpch::FAMILY { "TPC-H" } else { &family };
                let tables: Vec<_> = registry::tables(&family).map(|table| table.name).collect();
                Report::new(
                    Code::ERRCODE_INVALID_PARAMETER_VALUE,
                    format!("{title} table \"{name}\" does not exist"),
                )
                .hint(format!("The tables are {}.", tables.join(", ")))
            }
            Error::UnknownFunction(function) => Report::new(
                Code::ERRCODE_UNDEFINED_FUNCTION,
                format!("function with OID {function} does not exist"),
            ),
            #[cfg(not(feature = "cbdb"))]
            Error::ColumnDropped { position, row } => Report::new(
                Code::ERRCODE_UNDEFINED_COLUMN,
                format!("attribute {position} of type {row} has been dropped"),
            ),
            #[cfg(not(feature = "cbdb"))]
            Error::RowTypeChanged { position, found, expected } => Report::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                "function return row and query-specified return row do not match",
            )
            .detail(format!("Returned type {found} at ordinal position {position}, but query expects {expected}.")),
            Error::Null(argument) => Report::new(
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("argument \"{argument}\" must not be null"),
            ),
            Error::NullArgument(number) => Report::new(
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("argument {number} must not be null"),
            ),
            Error::InvalidText(bytes) => {
                let bytes: Vec<_> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
                Report::new(
                    Code::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
                    format!("invalid byte sequence for encoding \"UTF8\": {}", bytes.join(" ")),
                )
            }
            Error::Json(error) => Report::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("invalid value for argument of type jsonb: {error}"),
            )
            .hint("Numbers are up to about 1.8e308, and values nest up to 127 deep."),
            Error::PartsWithoutPart => Report::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "argument \"parts\" needs argument \"part\"",
            )
            .hint("Give the part to make, from 1 to parts, or leave out both for the whole table."),
            Error::NotComposite => Report::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                "argument \"row_type\" must be of a table's row type",
            )
            .hint("Write NULL::tpch_orders, or NULL::t for a table t."),
            Error::NoSuchColumns { source, row, columns } => {
                describe_no_such_columns(&source, &row, &columns)
            }
            Error::NoCommonColumn { source, row } => Report::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                format!("row type {row} has no column that source \"{source}\" has"),
            )
            .hint(columns_hint(&source)),
            Error::ColumnType { column, to, from } => Report::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                format!("column \"{column}\" is of type {to} but its values are of type {from}"),
            )
            .hint("Only types that an INSERT would convert to can hold the values."),
            Error::ValueTooLong { column, limit } => Report::new(
                Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
                format!("value too long for column \"{column}\" of {limit} characters"),
            ),
            Error::IntegerRange { column, value } => Report::new(
                Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
                format!("value {value} is out of range for column \"{column}\" of type integer"),
            )
            .hint("Use a row type in which the column is a bigint."),
            Error::Segment { segment, segments } => Report::new(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("segment {segment} has no share of rows that {segments} segments make"),
            )
            .hint(
                "Leave out argument \"segments\". After the cluster has grown, plan the statement anew: \
                 DISCARD PLANS, or another session.",
            ),
            Error::TransactionBlock(statement) => Report::new(
                Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
                format!("{statement} cannot run inside a transaction block"),
            )
            .hint("It commits after each batch: call it outside BEGIN, with autocommit on."),
            Error::Atomic(statement) => Report::new(
                Code::ERRCODE_INVALID_TRANSACTION_TERMINATION,
                format!("{statement} cannot run where it cannot commit"),
            )
            .hint(
                "It commits after each batch: call it from psql, or from a procedure without SET and SECURITY DEFINER, \
                 not from a function.",
            ),
            Error::Argument { name, value, hint } => Report::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("invalid value for argument \"{name}\": {value}"),
            )
            .hint(hint),
            Error::NotSupported { what, hint } => {
                Report::new(Code::ERRCODE_FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
                    .hint(hint)
            }
            Error::NotATable(name) => Report::new(
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("cannot ingest into relation \"{name}\""),
            )
            .hint("A target is a table, a partitioned table, a foreign table or a view one can insert into."),
            Error::UnknownTarget(name) => {
                Report::new(Code::ERRCODE_UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
            }
            Error::NoInsertRight(name) => Report::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {name}"),
            )
            .hint("The caller needs the INSERT privilege on the target."),
            Error::NotOwner { run, owner } => Report::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of run \"{run}\""),
            )
            .detail(format!("Role \"{owner}\" began it."))
            .hint("Give a run of your own another name."),
            Error::NotOwnerOfBench(bench) => Report::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of benchmark \"{bench}\""),
            ),
            Error::NotOwnerOfVariant(variant) => Report::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of variant \"{variant}\""),
            ),
            Error::OthersQuery { run, owner } => Report::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of run \"{run}\" to resume its query"),
            )
            .hint(format!("The query would run with the caller's rights. Call as role \"{owner}\".")),
            Error::UnknownRun(run) => {
                Report::new(Code::ERRCODE_UNDEFINED_OBJECT, format!("run \"{run}\" does not exist"))
                    .hint("View stream_progress lists the runs.")
            }
            Error::RunBusy { run, pid } => Report::new(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("run \"{run}\" is being ingested by {}", holder(pid)),
            )
            .hint("Wait for it, or ask it to stop with stream_stop()."),
            Error::RefreshBusy { schema, stream, pid } => Report::new(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("refresh {stream} of schema \"{schema}\" is being applied by {}", holder(pid)),
            )
            .hint("Wait for it. Another refresh set can be applied meanwhile."),
            Error::RunDiffers { run, differences } => Report::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("run \"{run}\" was begun with other parameters"),
            )
            .detail(differences.join("\n"))
            .hint("Resume it with stream_resume(), forget it with stream_drop(), or give another run name."),
            Error::TargetChanged { run, target, how } => Report::new(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("target \"{target}\" of run \"{run}\" was {how} since the run began"),
            )
            .hint(
                "If its rows are still there (after VACUUM FULL, say, or pg_restore), resume with \
                 stream_resume(run, adopt => true); if they are not, forget the run with stream_drop().",
            ),
            Error::Worker(report) => report,
            Error::WorkerGone => Report::new(
                Code::ERRCODE_ADMIN_SHUTDOWN,
                "a worker was terminated before its work was done",
            )
            .hint("Call again to insert the batches that are missing."),
            Error::Thread(error) => Report::new(
                Code::ERRCODE_INSUFFICIENT_RESOURCES,
                format!("could not start a thread: {error}"),
            )
            .hint("Set millrace.generate_ahead to off to work without threads."),
            Error::ThreadGone => {
                Report::new(Code::ERRCODE_INTERNAL_ERROR, "a thread that makes rows ended unexpectedly")
            }
            Error::QueryOptions(message) => Report::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("invalid options for source \"sql\": {message}"),
            )
            .hint(format!("Its options are {}.", origin::QUERY_OPTIONS.join("; "))),
            Error::QueryRows => Report::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "source \"sql\" needs argument \"rows\"",
            )
            .hint("It is how many row numbers the batches count in all, at least 1."),
            Error::NoAnswers(sf) => Report::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("no answers are published for scale factor {sf}"),
            )
            .hint(format!(
                "There are answers for {}.",
                tpch::answers::SCALES.map(|sf| sf.to_string()).join(", ")
            )),
            Error::UnknownSchema(schema) => Report::new(
                Code::ERRCODE_INVALID_SCHEMA_NAME,
                format!("schema \"{schema}\" does not exist"),
            ),
            Error::UnknownStorage(storage) => Report::new(
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("table access method \"{storage}\" does not exist"),
            )
            .hint("Argument \"storage\" is heap, unlogged, or any table access method of the server."),
            Error::TableDiffers { table, how } => Report::new(
                Code::ERRCODE_DUPLICATE_TABLE,
                format!("relation \"{table}\" exists and {how}"),
            )
            .hint("Load into another schema, or drop what is there with overwrite => true."),
            Error::LoadDiffers { table, then, now } => Report::new(
                Code::ERRCODE_DUPLICATE_TABLE,
                format!("table \"{table}\" was loaded at scale factor {then}, not {now}"),
            )
            .hint("Load into another schema, or drop what is there with overwrite => true."),
            Error::NoFileRight => Report::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                "permission denied to export to a file",
            )
            .hint("Only roles with privileges of the role \"pg_write_server_files\" may write files on the server."),
            Error::RelativePath(path) => Report::new(
                Code::ERRCODE_INVALID_NAME,
                format!("relative path not allowed for an export: \"{path}\""),
            )
            .hint("Give the absolute path of a folder on the server."),
            Error::ServerPath(path) => Report::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("path \"{path}\" is among the server's own files"),
            )
            .hint("Give a folder outside the data directory and the tablespaces."),
            Error::BrokenLedger => Report::new(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the ledger of runs is not complete",
            )
            .hint("If it was restored in part, forget the run with stream_drop()."),
            Error::UnknownColumn { table, column } => Report::new(
                Code::ERRCODE_UNDEFINED_COLUMN,
                format!("column \"{column}\" of table {table}, which the run fills, does not exist any more"),
            )
            .hint("Add it again, or forget the run with stream_drop()."),
            Error::Retired => Report::new(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "the SQL objects of extension \"millrace\" are older than its library",
            )
            .hint("Run ALTER EXTENSION millrace UPDATE."),
            Error::Nested => Report::new(
                Code::ERRCODE_OBJECT_IN_USE,
                "this session is already ingesting a run",
            )
            .hint("A trigger or a query of a run cannot ingest another."),
            Error::NoSession => Report::new(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                "this session is not ingesting a run",
            )
            .hint("CALL stream_ingest() or stream_resume()."),
            Error::Cancelled => {
                Report::new(Code::ERRCODE_QUERY_CANCELED, "canceling statement due to user request")
            }
            Error::Export(error) => describe_export(&error),
            Error::Spi(error) => Report::new(Code::ERRCODE_INTERNAL_ERROR, error.to_string()),
        }
    }
}

fn describe_source(error: SourceError) -> Report {
    let message = error.to_string();
    let invalid = Report::new(Code::ERRCODE_INVALID_PARAMETER_VALUE, message);
    match error {
        SourceError::UnknownSource { known, .. } => {
            invalid.hint(format!("The sources are {}, {}.", known.join(", "), origin::QUERY))
        }
        SourceError::ScaleFactor(_) => {
            invalid.hint(format!("A scale factor is from {} to {}.", tpch::Scale::MIN, tpch::Scale::MAX))
        }
        SourceError::Query(_) => invalid.hint("Queries are numbered from 1 to 22."),
        SourceError::Part { .. } => invalid.hint("Parts are counted from 1 to parts."),
        SourceError::Options { source_name, .. } => invalid.hint(options_hint(source_name)),
        SourceError::Column { .. } | SourceError::Arrow(_) => invalid.code(Code::ERRCODE_INTERNAL_ERROR),
    }
}

fn describe_export(error: &ExportError) -> Report {
    let with = |code| Report::new(code, error.to_string());
    match error {
        ExportError::Format(_) => with(Code::ERRCODE_INVALID_PARAMETER_VALUE)
            .hint(format!("The formats are {}.", Format::ALL.map(Format::name).join(", "))),
        ExportError::Options(_) => with(Code::ERRCODE_INVALID_PARAMETER_VALUE),
        ExportError::Threads(_) => with(Code::ERRCODE_INVALID_PARAMETER_VALUE).hint(format!(
            "An export has from {} to {} threads.",
            THREADS.start(),
            THREADS.end()
        )),
        ExportError::Column { known, .. } => {
            with(Code::ERRCODE_UNDEFINED_COLUMN).hint(format!("Its columns are {}.", known.join(", ")))
        }
        ExportError::ColumnType { .. } => with(Code::ERRCODE_FEATURE_NOT_SUPPORTED),
        ExportError::Exists(_) => with(Code::ERRCODE_DUPLICATE_FILE).hint(
            "Have it replaced with {\"overwrite\": true}, or left as it is with {\"skip_existing\": true}.",
        ),
        ExportError::NoFolder(_) => with(Code::ERRCODE_UNDEFINED_FILE)
            .hint("The folder must be there, and the server's user must be allowed to write to it."),
        ExportError::Write { error, .. } => with(file_error_code(error)),
        ExportError::Thread(_) => with(Code::ERRCODE_INSUFFICIENT_RESOURCES),
        ExportError::Cancelled => with(Code::ERRCODE_QUERY_CANCELED),
        ExportError::Source(_) | ExportError::Encode(_) | ExportError::Panicked => {
            with(Code::ERRCODE_INTERNAL_ERROR)
        }
    }
}

/// Who holds a session lock, as far as that is known.
fn holder(pid: Option<i32>) -> String {
    pid.map_or_else(|| "another session".to_owned(), |pid| format!("process {pid}"))
}

/// As the server's own `errcode_for_file_access`.
fn file_error_code(error: &io::Error) -> Code {
    use io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
        NotFound => Code::ERRCODE_UNDEFINED_FILE,
        StorageFull | QuotaExceeded => Code::ERRCODE_DISK_FULL,
        _ => Code::ERRCODE_IO_ERROR,
    }
}

fn options_hint(source: &str) -> String {
    let options = registry::find(source).map(|definition| definition.options).unwrap_or_default();
    let lines: Vec<_> = options.iter().map(|option| format!("{} ({})", option.name, option.about)).collect();
    let own = if lines.is_empty() {
        "It has no options of its own".to_owned()
    } else {
        format!("Its options are {}", lines.join(", "))
    };
    format!(
        "{own}; stream_ingest also takes rate (rows per second), profile (how batches vary) and synchronous_commit."
    )
}

fn describe_no_such_columns(source: &str, row: &str, columns: &[String]) -> Report {
    let names = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    let noun = if columns.len() == 1 { "column" } else { "columns" };
    let described = Report::new(
        Code::ERRCODE_DATATYPE_MISMATCH,
        format!("row type {row} has {noun} that source \"{source}\" does not have: {names}"),
    );
    if row.trim_start_matches("tpch_") != source && tpch::tables().any(|table| row == format!("tpch_{table}"))
    {
        return described
            .hint(format!("Call tpch_{source}(), or give tpch_gen() a row_type => NULL::tpch_{source}."));
    }
    described.hint(columns_hint(source))
}

fn columns_hint(source: &str) -> String {
    let schema = registry::find(source).map(|definition| (definition.schema)());
    let names: Vec<_> =
        schema.iter().flat_map(|schema| schema.fields()).map(|field| field.name().as_str()).collect();
    format!("Columns are matched by name; the source has {}.", names.join(", "))
}
