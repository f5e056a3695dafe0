//! Counts the lines of the tickets and orders of a sales channel, and those that are returned, without making them.

use crate::lehmer::{Draws, Stream};
use std::ops::Range;

/// A channel of sales: a unit is a ticket or an order.
pub struct Channel {
    /// Draws the number of lines of a unit.
    line_count: Stream,
    fewest: u64,
    most: u64,
    /// Draws for each line whether it is returned.
    returned: Stream,
}

/// How many of a hundred lines are returned.
const RETURNED: u64 = 10;

pub static STORE: Channel =
    Channel { line_count: column(323, 1), fewest: 8, most: 16, returned: column(336, 16) };
pub static CATALOG: Channel =
    Channel { line_count: column(92, 1), fewest: 4, most: 14, returned: column(112, 14) };
pub static WEB: Channel =
    Channel { line_count: column(426, 1), fewest: 8, most: 16, returned: column(445, 16) };

/// dsdgen's stream for one of its numbered columns.
const fn column(number: u64, draws_per_row: u32) -> Stream {
    const BASE: u64 = 19_620_718;
    const STEP: u64 = (i32::MAX / 799) as u64;
    Stream::new(BASE + number * STEP, draws_per_row)
}

impl Channel {
    /// The mean number of lines of a unit.
    pub const fn mean(&self) -> f64 {
        (self.fewest + self.most) as f64 / 2.0
    }

    /// The mean number of lines of a unit that are returned.
    pub const fn mean_returned(&self) -> f64 {
        self.mean() * RETURNED as f64 / 100.0
    }

    /// How many orders with a returned line there are for each line that is returned.
    pub fn orders_per_return(&self) -> f64 {
        let none_returned = (1.0 - RETURNED as f64 / 100.0).powf(self.mean());
        (1.0 - none_returned) / self.mean_returned()
    }

    fn counts(&self, units: &Range<u64>) -> impl Iterator<Item = u64> {
        let count = |mut draws: Draws| draws.remainder(self.fewest, self.most);
        self.line_count.rows(units.start).take((units.end - units.start) as usize).map(count)
    }

    /// The number of lines in a range of units.
    pub fn lines(&self, units: &Range<u64>) -> u64 {
        self.counts(units).sum()
    }

    /// The number of lines in a range of units that are returned.
    pub fn returns(&self, units: &Range<u64>) -> u64 {
        let of_unit = |(lines, mut draws): (u64, Draws)| {
            (0..lines).filter(|_| draws.remainder(0, 99) < RETURNED).count() as u64
        };
        self.counts(units).zip(self.returned.rows(units.start)).map(of_unit).sum()
    }
}
