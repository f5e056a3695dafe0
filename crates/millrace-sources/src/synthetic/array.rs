//! Arrow arrays of the synthetic sources' types, from iterators of values.

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::OffsetBuffer;
use std::sync::Arc;

pub fn int32(values: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(values))
}

pub fn int64(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

pub fn int64_or_null(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(values))
}

pub fn float64(values: impl IntoIterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

pub fn boolean(values: impl IntoIterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from(values.into_iter().collect::<Vec<_>>()))
}

/// Dates in days since 1970.
pub fn date(days: impl IntoIterator<Item = i32>) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(days))
}

/// Timestamps in microseconds since 1970.
pub fn timestamp(microseconds: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(microseconds))
}

/// Decimals given in units of their last digit.
pub fn decimal(precision: u8, scale: i8, values: impl IntoIterator<Item = i64>) -> ArrayRef {
    let values = Decimal128Array::from_iter_values(values.into_iter().map(i128::from));
    Arc::new(values.with_precision_and_scale(precision, scale).expect("the source's type is a valid one"))
}

pub fn strings<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// ASCII strings that are all of the same length.
pub fn fixed_strings<const LENGTH: usize>(values: impl Iterator<Item = [u8; LENGTH]>) -> ArrayRef {
    let mut bytes = Vec::with_capacity(values.size_hint().0 * LENGTH);
    values.for_each(|value| bytes.extend_from_slice(&value));
    let offsets = OffsetBuffer::from_repeated_length(LENGTH, bytes.len() / LENGTH);
    Arc::new(StringArray::new(offsets, bytes.into(), None))
}
