//! Streams of a telephone network and of sensors, with their dimension tables.
//!
//! Any row is a function of the options and its number ([`random`]), whatever range, batch or columns it is made with.

mod array;
mod cdr;
mod cell_towers;
mod iot;
mod options;
pub(crate) mod random;
mod rate_plans;
#[cfg(feature = "test_sources")]
mod sequence;
mod termination_reasons;
mod zipf;

use crate::registry::{Benchmark, Definition, OptionHelp};
use crate::source::project;
use crate::{ColumnStatistics, Error, Source};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::Arc;

/// Call records after the tables they refer to, then sensors.
pub(crate) fn sources() -> impl Iterator<Item = &'static Definition> {
    SOURCES.iter()
}

static SOURCES: &[Definition] = &[
    definition::<cell_towers::CellTowers>(),
    definition::<rate_plans::RatePlans>(),
    definition::<termination_reasons::TerminationReasons>(),
    definition::<cdr::Cdr>(),
    definition::<iot::Iot>(),
    #[cfg(feature = "test_sources")]
    definition::<sequence::Sequence>(),
];

/// One table, whose units are its rows.
trait Table: Send + Sync + Sized + 'static {
    const FAMILY: &'static str;
    const NAME: &'static str;
    const ROW_TYPE: &'static str;
    const ABOUT: &'static str;
    const OPTIONS: &'static [OptionHelp];
    /// Names and types of the columns.
    const COLUMNS: &'static [(&'static str, DataType)];
    const BENCHMARK: Option<&'static Benchmark> = None;

    type Options: Clone + Serialize + DeserializeOwned;

    /// What the columns of one batch share.
    type Rows;

    /// `Err` says which option is out of range.
    fn new(options: Self::Options) -> Result<Self, String>;
    fn units(&self) -> u64;
    fn rows(&self, units: Range<u64>) -> Self::Rows;
    fn column(&self, name: &str, rows: &Self::Rows) -> ArrayRef;

    /// What is known about a column in some rows, at least one; by default nothing.
    fn statistics(&self, _name: &str, _rows: Range<u64>) -> ColumnStatistics {
        ColumnStatistics::default()
    }
}

const fn definition<T: Table>() -> Definition {
    Definition {
        family: T::FAMILY,
        name: T::NAME,
        about: T::ABOUT,
        options: T::OPTIONS,
        schema: schema::<T>,
        row_type: Some(T::ROW_TYPE),
        references: &[],
        benchmark: T::BENCHMARK,
        normalize: |options| {
            let options = read::<T>(options)?;
            open::<T>(options.clone())?;
            Ok(json!(options))
        },
        open: |options| Ok(Box::new(open::<T>(read::<T>(options)?)?)),
    }
}

fn schema<T: Table>() -> SchemaRef {
    let field = |(name, data_type): &(&'static str, DataType)| Field::new(*name, data_type.clone(), true);
    Arc::new(Schema::new(T::COLUMNS.iter().map(field).collect::<Vec<_>>()))
}

fn read<T: Table>(options: Value) -> Result<T::Options, Error> {
    serde_json::from_value(options).map_err(|error| wrong_options::<T>(error.to_string()))
}

fn open<T: Table>(options: T::Options) -> Result<Synthetic<T>, Error> {
    Ok(Synthetic { table: T::new(options).map_err(wrong_options::<T>)?, schema: schema::<T>() })
}

fn wrong_options<T: Table>(message: String) -> Error {
    Error::Options { source_name: T::NAME, message }
}

struct Synthetic<T> {
    table: T,
    schema: SchemaRef,
}

impl<T: Table> Source for Synthetic<T> {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn units(&self) -> u64 {
        self.table.units()
    }

    fn rows(&self, units: Range<u64>) -> u64 {
        units.end - units.start
    }

    fn statistics(&self, column: usize, units: Range<u64>) -> ColumnStatistics {
        match self.schema.fields().get(column) {
            Some(field) if !units.is_empty() => self.table.statistics(field.name(), units),
            _ => ColumnStatistics::default(),
        }
    }

    fn batch(&self, units: Range<u64>, columns: &[usize]) -> Result<RecordBatch, Error> {
        let units = units.start.min(self.units())..units.end.min(self.units());
        let count = self.rows(units.clone());
        let rows = self.table.rows(units);
        project(T::NAME, &self.schema, columns, count, |name| self.table.column(name, &rows))
    }
}
