//! `region`: five rows at every scale.

use super::{Scale, Table, array, statistics};
use crate::ColumnStatistics;
use crate::lehmer::Stream;
use crate::source::with_plain_strings;
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::distribution::Distributions;
use tpchgen_arrow::RegionArrow;

const COMMENT: Stream = Stream::new(1_500_869_201, 2);

pub struct Region;

impl Table for Region {
    const NAME: &'static str = "region";
    const ROW_TYPE: &'static str = "tpch_region";
    const ABOUT: &'static str = "TPC-H regions: 5 rows";

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        with_plain_strings(&RegionArrow::schema_ref())
    }

    fn new(_: Scale) -> Self {
        Self
    }

    fn units(&self) -> u64 {
        Distributions::static_default().regions().size() as u64
    }

    fn rows(&self, units: Range<u64>) -> Range<u64> {
        units
    }

    fn column(&self, name: &str, units: &Range<u64>) -> ArrayRef {
        let regions = Distributions::static_default().regions();
        match name {
            "r_regionkey" => array::int64(units.clone().map(|key| key as i64)),
            "r_name" => array::strings(units.clone().map(|key| regions.get_value(key as usize))),
            "r_comment" => array::texts(array::draws(COMMENT, units), 72.0),
            _ => unreachable!("region has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        match name {
            "r_regionkey" => {
                let keys = (units.start as i64, units.end as i64 - 1);
                ColumnStatistics::unique().within(array::int64(statistics::ends(keys)))
            }
            "r_name" => ColumnStatistics::among(self.column(name, units)),
            "r_comment" => statistics::texts(1.0, 72.0),
            _ => ColumnStatistics::default(),
        }
    }
}
