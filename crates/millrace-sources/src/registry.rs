//! All sources by name.

use crate::{Error, Source, synthetic, tpch};
use arrow::datatypes::SchemaRef;
use serde_json::Value;

/// What there is to know about a source before opening it.
pub struct Definition {
    /// The source's name.
    pub name: &'static str,
    /// What it makes, in a few words.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [OptionHelp],
    /// Its columns.
    pub schema: fn() -> SchemaRef,
    pub(crate) normalize: fn(Value) -> Result<Value, Error>,
    pub(crate) open: fn(Value) -> Result<Box<dyn Source>, Error>,
}

impl Definition {
    /// Checks options, a JSON object, and fills in the defaults: equal options give equal objects.
    pub fn normalize(&self, options: Value) -> Result<Value, Error> {
        (self.normalize)(options)
    }
}

/// One option of a source.
pub struct OptionHelp {
    /// The option's key.
    pub name: &'static str,
    /// Type, unit, range and default.
    pub about: &'static str,
}

/// All sources, in the order they are listed. A new source is a module and a line in its family's list.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    tpch::sources().chain(&synthetic::SOURCES)
}

/// The source of that name.
pub fn find(name: &str) -> Result<&'static Definition, Error> {
    all().find(|definition| definition.name == name).ok_or_else(|| Error::UnknownSource {
        name: name.to_owned(),
        known: all().map(|definition| definition.name).collect(),
    })
}

/// Opens the source of that name with its options, a JSON object.
pub fn open(name: &str, options: Value) -> Result<Box<dyn Source>, Error> {
    (find(name)?.open)(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_unknown_source_lists_those_there_are() {
        let Err(Error::UnknownSource { known, .. }) = open("lineitems", json!({})) else {
            panic!("lineitems was opened");
        };
        assert!(known.contains(&"lineitem"));
    }

    #[test]
    fn an_unknown_option_is_refused_by_name() {
        let error = open("orders", json!({"scale": 1})).err().unwrap().to_string();
        assert!(error.contains("orders") && error.contains("scale"), "{error}");
    }

    #[test]
    fn equal_options_are_equal_when_normalized() {
        let normalize = |options| find("orders").unwrap().normalize(options).unwrap();
        assert_eq!(normalize(json!({})), normalize(json!({"sf": 1})));
        assert_ne!(normalize(json!({})), normalize(json!({"sf": 2})));
    }

    #[test]
    fn scale_factors_out_of_range_are_refused() {
        for sf in [0.0, -1.0, 1e9, 0.00001] {
            assert!(matches!(open("orders", json!({ "sf": sf })), Err(Error::ScaleFactor(_))), "{sf}");
        }
    }
}
