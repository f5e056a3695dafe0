//! The tables of TPC-DS: what makes their rows, their keys, and how they refer to each other.

use super::columns::Row;
use super::lines::{CATALOG, Channel, STORE, WEB};
use super::rows::{Rows, only_batch};
use crate::Reference;
use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::ops::Range;
use std::sync::Arc;
use tpcdsgen::config::{Scaling, Session, Table as Units};
use tpcdsgen::row::*;
use tpcdsgen_arrow as theirs;

/// Which rows a unit of a table makes.
#[derive(Clone, Copy)]
pub enum Lines {
    /// One row.
    One,
    /// The lines of a ticket or an order.
    Sold(&'static Channel),
    /// Those lines that are returned.
    Returned(&'static Channel),
}

/// One table.
pub trait Table: Send + Sync + 'static {
    const NAME: &'static str;
    const ROW_TYPE: &'static str;
    const ABOUT: &'static str;
    /// The table whose source rows, as dsdgen counts them, are the units.
    const UNITS: Units;
    const LINES: Lines = Lines::One;
    const KEY: &'static [&'static str];
    const REFERENCES: &'static [Reference];

    fn schema() -> SchemaRef;

    /// All rows of some units.
    fn rows(session: Session, units: Range<u64>) -> Result<Box<dyn Rows>, ArrowError>;
}

/// The number of rows of a table that others refer to.
pub fn rows_of(name: &str, scaling: &Scaling) -> Option<u64> {
    let table = Units::values().iter().find(|table| table.get_name() == name)?;
    Some(scaling.get_row_count(*table))
}

macro_rules! tables {
    ($(
        $table:ident $name:literal $about:literal of $units:ident $lines:expr, $(rows $row:ident,)?
        key [$($key:literal),*],
        refers { $($columns:expr => $source:literal $source_key:expr;)* }
    )*) => {$(
        pub struct $table;

        impl Table for $table {
            const NAME: &'static str = $name;
            const ROW_TYPE: &'static str = concat!("tpcds_", $name);
            const ABOUT: &'static str = concat!("TPC-DS ", $about);
            const UNITS: Units = Units::$units;
            const LINES: Lines = $lines;
            const KEY: &'static [&'static str] = &[$($key),*];
            const REFERENCES: &'static [Reference] =
                &[$(Reference { columns: &$columns, source: $source, key: &$source_key }),*];

            fn schema() -> SchemaRef {
                theirs::$table::schema_ref()
            }

            fn rows(session: Session, units: Range<u64>) -> Result<Box<dyn Rows>, ArrowError> {
                made!(session, units, $table $($row)?)
            }
        }
    )*};
}

/// All rows of some units: as they are for a large table, as a batch of all columns for others.
macro_rules! made {
    ($session:ident, $units:ident, $table:ident $row:ident) => {
        Ok(Box::new($row::generate($session, $units)))
    };
    ($session:ident, $units:ident, $table:ident) => {{
        // Its source rows are counted from 1, and the last is included.
        let reader = theirs::$table::new($session)
            .with_source_row_range($units.start + 1, $units.end)
            .with_batch_size(usize::MAX);
        Ok(Box::new(only_batch(reader)?))
    }};
}

tables! {
    IncomeBandArrow "income_band" "ranges of income: 20 rows" of IncomeBand Lines::One, key ["ib_income_band_sk"],
    refers {}

    DateDimArrow "date_dim" "days from 1900 to 2100: 73,049 rows" of DateDim Lines::One, key ["d_date_sk"],
    refers {}

    TimeDimArrow "time_dim" "seconds of a day: 86,400 rows" of TimeDim Lines::One, key ["t_time_sk"],
    refers {}

    ReasonArrow "reason" "reasons for returns: 75 rows" of Reason Lines::One, key ["r_reason_sk"],
    refers {}

    ShipModeArrow "ship_mode" "ways of shipping: 20 rows" of ShipMode Lines::One, key ["sm_ship_mode_sk"],
    refers {}

    WarehouseArrow "warehouse" "warehouses: 5 rows at scale factor 1" of Warehouse Lines::One, key ["w_warehouse_sk"],
    refers {}

    CustomerAddressArrow "customer_address" "addresses of customers: 50,000 rows at scale factor 1" of CustomerAddress Lines::One, key ["ca_address_sk"],
    refers {}

    CustomerDemographicsArrow "customer_demographics" "all combinations of customers' attributes: 1,920,800 rows" of CustomerDemographics Lines::One, key ["cd_demo_sk"],
    refers {}

    HouseholdDemographicsArrow "household_demographics" "all combinations of households' attributes: 7,200 rows" of HouseholdDemographics Lines::One, key ["hd_demo_sk"],
    refers {
        ["hd_income_band_sk"] => "income_band" ["ib_income_band_sk"];
    }

    ItemArrow "item" "items, each with its former versions: 18,000 rows at scale factor 1" of Item Lines::One, key ["i_item_sk"],
    refers {}

    PromotionArrow "promotion" "promotions: 300 rows at scale factor 1" of Promotion Lines::One, key ["p_promo_sk"],
    refers {
        ["p_start_date_sk"] => "date_dim" ["d_date_sk"];
        ["p_end_date_sk"] => "date_dim" ["d_date_sk"];
        ["p_item_sk"] => "item" ["i_item_sk"];
    }

    StoreArrow "store" "stores, each with its former versions: 12 rows at scale factor 1" of Store Lines::One, key ["s_store_sk"],
    refers {
        ["s_closed_date_sk"] => "date_dim" ["d_date_sk"];
    }

    CallCenterArrow "call_center" "call centers, each with its former versions: 6 rows at scale factor 1" of CallCenter Lines::One, key ["cc_call_center_sk"],
    refers {
        ["cc_closed_date_sk"] => "date_dim" ["d_date_sk"];
        ["cc_open_date_sk"] => "date_dim" ["d_date_sk"];
    }

    CatalogPageArrow "catalog_page" "pages of catalogs: 11,718 rows at scale factor 1" of CatalogPage Lines::One, key ["cp_catalog_page_sk"],
    refers {
        ["cp_start_date_sk"] => "date_dim" ["d_date_sk"];
        ["cp_end_date_sk"] => "date_dim" ["d_date_sk"];
    }

    CustomerArrow "customer" "customers: 100,000 rows at scale factor 1" of Customer Lines::One, key ["c_customer_sk"],
    refers {
        ["c_current_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["c_current_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["c_current_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["c_first_shipto_date_sk"] => "date_dim" ["d_date_sk"];
        ["c_first_sales_date_sk"] => "date_dim" ["d_date_sk"];
        ["c_last_review_date_sk"] => "date_dim" ["d_date_sk"];
    }

    WebSiteArrow "web_site" "web sites, each with its former versions: 30 rows at scale factor 1" of WebSite Lines::One, key ["web_site_sk"],
    refers {
        ["web_open_date_sk"] => "date_dim" ["d_date_sk"];
        ["web_close_date_sk"] => "date_dim" ["d_date_sk"];
    }

    WebPageArrow "web_page" "web pages, each with its former versions: 60 rows at scale factor 1" of WebPage Lines::One, key ["wp_web_page_sk"],
    refers {
        ["wp_creation_date_sk"] => "date_dim" ["d_date_sk"];
        ["wp_access_date_sk"] => "date_dim" ["d_date_sk"];
        ["wp_customer_sk"] => "customer" ["c_customer_sk"];
    }

    InventoryArrow "inventory" "stock of each item in each warehouse and week: 11,745,000 rows at scale factor 1" of Inventory Lines::One, rows InventoryRow, key ["inv_date_sk", "inv_item_sk", "inv_warehouse_sk"],
    refers {
        ["inv_date_sk"] => "date_dim" ["d_date_sk"];
        ["inv_item_sk"] => "item" ["i_item_sk"];
        ["inv_warehouse_sk"] => "warehouse" ["w_warehouse_sk"];
    }

    StoreSalesArrow "store_sales" "lines of the tickets of stores: about 2,880,000 rows per scale factor" of StoreSales Lines::Sold(&STORE), rows StoreSalesRow, key ["ss_item_sk", "ss_ticket_number"],
    refers {
        ["ss_sold_date_sk"] => "date_dim" ["d_date_sk"];
        ["ss_sold_time_sk"] => "time_dim" ["t_time_sk"];
        ["ss_item_sk"] => "item" ["i_item_sk"];
        ["ss_customer_sk"] => "customer" ["c_customer_sk"];
        ["ss_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["ss_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["ss_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["ss_store_sk"] => "store" ["s_store_sk"];
        ["ss_promo_sk"] => "promotion" ["p_promo_sk"];
    }

    StoreReturnsArrow "store_returns" "returned lines of store_sales: about 288,000 rows per scale factor" of StoreSales Lines::Returned(&STORE), rows StoreReturnsRow, key ["sr_item_sk", "sr_ticket_number"],
    refers {
        ["sr_returned_date_sk"] => "date_dim" ["d_date_sk"];
        ["sr_return_time_sk"] => "time_dim" ["t_time_sk"];
        ["sr_item_sk"] => "item" ["i_item_sk"];
        ["sr_customer_sk"] => "customer" ["c_customer_sk"];
        ["sr_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["sr_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["sr_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["sr_store_sk"] => "store" ["s_store_sk"];
        ["sr_reason_sk"] => "reason" ["r_reason_sk"];
        ["sr_item_sk", "sr_ticket_number"] => "store_sales" ["ss_item_sk", "ss_ticket_number"];
    }

    CatalogSalesArrow "catalog_sales" "lines of catalog orders: about 1,440,000 rows per scale factor" of CatalogSales Lines::Sold(&CATALOG), rows CatalogSalesRow, key ["cs_item_sk", "cs_order_number"],
    refers {
        ["cs_sold_date_sk"] => "date_dim" ["d_date_sk"];
        ["cs_sold_time_sk"] => "time_dim" ["t_time_sk"];
        ["cs_ship_date_sk"] => "date_dim" ["d_date_sk"];
        ["cs_bill_customer_sk"] => "customer" ["c_customer_sk"];
        ["cs_bill_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["cs_bill_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["cs_bill_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["cs_ship_customer_sk"] => "customer" ["c_customer_sk"];
        ["cs_ship_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["cs_ship_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["cs_ship_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["cs_call_center_sk"] => "call_center" ["cc_call_center_sk"];
        ["cs_catalog_page_sk"] => "catalog_page" ["cp_catalog_page_sk"];
        ["cs_ship_mode_sk"] => "ship_mode" ["sm_ship_mode_sk"];
        ["cs_warehouse_sk"] => "warehouse" ["w_warehouse_sk"];
        ["cs_item_sk"] => "item" ["i_item_sk"];
        ["cs_promo_sk"] => "promotion" ["p_promo_sk"];
    }

    CatalogReturnsArrow "catalog_returns" "returned lines of catalog_sales: about 144,000 rows per scale factor" of CatalogSales Lines::Returned(&CATALOG), rows CatalogReturnsRow, key ["cr_item_sk", "cr_order_number"],
    refers {
        ["cr_returned_date_sk"] => "date_dim" ["d_date_sk"];
        ["cr_returned_time_sk"] => "time_dim" ["t_time_sk"];
        ["cr_item_sk"] => "item" ["i_item_sk"];
        ["cr_refunded_customer_sk"] => "customer" ["c_customer_sk"];
        ["cr_refunded_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["cr_refunded_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["cr_refunded_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["cr_returning_customer_sk"] => "customer" ["c_customer_sk"];
        ["cr_returning_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["cr_returning_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["cr_returning_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["cr_call_center_sk"] => "call_center" ["cc_call_center_sk"];
        ["cr_catalog_page_sk"] => "catalog_page" ["cp_catalog_page_sk"];
        ["cr_ship_mode_sk"] => "ship_mode" ["sm_ship_mode_sk"];
        ["cr_warehouse_sk"] => "warehouse" ["w_warehouse_sk"];
        ["cr_reason_sk"] => "reason" ["r_reason_sk"];
        ["cr_item_sk", "cr_order_number"] => "catalog_sales" ["cs_item_sk", "cs_order_number"];
    }

    WebSalesArrow "web_sales" "lines of web orders: about 720,000 rows per scale factor" of WebSales Lines::Sold(&WEB), rows WebSalesRow, key ["ws_item_sk", "ws_order_number"],
    refers {
        ["ws_sold_date_sk"] => "date_dim" ["d_date_sk"];
        ["ws_sold_time_sk"] => "time_dim" ["t_time_sk"];
        ["ws_ship_date_sk"] => "date_dim" ["d_date_sk"];
        ["ws_item_sk"] => "item" ["i_item_sk"];
        ["ws_bill_customer_sk"] => "customer" ["c_customer_sk"];
        ["ws_bill_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["ws_bill_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["ws_bill_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["ws_ship_customer_sk"] => "customer" ["c_customer_sk"];
        ["ws_ship_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["ws_ship_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["ws_ship_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["ws_web_page_sk"] => "web_page" ["wp_web_page_sk"];
        ["ws_web_site_sk"] => "web_site" ["web_site_sk"];
        ["ws_ship_mode_sk"] => "ship_mode" ["sm_ship_mode_sk"];
        ["ws_warehouse_sk"] => "warehouse" ["w_warehouse_sk"];
        ["ws_promo_sk"] => "promotion" ["p_promo_sk"];
    }

    WebReturnsArrow "web_returns" "returned lines of web_sales: about 72,000 rows per scale factor" of WebSales Lines::Returned(&WEB), rows WebReturnsRow, key ["wr_item_sk", "wr_order_number"],
    refers {
        ["wr_returned_date_sk"] => "date_dim" ["d_date_sk"];
        ["wr_returned_time_sk"] => "time_dim" ["t_time_sk"];
        ["wr_item_sk"] => "item" ["i_item_sk"];
        ["wr_refunded_customer_sk"] => "customer" ["c_customer_sk"];
        ["wr_refunded_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["wr_refunded_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["wr_refunded_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["wr_returning_customer_sk"] => "customer" ["c_customer_sk"];
        ["wr_returning_cdemo_sk"] => "customer_demographics" ["cd_demo_sk"];
        ["wr_returning_hdemo_sk"] => "household_demographics" ["hd_demo_sk"];
        ["wr_returning_addr_sk"] => "customer_address" ["ca_address_sk"];
        ["wr_web_page_sk"] => "web_page" ["wp_web_page_sk"];
        ["wr_reason_sk"] => "reason" ["r_reason_sk"];
        ["wr_item_sk", "wr_order_number"] => "web_sales" ["ws_item_sk", "ws_order_number"];
    }
}

/// What dsdgen notes about itself. It also notes when it ran, which is null here, because it would differ from batch to batch.
pub struct DbgenVersion;

impl Table for DbgenVersion {
    const NAME: &'static str = "dbgen_version";
    const ROW_TYPE: &'static str = "tpcds_dbgen_version";
    const ABOUT: &'static str = "TPC-DS version of the generator: 1 row";
    const UNITS: Units = Units::DbgenVersion;
    const KEY: &'static [&'static str] = &[];
    const REFERENCES: &'static [Reference] = &[];

    fn schema() -> SchemaRef {
        let nullable = |field: &FieldRef| Arc::new(field.as_ref().clone().with_nullable(true));
        let theirs = theirs::DbgenVersionArrow::schema_ref();
        Arc::new(Schema::new(theirs.fields().iter().map(nullable).collect::<Vec<_>>()))
    }

    fn rows(session: Session, units: Range<u64>) -> Result<Box<dyn Rows>, ArrowError> {
        let reader =
            theirs::DbgenVersionArrow::new(session).with_source_row_range(units.start + 1, units.end);
        let made = only_batch(reader)?;
        let column = |(field, array): (&FieldRef, &ArrayRef)| match field.name().as_str() {
            "dv_create_date" | "dv_create_time" => new_null_array(field.data_type(), array.len()),
            _ => ArrayRef::clone(array),
        };
        let columns = made.schema().fields().iter().zip(made.columns()).map(column).collect();
        Ok(Box::new(RecordBatch::try_new(Self::schema(), columns)?))
    }
}
