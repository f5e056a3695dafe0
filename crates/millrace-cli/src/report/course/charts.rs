//! The charts of a run's course.

use super::slots::Slot;
use super::{Amounts, Course, Seen};
use crate::chart::{Bars, Curve, Moment, OverTime, Unit};
use crate::report::document::Figure;
use crate::report::figures::titled;
use std::collections::BTreeMap;

impl Course {
    pub fn figures(&self) -> Vec<Figure> {
        let readers = self.readers.iter().map(|(query, variants)| self.reader_chart(query, variants));
        [self.latency_chart(), self.backlog_chart(), Some(self.throughput_chart())]
            .into_iter()
            .flatten()
            .chain(readers)
            .chain(self.end_bars())
            .chain(self.server_charts())
            .collect()
    }

    fn chart(&self, title: &str, unit: Unit, curves: Vec<Curve>) -> OverTime<'_> {
        OverTime {
            title: titled(title, self.phase.as_deref()),
            unit,
            is_logarithmic: false,
            has_bands: false,
            timeline: &self.timeline,
            curves,
        }
    }

    fn latency_chart(&self) -> Option<Figure> {
        let curve = |(place, name): (usize, &str)| Curve {
            name: name.to_owned(),
            points: self.latency.iter().map(|(slot, ms)| (self.slots.moment(*slot), ms[place])).collect(),
        };
        let curves = ["p50", "p95", "p99", "max"].into_iter().enumerate().map(curve).collect();
        let chart = self.chart("Latency", Unit::Milliseconds, curves);
        let chart = OverTime { is_logarithmic: true, has_bands: true, ..chart };
        let note = "Time from the arrival of a batch's last row to its commit, shown at the time of that arrival; rows that were never committed have none. Below: what the server did meanwhile.";
        (!self.latency.is_empty()).then(|| figure(chart, note))
    }

    fn backlog_chart(&self) -> Option<Figure> {
        let points: Vec<(Moment, f64)> =
            self.amounts.iter().filter_map(|(slot, amounts)| self.backlog(*slot, amounts)).collect();
        let is_paced = !points.is_empty();
        let curve = Curve { name: "largest backlog".to_owned(), points };
        let chart = self.chart("Backlog", Unit::Rows, vec![curve]);
        is_paced.then(|| {
            figure(
                chart,
                "Rows that had arrived and were not committed; a table that keeps up has less than a batch.",
            )
        })
    }

    /// The backlog, as observed, or as it was just before the latest batch was committed, whichever is larger.
    fn backlog(&self, slot: Slot, amounts: &Amounts) -> Option<(Moment, f64)> {
        let rate = self.rates[slot.0]?;
        let waited = amounts.late.map(|ms| (ms / 1000.0 * rate).floor());
        let most = [waited, amounts.backlog].into_iter().flatten().reduce(f64::max)?;
        Some((self.slots.moment(slot), most))
    }

    fn throughput_chart(&self) -> Figure {
        let committed = self.amounts.iter().map(|(slot, amounts)| {
            let (from, to) = self.slots.ends(*slot);
            (self.slots.moment(*slot), (amounts.rows / (to - from).max(1e-3)).round())
        });
        let offered = (0..).zip(&self.rates).flat_map(|(session, rate)| {
            let ends = [0.0, self.slots.length(session)].map(|at| Moment { session, at });
            rate.iter().flat_map(move |rate| ends.map(|end| (end, *rate))).collect::<Vec<_>>()
        });
        let curves = [("committed", committed.collect()), ("offered", offered.collect::<Vec<_>>())];
        let curves = curves.into_iter().filter(|(_, points)| !points.is_empty());
        let curves = curves.map(|(name, points)| Curve { name: name.to_owned(), points }).collect();
        let note = "Rows per second of each table, by when they were inserted.";
        figure(self.chart("Throughput", Unit::RowsPerSecond, curves), note)
    }

    /// None for a run that was not observed.
    fn server_charts(&self) -> Vec<Figure> {
        if self.seen.is_empty() { Vec::new() } else { vec![self.wal_chart(), self.size_chart()] }
    }

    fn wal_chart(&self) -> Figure {
        let curve = self.seen_curve("WAL", |seen| seen.wal);
        let chart = self.chart("WAL per second", Unit::Bytes, vec![curve]);
        figure(chart, "What the whole server wrote, for all sessions.")
    }

    fn size_chart(&self) -> Figure {
        let curves = vec![
            self.seen_curve("tables", |seen| seen.tables),
            self.seen_curve("indexes", |seen| seen.indexes),
        ];
        let chart = self.chart("Size while rows arrived", Unit::Bytes, curves);
        figure(chart, "All tables of the phase together; no value while a lock prevented measuring.")
    }

    fn seen_curve(&self, name: &str, what: impl Fn(&Seen) -> Option<f64>) -> Curve {
        let point = |(slot, seen): &(Slot, Seen)| Some((self.slots.moment(*slot), what(seen)?));
        Curve { name: name.to_owned(), points: self.seen.iter().filter_map(point).collect() }
    }

    fn reader_chart(&self, query: &str, variants: &BTreeMap<String, Vec<(Moment, f64)>>) -> Figure {
        let curve =
            |(variant, points): (&String, &Vec<_>)| Curve { name: variant.clone(), points: points.clone() };
        let curves = variants.iter().map(curve).collect();
        let chart = self.chart(&format!("Readers' p99 of {query}"), Unit::Milliseconds, curves);
        figure(
            OverTime { is_logarithmic: true, ..chart },
            "99th percentile of the times that the query took while rows arrived; with few executions, the longest.",
        )
    }

    /// The table grows while rows arrive, so only the last part of that is comparable with afterwards.
    fn end_bars(&self) -> Option<Figure> {
        let group = |((query, variant), times): (&(String, String), &[Option<f64>; 2])| {
            (format!("{query}, {variant}"), times.to_vec())
        };
        let bars = Bars {
            title: titled("Readers with the stream and alone", self.phase.as_deref()),
            unit: Unit::Milliseconds,
            series: vec!["while rows arrived".to_owned(), "alone".to_owned()],
            groups: self.ends.iter().map(group).collect(),
            stacked: false,
        };
        Figure::of_bars(
            bars,
            "Median time of each query in the last 10 s in which rows arrived, and right after the last; shorter is faster.",
        )
    }
}

fn figure(chart: OverTime, note: &'static str) -> Figure {
    Figure { title: chart.title.clone(), note, chart: chart.render() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::course;
    use super::*;
    use crate::report::course::slots::Slots;

    #[test]
    fn the_backlog_is_the_larger_of_what_waited_and_what_was_seen() {
        let course = course(Slots::new(vec![0.0], vec![3.0], 0.1));
        let backlog = |late, seen| {
            course.backlog((0, 0), &Amounts { rows: 0.0, late, backlog: seen }).map(|(_, rows)| rows)
        };
        assert_eq!(backlog(Some(250.0), Some(200.0)), Some(250.0));
        assert_eq!(backlog(None, Some(200.0)), Some(200.0), "nothing was committed");
        assert_eq!(backlog(None, None), None);
    }
}
