//! The data of a report, read from the server.

use super::course::Course;
use super::latency::{self, Latency, Reader};
use crate::error::{Error, Result};
use postgres::{Client, Row};

/// A curve of more batches than this is drawn from means of neighbours.
pub const POINTS: i64 = 400;

/// A run or a benchmark as the server's views have it.
#[derive(Default)]
pub struct Report {
    pub run: String,
    /// Facts about it and the server, by name.
    pub facts: Vec<(&'static str, String)>,
    /// In the server's order: by phase, then as they were given.
    pub targets: Vec<Target>,
    pub gates: Vec<Gate>,
    pub queries: Vec<Query>,
    /// Of the runs to which rows arrived at a rate.
    pub latencies: Vec<Latency>,
    pub readers: Vec<Reader>,
    /// Of the runs whose course is known, in the order of their phases.
    pub courses: Vec<Course>,
    /// Variants that the server does not support, and why.
    pub skipped: Vec<(String, String)>,
}

/// One table of one phase, a row of `stream_report`.
#[derive(Default)]
pub struct Target {
    /// None where the run is not a benchmark's.
    pub phase: Option<String>,
    /// The variant, or else the table.
    pub variant: String,
    pub batches: i64,
    pub rows: i64,
    pub seconds: Option<f64>,
    pub rows_per_second: Option<i64>,
    pub rows_per_second_min: Option<i64>,
    pub rows_per_second_p50: Option<i64>,
    pub rows_per_second_p95: Option<i64>,
    pub rows_per_second_max: Option<i64>,
    pub insert_rows_per_second: Option<i64>,
    pub ratio: Option<f64>,
    pub generate_seconds: Option<f64>,
    pub insert_seconds: Option<f64>,
    pub commit_seconds: Option<f64>,
    pub analyze_seconds: Option<f64>,
    pub after_load_seconds: Option<f64>,
    pub wal_bytes_per_row: Option<f64>,
    pub size_bytes: Option<i64>,
    pub bytes_per_row: Option<f64>,
    pub table_bytes: Option<i64>,
    /// Batch, or the middle of several, and rows per second of inserting.
    pub curve: Vec<(f64, f64)>,
}

/// A row of `stream_gates`.
#[derive(Default)]
pub struct Gate {
    pub gate: String,
    pub phase: Option<String>,
    pub variant: Option<String>,
    pub figure: Option<f64>,
    pub comparison: Option<String>,
    pub bound: Option<f64>,
    pub pass: Option<bool>,
    pub detail: Option<String>,
}

/// A benchmark query on one table: its first run, and the faster of the others.
pub struct Query {
    pub query: String,
    pub phase: String,
    pub variant: String,
    pub cold_ms: Option<f64>,
    pub warm_ms: Option<f64>,
    pub rows: Option<i64>,
    pub same: Option<bool>,
}

impl Report {
    /// Reads it all. Comparing the tables' content, which the gates of a benchmark do, takes a while.
    pub fn read(client: &mut Client, run: &str) -> Result<Self> {
        let runs = runs_of(client, run)?;
        let is_bench = runs.iter().any(|name| name != run);
        let targets = targets(client, run)?;
        Ok(Self {
            run: run.to_owned(),
            facts: facts(client, &runs)?,
            latencies: latency::latencies(client, run)?,
            readers: latency::readers(client, run)?,
            courses: courses(client, run, &targets)?,
            targets,
            gates: if is_bench { gates(client, run)? } else { Vec::new() },
            queries: queries(client, run)?,
            skipped: skipped(client, run)?,
        })
    }
}

/// The runs of a benchmark, or the run itself.
pub fn runs_of(client: &mut Client, run: &str) -> Result<Vec<String>> {
    let query = "
        SELECT run FROM stream_bench_tables WHERE bench = $1 GROUP BY run
        -- None comes twice: a benchmark's runs are called by it and their phase.
        UNION ALL SELECT run FROM stream_progress WHERE run = $1 ORDER BY 1";
    let runs: Vec<String> = client.query(query, &[&run])?.iter().map(|row| row.get(0)).collect();
    if runs.is_empty() {
        let message = format!("run \"{run}\" does not exist");
        return Err(Error::failed(
            message,
            "View stream_progress lists the runs, stream_bench_tables the benchmarks.",
        ));
    }
    Ok(runs)
}

/// The phase that a run is of, if it is that of a benchmark.
pub fn phase_of<'a>(bench: &str, run: &'a str) -> Option<&'a str> {
    run.strip_prefix(bench)?.strip_prefix('/')
}

fn courses(client: &mut Client, run: &str, targets: &[Target]) -> Result<Vec<Course>> {
    let mut phases: Vec<Option<String>> = targets.iter().map(|target| target.phase.clone()).collect();
    phases.dedup();
    let mut courses = Vec::new();
    for phase in phases {
        let name = phase.as_ref().map_or_else(|| run.to_owned(), |phase| format!("{run}/{phase}"));
        courses.extend(Course::read(client, &name, phase)?);
    }
    Ok(courses)
}

fn facts(client: &mut Client, runs: &[String]) -> Result<Vec<(&'static str, String)>> {
    let query = "
        SELECT string_agg(DISTINCT source, ', '), string_agg(DISTINCT options::text, ', '),
               string_agg(run || ': ' || state || ', ' || batches_done || coalesce(' of ' || batches, '') || ' batches', '; ' ORDER BY run),
               to_char(min(started), 'YYYY-MM-DD HH24:MI:SS TZ'), to_char(max(last_batch), 'YYYY-MM-DD HH24:MI:SS TZ'),
               current_setting('server_version'), current_setting('shared_buffers'),
               (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'millrace')
        FROM stream_progress WHERE run = ANY ($1)";
    let row = client.query_one(query, &[&runs])?;
    let names =
        ["Source", "Options", "State", "Started", "Last batch", "PostgreSQL", "shared_buffers", "millrace"];
    let facts = names
        .iter()
        .enumerate()
        .filter_map(|(index, name)| Some((*name, row.get::<_, Option<String>>(index)?)));
    Ok(facts.collect())
}

fn targets(client: &mut Client, run: &str) -> Result<Vec<Target>> {
    // Two statements: one that reads tables of a cluster cannot call a function that does.
    let tables = "SELECT target, phase, variant, run FROM stream_bench_tables WHERE bench = $1";
    let tables = client.query(tables, &[&run])?;
    let query = "
        SELECT r.target, r.batches, r.rows,
               r.seconds::float8, r.rows_per_second, r.rows_per_second_min, r.rows_per_second_p50,
               r.rows_per_second_p95, r.rows_per_second_max, r.insert_rows_per_second, r.ratio::float8,
               r.generate_seconds::float8, r.insert_seconds::float8, r.commit_seconds::float8,
               r.analyze_seconds::float8, r.wal_bytes_per_row::float8, r.size_bytes, r.bytes_per_row::float8, r.table_bytes,
               r.after_load_seconds::float8
        FROM stream_report($1) WITH ORDINALITY r
        ORDER BY r.ordinality";
    let report = client.query(query, &[&run])?;
    let target = |row: &Row| {
        let name: &str = row.get(0);
        let table = tables.iter().find(|table| table.get::<_, &str>(0) == name);
        let curve = curve(client, table.map_or(run, |table| table.get(3)), name)?;
        let variant = table.map_or(name, |table| table.get(2)).to_owned();
        Ok(Target { phase: table.map(|table| table.get(1)), variant, curve, ..figures(row) })
    };
    report.iter().map(target).collect()
}

/// What a row of `stream_report` has beside the target.
fn figures(row: &Row) -> Target {
    Target {
        batches: row.get(1),
        rows: row.get(2),
        seconds: row.get(3),
        rows_per_second: row.get(4),
        rows_per_second_min: row.get(5),
        rows_per_second_p50: row.get(6),
        rows_per_second_p95: row.get(7),
        rows_per_second_max: row.get(8),
        insert_rows_per_second: row.get(9),
        ratio: row.get(10),
        generate_seconds: row.get(11),
        insert_seconds: row.get(12),
        commit_seconds: row.get(13),
        analyze_seconds: row.get(14),
        wal_bytes_per_row: row.get(15),
        size_bytes: row.get(16),
        bytes_per_row: row.get(17),
        table_bytes: row.get(18),
        after_load_seconds: row.get(19),
        ..Target::default()
    }
}

fn curve(client: &mut Client, run: &str, target: &str) -> Result<Vec<(f64, f64)>> {
    // A statement of its own: in the other one, Greenplum loses the portal of the extended protocol.
    let step = "SELECT 1 + (coalesce(batches, batches_done) - 1) / $2 FROM stream_progress WHERE run = $1";
    let step: i64 = client.query_one(step, &[&run, &POINTS])?.get(0);
    let query = "
        SELECT avg(b.batch)::float8, round(1000 * sum(b.rows) / sum(b.insert_ms))::float8
        FROM stream_batches b
        WHERE b.run = $1 AND b.target = $2
        GROUP BY (b.batch - 1) / $3
        HAVING sum(b.insert_ms) > 0
        ORDER BY 1";
    Ok(client.query(query, &[&run, &target, &step])?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn gates(client: &mut Client, run: &str) -> Result<Vec<Gate>> {
    let query = "
        SELECT gate, phase, variant, figure::float8, comparison, bound::float8, pass, detail FROM stream_gates($1)";
    let gate = |row: &Row| Gate {
        gate: row.get(0),
        phase: row.get(1),
        variant: row.get(2),
        figure: row.get(3),
        comparison: row.get(4),
        bound: row.get(5),
        pass: row.get(6),
        detail: row.get(7),
    };
    Ok(client.query(query, &[&run])?.iter().map(gate).collect())
}

fn queries(client: &mut Client, run: &str) -> Result<Vec<Query>> {
    let query = "
        SELECT q.query, q.phase, q.variant, round((max(q.ms) FILTER (WHERE q.cold))::numeric, 3)::float8,
               round((min(q.ms) FILTER (WHERE NOT q.cold))::numeric, 3)::float8, max(q.rows)::bigint, bool_and(q.same)
        FROM stream_queries q LEFT JOIN stream_bench_tables t USING (bench, phase, variant)
        WHERE q.bench = $1
        GROUP BY q.query, q.phase, q.variant, t.position
        -- As the phases come.
        ORDER BY q.phase LIKE 'index%', q.phase, min(min(q.finished)) OVER (PARTITION BY q.phase, q.query), t.position";
    let query_row = |row: &Row| Query {
        query: row.get(0),
        phase: row.get(1),
        variant: row.get(2),
        cold_ms: row.get(3),
        warm_ms: row.get(4),
        rows: row.get(5),
        same: row.get(6),
    };
    Ok(client.query(query, &[&run])?.iter().map(query_row).collect())
}

fn skipped(client: &mut Client, run: &str) -> Result<Vec<(String, String)>> {
    let query = "SELECT variant, reason FROM stream_bench_skipped WHERE bench = $1";
    Ok(client.query(query, &[&run])?.iter().map(|row| (row.get(0), row.get(1))).collect())
}
