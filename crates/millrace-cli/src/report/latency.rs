//! How late rows that came at a rate were, and how long queries took meanwhile: tables of a report.

use super::data::{Report, phase_of};
use super::document::Table;
use super::tables::{count, number};
use crate::error::Result;
use postgres::{Client, Row};

/// A row of `stream_latency`, for a run with a rate.
#[derive(Default)]
pub struct Latency {
    /// The phase, or the run where it is not a benchmark's.
    pub name: String,
    pub rate: f64,
    pub rows_per_second: Option<i64>,
    /// Milliseconds: p50, p95, p99, p99.9 and the most.
    pub ms: [Option<f64>; 5],
    pub backlog_rows_max: Option<i64>,
    pub gap_seconds: Option<f64>,
    pub sustained: Option<bool>,
}

/// Two rows of `stream_readers`: a query while rows arrived, and when readers were alone.
#[derive(Default)]
pub struct Reader {
    pub phase: String,
    pub variant: String,
    pub query: String,
    pub streaming: Times,
    pub alone: Times,
    /// Milliseconds: p50, p99 and the most that the newest row was old.
    pub freshness: [Option<f64>; 3],
}

/// How often a query was run, and milliseconds: p50, p99 and the most.
#[derive(Clone, Default)]
pub struct Times {
    pub count: Option<i64>,
    pub ms: [Option<f64>; 3],
}

pub fn latencies(client: &mut Client, run: &str) -> Result<Vec<Latency>> {
    let query = "
        SELECT name, rate, rows_per_second, p50_ms::float8, p95_ms::float8, p99_ms::float8, p999_ms::float8, max_ms::float8,
               backlog_rows_max, gap_seconds::float8, sustained
        FROM stream_latency($1) WHERE rate IS NOT NULL";
    let latency = |row: &Row| Latency {
        name: phase_of(run, row.get(0)).unwrap_or(run).to_owned(),
        rate: row.get(1),
        rows_per_second: row.get(2),
        ms: [3, 4, 5, 6, 7].map(|column| row.get(column)),
        backlog_rows_max: row.get(8),
        gap_seconds: row.get(9),
        sustained: row.get(10),
    };
    Ok(client.query(query, &[&run])?.iter().map(latency).collect())
}

pub fn readers(client: &mut Client, run: &str) -> Result<Vec<Reader>> {
    let query = "
        SELECT name, variant, query, streaming, count, p50_ms::float8, p99_ms::float8, max_ms::float8,
               fresh_p50_ms::float8, fresh_p99_ms::float8, fresh_max_ms::float8
        FROM stream_readers($1)";
    let mut readers: Vec<Reader> = Vec::new();
    for row in client.query(query, &[&run])? {
        let name: &str = row.get(0);
        let [phase, variant, query] =
            [phase_of(run, name).unwrap_or(name), row.get(1), row.get(2)].map(str::to_owned);
        let times = Times { count: row.get(4), ms: [5, 6, 7].map(|column| row.get(column)) };
        let is_same = |reader: &&mut Reader| {
            (&reader.phase, &reader.variant, &reader.query) == (&phase, &variant, &query)
        };
        match (readers.last_mut().filter(is_same), row.get(3)) {
            (Some(reader), false) => reader.alone = times,
            (_, true) => {
                let freshness = [8, 9, 10].map(|column| row.get(column));
                readers.push(Reader {
                    phase,
                    variant,
                    query,
                    streaming: times,
                    freshness,
                    ..Reader::default()
                });
            }
            (None, false) => {
                readers.push(Reader { phase, variant, query, alone: times, ..Reader::default() })
            }
        }
    }
    Ok(readers)
}

impl Report {
    pub fn latency_table(&self) -> Table {
        let row = |latency: &Latency| {
            let sustained = latency.sustained.map_or("", |sustained| if sustained { "yes" } else { "NO" });
            let first = [latency.name.clone(), number(Some(latency.rate)), count(latency.rows_per_second)];
            let last = [count(latency.backlog_rows_max), number(latency.gap_seconds), sustained.to_owned()];
            first.into_iter().chain(latency.ms.map(number)).chain(last).collect()
        };
        let is_bench = self.targets.iter().any(|target| target.phase.is_some());
        Table {
            title: "Latency",
            names: vec![
                if is_bench { "phase" } else { "run" },
                "offered rows/s",
                "rows/s",
                "p50 ms",
                "p95 ms",
                "p99 ms",
                "p99.9 ms",
                "max ms",
                "largest backlog",
                "gaps s",
                "sustained",
            ],
            rows: self.latencies.iter().map(row).collect(),
        }
    }

    pub fn reader_table(&self) -> Table {
        let row = |reader: &Reader| {
            let names = [&reader.phase, &reader.query, &reader.variant].map(String::clone);
            let times = [&reader.streaming, &reader.alone]
                .into_iter()
                .flat_map(|times| [count(times.count)].into_iter().chain(times.ms.map(number)));
            names.into_iter().chain(times).chain(reader.freshness.map(number)).collect()
        };
        Table {
            title: "Readers",
            names: vec![
                "phase",
                "query",
                "variant",
                "times run",
                "p50 ms",
                "p99 ms",
                "max ms",
                "alone",
                "p50 ms",
                "p99 ms",
                "max ms",
                "age p50 ms",
                "age p99 ms",
                "age max ms",
            ],
            rows: self.readers.iter().map(row).collect(),
        }
    }
}
