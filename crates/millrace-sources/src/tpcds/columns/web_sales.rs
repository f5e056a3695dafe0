//! Columns of `web_sales`.

use super::{Column, keys, long_keys, prices, quantities};
use tpcdsgen::row::WebSalesRow as Row;
use tpcdsgen::types::Pricing;

pub static COLUMNS: [Column<Row>; 34] = [
    ("ws_sold_date_sk", |rows| keys(rows, 0, Row::get_ws_sold_date_sk)),
    ("ws_sold_time_sk", |rows| keys(rows, 1, Row::get_ws_sold_time_sk)),
    ("ws_ship_date_sk", |rows| keys(rows, 2, Row::get_ws_ship_date_sk)),
    ("ws_item_sk", |rows| keys(rows, 3, Row::get_ws_item_sk)),
    ("ws_bill_customer_sk", |rows| keys(rows, 4, Row::get_ws_bill_customer_sk)),
    ("ws_bill_cdemo_sk", |rows| keys(rows, 5, Row::get_ws_bill_cdemo_sk)),
    ("ws_bill_hdemo_sk", |rows| keys(rows, 6, Row::get_ws_bill_hdemo_sk)),
    ("ws_bill_addr_sk", |rows| keys(rows, 7, Row::get_ws_bill_addr_sk)),
    ("ws_ship_customer_sk", |rows| keys(rows, 8, Row::get_ws_ship_customer_sk)),
    ("ws_ship_cdemo_sk", |rows| keys(rows, 9, Row::get_ws_ship_cdemo_sk)),
    ("ws_ship_hdemo_sk", |rows| keys(rows, 10, Row::get_ws_ship_hdemo_sk)),
    ("ws_ship_addr_sk", |rows| keys(rows, 11, Row::get_ws_ship_addr_sk)),
    ("ws_web_page_sk", |rows| keys(rows, 12, Row::get_ws_web_page_sk)),
    ("ws_web_site_sk", |rows| keys(rows, 13, Row::get_ws_web_site_sk)),
    ("ws_ship_mode_sk", |rows| keys(rows, 14, Row::get_ws_ship_mode_sk)),
    ("ws_warehouse_sk", |rows| keys(rows, 15, Row::get_ws_warehouse_sk)),
    ("ws_promo_sk", |rows| keys(rows, 16, Row::get_ws_promo_sk)),
    ("ws_order_number", |rows| long_keys(rows, 17, Row::get_ws_order_number)),
    ("ws_quantity", |rows| quantities(rows, 18)),
    ("ws_wholesale_cost", |rows| prices(rows, 19, Pricing::get_wholesale_cost)),
    ("ws_list_price", |rows| prices(rows, 20, Pricing::get_list_price)),
    ("ws_sales_price", |rows| prices(rows, 21, Pricing::get_sales_price)),
    ("ws_ext_discount_amt", |rows| prices(rows, 22, Pricing::get_ext_discount_amount)),
    ("ws_ext_sales_price", |rows| prices(rows, 23, Pricing::get_ext_sales_price)),
    ("ws_ext_wholesale_cost", |rows| prices(rows, 24, Pricing::get_ext_wholesale_cost)),
    ("ws_ext_list_price", |rows| prices(rows, 25, Pricing::get_ext_list_price)),
    ("ws_ext_tax", |rows| prices(rows, 26, Pricing::get_ext_tax)),
    ("ws_coupon_amt", |rows| prices(rows, 27, Pricing::get_coupon_amount)),
    ("ws_ext_ship_cost", |rows| prices(rows, 28, Pricing::get_ext_ship_cost)),
    ("ws_net_paid", |rows| prices(rows, 29, Pricing::get_net_paid)),
    ("ws_net_paid_inc_tax", |rows| prices(rows, 30, Pricing::get_net_paid_including_tax)),
    ("ws_net_paid_inc_ship", |rows| prices(rows, 31, Pricing::get_net_paid_including_shipping)),
    ("ws_net_paid_inc_ship_tax", |rows| prices(rows, 32, Pricing::get_net_paid_including_shipping_and_tax)),
    ("ws_net_profit", |rows| prices(rows, 33, Pricing::get_net_profit)),
];
