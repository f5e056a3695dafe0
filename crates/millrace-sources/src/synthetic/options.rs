//! What options of several sources have in common.

use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::temporal_conversions::timestamp_us_to_datetime;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt::Display;
use std::ops::RangeInclusive;

/// More rows than any disk holds.
pub const MAX_ROWS: u64 = 1_000_000_000_000_000;

/// 9999-12-31 23:59:59.999999, in microseconds since 1970.
const MAX_TIMESTAMP: i64 = 253_402_300_799_999_999;

/// An error if a value is not in the range of its option.
pub fn check<N: PartialOrd + Display>(name: &str, value: &N, range: RangeInclusive<N>) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    Err(format!("{name} must be from {} to {}, not {value}", range.start(), range.end()))
}

/// The number of rows that an option asks for; without it, the largest there can be.
pub fn rows_or(rows: Option<u64>, most: u128) -> Result<u64, String> {
    let Some(rows) = rows else {
        return Ok(u64::try_from(most).unwrap_or(MAX_ROWS).clamp(1, MAX_ROWS));
    };
    check("rows", &rows, 1..=MAX_ROWS)?;
    Ok(rows)
}

/// A time of day of some date, without time zone.
#[derive(Debug, Clone, Copy)]
pub struct Timestamp {
    /// Since 1970.
    pub microseconds: i64,
}

impl Timestamp {
    /// 2024-01-01 00:00:00.
    pub const DEFAULT: Timestamp = Timestamp { microseconds: 1_704_067_200_000_000 };

    /// The microseconds from here to the end of the year 9999.
    pub fn microseconds_left(self) -> u128 {
        (i128::from(MAX_TIMESTAMP) - i128::from(self.microseconds)).try_into().unwrap_or_default()
    }

    /// An error if a table that begins here ends after the year 9999, which other programs may not support.
    pub fn check_end(self, microseconds_later: u128) -> Result<(), String> {
        let end = i128::from(self.microseconds).saturating_add_unsigned(microseconds_later);
        if end > i128::from(MAX_TIMESTAMP) {
            return Err("the rows would end after the year 9999".to_owned());
        }
        Ok(())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = timestamp_us_to_datetime(self.microseconds).map(|datetime| datetime.to_string());
        serializer.serialize_str(&text.unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let nanoseconds = string_to_timestamp_nanos(&text).map_err(|_| {
            de::Error::custom(format!(
                "\"{text}\" is not a timestamp from 1678 to 2261 such as 2024-01-01 00:00:00"
            ))
        })?;
        Ok(Self { microseconds: nanoseconds.div_euclid(1_000) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn timestamps_come_back_as_they_went() {
        for text in ["2024-01-01 00:00:00", "1999-12-31 23:59:59.250"] {
            let timestamp: Timestamp = serde_json::from_value(json!(text)).unwrap();
            assert_eq!(json!(timestamp), json!(text));
        }
        assert_eq!(json!(Timestamp::DEFAULT), json!("2024-01-01 00:00:00"));
        let day: Timestamp = serde_json::from_value(json!("2024-02-30")).unwrap_or(Timestamp::DEFAULT);
        assert_eq!(json!(day), json!("2024-01-01 00:00:00"));
    }
}
