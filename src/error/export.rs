//! What an export refuses, and why it fails.

use millrace_export::{Error, Format, THREADS};
use pgrx::prelude::PgSqlErrorCode as Code;
use std::io;

pub fn code(error: &Error) -> Code {
    match error {
        Error::Format(_) | Error::Options(_) | Error::Threads(_) => Code::ERRCODE_INVALID_PARAMETER_VALUE,
        Error::Column { .. } => Code::ERRCODE_UNDEFINED_COLUMN,
        Error::ColumnType { .. } => Code::ERRCODE_FEATURE_NOT_SUPPORTED,
        Error::Exists(_) => Code::ERRCODE_DUPLICATE_FILE,
        Error::NoFolder(_) => Code::ERRCODE_UNDEFINED_FILE,
        Error::Write { error, .. } => file_error_code(error),
        Error::Thread(_) => Code::ERRCODE_INSUFFICIENT_RESOURCES,
        Error::Cancelled => Code::ERRCODE_QUERY_CANCELED,
        Error::Source(_) | Error::Encode(_) | Error::Panicked => Code::ERRCODE_INTERNAL_ERROR,
    }
}

pub fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::Format(_) => format!("The formats are {}.", Format::ALL.map(Format::name).join(", ")),
        Error::Threads(_) => {
            format!("An export can use from {} to {} threads.", THREADS.start(), THREADS.end())
        }
        Error::Column { known, .. } => format!("Its columns are {}.", known.join(", ")),
        Error::Exists(_) => {
            "Replace it with {\"overwrite\": true}, or keep it with {\"skip_existing\": true}.".to_owned()
        }
        Error::NoFolder(_) => {
            "The folder must exist, and the server's operating-system user must be allowed to write to it."
                .to_owned()
        }
        _ => return None,
    })
}

/// Like the server's own `errcode_for_file_access`.
fn file_error_code(error: &io::Error) -> Code {
    use io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
        NotFound => Code::ERRCODE_UNDEFINED_FILE,
        StorageFull | QuotaExceeded => Code::ERRCODE_DISK_FULL,
        _ => Code::ERRCODE_IO_ERROR,
    }
}
