//! `partsupp`: four suppliers for each part, so a unit is a part.

use super::random::Stream;
use super::{PARTS, Scale, Table, array, text};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::generators::PartSuppGeneratorIterator;
use tpchgen_arrow::PartSuppArrow;

const SUPPLIERS_PER_PART: u32 = 4;

const QUANTITY: Stream = Stream::new(1_671_059_989, SUPPLIERS_PER_PART);
const COST: Stream = Stream::new(1_051_288_424, SUPPLIERS_PER_PART);
const COMMENT: Stream = Stream::new(1_961_692_154, 2 * SUPPLIERS_PER_PART);

pub struct PartSupp {
    scale: Scale,
}

impl Table for PartSupp {
    const NAME: &'static str = "partsupp";
    const ABOUT: &'static str = "TPC-H suppliers of each part: 800,000 rows per scale factor";
    const ROWS_PER_UNIT: f64 = SUPPLIERS_PER_PART as f64;

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        array::schema(PartSuppArrow::schema_ref())
    }

    fn new(scale: Scale) -> Self {
        Self { scale }
    }

    fn units(&self) -> u64 {
        self.scale.rows(PARTS)
    }

    fn rows(&self, units: Range<u64>) -> Range<u64> {
        units
    }

    fn column(&self, name: &str, units: &Range<u64>) -> ArrayRef {
        let sf = self.scale.factor();
        let numbers = |stream, low, high| {
            array::draws(stream, units)
                .flat_map(move |mut draws| (0..SUPPLIERS_PER_PART).map(move |_| draws.number(low, high)))
        };
        match name {
            "ps_partkey" => {
                array::int64(array::keys(units).flat_map(|part| (0..SUPPLIERS_PER_PART).map(move |_| part)))
            }
            "ps_suppkey" => array::int64(array::keys(units).flat_map(|part| {
                (0..i64::from(SUPPLIERS_PER_PART))
                    .map(move |number| PartSuppGeneratorIterator::select_part_supplier(part, number, sf))
            })),
            "ps_availqty" => array::int32(numbers(QUANTITY, 1, 9_999)),
            "ps_supplycost" => array::decimal(numbers(COST, 100, 100_000)),
            "ps_comment" => {
                array::strings(array::draws(COMMENT, units).flat_map(|mut draws| {
                    (0..SUPPLIERS_PER_PART).map(move |_| text::text(&mut draws, 124.0))
                }))
            }
            _ => unreachable!("partsupp has no column {name}"),
        }
    }
}
