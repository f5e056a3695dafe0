//! `nation`: 25 rows at every scale.

use super::{Scale, Table, array, refers, statistics};
use crate::lehmer::Stream;
use crate::source::with_plain_strings;
use crate::{ColumnStatistics, Reference};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::distribution::Distributions;
use tpchgen_arrow::NationArrow;

const COMMENT: Stream = Stream::new(606_179_079, 2);

pub struct Nation;

impl Table for Nation {
    const NAME: &'static str = "nation";
    const ROW_TYPE: &'static str = "tpch_nation";
    const ABOUT: &'static str = "TPC-H nations: 25 rows";
    const REFERENCES: &'static [Reference] = &[refers(&["n_regionkey"], "region", &["r_regionkey"])];

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        with_plain_strings(&NationArrow::schema_ref())
    }

    fn new(_: Scale) -> Self {
        Self
    }

    fn units(&self) -> u64 {
        Distributions::static_default().nations().size() as u64
    }

    fn rows(&self, units: Range<u64>) -> Range<u64> {
        units
    }

    fn column(&self, name: &str, units: &Range<u64>) -> ArrayRef {
        let nations = Distributions::static_default().nations();
        match name {
            "n_nationkey" => array::int64(units.clone().map(|key| key as i64)),
            "n_name" => array::strings(units.clone().map(|key| nations.get_value(key as usize))),
            // dbgen's word list gives each nation its region as a weight.
            "n_regionkey" => {
                array::int64(units.clone().map(|key| i64::from(nations.get_weight(key as usize))))
            }
            "n_comment" => array::texts(array::draws(COMMENT, units), 72.0),
            _ => unreachable!("nation has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        match name {
            "n_nationkey" => {
                let keys = (units.start as i64, units.end as i64 - 1);
                ColumnStatistics::unique().within(array::int64(statistics::ends(keys)))
            }
            "n_name" => ColumnStatistics::among(self.column(name, units)),
            "n_regionkey" => ColumnStatistics::among(array::int64(0..=4)),
            "n_comment" => statistics::texts(1.0, 72.0),
            _ => ColumnStatistics::default(),
        }
    }
}
