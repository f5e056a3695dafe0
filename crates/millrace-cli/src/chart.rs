//! Charts as SVG, for pages that load nothing. Each mark names its series and carries its value in `data-value` and,
//! for readers, in a title. Series differ in colour (Okabe and Ito's, told apart by the colour-blind) and lines also
//! in their dashes.

use maud::{Markup, html};

const COLOURS: [&str; 8] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F"];
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// Of the whole chart, in SVG's units.
const WIDTH: f64 = 860.0;
/// Room for the labels on the left, and for values on the right.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 110.0;
const BAR: f64 = 18.0;
const GAP: f64 = 12.0;
const LINE_HEIGHT: f64 = 22.0;
/// Above the plot, where the legend begins.
const TOP: f64 = 12.0;

/// What a number counts, and so how it is written.
#[derive(Clone, Copy)]
pub enum Unit {
    RowsPerSecond,
    Bytes,
    Seconds,
    Milliseconds,
    Times,
}

impl Unit {
    /// What an axis is to say, where its labels do not.
    fn name(self) -> &'static str {
        if matches!(self, Self::RowsPerSecond) { "rows/s" } else { "" }
    }

    /// The number with its unit, short.
    fn label(self, value: f64) -> String {
        match self {
            Self::RowsPerSecond => scaled(value, 1000.0, &["", "K", "M", "G"]),
            Self::Bytes => scaled(value, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB"]),
            Self::Seconds => format!("{} s", rounded(value)),
            Self::Milliseconds => format!("{} ms", rounded(value)),
            Self::Times => format!("{} ×", rounded(value)),
        }
    }
}

/// Three digits, and the prefix for the rest.
fn scaled(value: f64, base: f64, prefixes: &[&str]) -> String {
    let mut value = value;
    let mut prefixes = prefixes.iter().peekable();
    let mut prefix = prefixes.next().copied().unwrap_or_default();
    while value.abs() >= base && prefixes.peek().is_some() {
        value /= base;
        prefix = prefixes.next().copied().unwrap_or_default();
    }
    format!("{}{prefix}", rounded(value))
}

/// About three digits, without zeroes at the end.
fn rounded(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// An axis from zero whose steps are 1, 2 or 5 times a power of the base.
struct Axis {
    step: f64,
    end: f64,
}

impl Axis {
    fn up_to(most: f64, unit: Unit) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        let rough = most / 5.0;
        // Steps of bytes are round in the prefix of the highest.
        let prefix = match unit {
            Unit::Bytes if most >= 1.0 => 1024f64.powf(most.log(1024.0).floor()),
            _ => 1.0,
        };
        let power = prefix * 10f64.powf((rough / prefix).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        Self { step, end: (most / step - 1e-9).ceil().max(1.0) * step }
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let count = (self.end / self.step).round() as u32;
        (0..=count).map(|tick| f64::from(tick) * self.step)
    }
}

fn colour(series: usize) -> &'static str {
    COLOURS[series % COLOURS.len()]
}

fn dashes(series: usize) -> &'static str {
    DASHES[series % DASHES.len()]
}

/// Where a legend puts its entries, and where it ends.
fn legend(names: &[String], dashed: bool) -> (Markup, f64) {
    let (mut x, mut y) = (LEFT, TOP + 8.0);
    let places: Vec<(f64, f64)> = names
        .iter()
        .map(|name| {
            let width = 44.0 + 7.2 * name.chars().count() as f64;
            if x + width > WIDTH && x > LEFT {
                (x, y) = (LEFT, y + LINE_HEIGHT);
            }
            let place = (x, y);
            x += width;
            place
        })
        .collect();
    let marks = html! {
        @for (index, (name, (x, y))) in names.iter().zip(&places).enumerate() {
            @if dashed {
                line x1=(x) x2=(x + 22.0) y1=(y) y2=(y) stroke=(colour(index)) stroke-width="3" stroke-dasharray=(dashes(index)) {}
            } @else {
                rect x=(x + 8.0) y=(y - 7.0) width="14" height="14" fill=(colour(index)) {}
            }
            text x=(x + 28.0) y=(y + 4.5) { (name) }
        }
    };
    (marks, y + LINE_HEIGHT)
}

fn svg(title: &str, height: f64, content: &Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH) height=(height) role="img" aria-label=(title) {
            title { (title) }
            (content)
        }
    }
}

/// Bars in groups, lying, each with its value; stacked or side by side.
pub struct Bars {
    pub title: String,
    pub unit: Unit,
    pub series: Vec<String>,
    /// Label, and a value per series.
    pub groups: Vec<(String, Vec<Option<f64>>)>,
    pub stacked: bool,
}

/// One bar: its series, where it begins, how long it is.
struct Segment {
    series: usize,
    from: f64,
    value: f64,
    y: f64,
}

impl Bars {
    /// The bars of a group whose first one is at height `y`.
    fn segments(&self, values: &[Option<f64>], y: f64) -> Vec<Segment> {
        let mut from = 0.0;
        let mut line = y;
        let present = values.iter().enumerate().filter_map(|(series, value)| Some((series, (*value)?)));
        present
            .map(|(series, value)| {
                let segment = Segment { series, from, value, y: line };
                if self.stacked {
                    from += value
                } else {
                    line += BAR
                }
                segment
            })
            .collect()
    }

    fn group_height(&self, values: &[Option<f64>]) -> f64 {
        let bars = if self.stacked { 1 } else { values.iter().flatten().count().max(1) };
        bars as f64 * BAR + GAP
    }

    fn most(&self) -> f64 {
        let ends = self.groups.iter().flat_map(|(_, values)| self.segments(values, 0.0));
        ends.map(|segment| segment.from + segment.value).fold(0.0, f64::max)
    }

    pub fn render(&self) -> Markup {
        let axis = Axis::up_to(self.most(), self.unit);
        let (legend, top) = if self.series.len() > 1 { legend(&self.series, false) } else { (html! {}, TOP) };
        let bottom = top + self.groups.iter().map(|(_, values)| self.group_height(values)).sum::<f64>();
        let x = |value: f64| LEFT + value / axis.end * (WIDTH - LEFT - RIGHT);
        let heights = self.groups.iter().map(|(_, values)| self.group_height(values));
        let tops = heights.scan(top, |next, height| Some(std::mem::replace(next, *next + height)));
        let content = html! {
            (legend)
            @for tick in axis.ticks() {
                line.grid x1=(x(tick)) x2=(x(tick)) y1=(top - 4.0) y2=(bottom) {}
                text.tick x=(x(tick)) y=(bottom + 16.0) text-anchor="middle" { (self.unit.label(tick)) }
            }
            text.axis x=(WIDTH - RIGHT + 8.0) y=(bottom + 16.0) dx="18" { (self.unit.name()) }
            @for ((label, values), y) in self.groups.iter().zip(tops) {
                @let height = self.group_height(values);
                @let segments = self.segments(values, y + GAP / 2.0);
                text x=(LEFT - 8.0) y=(y + height / 2.0 + 4.5) text-anchor="end" { (label) }
                @for segment in &segments {
                    (self.bar(label, segment, x(segment.from), x(segment.from + segment.value)))
                }
                (self.values(&segments, x))
            }
        };
        svg(&self.title, bottom + 26.0, &content)
    }

    fn bar(&self, label: &str, segment: &Segment, from: f64, to: f64) -> Markup {
        let series = &self.series[segment.series];
        html! {
            rect.mark x=(from) y=(segment.y) width=(to - from) height=(BAR - 2.0) fill=(colour(segment.series))
                data-label=(label) data-series=(series) data-value=(segment.value) {
                title { (label) ", " (series) ": " (segment.value) " (" (self.unit.label(segment.value)) ")" }
            }
        }
    }

    /// The numbers at the ends of the bars; of stacked ones, their sum.
    fn values(&self, segments: &[Segment], x: impl Fn(f64) -> f64) -> Markup {
        let shown = if self.stacked { segments.len().saturating_sub(1) } else { 0 };
        html! {
            @for segment in segments.iter().skip(shown) {
                @let end = segment.from + segment.value;
                text.value x=(x(end) + 6.0) y=(segment.y + BAR / 2.0 + 3.5) { (self.unit.label(end)) }
            }
        }
    }
}

/// Lines over a count, one per series.
pub struct Lines {
    pub title: String,
    pub unit: Unit,
    /// What is counted from left to right.
    pub along: &'static str,
    pub series: Vec<(String, Vec<(f64, f64)>)>,
}

const PLOT_HEIGHT: f64 = 260.0;
/// Lines need less room for labels than bars.
const LINES_LEFT: f64 = 70.0;
const LINES_RIGHT: f64 = 20.0;

impl Lines {
    pub fn render(&self) -> Markup {
        let points = || self.series.iter().flat_map(|(_, points)| points);
        let vertical = Axis::up_to(points().map(|point| point.1).fold(0.0, f64::max), self.unit);
        let last = points().map(|point| point.0).fold(1.0, f64::max);
        let horizontal = Axis::up_to(last, Unit::Times);
        let names: Vec<String> = self.series.iter().map(|(name, _)| name.clone()).collect();
        let (legend, top) = legend(&names, true);
        let bottom = top + PLOT_HEIGHT;
        // Counts begin at one, in the middle of their place.
        let x = |count: f64| LINES_LEFT + (count - 0.5) / last * (WIDTH - LINES_LEFT - LINES_RIGHT);
        let y = |value: f64| bottom - value / vertical.end * PLOT_HEIGHT;
        let content = html! {
            (legend)
            @for tick in vertical.ticks() {
                line.grid x1=(LINES_LEFT) x2=(WIDTH - LINES_RIGHT) y1=(y(tick)) y2=(y(tick)) {}
                text.tick x=(LINES_LEFT - 6.0) y=(y(tick) + 4.0) text-anchor="end" { (self.unit.label(tick)) }
            }
            @for tick in horizontal.ticks().map(|tick| tick.max(1.0)).filter(|tick| *tick <= last && tick.fract() == 0.0) {
                text.tick x=(x(tick)) y=(bottom + 16.0) text-anchor="middle" { (tick) }
            }
            text.axis x=(WIDTH - LINES_RIGHT) y=(bottom + 34.0) text-anchor="end" { (self.along) }
            text.axis x="4" y=(top - 18.0) { (self.unit.name()) }
            @for (index, (name, points)) in self.series.iter().enumerate() {
                polyline fill="none" stroke=(colour(index)) stroke-width="2" stroke-dasharray=(dashes(index))
                    points=(points.iter().map(|(count, value)| format!("{:.1},{:.1}", x(*count), y(*value))).collect::<Vec<_>>().join(" ")) {}
                @for (count, value) in points {
                    circle.mark cx=(format!("{:.1}", x(*count))) cy=(format!("{:.1}", y(*value))) r=(if points.len() > 60 { 1.5 } else { 3.0 })
                        fill=(colour(index)) data-label=(count) data-series=(name) data-value=(value) {
                        title { (name) ", " (self.along) " " (count) ": " (value) " (" (self.unit.label(*value)) ")" }
                    }
                }
            }
        };
        svg(&self.title, bottom + 42.0, &content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(most: f64, unit: Unit) -> Vec<String> {
        Axis::up_to(most, unit).ticks().map(|tick| unit.label(tick)).collect()
    }

    #[test]
    fn axes_have_round_steps_and_hold_every_value() {
        assert_eq!(ticks(870_000.0, Unit::RowsPerSecond), ["0", "200K", "400K", "600K", "800K", "1M"]);
        assert_eq!(ticks(3.0 * 1024.0 * 1024.0, Unit::Bytes).last().map(String::as_str), Some("3 MiB"));
        assert_eq!(ticks(0.0, Unit::Times), ["0 ×", "0.2 ×", "0.4 ×", "0.6 ×", "0.8 ×", "1 ×"]);
        for most in [1e-6, 0.3, 1.0, 7.0, 123.0, 9.99e9] {
            for unit in [Unit::Bytes, Unit::RowsPerSecond] {
                let axis = Axis::up_to(most, unit);
                assert!(axis.end >= most && (2..=11).contains(&axis.ticks().count()), "{most}");
            }
        }
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bars = Bars {
            title: "speeds".into(),
            unit: Unit::RowsPerSecond,
            series: vec!["noindex".into(), "index".into()],
            groups: vec![
                ("heap".into(), vec![Some(900.0), Some(300.0)]),
                ("ao".into(), vec![Some(450.0), None]),
            ],
            stacked: false,
        };
        let svg = bars.render().into_string();
        let number = |tag: &str, name: &str| -> Option<f64> {
            let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
            rest.split('"').next()?.parse().ok()
        };
        let bar = |tag: &str| Some([number(tag, "x")?, number(tag, "width")?, number(tag, "data-value")?]);
        let marks: Vec<[f64; 3]> = svg.split("<rect class=\"mark\"").skip(1).filter_map(bar).collect();
        assert_eq!(marks.iter().map(|mark| mark[2]).collect::<Vec<_>>(), [900.0, 300.0, 450.0]);
        for [x, width, value] in &marks {
            assert!(
                (width / marks[0][1] - value / 900.0).abs() < 1e-9 && *x == LEFT && *width > 100.0,
                "{svg}"
            );
        }
    }

    #[test]
    fn stacked_bars_begin_where_the_last_one_ends() {
        let bars = Bars {
            title: "<sizes>".into(),
            unit: Unit::Bytes,
            series: vec!["table".into(), "indexes".into()],
            groups: vec![("a & b".into(), vec![Some(100.0), Some(50.0)]), ("c".into(), vec![None, None])],
            stacked: true,
        };
        let segments = bars.segments(&bars.groups[0].1, 0.0);
        assert_eq!((segments[1].from, bars.most()), (100.0, 150.0));
        let svg = bars.render().into_string();
        assert!(svg.contains("data-label=\"a &amp; b\" data-series=\"indexes\" data-value=\"50\""), "{svg}");
        assert!(svg.contains("&lt;sizes&gt;") && !svg.contains("<sizes>") && !svg.contains("NaN"));
    }
}
