//! When a run's batches are due, at an offered rate.
//!
//! Rows arrive at a steady rate, whether those before them are stored or not, and a batch is due when its last row has arrived.
//! Its latency is the time from then to its commit, so a stall is charged to every batch that it delays.

use crate::pg::server::process;
use crate::pg::workers::shared::Orders;
use std::time::Duration;

/// The rows that arrive, and until when.
#[derive(Debug, Clone, Copy, Default)]
pub struct Schedule {
    /// When the run's first row comes, in microseconds of the server's clock.
    begin: i64,
    /// Rows per second; `None` if each batch is due when the one before is done.
    rate: Option<f64>,
    /// When the run ends, however much has arrived by then.
    end: Option<i64>,
}

impl Schedule {
    /// As the leading session ordered.
    pub fn of(orders: &Orders) -> Self {
        Self { begin: orders.begin, rate: orders.rate, end: orders.end }
    }

    /// When a batch that ends after this many rows of the run is due.
    pub fn due(&self, rows: f64) -> Option<i64> {
        self.rate.map(|rate| self.begin.saturating_add(microseconds(rows, rate)))
    }

    /// How long it is until then.
    pub fn wait(&self, due: i64) -> Option<Duration> {
        let left = u64::try_from(due - process::now_in_microseconds()).ok()?;
        (left > 0).then(|| Duration::from_micros(left))
    }

    /// Whether the run's time is over.
    pub fn is_over(&self) -> bool {
        self.end.is_some_and(|end| process::now_in_microseconds() > end)
    }

    /// Whether a batch comes too late for the run.
    pub fn is_beyond(&self, due: i64) -> bool {
        self.end.is_some_and(|end| due > end)
    }

    /// How many rows of the run have arrived by a time but are not there, if `rows` are, of a `total` if it has an end.
    pub fn backlog(&self, at: i64, rows: i64, total: Option<i64>) -> Option<i64> {
        let until = self.end.map_or(at, |end| end.min(at));
        let arrived = (until - self.begin).max(0) as f64 / 1e6 * self.rate?;
        // The cast saturates.
        Some((total.map_or(arrived as i64, |total| total.min(arrived as i64)) - rows).max(0))
    }
}

/// When the first row comes, if a batch that ends after this many rows is due then.
pub fn begin(due: i64, rows: f64, rate: f64) -> i64 {
    due.saturating_sub(microseconds(rows, rate))
}

/// How long it takes for rows to come.
fn microseconds(rows: f64, rate: f64) -> i64 {
    // The cast saturates: a time too far away becomes the last one.
    (rows / rate * 1e6).round() as i64
}
