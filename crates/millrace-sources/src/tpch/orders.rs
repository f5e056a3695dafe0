//! `orders`: 1,500,000 rows per scale factor.

use super::lines::{self, Lines, MAX_LINES};
use super::{CUSTOMERS, PARTS, Scale, Table, array, part, refers, statistics};
use crate::lehmer::Stream;
use crate::source::with_plain_strings;
use crate::{ColumnStatistics, Reference};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::distribution::Distributions;
use tpchgen::generators::ClerkName;
use tpchgen_arrow::OrderArrow;

const CUSTOMER: Stream = Stream::new(851_767_375, 1);
const PRIORITY: Stream = Stream::new(591_449_447, 1);
const CLERK: Stream = Stream::new(1_171_034_773, 1);
const COMMENT: Stream = Stream::new(276_090_261, 2);

/// Bounds of the orders' totals, in hundredths, at scale factor 1, since a sum of products has no simple formula. The first
/// and the last are the least and the largest possible total.
const TOTALS: [i64; 21] = [
    81_000, 2_219_106, 3_876_846, 5_235_696, 6_510_676, 7_789_474, 9_095_934, 10_438_420, 11_776_153,
    13_098_795, 14_440_902, 15_790_652, 17_161_479, 18_563_850, 20_019_752, 21_550_050, 23_216_942,
    25_086_033, 27_370_132, 30_576_687, 60_000_000,
];
/// About this many totals are equally likely.
const TOTALS_TOLD_APART: f64 = 35e6;

/// Every third customer never orders.
const CUSTOMER_MORTALITY: i64 = 3;

pub struct Orders {
    scale: Scale,
}

impl Table for Orders {
    const NAME: &'static str = "orders";
    const ROW_TYPE: &'static str = "tpch_orders";
    const ABOUT: &'static str = "TPC-H orders: 1,500,000 rows per scale factor";
    const REFERENCES: &'static [Reference] = &[refers(&["o_custkey"], "customer", &["c_custkey"])];

    type Rows = Lines;

    fn schema() -> SchemaRef {
        with_plain_strings(&OrderArrow::schema_ref())
    }

    fn new(scale: Scale) -> Self {
        Self { scale }
    }

    fn units(&self) -> u64 {
        lines::orders(self.scale)
    }

    fn rows(&self, units: Range<u64>) -> Lines {
        Lines::new(units, self.scale)
    }

    fn column(&self, name: &str, lines: &Lines) -> ArrayRef {
        let units = &lines.orders;
        match name {
            "o_orderkey" => array::int64(lines.order_keys()),
            "o_custkey" => array::int64(self.customers(units)),
            "o_orderstatus" => array::strings(statuses(lines)),
            "o_totalprice" => array::decimal(totals(lines)),
            "o_orderdate" => array::date(lines.order_dates().iter().copied()),
            "o_orderpriority" => {
                array::words(PRIORITY, units, Distributions::static_default().order_priority())
            }
            "o_clerk" => {
                let clerks = array::numbers(CLERK, units, 1, self.clerks());
                array::formatted(clerks.map(|clerk| ClerkName::new(clerk as i32)))
            }
            "o_shippriority" => array::int32(units.clone().map(|_| 0)),
            "o_comment" => array::texts(array::draws(COMMENT, units), 49.0),
            _ => unreachable!("orders has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        let orders = (units.end - units.start) as f64;
        match name {
            "o_orderkey" => ColumnStatistics::unique().within(array::int64(lines::order_key_ends(units))),
            "o_custkey" => {
                let customers = self.scale.rows(CUSTOMERS) as i64;
                let living = customers - customers / CUSTOMER_MORTALITY;
                ColumnStatistics::drawn(orders, living as f64)
                    .within(array::int64([1, living_customer(customers, customers)]))
            }
            "o_orderstatus" => status_statistics(),
            "o_totalprice" => self.total_statistics(orders),
            "o_orderdate" => lines::date_statistics(orders, (0, 0)),
            "o_orderpriority" => statistics::words(Distributions::static_default().order_priority()),
            "o_clerk" => {
                let names = statistics::steps((1, self.clerks()))
                    .into_iter()
                    .map(|clerk| ClerkName::new(clerk as i32));
                ColumnStatistics::drawn(orders, self.clerks() as f64).within(array::formatted(names))
            }
            "o_shippriority" => ColumnStatistics::among(array::int32([0])),
            "o_comment" => statistics::texts(1.0, 49.0),
            _ => ColumnStatistics::default(),
        }
    }
}

impl Orders {
    fn clerks(&self) -> i64 {
        (self.scale.factor() * 1000.0).max(1000.0) as i64
    }

    /// Totals follow the parts' prices, which are lower the fewer parts there are.
    fn total_statistics(&self, orders: f64) -> ColumnStatistics {
        let mean_price = |parts| {
            let prices = part::prices(&(0..parts));
            prices.iter().sum::<i64>() as f64 / prices.len() as f64
        };
        let factor = mean_price(self.scale.rows(PARTS)) / mean_price(u64::from(PARTS));
        let bounds = TOTALS.map(|total| (total as f64 * factor) as i64);
        ColumnStatistics::drawn(orders, TOTALS_TOLD_APART).within(array::decimal(bounds))
    }

    fn customers(&self, units: &Range<u64>) -> impl Iterator<Item = i64> + use<> {
        let last = self.scale.rows(CUSTOMERS) as i64;
        let wide = self.scale.draws_64_bits();
        array::draws(CUSTOMER, units).map(move |mut draws| {
            let drawn = if wide { draws.number_64_bits(1, last) } else { draws.number(1, last) };
            living_customer(drawn, last)
        })
    }
}

/// The nearest customer who orders at all: the next after the one drawn or, at the end, the one before.
fn living_customer(mut customer: i64, last: i64) -> i64 {
    let mut step = 1;
    while customer % CUSTOMER_MORTALITY == 0 {
        customer = (customer + step).min(last);
        step = -step;
    }
    customer
}

/// `F` if all lines are shipped, `O` if none is, else `P`.
fn statuses(lines: &Lines) -> impl Iterator<Item = &'static str> {
    let mut ship_dates = lines.ship_dates().iter();
    lines.counts().iter().map(move |&count| {
        let shipped = ship_dates.by_ref().take(count as usize).filter(|&&date| lines::is_past(date)).count();
        match shipped {
            0 => "O",
            shipped if shipped == count as usize => "F",
            _ => "P",
        }
    })
}

/// An order is `F` if each of its lines is shipped, by its own draw; there are as many orders
/// before the current date as after it, so `O` is as frequent.
fn status_statistics() -> ColumnStatistics {
    let counts = 1..=MAX_LINES as i32;
    let finished = lines::mean_over_dates(|shipped| counts.clone().map(|count| shipped.powi(count)).sum())
        / f64::from(MAX_LINES);
    ColumnStatistics::weighted(
        array::strings(["F", "O", "P"]),
        vec![finished, finished, 1.0 - 2.0 * finished],
    )
}

/// The sum over an order's lines, each with discount and tax, each rounded down to the hundredth.
fn totals(lines: &Lines) -> impl Iterator<Item = i64> {
    let mut charges = lines
        .extended_prices()
        .zip(lines.discounts())
        .zip(lines.taxes())
        .map(|((price, discount), tax)| price * (100 - discount) / 100 * (100 + tax) / 100);
    lines.counts().iter().map(move |&count| charges.by_ref().take(count as usize).sum())
}
