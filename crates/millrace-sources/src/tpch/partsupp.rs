//! `partsupp`: four suppliers for each part, so a unit is a part.

use super::statistics::Ends;
use super::{PARTS, SUPPLIERS, Scale, Table, array, refers, statistics, text};
use crate::lehmer::Stream;
use crate::source::with_plain_strings;
use crate::{ColumnStatistics, Distinct, Reference};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::generators::PartSuppGeneratorIterator;
use tpchgen_arrow::PartSuppArrow;

const SUPPLIERS_PER_PART: u32 = 4;
const QUANTITIES: Ends = (1, 9_999);
/// In hundredths.
const COSTS: Ends = (100, 100_000);

const QUANTITY: Stream = Stream::new(1_671_059_989, SUPPLIERS_PER_PART);
const COST: Stream = Stream::new(1_051_288_424, SUPPLIERS_PER_PART);
const COMMENT: Stream = Stream::new(1_961_692_154, 2 * SUPPLIERS_PER_PART);

/// A part's suppliers are at least a quarter of their number apart. With few suppliers that leads to the same one again; with
/// more than 228 it does not.
pub fn is_key_unique(sf: f64) -> bool {
    const SURELY: f64 = 0.03;
    let Ok(scale) = Scale::new(sf) else { return true };
    let is_unique = |part| {
        let supplier = |number| PartSuppGeneratorIterator::select_part_supplier(part, number, sf);
        let suppliers: Vec<i64> = (0..i64::from(SUPPLIERS_PER_PART)).map(supplier).collect();
        (1..suppliers.len()).all(|place| !suppliers[..place].contains(&suppliers[place]))
    };
    sf >= SURELY || (1..=scale.rows(PARTS) as i64).all(is_unique)
}

pub struct PartSupp {
    scale: Scale,
}

impl Table for PartSupp {
    const NAME: &'static str = "partsupp";
    const ROW_TYPE: &'static str = "tpch_partsupp";
    const ABOUT: &'static str = "TPC-H suppliers of each part: 800,000 rows per scale factor";
    const ROWS_PER_UNIT: f64 = SUPPLIERS_PER_PART as f64;
    const REFERENCES: &'static [Reference] = &[
        refers(&["ps_partkey"], "part", &["p_partkey"]),
        refers(&["ps_suppkey"], "supplier", &["s_suppkey"]),
    ];

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        with_plain_strings(&PartSuppArrow::schema_ref())
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
        let numbers = |stream, (low, high): Ends| {
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
            "ps_availqty" => array::int32(numbers(QUANTITY, QUANTITIES)),
            "ps_supplycost" => array::decimal(numbers(COST, COSTS)),
            "ps_comment" => {
                array::strings(array::draws(COMMENT, units).flat_map(|mut draws| {
                    (0..SUPPLIERS_PER_PART).map(move |_| text::text(&mut draws, 124.0))
                }))
            }
            _ => unreachable!("partsupp has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        let rows = (units.end - units.start) as f64 * Self::ROWS_PER_UNIT;
        let drawn = |(least, largest): Ends| ColumnStatistics::drawn(rows, (largest - least + 1) as f64);
        match name {
            "ps_partkey" => ColumnStatistics::of(Distinct::Share(1.0 / Self::ROWS_PER_UNIT))
                .within(array::int64(statistics::ends(statistics::key_ends(units)))),
            "ps_suppkey" => {
                let suppliers = self.scale.rows(SUPPLIERS);
                ColumnStatistics::of(Distinct::Number(rows.min(suppliers as f64)))
                    .within(array::int64([1, suppliers as i64]))
            }
            "ps_availqty" => drawn(QUANTITIES).within(array::int32(statistics::ends(QUANTITIES))),
            "ps_supplycost" => drawn(COSTS).within(array::decimal(statistics::ends(COSTS))),
            "ps_comment" => statistics::texts(1.0, 124.0),
            _ => ColumnStatistics::default(),
        }
    }
}
