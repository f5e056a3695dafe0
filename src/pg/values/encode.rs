//! Arrow columns to datums, without going through text.

use crate::error::Error;
use crate::pg::server::text::{stores_utf8, to_server};
use crate::pg::values::arena::Arena;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
    Int64Array, StringArray, Time32SecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32SecondType, TimeUnit,
    TimestampMicrosecondType,
};
use pgrx::pg_sys::{self, Datum, Oid};

/// Days from 1970-01-01, where Arrow counts from, to 2000-01-01, where PostgreSQL does.
const POSTGRES_EPOCH: i32 = 10_957;
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;
/// Digits after the point of a second in a `timestamp`.
const TIMESTAMP_DIGITS: i32 = 6;
/// The length word before a value of varying length; a type modifier of a string counts it too.
const VARHDRSZ: usize = 4;

/// How the values of a column are laid out for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `numeric`, with as many digits after the point as the Arrow type has.
    Numeric,
    /// `double precision`.
    Float8,
    /// `boolean`.
    Bool,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp`, to the microsecond.
    Timestamp,
    /// `text`, or `varchar` of at most this many characters.
    Text { limit: Option<usize> },
    /// `char(n)`, padded with blanks.
    Padded { length: usize },
}

impl Layout {
    /// The layout and type that an Arrow type has without any conversion.
    pub fn natural(data_type: &DataType) -> Option<(Layout, Oid)> {
        Some(match data_type {
            DataType::Int32 => (Layout::Int4, pg_sys::INT4OID),
            DataType::Int64 => (Layout::Int8, pg_sys::INT8OID),
            DataType::Decimal128(..) => (Layout::Numeric, pg_sys::NUMERICOID),
            DataType::Float64 => (Layout::Float8, pg_sys::FLOAT8OID),
            DataType::Boolean => (Layout::Bool, pg_sys::BOOLOID),
            DataType::Date32 => (Layout::Date, pg_sys::DATEOID),
            DataType::Time32(TimeUnit::Second) => (Layout::Time, pg_sys::TIMEOID),
            DataType::Timestamp(TimeUnit::Microsecond, None) => (Layout::Timestamp, pg_sys::TIMESTAMPOID),
            DataType::Utf8 => (Layout::Text { limit: None }, pg_sys::TEXTOID),
            _ => return None,
        })
    }

    /// The layout for a column of the server's type `oid` with modifier `typmod`, if the values need none of the server's
    /// casts.
    pub fn direct(data_type: &DataType, oid: Oid, typmod: i32) -> Option<Layout> {
        let length = usize::try_from(typmod).ok().map(|typmod| typmod.saturating_sub(VARHDRSZ));
        match (data_type, oid) {
            (DataType::Int32 | DataType::Int64, pg_sys::INT4OID) => Some(Layout::Int4),
            (DataType::Int32 | DataType::Int64, pg_sys::INT8OID) => Some(Layout::Int8),
            (DataType::Decimal128(precision, scale), pg_sys::NUMERICOID) => {
                numeric_holds(typmod, *precision, *scale).then_some(Layout::Numeric)
            }
            (DataType::Float64, pg_sys::FLOAT8OID) => Some(Layout::Float8),
            (DataType::Boolean, pg_sys::BOOLOID) => Some(Layout::Bool),
            (DataType::Date32, pg_sys::DATEOID) => Some(Layout::Date),
            (DataType::Time32(TimeUnit::Second), pg_sys::TIMEOID) => Some(Layout::Time),
            // A time without a zone is UTC where the column has one.
            (
                DataType::Timestamp(TimeUnit::Microsecond, None),
                pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID,
            ) => {
                let rounds = (0..TIMESTAMP_DIGITS).contains(&typmod);
                (!rounds).then_some(Layout::Timestamp)
            }
            (DataType::Utf8, pg_sys::TEXTOID) => Some(Layout::Text { limit: None }),
            (DataType::Utf8, pg_sys::VARCHAROID) => Some(Layout::Text { limit: length }),
            (DataType::Utf8, pg_sys::BPCHAROID) => {
                Some(length.map_or(Layout::Text { limit: None }, |length| Layout::Padded { length }))
            }
            _ => None,
        }
    }
}

/// Whether `numeric` with this modifier holds every value of `precision` digits, `scale` of them after
/// the point, as it is.
fn numeric_holds(typmod: i32, precision: u8, scale: i8) -> bool {
    let Ok(modifier) = usize::try_from(typmod - VARHDRSZ as i32) else { return true };
    let (their_precision, their_scale) = (modifier >> 16, modifier & 0x7ff);
    their_precision >= usize::from(precision) && their_scale == scale as usize
}

/// One column of a batch, ready to give datums.
pub struct Column {
    name: String,
    values: Values,
    layout: Layout,
    /// Whether its texts are to be converted to the database's encoding.
    recodes: bool,
}

enum Values {
    Int32(Int32Array),
    Int64(Int64Array),
    Decimal(Decimal128Array, u32),
    Float64(Float64Array),
    Boolean(BooleanArray),
    Date(Date32Array),
    Time(Time32SecondArray),
    Timestamp(TimestampMicrosecondArray),
    Text(StringArray),
}

impl Column {
    /// A column of a batch; `None` for a type that has no layout.
    pub fn new(name: &str, array: &ArrayRef, layout: Layout) -> Option<Self> {
        let values = match array.data_type() {
            DataType::Int32 => Values::Int32(array.as_primitive::<Int32Type>().clone()),
            DataType::Int64 => Values::Int64(array.as_primitive::<Int64Type>().clone()),
            DataType::Decimal128(_, scale) => {
                Values::Decimal(array.as_primitive::<Decimal128Type>().clone(), u32::try_from(*scale).ok()?)
            }
            DataType::Float64 => Values::Float64(array.as_primitive::<Float64Type>().clone()),
            DataType::Boolean => Values::Boolean(array.as_boolean().clone()),
            DataType::Date32 => Values::Date(array.as_primitive::<Date32Type>().clone()),
            DataType::Time32(TimeUnit::Second) => {
                Values::Time(array.as_primitive::<Time32SecondType>().clone())
            }
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Values::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone())
            }
            DataType::Utf8 => Values::Text(array.as_string::<i32>().clone()),
            _ => return None,
        };
        Some(Self { name: name.to_owned(), values, layout, recodes: false })
    }

    /// Converts texts to the database's encoding with the server's functions, so not on other threads.
    pub fn recoded(self) -> Self {
        let recodes = !stores_utf8() && !self.is_ascii();
        Self { recodes, ..self }
    }

    /// Whether its texts, if it has some, are the same in every encoding.
    pub fn is_ascii(&self) -> bool {
        match &self.values {
            Values::Text(array) => array.is_ascii(),
            _ => true,
        }
    }

    /// Whether some of its values are null.
    pub fn has_nulls(&self) -> bool {
        self.array().null_count() > 0
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    fn array(&self) -> &dyn Array {
        match &self.values {
            Values::Int32(array) => array,
            Values::Int64(array) => array,
            Values::Decimal(array, _) => array,
            Values::Float64(array) => array,
            Values::Boolean(array) => array,
            Values::Date(array) => array,
            Values::Time(array) => array,
            Values::Timestamp(array) => array,
            Values::Text(array) => array,
        }
    }

    /// The value at `row`, or `None` for null. If not inlined, it would take a fifth of a scan's time.
    #[inline(always)]
    pub fn value(&self, row: usize) -> Result<Option<Value<'_>>, Error> {
        Ok(Some(match &self.values {
            Values::Int32(array) if array.is_valid(row) => match self.layout {
                Layout::Int8 => Value::Int8(array.value(row).into()),
                _ => Value::Int4(array.value(row)),
            },
            Values::Int64(array) if array.is_valid(row) => self.integer(array.value(row))?,
            Values::Decimal(array, scale) if array.is_valid(row) => {
                Value::Numeric(Numeric::new(array.value(row), *scale))
            }
            Values::Float64(array) if array.is_valid(row) => Value::Int8(array.value(row).to_bits() as i64),
            Values::Boolean(array) if array.is_valid(row) => Value::Bool(array.value(row)),
            Values::Date(array) if array.is_valid(row) => Value::Int4(array.value(row) - POSTGRES_EPOCH),
            Values::Time(array) if array.is_valid(row) => {
                Value::Int8(i64::from(array.value(row)) * MICROSECONDS_PER_SECOND)
            }
            Values::Timestamp(array) if array.is_valid(row) => {
                Value::Int8(array.value(row) - i64::from(POSTGRES_EPOCH) * MICROSECONDS_PER_DAY)
            }
            Values::Text(array) if array.is_valid(row) => self.text(array.value(row))?,
            _ => return Ok(None),
        }))
    }

    /// As [`Column::value`], as a datum; one of varying length is in `memory`.
    #[inline]
    pub fn datum(&self, row: usize, memory: &mut Arena) -> Result<Option<Datum>, Error> {
        if self.recodes {
            return self.recoded_datum(row, memory);
        }
        Ok(self.value(row)?.map(|value| value.datum(memory)))
    }

    #[cold]
    fn recoded_datum(&self, row: usize, memory: &mut Arena) -> Result<Option<Datum>, Error> {
        Ok(match self.value(row)? {
            Some(Value::Text { text, padding }) => Some(text_datum(&to_server(text), padding, memory)),
            value => value.map(|value| value.datum(memory)),
        })
    }

    #[inline]
    fn integer(&self, value: i64) -> Result<Value<'_>, Error> {
        if self.layout != Layout::Int4 {
            return Ok(Value::Int8(value));
        }
        match i32::try_from(value) {
            Ok(value) => Ok(Value::Int4(value)),
            Err(_) => Err(Error::IntegerRange { column: self.name.clone(), value }),
        }
    }

    #[inline]
    fn text<'a>(&self, text: &'a str) -> Result<Value<'a>, Error> {
        let padding = match self.layout {
            Layout::Text { limit: Some(limit) } => {
                self.check_length(text, limit)?;
                0
            }
            Layout::Padded { length } => {
                self.check_length(text, length)?;
                // The length counts characters, a varlena's size bytes.
                length - characters(text).min(length)
            }
            _ => 0,
        };
        Ok(Value::Text { text, padding })
    }

    fn check_length(&self, value: &str, limit: usize) -> Result<(), Error> {
        if value.len() > limit && characters(value) > limit {
            return Err(Error::ValueTooLong { column: self.name.clone(), limit });
        }
        Ok(())
    }
}

#[inline]
fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// A value as the server lays it out, without the length that precedes a value of varying length.
pub enum Value<'a> {
    Bool(bool),
    /// Of four bytes.
    Int4(i32),
    /// Of eight bytes.
    Int8(i64),
    Numeric(Numeric),
    /// With this many blanks after it.
    Text {
        text: &'a str,
        padding: usize,
    },
}

impl Value<'_> {
    /// The value as a datum; one of varying length is in `memory`.
    #[inline]
    pub fn datum(self, memory: &mut Arena) -> Datum {
        match self {
            Value::Bool(value) => Datum::from(value),
            Value::Int4(value) => Datum::from(value),
            Value::Int8(value) => Datum::from(value),
            Value::Numeric(value) => varlena(value.length(), memory, |bytes| value.write(bytes)),
            Value::Text { text, padding } => text_datum(text.as_bytes(), padding, memory),
        }
    }
}

#[inline]
fn text_datum(text: &[u8], padding: usize, memory: &mut Arena) -> Datum {
    varlena(text.len() + padding, memory, |bytes| write_text(text, bytes))
}

/// Writes a text, and blanks after it.
#[inline]
pub fn write_text(text: &[u8], bytes: &mut [u8]) {
    let (written, padding) = bytes.split_at_mut(text.len());
    written.copy_from_slice(text);
    padding.fill(b' ');
}

/// A value of varying length, whose bytes `fill` writes.
#[inline]
fn varlena(length: usize, memory: &mut Arena, fill: impl FnOnce(&mut [u8])) -> Datum {
    let value = memory.allocate(VARHDRSZ + length);
    fill(&mut value[VARHDRSZ..]);
    // SAFETY: the memory is aligned and larger than a length word.
    unsafe { pgrx::set_varsize_4b(value.as_mut_ptr().cast(), (VARHDRSZ + length) as i32) };
    Datum::from(value.as_mut_ptr())
}

/// `numeric`'s own base.
const NUMERIC_BASE: u64 = 10_000;
const NUMERIC_BASE_DIGITS: u32 = 4;
/// Header of a `numeric` whose weight and scale fit the short form, as those of 38 digits do.
const NUMERIC_SHORT: u16 = 0x8000;
const NUMERIC_SHORT_NEGATIVE: u16 = 0x2000;
const NUMERIC_SHORT_SCALE_SHIFT: u32 = 7;
const NUMERIC_SHORT_WEIGHT_MASK: u16 = 0x7f;
/// Enough for 38 decimal digits and a fraction padded to whole base digits.
const NUMERIC_MAX_DIGITS: usize = 12;

/// A decimal as a `numeric` holds it.
pub struct Numeric {
    /// The header, and the digits in `numeric`'s base, at the end.
    words: [u16; 1 + NUMERIC_MAX_DIGITS],
    first: usize,
    last: usize,
}

impl Numeric {
    /// `value` with `scale` decimal digits after the point.
    #[inline]
    fn new(value: i128, scale: u32) -> Self {
        // The point is between two base digits, so the fraction is padded to whole ones.
        let padding = (NUMERIC_BASE_DIGITS - scale % NUMERIC_BASE_DIGITS) % NUMERIC_BASE_DIGITS;
        let fraction_digits = (scale + padding) / NUMERIC_BASE_DIGITS;
        let mut words = [0u16; 1 + NUMERIC_MAX_DIGITS];
        let mut first = words.len();
        let mut push = |digit: u64| {
            first -= 1;
            words[first] = digit as u16;
        };
        let mut rest = value.unsigned_abs();
        if padding > 0 {
            // Only the last base digit is padded.
            let pad = 10u64.pow(padding);
            push(take_digit(&mut rest, NUMERIC_BASE / pad) * pad);
        }
        while rest > u128::from(u64::MAX) {
            push(take_digit(&mut rest, NUMERIC_BASE));
        }
        // 64-bit division is several times faster, and most numbers are small from the start.
        let mut rest = rest as u64;
        while rest > 0 {
            push(rest % NUMERIC_BASE);
            rest /= NUMERIC_BASE;
        }
        let mut weight = (words.len() - first) as i32 - fraction_digits as i32 - 1;
        let mut last = words.len();
        while last > first && words[last - 1] == 0 {
            last -= 1;
        }
        while first < last && words[first] == 0 {
            first += 1;
            weight -= 1;
        }
        if first == last {
            weight = 0;
        }
        let sign = if value < 0 { NUMERIC_SHORT_NEGATIVE } else { 0 };
        first -= 1;
        words[first] = NUMERIC_SHORT
            | sign
            | (scale as u16) << NUMERIC_SHORT_SCALE_SHIFT
            | weight as u16 & NUMERIC_SHORT_WEIGHT_MASK;
        Self { words, first, last }
    }

    /// Its size in bytes.
    #[inline]
    pub fn length(&self) -> usize {
        2 * (self.last - self.first)
    }

    /// Writes it into this many bytes.
    #[inline]
    pub fn write(&self, bytes: &mut [u8]) {
        for (bytes, word) in bytes.chunks_exact_mut(2).zip(&self.words[self.first..self.last]) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
    }
}

/// Takes the lowest digit in `base` off a number.
#[inline]
fn take_digit(number: &mut u128, base: u64) -> u64 {
    let (rest, digit) = match u64::try_from(*number) {
        Ok(small) => (u128::from(small / base), small % base),
        Err(_) => (*number / u128::from(base), (*number % u128::from(base)) as u64),
    };
    *number = rest;
    digit
}
