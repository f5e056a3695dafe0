//! `cdr`: call detail records, in the order the calls began.

use super::options::{Timestamp, check, rows_or};
use super::random::{Draw, Stream, scramble};
use super::rate_plans;
use super::termination_reasons::{NORMAL, REASONS};
use super::zipf::{self, Zipf};
use super::{Table, array, cell_towers};
use crate::registry::{Benchmark, OptionHelp};
use crate::{ColumnStatistics, Distinct, expected_distinct};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::OnceLock;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// Calls in each hour of a day, in thousandths of the day's.
const CALLS_PER_HOUR: [u64; 24] =
    [12, 8, 6, 6, 8, 14, 30, 62, 74, 62, 50, 50, 52, 50, 50, 52, 56, 68, 74, 66, 52, 42, 32, 24];

// The columns' streams.
const TIME: u32 = 1;
const CALLER: u32 = 2;
const CALLEE: u32 = 3;
const DURATION: u32 = 4;
const TOWER: u32 = 5;
const TYPE: u32 = 6;
const NETWORK: u32 = 7;
const BYTES: u32 = 8;
const TERMINATION: u32 = 9;
const ROAMING: u32 = 10;
const LOSS: u32 = 11;
const QUALITY: u32 = 12;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// `None`: without end.
    rows: Option<u64>,
    seed: u64,
    start: Timestamp,
    rows_per_day: u64,
    subscribers: u64,
    exponent: f64,
    tower_exponent: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: Some(1_000_000),
            seed: 0,
            start: Timestamp::DEFAULT,
            rows_per_day: 8_640_000,
            subscribers: 5_000_000,
            exponent: 0.8,
            tower_exponent: 0.6,
        }
    }
}

const MAX_ROWS_PER_DAY: u64 = 10_000_000_000;

const BENCHMARK: Benchmark = Benchmark {
    indexes: &["(call_timestamp)", "(caller_number)", "(callee_number)", "(cell_tower_id)", "(call_date)"],
    queries: &[
        (
            "time range",
            "SELECT call_type, count(*), sum(billing_amount), avg(duration_seconds) FROM %1$s \
             WHERE call_timestamp >= %2$L AND call_timestamp < %3$L GROUP BY call_type",
        ),
        (
            "caller history",
            "SELECT call_timestamp, callee_number, duration_seconds, billing_amount FROM %1$s \
             WHERE caller_number = %4$L ORDER BY call_timestamp, call_id",
        ),
        (
            "time and tower",
            "SELECT count(*), avg(call_quality_mos), sum(bytes_transferred) FROM %1$s \
             WHERE call_timestamp >= %2$L AND call_timestamp < %3$L AND cell_tower_id = %5$L",
        ),
        (
            "top towers",
            "SELECT cell_tower_id, count(*) AS calls, sum(billing_amount) FROM %1$s \
             GROUP BY cell_tower_id ORDER BY calls DESC, cell_tower_id LIMIT 10",
        ),
    ],
    arguments: "ARRAY[date_trunc('hour', min(call_timestamp))::text, \
                (date_trunc('hour', min(call_timestamp)) + interval '1 hour')::text, \
                mode() WITHIN GROUP (ORDER BY caller_number), mode() WITHIN GROUP (ORDER BY cell_tower_id)::text]",
    // However many rows there are, they are one day's. A source without end has `rows_per_day` rows each day.
    defaults: |rows| match rows {
        Some(rows) => json!({ "rows_per_day": rows.min(MAX_ROWS_PER_DAY) }),
        None => json!({}),
    },
};

pub struct Cdr {
    options: Options,
    rows: u64,
    /// Calls before each hour of a day, and in all of it.
    calls_before: [u64; 25],
    /// How popular subscribers are, and cell towers; made when first drawn from.
    subscribers: OnceLock<Zipf>,
    towers: OnceLock<Zipf>,
}

/// What several columns of a batch read.
pub struct Calls {
    rows: Range<u64>,
    times: OnceCell<Vec<i64>>,
    callers: OnceCell<Vec<u64>>,
    types: OnceCell<Vec<CallType>>,
    terminations: OnceCell<Vec<u8>>,
    durations: OnceCell<Vec<i32>>,
    losses: OnceCell<Vec<i64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallType {
    Voice,
    Sms,
    Data,
}

impl Table for Cdr {
    const FAMILY: &'static str = "cdr";
    const NAME: &'static str = "cdr";
    const ROW_TYPE: &'static str = "cdr_calls";
    const ABOUT: &'static str = "call detail records, in the order the calls began";
    const OPTIONS: &'static [OptionHelp] = &[
        OptionHelp {
            name: "rows",
            about: "number of calls, from 1 to 10^15, or null for no end, default 1000000",
        },
        OptionHelp { name: "seed", about: "seed of all random numbers, from 0 to 2^64 - 1, default 0" },
        OptionHelp {
            name: "start",
            about: "timestamp at which the first day begins, from 1678 to 2261, default 2024-01-01 00:00:00",
        },
        OptionHelp {
            name: "rows_per_day",
            about: "calls a day, from 1 to 10^10, default 8640000, which is 100 a second on average",
        },
        OptionHelp { name: "subscribers", about: "number of subscribers, from 2 to 10^9, default 5000000" },
        OptionHelp {
            name: "exponent",
            about: "exponent of Zipf's law for callers and callees, from 0 (all call equally often) to 4, default 0.8",
        },
        OptionHelp {
            name: "tower_exponent",
            about: "exponent of Zipf's law for cell towers, from 0 (all serve the same number of calls) to 4, default 0.6",
        },
    ];
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("call_id", DataType::Utf8),
        ("call_timestamp", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("call_date", DataType::Date32),
        ("call_hour", DataType::Int32),
        ("caller_number", DataType::Utf8),
        ("callee_number", DataType::Utf8),
        ("duration_seconds", DataType::Int32),
        ("cell_tower_id", DataType::Int32),
        ("call_type", DataType::Utf8),
        ("network_type", DataType::Utf8),
        ("bytes_transferred", DataType::Int64),
        ("termination_code", DataType::Int32),
        ("billing_amount", DataType::Decimal128(10, 4)),
        ("rate_plan_id", DataType::Int32),
        ("is_roaming", DataType::Boolean),
        ("call_quality_mos", DataType::Decimal128(3, 2)),
        ("packet_loss_percent", DataType::Decimal128(5, 2)),
        ("sequence_number", DataType::Int64),
    ];
    const BENCHMARK: Option<&'static Benchmark> = Some(&BENCHMARK);

    type Options = Options;
    type Rows = Calls;

    fn new(options: Options) -> Result<Self, String> {
        check("rows_per_day", &options.rows_per_day, 1..=MAX_ROWS_PER_DAY)?;
        check("subscribers", &options.subscribers, 2..=1_000_000_000)?;
        check("exponent", &options.exponent, 0.0..=4.0)?;
        check("tower_exponent", &options.tower_exponent, 0.0..=4.0)?;
        let days_left = options.start.microseconds_left() / DAY as u128;
        let rows = rows_or(options.rows, days_left.saturating_sub(1) * u128::from(options.rows_per_day))?;
        let days = u128::from(rows / options.rows_per_day + 1);
        options.start.check_end(days * DAY as u128)?;
        let mut calls_before = [0; 25];
        let mut thousandths = 0;
        for (before, calls) in calls_before[1..].iter_mut().zip(CALLS_PER_HOUR) {
            thousandths += calls;
            *before = options.rows_per_day * thousandths / 1_000;
        }
        Ok(Self { options, rows, calls_before, subscribers: OnceLock::new(), towers: OnceLock::new() })
    }

    fn units(&self) -> u64 {
        self.rows
    }

    fn rows(&self, rows: Range<u64>) -> Calls {
        Calls {
            rows,
            times: OnceCell::new(),
            callers: OnceCell::new(),
            types: OnceCell::new(),
            terminations: OnceCell::new(),
            durations: OnceCell::new(),
            losses: OnceCell::new(),
        }
    }

    fn column(&self, name: &str, calls: &Calls) -> ArrayRef {
        let draws = |column| self.draws(column, calls);
        match name {
            "call_id" => array::fixed_strings(calls.rows.clone().map(|row| self.call_id(row))),
            "call_timestamp" => array::timestamp(self.times(calls).iter().copied()),
            "call_date" => array::date(self.times(calls).iter().map(|time| time.div_euclid(DAY) as i32)),
            "call_hour" => {
                array::int32(self.times(calls).iter().map(|time| (time.rem_euclid(DAY) / HOUR) as i32))
            }
            "caller_number" => array::fixed_strings(self.callers(calls).iter().map(|&caller| number(caller))),
            "callee_number" => array::fixed_strings(self.callees(calls).map(number)),
            "duration_seconds" => array::int32(self.durations(calls).iter().copied()),
            "cell_tower_id" => array::int32(draws(TOWER).map(|draw| self.tower(draw))),
            "call_type" => array::strings(self.types(calls).iter().map(|call_type| call_type.name())),
            "network_type" => array::strings(draws(NETWORK).map(network)),
            "bytes_transferred" => array::int64_or_null(
                self.types(calls).iter().zip(draws(BYTES)).map(|(&call_type, draw)| bytes(call_type, draw)),
            ),
            "termination_code" => {
                array::int32(self.terminations(calls).iter().map(|&reason| REASONS[reason as usize].code))
            }
            "billing_amount" => array::decimal(10, 4, self.amounts(calls)),
            "rate_plan_id" => array::int32(self.callers(calls).iter().map(|&caller| rate_plan(caller))),
            "is_roaming" => array::boolean(draws(ROAMING).map(|draw| draw.percent(10))),
            "call_quality_mos" => array::decimal(
                3,
                2,
                self.losses(calls).iter().zip(draws(QUALITY)).map(|(&loss, draw)| opinion_score(loss, draw)),
            ),
            "packet_loss_percent" => array::decimal(5, 2, self.losses(calls).iter().copied()),
            "sequence_number" => array::int64(calls.rows.clone().map(|row| row as i64 + 1)),
            _ => unreachable!("cdr has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, rows: Range<u64>) -> ColumnStatistics {
        let Options { subscribers, exponent, tower_exponent, .. } = self.options;
        let calls = (rows.end - rows.start) as f64;
        let number = |number: f64| ColumnStatistics::of(Distinct::Number(number));
        let words = |words: [&str; 3], shares: [f64; 3]| {
            ColumnStatistics::weighted(array::strings(words), shares.to_vec())
        };
        match name {
            "call_id" => ColumnStatistics::unique().of_length(16.0),
            "call_timestamp" | "sequence_number" => ColumnStatistics::unique(),
            "call_date" => number((self.hours(&rows).1 / 24 - self.hours(&rows).0 / 24 + 1) as f64),
            "call_hour" => number((self.hours(&rows).1 - self.hours(&rows).0 + 1).min(24) as f64),
            "caller_number" | "callee_number" => {
                number(zipf::expected_distinct(calls, subscribers, exponent)).of_length(12.0)
            }
            "duration_seconds" => {
                let talks = calls * SHARE_OF_TALKS;
                let kinds = [(0.2, 30.0), (0.65, 270.0), (0.15, 3_300.0)];
                let kinds = kinds.map(|(share, lengths)| expected_distinct(talks * share, lengths));
                number(1.0 + kinds.iter().sum::<f64>())
            }
            "cell_tower_id" => number(zipf::expected_distinct(calls, cell_towers::COUNT, tower_exponent)),
            "call_type" => words(["voice", "sms", "data"], [0.7, 0.25, 0.05]),
            "network_type" => words(["5G", "4G", "5G-mmWave"], [0.6, 0.3, 0.1]),
            "bytes_transferred" => {
                let sessions = calls * 0.05;
                let kinds = (10..30).map(|power| expected_distinct(sessions / 20.0, f64::from(1 << power)));
                ColumnStatistics { null_fraction: 0.95, ..number(kinds.sum::<f64>().min(sessions)) }
            }
            "termination_code" => number(REASONS.len() as f64),
            "rate_plan_id" => ColumnStatistics::drawn(calls, rate_plans::COUNT as f64),
            "is_roaming" => ColumnStatistics::weighted(array::boolean([false, true]), vec![0.9, 0.1]),
            "call_quality_mos" => ColumnStatistics::drawn(calls, 281.0),
            "packet_loss_percent" => {
                // The cube of an even number: the first values are the most frequent by far.
                let below = |loss: i32| (f64::from(loss) / 1_001.0).cbrt();
                let met = |loss| -(-calls * (below(loss + 1) - below(loss))).exp_m1();
                number((0..1_001).map(met).sum())
            }
            _ => ColumnStatistics::default(),
        }
    }
}

/// The share of calls that are voice or data and were answered.
const SHARE_OF_TALKS: f64 = 0.75 * 0.83;

impl Cdr {
    fn draws(&self, column: u32, calls: &Calls) -> impl Iterator<Item = Draw> + use<> {
        Stream { seed: self.options.seed, column }.rows(&calls.rows)
    }

    /// Different for each row, because scrambling is one-to-one, and unordered.
    fn call_id(&self, row: u64) -> [u8; 16] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let id = scramble(row ^ scramble(self.options.seed));
        std::array::from_fn(|place| DIGITS[(id >> (60 - 4 * place)) as usize & 15])
    }

    /// When the calls began, in microseconds since 1970. An hour has the same number of calls each day. Each call begins at a
    /// random moment of its own stretch of the hour, so none begins before the one before it.
    fn times<'a>(&self, calls: &'a Calls) -> &'a [i64] {
        calls.times.get_or_init(|| {
            let mut times = Vec::with_capacity((calls.rows.end - calls.rows.start) as usize);
            let mut draws = self.draws(TIME, calls);
            let mut row = calls.rows.start;
            while row < calls.rows.end {
                let (day, call) = (row / self.options.rows_per_day, row % self.options.rows_per_day);
                let hour = self.calls_before.partition_point(|&before| before <= call) - 1;
                let (before, after) = (self.calls_before[hour], self.calls_before[hour + 1]);
                let begin = self.options.start.microseconds + day as i64 * DAY + hour as i64 * HOUR;
                let rows = (after - call).min(calls.rows.end - row);
                let time = |(call, draw): (u64, Draw)| {
                    let moment = call * HOUR as u64 + draw.below(HOUR as u64);
                    begin + (moment / (after - before)) as i64
                };
                times.extend((call - before..).zip(draws.by_ref()).take(rows as usize).map(time));
                row += rows;
            }
            times
        })
    }

    /// The first and the last hour in which rows begin, counted from the start.
    fn hours(&self, rows: &Range<u64>) -> (u64, u64) {
        let hour = |row: u64| {
            let (day, call) = (row / self.options.rows_per_day, row % self.options.rows_per_day);
            day * 24 + self.calls_before.partition_point(|&before| before <= call) as u64 - 1
        };
        (hour(rows.start), hour(rows.end - 1))
    }

    fn subscriber(&self, draw: Draw) -> u64 {
        let Options { subscribers, exponent, .. } = self.options;
        self.subscribers.get_or_init(|| Zipf::new(subscribers, exponent)).rank(draw)
    }

    /// Who calls, by rank: 0 calls most often.
    fn callers<'a>(&self, calls: &'a Calls) -> &'a [u64] {
        calls.callers.get_or_init(|| self.draws(CALLER, calls).map(|draw| self.subscriber(draw)).collect())
    }

    /// Who is called, by rank as a caller. Those called most often are in the middle of the ranks, and nobody calls themselves.
    fn callees(&self, calls: &Calls) -> impl Iterator<Item = u64> {
        let count = self.options.subscribers;
        let other = move |subscriber| if subscriber >= count { subscriber - count } else { subscriber };
        self.callers(calls).iter().zip(self.draws(CALLEE, calls)).map(move |(&caller, draw)| {
            let callee = other(self.subscriber(draw) + count / 2);
            if callee == caller { other(callee + 1) } else { callee }
        })
    }

    fn tower(&self, draw: Draw) -> i32 {
        let exponent = self.options.tower_exponent;
        let towers = self.towers.get_or_init(|| Zipf::new(cell_towers::COUNT, exponent));
        // A factor without common divisors, so that the busiest towers are all over the range.
        (towers.rank(draw) * 7_919 % cell_towers::COUNT) as i32 + 1
    }

    fn types<'a>(&self, calls: &'a Calls) -> &'a [CallType] {
        let call_type = |draw: Draw| match draw.below(100) {
            ..70 => CallType::Voice,
            70..95 => CallType::Sms,
            _ => CallType::Data,
        };
        calls.types.get_or_init(|| self.draws(TYPE, calls).map(call_type).collect())
    }

    /// Why calls ended: positions in [`REASONS`]. Four in five are normal, the others are spread over the other reasons.
    fn terminations<'a>(&self, calls: &'a Calls) -> &'a [u8] {
        let reason = |draw: Draw| {
            let (fifth, rest) = draw.split(5);
            // The normal one is the first.
            if fifth < 4 { NORMAL } else { 1 + rest.below(REASONS.len() as u64 - 1) as u8 }
        };
        calls.terminations.get_or_init(|| self.draws(TERMINATION, calls).map(reason).collect())
    }

    /// Of calls that were answered: a fifth is short, up to half a minute, two thirds up to 5 minutes, the
    /// rest up to an hour.
    fn durations<'a>(&self, calls: &'a Calls) -> &'a [i32] {
        let duration = |((&call_type, &reason), draw): ((&CallType, &u8), Draw)| {
            if call_type == CallType::Sms || !REASONS[reason as usize].answered {
                return 0;
            }
            let (kind, rest) = draw.split(100);
            let (shortest, longest) = match kind {
                ..20 => (1, 30),
                20..85 => (31, 300),
                _ => (301, 3_600),
            };
            (shortest + rest.below(longest - shortest + 1)) as i32
        };
        calls.durations.get_or_init(|| {
            let calls_and_ends = self.types(calls).iter().zip(self.terminations(calls));
            calls_and_ends.zip(self.draws(DURATION, calls)).map(duration).collect()
        })
    }

    /// In ten-thousandths.
    fn amounts(&self, calls: &Calls) -> impl Iterator<Item = i64> {
        let calls = self.types(calls).iter().zip(self.callers(calls)).zip(self.durations(calls));
        calls.map(|((call_type, &caller), &seconds)| {
            let plan = rate_plans::plan(rate_plan(caller));
            match call_type {
                CallType::Sms => plan.sms.0,
                CallType::Voice => plan.voice_per_minute.for_seconds(seconds),
                CallType::Data => plan.data_per_minute.for_seconds(seconds),
            }
        })
    }

    /// In hundredths of a percent: mostly small, up to 10% (the cube of an even number).
    fn losses<'a>(&self, calls: &'a Calls) -> &'a [i64] {
        let loss = |draw: Draw| {
            let even = draw.below(1 << 21);
            ((u128::from(even * even * even) * 1_001) >> 63) as i64
        };
        calls.losses.get_or_init(|| self.draws(LOSS, calls).map(loss).collect())
    }
}

impl CallType {
    fn name(self) -> &'static str {
        match self {
            CallType::Voice => "voice",
            CallType::Sms => "sms",
            CallType::Data => "data",
        }
    }
}

/// `+1` and ten digits. A subscriber's rank is spread over all numbers one-to-one: the factor has no divisor
/// in common with how many there are.
fn number(subscriber: u64) -> [u8; 12] {
    const FIRST: u64 = 2_000_000_000;
    const COUNT: u64 = 8_000_000_000;
    let mut rest = FIRST + subscriber * 2_654_435_761 % COUNT;
    let mut text = *b"+1..........";
    for digit in text[2..].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    text
}

/// Each subscriber has one plan, and all plans have the same number of subscribers.
fn rate_plan(subscriber: u64) -> i32 {
    (subscriber % rate_plans::COUNT) as i32 + 1
}

fn network(draw: Draw) -> &'static str {
    match draw.below(100) {
        ..30 => "4G",
        30..90 => "5G",
        _ => "5G-mmWave",
    }
}

/// Of data calls only: from 1 KiB to 1 GiB, each power of two as often.
fn bytes(call_type: CallType, draw: Draw) -> Option<i64> {
    let (power, rest) = draw.split(20);
    let least = 1_024 << power;
    (call_type == CallType::Data).then(|| (least + rest.below(least)) as i64)
}

/// A mean opinion score in hundredths, from 2 to 4.8: it falls with the packets lost.
fn opinion_score(loss: i64, draw: Draw) -> i64 {
    400 - loss / 5 + draw.below(81) as i64
}
