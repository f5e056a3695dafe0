//! Columns of `web_returns`.

use super::{Column, keys, long_keys, prices, quantities};
use tpcdsgen::row::WebReturnsRow as Row;
use tpcdsgen::types::Pricing;

pub static COLUMNS: [Column<Row>; 24] = [
    ("wr_returned_date_sk", |rows| keys(rows, 0, Row::get_wr_returned_date_sk)),
    ("wr_returned_time_sk", |rows| keys(rows, 1, Row::get_wr_returned_time_sk)),
    ("wr_item_sk", |rows| keys(rows, 2, Row::get_wr_item_sk)),
    ("wr_refunded_customer_sk", |rows| keys(rows, 3, Row::get_wr_refunded_customer_sk)),
    ("wr_refunded_cdemo_sk", |rows| keys(rows, 4, Row::get_wr_refunded_cdemo_sk)),
    ("wr_refunded_hdemo_sk", |rows| keys(rows, 5, Row::get_wr_refunded_hdemo_sk)),
    ("wr_refunded_addr_sk", |rows| keys(rows, 6, Row::get_wr_refunded_addr_sk)),
    ("wr_returning_customer_sk", |rows| keys(rows, 7, Row::get_wr_returning_customer_sk)),
    ("wr_returning_cdemo_sk", |rows| keys(rows, 8, Row::get_wr_returning_cdemo_sk)),
    ("wr_returning_hdemo_sk", |rows| keys(rows, 9, Row::get_wr_returning_hdemo_sk)),
    ("wr_returning_addr_sk", |rows| keys(rows, 10, Row::get_wr_returning_addr_sk)),
    ("wr_web_page_sk", |rows| keys(rows, 11, Row::get_wr_web_page_sk)),
    ("wr_reason_sk", |rows| keys(rows, 12, Row::get_wr_reason_sk)),
    ("wr_order_number", |rows| long_keys(rows, 13, Row::get_wr_order_number)),
    ("wr_return_quantity", |rows| quantities(rows, 14)),
    ("wr_return_amt", |rows| prices(rows, 15, Pricing::get_net_paid)),
    ("wr_return_tax", |rows| prices(rows, 16, Pricing::get_ext_tax)),
    ("wr_return_amt_inc_tax", |rows| prices(rows, 17, Pricing::get_net_paid_including_tax)),
    ("wr_fee", |rows| prices(rows, 18, Pricing::get_fee)),
    ("wr_return_ship_cost", |rows| prices(rows, 19, Pricing::get_ext_ship_cost)),
    ("wr_refunded_cash", |rows| prices(rows, 20, Pricing::get_refunded_cash)),
    ("wr_reversed_charge", |rows| prices(rows, 21, Pricing::get_reversed_charge)),
    ("wr_account_credit", |rows| prices(rows, 22, Pricing::get_store_credit)),
    ("wr_net_loss", |rows| prices(rows, 23, Pricing::get_net_loss)),
];
