//! The progress of runs, live: a bar per table on a terminal, plain lines elsewhere.

use crate::connection::Server;
use crate::error::{Error, Result};
use crate::{interrupt, output};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use millrace_progress::Progress;
use postgres::Client;
use std::collections::HashMap;
use std::env;
use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How often progress is asked for.
const TICK: Duration = Duration::from_millis(250);
/// Without bars, a run prints a line each time it has advanced by this percentage.
const STEP: i64 = 10;

/// How far a run is in one of its tables.
pub struct Load {
    pub run: String,
    /// `done`, `running` or `interrupted`.
    pub state: String,
    pub batches_done: i64,
    pub batches: i64,
    target: String,
    rows: i64,
    rows_total: i64,
    /// By the time that inserting took.
    rows_per_second: Option<f64>,
    /// Seconds; of the run, as its tables are loaded together.
    eta: Option<f64>,
}

impl Load {
    fn percent(&self) -> i64 {
        100 * self.rows / self.rows_total.max(self.rows).max(1)
    }

    /// Share of the run's batches that are committed, in percent.
    pub fn batches_percent(&self) -> i64 {
        100 * self.batches_done / self.batches.max(1)
    }

    fn figures(&self) -> String {
        let progress = Progress {
            done: self.rows.unsigned_abs(),
            total: self.rows_total.unsigned_abs(),
            per_second: self.rows_per_second,
            eta: self.eta.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };
        format!("{progress:#}")
    }

    fn is_done(&self) -> bool {
        self.state == "done"
    }
}

/// The runs named that exist, in the order they were begun, table by table.
pub fn loads(client: &mut Client, runs: &[String]) -> Result<Vec<Load>> {
    let query = "
        SELECT p.run, p.state, p.batches_done, p.batches, t.target, coalesce(b.rows, 0)::bigint, p.rows_total,
               b.rows_per_second, extract(epoch FROM p.eta)::float8
        FROM stream_progress p
        CROSS JOIN LATERAL unnest(p.targets) WITH ORDINALITY AS t (target, position)
        LEFT JOIN (
            SELECT run, target, sum(rows) AS rows,
                   (1000 * sum(rows) / nullif(sum(insert_ms), 0))::float8 AS rows_per_second
            FROM stream_batches WHERE run = ANY ($1) GROUP BY run, target
        ) b ON b.run = p.run AND b.target = t.target
        WHERE p.run = ANY ($1)
        ORDER BY p.started, p.run, t.position";
    let rows = client.query(query, &[&runs])?;
    let load = |row: &postgres::Row| Load {
        run: row.get(0),
        state: row.get(1),
        batches_done: row.get(2),
        batches: row.get(3),
        target: row.get(4),
        rows: row.get(5),
        rows_total: row.get(6),
        rows_per_second: row.get(7),
        eta: row.get(8),
    };
    Ok(rows.iter().map(load).collect())
}

/// Where progress is shown.
#[derive(Clone)]
pub struct Display {
    /// None where plain lines are wanted.
    bars: Option<MultiProgress>,
}

impl Display {
    /// Bars on a terminal, unless NO_COLOR asks for plain text.
    pub fn new() -> Self {
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { bars: (stderr().is_terminal() && !plain).then(MultiProgress::new) }
    }

    /// Writes a line without disturbing the bars.
    pub fn note(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| output::note(line)),
            None => output::note(line),
        }
    }
}

/// Rows that are counted up, without a server.
pub struct Counter {
    bar: Option<ProgressBar>,
    total: u64,
    told: u64,
}

impl Display {
    /// Counts to about `total` rows.
    pub fn counter(&self, total: u64) -> Counter {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total));
            set_style(&bar, "{bar:32.blue/dim} {msg}");
            bar
        });
        Counter { bar, total, told: 0 }
    }
}

impl Counter {
    /// Shows that `rows` are there after this time.
    pub fn show(&mut self, rows: u64, elapsed: Duration) {
        let step = rows * 10 / self.total.max(1);
        let told = std::mem::replace(&mut self.told, step);
        let per_second = (rows > 0).then(|| rows as f64 / elapsed.as_secs_f64().max(1e-3));
        let figures = format!("{:#}", Progress::new(rows, self.total, per_second));
        match &self.bar {
            Some(bar) => {
                bar.set_position(rows);
                bar.set_message(figures);
            }
            None if step > told => output::note(&figures),
            None => {}
        }
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// What has been shown of the runs so far.
struct Shown {
    display: Display,
    bars: HashMap<(String, String), ProgressBar>,
    /// The percentage last shown, by run, and the one when this command began.
    told: HashMap<String, i64>,
}

impl Shown {
    fn update(&mut self, loads: &[Load]) {
        match self.display.bars.clone() {
            Some(bars) => loads.iter().for_each(|load| self.draw(&bars, load)),
            None => self.tell(loads),
        }
    }

    fn draw(&mut self, bars: &MultiProgress, load: &Load) {
        let bar = self.bars.entry((load.run.clone(), load.target.clone())).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(load.rows_total.unsigned_abs()));
            bar.set_prefix(load.target.clone());
            set_style(&bar, "{prefix:28!} {bar:24.blue/dim} {msg}");
            bar
        });
        bar.set_length(load.rows_total.max(load.rows).unsigned_abs());
        bar.set_position(load.rows.unsigned_abs());
        bar.set_message(load.figures());
        if load.is_done() && !bar.is_finished() {
            bar.abandon();
        }
    }

    /// A line per run, of its first table, each time another tenth is there.
    fn tell(&mut self, loads: &[Load]) {
        let mut last = "";
        for load in loads.iter().filter(|load| std::mem::replace(&mut last, &load.run) != load.run) {
            let step = load.percent() / STEP;
            let told = self.told.insert(load.run.clone(), step);
            // A run that was done before is not shown.
            if told.is_some_and(|told| told < step) || (told.is_none() && !load.is_done()) {
                output::note(&format!("{}: {}", load.run, load.figures()));
            }
        }
    }
}

/// Runs `call` in a session and shows the progress of the runs it works on, as seen from another session,
/// until it returns. `tick` sees each observation, and may ask a run to stop.
pub fn follow(
    server: &Server,
    display: &Display,
    runs: &[String],
    call: impl FnOnce() -> Result<()> + Send,
    mut tick: impl FnMut(&mut Client, &[Load]) -> Result<()>,
) -> Result<()> {
    let mut observer = server.observer()?;
    let mut shown = Shown { display: display.clone(), bars: HashMap::new(), told: HashMap::new() };
    let mut observe = || -> Result<()> {
        let loads = loads(&mut observer, runs)?;
        shown.update(&loads);
        tick(&mut observer, &loads)
    };
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        scope.spawn(move || done.send(call()));
        // If the run cannot be watched any more, it is ended rather than left to run unseen.
        let mut blind = None;
        loop {
            match ended.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) if blind.is_none() => {
                    if let Err(error) = observe() {
                        blind = Some(error);
                        interrupt::cancel();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::failed("the session ended unexpectedly", ""));
                }
                Ok(result) => {
                    if result.is_ok() && blind.is_none() {
                        observe()?;
                    }
                    return blind.map_or(result, Err);
                }
            }
        }
    })
}
