//! How late the batches of a run with a rate are, while rows arrive. Each batch is read once, so that a look costs the same
//! after an hour as at the beginning.

use crate::error::Result;
use crate::output;
use hdrhistogram::Histogram;
use postgres::{Client, Row};
use std::collections::{BTreeSet, VecDeque};

/// What "lately" is, in seconds.
const LATELY: f64 = 10.0;

/// The server's time, the backlog, and the batches after the one given: when the last table had them, and how many
/// milliseconds that was after they were due. How long a commit took is noted later, so that of the process's previous batch
/// stands for it.
const BATCHES: &str = "
    SELECT extract(epoch FROM clock_timestamp())::float8, m.backlog_rows, b.batch, b.finished, b.ms
    FROM (SELECT (SELECT backlog_rows FROM millrace.moment WHERE run = $1 ORDER BY at DESC LIMIT 1) AS backlog_rows) m
    LEFT JOIN (
        SELECT batch, extract(epoch FROM max(finished))::float8 AS finished,
               max(1000 * extract(epoch FROM finished - due) + coalesce(commit_ms, commit_before_ms, 0))::float8 AS ms
        FROM (SELECT * FROM millrace.batch UNION ALL SELECT * FROM millrace.batch_unlogged) b
        WHERE run = $1 AND batch > $2 AND due IS NOT NULL
        GROUP BY batch
    ) b ON true
    ORDER BY b.batch";

/// What is known about a run.
pub struct Pace {
    run: String,
    /// Rows per second that arrive.
    rate: f64,
    /// All batches up to this one are known, and some beyond it, because processes do not finish theirs in order.
    through: i64,
    above: BTreeSet<i64>,
    /// Microseconds.
    all: Histogram<u64>,
    /// When they were there, and milliseconds.
    lately: VecDeque<(f64, f64)>,
    /// The server's time.
    now: f64,
    backlog: Option<i64>,
}

impl Pace {
    /// For a run that was not read yet; `None` if there is no memory for it.
    pub fn new(run: &str, rate: f64) -> Option<Self> {
        let all = Histogram::new(3).ok()?;
        Some(Self {
            run: run.to_owned(),
            rate,
            through: 0,
            above: BTreeSet::new(),
            all,
            lately: VecDeque::new(),
            now: 0.0,
            backlog: None,
        })
    }

    /// Reads the batches that are new.
    pub fn look(&mut self, client: &mut Client) -> Result<()> {
        let rows = client.query(BATCHES, &[&self.run, &self.through])?;
        if let Some(row) = rows.first() {
            (self.now, self.backlog) = (row.get(0), row.get(1));
        }
        let batch = |row: &Row| Some((row.get::<_, Option<i64>>(2)?, row.get(3), row.get(4)));
        rows.iter().filter_map(batch).for_each(|(batch, at, ms)| self.add(batch, at, ms));
        while self.lately.front().is_some_and(|(at, _)| *at < self.now - LATELY) {
            self.lately.pop_front();
        }
        Ok(())
    }

    fn add(&mut self, batch: i64, at: f64, ms: f64) {
        if batch <= self.through || !self.above.insert(batch) {
            return;
        }
        while self.above.remove(&(self.through + 1)) {
            self.through += 1;
        }
        // It grows with its values.
        let _ = self.all.record((1000.0 * ms).max(1.0) as u64);
        self.lately.push_back((at, ms));
    }

    /// For a line of its own, or the end of one; empty before the first batch.
    pub fn figures(&self) -> String {
        if self.all.is_empty() {
            return String::new();
        }
        let lately = self.p99_lately().map(|ms| format!("{ms:.1} ms lately, ")).unwrap_or_default();
        let all = self.all.value_at_quantile(0.99) as f64 / 1000.0;
        let backlog =
            self.backlog.map(|rows| format!(", backlog {} rows", output::grouped(rows))).unwrap_or_default();
        // What came while the latest batch waited.
        let most = output::grouped((self.rate * self.all.max() as f64 / 1e6) as i64);
        format!("p99 {lately}{all:.1} ms so far{backlog}, at most {most}")
    }

    fn p99_lately(&self) -> Option<f64> {
        let mut times: Vec<f64> = self.lately.iter().map(|(_, ms)| *ms).collect();
        times.sort_by(f64::total_cmp);
        let rank = (0.99 * times.len() as f64).ceil() as usize;
        times.get(rank.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_batch_counts_once_in_whatever_order_it_comes() -> std::result::Result<(), &'static str> {
        let mut pace = Pace::new("r", 1000.0).ok_or("there is no memory")?;
        assert_eq!(pace.figures(), "");
        for batch in [1, 2, 4, 2, 5, 4] {
            pace.add(batch, 0.0, 10.0 * batch as f64);
        }
        assert_eq!((pace.through, pace.above.len(), pace.all.len()), (2, 2, 4));
        pace.add(3, 0.0, 2000.0);
        assert_eq!((pace.through, pace.above.len(), pace.all.len()), (5, 0, 5));
        pace.backlog = Some(1234);
        assert_eq!(
            pace.figures(),
            "p99 2000.0 ms lately, 2000.9 ms so far, backlog 1,234 rows, at most 2,000"
        );
        pace.lately.clear();
        assert!(pace.figures().starts_with("p99 2000.9 ms so far"), "{}", pace.figures());
        Ok(())
    }

    #[test]
    fn p99_is_of_the_nearest_rank() -> std::result::Result<(), &'static str> {
        let mut pace = Pace::new("r", 1000.0).ok_or("there is no memory")?;
        (1..=200).for_each(|batch| pace.add(batch, 0.0, batch as f64));
        assert_eq!(pace.p99_lately(), Some(198.0));
        assert_eq!(pace.all.value_at_quantile(0.99), 198_015);
        Ok(())
    }
}
