//! Arrow arrays of TPC-H's types, from iterators of values.

use super::text;
use crate::lehmer::{Draws, Stream};
use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, StringArray, StringBuilder,
};
use std::fmt::{Display, Write};
use std::ops::Range;
use std::sync::Arc;
use tpchgen::dates::TPCHDate;
use tpchgen::distribution::Distribution;
use tpchgen::random::{RandomAlphaNumeric, RandomPhoneNumber, RowRandomInt};

/// The draws of `stream` for each unit.
pub fn draws(stream: Stream, units: &Range<u64>) -> impl Iterator<Item = Draws> + use<> {
    stream.rows(units.start).take((units.end - units.start) as usize)
}

/// One number from `low` to `high` for each unit.
pub fn numbers(stream: Stream, units: &Range<u64>, low: i64, high: i64) -> impl Iterator<Item = i64> + use<> {
    draws(stream, units).map(move |mut draws| draws.number(low, high))
}

/// dbgen's keys: row numbers counted from 1.
pub fn keys(units: &Range<u64>) -> impl Iterator<Item = i64> + use<> {
    (units.start as i64 + 1)..=(units.end as i64)
}

pub fn int64(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub fn int32(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values.into_iter().map(|value| value as i32)))
}

/// Decimals with two digits after the point, given in hundredths.
pub fn decimal(hundredths: impl IntoIterator<Item = i64>) -> ArrayRef {
    let values = hundredths.into_iter().map(i128::from);
    let array = Decimal128Array::from_iter_values(values).with_precision_and_scale(15, 2);
    Arc::new(array.expect("15 digits, 2 of them after the point, fit 128 bits"))
}

/// Dates in dbgen's day numbers.
pub fn date(days: impl IntoIterator<Item = i64>) -> ArrayRef {
    let values = days.into_iter().map(|day| TPCHDate::new(day as i32).to_unix_epoch());
    Arc::new(Date32Array::from_iter_values(values))
}

pub fn strings<'a>(values: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// Strings made by formatting.
pub fn formatted<V: Display>(values: impl IntoIterator<Item = V>) -> ArrayRef {
    let mut builder = StringBuilder::new();
    for value in values {
        write!(builder, "{value}").expect("a builder takes what is written to it");
        // Ends the string that was written.
        builder.append_value("");
    }
    Arc::new(builder.finish())
}

/// One word of a list for each unit.
pub fn words(stream: Stream, units: &Range<u64>, list: &'static Distribution) -> ArrayRef {
    strings(draws(stream, units).map(|mut draws| word(&mut draws, list)))
}

/// The next word of a list: one draw.
pub fn word(draws: &mut Draws, list: &'static Distribution) -> &'static str {
    let word = list.random_value(&mut RowRandomInt::new(draws.state(), 1));
    draws.skip(1);
    word
}

/// One text for each unit.
pub fn texts(draws: impl IntoIterator<Item = Draws>, mean_length: f64) -> ArrayRef {
    strings(draws.into_iter().map(|mut draws| text::text(&mut draws, mean_length)))
}

/// One address of random characters for each unit.
pub fn addresses(stream: Stream, units: &Range<u64>) -> ArrayRef {
    formatted(draws(stream, units).map(|draws| RandomAlphaNumeric::new(draws.state(), 25).next_value()))
}

/// One telephone number for each unit, with its nation's code.
pub fn phones(stream: Stream, units: &Range<u64>, nations: impl Iterator<Item = i64>) -> ArrayRef {
    let number = |(draws, nation): (Draws, i64)| RandomPhoneNumber::new(draws.state()).next_value(nation);
    formatted(draws(stream, units).zip(nations).map(number))
}
