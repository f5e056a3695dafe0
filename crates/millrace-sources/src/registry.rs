//! All sources by name.

use crate::{Error, Reference, Source, synthetic, tpcds, tpch};
use arrow::datatypes::SchemaRef;
use serde_json::{Value, json};

/// What there is to know about a source before opening it.
pub struct Definition {
    /// The family it belongs to, which begins the names of the functions that make its rows: `tpch`, `cdr`, `iot`.
    pub family: &'static str,
    /// The source's name, which no other source of its family has.
    pub name: &'static str,
    /// What it makes, in a few words.
    pub about: &'static str,
    /// Its options.
    pub options: &'static [OptionHelp],
    /// Its columns.
    pub schema: fn() -> SchemaRef,
    /// The name of the SQL type of its rows, if they have one.
    pub row_type: Option<&'static str>,
    /// The foreign keys of its rows.
    pub references: &'static [Reference],
    /// How to benchmark a database with its rows, if the source has a benchmark.
    pub benchmark: Option<&'static Benchmark>,
    pub(crate) normalize: fn(Value) -> Result<Value, Error>,
    pub(crate) open: fn(Value) -> Result<Box<dyn Source>, Error>,
}

impl Definition {
    /// Checks options, a JSON object, and fills in the defaults: equal options give equal objects.
    pub fn normalize(&self, options: Value) -> Result<Value, Error> {
        (self.normalize)(options)
    }

    /// Opens the source with its options, a JSON object.
    pub fn open(&self, options: Value) -> Result<Box<dyn Source>, Error> {
        (self.open)(options)
    }

    /// The shortest name by which [`find`] finds it: without the family if that is enough.
    pub fn unique_name(&'static self) -> String {
        match find(self.name) {
            Ok(found) if std::ptr::eq(found, self) => self.name.to_owned(),
            _ => format!("{}.{}", self.family, self.name),
        }
    }
}

/// One option of a source.
pub struct OptionHelp {
    /// The option's key.
    pub name: &'static str,
    /// Type, unit, range and default.
    pub about: &'static str,
}

/// How to benchmark a database with a source's rows, in PostgreSQL's SQL.
pub struct Benchmark {
    /// What follows the table's name in `CREATE INDEX`, for each index.
    pub indexes: &'static [&'static str],
    /// Names and texts of the queries. A text is for `format()`: the table comes first, then the arguments.
    pub queries: &'static [(&'static str, &'static str)],
    /// The arguments: an expression over some of the rows that gives an array of texts.
    pub arguments: &'static str,
    /// Defaults of the source's options that depend on the number of rows; `None`: no end.
    pub defaults: fn(rows: Option<u64>) -> Value,
}

impl Benchmark {
    /// No option depends on the number of rows.
    pub(crate) fn no_defaults(_rows: Option<u64>) -> Value {
        json!({})
    }
}

/// All sources, in the order they are listed. A new source is a module and a line in its family's list.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    tpch::sources().chain(synthetic::sources()).chain(tpcds::sources())
}

/// The source of that name: `customer`, or `tpch.customer` with its family. Without the family it is the first with that
/// name.
pub fn find(name: &str) -> Result<&'static Definition, Error> {
    let found = match name.split_once('.') {
        Some((family, name)) => {
            all().find(|definition| definition.family == family && definition.name == name)
        }
        None => all().find(|definition| definition.name == name),
    };
    found.ok_or_else(|| Error::UnknownSource {
        name: name.to_owned(),
        known: all().map(Definition::unique_name).collect(),
    })
}

/// The tables of a family: those of its sources whose row type no source before them has.
pub fn tables(family: &str) -> impl Iterator<Item = &'static Definition> {
    all().filter(move |definition| {
        let first = definition.row_type.and_then(|row_type| of_row_type(family, row_type));
        first.is_some_and(|first| std::ptr::eq(first, *definition))
    })
}

/// The source of a family whose rows are of the SQL type of that name; the first, if there are several.
pub fn of_row_type(family: &str, row_type: &str) -> Option<&'static Definition> {
    all().find(|definition| definition.family == family && definition.row_type == Some(row_type))
}

/// Opens the source of that name with its options, a JSON object.
pub fn open(name: &str, options: Value) -> Result<Box<dyn Source>, Error> {
    find(name)?.open(options)
}

/// Prepares now, with `threads`, what sources would otherwise prepare when it is first needed ([`Source::preparation`]).
pub fn prepare(threads: usize) {
    for definition in all() {
        let Ok(source) = definition.open(json!({})) else { continue };
        let columns: Vec<usize> = (0..source.schema().fields().len()).collect();
        if let Some(preparation) = source.preparation(&columns).filter(|preparation| !preparation.is_done()) {
            preparation.run(threads);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_source_lists_those_there_are() {
        let Err(Error::UnknownSource { known, .. }) = open("lineitems", json!({})) else {
            panic!("lineitems was opened");
        };
        assert!(known.iter().any(|name| name == "lineitem"));
    }

    #[test]
    fn a_family_says_which_of_two_sources_is_meant() {
        for definition in all() {
            let qualified = find(&format!("{}.{}", definition.family, definition.name)).unwrap();
            assert!(std::ptr::eq(qualified, definition), "{}", definition.name);
            assert!(
                std::ptr::eq(find(&definition.unique_name()).unwrap(), definition),
                "{}",
                definition.name
            );
        }
        assert_eq!(find("tpch.customer").unwrap().unique_name(), "customer");
        assert!(find("cdr.customer").is_err());
        assert!(find("tpch.").is_err());
    }

    #[test]
    fn the_tables_of_a_family_are_its_sources_with_a_row_type_of_their_own() {
        assert!(tables("tpch").map(|table| table.name).eq(tpch::tables()));
        assert_eq!(tables("iot").count(), 1);
        assert_eq!(of_row_type("tpch", "tpch_orders").unwrap().name, "orders");
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
            assert!(matches!(open("orders", json!({ "sf": sf })), Err(Error::ScaleFactor { .. })), "{sf}");
        }
    }
}
