//! A run or a TPC test compared with an earlier one: how many times as fast each table and query is, and which differences
//! are more than chance.

mod latency;

use super::document::{Figure as Chart, Kind, Table as Rows, Verdict};
use super::metrics::{Batch, Metrics, Step, Table};
use crate::chart::{Bars, Unit};
use crate::error::{Error, Result};
use crate::output;
use std::collections::{BTreeMap, BTreeSet};

/// With fewer, their spread is not known.
const FEWEST_BATCHES: usize = 4;
const FEWEST_EXECUTIONS: usize = 2;
const FEWEST_STEPS: usize = 4;

/// What was measured.
#[derive(Clone, PartialEq)]
enum Measure {
    /// All rows of a table by the time of inserting them, in rows per second.
    Inserts(Table),
    /// The median batch, in rows per second.
    Batches(Table),
    /// The fastest execution but the first, in milliseconds.
    Query(Table, String),
    /// The 99th percentile of how late a phase's batches were, in milliseconds.
    Latency(String),
    /// The committed rows of a phase, in rows per second.
    Committed(String),
    /// The 99th percentile of a query that readers ran while rows arrived, in milliseconds.
    Reader(Table, String),
    /// A TPC test as a whole, in seconds.
    Test(String),
    /// A step of it, the mean of its sessions, in seconds.
    Step(Step),
}

/// A figure then and now.
struct Figure {
    measure: Measure,
    earlier: f64,
    now: f64,
    /// How many times as fast it is now.
    ratio: f64,
    /// The spread: by which share batches, executions or steps differ without any change; None if there are too few to tell.
    spread: Option<f64>,
}

impl Figure {
    /// By which share the slower one takes longer.
    fn change(&self) -> f64 {
        self.ratio.max(1.0 / self.ratio) - 1.0
    }

    fn has_changed(&self) -> bool {
        self.spread.is_some_and(|spread| self.change() > spread)
    }

    fn is_slower(&self) -> bool {
        self.has_changed() && self.ratio < 1.0
    }

    fn mark(&self) -> &'static str {
        match (self.has_changed(), self.is_slower()) {
            (false, _) => "",
            (true, false) => "faster",
            (true, true) => "SLOWER",
        }
    }

    fn name(&self) -> String {
        match &self.measure {
            Measure::Inserts(table) => format!("inserting into {}", named(table)),
            Measure::Batches(table) => format!("the median batch of {}", named(table)),
            Measure::Query(table, query) => format!("query {query} of {}", named(table)),
            Measure::Latency(phase) => format!("the p99 latency{}", of_phase(phase)),
            Measure::Committed(phase) => format!("committing{}", of_phase(phase)),
            Measure::Reader(table, query) => format!("readers' query {query} of {}", named(table)),
            Measure::Test(test) => format!("the {test} test"),
            Measure::Step(step) => format!("{} of the {} test", step.name, step.test),
        }
    }
}

fn of_phase(phase: &str) -> String {
    if phase.is_empty() { String::new() } else { format!(" of phase {phase}") }
}

fn named(table: &Table) -> String {
    let phase = if table.phase.is_empty() { "" } else { &format!(", phase {}", table.phase) };
    format!("{}{phase}", table.variant)
}

/// The figures that two runs have in common, and what only one of them has.
pub struct Comparison {
    figures: Vec<Figure>,
    /// Table, query if it is one's, and which run has it.
    alone: Vec<(Table, String, &'static str)>,
}

impl Comparison {
    /// Compares; or says why they cannot be.
    pub fn new(earlier: &Metrics, now: &Metrics) -> std::result::Result<Self, String> {
        let mut figures = Vec::new();
        latency::require_same_rates(earlier, now)?;
        for (table, batches) in &now.batches {
            let Some(before) = earlier.batches.get(table) else { continue };
            let is_paced = now.paced().contains(table.phase.as_str());
            let both =
                is_paced.then(|| [latency::in_both(before, batches), latency::in_both(batches, before)]);
            let [before, batches] = both.as_ref().map_or([before, batches], |both| both.each_ref());
            require_same_batches(table, before, batches)?;
            figures.extend(speeds(table, before, batches));
        }
        figures.extend(latency::figures(earlier, now));
        for ((table, query), times) in &now.queries {
            if let Some(before) = earlier.queries.get(&(table.clone(), query.clone())) {
                figures.extend(query_figure(table, query, before, times));
            }
        }
        for test in now.tests().intersection(&earlier.tests()) {
            require_same_steps(test, earlier, now)?;
            figures.extend(test_figures(test, earlier, now));
        }
        match figures.is_empty() {
            true => Err("it has none of the tables and queries of this report".to_owned()),
            false => Ok(Self { figures, alone: alone(earlier, now) }),
        }
    }

    /// Those that have rows.
    pub fn tables(&self) -> Vec<Rows> {
        let tables = [
            self.latency_table(),
            self.reader_table(),
            self.speed_table(),
            self.query_table(),
            self.step_table(),
            self.alone_table(),
        ];
        tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
    }

    fn speed_table(&self) -> Rows {
        let row = |figure: &Figure| {
            let (table, measure) = match &figure.measure {
                Measure::Inserts(table) => (table, "all rows"),
                Measure::Batches(table) => (table, "median batch"),
                _ => return None,
            };
            let figures = [figure.earlier, figure.now].map(|speed| output::grouped(speed.round() as i64));
            let names = [&table.phase, &table.variant].map(String::clone);
            Some(
                names
                    .into_iter()
                    .chain([measure.to_owned()])
                    .chain(figures)
                    .chain(judgement(figure))
                    .collect(),
            )
        };
        Rows {
            title: "Insert speed against the earlier report",
            names: vec![
                "phase",
                "table",
                "of",
                "earlier rows/s",
                "rows/s",
                "times as fast",
                "spread",
                "change",
            ],
            rows: self.figures.iter().filter_map(row).collect(),
        }
    }

    fn query_table(&self) -> Rows {
        let row = |figure: &Figure| {
            let Measure::Query(table, query) = &figure.measure else { return None };
            let names = [&table.phase, query, &table.variant].map(String::clone);
            let figures = [figure.earlier, figure.now].map(|time| format!("{time:.3}"));
            Some(names.into_iter().chain(figures).chain(judgement(figure)).collect())
        };
        Rows {
            title: "Queries against the earlier report",
            names: vec![
                "phase",
                "query",
                "table",
                "earlier warm ms",
                "warm ms",
                "times as fast",
                "spread",
                "change",
            ],
            rows: self.figures.iter().filter_map(row).collect(),
        }
    }

    fn step_table(&self) -> Rows {
        let row = |figure: &Figure| {
            let (test, step) = match &figure.measure {
                Measure::Test(test) => (test, "whole test"),
                Measure::Step(step) => (&step.test, step.name.as_str()),
                _ => return None,
            };
            let figures = [figure.earlier, figure.now].map(|time| format!("{time:.3}"));
            let names = [test.clone(), step.to_owned()];
            Some(names.into_iter().chain(figures).chain(judgement(figure)).collect())
        };
        Rows {
            title: "Steps against the earlier report",
            names: vec!["test", "step", "earlier s", "s", "times as fast", "spread", "change"],
            rows: self.figures.iter().filter_map(row).collect(),
        }
    }

    /// The steps of each TPC test, then and now.
    pub fn charts(&self) -> Vec<Chart> {
        let tests = self.figures.iter().filter_map(|figure| match &figure.measure {
            Measure::Test(test) => Some(test),
            _ => None,
        });
        let chart = |test: &String| {
            let group = |figure: &Figure| match &figure.measure {
                Measure::Step(step) if step.test == *test => {
                    Some((step.name.clone(), vec![Some(figure.earlier), Some(figure.now)]))
                }
                _ => None,
            };
            let bars = Bars {
                title: format!("Steps of the {test} test"),
                unit: Unit::Seconds,
                series: vec!["earlier".to_owned(), "now".to_owned()],
                groups: self.figures.iter().filter_map(group).collect(),
                stacked: false,
            };
            Chart::of_bars(bars, "The mean of all sessions that ran a step; shorter is faster.")
        };
        tests.filter_map(chart).collect()
    }

    fn alone_table(&self) -> Rows {
        let row = |(table, query, whose): &(Table, String, &str)| {
            vec![table.phase.clone(), table.variant.clone(), query.clone(), (*whose).to_owned()]
        };
        Rows {
            title: "Not compared",
            names: vec!["phase", "table", "query", "in"],
            rows: self.alone.iter().map(row).collect(),
        }
    }

    pub fn verdict(&self) -> Verdict {
        let changed = self.figures.iter().filter(|figure| figure.has_changed()).count();
        let slower = self.figures.iter().filter(|figure| figure.is_slower()).count();
        let all = self.figures.len();
        let text = match changed {
            0 => format!("None of {all} figures differs from the earlier report's by more than its spread."),
            _ => format!(
                "{changed} of {all} figures differ from the earlier report's by more than their spread: {} faster, {slower} slower.",
                changed - slower
            ),
        };
        Verdict { text, kind: if slower > 0 { Kind::Fail } else { Kind::Remark } }
    }

    /// Fails if something that has changed takes longer by more than this percentage.
    pub fn require(&self, percent: f64) -> Result<()> {
        if self.figures.iter().all(|figure| figure.spread.is_none()) {
            let message = "there is too little data to tell whether something is slower";
            let hint = format!("A table needs {FEWEST_BATCHES} batches: load with smaller --batch-rows.");
            return Err(Error::failed(message, hint));
        }
        let too_slow =
            || self.figures.iter().filter(|figure| figure.is_slower() && 100.0 * figure.change() > percent);
        let worst = too_slow().max_by(|one, other| one.change().total_cmp(&other.change()));
        worst.map_or(Ok(()), |worst| {
            let message = format!(
                "{} of {} figures are slower than allowed; the most is {}, {:.3} times as fast",
                too_slow().count(),
                self.figures.len(),
                worst.name(),
                worst.ratio
            );
            Err(Error::Slower { message })
        })
    }
}

/// Ratio, spread and what follows.
fn judgement(figure: &Figure) -> [String; 3] {
    let spread = figure.spread.map(|spread| format!("{:.1}%", 100.0 * spread)).unwrap_or_default();
    [format!("{:.3}", figure.ratio), spread, figure.mark().to_owned()]
}

/// Refuses to compare different loads.
fn require_same_batches(
    table: &Table,
    earlier: &BTreeMap<i64, Batch>,
    now: &BTreeMap<i64, Batch>,
) -> std::result::Result<(), String> {
    let name = &table.variant;
    if earlier.len() != now.len() {
        return Err(format!("{name} has {} batches in it, {} in this report", earlier.len(), now.len()));
    }
    let other = earlier.iter().zip(now).find(|(one, other)| one.0 != other.0 || one.1.rows != other.1.rows);
    match other {
        Some(((number, before), (_, after))) => Err(format!(
            "batch {number} of {name} has {} rows in it, {} in this report",
            before.rows, after.rows
        )),
        None => Ok(()),
    }
}

/// Refuses to compare tests with different queries, or different numbers of sessions.
fn require_same_steps(test: &str, earlier: &Metrics, now: &Metrics) -> std::result::Result<(), String> {
    let steps = |metrics: &Metrics| -> Vec<(Step, usize)> {
        metrics.steps_of(test).map(|(step, times)| (step.clone(), times.len())).collect()
    };
    let (before, after) = (steps(earlier), steps(now));
    let [executions, executions_now] =
        [&before, &after].map(|steps| steps.iter().map(|(_, times)| times).sum::<usize>());
    match before == after {
        true => Ok(()),
        false if executions == executions_now => Err(format!("the {test} test in it has other steps")),
        false => {
            Err(format!("the {test} test has {executions} steps in it, {executions_now} in this report"))
        }
    }
}

/// The figures of a TPC test: as a whole, and each step. A step has run once, or with its own parameters in each session, so
/// its own spread is not known. But most steps are as they were, or all have changed alike, so the differences between the
/// changes of all steps are chance. Three times their interquartile range is four standard deviations, which hardly a step
/// exceeds. The same is computed for their seconds, because a few milliseconds are a large share of a short step.
fn test_figures(test: &str, earlier: &Metrics, now: &Metrics) -> Vec<Figure> {
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let both = earlier.steps_of(test).zip(now.steps_of(test));
    let steps: Vec<(&Step, [f64; 2])> = both
        .map(|((step, before), (_, after))| (step, [mean(before), mean(after)]))
        .filter(|(_, [before, after])| *before > 0.0 && *after > 0.0)
        .collect();
    if steps.is_empty() {
        return Vec::new();
    }
    let changes = sorted(steps.iter().map(|(_, [before, after])| after / before));
    let usual = quantile(&changes, 0.5);
    let rests = sorted(steps.iter().map(|(_, [before, after])| after - usual * before));
    let [by_share, by_seconds] = [middle_half(&changes) / usual, middle_half(&rests)].map(|half| 3.0 * half);
    let figure = |measure, [earlier, now]: [f64; 2]| Figure {
        measure,
        earlier,
        now,
        ratio: earlier / now,
        spread: (steps.len() >= FEWEST_STEPS).then(|| by_share.max(by_seconds / earlier.min(now))),
    };
    let whole =
        figure(Measure::Test(test.to_owned()), [earlier, now].map(|metrics| metrics.seconds_of(test)));
    let each = steps.iter().map(|(step, times)| figure(Measure::Step((*step).clone()), *times));
    [whole].into_iter().chain(each).collect()
}

/// The figures of a table: all its rows, and the median batch. Their spread comes from the changes of single batches, each
/// compared with the same one of the other run, because batches may vary, and get slower as the table grows, in both runs
/// alike.
fn speeds(table: &Table, earlier: &BTreeMap<i64, Batch>, now: &BTreeMap<i64, Batch>) -> Vec<Figure> {
    let pairs: Vec<(Batch, Batch)> = earlier.values().copied().zip(now.values().copied()).collect();
    let speeds: Vec<(f64, f64)> =
        pairs.iter().filter_map(|(one, other)| Some((one.speed()?, other.speed()?))).collect();
    if speeds.is_empty() {
        return Vec::new();
    }
    let figure = |measure, earlier: f64, now: f64, spread: f64| Figure {
        measure,
        earlier,
        now,
        ratio: now / earlier,
        spread: (speeds.len() >= FEWEST_BATCHES).then_some(spread),
    };
    let rows: i64 = pairs.iter().map(|(batch, _)| batch.rows).sum();
    let times = [earlier, now].map(|batches| batches.values().map(|batch| batch.insert_ms).sum::<f64>());
    let whole = times.map(|time| 1000.0 * rows as f64 / time);
    let longer: Vec<f64> = pairs.iter().map(|(one, other)| other.insert_ms - one.insert_ms).collect();
    let by_chance = 2.0 * error_of_sum(&longer) / times[0].min(times[1]);
    let changes = sorted(speeds.iter().map(|(one, other)| other / one));
    let medians = [
        quantile(&sorted(speeds.iter().map(|(one, _)| *one)), 0.5),
        quantile(&sorted(speeds.iter().map(|(_, other)| *other)), 0.5),
    ];
    vec![
        figure(Measure::Inserts(table.clone()), whole[0], whole[1], by_chance),
        figure(
            Measure::Batches(table.clone()),
            medians[0],
            medians[1],
            middle_half(&changes) / quantile(&changes, 0.5),
        ),
    ]
}

/// The standard error of a sum. One batch that took long, such as during a checkpoint, makes it large.
fn error_of_sum(numbers: &[f64]) -> f64 {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    (count * squares / (count - 1.0)).sqrt()
}

/// The fastest executions. Their spread is how much longer the slowest took in each run, added up.
fn query_figure(table: &Table, query: &str, earlier: &[f64], now: &[f64]) -> Option<Figure> {
    let ends = |times: &[f64]| {
        let times = sorted(times.iter().copied().filter(|time| *time > 0.0));
        Some((*times.first()?, *times.last()?))
    };
    let ((fastest, slowest), (fastest_now, slowest_now)) = (ends(earlier)?, ends(now)?);
    let spread = slowest / fastest + slowest_now / fastest_now - 2.0;
    let enough = earlier.len().min(now.len()) >= FEWEST_EXECUTIONS;
    Some(Figure {
        measure: Measure::Query(table.clone(), query.to_owned()),
        earlier: fastest,
        now: fastest_now,
        ratio: fastest / fastest_now,
        spread: enough.then_some(spread),
    })
}

impl Batch {
    fn speed(self) -> Option<f64> {
        (self.insert_ms > 0.0 && self.rows > 0).then(|| 1000.0 * self.rows as f64 / self.insert_ms)
    }
}

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// A quantile of sorted numbers, at least one, interpolated as percentile_cont does.
fn quantile(numbers: &[f64], share: f64) -> f64 {
    let place = share * (numbers.len() - 1) as f64;
    let (below, above) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The interquartile range of sorted numbers.
fn middle_half(numbers: &[f64]) -> f64 {
    quantile(numbers, 0.75) - quantile(numbers, 0.25)
}

/// What only one of the two has.
fn alone(earlier: &Metrics, now: &Metrics) -> Vec<(Table, String, &'static str)> {
    let keys = |metrics: &Metrics| -> BTreeSet<(Table, String)> {
        let tables = metrics.batches.keys().map(|table| (table.clone(), String::new()));
        let test = |test: &str| Table { phase: format!("{test} test"), variant: String::new() };
        let tests = metrics.tests().into_iter().map(|name| (test(name), String::new()));
        tables.chain(metrics.queries.keys().cloned()).chain(tests).collect()
    };
    let (before, after) = (keys(earlier), keys(now));
    let only_before = before.difference(&after).map(|key| (key, "the earlier report"));
    let only_after = after.difference(&before).map(|key| (key, "this report"));
    only_before
        .chain(only_after)
        .map(|((table, query), whose)| (table.clone(), query.clone(), whose))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "phase,variant,batch,rows,insert_ms,query,attempt,query_ms,latency_ms,measure,value\n";

    fn metrics(lines: &[String]) -> std::result::Result<Metrics, String> {
        Metrics::read((HEAD.to_owned() + &lines.concat()).as_bytes())
    }

    /// Batches of 1000 rows that took these milliseconds, and a query that took those.
    fn run(batches: &[f64], query: &[f64]) -> std::result::Result<Metrics, String> {
        let batches =
            (1..).zip(batches).map(|(number, time)| format!("index,heap,{number},1000,{time},,,,,,\n"));
        let query = (1..).zip(query).map(|(attempt, time)| format!("index,heap,,,,q,{attempt},{time},,,\n"));
        metrics(&batches.chain(query).collect::<Vec<_>>())
    }

    fn judged(earlier: &Metrics, now: &Metrics) -> std::result::Result<Vec<[String; 3]>, String> {
        Ok(Comparison::new(earlier, now)?.figures.iter().map(judgement).collect())
    }

    fn are(rows: &[[&str; 3]]) -> std::result::Result<Vec<[String; 3]>, String> {
        Ok(rows.iter().map(|row| row.map(str::to_owned)).collect())
    }

    #[test]
    fn only_what_is_more_than_the_spread_is_marked() -> std::result::Result<(), String> {
        let earlier = run(&[10.0, 20.0, 30.0, 40.0], &[99.0, 10.0, 11.0])?;
        // As slow as before with other noise; half as fast; twice as fast. The first execution does not count.
        let noisy = run(&[11.0, 19.0, 33.0, 38.0], &[1.0, 10.5, 10.4])?;
        let slower = run(&[20.0, 40.0, 60.0, 80.0], &[1.0, 20.0, 22.0])?;
        assert_eq!(
            judged(&earlier, &noisy),
            are(&[["0.990", "8.9%", ""], ["0.995", "14.6%", ""], ["0.962", "11.0%", ""]])
        );
        assert_eq!(
            judged(&earlier, &slower),
            are(&[["0.500", "51.6%", "SLOWER"], ["0.500", "0.0%", "SLOWER"], ["0.500", "20.0%", "SLOWER"]])
        );
        let back: Vec<String> = judged(&slower, &earlier)?.into_iter().map(|[.., mark]| mark).collect();
        assert_eq!(back, ["faster"; 3]);
        Ok(())
    }

    #[test]
    fn one_slow_batch_is_chance() -> std::result::Result<(), String> {
        let (mut times, steady) = ([10.0; 20], [10.0; 20]);
        times[7] = 200.0;
        let figures = judged(&run(&steady, &[])?, &run(&times, &[])?)?;
        assert!(
            figures[0][0] == "0.513" && figures[0][2].is_empty() && figures[1][0] == "1.000",
            "{figures:?}"
        );
        Ok(())
    }

    #[test]
    fn a_slowdown_is_allowed_up_to_a_bound() -> std::result::Result<(), String> {
        let earlier = run(&[10.0; 5], &[9.0, 10.0, 10.0])?;
        let compared = Comparison::new(&earlier, &run(&[12.0; 5], &[9.0, 15.0, 15.0])?)?;
        let said = |percent| compared.require(percent).err().map(|error| error.to_string());
        assert_eq!(said(50.0), None);
        assert_eq!(
            said(49.0).as_deref(),
            Some(
                "1 of 3 figures are slower than allowed; the most is query q of heap, phase index, 0.667 times as fast"
            )
        );
        assert!(said(0.0).is_some_and(|text| text.starts_with("3 of 3")));
        // Of three batches and one execution nobody knows.
        let little = Comparison::new(&run(&[10.0; 3], &[9.0, 1.0])?, &run(&[90.0; 3], &[9.0, 9.0])?)?;
        assert!(little.require(1e9).is_err() && little.figures.iter().all(|figure| figure.mark().is_empty()));
        Ok(())
    }

    #[test]
    fn other_loads_are_not_compared() -> std::result::Result<(), String> {
        let earlier = run(&[10.0; 4], &[])?;
        let wrong = |now: &Metrics| Comparison::new(&earlier, now).err().unwrap_or_default();
        assert_eq!(wrong(&run(&[10.0; 3], &[])?), "heap has 4 batches in it, 3 in this report");
        let mut other = run(&[10.0; 4], &[])?;
        other.batches.values_mut().flat_map(BTreeMap::values_mut).for_each(|batch| batch.rows = 7);
        assert_eq!(wrong(&other), "batch 1 of heap has 1000 rows in it, 7 in this report");
        assert_eq!(wrong(&run(&[], &[1.0, 2.0])?), "it has none of the tables and queries of this report");
        let more = run(&[10.0; 4], &[1.0, 2.0])?;
        let alone = Comparison::new(&earlier, &more)?.alone_table().rows;
        assert_eq!(alone, [["index", "heap", "q", "this report"]]);
        Ok(())
    }

    /// A throughput test of these streams, which all have a step in each place.
    fn test(streams: &[&[f64]]) -> std::result::Result<Metrics, String> {
        let head = "test,session,position,step,refresh_set,seconds,rows\n".to_owned();
        let line = |(stream, position, seconds): (usize, usize, &f64)| {
            format!("throughput,stream {stream},{position},Q{position},,{seconds},7\n")
        };
        let steps = (1..).zip(streams).flat_map(|(stream, times)| {
            (1..).zip(*times).map(move |(position, seconds)| (stream, position, seconds))
        });
        Metrics::read((head + &steps.map(line).collect::<String>()).as_bytes())
    }

    #[test]
    fn steps_are_compared_with_what_all_steps_differ_by() -> std::result::Result<(), String> {
        let times: Vec<f64> = (1..=12).map(f64::from).collect();
        let slower = |from: usize, factor: f64| -> Vec<f64> {
            let change = |(at, time): (usize, &f64)| if at >= from { time * factor } else { *time };
            times.iter().enumerate().map(change).collect()
        };
        let earlier = test(&[&times])?;
        let marks = |now: &[f64]| -> std::result::Result<Vec<String>, String> {
            Ok(judged(&earlier, &test(&[now])?)?.into_iter().map(|[.., mark]| mark).collect())
        };
        // The whole test, and its steps by their numbers.
        let compared = Comparison::new(&earlier, &test(&[&slower(11, 2.0)])?)?;
        let rows = compared.step_table().rows;
        assert_eq!(rows.len(), 13);
        assert_eq!(rows[0], ["throughput", "whole test", "78.000", "90.000", "0.867", "0.0%", "SLOWER"]);
        assert_eq!(rows[1], ["throughput", "Q1", "1.000", "1.000", "1.000", "0.0%", ""]);
        assert_eq!(rows[12], ["throughput", "Q12", "12.000", "24.000", "0.500", "0.0%", "SLOWER"]);
        assert_eq!(marks(&slower(0, 0.5))?, ["faster"; 13]);
        // Every other one is a fifth slower: that is noise.
        let noisy: Vec<f64> =
            (0..).zip(&times).map(|(at, time)| if at % 2 == 0 { time * 1.2 } else { *time }).collect();
        assert_eq!(marks(&noisy)?, [""; 13]);

        // Each differs by some hundredths of a second, which is much of the shortest only.
        let mut short = times.clone();
        short[0] = 0.05;
        let jittered: Vec<f64> =
            (1..).zip(&short).map(|(number, time)| time + 0.03 * f64::from(number % 3)).collect();
        let both = judged(&test(&[&short])?, &test(&[&jittered])?)?;
        assert!(both.iter().all(|[.., mark]| mark.is_empty()), "{both:?}");

        let said = |percent| compared.require(percent).err().map(|error| error.to_string());
        assert_eq!(said(100.0), None);
        let worst = "1 of 13 figures are slower than allowed; the most is Q12 of the throughput test, 0.500 times as fast";
        assert_eq!(said(99.0).as_deref(), Some(worst));
        assert_eq!(
            (compared.charts().len(), compared.charts()[0].title.as_str()),
            (1, "Steps of the throughput test")
        );
        Ok(())
    }

    #[test]
    fn a_test_takes_as_long_as_its_longest_stream() -> std::result::Result<(), String> {
        let earlier = test(&[&[1.0, 1.0, 1.0, 1.0], &[2.0, 2.0, 2.0, 2.0]])?;
        let now = test(&[&[3.0, 1.0, 1.0, 1.0], &[1.0, 1.0, 1.0, 1.0]])?;
        let rows = Comparison::new(&earlier, &now)?.step_table().rows;
        assert_eq!(rows[0][2..5], ["8.000", "6.000", "1.333"]);
        assert_eq!(rows[1][1..5], ["Q1", "1.500", "2.000", "0.750"], "the mean of the streams");
        Ok(())
    }

    #[test]
    fn other_tests_are_not_compared() -> std::result::Result<(), String> {
        let wrong =
            |earlier: &Metrics, now: &Metrics| Comparison::new(earlier, now).err().unwrap_or_default();
        let one = test(&[&[1.0; 4]])?;
        let two = test(&[&[1.0; 4], &[1.0; 4]])?;
        let longer = test(&[&[1.0; 8]])?;
        assert_eq!(wrong(&one, &two), "the throughput test has 4 steps in it, 8 in this report");
        assert_eq!(wrong(&two, &longer), "the throughput test in it has other steps");
        assert_eq!(
            wrong(&one, &run(&[1.0; 4], &[])?),
            "it has none of the tables and queries of this report"
        );
        let power = "test,session,step,seconds\npower,stream 0,Q1,1\nthroughput,stream 1,Q1,1\n";
        let both = Metrics::read(power.as_bytes())?;
        let single = Metrics::read("test,session,step,seconds\nthroughput,stream 1,Q1,1\n".as_bytes())?;
        let alone = Comparison::new(&both, &single)?.alone_table().rows;
        assert_eq!(alone, [["power test", "", "", "the earlier report"]]);
        Ok(())
    }

    #[test]
    fn other_files_are_refused() {
        let wrong = |text: &str| Metrics::read(text.as_bytes()).err().unwrap_or_default();
        assert_eq!(wrong("phase,variant,batch,rows,insert_ms\n"), "it has no column \"query\"");
        assert_eq!(
            wrong(&format!("{HEAD}index,heap,1,many,1,,,,,,\n")),
            "line 2: rows is \"many\", which is not a number"
        );
        assert_eq!(wrong("test,step,seconds\n"), "it has no column \"session\"");
        assert!(wrong(&format!("{HEAD}a,b\n")).contains("record"), "{}", wrong(&format!("{HEAD}a,b\n")));
    }
}
