//! Columns of `store_returns`.

use super::{Column, keys, long_keys, prices, quantities};
use tpcdsgen::row::StoreReturnsRow as Row;
use tpcdsgen::types::Pricing;

pub static COLUMNS: [Column<Row>; 20] = [
    ("sr_returned_date_sk", |rows| keys(rows, 0, Row::get_sr_returned_date_sk)),
    ("sr_return_time_sk", |rows| keys(rows, 1, Row::get_sr_returned_time_sk)),
    ("sr_item_sk", |rows| keys(rows, 2, Row::get_sr_item_sk)),
    ("sr_customer_sk", |rows| keys(rows, 3, Row::get_sr_customer_sk)),
    ("sr_cdemo_sk", |rows| keys(rows, 4, Row::get_sr_cdemo_sk)),
    ("sr_hdemo_sk", |rows| keys(rows, 5, Row::get_sr_hdemo_sk)),
    ("sr_addr_sk", |rows| keys(rows, 6, Row::get_sr_addr_sk)),
    ("sr_store_sk", |rows| keys(rows, 7, Row::get_sr_store_sk)),
    ("sr_reason_sk", |rows| keys(rows, 8, Row::get_sr_reason_sk)),
    ("sr_ticket_number", |rows| long_keys(rows, 9, Row::get_sr_ticket_number)),
    ("sr_return_quantity", |rows| quantities(rows, 10)),
    ("sr_return_amt", |rows| prices(rows, 11, Pricing::get_net_paid)),
    ("sr_return_tax", |rows| prices(rows, 12, Pricing::get_ext_tax)),
    ("sr_return_amt_inc_tax", |rows| prices(rows, 13, Pricing::get_net_paid_including_tax)),
    ("sr_fee", |rows| prices(rows, 14, Pricing::get_fee)),
    ("sr_return_ship_cost", |rows| prices(rows, 15, Pricing::get_ext_ship_cost)),
    ("sr_refunded_cash", |rows| prices(rows, 16, Pricing::get_refunded_cash)),
    ("sr_reversed_charge", |rows| prices(rows, 17, Pricing::get_reversed_charge)),
    ("sr_store_credit", |rows| prices(rows, 18, Pricing::get_store_credit)),
    ("sr_net_loss", |rows| prices(rows, 19, Pricing::get_net_loss)),
];
