//! TPC-DS: its 24 tables and `dbgen_version`, row for row as dsdgen makes them, and the queries.
//!
//! `tpcdsgen` makes the rows, in its mode that equals dsdgen. It makes whole rows, beginning at any source row, so a batch
//! costs that much whichever columns are asked for, unless none is ([`lines`] counts without making rows). For the large
//! tables only the columns asked for become arrays ([`columns`]); for the others `tpcdsgen-arrow` makes all columns.

mod answers;
mod columns;
mod lines;
mod queries;
mod rows;
mod sample;
mod tables;

use crate::kit::{Design, Distribution, Kit, Partitions};
use crate::registry::{Definition, OptionHelp};
use crate::scale::{self, Options};
use crate::source::{project, with_plain_strings};
use crate::{ColumnStatistics, Distinct, Error, Reference, Source, expected_distinct};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde_json::json;
use std::ops::{Range, RangeInclusive};
use tables::*;
use tpcdsgen::config::{CompatMode, Scaling, Session, SessionBuilder, Table as Units};

/// The name of this family of sources.
pub const FAMILY: &str = "tpcds";

/// Below the smallest scale factor, some tables have no row for others to refer to.
pub const SCALES: RangeInclusive<f64> = 0.001..=scale::LARGEST;

/// All sources.
pub(crate) fn sources() -> impl Iterator<Item = &'static Definition> {
    SOURCES.iter()
}

/// The tables, each after those it refers to.
static SOURCES: [Definition; 25] = [
    definition::<DbgenVersion>(),
    definition::<IncomeBandArrow>(),
    definition::<DateDimArrow>(),
    definition::<TimeDimArrow>(),
    definition::<ReasonArrow>(),
    definition::<ShipModeArrow>(),
    definition::<WarehouseArrow>(),
    definition::<CustomerAddressArrow>(),
    definition::<CustomerDemographicsArrow>(),
    definition::<HouseholdDemographicsArrow>(),
    definition::<ItemArrow>(),
    definition::<PromotionArrow>(),
    definition::<StoreArrow>(),
    definition::<CallCenterArrow>(),
    definition::<CatalogPageArrow>(),
    definition::<CustomerArrow>(),
    definition::<WebSiteArrow>(),
    definition::<WebPageArrow>(),
    definition::<InventoryArrow>(),
    definition::<StoreSalesArrow>(),
    definition::<StoreReturnsArrow>(),
    definition::<CatalogSalesArrow>(),
    definition::<CatalogReturnsArrow>(),
    definition::<WebSalesArrow>(),
    definition::<WebReturnsArrow>(),
];

const SF: OptionHelp = OptionHelp {
    name: "sf",
    about: "scale factor, a number from 0.001 to 100000, default 1; 1 is about 1 GB for all tables",
};

const fn definition<T: Table>() -> Definition {
    Definition {
        family: FAMILY,
        name: T::NAME,
        about: T::ABOUT,
        options: &[SF],
        schema: || with_plain_strings(&T::schema()),
        row_type: Some(T::ROW_TYPE),
        references: T::REFERENCES,
        benchmark: None,
        normalize: |options| Ok(json!(Options::read(T::NAME, options, SCALES)?)),
        open: |options| Ok(Box::new(Tpcds::<T>::new(Options::read(T::NAME, options, SCALES)?.sf)?)),
    }
}

/// TPC-DS as a kit.
pub static KIT: Kit = Kit {
    family: FAMILY,
    title: "TPC-DS",
    scales: SCALES,
    tables: &DESIGNS,
    is_nullable: |field| field.is_nullable(),
    scale_table: "customer",
    scale_of,
    queries: queries::QUERIES,
    answers: answers::ANSWERS,
    correlated: None,
};

/// The tables of the benchmark, each after those it refers to: all sources but `dbgen_version`.
static DESIGNS: [Design; 24] = [
    small::<IncomeBandArrow>(),
    small::<DateDimArrow>(),
    small::<TimeDimArrow>(),
    small::<ReasonArrow>(),
    small::<ShipModeArrow>(),
    small::<WarehouseArrow>(),
    large::<CustomerAddressArrow>(&[]),
    large::<CustomerDemographicsArrow>(&[]),
    small::<HouseholdDemographicsArrow>(),
    large::<ItemArrow>(&[]),
    small::<PromotionArrow>(),
    small::<StoreArrow>(),
    small::<CallCenterArrow>(),
    small::<CatalogPageArrow>(),
    large::<CustomerArrow>(&[&["c_current_cdemo_sk"], &["c_current_addr_sk"]]),
    small::<WebSiteArrow>(),
    small::<WebPageArrow>(),
    // By item, because the key begins with the date, and there are few dates.
    Design {
        distribution: Distribution::By(&["inv_item_sk"]),
        partitions: Some(&years("inv_date_sk", false)),
        ..large::<InventoryArrow>(&[&["inv_item_sk"]])
    },
    by_year::<StoreSalesArrow>(
        &[&["ss_sold_date_sk"], &["ss_customer_sk"], &["ss_ticket_number"]],
        &years("ss_sold_date_sk", true),
    ),
    by_year::<StoreReturnsArrow>(
        &[&["sr_returned_date_sk"], &["sr_customer_sk"], &["sr_ticket_number"]],
        &years("sr_returned_date_sk", true),
    ),
    by_year::<CatalogSalesArrow>(
        &[&["cs_sold_date_sk"], &["cs_bill_customer_sk"], &["cs_order_number"]],
        &years("cs_sold_date_sk", true),
    ),
    by_year::<CatalogReturnsArrow>(
        &[&["cr_returned_date_sk"], &["cr_returning_customer_sk"], &["cr_order_number"]],
        &years("cr_returned_date_sk", true),
    ),
    by_year::<WebSalesArrow>(
        &[&["ws_sold_date_sk"], &["ws_bill_customer_sk"], &["ws_order_number"]],
        &years("ws_sold_date_sk", true),
    ),
    by_year::<WebReturnsArrow>(
        &[&["wr_returned_date_sk"], &["wr_returning_customer_sk"], &["wr_order_number"]],
        &years("wr_returned_date_sk", true),
    ),
];

/// A table that each segment of a cluster has in full.
const fn small<T: Table>() -> Design {
    Design {
        name: T::NAME,
        primary_key: T::KEY,
        indexes: &[],
        partitions: None,
        distribution: Distribution::Replicated,
        is_key_unique: |_| true,
    }
}

const fn large<T: Table>(indexes: &'static [&'static [&'static str]]) -> Design {
    Design { indexes, distribution: Distribution::By(T::KEY), ..small::<T>() }
}

/// Sales and returns: those of one line have the same key, so they are on the same segment.
const fn by_year<T: Table>(
    indexes: &'static [&'static [&'static str]],
    partitions: &'static Partitions,
) -> Design {
    Design { partitions: Some(partitions), ..large::<T>(indexes) }
}

/// Partitions by year. Dates are keys of `date_dim`, which are numbers of days. Sales are from 1998 to 2002, returns up to
/// 2003.
const fn years(column: &'static str, is_nullable: bool) -> Partitions {
    Partitions {
        column,
        ranges: &[
            ("1998", "2450815", "2451180"),
            ("1999", "2451180", "2451545"),
            ("2000", "2451545", "2451911"),
            ("2001", "2451911", "2452276"),
            ("2002", "2452276", "2452641"),
            ("2003", "2452641", "2453006"),
        ],
        is_nullable,
    }
}

/// The scale factor, from the number of customers. Below 1 it is in proportion; otherwise it is one of the specification's,
/// or the first integer with that number, because between the specification's the number rises and falls.
fn scale_of(customers: u64) -> f64 {
    const AT_1: f64 = 100_000.0;
    const DEFINED: [u32; 9] = [1, 10, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];
    let has_as_many = |sf: &f64| Scaling::new(*sf).get_row_count(Units::Customer) == customers;
    let known = DEFINED.into_iter().chain(1..1_000).map(f64::from).find(has_as_many);
    known.unwrap_or(customers as f64 / AT_1)
}

/// A table at a scale factor.
struct Tpcds<T> {
    session: Session,
    schema: SchemaRef,
    table: std::marker::PhantomData<T>,
}

/// Counting the lines of this many units is fast enough for a planner; for returned lines, a tenth of it.
const QUICKLY_COUNTED: u64 = 2_000_000;

impl<T: Table> Tpcds<T> {
    fn new(sf: f64) -> Result<Self, Error> {
        let arguments = format!("-scale {sf}");
        let session = SessionBuilder::new()
            .with_scale_factor(sf)
            .with_compat_mode(CompatMode::C)
            .with_command_line_arguments(arguments)
            .build()
            .map_err(|_| Error::ScaleFactor { sf, least: *SCALES.start() })?;
        Ok(Self { session, schema: with_plain_strings(&T::schema()), table: std::marker::PhantomData })
    }

    fn scaling(&self) -> &Scaling {
        self.session.get_scaling()
    }

    /// Statistics from the sample, with what is known about keys.
    fn improved(&self, sampled: ColumnStatistics, column: &str, units: &Range<u64>) -> ColumnStatistics {
        let orders = (units.end - units.start) as f64;
        let is_column = |reference: &&Reference| reference.columns == [column];
        let reference = T::REFERENCES.iter().find(is_column).map(|reference| reference.source);
        match (T::LINES, reference) {
            (_, Some("date_dim")) => sample::of_days(sampled, orders),
            (_, Some(other)) => match tables::rows_of(other, self.scaling()) {
                Some(keys) => {
                    let number = expected_distinct(orders, keys as f64);
                    sample::with_distinct(sampled, Distinct::Number(number))
                }
                None => sampled,
            },
            (Lines::One, None) if *T::KEY == [column] => sample::of_key(sampled, units),
            (Lines::Sold(channel), None) if T::KEY.contains(&column) => {
                sample::with_distinct(sampled, Distinct::Share(1.0 / channel.mean()))
            }
            (Lines::Returned(channel), None) if T::KEY.contains(&column) => {
                sample::with_distinct(sampled, Distinct::Share(channel.orders_per_return()))
            }
            _ => sampled,
        }
    }

    fn clamp(&self, units: Range<u64>) -> Range<u64> {
        units.start.min(self.units())..units.end.min(self.units())
    }
}

impl<T: Table> Source for Tpcds<T> {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn units(&self) -> u64 {
        self.scaling().get_row_count(T::UNITS)
    }

    fn rows_per_unit(&self) -> f64 {
        match T::LINES {
            Lines::One => 1.0,
            Lines::Sold(channel) => channel.mean(),
            Lines::Returned(channel) => channel.mean_returned(),
        }
    }

    fn rows(&self, units: Range<u64>) -> u64 {
        let units = self.clamp(units);
        match T::LINES {
            Lines::One => units.end - units.start,
            Lines::Sold(channel) => channel.lines(&units),
            Lines::Returned(channel) => channel.returns(&units),
        }
    }

    fn estimated_rows(&self, units: Range<u64>) -> u64 {
        let units = self.clamp(units);
        let quickly_counted = match T::LINES {
            Lines::One => u64::MAX,
            Lines::Sold(_) => QUICKLY_COUNTED,
            Lines::Returned(_) => QUICKLY_COUNTED / 10,
        };
        let count = units.end - units.start;
        if count <= quickly_counted { self.rows(units) } else { (count as f64 * self.rows_per_unit()) as u64 }
    }

    fn statistics(&self, column: usize, units: Range<u64>) -> ColumnStatistics {
        match self.schema.fields().get(column) {
            Some(field) if !units.is_empty() => {
                let sampled = sample::statistics(self, T::NAME, self.scaling().get_scale(), column);
                self.improved(sampled, field.name(), &units)
            }
            _ => ColumnStatistics::default(),
        }
    }

    fn batch(&self, units: Range<u64>, columns: &[usize]) -> Result<RecordBatch, Error> {
        let units = self.clamp(units);
        if columns.is_empty() {
            return project(T::NAME, &self.schema, columns, self.rows(units), |_| unreachable!("no column"));
        }
        let made = T::rows(self.session.clone(), units)?;
        project(T::NAME, &self.schema, columns, made.count() as u64, |name| made.column(name))
    }
}
