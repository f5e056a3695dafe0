//! Splitting a table as dbgen does.

use crate::Error;
use std::fmt::{Display, Formatter};
use std::ops::Range;

/// One part of a table: dbgen's `-S part -C parts`, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    part: u64,
    parts: u64,
}

impl Part {
    /// The whole table.
    pub const WHOLE: Part = Part { part: 1, parts: 1 };

    /// Part `part` of `parts`, counted from 1.
    pub fn new(part: i64, parts: i64) -> Result<Self, Error> {
        if part < 1 || part > parts {
            return Err(Error::Part { part, parts });
        }
        Ok(Self { part: part as u64, parts: parts as u64 })
    }

    /// Whether it is the whole table.
    pub fn is_whole(self) -> bool {
        self.parts == 1
    }

    /// The units of this part in a table of `total` units.
    ///
    /// All parts have the same size, except the last, which also takes the remainder, as in dbgen.
    pub fn units(self, total: u64) -> Range<u64> {
        let size = total / self.parts;
        let start = size * (self.part - 1);
        let end = if self.part == self.parts { total } else { start + size };
        start..end
    }
}

/// The share of some units that one of several processes makes; `number` counts from 0. `None` if there is no
/// such number. No two shares differ by more than a unit.
pub fn share(units: Range<u64>, number: u64, count: u64) -> Option<Range<u64>> {
    let length = u128::from(units.end.saturating_sub(units.start));
    let start = |number: u64| units.start + (length * u128::from(number) / u128::from(count)) as u64;
    (number < count).then(|| start(number)..start(number + 1))
}

impl Display for Part {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of {}", self.part, self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_join_to_the_whole() {
        for total in [0, 1, 5, 24, 1_500_000] {
            for parts in [1, 2, 7, 25, 1000] {
                let mut next = 0;
                for part in 1..=parts {
                    let units = Part::new(part, parts).unwrap().units(total);
                    assert_eq!(units.start, next);
                    next = units.end;
                }
                assert_eq!(next, total);
            }
        }
    }

    #[test]
    fn shares_join_to_the_whole_and_are_even() {
        for units in [0..0, 7..12, 0..25, 1_000..1_500_003, 0..u64::MAX] {
            for count in [1, 2, 3, 7, 1000] {
                let shares: Vec<_> =
                    (0..count).map(|number| share(units.clone(), number, count).unwrap()).collect();
                assert_eq!((shares[0].start, shares[shares.len() - 1].end), (units.start, units.end));
                assert!(shares.windows(2).all(|two| two[0].end == two[1].start));
                let lengths = shares.iter().map(|share| share.end - share.start);
                assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
            }
        }
        assert_eq!(share(0..10, 3, 3), None);
        assert_eq!(share(0..10, 0, 0), None);
    }

    #[test]
    fn a_part_outside_its_parts_is_refused() {
        for (part, parts) in [(0, 1), (2, 1), (-1, 3), (1, 0), (1, -5)] {
            assert!(matches!(Part::new(part, parts), Err(Error::Part { .. })), "{part} of {parts}");
        }
    }
}
