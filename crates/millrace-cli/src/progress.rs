//! The progress of runs, live: a bar per table on a terminal, plain lines elsewhere.

mod pace;

use crate::connection::Server;
use crate::error::{Error, Result};
use crate::{interrupt, output};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use millrace_progress::Progress;
use pace::Pace;
use postgres::Client;
use std::collections::HashMap;
use std::env;
use std::io::{IsTerminal, stderr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often progress is looked up.
const TICK: Duration = Duration::from_millis(250);
/// After a look at progress, wait at least this many times as long as it took, because ledgers grow.
const PATIENCE: u32 = 4;
/// Without bars, a run prints a line each time it has advanced by this percentage.
const PERCENT: i64 = 10;
/// A run whose end is not known prints a line every this many seconds.
const SECONDS: u64 = 10;

/// How far a run is in one of its tables.
pub struct Load {
    pub run: String,
    /// `done`, `running` or `interrupted`.
    pub state: String,
    pub batches_done: i64,
    /// None if time or `stream_stop()` is to end the run.
    pub batches: Option<i64>,
    target: String,
    rows: i64,
    rows_total: Option<i64>,
    /// Per second of insert time; if rows arrive at a rate, per second of elapsed time.
    rows_per_second: Option<f64>,
    /// Seconds, for the whole run, as its tables are loaded together.
    eta: Option<f64>,
    /// Rows per second that arrive, if they come at a rate.
    rate: Option<f64>,
}

/// When to print the next line of a run. A run without a known end comes before every percentage.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Step {
    Seconds(u64),
    Percent(i64),
}

impl Load {
    fn step(&self, elapsed: Duration) -> Step {
        match self.rows_total {
            Some(total) => Step::Percent(100 * self.rows / total.max(self.rows).max(1) / PERCENT),
            None => Step::Seconds(elapsed.as_secs() / SECONDS),
        }
    }

    /// Share of the run's batches that are committed, in percent.
    pub fn batches_percent(&self) -> i64 {
        self.batches.map_or(0, |batches| 100 * self.batches_done / batches.max(1))
    }

    fn figures(&self) -> String {
        let progress = Progress {
            done: self.rows.unsigned_abs(),
            total: self.rows_total.map(i64::unsigned_abs),
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
               CASE WHEN r.rate IS NULL THEN b.rows_per_second ELSE p.rows_per_second END,
               extract(epoch FROM p.eta)::float8, r.rate
        FROM stream_progress p
        JOIN millrace.run r ON r.name = p.run
        CROSS JOIN LATERAL unnest(p.targets) WITH ORDINALITY AS t (target, position)
        LEFT JOIN (
            SELECT run, target, sum(rows) AS rows,
                   (1000 * sum(rows) / nullif(sum(insert_ms), 0))::float8 AS rows_per_second
            FROM millrace.batches WHERE run = ANY ($1) GROUP BY run, target
        ) b ON b.run = p.run AND b.target = t.position
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
        rate: row.get(9),
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
        let figures = format!("{:#}", Progress::new(rows, Some(self.total), per_second));
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
    begun: Instant,
    /// By run and table; a run's own has no table.
    bars: HashMap<(String, String), ProgressBar>,
    /// What was last printed, by run, or was there when this command began.
    told: HashMap<String, Step>,
    paces: HashMap<String, Pace>,
}

impl Shown {
    fn new(display: &Display) -> Self {
        Self {
            display: display.clone(),
            begun: Instant::now(),
            bars: HashMap::new(),
            told: HashMap::new(),
            paces: HashMap::new(),
        }
    }

    fn update(&mut self, client: &mut Client, loads: &[Load]) -> Result<()> {
        for (run, rate) in paced(loads) {
            if !self.paces.contains_key(run) {
                self.paces.extend(Pace::new(run, rate).map(|pace| (run.to_owned(), pace)));
            }
            self.paces.get_mut(run).map_or(Ok(()), |pace| pace.look(client))?;
        }
        match self.display.bars.clone() {
            Some(bars) => {
                loads.iter().for_each(|load| self.draw(&bars, load));
                paced(loads).for_each(|(run, _)| self.draw_pace(&bars, run));
            }
            None => self.tell(loads),
        }
        Ok(())
    }

    fn draw(&mut self, bars: &MultiProgress, load: &Load) {
        let bar = self.bars.entry((load.run.clone(), load.target.clone())).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(0));
            bar.set_prefix(load.target.clone());
            bar
        });
        let style = match load.rows_total {
            Some(_) => "{prefix:28!} {bar:24.blue/dim} {msg}",
            None => "{prefix:28!} {msg}",
        };
        set_style(bar, style);
        bar.set_length(load.rows_total.unwrap_or_default().max(load.rows).unsigned_abs());
        bar.set_position(load.rows.unsigned_abs());
        bar.set_message(load.figures());
        if load.is_done() && !bar.is_finished() {
            bar.abandon();
        }
    }

    /// A line below a run's tables: how late they are; short, because terminals have 80 columns.
    fn draw_pace(&mut self, bars: &MultiProgress, run: &str) {
        let bar = self.bars.entry((run.to_owned(), String::new())).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(0));
            bar.set_prefix(run.to_owned());
            set_style(&bar, "{prefix}: {msg}");
            bar
        });
        bar.set_message(self.paces.get(run).map(Pace::figures).unwrap_or_default());
    }

    /// A line per run, of its first table, each time another tenth is there.
    fn tell(&mut self, loads: &[Load]) {
        let mut last = "";
        for load in loads.iter().filter(|load| std::mem::replace(&mut last, &load.run) != load.run) {
            let step = load.step(self.begun.elapsed());
            let told = self.told.insert(load.run.clone(), step);
            // A run that was done before is not shown.
            if told.is_some_and(|told| told < step) || (told.is_none() && !load.is_done()) {
                let pace = self.paces.get(&load.run).map(Pace::figures).filter(|text| !text.is_empty());
                let pace = pace.map(|text| format!(", {text}")).unwrap_or_default();
                output::note(&format!("{}: {}{pace}", load.run, load.figures()));
            }
        }
    }
}

/// The running runs whose rows arrive at a rate.
fn paced(loads: &[Load]) -> impl Iterator<Item = (&str, f64)> {
    let running = loads.iter().filter(|load| load.state == "running");
    let mut last = "";
    let once = running.filter(move |load| std::mem::replace(&mut last, &load.run) != load.run);
    once.filter_map(|load| Some((load.run.as_str(), load.rate?)))
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
    let mut shown = Shown::new(display);
    watch(server, call, |observer| {
        let loads = loads(observer, runs)?;
        shown.update(observer, &loads)?;
        tick(observer, &loads)
    })
}

/// Runs `call` in a session, and polls what it does from another one, for the last time when it has returned.
pub fn watch(
    server: &Server,
    call: impl FnOnce() -> Result<()> + Send,
    mut observe: impl FnMut(&mut Client) -> Result<()>,
) -> Result<()> {
    let mut observer = server.observer()?;
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        scope.spawn(move || done.send(call()));
        // If the run cannot be watched any more, it is ended, not left to run unseen.
        let mut blind = None;
        let mut wait = TICK;
        loop {
            match ended.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) if blind.is_none() => {
                    let asked = Instant::now();
                    if let Err(error) = observe(&mut observer) {
                        blind = Some(error);
                        interrupt::cancel();
                    }
                    wait = TICK.max(PATIENCE * asked.elapsed());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::failed("the session ended unexpectedly", ""));
                }
                Ok(result) => {
                    if result.is_ok() && blind.is_none() {
                        observe(&mut observer)?;
                    }
                    return blind.map_or(result, Err);
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rows: i64, rows_total: Option<i64>) -> Load {
        Load {
            run: "r".into(),
            state: "running".into(),
            batches_done: rows / 10,
            batches: rows_total.map(|rows| rows / 10),
            target: "t".into(),
            rows,
            rows_total,
            rows_per_second: Some(1500.4),
            eta: None,
            rate: None,
        }
    }

    #[test]
    fn what_has_no_end_has_no_percentage() {
        assert_eq!(load(1200, None).figures(), "1,200 rows, 1,500 rows/s");
        assert_eq!(load(1200, Some(2400)).figures(), "1,200 of 2,400 rows (50.0%), 1,500 rows/s");
        assert_eq!([load(1200, None), load(1200, Some(2400))].map(|load| load.batches_percent()), [0, 50]);
    }

    #[test]
    fn lines_come_by_time_and_one_at_the_end() {
        let step = |seconds, total| load(1200, total).step(Duration::from_secs(seconds));
        assert!(step(0, None) == step(9, None) && step(9, None) < step(10, None));
        assert!(step(86_400, None) < step(86_400, Some(1200)), "that it has ended is told, too");
        assert!(step(0, Some(2400)) < step(0, Some(1200)));
    }

    #[test]
    fn only_running_runs_with_a_rate_are_paced() {
        let mut loads = [load(1, None), load(2, None), load(3, None), load(4, None)];
        loads[0].run = "unpaced".into();
        loads[1].rate = Some(5.0);
        loads[2].rate = Some(5.0);
        loads[3] = Load { state: "done".into(), run: "before".into(), rate: Some(5.0), ..load(4, None) };
        assert_eq!(paced(&loads).collect::<Vec<_>>(), [("r", 5.0)]);
    }
}
