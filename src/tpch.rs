//! The refresh functions of TPC-H: what the procedure in `sql/tpch` checks first.

use crate::error::{Error, SqlResult};
use crate::pg::server::lock::SessionLock;
use crate::pg::server::text::Text;
use crate::runs::ledger;
use millrace_sources::{registry, tpch};
use pgrx::prelude::*;
use serde_json::json;
use std::cell::RefCell;

/// The number of orders in a refresh set; refuses arguments for which there is no set.
#[pg_extern(sql = false)]
fn refresh_orders(sf: Option<f64>, stream: Option<i32>) -> SqlResult<i64> {
    let (sf, stream) = (sf.ok_or(Error::Null("sf"))?, stream.ok_or(Error::Null("stream"))?);
    // Checked first, because JSON has no NaN to refuse.
    tpch::KIT.check_scale(sf).map_err(Error::from)?;
    let source =
        registry::open("orders_refresh", json!({ "sf": sf, "stream": stream })).map_err(Error::from)?;
    Ok(source.units() as i64)
}

thread_local! {
    /// The lock of the refresh set that this session applies, held from batch to batch.
    static REFRESH: RefCell<Option<SessionLock>> = const { RefCell::new(None) };
}

/// Takes the lock of a refresh set of a schema for this session, like the lock of a run; refuses batch_orders below 1.
#[pg_extern(sql = false)]
fn open_refresh(schema: Option<Text>, stream: Option<i32>, batch_orders: Option<i32>) -> SqlResult<()> {
    let schema = schema.ok_or(Error::Null("schema"))?;
    let stream = stream.ok_or(Error::Null("stream"))?;
    let batch_orders = batch_orders.ok_or(Error::Null("batch_orders"))?;
    if batch_orders < 1 {
        let hint = "A batch has at least one order.";
        return Err(Error::Argument { name: "batch_orders", value: batch_orders.to_string(), hint }.into());
    }
    let name = format!("refresh {stream} of {}", &*schema);
    match SessionLock::try_acquire(ledger::lock_key(&name)?) {
        Some(lock) => REFRESH.set(Some(lock)),
        None => {
            let pid = ledger::holder(&name)?;
            return Err(Error::RefreshBusy { schema: schema.into_string(), stream, pid }.into());
        }
    }
    Ok(())
}

#[pg_extern(sql = false)]
fn close_refresh() {
    abandon_refresh();
}

/// Releases the lock of the refresh set that this session applies, if it does.
pub fn abandon_refresh() {
    REFRESH.set(None);
}
