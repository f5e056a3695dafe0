//! `orders`: 1,500,000 rows per scale factor.

use super::lines::{self, Lines};
use super::random::Stream;
use super::{CUSTOMERS, Scale, Table, array};
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

/// Every third customer never orders.
const CUSTOMER_MORTALITY: i64 = 3;

pub struct Orders {
    scale: Scale,
}

impl Table for Orders {
    const NAME: &'static str = "orders";
    const ABOUT: &'static str = "TPC-H orders: 1,500,000 rows per scale factor";

    type Rows = Lines;

    fn schema() -> SchemaRef {
        array::schema(OrderArrow::schema_ref())
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
                let clerks = (self.scale.factor() * 1000.0).max(1000.0) as i64;
                array::formatted(
                    array::numbers(CLERK, units, 1, clerks).map(|clerk| ClerkName::new(clerk as i32)),
                )
            }
            "o_shippriority" => array::int32(units.clone().map(|_| 0)),
            "o_comment" => array::texts(array::draws(COMMENT, units), 49.0),
            _ => unreachable!("orders has no column {name}"),
        }
    }
}

impl Orders {
    fn customers(&self, units: &Range<u64>) -> impl Iterator<Item = i64> + use<> {
        let last = self.scale.rows(CUSTOMERS) as i64;
        let wide = self.scale.draws_64_bits();
        array::draws(CUSTOMER, units).map(move |mut draws| {
            let drawn = if wide { draws.number_64_bits(1, last) } else { draws.number(1, last) };
            living_customer(drawn, last)
        })
    }
}

/// The customer nearest to the one drawn who orders at all: the next one or, at the end, the one before.
fn living_customer(mut customer: i64, last: i64) -> i64 {
    let mut step = 1;
    while customer % CUSTOMER_MORTALITY == 0 {
        customer = (customer + step).min(last);
        step = -step;
    }
    customer
}

/// `F` where all lines are shipped, `O` where none is, `P` between.
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

/// The sum over an order's lines, each with discount and tax, each rounded down to the hundredth.
fn totals(lines: &Lines) -> impl Iterator<Item = i64> {
    let mut charges = lines
        .extended_prices()
        .zip(lines.discounts())
        .zip(lines.taxes())
        .map(|((price, discount), tax)| price * (100 - discount) / 100 * (100 + tax) / 100);
    lines.counts().iter().map(move |&count| charges.by_ref().take(count as usize).sum())
}
