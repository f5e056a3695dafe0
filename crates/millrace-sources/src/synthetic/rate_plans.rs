//! `rate_plans`: what calls cost, 50 rows.

use super::{Table, array};
use crate::registry::OptionHelp;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use std::ops::Range;

pub const COUNT: u64 = 50;

/// A price in ten-thousandths.
#[derive(Debug, Clone, Copy)]
pub struct Price(pub i64);

impl Price {
    /// What a time costs at this price a minute, rounded half up.
    pub fn for_seconds(self, seconds: i32) -> i64 {
        (self.0 * i64::from(seconds) + 30) / 60
    }
}

/// The prices of a plan. The lower its number, the cheaper are calls and the dearer is the plan.
pub struct Plan {
    pub voice_per_minute: Price,
    pub data_per_minute: Price,
    pub sms: Price,
    /// In hundredths.
    pub monthly_fee: i64,
}

/// The plan of that number, counted from 1.
pub fn plan(number: i32) -> Plan {
    let number = i64::from(number);
    Plan {
        voice_per_minute: Price(200 + 15 * number),
        data_per_minute: Price(50 + 5 * (number % 11)),
        sms: Price(100 + 10 * (number % 7)),
        monthly_fee: 6_099 - 100 * number,
    }
}

pub struct RatePlans;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {}

impl Table for RatePlans {
    const FAMILY: &'static str = "cdr";
    const NAME: &'static str = "rate_plans";
    const ROW_TYPE: &'static str = "cdr_rate_plans";
    const ABOUT: &'static str = "what calls of source cdr cost: 50 rows";
    const OPTIONS: &'static [OptionHelp] = &[];
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("rate_plan_id", DataType::Int32),
        ("plan_name", DataType::Utf8),
        ("voice_per_minute", DataType::Decimal128(10, 4)),
        ("data_per_minute", DataType::Decimal128(10, 4)),
        ("sms_price", DataType::Decimal128(10, 4)),
        ("monthly_fee", DataType::Decimal128(10, 2)),
    ];

    type Options = Options;
    type Rows = Range<u64>;

    fn new(_: Options) -> Result<Self, String> {
        Ok(Self)
    }

    fn units(&self) -> u64 {
        COUNT
    }

    fn rows(&self, rows: Range<u64>) -> Range<u64> {
        rows
    }

    fn column(&self, name: &str, rows: &Range<u64>) -> ArrayRef {
        let numbers = rows.clone().map(|row| row as i32 + 1);
        let plans = numbers.clone().map(plan);
        match name {
            "rate_plan_id" => array::int32(numbers),
            "plan_name" => array::strings(numbers.map(|number| format!("Plan {number:02}"))),
            "voice_per_minute" => array::decimal(10, 4, plans.map(|plan| plan.voice_per_minute.0)),
            "data_per_minute" => array::decimal(10, 4, plans.map(|plan| plan.data_per_minute.0)),
            "sms_price" => array::decimal(10, 4, plans.map(|plan| plan.sms.0)),
            "monthly_fee" => array::decimal(10, 2, plans.map(|plan| plan.monthly_fee)),
            _ => unreachable!("rate_plans has no column {name}"),
        }
    }
}
