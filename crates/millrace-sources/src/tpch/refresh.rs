//! The refresh sets, as `dbgen -U` makes them: each adds new orders with their lines (RF1) and names the same
//! number of old orders to delete (RF2).
//!
//! dbgen continues where the tables end: the orders of set 1 are drawn after the last order of the table, those of set 2
//! after them. Their keys are in gaps that it left.

use super::lines::{self, Lines};
use super::{FAMILY, SF, Scale, Table, array, lineitem, orders, text_pool_for};
use crate::registry::{Definition, OptionHelp};
use crate::source::{Preparation, project};
use crate::{Error, Source};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use tpchgen::generators::OrderGenerator;

pub(super) static SOURCES: [Definition; 3] =
    [definition::<OrdersInserted>(), definition::<LinesInserted>(), definition::<OrdersDeleted>()];

const OPTIONS: [OptionHelp; 2] = [
    SF,
    OptionHelp { name: "stream", about: "number of the refresh set, an integer from 1 to 999, default 1" },
];

const fn definition<S: Set>() -> Definition {
    Definition {
        family: FAMILY,
        name: S::NAME,
        about: S::ABOUT,
        options: &OPTIONS,
        schema: S::schema,
        row_type: S::ROW_TYPE,
        references: &[],
        benchmark: None,
        normalize: |options| Ok(json!(Options::read(S::NAME, options)?)),
        open: |options| Ok(Box::new(Refresh::<S>::new(&Options::read(S::NAME, options)?)?)),
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    sf: f64,
    stream: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { sf: 1.0, stream: 1 }
    }
}

impl Options {
    /// From the 1000th set on, dbgen lists keys to delete that no order has.
    const STREAMS: Range<u64> = 1..1000;

    fn read(source_name: &'static str, options: Value) -> Result<Self, Error> {
        let invalid = |message: String| Error::Options { source_name, message };
        let read: Self = serde_json::from_value(options).map_err(|error| invalid(error.to_string()))?;
        Scale::new(read.sf)?;
        if Self::STREAMS.contains(&read.stream) {
            Ok(read)
        } else {
            Err(invalid(format!("stream {} is not from 1 to 999", read.stream)))
        }
    }
}

/// The number of orders of a set: a thousandth of the table's, rounded as dbgen does.
fn orders_per_set(scale: Scale) -> u64 {
    lines::orders(scale) / 10_000 * 10
}

/// One of the three things a refresh set consists of. Its units are the set's orders.
trait Set: Send + Sync + 'static {
    const NAME: &'static str;
    const ROW_TYPE: Option<&'static str>;
    const ABOUT: &'static str;
    const ROWS_PER_UNIT: f64 = 1.0;

    fn schema() -> SchemaRef;

    /// The number of rows of some orders, given by the places of their draws.
    fn count(drawn: Range<u64>) -> u64 {
        drawn.end - drawn.start
    }

    fn batch(
        scale: Scale,
        numbers: Range<u64>,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<RecordBatch, Error>;
}

struct Refresh<S> {
    scale: Scale,
    /// Of the set's first order, counted from 0 over all sets.
    first: u64,
    schema: SchemaRef,
    set: PhantomData<S>,
}

impl<S: Set> Refresh<S> {
    fn new(options: &Options) -> Result<Self, Error> {
        let scale = Scale::new(options.sf)?;
        let first = orders_per_set(scale) * (options.stream - 1);
        Ok(Self { scale, first, schema: S::schema(), set: PhantomData })
    }

    /// The numbers of some of the set's orders over all sets.
    fn numbers(&self, units: &Range<u64>) -> Range<u64> {
        let number = |unit: u64| self.first + unit.min(self.units());
        number(units.start)..number(units.end)
    }
}

impl<S: Set> Source for Refresh<S> {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn units(&self) -> u64 {
        orders_per_set(self.scale)
    }

    fn rows_per_unit(&self) -> f64 {
        S::ROWS_PER_UNIT
    }

    fn rows(&self, units: Range<u64>) -> u64 {
        S::count(drawn(self.scale, self.numbers(&units)))
    }

    fn preparation(&self, columns: &[usize]) -> Option<&'static dyn Preparation> {
        text_pool_for(&self.schema, columns)
    }

    fn batch(&self, units: Range<u64>, columns: &[usize]) -> Result<RecordBatch, Error> {
        S::batch(self.scale, self.numbers(&units), &self.schema, columns)
    }
}

/// Where the draws of inserted orders are: after those of the table.
fn drawn(scale: Scale, numbers: Range<u64>) -> Range<u64> {
    let table = lines::orders(scale);
    table + numbers.start..table + numbers.end
}

struct OrdersInserted;

impl Set for OrdersInserted {
    const NAME: &'static str = "orders_refresh";
    const ROW_TYPE: Option<&'static str> = Some(orders::Orders::ROW_TYPE);
    const ABOUT: &'static str = "TPC-H orders that refresh function RF1 inserts: 1,500 rows per scale factor";

    fn schema() -> SchemaRef {
        orders::Orders::schema()
    }

    fn batch(
        scale: Scale,
        numbers: Range<u64>,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<RecordBatch, Error> {
        let lines = Lines::new(drawn(scale, numbers.clone()), scale);
        let table = orders::Orders::new(scale);
        let rows = numbers.end - numbers.start;
        project(Self::NAME, schema, columns, rows, |name| table.column(name, &lines))
    }
}

struct LinesInserted;

impl Set for LinesInserted {
    const NAME: &'static str = "lineitem_refresh";
    const ROW_TYPE: Option<&'static str> = Some(lineitem::LineItem::ROW_TYPE);
    const ABOUT: &'static str =
        "TPC-H order lines that refresh function RF1 inserts: about 6,000 rows per scale factor";
    const ROWS_PER_UNIT: f64 = lines::MEAN;

    fn schema() -> SchemaRef {
        lineitem::LineItem::schema()
    }

    fn count(drawn: Range<u64>) -> u64 {
        lines::count(drawn)
    }

    fn batch(
        scale: Scale,
        numbers: Range<u64>,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<RecordBatch, Error> {
        let drawn = drawn(scale, numbers);
        let lines = Lines::new(drawn.clone(), scale);
        let table = lineitem::LineItem::new(scale);
        project(Self::NAME, schema, columns, Self::count(drawn), |name| table.column(name, &lines))
    }
}

struct OrdersDeleted;

impl Set for OrdersDeleted {
    const NAME: &'static str = "orders_delete";
    const ROW_TYPE: Option<&'static str> = None;
    const ABOUT: &'static str =
        "TPC-H order keys that refresh function RF2 deletes: 1,500 rows per scale factor";

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("o_orderkey", DataType::Int64, false)]))
    }

    fn batch(
        _scale: Scale,
        numbers: Range<u64>,
        schema: &SchemaRef,
        columns: &[usize],
    ) -> Result<RecordBatch, Error> {
        let rows = numbers.end - numbers.start;
        project(Self::NAME, schema, columns, rows, |_| {
            array::int64(array::keys(&numbers).map(OrderGenerator::make_order_key))
        })
    }
}
