//! What a run loads: a source, or the rows of a query.

use crate::error::{Error, Result};
use crate::pg::server::text::to_c_string;
use millrace_sources::{Source, registry};
use pgrx::pg_sys::{BuiltinOid, PgOid};
use pgrx::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;

/// The name of the source that is a query.
pub const QUERY: &str = "sql";

/// What it is, as `stream_sources()` says.
pub const QUERY_ABOUT: &str = "the rows of any query, run once per batch";

/// Its options, likewise.
pub const QUERY_OPTIONS: [&str; 3] = [
    "query: a SELECT, text, required; $1 and $2, of type bigint, are the batch's first and last row number, from 1",
    "columns: the target's columns it fills, an array of names, default all in their order",
    "rows: number of row numbers of all batches together, at least 1, required; as argument rows or here",
];

/// What a run loads.
pub enum Origin {
    Source(Arc<dyn Source>),
    Query(Query),
}

/// A query that is run once per batch, with the numbers of the batch's rows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    query: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    #[serde(default)]
    rows: u64,
}

impl Origin {
    /// Opens a source with these options, a JSON object.
    pub fn open(source: &str, options: &Value) -> Result<Self> {
        Ok(if source == QUERY {
            Self::Query(Query::read(options)?)
        } else {
            Self::Source(registry::open(source, options.clone())?.into())
        })
    }

    /// Checks options and fills in the defaults: equal options give equal objects.
    pub fn normalize(source: &str, options: Value) -> Result<Value> {
        if source == QUERY {
            return Ok(json!(Query::read(&options)?));
        }
        Ok(registry::find(source).and_then(|definition| definition.normalize(options))?)
    }

    /// The name that a run notes for a source, whichever of its names was given.
    pub fn name(source: &str) -> Result<String> {
        Ok(if source == QUERY { QUERY.to_owned() } else { registry::find(source)?.unique_name() })
    }

    /// The number of units, which batches are cut from; a query's units are its rows.
    pub fn units(&self) -> u64 {
        match self {
            Origin::Source(source) => source.units(),
            Origin::Query(query) => query.rows,
        }
    }

    /// The mean number of rows of a unit.
    pub fn rows_per_unit(&self) -> f64 {
        match self {
            Origin::Source(source) => source.rows_per_unit(),
            Origin::Query(_) => 1.0,
        }
    }

    /// The exact number of rows of some units.
    pub fn rows(&self, units: Range<u64>) -> u64 {
        match self {
            Origin::Source(source) => source.rows(units),
            Origin::Query(_) => units.end - units.start,
        }
    }

    /// About how many rows all units have.
    pub fn estimated_rows(&self) -> u64 {
        match self {
            Origin::Source(source) => source.estimated_rows(0..source.units()),
            Origin::Query(query) => query.rows,
        }
    }
}

impl Query {
    fn read(options: &Value) -> Result<Self> {
        let query: Self = serde_json::from_value(options.clone())
            .map_err(|error| Error::QueryOptions(error.to_string()))?;
        if query.rows == 0 {
            return Err(Error::QueryRows);
        }
        Ok(query)
    }

    /// The statement that inserts a batch; its arguments are the first and the last row number.
    pub fn insert_into(&self, target: &str) -> String {
        let columns = match &self.columns {
            Some(columns) => {
                let quoted: Vec<_> = columns.iter().map(pgrx::spi::quote_identifier).collect();
                format!("({})", quoted.join(", "))
            }
            None => String::new(),
        };
        // On a line of its own, because it may end with a comment.
        format!("INSERT INTO {target} {columns} SELECT * FROM (\n{}\n) AS source_query", self.query)
    }

    /// Raises the server's error if the query cannot fill the table.
    pub fn check(&self, target: &str) -> Result<()> {
        let number = PgOid::BuiltIn(BuiltinOid::INT8OID);
        Spi::connect(|client| {
            client.prepare(&to_c_string(&self.insert_into(target)), &[number, number]).map(|_| ())
        })?;
        Ok(())
    }
}
