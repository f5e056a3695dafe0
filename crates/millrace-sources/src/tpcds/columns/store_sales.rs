//! Columns of `store_sales`: dsdgen writes the coupon in the discount's place as well, and counts it once.

use super::{Column, keys, long_keys, prices, quantities};
use tpcdsgen::row::StoreSalesRow as Row;
use tpcdsgen::types::Pricing;

pub static COLUMNS: [Column<Row>; 23] = [
    ("ss_sold_date_sk", |rows| keys(rows, 0, Row::get_ss_sold_date_sk)),
    ("ss_sold_time_sk", |rows| keys(rows, 1, Row::get_ss_sold_time_sk)),
    ("ss_item_sk", |rows| keys(rows, 2, Row::get_ss_sold_item_sk)),
    ("ss_customer_sk", |rows| keys(rows, 3, Row::get_ss_sold_customer_sk)),
    ("ss_cdemo_sk", |rows| keys(rows, 4, Row::get_ss_sold_cdemo_sk)),
    ("ss_hdemo_sk", |rows| keys(rows, 5, Row::get_ss_sold_hdemo_sk)),
    ("ss_addr_sk", |rows| keys(rows, 6, Row::get_ss_sold_addr_sk)),
    ("ss_store_sk", |rows| keys(rows, 7, Row::get_ss_sold_store_sk)),
    ("ss_promo_sk", |rows| keys(rows, 8, Row::get_ss_sold_promo_sk)),
    ("ss_ticket_number", |rows| long_keys(rows, 9, Row::get_ss_ticket_number)),
    ("ss_quantity", |rows| quantities(rows, 10)),
    ("ss_wholesale_cost", |rows| prices(rows, 11, Pricing::get_wholesale_cost)),
    ("ss_list_price", |rows| prices(rows, 12, Pricing::get_list_price)),
    ("ss_sales_price", |rows| prices(rows, 13, Pricing::get_sales_price)),
    ("ss_ext_discount_amt", |rows| prices(rows, 14, Pricing::get_coupon_amount)),
    ("ss_ext_sales_price", |rows| prices(rows, 15, Pricing::get_ext_sales_price)),
    ("ss_ext_wholesale_cost", |rows| prices(rows, 16, Pricing::get_ext_wholesale_cost)),
    ("ss_ext_list_price", |rows| prices(rows, 17, Pricing::get_ext_list_price)),
    ("ss_ext_tax", |rows| prices(rows, 18, Pricing::get_ext_tax)),
    ("ss_coupon_amt", |rows| prices(rows, 14, Pricing::get_coupon_amount)),
    ("ss_net_paid", |rows| prices(rows, 19, Pricing::get_net_paid)),
    ("ss_net_paid_inc_tax", |rows| prices(rows, 20, Pricing::get_net_paid_including_tax)),
    ("ss_net_profit", |rows| prices(rows, 21, Pricing::get_net_profit)),
];
