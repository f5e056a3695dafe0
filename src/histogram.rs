//! Histograms of many durations, each a few hundred bytes that can be merged with others.

use crate::error::{Error, Result, SqlResult};
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use pgrx::Array;
use pgrx::prelude::*;
use std::time::Duration;

/// Durations from a microsecond up, each recorded to within 0.1%.
pub struct Histogram(hdrhistogram::Histogram<u32>);

impl Histogram {
    pub fn new() -> Result<Self> {
        let histogram = hdrhistogram::Histogram::new(3).map_err(|_| Error::BrokenLedger)?;
        Ok(Self(histogram))
    }

    pub fn record(&mut self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // It grows with its values, and fails only if memory runs out.
        let _ = self.0.record(microseconds.max(1));
    }

    pub fn count(&self) -> i64 {
        self.0.len() as i64
    }

    /// The form in which the ledger stores it.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).map_err(|_| Error::BrokenLedger)?;
        Ok(bytes)
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let other: hdrhistogram::Histogram<u32> =
            Deserializer::new().deserialize(&mut &*bytes).map_err(|_| Error::BrokenLedger)?;
        self.0.add(other).map_err(|_| Error::BrokenLedger)
    }

    fn percentile(&self, percentile: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.value_at_percentile(percentile) as f64 / 1e3)
    }
}

/// `millrace.percentiles(histograms)`: what the histograms say together, in milliseconds.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn percentiles(
    histograms: Option<Array<'_, &[u8]>>,
) -> SqlResult<
    TableIterator<
        'static,
        (
            name!(count, i64),
            name!(p50, Option<f64>),
            name!(p95, Option<f64>),
            name!(p99, Option<f64>),
            name!(p999, Option<f64>),
            name!(max, Option<f64>),
        ),
    >,
> {
    let mut all = Histogram::new()?;
    for bytes in histograms.iter().flat_map(Array::iter).flatten() {
        all.add(bytes)?;
    }
    Ok(TableIterator::once((
        all.count(),
        all.percentile(50.0),
        all.percentile(95.0),
        all.percentile(99.0),
        all.percentile(99.9),
        all.percentile(100.0),
    )))
}
