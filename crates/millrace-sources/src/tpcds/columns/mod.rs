//! The columns of the large tables, each made of generated rows only when it is asked for.
//!
//! A module for each table lists its columns: the name, and how to compute its values from rows. Bits of a row say which of
//! its columns are null. A column's bit is its place, unless dsdgen counts columns in another order than it writes them.

mod catalog_returns;
mod catalog_sales;
mod inventory;
mod store_returns;
mod store_sales;
mod web_returns;
mod web_sales;

use super::rows::Rows;
use arrow::array::{ArrayRef, Int32Array, Int64Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Decimal128Type};
use std::ops::Range;
use std::sync::Arc;
use tpcdsgen::config::Session;
use tpcdsgen::row::*;
use tpcdsgen::types::{Decimal, Pricing};

/// A column's name, and the function that makes it from rows.
type Column<R> = (&'static str, fn(&[R]) -> ArrayRef);

/// A row of a large table.
pub trait Row: Sized + 'static {
    const COLUMNS: &'static [Column<Self>];

    /// All rows of some units.
    fn generate(session: Session, units: Range<u64>) -> Vec<Self>;

    /// The bits of the columns that are null.
    fn nulls(&self) -> i64;
}

/// A row of sales or returns.
trait Priced: Row {
    fn pricing(&self) -> &Pricing;
}

macro_rules! rows {
    ($($row:ident by $generator:ident, columns of $table:ident $(, priced by $pricing:ident)?;)*) => {$(
        impl Row for $row {
            const COLUMNS: &'static [Column<Self>] = &$table::COLUMNS;

            fn generate(session: Session, units: Range<u64>) -> Vec<Self> {
                // Units are counted from 1 here, and the last is included.
                let mut generator = $generator::new(session, units.end);
                generator.skip_rows_until_starting_row_number(units.start + 1);
                generator.collect()
            }

            fn nulls(&self) -> i64 {
                self.null_bit_map()
            }
        }

        $(impl Priced for $row {
            fn pricing(&self) -> &Pricing {
                self.$pricing()
            }
        })?
    )*};
}

rows! {
    InventoryRow by InventoryRowGenerator, columns of inventory;
    StoreSalesRow by StoreSalesRowGenerator, columns of store_sales, priced by get_ss_pricing;
    StoreReturnsRow by StoreReturnsRowGenerator, columns of store_returns, priced by get_sr_pricing;
    CatalogSalesRow by CatalogSalesRowGenerator, columns of catalog_sales, priced by get_cs_pricing;
    CatalogReturnsRow by CatalogReturnsRowGenerator, columns of catalog_returns, priced by get_cr_pricing;
    WebSalesRow by WebSalesRowGenerator, columns of web_sales, priced by get_ws_pricing;
    WebReturnsRow by WebReturnsRowGenerator, columns of web_returns, priced by get_wr_pricing;
}

impl<R: Row> Rows for Vec<R> {
    fn count(&self) -> usize {
        self.len()
    }

    fn column(&self, name: &str) -> ArrayRef {
        let (_, made_of) = R::COLUMNS.iter().find(|column| column.0 == name).expect("every column is listed");
        made_of(self)
    }
}

/// Keys of other tables. A negative one stands for none.
fn keys<R: Row>(rows: &[R], bit: u32, key: impl Fn(&R) -> i64) -> ArrayRef {
    let keys: Vec<i32> = rows.iter().map(|row| key(row) as i32).collect();
    let nulls = nulls(rows, bit, |place| keys[place] < 0);
    Arc::new(Int32Array::new(keys.into(), nulls))
}

/// Numbers of tickets and orders, which can exceed 32 bits.
fn long_keys<R: Row>(rows: &[R], bit: u32, key: impl Fn(&R) -> i64) -> ArrayRef {
    Arc::new(values(rows, bit, key) as Int64Array)
}

fn numbers<R: Row>(rows: &[R], bit: u32, number: impl Fn(&R) -> i32) -> ArrayRef {
    Arc::new(values(rows, bit, number) as Int32Array)
}

fn quantities<R: Priced>(rows: &[R], bit: u32) -> ArrayRef {
    numbers(rows, bit, |row| row.pricing().get_quantity())
}

/// Amounts of money, with two digits after the point.
fn prices<R: Priced>(rows: &[R], bit: u32, price: impl Fn(&Pricing) -> Decimal) -> ArrayRef {
    let array: PrimitiveArray<Decimal128Type> =
        values(rows, bit, |row| price(row.pricing()).get_number().into());
    Arc::new(array.with_precision_and_scale(7, 2).expect("7 digits, 2 of them after the point, fit 128 bits"))
}

fn values<R: Row, T: ArrowPrimitiveType>(
    rows: &[R],
    bit: u32,
    value: impl Fn(&R) -> T::Native,
) -> PrimitiveArray<T> {
    let values: Vec<T::Native> = rows.iter().map(value).collect();
    PrimitiveArray::new(values.into(), nulls(rows, bit, |_| false))
}

/// The rows in which a column is null, by its bit or for another reason.
fn nulls<R: Row>(rows: &[R], bit: u32, is_none: impl Fn(usize) -> bool) -> Option<NullBuffer> {
    let is_valid = |place: usize| rows[place].nulls() >> bit & 1 == 0 && !is_none(place);
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows.len(), is_valid));
    Some(nulls).filter(|nulls| nulls.null_count() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::AsArray;
    use arrow::datatypes::Int32Type;

    /// `tpcdsgen` can make negative keys, but the rows of the tests have none.
    #[test]
    fn a_key_is_null_where_its_bit_is_set_or_it_is_negative() {
        let row = |nulls, item| InventoryRow::new(nulls, 2_450_815, item, 1, 0);
        let rows = vec![row(0, 7), row(0b10, 7), row(0b1101, 7), row(0, -1)];
        let expected = Int32Array::from(vec![Some(7), None, Some(7), None]);
        assert_eq!(rows.column("inv_item_sk").as_primitive::<Int32Type>(), &expected);
    }
}
