//! How far a load or an export has come, formatted the same everywhere in millrace.
#![deny(missing_docs, unsafe_code)]

use std::collections::VecDeque;
use std::fmt::{Display, Formatter};
use std::time::{Duration, Instant};

/// Rows done, rows in all, and the speed; `{}` writes plain numbers, `{:#}` groups their digits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Rows done.
    pub done: u64,
    /// Rows in all, as far as that is known; `None` if there is no end to come to.
    pub total: Option<u64>,
    /// Rows per second; `None` if nothing was done yet.
    pub per_second: Option<f64>,
    /// The time that the rest will take, if that is known.
    pub eta: Option<Duration>,
}

impl Progress {
    /// With the time left at this speed.
    pub fn new(done: u64, total: Option<u64>, per_second: Option<f64>) -> Self {
        let left = total.map(|total| total.saturating_sub(done) as f64);
        let eta =
            left.zip(per_second).and_then(|(left, speed)| Duration::try_from_secs_f64(left / speed).ok());
        Self { done, total, per_second, eta }
    }

    /// The share that is done, from 0 to 100.
    pub fn percent(self) -> Option<f64> {
        self.total.map(|total| 100.0 * self.done as f64 / total.max(self.done).max(1) as f64)
    }
}

impl Display for Progress {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let number = if formatter.alternate() { grouped } else { |number: u64| number.to_string() };
        write!(formatter, "{}", number(self.done))?;
        if let Some(total) = self.total {
            write!(formatter, " of {}", number(total))?;
        }
        write!(formatter, " rows")?;
        if let Some(percent) = self.percent() {
            write!(formatter, " ({percent:.1}%)")?;
        }
        if let Some(per_second) = self.per_second {
            write!(formatter, ", {} rows/s", number(per_second.round() as u64))?;
        }
        if let Some(eta) = self.eta {
            write!(formatter, ", ETA {}", clock(eta))?;
        }
        Ok(())
    }
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time as hours, minutes and seconds.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Limits reports to about one per second.
#[derive(Debug)]
pub struct Ticker {
    last: Instant,
}

impl Ticker {
    const EVERY: Duration = Duration::from_secs(1);

    /// The first report is due after a second.
    pub fn start() -> Self {
        Self { last: Instant::now() }
    }

    /// Whether a report is due; if so, the next is due a second later.
    pub fn is_due(&mut self) -> bool {
        let due = self.last.elapsed() >= Self::EVERY;
        if due {
            self.last = Instant::now();
        }
        due
    }
}

/// The speed over the last seconds, which is steadier than the current one and more recent than the mean.
#[derive(Debug)]
pub struct Speed {
    /// Times, and the rows done by then, a second apart or more; the oldest begins the window.
    samples: VecDeque<(Instant, u64)>,
}

impl Speed {
    const WINDOW: Duration = Duration::from_secs(10);
    const STEP: Duration = Duration::from_secs(1);

    /// Begins when `done` rows are done.
    pub fn start(done: u64) -> Self {
        Self { samples: VecDeque::from([(Instant::now(), done)]) }
    }

    /// Rows per second now that `done` are done; `None` before the first.
    pub fn at(&mut self, done: u64) -> Option<f64> {
        let now = Instant::now();
        while self.samples.len() > 1 && now - self.samples[0].0 > Self::WINDOW {
            self.samples.pop_front();
        }
        if self.samples.back().is_none_or(|&(last, _)| now - last >= Self::STEP) {
            self.samples.push_back((now, done));
        }
        let &(start, before) = self.samples.front()?;
        let rows = done.saturating_sub(before);
        (rows > 0).then(|| rows as f64 / (now - start).as_secs_f64().max(1e-6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_share_speed_and_time_left() {
        let progress = Progress::new(1_500, Some(6_000), Some(1_250.0));
        assert_eq!(progress.to_string(), "1500 of 6000 rows (25.0%), 1250 rows/s, ETA 00:00:04");
        assert_eq!(format!("{progress:#}"), "1,500 of 6,000 rows (25.0%), 1,250 rows/s, ETA 00:00:04");
    }

    #[test]
    fn without_an_end_there_is_neither_share_nor_eta() {
        assert_eq!(Progress::new(1_500, None, Some(1_250.0)).to_string(), "1500 rows, 1250 rows/s");
    }

    #[test]
    fn nothing_done_has_neither_speed_nor_eta() {
        let progress = Progress::new(0, Some(0), None);
        assert_eq!(progress.to_string(), "0 of 0 rows (0.0%)");
    }

    #[test]
    fn more_rows_than_expected_are_all() {
        assert_eq!(Progress::new(7, Some(6), None).percent(), Some(100.0));
        assert_eq!(Progress::new(7, Some(6), Some(1.0)).eta, Some(Duration::ZERO));
    }

    #[test]
    fn long_times_are_in_hours() {
        assert_eq!(clock(Duration::from_secs(100 * 3600 + 61)), "100:01:01");
    }
}
