//! What a source refuses.

use crate::runs::origin;
use millrace_sources::registry::{self, Definition};
use millrace_sources::{Error, kit, scale};
use pgrx::prelude::PgSqlErrorCode as Code;

pub fn code(error: &Error) -> Code {
    match error {
        Error::UnknownSource { .. }
        | Error::ScaleFactor { .. }
        | Error::Query { .. }
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
        Error::ScaleFactor { least, .. } => {
            format!("A scale factor is from {least} to {}.", scale::LARGEST)
        }
        Error::Query { count, .. } => format!("Queries are numbered from 1 to {count}."),
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
        "{own}; stream_ingest also takes rate (rows per second), duration (how long it lasts), profile (how batches vary) and synchronous_commit."
    )
}

/// For a row type with columns that the source does not have.
pub fn columns_hint(source: &str, row: &str) -> String {
    let is_of_another = |definition: &&'static Definition| {
        definition.unique_name() == source && definition.row_type.is_some_and(|row_type| row_type != row)
    };
    let definition = registry::find(source).ok().filter(is_of_another);
    let kit = definition.and_then(|definition| kit::find(definition.family));
    match (definition, kit) {
        (Some(Definition { family, name, .. }), Some(_)) if registry::of_row_type(family, row).is_some() => {
            format!("Call {family}_{name}(), or give {family}_gen() a row_type => NULL::{family}_{name}.")
        }
        _ => names_hint(source),
    }
}

/// Which columns a source has.
pub fn names_hint(source: &str) -> String {
    let schema = registry::find(source).map(|definition| (definition.schema)());
    let names: Vec<_> =
        schema.iter().flat_map(|schema| schema.fields()).map(|field| field.name().as_str()).collect();
    format!("Columns are matched by name; the source has {}.", names.join(", "))
}
