//! `metrics.csv`: written by the server, and read again for comparison, as is that of a TPC test.

use super::data::runs_of;
use crate::error::{Error, Result};
use postgres::Client;
use postgres::types::ToSql;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// A line per batch and table.
const BATCHES: &str = "
    SELECT pg_catalog.format('COPY (
        SELECT b.run, t.phase, coalesce(t.variant, b.target) AS variant, b.target, b.batch, b.rows,
               round((1000 * b.rows / nullif(b.insert_ms, 0))::numeric) AS insert_rows_per_second,
               b.elapsed_ms, b.generate_ms, b.insert_ms, b.commit_ms, b.wal_bytes, b.worker, b.path, b.finished,
               NULL::text AS query, NULL::integer AS attempt, NULL::float8 AS query_ms, b.latency_ms,
               NULL::text AS measure, NULL::float8 AS value
        FROM stream_batches b LEFT JOIN stream_bench_tables t USING (run, target)
        WHERE b.run = ANY (%L::text[])
        ORDER BY b.run, b.batch, t.position, b.target
    ) TO STDOUT (FORMAT csv, HEADER)', $1::text[])";

/// A line per execution of a query, with the same columns.
const QUERIES: &str = "
    SELECT pg_catalog.format('COPY (
        SELECT t.run, q.phase, q.variant, q.target, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               q.finished, q.query, q.attempt, q.ms, NULL, NULL, NULL
        FROM stream_queries q LEFT JOIN stream_bench_tables t USING (bench, phase, variant)
        WHERE t.run = ANY (%L::text[])
        ORDER BY t.run, q.finished
    ) TO STDOUT (FORMAT csv)', $1::text[])";

/// A line per figure of a run to which rows arrived at a rate, with the same columns.
const LATENCY: &str = "
    SELECT pg_catalog.format('COPY (
        SELECT l.name, CASE WHEN l.name <> %1$L THEN substr(l.name, length(%1$L) + 2) END, NULL, NULL, NULL, NULL, NULL, NULL,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, m.measure, m.value
        FROM stream_latency(%1$L) l, LATERAL (VALUES
            (''rate'', l.rate), (''rows_per_second'', l.rows_per_second), (''p50_ms'', l.p50_ms), (''p95_ms'', l.p95_ms),
            (''p99_ms'', l.p99_ms), (''p999_ms'', l.p999_ms), (''max_ms'', l.max_ms), (''backlog_rows_max'', l.backlog_rows_max),
            (''gap_seconds'', l.gap_seconds), (''sustained'', l.sustained::integer)
        ) m (measure, value)
        WHERE l.rate IS NOT NULL AND m.value IS NOT NULL
    ) TO STDOUT (FORMAT csv)', $1::text)";

/// A line per figure of a query that readers ran.
const READERS: &str = "
    SELECT pg_catalog.format('COPY (
        SELECT r.name, CASE WHEN r.name <> %1$L THEN substr(r.name, length(%1$L) + 2) END, r.variant, NULL, NULL, NULL, NULL, NULL,
               NULL, NULL, NULL, NULL, NULL, NULL, NULL, r.query, NULL, NULL, NULL,
               CASE WHEN r.streaming THEN ''streaming_'' ELSE ''alone_'' END || m.measure, m.value
        FROM stream_readers(%1$L) r, LATERAL (VALUES
            (''count'', r.count), (''p50_ms'', r.p50_ms), (''p95_ms'', r.p95_ms), (''p99_ms'', r.p99_ms), (''p999_ms'', r.p999_ms),
            (''max_ms'', r.max_ms), (''fresh_p50_ms'', r.fresh_p50_ms), (''fresh_p99_ms'', r.fresh_p99_ms),
            (''fresh_max_ms'', r.fresh_max_ms)
        ) m (measure, value)
        WHERE m.value IS NOT NULL
    ) TO STDOUT (FORMAT csv)', $1::text)";

/// Has the server write them, in separate statements, because a cluster may not run them in one.
pub fn write(client: &mut Client, run: &str, file: &mut impl Write) -> Result<()> {
    let runs = runs_of(client, run)?;
    let asked: [(&str, &(dyn ToSql + Sync)); 4] =
        [(BATCHES, &runs), (QUERIES, &runs), (LATENCY, &run), (READERS, &run)];
    for (statement, of) in asked {
        let copy: String = client.query_one(statement, &[of])?.get(0);
        io::copy(&mut client.copy_out(copy.as_str())?, file).map_err(Error::file("metrics.csv"))?;
    }
    Ok(())
}

/// A table of a phase; of a run that is no benchmark's the phase is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    pub phase: String,
    pub variant: String,
}

/// A batch in a table.
#[derive(Clone, Copy)]
pub struct Batch {
    pub rows: i64,
    pub insert_ms: f64,
    /// How late it was, where its rows arrived at a rate.
    pub latency_ms: Option<f64>,
}

/// A figure of a run to which rows arrived at a rate, or of a query that readers ran meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measure {
    /// Without a variant where it is of a whole phase.
    pub table: Table,
    /// Empty where it is of the run.
    pub query: String,
    pub name: String,
}

/// A query or refresh function of a TPC test, in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub test: String,
    /// Refresh functions, which have no number among the queries, come last.
    number: u32,
    pub name: String,
}

impl Step {
    fn new(test: String, name: String) -> Self {
        let number = name.strip_prefix('Q').and_then(|number| number.parse().ok());
        Self { test, number: number.unwrap_or(u32::MAX), name }
    }
}

/// The figures that can be compared.
#[derive(Default)]
pub struct Metrics {
    pub batches: BTreeMap<Table, BTreeMap<i64, Batch>>,
    /// Milliseconds of all executions but the first, by table and query.
    pub queries: BTreeMap<(Table, String), Vec<f64>>,
    pub measures: BTreeMap<Measure, f64>,
    /// Seconds of a TPC test's steps, in each session that ran them.
    pub steps: BTreeMap<Step, Vec<f64>>,
    /// Seconds of all steps together, by test and session.
    sessions: BTreeMap<(String, String), f64>,
}

/// Columns that are needed, and where they are.
struct Columns(Vec<(&'static str, usize)>);

const COLUMNS: [&str; 11] = [
    "phase",
    "variant",
    "batch",
    "rows",
    "insert_ms",
    "query",
    "attempt",
    "query_ms",
    "latency_ms",
    "measure",
    "value",
];
const STEP_COLUMNS: [&str; 4] = ["test", "session", "step", "seconds"];

impl Columns {
    fn of(names: &[&'static str], head: &csv::StringRecord) -> std::result::Result<Self, String> {
        let place = |name: &&'static str| {
            let found = head.iter().position(|column| column == *name);
            Ok((*name, found.ok_or_else(|| format!("it has no column \"{name}\""))?))
        };
        names.iter().map(place).collect::<std::result::Result<_, _>>().map(Self)
    }

    fn text<'a>(&self, line: &'a csv::StringRecord, name: &str) -> &'a str {
        let place = self.0.iter().find(|(column, _)| *column == name);
        place.and_then(|(_, place)| line.get(*place)).unwrap_or_default()
    }

    fn number<T: std::str::FromStr>(
        &self,
        line: &csv::StringRecord,
        name: &str,
    ) -> std::result::Result<T, String> {
        let text = self.text(line, name);
        let at = line.position().map_or(0, csv::Position::line);
        text.parse().map_err(|_| format!("line {at}: {name} is \"{text}\", which is not a number"))
    }
}

impl Metrics {
    /// Reads them; an error says what is wrong with the text.
    pub fn read(text: &[u8]) -> std::result::Result<Self, String> {
        let mut reader = csv::Reader::from_reader(text);
        let head = reader.headers().map_err(|error| error.to_string())?;
        let is_of_tests = head.iter().any(|column| column == "step");
        let columns = Columns::of(if is_of_tests { &STEP_COLUMNS } else { &COLUMNS }, head)?;
        let mut metrics = Self::default();
        for line in reader.records() {
            let line = line.map_err(|error| error.to_string())?;
            match is_of_tests {
                true => metrics.add_step(&columns, &line)?,
                false => metrics.add(&columns, &line)?,
            }
        }
        Ok(metrics)
    }

    fn add(&mut self, columns: &Columns, line: &csv::StringRecord) -> std::result::Result<(), String> {
        let text = |name| columns.text(line, name).to_owned();
        let table = Table { phase: text("phase"), variant: text("variant") };
        if !text("measure").is_empty() {
            let measure = Measure { table, query: text("query"), name: text("measure") };
            self.measures.insert(measure, columns.number(line, "value")?);
        } else if text("query").is_empty() {
            let is_late = !text("latency_ms").is_empty();
            let latency_ms = is_late.then(|| columns.number(line, "latency_ms")).transpose()?;
            let (rows, insert_ms) = (columns.number(line, "rows")?, columns.number(line, "insert_ms")?);
            let batch = Batch { rows, insert_ms, latency_ms };
            self.batches.entry(table).or_default().insert(columns.number(line, "batch")?, batch);
        } else if columns.number::<i64>(line, "attempt")? > 1 {
            let milliseconds = columns.number(line, "query_ms")?;
            self.queries.entry((table, text("query"))).or_default().push(milliseconds);
        }
        Ok(())
    }

    fn add_step(&mut self, columns: &Columns, line: &csv::StringRecord) -> std::result::Result<(), String> {
        let text = |name| columns.text(line, name).to_owned();
        let seconds: f64 = columns.number(line, "seconds")?;
        self.steps.entry(Step::new(text("test"), text("step"))).or_default().push(seconds);
        *self.sessions.entry((text("test"), text("session"))).or_default() += seconds;
        Ok(())
    }

    /// A figure of a phase to which rows arrived at a rate.
    pub fn of_phase(&self, phase: &str, name: &str) -> Option<f64> {
        let table = Table { phase: phase.to_owned(), variant: String::new() };
        self.measures.get(&Measure { table, query: String::new(), name: name.to_owned() }).copied()
    }

    /// The phases to which rows arrived at a rate.
    pub fn paced(&self) -> BTreeSet<&str> {
        let rates = self.measures.keys().filter(|measure| measure.name == "rate");
        rates.map(|measure| measure.table.phase.as_str()).collect()
    }

    /// The TPC tests that they are of.
    pub fn tests(&self) -> BTreeSet<&str> {
        self.steps.keys().map(|step| step.test.as_str()).collect()
    }

    /// A test's steps, with the seconds of each execution.
    pub fn steps_of(&self, test: &str) -> impl Iterator<Item = (&Step, &Vec<f64>)> {
        self.steps.iter().filter(move |(step, _)| step.test == test)
    }

    /// How long a test took: as long as its longest session.
    pub fn seconds_of(&self, test: &str) -> f64 {
        let sessions = self.sessions.iter().filter(|((of, _), _)| of == test);
        sessions.map(|(_, seconds)| *seconds).fold(0.0, f64::max)
    }
}
