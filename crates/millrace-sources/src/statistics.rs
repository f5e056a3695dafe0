//! What is known about a column's values without making them.

use arrow::array::{Array, ArrayRef};

/// What a source knows about one column over a range of its units. By default it knows only that no value is null.
///
/// Everything here follows from how the values are drawn, so it takes microseconds at most and makes no rows (except for
/// [`ColumnStatistics::bounds`]).
#[derive(Debug, Clone, Default)]
pub struct ColumnStatistics {
    /// The share of rows whose value is null, from 0 to 1.
    pub null_fraction: f64,
    /// The number of distinct values, not counting nulls.
    pub distinct: Distinct,
    /// The most common values, if there are few.
    pub common: Option<CommonValues>,
    /// Ascending values of the column's type that cut its rows, without those of common values, into equal shares. The first
    /// is no larger than any value, the last no smaller; strings are in the order of their bytes. Two are enough if values
    /// are spread evenly.
    ///
    /// If there is no formula, these may be values drawn for this purpose, at most a hundred.
    pub bounds: Option<ArrayRef>,
    /// The mean length in bytes of strings; `None` if common values or bounds tell it, or for other types.
    pub mean_length: Option<f64>,
}

/// A number of distinct values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Distinct {
    /// Not known.
    #[default]
    Unknown,
    /// A number, which does not depend on which rows are considered.
    Number(f64),
    /// A share of the number of rows, from 0 to 1; with 1 all rows differ.
    Share(f64),
}

impl Distinct {
    /// The number of distinct values among this many rows, if it is known.
    pub fn among(self, rows: f64) -> Option<f64> {
        match self {
            Distinct::Unknown => None,
            Distinct::Number(number) => Some(number),
            Distinct::Share(share) => Some(share * rows),
        }
    }
}

/// Values and how often each occurs.
#[derive(Debug, Clone)]
pub struct CommonValues {
    /// Values of the column's type.
    pub values: ArrayRef,
    /// The share of rows, from 0 to 1, that has each of the values; descending.
    pub shares: Vec<f64>,
}

impl ColumnStatistics {
    /// A column with this many distinct values.
    pub fn of(distinct: Distinct) -> Self {
        Self { distinct, ..Self::default() }
    }

    /// A column whose rows all differ.
    pub fn unique() -> Self {
        Self::of(Distinct::Share(1.0))
    }

    /// A column of `rows` values, each drawn evenly from `values`.
    pub fn drawn(rows: f64, values: f64) -> Self {
        Self::of(Distinct::Number(expected_distinct(rows, values)))
    }

    /// A column of these values and no others, each equally often.
    pub fn among(values: ArrayRef) -> Self {
        let shares = vec![1.0 / values.len().max(1) as f64; values.len()];
        Self::weighted(values, shares)
    }

    /// A column of these values and no others, in these shares of the rows, descending.
    pub fn weighted(values: ArrayRef, shares: Vec<f64>) -> Self {
        debug_assert!(values.len() == shares.len() && shares.is_sorted_by(|one, next| one >= next));
        let distinct = Distinct::Number(values.len() as f64);
        Self { distinct, common: Some(CommonValues { values, shares }), ..Self::default() }
    }

    /// With [`ColumnStatistics::bounds`].
    #[must_use]
    pub fn within(self, bounds: ArrayRef) -> Self {
        Self { bounds: Some(bounds), ..self }
    }

    /// With [`ColumnStatistics::mean_length`].
    #[must_use]
    pub fn of_length(self, mean_length: f64) -> Self {
        Self { mean_length: Some(mean_length), ..self }
    }
}

/// The expected number of distinct values when `draws` values are drawn evenly from `values`.
pub fn expected_distinct(draws: f64, values: f64) -> f64 {
    // The chance of a value not to be drawn is (1 - 1/values)^draws.
    (values * -(-draws / values).exp_m1()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_draws_differ_and_many_draw_everything() {
        let close =
            |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 0.01, "{got} {expected}");
        close(expected_distinct(10.0, 1e9), 10.0);
        close(expected_distinct(1e9, 10.0), 10.0);
        // n draws from n values miss 1/e of them.
        close(expected_distinct(1000.0, 1000.0), 632.1);
    }
}
