//! The charts of a run's report.

use super::course::Course;
use super::data::{Gate, POINTS, Report, Target};
use super::document::{Figure, Kind, Verdict};
use crate::chart::{Bars, Lines, Unit};

impl Report {
    /// Whether all gates passed; nothing for a run without gates.
    pub fn verdict(&self) -> Option<Verdict> {
        let all = self.gates.len();
        let failed = self.gates.iter().filter(|gate| gate.pass == Some(false)).count();
        match (all, failed) {
            (0, _) => None,
            (_, 0) => Some(Verdict { text: format!("All {all} gates passed."), kind: Kind::Pass }),
            _ => Some(Verdict { text: format!("{failed} of {all} gates failed."), kind: Kind::Fail }),
        }
    }

    /// Whether all tables hold the same rows, and queries return the same.
    pub fn is_correct(&self) -> bool {
        let matters = |gate: &&Gate| matches!(gate.gate.as_str(), "content" | "queries");
        self.gates.iter().filter(matters).all(|gate| gate.pass == Some(true))
    }

    pub fn figures(&self) -> Vec<Figure> {
        let courses = self.courses.iter().flat_map(Course::figures);
        let curves = self.phases().into_iter().map(|phase| self.curves(phase));
        let others = [self.phase_comparison(), self.index_overhead(), self.sizes(), self.time_split()];
        let queries = self.phases().into_iter().filter_map(|phase| self.query_figure(phase?));
        courses.chain(curves).chain(others.into_iter().flatten()).chain(queries).collect()
    }

    /// The phases in order; for a run that has none, just one without a name.
    fn phases(&self) -> Vec<Option<&str>> {
        distinct(self.targets.iter().map(|target| target.phase.as_deref()))
    }

    fn variants(&self) -> Vec<&str> {
        distinct(self.targets.iter().map(|target| target.variant.as_str()))
    }

    fn curves(&self, phase: Option<&str>) -> Figure {
        let title = titled("Insert speed of each batch", phase);
        let of_phase = || self.targets.iter().filter(move |target| target.phase.as_deref() == phase);
        let chart = Lines {
            title: title.clone(),
            unit: Unit::RowsPerSecond,
            along: "batch",
            series: of_phase().map(|target| (target.variant.clone(), target.curve.clone())).collect(),
        };
        Figure {
            title,
            note: curves_note(of_phase().any(|target| target.batches > POINTS)),
            chart: chart.render(),
        }
    }

    /// A bar for each phase of each variant.
    fn phase_comparison(&self) -> Option<Figure> {
        let phases = self.phases();
        let groups = self.variants().into_iter().map(|variant| {
            let speed =
                |phase: &Option<&str>| Some(self.target(*phase, variant)?.insert_rows_per_second? as f64);
            (variant.to_owned(), phases.iter().map(speed).collect())
        });
        let bars = Bars {
            title: "Insert speed of each variant".to_owned(),
            unit: Unit::RowsPerSecond,
            series: phases.iter().map(|phase| phase.unwrap_or("insert").to_owned()).collect(),
            groups: groups.collect(),
            stacked: false,
        };
        Figure::of_bars(bars, "All batches together; longer is faster.")
    }

    fn target(&self, phase: Option<&str>, variant: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.phase.as_deref() == phase && target.variant == variant)
    }

    fn index_overhead(&self) -> Option<Figure> {
        let gates = self.gates.iter().filter(|gate| gate.gate == "index overhead");
        let groups = gates.filter_map(|gate| Some((gate.variant.clone()?, vec![Some(gate.figure?)])));
        let bars = Bars {
            title: "Index overhead".to_owned(),
            unit: Unit::Times,
            series: vec!["index overhead".to_owned()],
            groups: groups.collect(),
            stacked: false,
        };
        Figure::of_bars(
            bars,
            "How many times longer inserting takes with indexes than without; shorter is better.",
        )
    }

    fn sizes(&self) -> Option<Figure> {
        let bars = self.stacked("Size", Unit::Bytes, &["table", "indexes"], |target| {
            let (whole, table) = (target.size_bytes, target.table_bytes);
            vec![
                table.or(whole).map(|bytes| bytes as f64),
                whole.zip(table).map(|(whole, table)| (whole - table) as f64),
            ]
        });
        Figure::of_bars(
            bars,
            "As now stored, with TOAST and the free space and visibility maps; shorter is smaller.",
        )
    }

    fn time_split(&self) -> Option<Figure> {
        let bars = self.stacked(
            "Where the time went",
            Unit::Seconds,
            &["generate", "insert", "commit", "analyze"],
            |target| {
                vec![
                    target.generate_seconds,
                    target.insert_seconds,
                    target.commit_seconds,
                    target.analyze_seconds,
                ]
            },
        );
        Figure::of_bars(
            bars,
            "Summed over processes. Rows are made and committed once for all tables of a phase, and made while others are inserted.",
        )
    }

    /// Bars of several parts, one per target.
    fn stacked(
        &self,
        title: &str,
        unit: Unit,
        series: &[&str],
        parts: impl Fn(&Target) -> Vec<Option<f64>>,
    ) -> Bars {
        let label = |target: &Target| match &target.phase {
            Some(phase) => format!("{}, {phase}", target.variant),
            None => target.variant.clone(),
        };
        Bars {
            title: title.to_owned(),
            unit,
            series: series.iter().map(|name| (*name).to_owned()).collect(),
            groups: self.targets.iter().map(|target| (label(target), parts(target))).collect(),
            stacked: true,
        }
    }

    fn query_figure(&self, phase: &str) -> Option<Figure> {
        let variants = self.variants();
        let of_phase = || self.queries.iter().filter(|query| query.phase == phase);
        let groups = distinct(of_phase().map(|query| query.query.as_str())).into_iter().map(|name| {
            let time = |variant: &&str| {
                of_phase().find(|query| query.query == name && query.variant == **variant)?.warm_ms
            };
            (name.to_owned(), variants.iter().map(time).collect())
        });
        let bars = Bars {
            title: titled("Queries", Some(phase)),
            unit: Unit::Milliseconds,
            series: variants.iter().map(|variant| (*variant).to_owned()).collect(),
            groups: groups.collect(),
            stacked: false,
        };
        Figure::of_bars(
            bars,
            "The fastest execution after the first, which is the cold one in the table below; shorter is faster.",
        )
    }
}

fn curves_note(of_means: bool) -> &'static str {
    match of_means {
        false => {
            "Rows per second by the time of inserting alone, without making the rows and without the commit."
        }
        true => {
            "Rows per second by the time of inserting alone, without making the rows and without the commit. Each point is the mean of several neighbouring batches."
        }
    }
}

/// A chart's title, with its phase.
pub fn titled(title: &str, phase: Option<&str>) -> String {
    phase.map_or_else(|| title.to_owned(), |phase| format!("{title}, phase {phase}"))
}

/// Each once, in the order they come first.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(batches: i64) -> Report {
        let target = Target { variant: "heap".to_owned(), batches, ..Target::default() };
        Report { targets: vec![target], ..Report::default() }
    }

    #[test]
    fn curves_of_many_batches_say_that_they_are_of_means() {
        let says =
            |batches: i64| report(batches).figures()[0].note.contains("mean of several neighbouring batches");
        assert_eq!([1, 400, 401].map(says), [false, false, true]);
    }

    #[test]
    fn only_content_and_queries_decide_on_correctness() {
        let gate = |gate: &str, pass| Gate { gate: gate.to_owned(), pass, ..Gate::default() };
        let correct = |gates| Report { gates, ..report(1) }.is_correct();
        assert!(correct(vec![]) && correct(vec![gate("content", Some(true)), gate("size", Some(false))]));
        assert!(!correct(vec![gate("content", Some(true)), gate("queries", Some(false))]));
        assert!(!correct(vec![gate("content", None)]));
    }
}
