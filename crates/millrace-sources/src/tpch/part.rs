//! `part`: 200,000 rows per scale factor.

use super::{PARTS, Scale, Table, array, statistics};
use crate::lehmer::Stream;
use crate::source::with_plain_strings;
use crate::{ColumnStatistics, Distinct};
use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::distribution::Distributions;
use tpchgen::generators::{PartBrandName, PartGeneratorIterator, PartManufacturerName};
use tpchgen::random::RandomStringSequence;
use tpchgen_arrow::PartArrow;

const WORDS_PER_NAME: usize = 5;
/// Enough bounds for the planner to rely on them alone when it estimates a pattern.
const NAMES_SAMPLED: u64 = 100;

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
    const ROW_TYPE: &'static str = "tpch_part";
    const ABOUT: &'static str = "TPC-H parts: 200,000 rows per scale factor";

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        with_plain_strings(&PartArrow::schema_ref())
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
            "p_name" => array::formatted(array::draws(NAME, units).map(|draws| {
                RandomStringSequence::new(draws.state(), WORDS_PER_NAME as i32, words.part_colors())
                    .next_value()
            })),
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

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        let words = Distributions::static_default();
        let keys = statistics::key_ends(units);
        match name {
            "p_partkey" => ColumnStatistics::unique().within(array::int64(statistics::ends(keys))),
            "p_name" => self.name_statistics(units),
            "p_mfgr" => ColumnStatistics::among(array::formatted((1..=5).map(PartManufacturerName::new))),
            "p_brand" => {
                let brands =
                    (1..=5).flat_map(|manufacturer| (1..=5).map(move |brand| manufacturer * 10 + brand));
                ColumnStatistics::among(array::formatted(brands.map(PartBrandName::new)))
            }
            "p_type" => statistics::words(words.part_types()),
            "p_size" => ColumnStatistics::among(array::int32(1..=50)),
            "p_container" => statistics::words(words.part_containers()),
            "p_retailprice" => {
                let distinct = distinct_prices((units.end - units.start) as f64);
                ColumnStatistics::of(Distinct::Number(distinct)).within(array::decimal(prices(units)))
            }
            // Such short texts are often equal.
            "p_comment" => statistics::texts(0.8, 14.0),
            _ => ColumnStatistics::default(),
        }
    }
}

impl Part {
    /// Only names tell how many of them match a pattern, so some are made.
    fn name_statistics(&self, units: &Range<u64>) -> ColumnStatistics {
        let mut colors = Distributions::static_default().part_colors().get_values().to_vec();
        colors.sort_unstable();
        let first = colors[..WORDS_PER_NAME].join(" ");
        colors.reverse();
        let last = colors[..WORDS_PER_NAME].join(" ");
        let some = self.column("p_name", &(units.start..units.end.min(units.start + NAMES_SAMPLED)));
        let mut names: Vec<&str> = some.as_string::<i32>().iter().flatten().collect();
        names.extend([first.as_str(), last.as_str()]);
        names.sort_unstable();
        let letters: usize = colors.iter().map(|color| color.len()).sum();
        let mean_length = (letters as f64 / colors.len() as f64 + 1.0) * WORDS_PER_NAME as f64 - 1.0;
        ColumnStatistics::unique().within(array::strings(names)).of_length(mean_length)
    }
}

/// Bounds of the prices of a range of parts, in hundredths. dbgen's formula adds two parts of the key to 900.00:
/// 1.00 times its last three digits and 0.01 times the others but the last, modulo 200.01.
pub fn prices(parts: &Range<u64>) -> Vec<i64> {
    let (first, last) = statistics::key_ends(parts);
    let wide = statistics::remainders((first, last), 1000);
    let narrow = statistics::remainders((first / 10, last / 10), 20_001);
    statistics::sums((90_000 + 100 * wide.0, 90_000 + 100 * wide.1), narrow)
}

/// The number of distinct prices of `parts` consecutive parts: a thousand in the first thousand parts, a hundred more
/// in each thousand after that, and few more once the formula's second part begins again.
pub fn distinct_prices(parts: f64) -> f64 {
    const CYCLE: f64 = 200_010.0;
    const MORE_IN_EACH_CYCLE: f64 = 1_200.0;
    const POSSIBLE: f64 = 119_901.0;
    let in_first = parts.min(CYCLE);
    let more = (parts - in_first) / CYCLE * MORE_IN_EACH_CYCLE;
    (in_first.min(in_first / 10.0 + 900.0) + more).min(POSSIBLE)
}
