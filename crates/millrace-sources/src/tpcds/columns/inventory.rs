//! Columns of `inventory`.

use super::{Column, keys, numbers};
use tpcdsgen::row::InventoryRow as Row;

pub static COLUMNS: [Column<Row>; 4] = [
    ("inv_date_sk", |rows| keys(rows, 0, Row::get_inv_date_sk)),
    ("inv_item_sk", |rows| keys(rows, 1, Row::get_inv_item_sk)),
    ("inv_warehouse_sk", |rows| keys(rows, 2, Row::get_inv_warehouse_sk)),
    ("inv_quantity_on_hand", |rows| numbers(rows, 3, Row::get_inv_quantity_on_hand)),
];
