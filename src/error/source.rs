//! What a source refuses.

use crate::runs::origin;
use millrace_sources::{Error, registry, tpch};
use pgrx::prelude::PgSqlErrorCode as Code;

pub fn code(error: &Error) -> Code {
    match error {
        Error::UnknownSource { .. }
        | Error::ScaleFactor(_)
        | Error::Query(_)
        | Error::Part { .. }
        | Error::Options { .. } => Code::ERRCODE_INVALID_PARAMETER_VALUE,
        Error::Column { .. } | Error::Arrow(_) => Code::ERRCODE_INTERNAL_ERROR,
    }
}

pub fn hint(error: &Error) -> Option<String> {
    Some(match error {
        Error::UnknownSource { known, .. } => {
            format!("The sources are {}, {}.", known.join(", "), origin::QUERY)
        }
        Error::ScaleFactor(_) => {
            format!("A scale factor is from {} to {}.", tpch::Scale::MIN, tpch::Scale::MAX)
        }
        Error::Query(_) => "Queries are numbered from 1 to 22.".to_owned(),
        Error::Part { .. } => "Parts are counted from 1 to parts.".to_owned(),
        Error::Options { source_name, .. } => options_hint(source_name),
        Error::Column { .. } | Error::Arrow(_) => return None,
    })
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

/// For a row type with columns that the source does not have.
pub fn columns_hint(source: &str, row: &str) -> String {
    if row.trim_start_matches("tpch_") != source && tpch::tables().any(|table| row == format!("tpch_{table}"))
    {
        return format!("Call tpch_{source}(), or give tpch_gen() a row_type => NULL::tpch_{source}.");
    }
    names_hint(source)
}

/// Which columns a source has.
pub fn names_hint(source: &str) -> String {
    let schema = registry::find(source).map(|definition| (definition.schema)());
    let names: Vec<_> =
        schema.iter().flat_map(|schema| schema.fields()).map(|field| field.name().as_str()).collect();
    format!("Columns are matched by name; the source has {}.", names.join(", "))
}
