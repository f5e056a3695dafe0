//! The slots of time that the course of a run is summarized by.

use crate::chart::{Moment, Session};

/// How many slots the time of a run is divided into at most, plus one per session.
const SLOTS: f64 = 200.0;
/// The server is observed once a second, so shorter slots would say less.
const SHORTEST: f64 = 1.0;

/// A run's time: when each session was at work, and the slots of that.
pub struct Slots {
    /// Seconds of the server's clock.
    pub begun: Vec<f64>,
    pub ended: Vec<f64>,
    pub width: f64,
    /// By session. What is left at its end is part of the last one.
    pub counts: Vec<i64>,
}

/// A session, from 0, and a slot in it.
pub type Slot = (usize, i64);

impl Slots {
    /// `batch` is the time from one batch to the next in seconds: shorter slots would be empty.
    pub fn new(begun: Vec<f64>, ended: Vec<f64>, batch: f64) -> Self {
        let lengths = || begun.iter().zip(&ended).map(|(begun, ended)| ended - begun);
        let width = round_up((lengths().sum::<f64>() / SLOTS).max(SHORTEST).max(batch));
        let counts = lengths().map(|length| ((length / width).round() as i64).max(1)).collect();
        Self { begun, ended, width, counts }
    }

    pub fn length(&self, session: usize) -> f64 {
        self.ended[session] - self.begun[session]
    }

    /// From when to when a slot is, in seconds since its session began.
    pub fn ends(&self, (session, slot): Slot) -> (f64, f64) {
        let from = slot as f64 * self.width;
        let is_last = slot + 1 >= self.counts[session];
        (from, if is_last { self.length(session).max(from) } else { from + self.width })
    }

    /// The middle of a slot.
    pub fn moment(&self, slot: Slot) -> Moment {
        let (from, to) = self.ends(slot);
        Moment { session: slot.0, at: (from + to) / 2.0 }
    }

    pub fn sessions(&self) -> Vec<Session> {
        let gap = |session: usize| {
            session.checked_sub(1).map_or(0.0, |before| self.begun[session] - self.ended[before])
        };
        (0..self.begun.len())
            .map(|session| Session { seconds: self.length(session), gap: gap(session) })
            .collect()
    }
}

/// The next of 1, 2, 5, 10, 20 and so on.
fn round_up(number: f64) -> f64 {
    let power = 10f64.powf(number.log10().floor());
    let round =
        [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().find(|round| *round >= number - 1e-9);
    round.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_a_few_hundred_slots_at_most() {
        for (seconds, batch) in
            [(0.5, 0.01), (40.0, 0.03), (3600.0, 0.1), (86_400.0 * 30.0, 0.001), (100.0, 7.0)]
        {
            let slots = Slots::new(vec![1e9, 2e9], vec![1e9 + seconds, 2e9 + 0.2], batch);
            assert!(slots.counts.iter().sum::<i64>() <= SLOTS as i64 + 2, "{:?}", slots.counts);
            assert!(slots.width >= SHORTEST && slots.width >= batch, "{}", slots.width);
            assert!(slots.width <= 10.0 * (seconds / SLOTS).max(SHORTEST).max(batch), "{}", slots.width);
        }
        let widths = [1.0, 1.001, 2.0, 3.0, 7.0, 10.0, 45.0, 432.0].map(round_up);
        assert_eq!(widths, [1.0, 2.0, 2.0, 5.0, 10.0, 10.0, 50.0, 500.0]);
    }

    #[test]
    fn slots_are_a_sessions_time_without_a_rest() {
        let slots = Slots::new(vec![100.0, 200.0], vec![103.4, 200.3], 0.1);
        assert_eq!((slots.width, &slots.counts[..]), (1.0, &[3, 1][..]));
        let ends = |session, slot| slots.ends((session, slot));
        assert_eq!((ends(0, 0), ends(0, 1)), ((0.0, 1.0), (1.0, 2.0)));
        assert!((ends(0, 2).1 - 3.4).abs() < 1e-9 && (ends(1, 0).1 - 0.3).abs() < 1e-9);
        let gaps: Vec<f64> = slots.sessions().iter().map(|session| session.gap).collect();
        assert!(gaps[0] == 0.0 && (gaps[1] - 96.6).abs() < 1e-9, "{gaps:?}");
    }
}
