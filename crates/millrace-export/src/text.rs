//! CSV and dbgen's tbl.

use crate::output::Buffers;
use crate::plan::Columns;
use crate::{Batches, Encoding, Error, Options};
use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, Time32SecondArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use chrono::{DateTime, Datelike, Days, NaiveDate, Timelike};
use std::io::Write;
use std::sync::LazyLock;

/// One of the two.
pub struct Text {
    schema: SchemaRef,
    dialect: Dialect,
    header: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Fields are separated by this; strings are quoted if necessary.
    Csv(u8),
    /// Fields end with a bar; nothing is quoted.
    Tbl,
}

impl Text {
    pub fn csv(columns: &Columns<'_>, options: &Options) -> Result<Self, Error> {
        let delimiter = options.delimiter.map_or(b',', |delimiter| delimiter as u8);
        Self::new(columns.schema.clone(), "csv", Dialect::Csv(delimiter), options.header.unwrap_or(true))
    }

    pub fn tbl(columns: &Columns<'_>) -> Result<Self, Error> {
        Self::new(columns.schema.clone(), "tbl", Dialect::Tbl, false)
    }

    fn new(schema: SchemaRef, format: &'static str, dialect: Dialect, header: bool) -> Result<Self, Error> {
        for field in schema.fields() {
            if !can_print(field.data_type()) {
                return Err(Error::ColumnType {
                    format,
                    column: field.name().clone(),
                    data_type: field.data_type().to_string(),
                });
            }
        }
        Ok(Self { schema, dialect, header })
    }
}

impl Encoding for Text {
    type Chunk = Vec<u8>;
    type File = ();

    fn encode(&self, batches: &mut Batches<'_>, buffers: &Buffers) -> Result<Vec<u8>, Error> {
        let mut text = buffers.take();
        for batch in batches {
            print(&batch?, self.dialect, &mut text);
        }
        Ok(text)
    }

    fn begin(&self, line: &mut Vec<u8>) -> Result<(), Error> {
        if let (Dialect::Csv(delimiter), true) = (self.dialect, self.header) {
            for (number, field) in self.schema.fields().iter().enumerate() {
                if number > 0 {
                    line.push(delimiter);
                }
                print_quoted(field.name(), delimiter, line);
            }
            line.push(b'\n');
        }
        Ok(())
    }

    fn append(&self, _: &mut (), chunk: Vec<u8>, _: &Buffers) -> Result<Vec<u8>, Error> {
        Ok(chunk)
    }

    fn end(&self, _: (), _: &mut Vec<u8>) -> Result<u64, Error> {
        Ok(0)
    }
}

/// A column of a batch, its type known.
enum Values<'a> {
    Int32(&'a Int32Array),
    Int64(&'a Int64Array),
    Float64(&'a Float64Array),
    Boolean(&'a BooleanArray),
    /// With the number of digits after the point, and how many of them are printed.
    Decimal(&'a Decimal128Array, usize, usize),
    Date(&'a Date32Array),
    Time(&'a Time32SecondArray),
    Timestamp(&'a TimestampMicrosecondArray),
    Utf8(&'a StringArray),
}

fn can_print(data_type: &DataType) -> bool {
    use DataType::{Boolean, Date32, Decimal128, Float64, Int32, Int64, Time32, Timestamp, Utf8};
    match data_type {
        Int32 | Int64 | Float64 | Boolean | Date32 | Utf8 => true,
        Decimal128(_, scale) => (0..=18).contains(scale),
        Time32(unit) => *unit == TimeUnit::Second,
        Timestamp(unit, zone) => *unit == TimeUnit::Microsecond && zone.is_none(),
        _ => false,
    }
}

impl<'a> Values<'a> {
    fn new(array: &'a dyn Array, field: &Field, dialect: Dialect) -> Self {
        match array.data_type() {
            DataType::Int32 => Values::Int32(array.as_primitive()),
            DataType::Int64 => Values::Int64(array.as_primitive()),
            DataType::Float64 => Values::Float64(array.as_primitive()),
            DataType::Boolean => Values::Boolean(array.as_boolean()),
            DataType::Decimal128(_, scale) => {
                let scale = *scale as usize;
                // dbgen prints quantities as integers, and dsdgen offsets from GMT, which they are.
                let is_whole = field.name() == "l_quantity" || field.name().ends_with("_gmt_offset");
                let whole = dialect == Dialect::Tbl && is_whole;
                Values::Decimal(array.as_primitive(), scale, if whole { 0 } else { scale })
            }
            DataType::Date32 => Values::Date(array.as_primitive()),
            DataType::Time32(_) => Values::Time(array.as_primitive()),
            DataType::Timestamp(..) => Values::Timestamp(array.as_primitive()),
            // The last type that `can_print` accepts.
            _ => Values::Utf8(array.as_string()),
        }
    }

    fn print(&self, row: usize, dialect: Dialect, text: &mut Vec<u8>) {
        match *self {
            Values::Int32(values) => print_integer(values.value(row).into(), text),
            Values::Int64(values) => print_integer(values.value(row), text),
            // Shortest digits that read back as the same number; writing to memory does not fail.
            Values::Float64(values) => drop(write!(text, "{}", values.value(row))),
            Values::Boolean(values) => text.extend(if values.value(row) { &b"true"[..] } else { b"false" }),
            Values::Decimal(values, scale, printed) => {
                print_decimal(values.value(row), scale, printed, text);
            }
            Values::Date(values) => print_date(values.value(row), text),
            Values::Time(values) => {
                let second = values.value(row);
                drop(write!(text, "{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60));
            }
            Values::Timestamp(values) => print_timestamp(values.value(row), text),
            Values::Utf8(values) => match dialect {
                Dialect::Csv(delimiter) => print_quoted(values.value(row), delimiter, text),
                Dialect::Tbl => text.extend_from_slice(values.value(row).as_bytes()),
            },
        }
    }
}

fn print(batch: &RecordBatch, dialect: Dialect, text: &mut Vec<u8>) {
    let schema = batch.schema();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| (Values::new(array, field, dialect), array.nulls()))
        .collect();
    for row in 0..batch.num_rows() {
        for (number, (values, nulls)) in columns.iter().enumerate() {
            if let (Dialect::Csv(delimiter), 1..) = (dialect, number) {
                text.push(delimiter);
            }
            if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                values.print(row, dialect, text);
            }
            if dialect == Dialect::Tbl {
                text.push(b'|');
            }
        }
        text.push(b'\n');
    }
}

fn print_integer(value: i64, text: &mut Vec<u8>) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A value in units of ten to the minus `scale`, with `printed` digits after the point.
fn print_decimal(value: i128, scale: usize, printed: usize, text: &mut Vec<u8>) {
    if value < 0 {
        text.push(b'-');
    }
    let power = 10u64.pow(scale as u32);
    let value = value.unsigned_abs();
    let fraction = if let Ok(value) = u64::try_from(value) {
        // Nearly all; dividing 128 bits is slow.
        text.extend_from_slice(itoa::Buffer::new().format(value / power).as_bytes());
        value % power
    } else {
        text.extend_from_slice(itoa::Buffer::new().format(value / u128::from(power)).as_bytes());
        (value % u128::from(power)) as u64
    };
    if printed > 0 {
        text.push(b'.');
        print_padded(fraction, printed, text);
    }
}

/// A number in exactly this many digits.
fn print_padded(mut value: u64, digits: usize, text: &mut Vec<u8>) {
    let start = text.len();
    text.resize(start + digits, b'0');
    for digit in text[start..].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// The days from 1970 to 2069 as they are printed.
static DATES: LazyLock<Vec<[u8; 10]>> = LazyLock::new(|| {
    let days = NaiveDate::default().iter_days().take_while(|day| day.year() < 2070);
    let print = |day: NaiveDate| {
        let mut text = Vec::with_capacity(10);
        print_day(day, &mut text);
        text.try_into().unwrap_or([b'0'; 10])
    };
    days.map(print).collect()
});

fn print_date(days: i32, text: &mut Vec<u8>) {
    let known = usize::try_from(days).ok().and_then(|days| DATES.get(days));
    if let Some(date) = known {
        text.extend_from_slice(date);
    } else if let Some(day) = if days < 0 {
        NaiveDate::default().checked_sub_days(Days::new(days.unsigned_abs().into()))
    } else {
        NaiveDate::default().checked_add_days(Days::new(days.unsigned_abs().into()))
    } {
        print_day(day, text);
    }
}

fn print_day(day: NaiveDate, text: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(text, "{:04}-{:02}-{:02}", day.year(), day.month(), day.day());
}

/// Microseconds since 1970, as SQL prints a timestamp; with a fraction if there is one.
fn print_timestamp(micros: i64, text: &mut Vec<u8>) {
    let Some(time) = DateTime::from_timestamp_micros(micros) else { return };
    print_date(micros.div_euclid(86_400_000_000) as i32, text);
    for (before, value) in [(b' ', time.hour()), (b':', time.minute()), (b':', time.second())] {
        text.push(before);
        print_padded(value.into(), 2, text);
    }
    let fraction = micros.rem_euclid(1_000_000) as u64;
    if fraction > 0 {
        text.push(b'.');
        print_padded(fraction, 6, text);
    }
}

/// A string, in quotes if it could be misread; an empty one is quoted, because it is not null.
fn print_quoted(value: &str, delimiter: u8, text: &mut Vec<u8>) {
    // Looks at all bytes, because that is done many at a time.
    let special = |found, &byte: &u8| found | (byte == delimiter) | matches!(byte, b'"' | b'\n' | b'\r');
    if !value.is_empty() && !value.as_bytes().iter().fold(false, special) {
        text.extend_from_slice(value.as_bytes());
        return;
    }
    text.push(b'"');
    for &byte in value.as_bytes() {
        if byte == b'"' {
            text.push(b'"');
        }
        text.push(byte);
    }
    text.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Schema;
    use std::sync::Arc;

    fn printed(dialect: Dialect) -> String {
        let columns: Vec<(&str, Arc<dyn Array>)> = vec![
            ("i", Arc::new(Int32Array::from(vec![Some(-7), None]))),
            ("b", Arc::new(Int64Array::from(vec![i64::MIN, 0]))),
            ("f", Arc::new(Float64Array::from(vec![0.1, 1e20]))),
            ("t", Arc::new(BooleanArray::from(vec![true, false]))),
            ("l_quantity", decimals(vec![-1700, 5])),
            ("d", decimals(vec![-5, 123_456_789_012_345])),
            ("day", Arc::new(Date32Array::from(vec![-1, 47_482]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![-1, 86_400_000_000 + 3_661_000_000]))),
            ("s", Arc::new(StringArray::from(vec!["a \"b\", c|", ""]))),
        ];
        let fields: Vec<_> =
            columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let mut text = Vec::new();
        print(&batch, dialect, &mut text);
        String::from_utf8(text).unwrap()
    }

    fn decimals(hundredths: Vec<i128>) -> Arc<dyn Array> {
        Arc::new(Decimal128Array::from(hundredths).with_precision_and_scale(15, 2).unwrap())
    }

    #[test]
    fn values_are_printed_as_sql_reads_them() {
        assert_eq!(
            printed(Dialect::Csv(b',')),
            "-7,-9223372036854775808,0.1,true,-17.00,-0.05,1969-12-31,1969-12-31 23:59:59.999999,\"a \"\"b\"\", c|\"\n\
             ,0,100000000000000000000,false,0.05,1234567890123.45,2100-01-01,1970-01-02 01:01:01,\"\"\n"
        );
        assert_eq!(
            printed(Dialect::Tbl),
            "-7|-9223372036854775808|0.1|true|-17|-0.05|1969-12-31|1969-12-31 23:59:59.999999|a \"b\", c||\n\
             |0|100000000000000000000|false|0|1234567890123.45|2100-01-01|1970-01-02 01:01:01||\n"
        );
    }
}
