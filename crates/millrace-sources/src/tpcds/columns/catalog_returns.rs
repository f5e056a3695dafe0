//! Columns of `catalog_returns`.

use super::{Column, keys, long_keys, prices, quantities};
use tpcdsgen::row::CatalogReturnsRow as Row;
use tpcdsgen::types::Pricing;

pub static COLUMNS: [Column<Row>; 27] = [
    ("cr_returned_date_sk", |rows| keys(rows, 0, Row::get_cr_returned_date_sk)),
    ("cr_returned_time_sk", |rows| keys(rows, 1, Row::get_cr_returned_time_sk)),
    ("cr_item_sk", |rows| keys(rows, 2, Row::get_cr_item_sk)),
    ("cr_refunded_customer_sk", |rows| keys(rows, 3, Row::get_cr_refunded_customer_sk)),
    ("cr_refunded_cdemo_sk", |rows| keys(rows, 4, Row::get_cr_refunded_cdemo_sk)),
    ("cr_refunded_hdemo_sk", |rows| keys(rows, 5, Row::get_cr_refunded_hdemo_sk)),
    ("cr_refunded_addr_sk", |rows| keys(rows, 6, Row::get_cr_refunded_addr_sk)),
    ("cr_returning_customer_sk", |rows| keys(rows, 7, Row::get_cr_returning_customer_sk)),
    ("cr_returning_cdemo_sk", |rows| keys(rows, 8, Row::get_cr_returning_cdemo_sk)),
    ("cr_returning_hdemo_sk", |rows| keys(rows, 9, Row::get_cr_returning_hdemo_sk)),
    ("cr_returning_addr_sk", |rows| keys(rows, 10, Row::get_cr_returning_addr_sk)),
    ("cr_call_center_sk", |rows| keys(rows, 11, Row::get_cr_call_center_sk)),
    ("cr_catalog_page_sk", |rows| keys(rows, 12, Row::get_cr_catalog_page_sk)),
    ("cr_ship_mode_sk", |rows| keys(rows, 13, Row::get_cr_ship_mode_sk)),
    ("cr_warehouse_sk", |rows| keys(rows, 14, Row::get_cr_warehouse_sk)),
    ("cr_reason_sk", |rows| keys(rows, 15, Row::get_cr_reason_sk)),
    ("cr_order_number", |rows| long_keys(rows, 16, Row::get_cr_order_number)),
    ("cr_return_quantity", |rows| quantities(rows, 17)),
    ("cr_return_amount", |rows| prices(rows, 18, Pricing::get_net_paid)),
    ("cr_return_tax", |rows| prices(rows, 19, Pricing::get_ext_tax)),
    ("cr_return_amt_inc_tax", |rows| prices(rows, 20, Pricing::get_net_paid_including_tax)),
    ("cr_fee", |rows| prices(rows, 21, Pricing::get_fee)),
    ("cr_return_ship_cost", |rows| prices(rows, 22, Pricing::get_ext_ship_cost)),
    ("cr_refunded_cash", |rows| prices(rows, 23, Pricing::get_refunded_cash)),
    ("cr_reversed_charge", |rows| prices(rows, 24, Pricing::get_reversed_charge)),
    ("cr_store_credit", |rows| prices(rows, 25, Pricing::get_store_credit)),
    ("cr_net_loss", |rows| prices(rows, 26, Pricing::get_net_loss)),
];
