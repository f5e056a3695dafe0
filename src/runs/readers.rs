//! Processes that run a benchmark's queries again and again while its rows arrive.

use super::ledger::{self, Target};
use crate::error::{Error, Result};
use crate::histogram::Histogram;
use crate::pg::server::text::Text;
use crate::pg::server::{process, query};
use crate::pg::workers::crew;
use crate::pg::workers::shared::{Orders, Shared};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often a reader notes what it has measured.
const NOTED: Duration = Duration::from_secs(2);

/// How long it sleeps at a time when there is nothing to query yet.
const NAP: Duration = Duration::from_millis(50);

/// What a reader has measured of a query since its last note.
struct Measured {
    latency: Histogram,
    /// The age of the newest row that the query could see, at the time of the answer.
    freshness: Histogram,
}

/// What was measured: the table's number, the query's name, and whether batches were coming.
type Key = (i32, String, bool);

/// Runs the benchmark's queries.
pub struct Reader {
    run: String,
    number: i32,
    rows_before: i64,
    targets: Vec<Target>,
    /// How many queries it has run.
    done: i64,
    measured: BTreeMap<Key, Measured>,
    since: TimestampWithTimeZone,
    noted: Instant,
}

/// A query with its arguments filled in.
struct Question {
    target: i32,
    query: String,
    statement: String,
}

impl Reader {
    pub fn new(orders: &Orders, number: usize) -> Self {
        Self {
            run: orders.run.clone(),
            number: number as i32,
            rows_before: orders.rows_before,
            targets: Vec::new(),
            done: 0,
            measured: BTreeMap::new(),
            since: process::now(),
            noted: Instant::now(),
        }
    }

    /// One query, or a note of those before; false after the last.
    pub fn step(&mut self, shared: &Shared) -> Result<bool> {
        if self.targets.is_empty() {
            self.targets = ledger::get(&self.run)?.targets;
        }
        let is_over = shared.beside_is_over();
        if is_over || self.noted.elapsed() >= NOTED {
            self.note()?;
            return Ok(!is_over);
        }
        let rows = self.rows_before + shared.rows();
        match self.ask(rows)? {
            Some(question) => self.answer(question, shared.is_streaming())?,
            None => process::nap(NAP),
        }
        Ok(true)
    }

    /// The next query; `None` as long as there are no rows to query.
    fn ask(&self, rows: i64) -> Result<Option<Question>> {
        if rows == 0 {
            return Ok(None);
        }
        let arguments =
            [Text::from(self.run.as_str()).into(), rows.into(), self.number.into(), self.done.into()];
        Spi::connect(|client| {
            let question = "SELECT target, query, statement FROM millrace.bench_reader_query($1, $2, $3, $4)";
            let mut found = client.select(question, Some(1), &arguments)?;
            let question = |row| {
                Ok::<_, Error>(Question {
                    target: ledger::value(&row, 1)?,
                    query: ledger::text(&row, 2)?,
                    statement: ledger::text(&row, 3)?,
                })
            };
            found.next().map(question).transpose()
        })
    }

    /// Runs a query and measures it.
    fn answer(&mut self, question: Question, streaming: bool) -> Result<()> {
        let Question { target, query, statement } = question;
        crew::report_activity(&format!("reading for run \"{}\": {query}", self.run));
        // Both in the transaction's one snapshot.
        let newest = match self.targets.iter().find(|known| known.number == target) {
            Some(target) => ledger::newest(&self.run, target)?,
            None => None,
        };
        let begun = Instant::now();
        query::run(&statement)?;
        let took = begun.elapsed();
        let age = newest.map(|newest| process::now_in_microseconds() - newest);
        let measured = match self.measured.entry((target, query, streaming)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Measured { latency: Histogram::new()?, freshness: Histogram::new()? })
            }
        };
        measured.latency.record(took);
        if let Some(age) = age.filter(|_| streaming) {
            measured.freshness.record(Duration::from_micros(u64::try_from(age).unwrap_or_default()));
        }
        self.done += 1;
        Ok(())
    }

    /// Writes what was measured since the last time, and starts over.
    fn note(&mut self) -> Result<()> {
        let now = process::now();
        let since = std::mem::replace(&mut self.since, now);
        self.noted = Instant::now();
        for ((target, query, streaming), measured) in std::mem::take(&mut self.measured) {
            ledger::write(
                "INSERT INTO millrace.reading
                     (run, target, query, reader, begun, finished, streaming, count, latency, freshness)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                &[
                    Text::from(self.run.as_str()).into(),
                    target.into(),
                    Text::from(query.as_str()).into(),
                    self.number.into(),
                    since.into(),
                    now.into(),
                    streaming.into(),
                    measured.latency.count().into(),
                    measured.latency.to_bytes()?.into(),
                    measured.freshness.to_bytes()?.into(),
                ],
            )?;
        }
        Ok(())
    }
}
