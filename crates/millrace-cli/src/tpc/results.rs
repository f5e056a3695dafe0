//! The results of the tests: metrics, charts, tables, and a line per step as CSV.

use super::benchmark::{Benchmark, Metric};
use super::metrics;
use super::streams::{Function, Measured, Timed, Timing};
use crate::chart::{Bars, Unit};
use crate::error::{Error, Result};
use crate::report::{Document, Figure, Kind, Table, Verdict};
use std::io::Write;

/// More steps than this would make lines that no terminal shows; metrics.csv has their order.
const LISTED_STEPS: usize = 40;

/// What was measured, where.
pub struct Results {
    pub benchmark: &'static Benchmark,
    pub title: String,
    pub sf: f64,
    pub facts: Vec<(&'static str, String)>,
    /// Of a load that this command did from its beginning.
    pub load_seconds: Option<f64>,
    pub power: Option<Measured>,
    pub throughput: Option<Throughput>,
}

/// A throughput test.
pub struct Throughput {
    pub queries: Vec<Measured>,
    pub refresh: Option<Measured>,
    /// From the first begin to the last end.
    pub seconds: f64,
}

impl Measured {
    fn queries(&self) -> Vec<f64> {
        let seconds = |timing: &Timing| matches!(timing.step, Timed::Query(_)).then_some(timing.seconds);
        self.timings.iter().filter_map(seconds).collect()
    }

    fn refreshes(&self) -> Vec<f64> {
        let seconds = |timing: &Timing| matches!(timing.step, Timed::Refresh(..)).then_some(timing.seconds);
        self.timings.iter().filter_map(seconds).collect()
    }

    /// Their names in order, if they are few.
    fn steps(&self) -> String {
        let labels = self.timings.iter().map(|timing| timing.step.label());
        match self.timings.len() {
            ..=LISTED_STEPS => labels.collect::<Vec<_>>().join(" "),
            more => format!("{more}, in the order of metrics.csv"),
        }
    }

    fn seconds_of(&self, step: Timed) -> Option<f64> {
        self.timings.iter().find(|timing| timing.step == step).map(|timing| timing.seconds)
    }
}

impl Throughput {
    fn streams(&self) -> impl Iterator<Item = &Measured> {
        self.queries.iter().chain(&self.refresh)
    }

    /// The refresh sets, in order, with the seconds of RF1 and RF2.
    fn refresh_sets(&self) -> Vec<(i32, [Option<f64>; 2])> {
        let Some(refresh) = &self.refresh else { return Vec::new() };
        let mut sets: Vec<i32> = refresh.timings.iter().filter_map(|timing| timing.step.set()).collect();
        sets.dedup();
        let seconds = |set| Function::PAIR.map(|function| refresh.seconds_of(Timed::Refresh(function, set)));
        sets.into_iter().map(|set| (set, seconds(set))).collect()
    }

    /// Seconds of all queries.
    fn seconds_of_queries(&self) -> Vec<f64> {
        self.queries.iter().flat_map(Measured::queries).collect()
    }

    /// Seconds of a query in each stream.
    fn seconds_of(&self, query: i32) -> Vec<Option<f64>> {
        self.queries.iter().map(|stream| stream.seconds_of(Timed::Query(query))).collect()
    }
}

impl Results {
    /// The report in its final form.
    pub fn document(&self) -> Document {
        let power = self.power.iter().filter_map(power_figure);
        let throughput = self.throughput.iter().flat_map(|test| self.throughput_figures(test));
        let tables = [self.metrics()]
            .into_iter()
            .chain(self.power.iter().map(power_table))
            .chain(self.throughput.iter().flat_map(|test| self.throughput_tables(test)));
        Document {
            title: self.title.clone(),
            verdicts: vec![Verdict { text: self.benchmark.remark.to_owned(), kind: Kind::Remark }],
            facts: self.facts.clone(),
            figures: power.chain(throughput).collect(),
            tables: tables.filter(|table| !table.rows.is_empty()).collect(),
        }
    }

    fn metrics(&self) -> Table {
        let metrics = self.benchmark.metrics.iter();
        Table {
            title: "Metrics",
            names: vec!["metric", "value", "how it is computed"],
            rows: metrics.filter_map(|metric| self.metric(*metric)).map(Vec::from).collect(),
        }
    }

    /// A metric's name, value and explanation, if what it is computed of was measured.
    fn metric(&self, metric: Metric) -> Option<[String; 3]> {
        let scored = |name: &str, value: f64, how: &str| {
            [format!("{name}@{}", self.sf), format!("{value:.2}"), how.to_owned()]
        };
        let timed = |name: &str, seconds: f64, how: &str| {
            [name.to_owned(), format!("{seconds:.3} s"), how.to_owned()]
        };
        let power = self.power.as_ref();
        let throughput = self.throughput.as_ref();
        Some(match metric {
            Metric::Power => {
                let how = "3600 × scale factor / geometric mean of the seconds of RF1, 22 queries and RF2";
                scored("Power", self.power_score()?, how)
            }
            Metric::Throughput => {
                let how = "streams × 22 × 3600 × scale factor / seconds of the whole test";
                scored("Throughput", self.throughput_score()?, how)
            }
            Metric::Composite => {
                let value = metrics::composite(self.power_score()?, self.throughput_score()?);
                scored("QphH", value, "geometric mean of the two")
            }
            Metric::Load => timed("Load", self.load_seconds?, "tables, rows, keys, indexes and statistics"),
            Metric::PowerTime => timed("Power test", power?.seconds, "all queries, one after the other"),
            Metric::PowerMean => {
                let mean = metrics::geometric_mean(&power?.queries());
                timed("Power test, mean", mean, "geometric mean of its queries")
            }
            Metric::ThroughputTime => timed(
                "Throughput test",
                throughput?.seconds,
                "from the start of all streams to the last one's end",
            ),
            Metric::ThroughputMean => {
                let mean = metrics::geometric_mean(&throughput?.seconds_of_queries());
                timed("Throughput test, mean", mean, "geometric mean of the queries of all streams")
            }
        })
    }

    fn power_score(&self) -> Option<f64> {
        let power = self.power.as_ref()?;
        Some(metrics::power(self.sf, &power.queries(), &power.refreshes()))
    }

    fn throughput_score(&self) -> Option<f64> {
        let test = self.throughput.as_ref()?;
        Some(metrics::throughput(self.sf, test.seconds_of_queries().len(), test.seconds))
    }

    fn query_numbers(&self) -> impl Iterator<Item = i32> {
        1..=self.benchmark.kit.query_count() as i32
    }

    fn throughput_figures(&self, test: &Throughput) -> Vec<Figure> {
        let streams = Bars {
            title: "Streams".to_owned(),
            unit: Unit::Seconds,
            series: vec!["whole stream".to_owned()],
            groups: test.streams().map(|stream| (stream.name.clone(), vec![Some(stream.seconds)])).collect(),
            stacked: false,
        };
        let queries = Bars {
            title: "Queries of the streams".to_owned(),
            unit: Unit::Seconds,
            series: test.queries.iter().map(|stream| stream.name.clone()).collect(),
            groups: self.query_numbers().map(|query| (format!("Q{query}"), test.seconds_of(query))).collect(),
            stacked: false,
        };
        let refresh = Bars {
            title: "Refresh functions beside the streams".to_owned(),
            unit: Unit::Seconds,
            series: vec!["RF1".to_owned(), "RF2".to_owned()],
            groups: test
                .refresh_sets()
                .into_iter()
                .map(|(set, seconds)| (format!("set {set}"), seconds.to_vec()))
                .collect(),
            stacked: false,
        };
        let notes = [
            "All began at once; the test took as long as the longest.",
            "Each stream has an order and parameters of its own.",
            "RF1 inserts orders with their lines, RF2 deletes the same number.",
        ];
        let figures = [streams, queries, refresh].into_iter().zip(notes);
        figures.filter_map(|(bars, note)| Figure::of_bars(bars, note)).collect()
    }

    fn throughput_tables(&self, test: &Throughput) -> Vec<Table> {
        let stream =
            |stream: &Measured| vec![stream.name.clone(), seconds(Some(stream.seconds)), stream.steps()];
        let query = |number: i32| {
            let times: Vec<f64> = test.seconds_of(number).into_iter().flatten().collect();
            let least = times.iter().copied().fold(f64::INFINITY, f64::min);
            let most = times.iter().copied().fold(0.0, f64::max);
            vec![format!("Q{number}"), seconds(Some(least)), seconds(Some(most))]
        };
        let refresh =
            |(set, [rf1, rf2]): (i32, [Option<f64>; 2])| vec![set.to_string(), seconds(rf1), seconds(rf2)];
        let whole = vec!["all".to_owned(), seconds(Some(test.seconds)), String::new()];
        vec![
            Table {
                title: "Throughput test",
                names: vec!["session", "seconds", "steps"],
                rows: test.streams().map(stream).chain([whole]).collect(),
            },
            Table {
                title: "Queries of the streams",
                names: vec!["query", "fastest s", "slowest s"],
                rows: self.query_numbers().map(query).collect(),
            },
            Table {
                title: "Refresh functions beside the streams",
                names: vec!["set", "RF1 s", "RF2 s"],
                rows: test.refresh_sets().into_iter().map(refresh).collect(),
            },
        ]
    }

    /// `metrics.csv`: a line per step.
    pub fn write_metrics(&self, file: &mut impl Write) -> Result<()> {
        let power = self.power.iter().map(|stream| ("power", stream));
        let throughput = self.throughput.iter().flat_map(Throughput::streams);
        let streams = power.chain(throughput.map(|stream| ("throughput", stream)));
        let lines = streams.flat_map(|(test, stream)| {
            let timings = stream.timings.iter().zip(1..);
            timings.map(move |(timing, position)| line(test, &stream.name, position, timing))
        });
        let head = "test,session,position,step,refresh_set,seconds,rows".to_owned();
        let text: String = [head].into_iter().chain(lines).map(|line| line + "\n").collect();
        file.write_all(text.as_bytes()).map_err(Error::file("metrics.csv"))
    }
}

fn line(test: &str, stream: &str, position: usize, timing: &Timing) -> String {
    let set = timing.step.set().map(|set| set.to_string()).unwrap_or_default();
    let (step, seconds) = (timing.step.label(), timing.seconds);
    format!("{test},{stream},{position},{step},{set},{seconds},{}", count(timing.rows))
}

fn count(rows: Option<usize>) -> String {
    rows.map(|rows| rows.to_string()).unwrap_or_default()
}

/// A bar per step: RF1, the queries by number, RF2.
fn power_figure(stream: &Measured) -> Option<Figure> {
    let mut timings: Vec<&Timing> = stream.timings.iter().collect();
    timings.sort_by_key(|timing| match timing.step {
        Timed::Refresh(Function::Rf1, _) => 0,
        Timed::Query(number) => number,
        Timed::Refresh(Function::Rf2, _) => i32::MAX,
    });
    let bar = |timing: &&Timing| (timing.step.label(), vec![Some(timing.seconds)]);
    let bars = Bars {
        title: "Power test".to_owned(),
        unit: Unit::Seconds,
        series: vec![stream.name.clone()],
        groups: timings.iter().map(bar).collect(),
        stacked: false,
    };
    Figure::of_bars(bars, "One session, which ran them in the order of the table below; shorter is faster.")
}

fn seconds(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn power_table(stream: &Measured) -> Table {
    let row = |(timing, position): (&Timing, usize)| {
        vec![position.to_string(), timing.step.label(), seconds(Some(timing.seconds)), count(timing.rows)]
    };
    Table {
        title: "Power test",
        names: vec!["position", "step", "seconds", "rows"],
        rows: stream.timings.iter().zip(1..).map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::benchmark::{TPC_DS, TPC_H};
    use super::*;

    /// A stream whose steps took a second each.
    fn stream(name: &str, steps: impl IntoIterator<Item = Timed>) -> Measured {
        let timing = |step| Timing { step, seconds: 1.0, rows: None };
        let timings: Vec<Timing> = steps.into_iter().map(timing).collect();
        Measured { name: name.to_owned(), seconds: timings.len() as f64, timings }
    }

    /// Two streams, beside one that refreshes where there is one.
    fn results(benchmark: &'static Benchmark) -> Results {
        let queries = || (1..=benchmark.kit.query_count() as i32).map(Timed::Query);
        let pair = |set| Function::PAIR.map(|function| Timed::Refresh(function, set));
        let refresh = (1..=2).flat_map(pair);
        Results {
            benchmark,
            title: String::new(),
            sf: 10.0,
            facts: Vec::new(),
            load_seconds: Some(60.0),
            power: Some(stream("stream 0", queries())),
            throughput: Some(Throughput {
                queries: vec![stream("stream 1", queries()), stream("stream 2", queries())],
                refresh: benchmark.refreshes.then(|| stream("refresh stream", refresh)),
                seconds: 100.0,
            }),
        }
    }

    fn values(results: &Results) -> Vec<[String; 2]> {
        let rows = results.metrics().rows.into_iter();
        rows.map(|row| [row[0].clone(), row[1].clone()]).collect()
    }

    #[test]
    fn each_benchmark_has_its_metrics() {
        let of_tpch = [["Power@10", "36000.00"], ["Throughput@10", "15840.00"], ["QphH@10", "23879.70"]];
        assert_eq!(values(&results(&TPC_H)), of_tpch);
        let of_tpcds = [
            ["Load", "60.000 s"],
            ["Power test", "99.000 s"],
            ["Power test, mean", "1.000 s"],
            ["Throughput test", "100.000 s"],
            ["Throughput test, mean", "1.000 s"],
        ];
        assert_eq!(values(&results(&TPC_DS)), of_tpcds);
        let power = Results { load_seconds: None, throughput: None, ..results(&TPC_DS) };
        assert_eq!(values(&power), of_tpcds[1..3]);
        let throughput = Results { power: None, ..results(&TPC_H) };
        assert_eq!(values(&throughput), of_tpch[1..2]);
    }

    #[test]
    fn only_what_was_measured_has_tables() {
        let titles = |results: Results| -> Vec<&str> {
            results.document().tables.iter().map(|table| table.title).collect()
        };
        let both = ["Metrics", "Power test", "Throughput test", "Queries of the streams"];
        assert_eq!(titles(results(&TPC_DS)), both);
        assert_eq!(titles(results(&TPC_H))[..4], both);
        assert_eq!(titles(results(&TPC_H))[4..], ["Refresh functions beside the streams"]);
        assert_eq!(titles(Results { throughput: None, ..results(&TPC_H) }), both[..2]);
    }
}
