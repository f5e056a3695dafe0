//! `report.html`: one file with all in it.

use super::data::{Report, Target};
use super::tables::Table;
use crate::chart::{Bars, Lines, Unit};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = "
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; color: #1a1a1a; background: #fff; max-width: 66rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.7rem; margin-bottom: .3rem } h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid #ccc }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 1rem 0 } dt { color: #555 } dd { margin: 0; overflow-wrap: anywhere }
figure { margin: 1.5rem 0 } figcaption { font-weight: 600 } figcaption small { display: block; font-weight: 400; color: #444 }
svg { max-width: 100%; height: auto; font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1a1a1a }
.grid { stroke: #ddd } .tick, .axis { fill: #444; font-size: 12px } .axis { font-style: italic } .value { font-size: 12px }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap } th { border-bottom: 2px solid #888 }
td.number, th.number { text-align: right } .pass { color: #00694b; font-weight: 600 } .fail { color: #b00020; font-weight: 700 }
td.long { white-space: normal; min-width: 14rem }
";

/// A chart with what it shows.
struct Figure {
    title: String,
    note: &'static str,
    chart: Markup,
}

impl Report {
    /// The whole page.
    pub fn page(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { "millrace: " (self.run) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    h1 { (self.run) }
                    (self.verdict())
                    dl {
                        @for (name, value) in &self.facts { dt { (name) } dd { (value) } }
                    }
                    h2 { "Charts" }
                    @for figure in self.figures() {
                        figure {
                            figcaption { (figure.title) small { (figure.note) } }
                            (figure.chart)
                        }
                    }
                    @for table in self.tables() { (section(&table)) }
                }
            }
        }
    }

    fn verdict(&self) -> Markup {
        let failed = self.gates.iter().filter(|gate| gate.pass == Some(false)).count();
        html! {
            @if !self.gates.is_empty() {
                p {
                    @if failed == 0 {
                        span.pass { "All " (self.gates.len()) " gates passed." }
                    } @else {
                        span.fail { (failed) " of " (self.gates.len()) " gates failed." }
                    }
                }
            }
        }
    }

    fn figures(&self) -> Vec<Figure> {
        let curves = self.phases().into_iter().map(|phase| self.curves(phase));
        let others = [self.phase_comparison(), self.index_overhead(), self.sizes(), self.time_split()];
        let queries = self.phases().into_iter().filter_map(|phase| self.query_figure(phase?));
        curves.chain(others.into_iter().flatten()).chain(queries).collect()
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
        let of_phase = self.targets.iter().filter(|target| target.phase.as_deref() == phase);
        let chart = Lines {
            title: title.clone(),
            unit: Unit::RowsPerSecond,
            along: "batch",
            series: of_phase.map(|target| (target.variant.clone(), target.curve.clone())).collect(),
        };
        Figure {
            title,
            note: "Rows per second by the time of inserting alone, without making the rows and without the commit.",
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
        figure(bars, "All batches together; longer is faster.")
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
        figure(bars, "How many times longer inserting takes with indexes than without; shorter is better.")
    }

    fn sizes(&self) -> Option<Figure> {
        let bars = self.stacked("Size", Unit::Bytes, &["table", "indexes"], |target| {
            let (whole, table) = (target.size_bytes, target.table_bytes);
            vec![
                table.or(whole).map(|bytes| bytes as f64),
                whole.zip(table).map(|(whole, table)| (whole - table) as f64),
            ]
        });
        figure(bars, "As now stored, with TOAST and the free space and visibility maps; shorter is smaller.")
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
        figure(
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
        figure(bars, "The fastest run after the first, which the table below has as cold; shorter is faster.")
    }
}

/// A chart, if it has anything to show.
fn figure(bars: Bars, note: &'static str) -> Option<Figure> {
    let any = bars.groups.iter().any(|(_, values)| values.iter().any(Option::is_some));
    any.then(|| Figure { title: bars.title.clone(), note, chart: bars.render() })
}

fn titled(title: &str, phase: Option<&str>) -> String {
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

fn section(table: &Table) -> Markup {
    let is_number =
        |cell: &str| cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let numeric: Vec<bool> =
        (0..table.names.len()).map(|column| table.rows.iter().all(|row| is_number(&row[column]))).collect();
    let class = |column: usize, cell: &str| match cell {
        "pass" => "pass",
        "FAIL" | "NO" => "fail",
        _ if numeric[column] => "number",
        _ if cell.len() > 40 => "long",
        _ => "",
    };
    html! {
        h2 { (table.title) }
        div.scroll {
            table {
                thead { tr {
                    @for (column, name) in table.names.iter().enumerate() {
                        th scope="col" class=(class(column, "")) { (name) }
                    }
                } }
                tbody {
                    @for row in &table.rows {
                        tr { @for (column, cell) in row.iter().enumerate() { td class=(class(column, cell)) { (cell) } } }
                    }
                }
            }
        }
    }
}
