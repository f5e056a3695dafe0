//! The lines of a range of orders: what `lineitem` consists of and what order totals are summed from.

use super::statistics::{self, Ends};
use super::{ORDERS, PARTS, Scale, array};
use crate::ColumnStatistics;
use crate::lehmer::{Draws, Stream};
use std::cell::OnceCell;
use std::ops::Range;
use tpchgen::dates::MIN_GENERATE_DATE;
use tpchgen::generators::{OrderGenerator, PartGeneratorIterator};

/// The most lines an order can have; each order owns this many draws in each stream of lines.
pub const MAX_LINES: u32 = 7;
const LINES: usize = MAX_LINES as usize;

const LINE_COUNT: Stream = Stream::new(1_434_868_289, 1);
const ORDER_DATE: Stream = Stream::new(1_066_728_069, 1);
const QUANTITY: Stream = Stream::new(209_208_115, MAX_LINES);
const DISCOUNT: Stream = Stream::new(554_590_007, MAX_LINES);
const TAX: Stream = Stream::new(721_958_466, MAX_LINES);
const PART_KEY: Stream = Stream::new(1_808_217_256, MAX_LINES);
const SHIP_DATE: Stream = Stream::new(1_769_349_045, MAX_LINES);

/// The difference between the key of a refresh set's order and that of the table's order with the same number.
const REFRESH_KEY: i64 = 8;

/// 1992-01-01 to 1998-08-02 in dbgen's day numbers: no line is received after 1998-12-31.
const ORDER_DATES: Ends = (MIN_GENERATE_DATE as i64, MIN_GENERATE_DATE as i64 + 2405);

/// The specification's current date, 1995-06-17, in dbgen's day numbers.
const CURRENT_DATE: i64 = MIN_GENERATE_DATE as i64 + 1263;
/// Days from an order to the shipment and to the commitment of a line, and from the shipment to the receipt.
pub const SHIP_DAYS: Ends = (1, 121);
pub const COMMIT_DAYS: Ends = (30, 90);
pub const RECEIPT_DAYS: Ends = (1, 30);

/// The number of lines in a range of orders.
pub fn count(orders: Range<u64>) -> u64 {
    line_counts(&orders).sum::<i64>() as u64
}

/// The mean number of lines of an order: they are drawn evenly from 1 to 7.
pub const MEAN: f64 = 4.0;

fn line_counts(orders: &Range<u64>) -> impl Iterator<Item = i64> + use<> {
    array::numbers(LINE_COUNT, orders, 1, i64::from(MAX_LINES))
}

pub fn orders(scale: Scale) -> u64 {
    scale.rows(ORDERS)
}

/// Whether a day, in dbgen's numbers, is not after the current date.
pub fn is_past(day: i64) -> bool {
    day <= CURRENT_DATE
}

/// The first and the last key of a range of orders.
pub fn order_key_ends(orders: &Range<u64>) -> [i64; 2] {
    statistics::ends(statistics::key_ends(orders)).map(OrderGenerator::make_order_key)
}

/// What is known about dates that are `days` after their order's.
pub fn date_statistics(rows: f64, days: Ends) -> ColumnStatistics {
    let dates = statistics::sums(ORDER_DATES, days);
    let possible = (dates[dates.len() - 1] - dates[0] + 1) as f64;
    ColumnStatistics::drawn(rows, possible).within(array::date(dates))
}

/// The share of dates, `days` after their order's, that are not after the current date. (`days` are fewer than
/// the order dates after it.)
pub fn past_share(days: Ends) -> f64 {
    let mean = (days.0 + days.1) as f64 / 2.0;
    ((CURRENT_DATE - ORDER_DATES.0 + 1) as f64 - mean) / (ORDER_DATES.1 - ORDER_DATES.0 + 1) as f64
}

/// The mean over all order dates of a function of the share of an order's lines that are shipped by the current date.
pub fn mean_over_dates(of_shipped: impl Fn(f64) -> f64) -> f64 {
    let (first, last) = ORDER_DATES;
    let shipped = |date: i64| (CURRENT_DATE - date).clamp(0, SHIP_DAYS.1) as f64 / SHIP_DAYS.1 as f64;
    (first..=last).map(|date| of_shipped(shipped(date))).sum::<f64>() / (last - first + 1) as f64
}

/// A range of orders and their lines. What several columns need is drawn once.
pub struct Lines {
    /// Where the orders' draws are in the random streams.
    pub orders: Range<u64>,
    scale: Scale,
    counts: OnceCell<Vec<u32>>,
    order_dates: OnceCell<Vec<i64>>,
    quantities: OnceCell<Vec<i64>>,
    part_keys: OnceCell<Vec<i64>>,
    ship_dates: OnceCell<Vec<i64>>,
}

impl Lines {
    pub fn new(orders: Range<u64>, scale: Scale) -> Self {
        Self {
            orders,
            scale,
            counts: OnceCell::new(),
            order_dates: OnceCell::new(),
            quantities: OnceCell::new(),
            part_keys: OnceCell::new(),
            ship_dates: OnceCell::new(),
        }
    }

    /// The number of lines of each order.
    pub fn counts(&self) -> &[u32] {
        self.counts.get_or_init(|| line_counts(&self.orders).map(|count| count as u32).collect())
    }

    /// One value for each line that exists, given the values of all lines that each order could have.
    fn per_line<V: Copy + Default>(&self, per_order: impl Iterator<Item = [V; LINES]>) -> Vec<V> {
        let counts = self.counts();
        let mut values = vec![V::default(); counts.len() * LINES];
        let mut filled = 0;
        for (&count, of_order) in counts.iter().zip(per_order) {
            // Writes all seven, because no processor can predict how many there are; the next order overwrites the surplus.
            values[filled..filled + LINES].copy_from_slice(&of_order);
            filled += count as usize;
        }
        values.truncate(filled);
        values
    }

    /// One value per line, drawn from the line's own share of the draws in `stream`.
    pub fn draw<V>(&self, stream: Stream, mut value: impl FnMut(&mut Draws) -> V) -> Vec<V> {
        let draws = self.per_line(stream.lines(self.orders.start));
        draws.into_iter().map(|mut draws| value(&mut draws)).collect()
    }

    /// One value per line, an order's lines drawing from `stream` one after the other.
    pub fn draw_in_turn<V>(&self, stream: Stream, mut value: impl FnMut(&mut Draws) -> V) -> Vec<V> {
        let counts = self.counts();
        let mut values = Vec::with_capacity(counts.len() * LINES);
        for (&count, mut draws) in counts.iter().zip(stream.rows(self.orders.start)) {
            values.extend((0..count).map(|_| value(&mut draws)));
        }
        values
    }

    /// Each order's value, repeated for each of its lines.
    pub fn repeat<V: Copy + Default>(&self, per_order: impl IntoIterator<Item = V>) -> Vec<V> {
        self.per_line(per_order.into_iter().map(|value| [value; LINES]))
    }

    /// Each line's number in its order, counted from 1.
    pub fn numbers(&self) -> Vec<i64> {
        self.per_line(std::iter::repeat(std::array::from_fn(|line| line as i64 + 1)))
    }

    /// One date per order, in dbgen's day numbers.
    pub fn order_dates(&self) -> &[i64] {
        let (first, last) = ORDER_DATES;
        self.order_dates.get_or_init(|| array::numbers(ORDER_DATE, &self.orders, first, last).collect())
    }

    pub fn quantities(&self) -> &[i64] {
        self.quantities.get_or_init(|| self.draw(QUANTITY, |draws| draws.number(1, 50)))
    }

    /// In hundredths.
    pub fn discounts(&self) -> Vec<i64> {
        self.draw(DISCOUNT, |draws| draws.number(0, 10))
    }

    /// In hundredths.
    pub fn taxes(&self) -> Vec<i64> {
        self.draw(TAX, |draws| draws.number(0, 8))
    }

    pub fn part_keys(&self) -> &[i64] {
        self.part_keys.get_or_init(|| {
            let parts = self.scale.rows(PARTS) as i64;
            if self.scale.draws_64_bits() {
                self.draw_in_turn(PART_KEY, |draws| draws.number_64_bits(1, parts))
            } else {
                self.draw(PART_KEY, |draws| draws.number(1, parts))
            }
        })
    }

    /// Quantity times the part's price, in hundredths.
    pub fn extended_prices(&self) -> impl Iterator<Item = i64> {
        let price = |&part| PartGeneratorIterator::calculate_part_price(part);
        self.quantities()
            .iter()
            .zip(self.part_keys().iter().map(price))
            .map(|(quantity, price)| quantity * price)
    }

    /// In dbgen's day numbers.
    pub fn ship_dates(&self) -> &[i64] {
        self.ship_dates.get_or_init(|| {
            let days = self.draw(SHIP_DATE, |draws| draws.number(SHIP_DAYS.0, SHIP_DAYS.1));
            let dates = self.repeat(self.order_dates().iter().copied());
            days.into_iter().zip(dates).map(|(days, date)| days + date).collect()
        })
    }

    /// dbgen uses eight of every 32 keys. Orders beyond the table's belong to refresh sets, whose keys are the next eight.
    pub fn order_keys(&self) -> impl Iterator<Item = i64> + use<> {
        let total = orders(self.scale) as i64;
        array::keys(&self.orders).map(move |number| {
            if number <= total {
                OrderGenerator::make_order_key(number)
            } else {
                OrderGenerator::make_order_key(number - total) + REFRESH_KEY
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tpchgen::dates::TPCHDate;

    #[test]
    fn the_current_date_is_the_specifications() {
        for day in CURRENT_DATE - 1000..CURRENT_DATE + 1000 {
            assert_eq!(is_past(day), TPCHDate::is_in_past(day as i32), "{day}");
        }
    }
}
