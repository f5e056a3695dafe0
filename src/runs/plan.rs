//! The batches of a run, known before it begins.

use crate::error::{Error, SqlResult};
use crate::pg::server::text::{Json, Text};
use crate::runs::open::{Request, check_batch_rows};
use crate::runs::origin::Origin;
use millrace_sources::{BatchPlan, Profile};
use pgrx::prelude::*;
use serde_json::{Value, json};

/// Cuts what these options describe into batches. A seed among them also draws the batch sizes.
pub fn plan(origin: &Origin, batch_rows: i32, profile: &Profile, options: &Value) -> BatchPlan {
    let seed = options["seed"].as_u64().unwrap_or_default();
    BatchPlan::new(origin.units(), origin.rows_per_unit(), batch_rows as u64, profile, seed)
}

/// `stream_plan(source, sf, rows, batch_rows, options)`.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn stream_plan(
    source: Option<Text>,
    sf: Option<f64>,
    rows: Option<i64>,
    batch_rows: Option<i32>,
    options: Option<Json>,
) -> SqlResult<
    TableIterator<'static, (name!(batch, i64), name!(first_unit, i64), name!(units, i64), name!(rows, i64))>,
> {
    let source = source.ok_or(Error::Null("source"))?;
    let options = options.map_or_else(|| json!({}), |options| options.0);
    let batch_rows = check_batch_rows(batch_rows)?;
    let Request { origin, profile, options, .. } = Request::new(&source, sf, rows, options)?;
    let plan = plan(&origin, batch_rows, &profile, &options);
    Ok(TableIterator::new((1..=plan.batches()).map(move |batch| {
        let units = plan.batch(batch);
        let rows = origin.rows(units.clone());
        (batch as i64, units.start as i64, (units.end - units.start) as i64, rows as i64)
    })))
}
