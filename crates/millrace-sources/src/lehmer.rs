//! The random streams of dbgen and dsdgen, starting at any row: Lehmer's generator modulo 2³¹ - 1.
//!
//! Each random column has its own stream, and each row of the table owns a fixed number of draws in it, whether it uses
//! them or not. So the state at a row is a power of the multiplier, and no row depends on those before it.
//!
//! From scale factor 30,000 up, dbgen draws customer and part keys with another, 64-bit generator, which it reseeds from
//! the 32-bit stream when a part begins. So its rows there depend on how the table is split. Here every row is what dbgen
//! makes when a part begins with that row.

const MODULUS: u64 = (1 << 31) - 1;
const MULTIPLIER: u64 = 16_807;

/// A random column: its seed and the number of draws each row owns.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    seed: u64,
    draws_per_row: u32,
}

impl Stream {
    pub const fn new(seed: u64, draws_per_row: u32) -> Self {
        Self { seed, draws_per_row }
    }

    /// The draws of each row, from row `start` on.
    pub fn rows(self, start: u64) -> impl Iterator<Item = Draws> {
        let step = power(MULTIPLIER, u64::from(self.draws_per_row));
        let first = multiply(self.seed, power(step, start));
        std::iter::successors(Some(first), move |&state| Some(multiply(state, step))).map(Draws)
    }

    /// As [`Stream::rows`], with each row's draws divided evenly among `N` lines.
    pub fn lines<const N: usize>(self, start: u64) -> impl Iterator<Item = [Draws; N]> {
        let draws_per_line = u64::from(self.draws_per_row) / N as u64;
        let steps: [u64; N] = std::array::from_fn(|line| power(MULTIPLIER, line as u64 * draws_per_line));
        self.rows(start).map(move |draws| steps.map(|step| Draws(multiply(draws.0, step))))
    }
}

/// A product of two states, reduced without a division: 2³¹ is 1 by this modulus.
#[inline]
fn multiply(one: u64, other: u64) -> u64 {
    let product = one * other;
    let folded = (product & MODULUS) + (product >> 31);
    if folded >= MODULUS { folded - MODULUS } else { folded }
}

fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent /= 2;
    }
    result
}

/// dbgen scales a state to a range in floating point. Up to this range the result is the integer quotient:
/// the quotient is at least 1/[`MODULUS`] away from any integer, and the rounding errors are smaller.
const EXACT_RANGE: u64 = 1 << 20;

/// The draws that belong to one row of a stream.
#[derive(Debug, Clone, Copy, Default)]
pub struct Draws(u64);

impl Draws {
    /// The next number from `low` to `high`, both included.
    #[inline]
    pub fn number(&mut self, low: i64, high: i64) -> i64 {
        self.0 = multiply(self.0, MULTIPLIER);
        let range = (high - low + 1) as u64;
        if range <= EXACT_RANGE {
            let product = self.0 * range;
            // The quotient by the modulus, again without a division.
            low + ((product + (product >> 31) + 1) >> 31) as i64
        } else {
            low + (self.0 as f64 / MODULUS as f64 * range as f64) as i64
        }
    }

    /// The next number from `low` to `high`, both included, as dsdgen draws it.
    #[inline]
    pub fn remainder(&mut self, low: u64, high: u64) -> u64 {
        self.0 = multiply(self.0, MULTIPLIER);
        low + self.0 % (high - low + 1)
    }

    /// The next number from `low` to `high` by dbgen's 64-bit generator.
    #[inline]
    pub fn number_64_bits(&mut self, low: i64, high: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        low + (self.0 as i64).wrapping_abs() % (high - low + 1)
    }

    /// Skips `count` draws.
    #[inline]
    pub fn skip(&mut self, count: u32) {
        for _ in 0..count {
            self.0 = multiply(self.0, MULTIPLIER);
        }
    }

    /// The draws that follow a state.
    pub fn from_state(state: u32) -> Self {
        Self(u64::from(state))
    }

    /// The state from which `tpchgen`'s own generators continue.
    pub fn state(self) -> i64 {
        self.0 as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tpchgen::random::RowRandomInt;

    #[test]
    fn any_row_is_reached_as_tpchgen_reaches_it() {
        for start in [0, 1, 2, 1_000, 6_000_000_000] {
            let mut theirs = RowRandomInt::new(209_208_115, 7);
            theirs.advance_rows(start as i64);
            for mut ours in Stream::new(209_208_115, 7).rows(start).take(5) {
                for _ in 0..3 {
                    assert_eq!(ours.number(1, 50), i64::from(theirs.next_int(1, 50)));
                }
                theirs.row_finished();
            }
        }
    }

    #[test]
    fn numbers_are_those_of_the_floating_point_formula() {
        let in_floating_point =
            |state: u64, range: u64| (state as f64 / MODULUS as f64 * range as f64) as i64;
        // The state that gives `state` by one draw.
        let before = |state: u64| multiply(state, power(MULTIPLIER, MODULUS - 2));
        for range in
            [1, 2, 3, 7, 50, 121, 2406, 99_999, 200_000, EXACT_RANGE - 1, EXACT_RANGE, EXACT_RANGE + 1]
        {
            // States around those where the drawn number changes, where an error would show.
            for number in (0..range).step_by(range.div_ceil(5_000) as usize) {
                let middle = number * MODULUS / range;
                for state in middle.saturating_sub(1).max(1)..=(middle + 2).min(MODULUS - 1) {
                    let drawn = Draws(before(state)).number(0, range as i64 - 1);
                    assert_eq!(drawn, in_floating_point(state, range), "{state} in {range}");
                }
            }
        }
    }
}
