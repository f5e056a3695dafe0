//! TPC-H: the eight tables and their refresh sets, row for row as dbgen makes them, and the queries.
//!
//! Words, texts, dates and key formulas are `tpchgen`'s. The rows are drawn here, a column at a time and from any row on
//! ([`crate::lehmer`]), because `tpchgen` makes only whole rows of fixed splits. So a column that nobody reads costs nothing,
//! and any range of rows can be made directly.

mod answers;
mod array;
mod customer;
mod lineitem;
mod lines;
mod nation;
mod orders;
mod part;
mod partsupp;
mod queries;
mod refresh;
mod region;
mod statistics;
mod supplier;
mod text;

use crate::kit::{Design, Distribution, Kit, Partitions};
use crate::registry::{Definition, OptionHelp};
use crate::scale::{self, Options};
use crate::source::{Preparation, project};
use crate::{ColumnStatistics, Error, Reference, Source};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use serde_json::json;
use std::ops::{Range, RangeInclusive};

/// The name of this family of sources.
pub const FAMILY: &str = "tpch";

/// All sources: the eight tables and their refresh sets.
pub(crate) fn sources() -> impl Iterator<Item = &'static Definition> {
    TABLES.iter().chain(&refresh::SOURCES)
}

/// The eight tables, each after those it refers to.
static TABLES: [Definition; 8] = [
    definition::<region::Region>(),
    definition::<nation::Nation>(),
    definition::<part::Part>(),
    definition::<supplier::Supplier>(),
    definition::<partsupp::PartSupp>(),
    definition::<customer::Customer>(),
    definition::<orders::Orders>(),
    definition::<lineitem::LineItem>(),
];

const SF: OptionHelp = OptionHelp {
    name: "sf",
    about: "scale factor, a number from 0.0001 to 100000, default 1; 1 is about 1 GB for all tables",
};

const fn definition<T: Table>() -> Definition {
    Definition {
        family: FAMILY,
        name: T::NAME,
        about: T::ABOUT,
        options: &[SF],
        schema: T::schema,
        row_type: Some(T::ROW_TYPE),
        references: T::REFERENCES,
        benchmark: None,
        normalize: |options| Ok(json!(Options::read(T::NAME, options, Scale::RANGE)?)),
        open: |options| {
            let scale = Scale(Options::read(T::NAME, options, Scale::RANGE)?.sf);
            Ok(Box::new(Tpch { table: T::new(scale), schema: T::schema() }))
        },
    }
}

/// TPC-H as a kit.
pub static KIT: Kit = Kit {
    family: FAMILY,
    title: "TPC-H",
    scales: Scale::RANGE,
    tables: &DESIGNS,
    is_nullable: |field| ["r_comment", "n_comment"].contains(&field.name().as_str()),
    scale_table: "supplier",
    scale_of: |suppliers| suppliers as f64 / f64::from(SUPPLIERS),
    queries: queries::QUERIES,
    answers: answers::ANSWERS,
    correlated: Some(("lineitem", "l_partkey")),
};

/// By the first column of each key, so that lines are with their orders, and partsupp is with its parts.
static DESIGNS: [Design; 8] = [
    design("region", &["r_regionkey"], &["r_regionkey"], &[]),
    design("nation", &["n_nationkey"], &["n_nationkey"], &[&["n_regionkey"]]),
    design("part", &["p_partkey"], &["p_partkey"], &[]),
    design("supplier", &["s_suppkey"], &["s_suppkey"], &[&["s_nationkey"]]),
    Design {
        is_key_unique: partsupp::is_key_unique,
        ..design("partsupp", &["ps_partkey", "ps_suppkey"], &["ps_partkey"], &[&["ps_suppkey"]])
    },
    design("customer", &["c_custkey"], &["c_custkey"], &[&["c_nationkey"]]),
    Design {
        partitions: Some(&Partitions { column: "o_orderdate", ranges: YEARS, is_nullable: false }),
        ..design("orders", &["o_orderkey"], &["o_orderkey"], &[&["o_custkey"], &["o_orderdate"]])
    },
    Design {
        partitions: Some(&Partitions { column: "l_shipdate", ranges: YEARS, is_nullable: false }),
        ..design(
            "lineitem",
            &["l_orderkey", "l_linenumber"],
            &["l_orderkey"],
            &[&["l_partkey", "l_suppkey"], &["l_shipdate"], &["l_receiptdate"]],
        )
    },
];

const fn design(
    name: &'static str,
    primary_key: &'static [&'static str],
    distribution: &'static [&'static str],
    indexes: &'static [&'static [&'static str]],
) -> Design {
    Design {
        name,
        primary_key,
        indexes,
        partitions: None,
        distribution: Distribution::By(distribution),
        is_key_unique: |_| true,
    }
}

/// Orders are from 1992-01-01 to 1998-08-02, and shipped up to 121 days later.
const YEARS: &[(&str, &str, &str)] = &[
    ("1992", "1992-01-01", "1993-01-01"),
    ("1993", "1993-01-01", "1994-01-01"),
    ("1994", "1994-01-01", "1995-01-01"),
    ("1995", "1995-01-01", "1996-01-01"),
    ("1996", "1996-01-01", "1997-01-01"),
    ("1997", "1997-01-01", "1998-01-01"),
    ("1998", "1998-01-01", "1999-01-01"),
];

/// The names of the eight tables, each after those it refers to.
pub fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|definition| definition.name)
}

/// The text that comments are cut from, 300 MiB once per process. If it is not complete, each batch makes the parts that it
/// reads.
struct TextPool;

impl Preparation for TextPool {
    fn is_done(&self) -> bool {
        text::is_built()
    }

    fn run(&self, threads: usize) {
        text::build(threads);
    }

    fn cost_in_rows(&self) -> f64 {
        20_000_000.0
    }
}

/// A checked scale factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale(f64);

impl Scale {
    /// Below the smallest scale factor, supplier has no rows and its keys cannot be drawn.
    pub const RANGE: RangeInclusive<f64> = 0.0001..=scale::LARGEST;

    /// Checks a scale factor.
    pub fn new(sf: f64) -> Result<Self, Error> {
        scale::check(sf, Self::RANGE)?;
        Ok(Self(sf))
    }

    /// The number of rows of a table that has `base` rows at scale factor 1.
    fn rows(self, base: u32) -> u64 {
        (f64::from(base) * self.0) as u64
    }

    fn factor(self) -> f64 {
        self.0
    }

    /// From this scale factor up, dbgen draws customer and part keys with 64 bits.
    fn draws_64_bits(self) -> bool {
        self.0 >= 30_000.0
    }
}

const PARTS: u32 = 200_000;
const SUPPLIERS: u32 = 10_000;
const CUSTOMERS: u32 = 150_000;
const ORDERS: u32 = 1_500_000;

const fn refers(
    columns: &'static [&'static str],
    source: &'static str,
    key: &'static [&'static str],
) -> Reference {
    Reference { columns, source, key }
}

/// One table: how many units it has, and how a column is made for a range of them.
trait Table: Send + Sync + 'static {
    const NAME: &'static str;
    const ROW_TYPE: &'static str;
    const ABOUT: &'static str;
    const ROWS_PER_UNIT: f64 = 1.0;
    const REFERENCES: &'static [Reference] = &[];

    /// What the columns of one batch share.
    type Rows;

    fn schema() -> SchemaRef;
    fn new(scale: Scale) -> Self;
    fn units(&self) -> u64;

    fn count(&self, units: Range<u64>) -> u64 {
        (units.end - units.start) * Self::ROWS_PER_UNIT as u64
    }

    fn estimate(&self, units: Range<u64>) -> u64 {
        self.count(units)
    }

    fn rows(&self, units: Range<u64>) -> Self::Rows;
    fn column(&self, name: &str, rows: &Self::Rows) -> ArrayRef;

    /// What is known about a column in a range of units that is not empty.
    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics;
}

struct Tpch<T> {
    table: T,
    schema: SchemaRef,
}

impl<T: Table> Source for Tpch<T> {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn units(&self) -> u64 {
        self.table.units()
    }

    fn rows_per_unit(&self) -> f64 {
        T::ROWS_PER_UNIT
    }

    fn rows(&self, units: Range<u64>) -> u64 {
        self.table.count(units)
    }

    fn estimated_rows(&self, units: Range<u64>) -> u64 {
        self.table.estimate(units)
    }

    fn statistics(&self, column: usize, units: Range<u64>) -> ColumnStatistics {
        match self.schema.fields().get(column) {
            Some(field) if !units.is_empty() => self.table.statistics(field.name(), &units),
            _ => ColumnStatistics::default(),
        }
    }

    fn preparation(&self, columns: &[usize]) -> Option<&'static dyn Preparation> {
        text_pool_for(&self.schema, columns)
    }

    fn batch(&self, units: Range<u64>, columns: &[usize]) -> Result<RecordBatch, Error> {
        let units = units.start.min(self.units())..units.end.min(self.units());
        let count = self.table.count(units.clone());
        let rows = self.table.rows(units);
        project(T::NAME, &self.schema, columns, count, |name| self.table.column(name, &rows))
    }
}

/// The text pool, if one of the columns is a comment.
fn text_pool_for(schema: &SchemaRef, columns: &[usize]) -> Option<&'static dyn Preparation> {
    let mut fields = columns.iter().filter_map(|&column| schema.fields().get(column));
    if fields.any(|field| field.name().ends_with("_comment")) { Some(&TextPool) } else { None }
}
