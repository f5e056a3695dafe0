//! Curves over the time of a run, and below them what happened in the server meanwhile.

use super::{Axis, LINE_HEIGHT, PLOT_HEIGHT, Unit, WIDTH, colour, dashes, legend, svg};
use maud::{Markup, html};
use std::time::Duration;

const LEFT: f64 = 84.0;
const RIGHT: f64 = 20.0;
/// The largest width of a gap, however long it was, and the largest share of the plot for all gaps.
const GAP: f64 = 18.0;
const GAPS: f64 = 0.25;
/// How high the mark of an event is, and its line.
const EVENT: f64 = 9.0;
const EVENT_LINE: f64 = 15.0;

/// A time of a run: its session, from 0, and the seconds since that began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    pub session: usize,
    pub at: f64,
}

/// When a run was at work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Session {
    pub seconds: f64,
    /// Seconds since the one before.
    pub gap: f64,
}

/// Server activity that makes sessions wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    Checkpoint,
    Autovacuum,
    LockWait,
}

impl Cause {
    fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Autovacuum => "autovacuum",
            Self::LockWait => "lock wait",
        }
    }

    /// Other ones than those of the first curves.
    fn colour(self) -> &'static str {
        colour(match self {
            Self::Checkpoint => 6,
            Self::Autovacuum => 5,
            Self::LockWait => 7,
        })
    }
}

/// It happened for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub cause: Cause,
    pub from: Moment,
    /// In the same session.
    pub to: f64,
    pub count: i64,
}

/// The time that all charts of a run have in common.
#[derive(Default)]
pub struct Timeline {
    pub sessions: Vec<Session>,
    pub events: Vec<Event>,
}

pub struct Curve {
    pub name: String,
    /// In order.
    pub points: Vec<(Moment, f64)>,
}

/// Curves over time.
pub struct OverTime<'a> {
    pub title: String,
    pub unit: Unit,
    pub is_logarithmic: bool,
    /// Whether what is between a curve and the next is filled: they are percentiles.
    pub has_bands: bool,
    pub timeline: &'a Timeline,
    pub curves: Vec<Curve>,
}

/// Where times are. Gaps have a fixed width, because a night would be wider than a run.
struct Horizontal<'a> {
    sessions: &'a [Session],
    gap: f64,
    /// Units per second.
    scale: f64,
}

impl<'a> Horizontal<'a> {
    fn of(sessions: &'a [Session]) -> Self {
        let room = WIDTH - LEFT - RIGHT;
        let gaps = sessions.len().saturating_sub(1) as f64;
        let gap = GAP.min(GAPS * room / gaps.max(1.0));
        let seconds = sessions.iter().map(|session| session.seconds).sum::<f64>();
        Self { sessions, gap, scale: (room - gaps * gap) / seconds.max(1e-6) }
    }

    /// Seconds at work before a session.
    fn before(&self, session: usize) -> f64 {
        self.sessions.iter().take(session).map(|session| session.seconds).sum()
    }

    fn seconds(&self) -> f64 {
        self.before(self.sessions.len())
    }

    fn place(&self, moment: Moment) -> f64 {
        LEFT + (self.before(moment.session) + moment.at) * self.scale + moment.session as f64 * self.gap
    }

    /// The name of a mark: seconds at work, rounded.
    fn label(&self, moment: Moment) -> f64 {
        ((self.before(moment.session) + moment.at) * 1000.0).round() / 1000.0
    }

    /// The moment after a number of seconds at work.
    fn moment(&self, seconds: f64) -> Moment {
        let last = self.sessions.len().saturating_sub(1);
        let session = (0..last).find(|session| seconds < self.before(session + 1)).unwrap_or(last);
        Moment { session, at: seconds - self.before(session) }
    }

    /// Round times, with their places.
    fn ticks(&self) -> Vec<(f64, String)> {
        let seconds = self.seconds();
        let (length, name) = match seconds {
            _ if seconds < 300.0 => (1.0, "s"),
            _ if seconds < 3.0 * 3600.0 => (60.0, "min"),
            _ => (3600.0, "h"),
        };
        let ticks = Axis::up_to(seconds / length, Unit::Times).ticks.into_iter();
        let ticks = ticks.filter(|tick| tick * length <= seconds + 1e-9);
        ticks
            .map(|tick| (self.place(self.moment(tick * length)), format!("{} {name}", super::rounded(tick))))
            .collect()
    }
}

/// Heights, from the top down: the plot, a line for each cause, times, what they are.
struct Layout {
    top: f64,
    bottom: f64,
    causes: Vec<Cause>,
}

impl Layout {
    fn of(timeline: &Timeline, top: f64) -> Self {
        let mut causes: Vec<Cause> = timeline.events.iter().map(|event| event.cause).collect();
        causes.sort_unstable();
        causes.dedup();
        Self { top, bottom: top + PLOT_HEIGHT, causes }
    }

    fn line(&self, cause: Cause) -> f64 {
        let place = self.causes.iter().position(|known| *known == cause).unwrap_or_default();
        self.bottom + 11.0 + place as f64 * EVENT_LINE
    }

    fn ticks(&self) -> f64 {
        let events = self.causes.len() as f64 * EVENT_LINE;
        self.bottom + 16.0 + events + if events > 0.0 { 6.0 } else { 0.0 }
    }
}

impl OverTime<'_> {
    fn axis(&self) -> Axis {
        let values = || self.curves.iter().flat_map(|curve| &curve.points).map(|(_, value)| *value);
        let most = values().fold(0.0, f64::max);
        let least = values().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        match self.is_logarithmic && most > 0.0 {
            true => Axis::snug(least, most),
            false => Axis::up_to(most, self.unit),
        }
    }

    pub fn render(&self) -> Markup {
        let axis = self.axis();
        let names: Vec<String> = self.curves.iter().map(|curve| curve.name.clone()).collect();
        let (legend, top) = legend(&names, true);
        let layout = Layout::of(self.timeline, top);
        let horizontal = Horizontal::of(&self.timeline.sessions);
        let y = |value: f64| layout.bottom - axis.place(value) * PLOT_HEIGHT;
        let content = html! {
            (legend)
            @for tick in axis.ticks.iter().copied() {
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y(tick)) y2=(y(tick)) {}
                text.tick x=(LEFT - 6.0) y=(y(tick) + 4.0) text-anchor="end" { (self.unit.label(tick)) }
            }
            text.axis x="4" y=(top - 18.0) { (axis.name(self.unit)) }
            (self.gaps(&horizontal, &layout))
            (self.events(&horizontal, &layout))
            @for (x, label) in horizontal.ticks() {
                line.grid x1=(x) x2=(x) y1=(layout.top) y2=(layout.bottom) {}
                text.tick x=(x) y=(layout.ticks()) text-anchor="middle" { (label) }
            }
            text.axis x=(WIDTH - RIGHT) y=(layout.ticks() + 17.0) text-anchor="end" {
                "since the run began" @if self.timeline.sessions.len() > 1 { ", without gaps" }
            }
            @if self.has_bands { (self.bands(&horizontal, y)) }
            @for (index, curve) in self.curves.iter().enumerate() { (self.curve(index, curve, &horizontal, y)) }
        };
        svg(&self.title, "", layout.ticks() + LINE_HEIGHT + 3.0, &content)
    }

    fn gaps(&self, horizontal: &Horizontal, layout: &Layout) -> Markup {
        let gaps = self.timeline.sessions.iter().enumerate().skip(1);
        html! {
            @for (session, Session { gap, .. }) in gaps {
                @let x = horizontal.place(Moment { session, at: 0.0 }) - horizontal.gap;
                @let middle = [x + horizontal.gap / 2.0 + 4.0, layout.top + PLOT_HEIGHT / 2.0];
                rect.gap x=(x) y=(layout.top) width=(horizontal.gap) height=(PLOT_HEIGHT) data-value=(gap) {
                    title { "gap of " (duration(*gap)) ", in which no rows arrived" }
                }
                @if horizontal.gap >= 12.0 {
                    text.tick x=(middle[0]) y=(middle[1]) text-anchor="middle" transform={ "rotate(-90 " (middle[0]) " " (middle[1]) ")" } {
                        "gap of " (duration(*gap))
                    }
                }
            }
        }
    }

    /// A line for each cause, and where something began, a line up to the curves that it may explain.
    fn events(&self, horizontal: &Horizontal, layout: &Layout) -> Markup {
        html! {
            @for cause in &layout.causes {
                text.tick x=(LEFT - 6.0) y=(layout.line(*cause) + EVENT) text-anchor="end" { (cause.name()) }
            }
            @for event in &self.timeline.events {
                @let (y, cause) = (layout.line(event.cause), event.cause);
                @let [from, to] = [event.from.at, event.to].map(|at| horizontal.place(Moment { at, ..event.from }));
                line.event x1=(from) x2=(from) y1=(layout.top) y2=(y) stroke=(cause.colour()) {}
                rect.event x=(from) y=(y) width=((to - from).max(2.0)) height=(EVENT) fill=(cause.colour())
                    data-label=(horizontal.label(event.from)) data-series=(cause.name()) data-value=(event.count) {
                    title { (cause.name()) ", from " (horizontal.label(event.from)) " s: " (event.count) }
                }
            }
        }
    }

    /// The band between each curve and the next.
    fn bands(&self, horizontal: &Horizontal, y: impl Fn(f64) -> f64) -> Markup {
        let line = |curve: &Curve, session: usize| -> Vec<String> { line(curve, session, horizontal, &y) };
        html! {
            @for (index, pair) in self.curves.windows(2).enumerate() {
                @for session in 0..self.timeline.sessions.len() {
                    @let (below, above) = (line(&pair[0], session), line(&pair[1], session));
                    @let outline: Vec<String> = below.into_iter().chain(above.into_iter().rev()).collect();
                    polygon.band points=(outline.join(" ")) fill=(colour(index + 1)) {}
                }
            }
        }
    }

    /// A line in each session, and its points.
    fn curve(&self, index: usize, curve: &Curve, horizontal: &Horizontal, y: impl Fn(f64) -> f64) -> Markup {
        let name = &curve.name;
        html! {
            @for session in 0..self.timeline.sessions.len() {
                polyline fill="none" stroke=(colour(index)) stroke-width="1.5" stroke-dasharray=(dashes(index))
                    points=(line(curve, session, horizontal, &y).join(" ")) {}
            }
            @for (moment, value) in &curve.points {
                @let label = horizontal.label(*moment);
                circle.mark cx=(format!("{:.1}", horizontal.place(*moment))) cy=(format!("{:.1}", y(*value))) r="1.5"
                    fill=(colour(index)) data-label=(label) data-series=(name) data-value=(value) {
                    title { (name) ", " (label) " s: " (self.unit.label(*value)) }
                }
            }
        }
    }
}

/// Gaps may be nights.
fn duration(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if seconds >= 600.0 => millrace_progress::clock(time),
        _ => Unit::Seconds.label(seconds),
    }
}

/// A session's part of a curve.
fn line(curve: &Curve, session: usize, horizontal: &Horizontal, y: impl Fn(f64) -> f64) -> Vec<String> {
    let points = curve.points.iter().filter(|(moment, _)| moment.session == session);
    points.map(|(moment, value)| format!("{:.1},{:.1}", horizontal.place(*moment), y(*value))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::numbers;
    use super::*;

    /// Sessions of 10 and 30 seconds, a night between them, and a lock that was waited for in the second one.
    fn timeline() -> Timeline {
        let from = Moment { session: 1, at: 5.0 };
        Timeline {
            sessions: vec![Session { seconds: 10.0, gap: 0.0 }, Session { seconds: 30.0, gap: 30_000.0 }],
            events: vec![Event { cause: Cause::LockWait, from, to: 8.0, count: 2 }],
        }
    }

    fn curve(name: &str, factor: f64) -> Curve {
        let point = |session, at: f64| (Moment { session, at }, factor * (1.0 + at));
        Curve { name: name.into(), points: vec![point(0, 2.0), point(0, 8.0), point(1, 1.0), point(1, 29.0)] }
    }

    fn chart(timeline: &Timeline) -> String {
        let chart = OverTime {
            title: "latency".into(),
            unit: Unit::Milliseconds,
            is_logarithmic: true,
            has_bands: true,
            timeline,
            curves: vec![curve("p50", 1.0), curve("p99", 10.0)],
        };
        chart.render().into_string()
    }

    #[test]
    fn points_are_where_their_time_is_and_gaps_between_sessions() {
        let svg = chart(&timeline());
        let marks: Vec<[f64; 3]> =
            numbers(&svg, "<circle class=\"mark\"", ["cx", "data-label", "data-value"]).collect();
        assert_eq!(marks.len(), 8);
        assert_eq!(marks[..4].iter().map(|mark| mark[1]).collect::<Vec<_>>(), [2.0, 8.0, 11.0, 39.0]);
        assert_eq!(marks[4..].iter().map(|mark| mark[2]).collect::<Vec<_>>(), [30.0, 90.0, 20.0, 300.0]);
        let gaps: Vec<[f64; 3]> =
            numbers(&svg, "<rect class=\"gap\"", ["x", "width", "data-value"]).collect();
        assert_eq!((gaps.len(), gaps[0][2]), (1, 30_000.0));
        // Its width is not its length, and it is as far from the points beside it as these are from the sessions' ends.
        let second = (WIDTH - LEFT - RIGHT - gaps[0][1]) / 40.0;
        assert!((gaps[0][0] - marks[1][0] - 2.0 * second).abs() < 0.1, "{gaps:?} {marks:?}");
        assert!((marks[2][0] - gaps[0][0] - gaps[0][1] - second).abs() < 0.1, "{gaps:?} {marks:?}");
        // No line crosses it: one for each session and curve, and the band between these.
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<polygon").count()), (4, 2));
        assert!(svg.contains(">gap of 08:20:00<") && svg.contains("without gaps"));
    }

    #[test]
    fn what_happened_stands_below_its_time() {
        let svg = chart(&timeline());
        let events: Vec<[f64; 4]> =
            numbers(&svg, "<rect class=\"event\"", ["x", "width", "data-label", "data-value"]).collect();
        let horizontal_second = (WIDTH - LEFT - RIGHT - GAP) / 40.0;
        assert_eq!((events.len(), &events[0][2..]), (1, &[15.0, 2.0][..]));
        assert!((events[0][0] - (LEFT + GAP + 15.0 * horizontal_second)).abs() < 1e-6, "{events:?}");
        assert!((events[0][1] - 3.0 * horizontal_second).abs() < 1e-6, "{events:?}");
        assert!(
            svg.contains(">lock wait<") && !svg.contains(">checkpoint<") && !svg.contains(">autovacuum<")
        );
        let texts: Vec<[f64; 1]> = numbers(&svg, "<text class=\"tick\"", ["y"]).collect();
        let lowest = texts.iter().map(|text| text[0]).fold(0.0, f64::max);
        assert!(numbers(&svg, "<rect class=\"event\"", ["y"]).all(|[y]| y + EVENT < lowest - 9.0), "{svg}");
    }

    #[test]
    fn many_gaps_leave_room_for_the_sessions() {
        let sessions = vec![Session { seconds: 1.0, gap: 5.0 }; 200];
        let horizontal = Horizontal::of(&sessions);
        assert!(horizontal.gap > 0.5 && horizontal.scale * 200.0 >= 0.7 * (WIDTH - LEFT - RIGHT));
        let end = horizontal.place(Moment { session: 199, at: 1.0 });
        assert!((end - (WIDTH - RIGHT)).abs() < 1e-6, "{end}");
        assert_eq!(horizontal.moment(150.5), Moment { session: 150, at: 0.5 });
    }

    #[test]
    fn long_runs_have_ticks_of_minutes_and_hours() {
        let ticks = |seconds: f64| -> Vec<String> {
            let sessions = [Session { seconds, gap: 0.0 }];
            Horizontal::of(&sessions).ticks().into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(ticks(40.0), ["0 s", "10 s", "20 s", "30 s", "40 s"]);
        assert_eq!(ticks(600.0), ["0 min", "2 min", "4 min", "6 min", "8 min", "10 min"]);
        assert_eq!(ticks(86_400.0), ["0 h", "5 h", "10 h", "15 h", "20 h"]);
    }

    #[test]
    fn nothing_at_all_is_drawn_without_harm() {
        let empty = Timeline::default();
        let chart = OverTime {
            title: "none".into(),
            unit: Unit::Rows,
            is_logarithmic: true,
            has_bands: true,
            timeline: &empty,
            curves: vec![Curve { name: "p50".into(), points: vec![] }],
        };
        let svg = chart.render().into_string();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
