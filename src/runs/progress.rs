//! What the caller is told while a run is ingested.

use super::ledger::{self, Run};
use super::schedule::Schedule;
use crate::error::Result;
use crate::pg::server::process;
use crate::pg::server::report::notice;
use crate::pg::server::text::Text;
use millrace_progress::{Progress, Speed, Ticker};
use std::time::{Duration, Instant};

/// Reports about once a second how far the run has come, or the load that it is part of.
pub struct Report {
    run: String,
    /// The schema that `tpch_load` or `tpcds_load` loads with this and other runs.
    load: Option<String>,
    /// Rows that the run has already.
    pub rows_before: i64,
    /// Rows of the load's other runs: those that are there, and all.
    others: (i64, i64),
    /// Rows in all; `None` if time or `stream_stop()` ends the run.
    pub total: Option<i64>,
    started: Instant,
    ticker: Ticker,
    speed: Speed,
    /// How long it took until the last batch.
    took: Option<Duration>,
}

impl Report {
    pub fn new(run: &Run) -> Result<Self> {
        let name = run.name.as_str();
        let load: Option<Text> = ledger::one(
            "SELECT load FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1",
            &[Text::from(name).into()],
        )?;
        let others = load.as_deref().map_or(Ok((0, 0)), |load| ledger::rows_of_load(load, name))?;
        Ok(Self {
            run: run.name.clone(),
            load: load.map(Text::into_string),
            rows_before: ledger::rows_done(name)?,
            others,
            total: run.total(),
            started: Instant::now(),
            ticker: Ticker::start(),
            speed: Speed::start(0),
            took: None,
        })
    }

    pub fn is_load(&self) -> bool {
        self.load.is_some()
    }

    pub fn start(&mut self) {
        self.started = Instant::now();
        self.speed = Speed::start(0);
    }

    /// Notes that the last batch is there.
    pub fn end(&mut self) {
        self.took.get_or_insert_with(|| self.started.elapsed());
    }

    /// Leaves out time that was spent on something else.
    pub fn pause(&mut self, time: Duration) {
        self.started += time;
        self.speed = Speed::start(0);
    }

    pub fn tell(&mut self, rows: i64, schedule: &Schedule) {
        if self.took.is_some() || !self.ticker.is_due() {
            return;
        }
        let (others_done, others_total) = self.others;
        let done = (others_done + self.rows_before + rows) as u64;
        let speed = self.speed.at(rows as u64);
        let total = self.total.map(|total| (others_total + total) as u64);
        let progress = Progress::new(done, total, speed);
        let backlog = schedule.backlog(process::now_in_microseconds(), self.rows_before + rows, self.total);
        let backlog = backlog.map_or_else(String::new, |backlog| format!(", backlog {backlog} rows"));
        notice(format!("{}: {progress}{backlog}", self.load.as_ref().unwrap_or(&self.run)));
    }

    pub fn tell_done(&self, rows: i64) {
        if self.is_load() {
            return;
        }
        let seconds = self.took.unwrap_or_else(|| self.started.elapsed()).as_secs_f64();
        // The time is that of this call, so it stands beside its rows.
        let of_call =
            if self.rows_before > 0 { format!(" rows, {rows} of them") } else { " rows".to_owned() };
        notice(format!(
            "run \"{}\" done: {}{of_call} in {seconds:.1} s, {:.0} rows/s",
            self.run,
            self.rows_before + rows,
            rows as f64 / seconds
        ));
    }
}
