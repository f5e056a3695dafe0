//! `customer`: 150,000 rows per scale factor.

use super::{CUSTOMERS, Scale, Table, array, refers, statistics};
use crate::lehmer::Stream;
use crate::source::with_plain_strings;
use crate::{ColumnStatistics, Reference};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::distribution::Distributions;
use tpchgen::generators::CustomerName;
use tpchgen_arrow::CustomerArrow;

const ADDRESS: Stream = Stream::new(881_155_353, 9);
const NATION: Stream = Stream::new(1_489_529_863, 1);
const PHONE: Stream = Stream::new(1_521_138_112, 3);
const BALANCE: Stream = Stream::new(298_370_230, 1);
const SEGMENT: Stream = Stream::new(1_140_279_430, 1);
const COMMENT: Stream = Stream::new(1_335_826_707, 2);

pub struct Customer {
    scale: Scale,
}

impl Table for Customer {
    const NAME: &'static str = "customer";
    const ROW_TYPE: &'static str = "tpch_customer";
    const ABOUT: &'static str = "TPC-H customers: 150,000 rows per scale factor";
    const REFERENCES: &'static [Reference] = &[refers(&["c_nationkey"], "nation", &["n_nationkey"])];

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        with_plain_strings(&CustomerArrow::schema_ref())
    }

    fn new(scale: Scale) -> Self {
        Self { scale }
    }

    fn units(&self) -> u64 {
        self.scale.rows(CUSTOMERS)
    }

    fn rows(&self, units: Range<u64>) -> Range<u64> {
        units
    }

    fn column(&self, name: &str, units: &Range<u64>) -> ArrayRef {
        let nations = || array::numbers(NATION, units, 0, 24);
        match name {
            "c_custkey" => array::int64(array::keys(units)),
            "c_name" => array::formatted(array::keys(units).map(CustomerName::new)),
            "c_address" => array::addresses(ADDRESS, units),
            "c_nationkey" => array::int64(nations()),
            "c_phone" => array::phones(PHONE, units, nations()),
            "c_acctbal" => array::decimal(array::numbers(BALANCE, units, -99_999, 999_999)),
            "c_mktsegment" => array::words(SEGMENT, units, Distributions::static_default().market_segments()),
            "c_comment" => array::texts(array::draws(COMMENT, units), 73.0),
            _ => unreachable!("customer has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        let keys = statistics::key_ends(units);
        match name {
            "c_custkey" => ColumnStatistics::unique().within(array::int64(statistics::ends(keys))),
            "c_name" => ColumnStatistics::unique()
                .within(array::formatted(statistics::steps(keys).into_iter().map(CustomerName::new))),
            "c_address" => statistics::addresses(),
            "c_nationkey" => ColumnStatistics::among(array::int64(0..=24)),
            "c_phone" => statistics::phones(),
            "c_acctbal" => statistics::balances((units.end - units.start) as f64),
            "c_mktsegment" => statistics::words(Distributions::static_default().market_segments()),
            "c_comment" => statistics::texts(1.0, 73.0),
            _ => ColumnStatistics::default(),
        }
    }
}
