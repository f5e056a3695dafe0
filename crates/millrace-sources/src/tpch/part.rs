//! `part`: 200,000 rows per scale factor.

use super::random::Stream;
use super::{PARTS, Scale, Table, array};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::distribution::Distributions;
use tpchgen::generators::{PartBrandName, PartGeneratorIterator, PartManufacturerName};
use tpchgen::random::RandomStringSequence;
use tpchgen_arrow::PartArrow;

/// A name is five of 92 colours, for which dbgen reserves as many draws as there are colours.
const NAME: Stream = Stream::new(709_314_158, 92);
const MANUFACTURER: Stream = Stream::new(1, 1);
const BRAND: Stream = Stream::new(46_831_694, 1);
const TYPE: Stream = Stream::new(1_841_581_359, 1);
const SIZE: Stream = Stream::new(1_193_163_244, 1);
const CONTAINER: Stream = Stream::new(727_633_698, 1);
const COMMENT: Stream = Stream::new(804_159_733, 2);

pub struct Part {
    scale: Scale,
}

impl Table for Part {
    const NAME: &'static str = "part";
    const ABOUT: &'static str = "TPC-H parts: 200,000 rows per scale factor";

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        array::schema(PartArrow::schema_ref())
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
        let words = Distributions::static_default();
        let manufacturers = || array::numbers(MANUFACTURER, units, 1, 5);
        match name {
            "p_partkey" => array::int64(array::keys(units)),
            "p_name" => {
                array::formatted(array::draws(NAME, units).map(|draws| {
                    RandomStringSequence::new(draws.state(), 5, words.part_colors()).next_value()
                }))
            }
            "p_mfgr" => {
                array::formatted(manufacturers().map(|number| PartManufacturerName::new(number as i32)))
            }
            "p_brand" => array::formatted(
                manufacturers()
                    .zip(array::numbers(BRAND, units, 1, 5))
                    .map(|(manufacturer, brand)| PartBrandName::new((manufacturer * 10 + brand) as i32)),
            ),
            "p_type" => array::words(TYPE, units, words.part_types()),
            "p_size" => array::int32(array::numbers(SIZE, units, 1, 50)),
            "p_container" => array::words(CONTAINER, units, words.part_containers()),
            "p_retailprice" => {
                array::decimal(array::keys(units).map(PartGeneratorIterator::calculate_part_price))
            }
            "p_comment" => array::texts(array::draws(COMMENT, units), 14.0),
            _ => unreachable!("part has no column {name}"),
        }
    }
}
