//! `sequence`: numbers and their squares; the smallest source, only for tests, which shows what a source consists of.

use super::options::{MAX_ROWS, check};
use super::{Table, array};
use crate::registry::{Benchmark, OptionHelp};
use crate::{ColumnStatistics, Distinct};
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use std::ops::Range;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    rows: u64,
    step: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { rows: 100, step: 1 }
    }
}

pub struct Sequence {
    options: Options,
}

impl Table for Sequence {
    const FAMILY: &'static str = "example";
    const NAME: &'static str = "sequence";
    const ROW_TYPE: &'static str = "example_sequence";
    const ABOUT: &'static str = "numbers and their squares";
    const OPTIONS: &'static [OptionHelp] = &[
        OptionHelp { name: "rows", about: "how many numbers, from 1 to 10^15, default 100" },
        OptionHelp { name: "step", about: "from one number to the next, from 1 to 1000, default 1" },
    ];
    const COLUMNS: &'static [(&'static str, DataType)] =
        &[("number", DataType::Int64), ("square", DataType::Int64)];
    const BENCHMARK: Option<&'static Benchmark> = Some(&BENCHMARK);

    type Options = Options;
    type Rows = Vec<i64>;

    fn new(options: Options) -> Result<Self, String> {
        check("rows", &options.rows, 1..=MAX_ROWS)?;
        check("step", &options.step, 1..=1_000)?;
        Ok(Self { options })
    }

    fn units(&self) -> u64 {
        self.options.rows
    }

    fn rows(&self, rows: Range<u64>) -> Vec<i64> {
        rows.map(|row| row as i64 * i64::from(self.options.step)).collect()
    }

    fn column(&self, name: &str, numbers: &Vec<i64>) -> ArrayRef {
        match name {
            "number" => array::int64(numbers.iter().copied()),
            _ => array::int64(numbers.iter().map(|number| number.wrapping_mul(*number))),
        }
    }

    fn statistics(&self, _name: &str, _rows: Range<u64>) -> ColumnStatistics {
        ColumnStatistics { distinct: Distinct::Share(1.0), ..Default::default() }
    }
}

const BENCHMARK: Benchmark = Benchmark {
    indexes: &["(number)", "(square)"],
    queries: &[("one number", "SELECT square FROM %1$s WHERE number = %2$L")],
    arguments: "ARRAY[min(number)::text]",
    defaults: Benchmark::no_defaults,
};
