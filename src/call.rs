//! What a call of a generating function asks for: a part of a source with its options.

use crate::error::{Error, Result};
use millrace_sources::tpch::{self, Scale};
use millrace_sources::{Part, Source, registry};
use serde_json::{Map, Value, json};
use std::ops::Range;

/// A part of a source, with the options that were given; not checked yet but for the part.
pub struct Call {
    pub source: String,
    pub options: Value,
    pub part: Part,
}

impl Call {
    /// A part of a TPC-H table; one of ⌈sf⌉ parts if `parts` is null.
    pub fn tpch(table: &str, sf: Option<f64>, part: Option<i32>, parts: Option<i32>) -> Result<Self> {
        if !tpch::tables().any(|known| known == table) {
            return Err(Error::UnknownTable(table.to_owned()));
        }
        let sf = sf.ok_or(Error::Null("sf"))?;
        // Checked first, because JSON has no NaN to refuse.
        Scale::new(sf)?;
        let part = choose_part(part, parts, sf.ceil() as i64)?;
        Ok(Self { source: table.to_owned(), options: json!({ "sf": sf }), part })
    }

    /// A part of another source, all of it if `part` is null.
    pub fn synthetic(
        source: &str,
        rows: Option<i64>,
        options: Option<Value>,
        part: Option<i32>,
        parts: Option<i32>,
    ) -> Result<Self> {
        let mut options = options_object(options.unwrap_or_else(|| json!({})))?;
        add_option(&mut options, "rows", rows.map(|rows| json!(rows)))?;
        let part = choose_part(part, parts, 1)?;
        Ok(Self { source: source.to_owned(), options: Value::Object(options), part })
    }

    /// Opens the source and finds the units of the part.
    pub fn open(&self) -> Result<(Box<dyn Source>, Range<u64>)> {
        let source = registry::open(&self.source, self.options.clone())?;
        let units = self.part.units(source.units());
        Ok((source, units))
    }

    /// The number of rows, for the planner.
    pub fn estimated_rows(&self) -> Result<u64> {
        let (source, units) = self.open()?;
        Ok(source.estimated_rows(units))
    }
}

/// The checked part: everything if none is asked for.
fn choose_part(part: Option<i32>, parts: Option<i32>, default_parts: i64) -> Result<Part> {
    Ok(match (part, parts) {
        (None, None) => Part::WHOLE,
        (None, Some(_)) => return Err(Error::PartsWithoutPart),
        (Some(part), parts) => Part::new(part.into(), parts.map_or(default_parts, i64::from))?,
    })
}

/// Options as they are given in SQL.
pub fn options_object(options: Value) -> Result<Map<String, Value>> {
    match options {
        Value::Object(options) => Ok(options),
        other => Err(Error::Argument {
            name: "options",
            value: other.to_string(),
            hint: "Options are a JSON object, such as {\"seed\": 1}.",
        }),
    }
}

/// Adds an argument to the source's options.
pub fn add_option(options: &mut Map<String, Value>, name: &'static str, value: Option<Value>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    if options.insert(name.to_owned(), value).is_some() {
        return Err(Error::Argument {
            name,
            value: "given twice".to_owned(),
            hint: "Give it as an argument or in the options, not both.",
        });
    }
    Ok(())
}

/// The source whose rows a row type holds, by the type's name: `tpch_orders`, or `orders`.
pub fn source_of_row_type(name: &str) -> &str {
    match name {
        "cdr_calls" => "cdr",
        "iot_readings" => "iot",
        _ => ["tpch_", "cdr_"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name),
    }
}
