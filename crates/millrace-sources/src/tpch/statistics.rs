//! Statistics that several of TPC-H's columns share.

use super::{array, text};
use crate::ColumnStatistics;
use std::ops::Range;
use tpchgen::distribution::Distribution;

/// The number of shares that bounds cut rows into if values are not spread evenly: a share is 5%.
const SHARES: i64 = 20;

/// The least and the largest of some numbers.
pub type Ends = (i64, i64);

/// The first and the last of dbgen's keys.
pub fn key_ends(units: &Range<u64>) -> Ends {
    (units.start as i64 + 1, units.end as i64)
}

/// Two ends, as the bounds of values spread evenly between them.
pub fn ends((least, largest): Ends) -> [i64; 2] {
    [least, largest]
}

/// Numbers spread evenly between two ends, as the bounds of strings with numbers in them: between strings the
/// planner interpolates badly.
pub fn steps(ends: Ends) -> Vec<i64> {
    sums(ends, (0, 0))
}

/// A column of a list's words, which all have the same weight.
pub fn words(list: &Distribution) -> ColumnStatistics {
    ColumnStatistics::among(array::strings(list.get_values().iter().copied()))
}

/// Texts of this mean length; this share of them is distinct.
pub fn texts(distinct: f64, mean_length: f64) -> ColumnStatistics {
    let (shortest, longest) = text::lengths(mean_length);
    ColumnStatistics::of(crate::Distinct::Share(distinct)).of_length((shortest + longest) as f64 / 2.0)
}

/// Addresses of random characters.
pub fn addresses() -> ColumnStatistics {
    ColumnStatistics::unique().of_length(25.0)
}

/// Telephone numbers, ten digits and the nation's two.
pub fn phones() -> ColumnStatistics {
    ColumnStatistics::unique().of_length(15.0)
}

/// Balances of accounts, from -999.99 to 9,999.99.
pub fn balances(rows: f64) -> ColumnStatistics {
    const BALANCES: Ends = (-99_999, 999_999);
    ColumnStatistics::drawn(rows, 1_099_999.0).within(array::decimal(ends(BALANCES)))
}

/// Bounds of the sums of two evenly spread numbers, the first of which has by far the wider spread: except for
/// the outermost shares, that is the spread of the first, shifted by the mean of the second.
pub fn sums(wide: Ends, narrow: Ends) -> Vec<i64> {
    let (width, shift) = ((wide.1 - wide.0) as f64, (narrow.0 + narrow.1) as f64 / 2.0);
    let bound = |share| match share {
        0 => wide.0 + narrow.0,
        SHARES => wide.1 + narrow.1,
        _ => wide.0 + (width * share as f64 / SHARES as f64 + shift) as i64,
    };
    (0..=SHARES).map(bound).collect()
}

/// Bounds of all products of two sets of numbers, each as likely as any other.
pub fn products(ones: Range<i64>, others: &[i64]) -> Vec<i64> {
    let mut products: Vec<i64> = ones.flat_map(|one| others.iter().map(move |other| one * other)).collect();
    products.sort_unstable();
    let last = products.len() - 1;
    (0..=SHARES as usize).map(|share| products[last * share / SHARES as usize]).collect()
}

/// The remainders of a range of numbers.
pub fn remainders((least, largest): Ends, divisor: i64) -> Ends {
    if largest - least >= divisor || largest % divisor < least % divisor {
        (0, divisor - 1)
    } else {
        (least % divisor, largest % divisor)
    }
}
