//! Charts as SVG, for pages that load nothing. Each mark names its series and carries its value in `data-value` and,
//! for readers, in a title. Series differ in colour (Okabe and Ito's, told apart by the colour-blind) and lines also
//! in their dashes.

mod time;

use maud::{Markup, html};

pub use time::{Cause, Curve, Event, Moment, OverTime, Session, Timeline};

const COLOURS: [&str; 8] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F"];
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

/// Width of the whole chart, in SVG's units.
const WIDTH: f64 = 860.0;
/// Room for the labels on the left, and for values on the right.
const LEFT: f64 = 190.0;
const RIGHT: f64 = 110.0;
const LINE_HEIGHT: f64 = 22.0;
/// Above the plot, where the legend begins.
const TOP: f64 = 12.0;

/// With more groups than this, the rows are narrow, and the scale is logarithmic if values are far apart.
const MANY: usize = 40;
/// If the ratio of the largest to the smallest value is larger, a linear scale would not show the small ones.
const FAR_APART: f64 = 100.0;

/// How high the rows of bars are.
struct Rows {
    /// From one bar of a group to the next.
    bar: f64,
    /// The coloured part of that.
    thickness: f64,
    /// Between groups.
    gap: f64,
    /// Of the style sheet.
    class: &'static str,
    /// From the middle of a line to where its text stands.
    drop: f64,
}

const ROOMY: Rows = Rows { bar: 18.0, thickness: 16.0, gap: 12.0, class: "", drop: 4.5 };
const NARROW: Rows = Rows { bar: 13.0, thickness: 12.0, gap: 4.0, class: "narrow", drop: 4.0 };

/// What a number counts, and so how it is written.
#[derive(Clone, Copy)]
pub enum Unit {
    Rows,
    RowsPerSecond,
    Bytes,
    Seconds,
    Milliseconds,
    Times,
}

impl Unit {
    /// The text of an axis, if its labels do not say it.
    fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::RowsPerSecond => "rows/s",
            _ => "",
        }
    }

    /// The number with its unit, short.
    fn label(self, value: f64) -> String {
        match self {
            Self::Rows | Self::RowsPerSecond => scaled(value, 1000.0, &["", "K", "M", "G"]),
            Self::Bytes => scaled(value, 1024.0, &[" B", " KiB", " MiB", " GiB", " TiB"]),
            Self::Seconds => format!("{} s", rounded(value)),
            Self::Milliseconds if value >= 10_000.0 => Self::Seconds.label(value / 1000.0),
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
        size if size >= 0.001 => 3,
        _ => 6,
    };
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// An axis, which begins and ends with a tick.
struct Axis {
    ticks: Vec<f64>,
    is_logarithmic: bool,
}

impl Axis {
    /// From zero, in steps of 1, 2 or 5 times a power of the base.
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
        let steps = (most / step - 1e-9).ceil().max(1.0) as u32;
        Self { ticks: (0..=steps).map(|tick| f64::from(tick) * step).collect(), is_logarithmic: false }
    }

    /// By powers of ten. The smallest value is above the first, so that its bar is seen.
    fn logarithmic(least: f64, most: f64) -> Self {
        let first = least.log10().ceil() as i32 - 1;
        let last = most.log10().ceil() as i32;
        Self { ticks: (first..=last).map(|power| 10f64.powi(power)).collect(), is_logarithmic: true }
    }

    /// By powers of ten, from and to the next 1, 2 or 5 beyond the values; with few powers, 2 and 5 have ticks as well.
    fn snug(least: f64, most: f64) -> Self {
        let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        let steps = (first - 1..=last)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| (factor, factor * 10f64.powi(power))));
        let steps: Vec<(f64, f64)> = steps.collect();
        let begin = steps.iter().rposition(|(_, step)| *step < least).unwrap_or_default();
        let end = steps.iter().position(|(_, step)| *step >= most).unwrap_or(steps.len() - 1).max(begin + 1);
        let is_shown =
            |place: usize| place == begin || place == end || steps[place].0 == 1.0 || end - begin < 10;
        let ticks = (begin..=end).filter(|place| is_shown(*place)).map(|place| steps[place].1).collect();
        Self { ticks, is_logarithmic: true }
    }

    /// Where a value is: 0 at the axis' beginning, 1 at its end.
    fn place(&self, value: f64) -> f64 {
        let measure = |value: f64| if self.is_logarithmic { value.log10() } else { value };
        let ends = [self.ticks.first(), self.ticks.last()];
        let [first, last] = ends.map(|tick| measure(tick.copied().unwrap_or_default()));
        // Values without a logarithm are at the beginning, too.
        ((measure(value) - first) / (last - first)).max(0.0)
    }

    fn name(&self, unit: Unit) -> &'static str {
        if self.is_logarithmic { "logarithmic" } else { unit.name() }
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

fn svg(title: &str, class: &str, height: f64, content: &Markup) -> Markup {
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class=[Some(class).filter(|class| !class.is_empty())] viewBox={ "0 0 " (WIDTH) " " (height) } width=(WIDTH) height=(height) role="img" aria-label=(title) {
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
    fn has_many(&self) -> bool {
        self.groups.len() > MANY
    }

    fn rows(&self) -> &'static Rows {
        if self.has_many() { &NARROW } else { &ROOMY }
    }

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
                    line += self.rows().bar
                }
                segment
            })
            .collect()
    }

    fn group_height(&self, values: &[Option<f64>]) -> f64 {
        let bars = if self.stacked { 1 } else { values.iter().flatten().count().max(1) };
        bars as f64 * self.rows().bar + self.rows().gap
    }

    fn most(&self) -> f64 {
        let ends = self.groups.iter().flat_map(|(_, values)| self.segments(values, 0.0));
        ends.map(|segment| segment.from + segment.value).fold(0.0, f64::max)
    }

    /// Many bars are read one by one, so each must be visible; parts of a whole have no logarithmic scale.
    fn axis(&self) -> Axis {
        let values = self.groups.iter().flat_map(|(_, values)| values).flatten().copied();
        let least = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let most = self.most();
        match self.has_many() && !self.stacked && most >= FAR_APART * least {
            true => Axis::logarithmic(least, most),
            false => Axis::up_to(most, self.unit),
        }
    }

    pub fn render(&self) -> Markup {
        let axis = self.axis();
        let (legend, top) = if self.series.len() > 1 { legend(&self.series, false) } else { (html! {}, TOP) };
        // With many rows, the bottom is out of view when the first rows are read.
        let top = if self.has_many() { top + LINE_HEIGHT } else { top };
        let bottom = top + self.groups.iter().map(|(_, values)| self.group_height(values)).sum::<f64>();
        let tick_lines = [self.has_many().then_some(top - 8.0), Some(bottom + 16.0)];
        let x = |value: f64| LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT);
        let heights = self.groups.iter().map(|(_, values)| self.group_height(values));
        let tops = heights.scan(top, |next, height| Some(std::mem::replace(next, *next + height)));
        let rows = self.rows();
        let content = html! {
            (legend)
            @for tick in &axis.ticks {
                line.grid x1=(x(*tick)) x2=(x(*tick)) y1=(top - 4.0) y2=(bottom) {}
            }
            @for y in tick_lines.into_iter().flatten() {
                @for tick in &axis.ticks {
                    text.tick x=(x(*tick)) y=(y) text-anchor="middle" { (self.unit.label(*tick)) }
                }
                text.axis x=(WIDTH - RIGHT + 8.0) y=(y) dx="18" { (axis.name(self.unit)) }
            }
            @for ((label, values), y) in self.groups.iter().zip(tops) {
                @let height = self.group_height(values);
                @let segments = self.segments(values, y + rows.gap / 2.0);
                text x=(LEFT - 8.0) y=(y + height / 2.0 + rows.drop) text-anchor="end" { (label) }
                @for segment in &segments {
                    (self.bar(label, segment, x(segment.from), x(segment.from + segment.value)))
                }
                (self.values(&segments, x))
            }
        };
        svg(&self.title, rows.class, bottom + 26.0, &content)
    }

    fn bar(&self, label: &str, segment: &Segment, from: f64, to: f64) -> Markup {
        let series = &self.series[segment.series];
        html! {
            rect.mark x=(from) y=(segment.y) width=(to - from) height=(self.rows().thickness) fill=(colour(segment.series))
                data-label=(label) data-series=(series) data-value=(segment.value) {
                title { (label) ", " (series) ": " (segment.value) " (" (self.unit.label(segment.value)) ")" }
            }
        }
    }

    /// The numbers at the ends of the bars; of stacked ones, their sum.
    fn values(&self, segments: &[Segment], x: impl Fn(f64) -> f64) -> Markup {
        let shown = if self.stacked { segments.len().saturating_sub(1) } else { 0 };
        let Rows { bar, drop, .. } = self.rows();
        html! {
            @for segment in segments.iter().skip(shown) {
                @let end = segment.from + segment.value;
                text.value x=(x(end) + 6.0) y=(segment.y + bar / 2.0 + drop - 1.0) { (self.unit.label(end)) }
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
        // Counts begin at one, and each is in the middle of its place.
        let x = |count: f64| LINES_LEFT + (count - 0.5) / last * (WIDTH - LINES_LEFT - LINES_RIGHT);
        let y = |value: f64| bottom - vertical.place(value) * PLOT_HEIGHT;
        let content = html! {
            (legend)
            @for tick in vertical.ticks.iter().copied() {
                line.grid x1=(LINES_LEFT) x2=(WIDTH - LINES_RIGHT) y1=(y(tick)) y2=(y(tick)) {}
                text.tick x=(LINES_LEFT - 6.0) y=(y(tick) + 4.0) text-anchor="end" { (self.unit.label(tick)) }
            }
            @for tick in horizontal.ticks.iter().map(|tick| tick.max(1.0)).filter(|tick| *tick <= last && tick.fract() == 0.0) {
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
        svg(&self.title, "", bottom + 42.0, &content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(most: f64, unit: Unit) -> Vec<String> {
        Axis::up_to(most, unit).ticks.into_iter().map(|tick| unit.label(tick)).collect()
    }

    /// What elements that begin with a text have of these attributes.
    pub fn numbers<'a, const N: usize>(
        svg: &'a str,
        element: &'a str,
        names: [&'a str; N],
    ) -> impl Iterator<Item = [f64; N]> + 'a {
        svg.split(element).skip(1).map(move |tag| {
            names.map(|name| {
                let rest = tag.split_once(&format!(" {name}=\"")).map_or("", |(_, rest)| rest);
                rest.split('"').next().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
            })
        })
    }

    /// A bar for each of 99 queries, whose times grow by a factor from one to the next.
    fn many(factor: f64) -> Bars {
        let time = |query: i32| Some(0.002 * factor.powi(query));
        Bars {
            title: "queries".into(),
            unit: Unit::Seconds,
            series: vec!["stream 1".into(), "stream 2".into()],
            groups: (1..=99).map(|query| (format!("Q{query}"), vec![time(query), time(query)])).collect(),
            stacked: false,
        }
    }

    #[test]
    fn rows_of_many_groups_do_not_overlap() {
        let svg = many(1.1).render().into_string();
        let bars: Vec<[f64; 2]> = numbers(&svg, "<rect class=\"mark\"", ["y", "height"]).collect();
        assert_eq!(bars.len(), 2 * 99);
        assert!(bars.windows(2).all(|pair| pair[0][0] + pair[0][1] <= pair[1][0]), "{svg}");
        // Labels are 11 units high, and end where no other text begins.
        let element = format!("<text x=\"{}\"", LEFT - 8.0);
        let labels: Vec<[f64; 1]> = numbers(&svg, &element, ["y"]).collect();
        assert_eq!(labels.len(), 99);
        assert!(labels.windows(2).all(|pair| pair[0][0] + 11.0 < pair[1][0]), "{labels:?}");
    }

    #[test]
    fn many_values_far_apart_have_a_logarithmic_scale() {
        let bars = many(1.1);
        let axis = bars.axis();
        assert!(
            axis.is_logarithmic && axis.ticks == [0.001, 0.01, 0.1, 1.0, 10.0, 100.0],
            "{:?}",
            axis.ticks
        );
        assert!((axis.place(0.1) - 0.4).abs() < 1e-9 && axis.place(0.0) == 0.0);
        assert_eq!(Axis::logarithmic(0.01, 1.0).ticks.first(), Some(&0.001), "the least is to be seen");
        let svg = bars.render().into_string();
        assert!(svg.contains(">logarithmic<") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(!many(1.01).axis().is_logarithmic, "they are close");
        let few = Bars { groups: many(1.5).groups.split_off(99 - MANY), ..many(1.5) };
        assert!(!few.axis().is_logarithmic && few.rows().class.is_empty());
    }

    #[test]
    fn a_snug_axis_reaches_no_further_than_it_has_to() {
        let labels = |least, most| -> Vec<String> {
            Axis::snug(least, most).ticks.into_iter().map(|tick| Unit::Milliseconds.label(tick)).collect()
        };
        assert_eq!(labels(7.0, 152.0), ["5 ms", "10 ms", "20 ms", "50 ms", "100 ms", "200 ms"]);
        assert_eq!(labels(20.0, 11_675.0), ["10 ms", "100 ms", "1000 ms", "10 s", "20 s"]);
        assert_eq!(labels(10.0, 10.0), ["5 ms", "10 ms"]);
        for (least, most) in [(0.001, 0.001), (0.03, 7e6), (4.999, 5.001), (1e-9, 1e12)] {
            let axis = Axis::snug(least, most);
            let [from, to] = [least, most].map(|value| axis.place(value));
            assert!(
                from > 0.0 && to <= 1.0 + 1e-9 && axis.ticks.len() >= 2,
                "{least} {most}: {:?}",
                axis.ticks
            );
        }
    }

    #[test]
    fn axes_have_round_steps_and_hold_every_value() {
        assert_eq!(ticks(870_000.0, Unit::RowsPerSecond), ["0", "200K", "400K", "600K", "800K", "1M"]);
        assert_eq!(ticks(3.0 * 1024.0 * 1024.0, Unit::Bytes).last().map(String::as_str), Some("3 MiB"));
        assert_eq!(ticks(0.0, Unit::Times), ["0 ×", "0.2 ×", "0.4 ×", "0.6 ×", "0.8 ×", "1 ×"]);
        for most in [1e-6, 0.3, 1.0, 7.0, 123.0, 9.99e9] {
            for unit in [Unit::Bytes, Unit::RowsPerSecond] {
                let axis = Axis::up_to(most, unit);
                assert!(axis.place(most) <= 1.0 && (2..=11).contains(&axis.ticks.len()), "{most}");
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
        let marks: Vec<[f64; 3]> =
            numbers(&svg, "<rect class=\"mark\"", ["x", "width", "data-value"]).collect();
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
