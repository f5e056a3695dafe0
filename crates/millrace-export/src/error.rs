//! What can go wrong with an export.

use std::io;
use std::path::{Path, PathBuf};

/// Every error of an export. All except the last few are raised before anything is written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No format of that name.
    #[error("format \"{0}\" does not exist")]
    Format(String),
    /// An option that does not exist, does not apply to the format, or has an invalid value.
    #[error("invalid export options: {0}")]
    Options(String),
    /// A number of threads out of [`crate::THREADS`].
    #[error("invalid number of threads: {0}")]
    Threads(i64),
    /// A column named in the options that the source does not have.
    #[error("source \"{source_name}\" has no column \"{column}\"")]
    Column {
        /// The source.
        source_name: String,
        /// The name asked for.
        column: String,
        /// The columns there are.
        known: Vec<String>,
    },
    /// A column of a type that the format cannot hold.
    #[error("format \"{format}\" cannot hold column \"{column}\" of type {data_type}")]
    ColumnType {
        /// The format.
        format: &'static str,
        /// The column.
        column: String,
        /// Its Arrow type.
        data_type: String,
    },
    /// A file that is in the way.
    #[error("file \"{}\" already exists", .0.display())]
    Exists(PathBuf),
    /// A folder that is not there.
    #[error("folder \"{}\" does not exist", .0.display())]
    NoFolder(PathBuf),
    /// A file could not be made or written.
    #[error("could not write file \"{}\": {error}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A thread could not be started.
    #[error("could not start a thread: {0}")]
    Thread(io::Error),
    /// The export was cancelled.
    #[error("export was cancelled")]
    Cancelled,
    /// The source refused, or failed.
    #[error(transparent)]
    Source(#[from] millrace_sources::Error),
    /// Encoding failed, which generated data cannot cause.
    #[error("could not encode rows: {0}")]
    Encode(String),
    /// A thread ended by a panic, which is a bug.
    #[error("a thread of the export failed")]
    Panicked,
}

impl Error {
    pub(crate) fn write(path: &Path, error: io::Error) -> Self {
        Error::Write { path: path.to_owned(), error }
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Error::Encode(error.to_string())
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Error::Encode(error.to_string())
    }
}
