//! How late rows that came at a rate were, then and now, and how long readers' queries took meanwhile.

use super::{Figure, Measure, judgement, middle_half, quantile, sorted};
use crate::output;
use crate::report::document::Table as Rows;
use crate::report::metrics::{Batch, Metrics};
use std::collections::BTreeMap;

/// A run is cut into this number of parts, to see how far its p99 varies by itself; each part has at least this many batches.
const PARTS: usize = 10;
const FEWEST_BATCHES: usize = 10;
/// By which share the committed rows may lag behind those that arrived if the server says that the table kept up.
const KEPT_UP: f64 = 0.05;

/// Refuses to compare latencies at different rates.
pub fn require_same_rates(earlier: &Metrics, now: &Metrics) -> Result<(), String> {
    let said = |rate: Option<f64>| {
        rate.map_or("as fast as they could be stored".to_owned(), |rate| format!("at {rate} a second"))
    };
    let phases = now.batches.keys().map(|table| table.phase.as_str());
    let in_both = phases.filter(|phase| earlier.batches.keys().any(|table| table.phase == *phase));
    let rates = in_both.map(|phase| (phase, earlier.of_phase(phase, "rate"), now.of_phase(phase, "rate")));
    let other = rates.into_iter().find(|(_, before, after)| before != after);
    other.map_or(Ok(()), |(phase, before, after)| {
        let phase = if phase.is_empty() { String::new() } else { format!(" of phase {phase}") };
        Err(format!("rows{phase} came {} in it, {} in this report", said(before), said(after)))
    })
}

/// If time ended the runs, their numbers of batches differ: takes those that both have.
pub fn in_both(one: &BTreeMap<i64, Batch>, other: &BTreeMap<i64, Batch>) -> BTreeMap<i64, Batch> {
    one.iter()
        .filter(|(number, _)| other.contains_key(number))
        .map(|(number, batch)| (*number, *batch))
        .collect()
}

/// The figures of all phases to which rows arrived at a rate, and of the queries that were run meanwhile.
pub(super) fn figures(earlier: &Metrics, now: &Metrics) -> Vec<Figure> {
    let both = earlier.paced().intersection(&now.paced()).copied().collect::<Vec<_>>();
    let of_phases = both.into_iter().flat_map(|phase| {
        let spread = spread(earlier, phase).zip(spread(now, phase)).map(|(before, after)| before + after);
        let p99 = figure(
            Measure::Latency(phase.to_owned()),
            [earlier, now].map(|of| of.of_phase(phase, "p99_ms")),
            spread,
        );
        let rows = [now, earlier].map(|of| of.of_phase(phase, "rows_per_second"));
        // More rows are better, less time is.
        let rows = figure(Measure::Committed(phase.to_owned()), rows, Some(KEPT_UP));
        let rows = rows.map(|figure| Figure { earlier: figure.now, now: figure.earlier, ..figure });
        [p99, rows].into_iter().flatten()
    });
    let of_readers = now
        .measures
        .iter()
        .filter(|(measure, _)| measure.name == "streaming_p99_ms")
        .filter_map(|(measure, ms)| {
            let before = earlier.measures.get(measure).copied();
            // Its own spread is not known.
            figure(Measure::Reader(measure.table.clone(), measure.query.clone()), [before, Some(*ms)], None)
        });
    of_phases.chain(of_readers).collect()
}

/// A figure of which less is better.
fn figure(measure: Measure, [earlier, now]: [Option<f64>; 2], spread: Option<f64>) -> Option<Figure> {
    let (earlier, now) = earlier.zip(now).filter(|(earlier, now)| *earlier > 0.0 && *now > 0.0)?;
    Some(Figure { measure, earlier, now, ratio: earlier / now, spread })
}

/// By which share p99 differs from one part of a run to another: the interquartile range of the parts.
fn spread(metrics: &Metrics, phase: &str) -> Option<f64> {
    // A batch is there when the last table has it.
    let mut latest: BTreeMap<i64, f64> = BTreeMap::new();
    for (_, batches) in metrics.batches.iter().filter(|(table, _)| table.phase == phase) {
        for (number, batch) in batches {
            let latest = latest.entry(*number).or_default();
            *latest = latest.max(batch.latency_ms?);
        }
    }
    let times: Vec<f64> = latest.into_values().collect();
    if times.len() < PARTS * FEWEST_BATCHES {
        return None;
    }
    let parts = times.chunks(times.len().div_ceil(PARTS));
    let p99 = sorted(parts.map(|part| quantile(&sorted(part.iter().copied()), 0.99)));
    Some(middle_half(&p99) / quantile(&p99, 0.5))
}

impl super::Comparison {
    pub(super) fn latency_table(&self) -> Rows {
        let row = |figure: &Figure| {
            let (phase, of, digits) = match &figure.measure {
                Measure::Latency(phase) => (phase, "p99 ms", 3),
                Measure::Committed(phase) => (phase, "rows/s", 0),
                _ => return None,
            };
            let figures = [figure.earlier, figure.now].map(|value| match digits {
                0 => output::grouped(value.round() as i64),
                _ => format!("{value:.digits$}"),
            });
            Some([phase.clone(), of.to_owned()].into_iter().chain(figures).chain(judgement(figure)).collect())
        };
        Rows {
            title: "Latency against the earlier report",
            names: vec!["phase", "of", "earlier", "now", "times as good", "spread", "change"],
            rows: self.figures.iter().filter_map(row).collect(),
        }
    }

    pub(super) fn reader_table(&self) -> Rows {
        let row = |figure: &Figure| {
            let Measure::Reader(table, query) = &figure.measure else { return None };
            let names = [&table.phase, query, &table.variant].map(String::clone);
            let figures = [figure.earlier, figure.now].map(|time| format!("{time:.3}"));
            Some(names.into_iter().chain(figures).chain(judgement(figure)).collect())
        };
        Rows {
            title: "Readers against the earlier report",
            names: vec![
                "phase",
                "query",
                "table",
                "earlier p99 ms",
                "p99 ms",
                "times as fast",
                "spread",
                "change",
            ],
            rows: self.figures.iter().filter_map(row).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Comparison;
    use super::*;

    const HEAD: &str = "phase,variant,batch,rows,insert_ms,query,attempt,query_ms,latency_ms,measure,value\n";

    /// A run to which rows arrived at a rate, with batches as late as these, and readers of this p99.
    fn run(rate: f64, committed: f64, latencies: &[f64], reader: f64) -> Result<Metrics, String> {
        let batches =
            (1..).zip(latencies).map(|(number, ms)| format!("index,heap,{number},1000,10,,,,{ms},,\n"));
        let mut late = latencies.to_vec();
        late.sort_by(f64::total_cmp);
        let p99 = late[late.len() * 99 / 100];
        let measures = [("rate", rate), ("rows_per_second", committed), ("p99_ms", p99)];
        let measures = measures.map(|(name, value)| format!("index,,,,,,,,,{name},{value}\n"));
        let reader = format!("index,heap,,,,q,,,,streaming_p99_ms,{reader}\n");
        let lines: String = batches.chain(measures).chain([reader]).collect();
        Metrics::read((HEAD.to_owned() + &lines).as_bytes())
    }

    /// Latencies between `ms` and 1.3 times that, evenly mixed.
    fn latencies(count: i32, ms: f64) -> Vec<f64> {
        (0..count).map(|number| ms * (1.0 + 0.1 * f64::from(number % 4))).collect()
    }

    #[test]
    fn p99_and_the_rate_that_was_sustained_are_compared() -> Result<(), String> {
        let earlier = run(100_000.0, 100_000.0, &latencies(400, 10.0), 5.0)?;
        let now = run(100_000.0, 90_000.0, &latencies(360, 20.0), 10.0)?;
        let compared = Comparison::new(&earlier, &now)?;
        assert_eq!(
            compared.latency_table().rows,
            [
                ["index", "p99 ms", "13.000", "26.000", "0.500", "0.0%", "SLOWER"],
                ["index", "rows/s", "100,000", "90,000", "0.900", "5.0%", "SLOWER"]
            ]
        );
        assert_eq!(
            compared.reader_table().rows,
            [["index", "q", "heap", "5.000", "10.000", "0.500", "", ""]]
        );
        let said = |percent| compared.require(percent).err().map(|error| error.to_string());
        assert_eq!(
            said(99.0).as_deref(),
            Some(
                "1 of 5 figures are slower than allowed; the most is the p99 latency of phase index, 0.500 times as fast"
            )
        );
        assert_eq!(said(100.0), None);
        Ok(())
    }

    #[test]
    fn what_differs_within_a_run_is_chance() -> Result<(), String> {
        // Half of each run is ten times as late as the other half.
        let two = |ms: f64| [latencies(200, ms), latencies(200, 10.0 * ms)].concat();
        let compared =
            Comparison::new(&run(1e5, 1e5, &two(10.0), 5.0)?, &run(1e5, 97_000.0, &two(15.0), 5.0)?)?;
        let marks: Vec<String> =
            compared.latency_table().rows.into_iter().map(|row| row[6].clone()).collect();
        assert_eq!(marks, ["", ""], "a rate that is kept up to within a twentieth is kept up");
        let few = Comparison::new(&run(1e5, 1e5, &[10.0; 99], 5.0)?, &run(1e5, 1e5, &[90.0; 99], 5.0)?)?;
        assert_eq!(few.latency_table().rows[0][4..], ["0.111", "", ""], "too few batches to tell");
        Ok(())
    }

    #[test]
    fn other_rates_are_not_compared() -> Result<(), String> {
        let wrong = |one: &Metrics, other: &Metrics| Comparison::new(one, other).err().unwrap_or_default();
        let slow = run(1000.0, 1000.0, &[1.0; 4], 1.0)?;
        let fast = run(2000.5, 2000.0, &[1.0; 4], 1.0)?;
        let closed = Metrics::read(format!("{HEAD}index,heap,1,1000,10,,,,,,\n").as_bytes())?;
        assert_eq!(
            wrong(&slow, &fast),
            "rows of phase index came at 1000 a second in it, at 2000.5 a second in this report"
        );
        assert_eq!(
            wrong(&closed, &slow),
            "rows of phase index came as fast as they could be stored in it, at 1000 a second in this report"
        );
        Ok(())
    }
}
