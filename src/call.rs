//! What a call of a generating function asks for: a part of a source with its options.
//!
//! Arguments are read by name. `part`, `parts` and `segments` choose rows; `table_name` chooses the source, if the row type
//! does not; `options` are options of the source, and so is every other argument with the name of one. So a function of a
//! new source needs no code here.

use crate::error::{Error, Result};
use millrace_sources::registry::{self, Definition};
use millrace_sources::{Error as SourceError, Part, Source, kit, scale};
use serde_json::{Map, Value, json};
use std::ops::Range;

/// What a generating function was called with.
pub struct Arguments {
    /// The function's name, which begins with the family of the sources it is for: `tpch_gen`, `cdr_cell_towers`.
    pub function: String,
    /// The name of the type of the rows that it returns.
    pub row_type: String,
    /// Values by name; `None` is null.
    pub values: Vec<(String, Option<Argument>)>,
}

/// The value of an argument. Values of other types are not read.
pub enum Argument {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Json(Value),
}

impl Arguments {
    /// The value of an argument; `None` if it is null, or the function has none of that name.
    pub fn value(&self, name: &str) -> Option<&Argument> {
        self.values.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.as_ref())
    }

    /// Whether the function has an argument of that name.
    pub fn has(&self, name: &str) -> bool {
        self.values.iter().any(|(known, _)| known == name)
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        if let Some(Argument::Boolean(value)) = self.value(name) { Some(*value) } else { None }
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        if let Some(Argument::Integer(value)) = self.value(name) { Some(*value) } else { None }
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        if let Some(Argument::Float(value)) = self.value(name) { Some(*value) } else { None }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(Argument::Text(value)) = self.value(name) { Some(value) } else { None }
    }

    pub fn json(&self, name: &str) -> Option<&Value> {
        if let Some(Argument::Json(value)) = self.value(name) { Some(value) } else { None }
    }

    /// How many segments of a cluster make the rows together.
    pub fn segments(&self) -> Option<i16> {
        self.integer("segments").and_then(|segments| segments.try_into().ok())
    }

    /// The family of sources that the function is for.
    pub fn family(&self) -> &str {
        self.function.split('_').next().unwrap_or_default()
    }

    /// The source asked for: the one named, or else the one whose rows the row type holds.
    fn source(&self) -> Result<&'static Definition> {
        let family = self.family();
        if self.has("table_name") {
            return find_table(family, self.text("table_name").ok_or(Error::Null("table_name"))?);
        }
        match registry::of_row_type(family, &self.row_type) {
            Some(source) => Ok(source),
            None => find_table(family, &self.row_type),
        }
    }
}

/// The table of a family by its name, with the family's before it or without.
pub fn find_table(family: &str, name: &str) -> Result<&'static Definition> {
    let short = name.strip_prefix(family).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
    registry::tables(family)
        .find(|definition| definition.name == short)
        .ok_or_else(|| Error::UnknownTable { family: family.to_owned(), name: name.to_owned() })
}

/// A part of a source, with the options that were given; all checked.
pub struct Call {
    pub source: &'static Definition,
    pub options: Value,
    pub part: Part,
    pub segments: Option<i16>,
}

impl Call {
    pub fn read(arguments: &Arguments) -> Result<Self> {
        let source = arguments.source()?;
        let options = arguments.json("options").cloned().unwrap_or_else(|| json!({}));
        let mut options = options_object(options)?;
        for (name, value) in &arguments.values {
            let Some(option) = source.options.iter().find(|option| option.name == name) else { continue };
            let value = value.as_ref().ok_or(Error::Null(option.name))?;
            add_option(&mut options, option.name, Some(option_value(source, value)?))?;
        }
        let options = Value::Object(options);
        source.normalize(options.clone())?;
        let part =
            choose_part(arguments.integer("part"), arguments.integer("parts"), default_parts(&options))?;
        Ok(Self { source, options, part, segments: arguments.segments() })
    }

    /// Opens the source and finds the units of the part.
    pub fn open(&self) -> Result<(Box<dyn Source>, Range<u64>)> {
        let source = self.source.open(self.options.clone())?;
        let units = self.part.units(source.units());
        Ok((source, units))
    }

    /// The number of rows, for the planner.
    pub fn estimated_rows(&self) -> Result<u64> {
        let (source, units) = self.open()?;
        Ok(source.estimated_rows(units))
    }
}

/// An option that was given as an argument. JSON has no NaN and no infinity, and scale factors are the only numbers
/// that could be either.
fn option_value(source: &Definition, value: &Argument) -> Result<Value> {
    Ok(match value {
        Argument::Boolean(value) => json!(value),
        Argument::Integer(value) => json!(value),
        Argument::Float(value) if !value.is_finite() => return Err(out_of_range(source, *value)),
        Argument::Float(value) => json!(value),
        Argument::Text(value) => json!(value),
        Argument::Json(value) => value.clone(),
    })
}

/// A scale factor that JSON cannot hold.
pub fn out_of_range(source: &Definition, sf: f64) -> Error {
    let least = kit::find(source.family).map_or(scale::LARGEST, |kit| *kit.scales.start());
    SourceError::ScaleFactor { sf, least }.into()
}

/// How many parts there are by default: for the TPC's tables the scale factor, rounded up, as is usual with dbgen.
fn default_parts(options: &Value) -> i64 {
    options["sf"].as_f64().map_or(1, |sf| sf.ceil() as i64)
}

/// The part, checked; everything if none is asked for.
fn choose_part(part: Option<i64>, parts: Option<i64>, default_parts: i64) -> Result<Part> {
    Ok(match (part, parts) {
        (None, None) => Part::WHOLE,
        (None, Some(_)) => return Err(Error::PartsWithoutPart),
        (Some(part), parts) => Part::new(part, parts.unwrap_or(default_parts))?,
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
