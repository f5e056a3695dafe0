//! `cell_towers`: where calls begin, 10,000 rows.

use super::random::{Draw, Stream};
use super::{Table, array};
use crate::registry::OptionHelp;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use std::ops::Range;

pub const COUNT: u64 = 10_000;

const REGIONS: [&str; 8] =
    ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

// The columns' streams.
const REGION: u32 = 1;
const LATITUDE: u32 = 2;
const LONGITUDE: u32 = 3;
const TECHNOLOGY: u32 = 4;
const CAPACITY: u32 = 5;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    seed: u64,
}

pub struct CellTowers {
    options: Options,
}

impl Table for CellTowers {
    const FAMILY: &'static str = "cdr";
    const NAME: &'static str = "cell_towers";
    const ROW_TYPE: &'static str = "cdr_cell_towers";
    const ABOUT: &'static str = "where calls of source cdr begin: 10,000 rows";
    const OPTIONS: &'static [OptionHelp] =
        &[OptionHelp { name: "seed", about: "seed of all random numbers, from 0 to 2^64 - 1, default 0" }];
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("cell_tower_id", DataType::Int32),
        ("tower_name", DataType::Utf8),
        ("region", DataType::Utf8),
        ("latitude", DataType::Decimal128(8, 5)),
        ("longitude", DataType::Decimal128(8, 5)),
        ("technology", DataType::Utf8),
        ("capacity", DataType::Int32),
    ];

    type Options = Options;
    type Rows = Range<u64>;

    fn new(options: Options) -> Result<Self, String> {
        Ok(Self { options })
    }

    fn units(&self) -> u64 {
        COUNT
    }

    fn rows(&self, rows: Range<u64>) -> Range<u64> {
        rows
    }

    fn column(&self, name: &str, rows: &Range<u64>) -> ArrayRef {
        let draws = |column| Stream { seed: self.options.seed, column }.rows(rows);
        let numbers = rows.clone().map(|row| row as i32 + 1);
        match name {
            "cell_tower_id" => array::int32(numbers),
            "tower_name" => array::strings(numbers.map(|number| format!("tower-{number:05}"))),
            "region" => array::strings(draws(REGION).map(|draw| REGIONS[draw.below(8) as usize])),
            "latitude" => array::decimal(8, 5, draws(LATITUDE).map(|draw| between(draw, 25, 49))),
            "longitude" => array::decimal(8, 5, draws(LONGITUDE).map(|draw| between(draw, -124, -67))),
            "technology" => array::strings(draws(TECHNOLOGY).map(technology)),
            // Calls at a time.
            "capacity" => array::int32(draws(CAPACITY).map(|draw| 100 + 50 * draw.below(19) as i32)),
            _ => unreachable!("cell_towers has no column {name}"),
        }
    }
}

/// Hundred-thousandths of a degree.
fn between(draw: Draw, low: i64, high: i64) -> i64 {
    low * 100_000 + draw.below((high - low) as u64 * 100_000) as i64
}

fn technology(draw: Draw) -> &'static str {
    match draw.below(100) {
        ..30 => "4G",
        30..90 => "5G",
        _ => "5G-mmWave",
    }
}
