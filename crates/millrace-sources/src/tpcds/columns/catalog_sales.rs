//! Columns of `catalog_sales`: in its null bits dsdgen has the coupon in the discount's place, and the discount after
//! `cs_ext_sales_price`.

use super::{Column, keys, long_keys, prices, quantities};
use tpcdsgen::row::CatalogSalesRow as Row;
use tpcdsgen::types::Pricing;

pub static COLUMNS: [Column<Row>; 34] = [
    ("cs_sold_date_sk", |rows| keys(rows, 0, Row::get_cs_sold_date_sk)),
    ("cs_sold_time_sk", |rows| keys(rows, 1, Row::get_cs_sold_time_sk)),
    ("cs_ship_date_sk", |rows| keys(rows, 2, Row::get_cs_ship_date_sk)),
    ("cs_bill_customer_sk", |rows| keys(rows, 3, Row::get_cs_bill_customer_sk)),
    ("cs_bill_cdemo_sk", |rows| keys(rows, 4, Row::get_cs_bill_cdemo_sk)),
    ("cs_bill_hdemo_sk", |rows| keys(rows, 5, Row::get_cs_bill_hdemo_sk)),
    ("cs_bill_addr_sk", |rows| keys(rows, 6, Row::get_cs_bill_addr_sk)),
    ("cs_ship_customer_sk", |rows| keys(rows, 7, Row::get_cs_ship_customer_sk)),
    ("cs_ship_cdemo_sk", |rows| keys(rows, 8, Row::get_cs_ship_cdemo_sk)),
    ("cs_ship_hdemo_sk", |rows| keys(rows, 9, Row::get_cs_ship_hdemo_sk)),
    ("cs_ship_addr_sk", |rows| keys(rows, 10, Row::get_cs_ship_addr_sk)),
    ("cs_call_center_sk", |rows| keys(rows, 11, Row::get_cs_call_center_sk)),
    ("cs_catalog_page_sk", |rows| keys(rows, 12, Row::get_cs_catalog_page_sk)),
    ("cs_ship_mode_sk", |rows| keys(rows, 13, Row::get_cs_ship_mode_sk)),
    ("cs_warehouse_sk", |rows| keys(rows, 14, Row::get_cs_warehouse_sk)),
    ("cs_item_sk", |rows| keys(rows, 15, Row::get_cs_sold_item_sk)),
    ("cs_promo_sk", |rows| keys(rows, 16, Row::get_cs_promo_sk)),
    ("cs_order_number", |rows| long_keys(rows, 17, Row::get_cs_order_number)),
    ("cs_quantity", |rows| quantities(rows, 18)),
    ("cs_wholesale_cost", |rows| prices(rows, 19, Pricing::get_wholesale_cost)),
    ("cs_list_price", |rows| prices(rows, 20, Pricing::get_list_price)),
    ("cs_sales_price", |rows| prices(rows, 21, Pricing::get_sales_price)),
    ("cs_ext_discount_amt", |rows| prices(rows, 24, Pricing::get_ext_discount_amount)),
    ("cs_ext_sales_price", |rows| prices(rows, 23, Pricing::get_ext_sales_price)),
    ("cs_ext_wholesale_cost", |rows| prices(rows, 25, Pricing::get_ext_wholesale_cost)),
    ("cs_ext_list_price", |rows| prices(rows, 26, Pricing::get_ext_list_price)),
    ("cs_ext_tax", |rows| prices(rows, 27, Pricing::get_ext_tax)),
    ("cs_coupon_amt", |rows| prices(rows, 22, Pricing::get_coupon_amount)),
    ("cs_ext_ship_cost", |rows| prices(rows, 28, Pricing::get_ext_ship_cost)),
    ("cs_net_paid", |rows| prices(rows, 29, Pricing::get_net_paid)),
    ("cs_net_paid_inc_tax", |rows| prices(rows, 30, Pricing::get_net_paid_including_tax)),
    ("cs_net_paid_inc_ship", |rows| prices(rows, 31, Pricing::get_net_paid_including_shipping)),
    ("cs_net_paid_inc_ship_tax", |rows| prices(rows, 32, Pricing::get_net_paid_including_shipping_and_tax)),
    ("cs_net_profit", |rows| prices(rows, 33, Pricing::get_net_profit)),
];
