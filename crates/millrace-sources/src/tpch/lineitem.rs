//! `lineitem`: one to seven lines for each order, so a unit is an order.

use super::lines::{self, COMMIT_DAYS, Lines, MAX_LINES, RECEIPT_DAYS, SHIP_DAYS};
use super::statistics::Ends;
use super::{PARTS, SUPPLIERS, Scale, Table, array, part, refers, statistics, text};
use crate::lehmer::Stream;
use crate::source::with_plain_strings;
use crate::{ColumnStatistics, Distinct, Reference};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::distribution::{Distribution, Distributions};
use tpchgen::generators::PartSuppGeneratorIterator;
use tpchgen_arrow::LineItemArrow;

const SUPPLIER: Stream = Stream::new(2_095_021_727, MAX_LINES);
const COMMIT_DATE: Stream = Stream::new(904_914_315, MAX_LINES);
const RECEIPT_DATE: Stream = Stream::new(373_135_028, MAX_LINES);
const RETURN_FLAG: Stream = Stream::new(717_419_739, MAX_LINES);
const INSTRUCTION: Stream = Stream::new(1_371_272_478, MAX_LINES);
const MODE: Stream = Stream::new(675_466_456, MAX_LINES);
const COMMENT: Stream = Stream::new(1_095_462_486, 2 * MAX_LINES);

/// Days from an order to the receipt of a line.
const DAYS_TO_RECEIPT: Ends = (SHIP_DAYS.0 + RECEIPT_DAYS.0, SHIP_DAYS.1 + RECEIPT_DAYS.1);

/// Counting the lines of up to this many orders is fast enough for a planner.
const QUICKLY_COUNTED: u64 = 2_000_000;

pub struct LineItem {
    scale: Scale,
}

impl Table for LineItem {
    const NAME: &'static str = "lineitem";
    const ROW_TYPE: &'static str = "tpch_lineitem";
    const ABOUT: &'static str = "TPC-H order lines: about 6,000,000 rows per scale factor";
    const ROWS_PER_UNIT: f64 = lines::MEAN;
    const REFERENCES: &'static [Reference] = &[
        refers(&["l_orderkey"], "orders", &["o_orderkey"]),
        refers(&["l_partkey", "l_suppkey"], "partsupp", &["ps_partkey", "ps_suppkey"]),
    ];

    type Rows = Lines;

    fn schema() -> SchemaRef {
        with_plain_strings(&LineItemArrow::schema_ref())
    }

    fn new(scale: Scale) -> Self {
        Self { scale }
    }

    fn units(&self) -> u64 {
        lines::orders(self.scale)
    }

    fn count(&self, units: Range<u64>) -> u64 {
        lines::count(units)
    }

    fn estimate(&self, units: Range<u64>) -> u64 {
        let orders = units.end - units.start;
        if orders <= QUICKLY_COUNTED { self.count(units) } else { (orders as f64 * lines::MEAN) as u64 }
    }

    fn rows(&self, units: Range<u64>) -> Lines {
        Lines::new(units, self.scale)
    }

    fn column(&self, name: &str, lines: &Lines) -> ArrayRef {
        let words = Distributions::static_default();
        match name {
            "l_orderkey" => array::int64(lines.repeat(lines.order_keys())),
            "l_partkey" => array::int64(lines.part_keys().iter().copied()),
            "l_suppkey" => array::int64(self.suppliers(lines)),
            "l_linenumber" => array::int32(lines.numbers()),
            "l_quantity" => array::decimal(lines.quantities().iter().map(|quantity| quantity * 100)),
            "l_extendedprice" => array::decimal(lines.extended_prices()),
            "l_discount" => array::decimal(lines.discounts()),
            "l_tax" => array::decimal(lines.taxes()),
            "l_returnflag" => array::strings(return_flags(lines)),
            "l_linestatus" => array::strings(
                lines.ship_dates().iter().map(|&date| if lines::is_past(date) { "F" } else { "O" }),
            ),
            "l_shipdate" => array::date(lines.ship_dates().iter().copied()),
            "l_commitdate" => array::date(commit_dates(lines)),
            "l_receiptdate" => array::date(receipt_dates(lines)),
            "l_shipinstruct" => array::strings(line_words(lines, INSTRUCTION, words.ship_instructions())),
            "l_shipmode" => array::strings(line_words(lines, MODE, words.ship_modes())),
            "l_comment" => array::strings(lines.draw(COMMENT, |draws| text::text(draws, 27.0))),
            _ => unreachable!("lineitem has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        let rows = (units.end - units.start) as f64 * lines::MEAN;
        let words = Distributions::static_default();
        let drawn = |keys| ColumnStatistics::drawn(rows, keys as f64).within(array::int64([1, keys as i64]));
        let parts = self.scale.rows(PARTS);
        match name {
            "l_orderkey" => ColumnStatistics::of(Distinct::Share(1.0 / lines::MEAN))
                .within(array::int64(lines::order_key_ends(units))),
            "l_partkey" => drawn(parts),
            "l_suppkey" => drawn(self.scale.rows(SUPPLIERS)),
            "l_linenumber" => line_number_statistics(),
            "l_quantity" => ColumnStatistics::among(array::decimal((1..=50).map(|quantity| quantity * 100))),
            "l_extendedprice" => {
                let products = statistics::products(1..51, &part::prices(&(0..parts)));
                // Few of the products are equal.
                let possible = 50.0 * part::distinct_prices(parts as f64);
                ColumnStatistics::drawn(rows, possible).within(array::decimal(products))
            }
            "l_discount" => ColumnStatistics::among(array::decimal(0..=10)),
            "l_tax" => ColumnStatistics::among(array::decimal(0..=8)),
            "l_returnflag" => {
                let received = lines::past_share(DAYS_TO_RECEIPT);
                let shares = vec![1.0 - received, received / 2.0, received / 2.0];
                ColumnStatistics::weighted(array::strings(["N", "A", "R"]), shares)
            }
            "l_linestatus" => {
                let shipped = lines::past_share(SHIP_DAYS);
                ColumnStatistics::weighted(array::strings(["F", "O"]), vec![shipped, 1.0 - shipped])
            }
            "l_shipdate" => lines::date_statistics(rows, SHIP_DAYS),
            "l_commitdate" => lines::date_statistics(rows, COMMIT_DAYS),
            "l_receiptdate" => lines::date_statistics(rows, DAYS_TO_RECEIPT),
            "l_shipinstruct" => statistics::words(words.ship_instructions()),
            "l_shipmode" => statistics::words(words.ship_modes()),
            // Such short texts are often equal.
            "l_comment" => statistics::texts(0.8, 27.0),
            _ => ColumnStatistics::default(),
        }
    }
}

impl LineItem {
    /// One of the four suppliers of the line's part.
    fn suppliers(&self, lines: &Lines) -> impl Iterator<Item = i64> {
        let sf = self.scale.factor();
        lines
            .part_keys()
            .iter()
            .zip(lines.draw(SUPPLIER, |draws| draws.number(0, 3)))
            .map(move |(&part, number)| PartSuppGeneratorIterator::select_part_supplier(part, number, sf))
    }
}

/// An order has a line with this number if it has at least that many lines, and orders have one to seven.
fn line_number_statistics() -> ColumnStatistics {
    let numbers = 1..=i64::from(MAX_LINES);
    let lines = f64::from(MAX_LINES) * lines::MEAN;
    let shares = numbers.clone().map(|number| (numbers.end() + 1 - number) as f64 / lines).collect();
    ColumnStatistics::weighted(array::int32(numbers), shares)
}

fn line_words(lines: &Lines, stream: Stream, words: &'static Distribution) -> Vec<&'static str> {
    lines.draw(stream, |draws| array::word(draws, words))
}

fn commit_dates(lines: &Lines) -> impl Iterator<Item = i64> {
    let days = lines.draw(COMMIT_DATE, |draws| draws.number(COMMIT_DAYS.0, COMMIT_DAYS.1));
    lines.repeat(lines.order_dates().iter().copied()).into_iter().zip(days).map(|(date, days)| date + days)
}

fn receipt_dates(lines: &Lines) -> impl Iterator<Item = i64> {
    let days = lines.draw(RECEIPT_DATE, |draws| draws.number(RECEIPT_DAYS.0, RECEIPT_DAYS.1));
    lines.ship_dates().iter().zip(days).map(|(date, days)| date + days)
}

/// Drawn for lines that were received; `N` for the others, whose draw is unused.
fn return_flags(lines: &Lines) -> Vec<&'static str> {
    let flags = Distributions::static_default().return_flags();
    let mut receipts = receipt_dates(lines);
    lines.draw_in_turn(RETURN_FLAG, |draws| {
        let received = receipts.next().is_some_and(lines::is_past);
        if received { array::word(draws, flags) } else { "N" }
    })
}
