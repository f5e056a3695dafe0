//! The batches of a run, known before it begins.

use crate::error::{Error, Result};
use crate::ingest::{Request, check_batch_rows};
use millrace_sources::{BatchPlan, Profile, Source};
use pgrx::JsonB;
use pgrx::prelude::*;
use serde_json::{Value, json};

/// Cuts a source with these options into batches. Where it has a seed, that also draws the plan.
pub fn plan(source: &dyn Source, batch_rows: i32, profile: &Profile, options: &Value) -> BatchPlan {
    BatchPlan::new(source, batch_rows as u64, profile, options["seed"].as_u64().unwrap_or_default())
}

/// `stream_plan(source, sf, rows, batch_rows, options)`.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn stream_plan(
    source: Option<&str>,
    sf: Option<f64>,
    rows: Option<i64>,
    batch_rows: Option<i32>,
    options: Option<JsonB>,
) -> Result<
    TableIterator<'static, (name!(batch, i64), name!(first_unit, i64), name!(units, i64), name!(rows, i64))>,
> {
    let source = source.ok_or(Error::Null("source"))?;
    let options = options.map_or_else(|| json!({}), |options| options.0);
    let batch_rows = check_batch_rows(batch_rows)?;
    let Request { source, profile, options, .. } = Request::new(source, sf, rows, options)?;
    let plan = plan(source.as_ref(), batch_rows, &profile, &options);
    Ok(TableIterator::new((1..=plan.batches()).map(move |batch| {
        let units = plan.batch(batch);
        let rows = source.rows(units.clone());
        (batch as i64, units.start as i64, (units.end - units.start) as i64, rows as i64)
    })))
}
