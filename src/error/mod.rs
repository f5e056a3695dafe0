//! Every error a user can meet: its SQLSTATE, its message and its hint.

use crate::runs::origin;
use millrace_export::{Error as ExportError, Format, THREADS};
use millrace_sources::{Error as SourceError, registry, tpch};
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, ErrorReportable};
use pgrx::prelude::PgSqlErrorCode as Code;
use std::io;

/// What the crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

/// What a function answers with that SQL calls; pgrx raises the report.
pub type SqlResult<T> = std::result::Result<T, ErrorReport>;

/// The value, or the error raised: for code that the server calls itself.
pub fn or_raise<T>(result: Result<T>) -> T {
    result.map_err(ErrorReport::from).unwrap_or_report()
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
    ColumnDropped { position: usize, row: String },
    /// A column of the row type is not of the type any more that the query was planned with.
    RowTypeChanged { position: usize, found: String, expected: String },
    /// An argument that needs a value has none.
    Null(&'static str),
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
    NotOwner(String),
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
    /// A partition that needs the executor was attached while its batch was inserted in bulk.
    NewPartition(String),
    /// A worker failed.
    Worker(Failure),
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

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        let Described { code, message, detail, hint } = error.describe();
        let mut report = ErrorReport::new(code, message, "millrace");
        if let Some(detail) = detail {
            report = report.set_detail(detail);
        }
        if let Some(hint) = hint {
            report = report.set_hint(hint);
        }
        report
    }
}

/// The error of another process, as it is passed on.
#[derive(Debug)]
pub struct Failure(Described);

impl From<&CaughtError> for Failure {
    fn from(error: &CaughtError) -> Self {
        let (CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic { ereport: report, .. }) = error;
        Self(Described {
            code: report.sql_error_code(),
            message: report.message().to_owned(),
            detail: report.detail().map(str::to_owned),
            hint: report.hint().map(str::to_owned),
        })
    }
}

impl Failure {
    /// In at most `limit` bytes, for which texts are cut if they must.
    pub fn to_bytes(&self, limit: usize) -> Vec<u8> {
        let Described { code, message, detail, hint } = &self.0;
        let cut = |text: &str| text.chars().take(limit / 32).collect::<String>();
        let parts = (*code as i32, cut(message), detail.as_deref().map(cut), hint.as_deref().map(cut));
        serde_json::to_vec(&parts).unwrap_or_default()
    }

    /// What [`Failure::to_bytes`] made.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (code, message, detail, hint): (i32, String, _, _) = serde_json::from_slice(bytes).ok()?;
        Some(Self(Described { code: Code::from(code), message, detail, hint }))
    }
}

/// An error as PostgreSQL reports it.
#[derive(Debug)]
struct Described {
    code: Code,
    message: String,
    detail: Option<String>,
    hint: Option<String>,
}

impl Described {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None, hint: None }
    }

    fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl Error {
    fn describe(self) -> Described {
        match self {
            Error::Source(error) => describe_source(error),
            Error::UnknownTable { family, name } => {
                let title = if family == tpch::FAMILY { "TPC-H" } else { &family };
                let tables: Vec<_> = registry::tables(&family).map(|table| table.name).collect();
                Described::new(
                    Code::ERRCODE_INVALID_PARAMETER_VALUE,
                    format!("{title} table \"{name}\" does not exist"),
                )
                .hint(format!("The tables are {}.", tables.join(", ")))
            }
            Error::UnknownFunction(function) => Described::new(
                Code::ERRCODE_UNDEFINED_FUNCTION,
                format!("function with OID {function} does not exist"),
            ),
            Error::ColumnDropped { position, row } => Described::new(
                Code::ERRCODE_UNDEFINED_COLUMN,
                format!("attribute {position} of type {row} has been dropped"),
            ),
            Error::RowTypeChanged { position, found, expected } => Described::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                "function return row and query-specified return row do not match",
            )
            .detail(format!("Returned type {found} at ordinal position {position}, but query expects {expected}.")),
            Error::Null(argument) => Described::new(
                Code::ERRCODE_NULL_VALUE_NOT_ALLOWED,
                format!("argument \"{argument}\" must not be null"),
            ),
            Error::PartsWithoutPart => Described::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "argument \"parts\" needs argument \"part\"",
            )
            .hint("Give the part to make, from 1 to parts, or leave out both for the whole table."),
            Error::NotComposite => Described::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                "argument \"row_type\" must be of a table's row type",
            )
            .hint("Write NULL::tpch_orders, or NULL::t for a table t."),
            Error::NoSuchColumns { source, row, columns } => {
                describe_no_such_columns(&source, &row, &columns)
            }
            Error::NoCommonColumn { source, row } => Described::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                format!("row type {row} has no column that source \"{source}\" has"),
            )
            .hint(columns_hint(&source)),
            Error::ColumnType { column, to, from } => Described::new(
                Code::ERRCODE_DATATYPE_MISMATCH,
                format!("column \"{column}\" is of type {to} but its values are of type {from}"),
            )
            .hint("Only types that an INSERT would convert to can hold the values."),
            Error::ValueTooLong { column, limit } => Described::new(
                Code::ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
                format!("value too long for column \"{column}\" of {limit} characters"),
            ),
            Error::IntegerRange { column, value } => Described::new(
                Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
                format!("value {value} is out of range for column \"{column}\" of type integer"),
            )
            .hint("Use a row type in which the column is a bigint."),
            Error::Segment { segment, segments } => Described::new(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("segment {segment} has no share of rows that {segments} segments make"),
            )
            .hint(
                "Leave out argument \"segments\". After the cluster has grown, plan the statement anew: \
                 DISCARD PLANS, or another session.",
            ),
            Error::TransactionBlock(statement) => Described::new(
                Code::ERRCODE_ACTIVE_SQL_TRANSACTION,
                format!("{statement} cannot run inside a transaction block"),
            )
            .hint("It commits after each batch: call it outside BEGIN, with autocommit on."),
            Error::Argument { name, value, hint } => Described::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("invalid value for argument \"{name}\": {value}"),
            )
            .hint(hint),
            Error::NotSupported { what, hint } => {
                Described::new(Code::ERRCODE_FEATURE_NOT_SUPPORTED, format!("{what} is not supported"))
                    .hint(hint)
            }
            Error::NotATable(name) => Described::new(
                Code::ERRCODE_WRONG_OBJECT_TYPE,
                format!("cannot ingest into relation \"{name}\""),
            )
            .hint("A target is a table, a partitioned table, a foreign table or a view one can insert into."),
            Error::UnknownTarget(name) => {
                Described::new(Code::ERRCODE_UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
            }
            Error::NoInsertRight(name) => Described::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {name}"),
            )
            .hint("The caller needs the INSERT privilege on the target."),
            Error::NotOwner(run) => Described::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of run \"{run}\""),
            ),
            Error::OthersQuery { run, owner } => Described::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("must be owner of run \"{run}\" to go on with its query"),
            )
            .hint(format!("The query would run with the caller's rights. Call as role \"{owner}\".")),
            Error::UnknownRun(run) => {
                Described::new(Code::ERRCODE_UNDEFINED_OBJECT, format!("run \"{run}\" does not exist"))
                    .hint("View stream_progress lists the runs.")
            }
            Error::RunBusy { run, pid } => Described::new(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("run \"{run}\" is being ingested by {}", holder(pid)),
            )
            .hint("Wait for it, or ask it to stop with stream_stop()."),
            Error::RefreshBusy { schema, stream, pid } => Described::new(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("refresh {stream} of schema \"{schema}\" is being applied by {}", holder(pid)),
            )
            .hint("Wait for it. Another refresh set can be applied meanwhile."),
            Error::RunDiffers { run, differences } => Described::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("run \"{run}\" was begun with other parameters"),
            )
            .detail(differences.join("\n"))
            .hint("Go on with stream_resume(), forget the run with stream_drop(), or give another run name."),
            Error::TargetChanged { run, target, how } => Described::new(
                Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("target \"{target}\" of run \"{run}\" was {how} since the run began"),
            )
            .hint(
                "If its rows are still there (after VACUUM FULL, say, or pg_restore), go on with \
                 stream_resume(run, adopt => true); if they are not, forget the run with stream_drop().",
            ),
            Error::NewPartition(partition) => Described::new(
                Code::ERRCODE_OBJECT_IN_USE,
                format!("partition \"{partition}\" was attached while a batch was being inserted"),
            )
            .hint("Call again: the run goes on with this batch."),
            Error::Worker(failure) => failure.0,
            Error::WorkerGone => Described::new(
                Code::ERRCODE_ADMIN_SHUTDOWN,
                "a worker was terminated before its work was done",
            )
            .hint("Call again: the run goes on with the batches that are missing."),
            Error::Thread(error) => Described::new(
                Code::ERRCODE_INSUFFICIENT_RESOURCES,
                format!("could not start a thread: {error}"),
            )
            .hint("Set millrace.generate_ahead to off to do without."),
            Error::ThreadGone => {
                Described::new(Code::ERRCODE_INTERNAL_ERROR, "a thread that makes rows ended unexpectedly")
            }
            Error::QueryOptions(message) => Described::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("invalid options for source \"sql\": {message}"),
            )
            .hint(format!("Its options are {}.", origin::QUERY_OPTIONS.join("; "))),
            Error::QueryRows => Described::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                "source \"sql\" needs argument \"rows\"",
            )
            .hint("It is how many row numbers the batches count in all, at least 1."),
            Error::NoAnswers(sf) => Described::new(
                Code::ERRCODE_INVALID_PARAMETER_VALUE,
                format!("no answers are published for scale factor {sf}"),
            )
            .hint(format!(
                "There are answers for {}.",
                tpch::answers::SCALES.map(|sf| sf.to_string()).join(", ")
            )),
            Error::UnknownSchema(schema) => Described::new(
                Code::ERRCODE_INVALID_SCHEMA_NAME,
                format!("schema \"{schema}\" does not exist"),
            ),
            Error::UnknownStorage(storage) => Described::new(
                Code::ERRCODE_UNDEFINED_OBJECT,
                format!("table access method \"{storage}\" does not exist"),
            )
            .hint("Argument \"storage\" is heap, unlogged, or any table access method of the server."),
            Error::TableDiffers { table, how } => Described::new(
                Code::ERRCODE_DUPLICATE_TABLE,
                format!("relation \"{table}\" exists and {how}"),
            )
            .hint("Load into another schema, or drop what is there with overwrite => true."),
            Error::LoadDiffers { table, then, now } => Described::new(
                Code::ERRCODE_DUPLICATE_TABLE,
                format!("table \"{table}\" was loaded at scale factor {then}, not {now}"),
            )
            .hint("Load into another schema, or drop what is there with overwrite => true."),
            Error::NoFileRight => Described::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                "permission denied to export to a file",
            )
            .hint("Only roles with privileges of the role \"pg_write_server_files\" may write files on the server."),
            Error::RelativePath(path) => Described::new(
                Code::ERRCODE_INVALID_NAME,
                format!("relative path not allowed for an export: \"{path}\""),
            )
            .hint("Give the absolute path of a folder on the server."),
            Error::ServerPath(path) => Described::new(
                Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
                format!("path \"{path}\" is among the server's own files"),
            )
            .hint("Give a folder outside the data directory and the tablespaces."),
            Error::Export(error) => describe_export(&error),
            Error::Spi(error) => Described::new(Code::ERRCODE_INTERNAL_ERROR, error.to_string()),
        }
    }
}

fn describe_source(error: SourceError) -> Described {
    let message = error.to_string();
    let invalid = Described::new(Code::ERRCODE_INVALID_PARAMETER_VALUE, message);
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
        SourceError::Column { .. } | SourceError::Arrow(_) => {
            Described { code: Code::ERRCODE_INTERNAL_ERROR, ..invalid }
        }
    }
}

fn describe_export(error: &ExportError) -> Described {
    let with = |code| Described::new(code, error.to_string());
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
    format!("{own}; stream_ingest also takes rate (rows per second) and profile (how batches vary).")
}

fn describe_no_such_columns(source: &str, row: &str, columns: &[String]) -> Described {
    let names = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    let noun = if columns.len() == 1 { "column" } else { "columns" };
    let described = Described::new(
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
