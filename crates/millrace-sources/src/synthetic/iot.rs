//! `iot`: readings of sensors, in the order they arrive.
//!
//! Every device reads each of its metrics once per interval; readings are numbered in the order of their
//! time, and a thousand of them ([`BLOCK`]) make a block. Some of a block's readings do not arrive with it: some are lost,
//! the others are late and arrive at the head of a later block. Which ones is drawn for each block; their number is the same
//! for all, so a formula gives the row that a block begins with.

use super::options::{Timestamp, check, rows_or};
use super::random::{Draw, Stream, sample, scramble};
use super::{Table, array};
use crate::registry::{Benchmark, OptionHelp};
use crate::{ColumnStatistics, Distinct};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use std::cell::OnceCell;
use std::ops::Range;

/// Readings in a block.
const BLOCK: u64 = 1_024;

const SECOND: f64 = 1e6;

// The columns' streams.
const ABSENT: u32 = 1;
const LATE: u32 = 2;
const QUALITY: u32 = 3;
const VALUE: u32 = 4;

/// What a device measures: its usual value, and by how much that changes from one reading to the next.
struct Metric {
    name: &'static str,
    usual: f64,
    step: f64,
}

const METRICS: [Metric; 4] = [
    Metric { name: "temperature", usual: 20.0, step: 0.05 },
    Metric { name: "humidity", usual: 50.0, step: 0.1 },
    Metric { name: "pressure", usual: 1013.0, step: 0.05 },
    Metric { name: "voltage", usual: 230.0, step: 0.1 },
];

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// `None`: without end.
    rows: Option<u64>,
    seed: u64,
    start: Timestamp,
    devices: u64,
    interval: f64,
    lost: f64,
    late: f64,
    delay: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: Some(1_000_000),
            seed: 0,
            start: Timestamp::DEFAULT,
            devices: 1_000,
            interval: 10.0,
            lost: 0.01,
            late: 0.02,
            delay: 60.0,
        }
    }
}

const BENCHMARK: Benchmark = Benchmark {
    indexes: &["(\"time\")", "(device)", "(metric, \"time\")", "(arrival)", "(quality)"],
    queries: &[
        (
            "time range",
            "SELECT metric, count(*), min(value), max(value) FROM %1$s \
             WHERE \"time\" >= %2$L AND \"time\" < %3$L GROUP BY metric",
        ),
        (
            "device history",
            "SELECT \"time\", metric, value, quality FROM %1$s WHERE device = %4$L ORDER BY \"time\", metric",
        ),
        (
            "time and device",
            "SELECT count(*), min(value), max(value) FROM %1$s \
             WHERE \"time\" >= %2$L AND \"time\" < %3$L AND device = %4$L",
        ),
        (
            "top devices",
            "SELECT device, count(*), max(value) AS highest FROM %1$s \
             GROUP BY device ORDER BY highest DESC, device LIMIT 10",
        ),
    ],
    arguments: "ARRAY[date_trunc('minute', min(\"time\"))::text, \
                (date_trunc('minute', min(\"time\")) + interval '1 minute')::text, \
                mode() WITHIN GROUP (ORDER BY device)::text]",
    defaults: Benchmark::no_defaults,
};

pub struct Iot {
    options: Options,
    rows: u64,
    /// Microseconds between two readings of a device.
    interval: u64,
    /// Readings of a block that never arrive.
    lost: u64,
    /// Readings of a block that arrive late.
    late: u64,
    /// How many blocks late they arrive.
    delay: u64,
}

/// One row: the number of a reading, and that of one that arrives at the same time without delay.
#[derive(Clone, Copy)]
struct Arrival {
    reading: u64,
    now: u64,
}

/// What the columns of a batch read.
pub struct Arrivals {
    rows: Range<u64>,
    arrivals: OnceCell<Vec<Arrival>>,
}

/// Which device and metric a reading is of, and its number among those.
struct Reading {
    device: u64,
    metric: u64,
    number: u64,
}

impl Table for Iot {
    const FAMILY: &'static str = "iot";
    const NAME: &'static str = "iot";
    const ROW_TYPE: &'static str = "iot_readings";
    const ABOUT: &'static str = "readings of sensors, in the order they arrive";
    const OPTIONS: &'static [OptionHelp] = &[
        OptionHelp {
            name: "rows",
            about: "number of readings, from 1 to 10^15, or null for no end, default 1000000",
        },
        OptionHelp { name: "seed", about: "seed of all random numbers, from 0 to 2^64 - 1, default 0" },
        OptionHelp {
            name: "start",
            about: "timestamp of the first reading, from 1678 to 2261, default 2024-01-01 00:00:00",
        },
        OptionHelp {
            name: "devices",
            about: "number of devices, each with four metrics, from 1 to 10^9, default 1000",
        },
        OptionHelp {
            name: "interval",
            about: "seconds between two readings of a device, from 0.001 to 86400, default 10",
        },
        OptionHelp {
            name: "lost",
            about: "share of readings that never arrive, from 0 to 0.4 in steps of 1/1024, default 0.01",
        },
        OptionHelp {
            name: "late",
            about: "share of readings that arrive late, from 0 to 0.4 in steps of 1/1024, default 0.02",
        },
        OptionHelp {
            name: "delay",
            about: "seconds that late readings are late, rounded up to blocks of 1024 readings, from 0 to 86400, default 60",
        },
    ];
    const COLUMNS: &'static [(&'static str, DataType)] = &[
        ("device", DataType::Int64),
        ("metric", DataType::Utf8),
        ("time", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("arrival", DataType::Timestamp(TimeUnit::Microsecond, None)),
        ("value", DataType::Float64),
        ("quality", DataType::Utf8),
    ];
    const BENCHMARK: Option<&'static Benchmark> = Some(&BENCHMARK);

    type Options = Options;
    type Rows = Arrivals;

    fn new(options: Options) -> Result<Self, String> {
        check("devices", &options.devices, 1..=1_000_000_000)?;
        check("interval", &options.interval, 0.001..=86_400.0)?;
        check("lost", &options.lost, 0.0..=0.4)?;
        check("late", &options.late, 0.0..=0.4)?;
        check("delay", &options.delay, 0.0..=86_400.0)?;
        let interval = (options.interval * SECOND).round() as u64;
        let of_block = |share: f64| (share * BLOCK as f64).round() as u64;
        let readings = options.delay / options.interval * (options.devices * METRICS.len() as u64) as f64;
        let mut iot = Self {
            rows: 0,
            interval,
            lost: of_block(options.lost),
            late: of_block(options.late),
            delay: (readings / BLOCK as f64).ceil().max(1.0) as u64,
            options,
        };
        // At least this number of each block's readings arrive, from the first block on.
        let intervals_left = (iot.options.start.microseconds_left() / u128::from(interval)).saturating_sub(2);
        let blocks_left = intervals_left * u128::from(iot.readings_per_interval()) / u128::from(BLOCK);
        let blocks_left = blocks_left.saturating_sub(u128::from(iot.delay) + 2);
        iot.rows = rows_or(iot.options.rows, blocks_left * u128::from(iot.on_time()))?;
        let (last_block, _) = iot.place(iot.rows);
        let intervals =
            u128::from(last_block + 1) * u128::from(BLOCK) / u128::from(iot.readings_per_interval());
        iot.options.start.check_end((intervals + 1) * u128::from(interval))?;
        Ok(iot)
    }

    fn units(&self) -> u64 {
        self.rows
    }

    fn rows(&self, rows: Range<u64>) -> Arrivals {
        Arrivals { rows, arrivals: OnceCell::new() }
    }

    fn column(&self, name: &str, rows: &Arrivals) -> ArrayRef {
        let arrivals = rows.arrivals.get_or_init(|| self.arrivals(&rows.rows));
        let readings = arrivals.iter().map(|arrival| self.reading(arrival.reading));
        match name {
            "device" => array::int64(readings.map(|reading| reading.device as i64 + 1)),
            "metric" => array::strings(readings.map(|reading| METRICS[reading.metric as usize].name)),
            "time" => array::timestamp(arrivals.iter().map(|arrival| self.time(arrival.reading))),
            "arrival" => array::timestamp(arrivals.iter().map(|arrival| self.time(arrival.now))),
            "value" => array::float64(readings.map(|reading| self.value(&reading))),
            "quality" => {
                let stream = Stream { seed: self.options.seed, column: QUALITY };
                array::strings(stream.rows(&rows.rows).map(quality))
            }
            _ => unreachable!("iot has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, rows: Range<u64>) -> ColumnStatistics {
        let metrics = METRICS.len() as f64;
        let readings = (rows.end - rows.start) as f64;
        match name {
            // Devices take turns.
            "device" => {
                let devices = (readings / metrics).ceil().min(self.options.devices as f64);
                ColumnStatistics::of(Distinct::Number(devices))
            }
            "metric" => ColumnStatistics::among(array::strings(METRICS.iter().map(|metric| metric.name))),
            "time" | "arrival" => ColumnStatistics::of(Distinct::Share(1.0 / metrics)),
            "quality" => {
                let words = array::strings(["good", "uncertain", "bad"]);
                ColumnStatistics::weighted(words, vec![0.97, 0.02, 0.01])
            }
            _ => ColumnStatistics::default(),
        }
    }
}

impl Iot {
    fn readings_per_interval(&self) -> u64 {
        self.options.devices * METRICS.len() as u64
    }

    /// Readings of a block that arrive with it.
    fn on_time(&self) -> u64 {
        BLOCK - self.lost - self.late
    }

    /// The block a row arrives with, and the row's place in it.
    fn place(&self, row: u64) -> (u64, u64) {
        // Before this one no block has late readings of another at its head.
        let rows_before_delay = self.delay.saturating_mul(self.on_time());
        if row < rows_before_delay {
            return (row / self.on_time(), row % self.on_time());
        }
        let (row, rows) = (row - rows_before_delay, self.on_time() + self.late);
        (self.delay + row / rows, row % rows)
    }

    fn arrivals(&self, rows: &Range<u64>) -> Vec<Arrival> {
        let (first_block, place) = self.place(rows.start);
        let arrivals = (first_block..).flat_map(|block| self.block(block)).skip(place as usize);
        arrivals.take((rows.end - rows.start) as usize).collect()
    }

    /// What arrives with a block: late readings of an earlier one, then its own.
    fn block(&self, block: u64) -> Vec<Arrival> {
        let first = block * BLOCK;
        let mut arrivals = Vec::with_capacity(BLOCK as usize);
        if let Some(earlier) = block.checked_sub(self.delay) {
            let late = self.late(earlier).map(|place| earlier * BLOCK + place);
            arrivals.extend(late.map(|reading| Arrival { reading, now: first }));
        }
        let is_absent = self.absent(block);
        let own = (first..first + BLOCK).zip(is_absent).filter(|(_, absent)| !absent);
        arrivals.extend(own.map(|(reading, _)| Arrival { reading, now: reading }));
        arrivals
    }

    /// Which readings of a block do not arrive with it.
    fn absent(&self, block: u64) -> Vec<bool> {
        self.sample(ABSENT, block, self.lost + self.late, BLOCK)
    }

    /// The places of those that arrive later.
    fn late(&self, block: u64) -> impl Iterator<Item = u64> {
        let absent = (0..BLOCK).zip(self.absent(block)).filter(|(_, absent)| *absent);
        let is_late = self.sample(LATE, block, self.late, self.lost + self.late);
        absent.zip(is_late).filter(|(_, late)| *late).map(|((place, _), _)| place)
    }

    /// A sample that is the block's own.
    fn sample(&self, column: u32, block: u64, count: u64, total: u64) -> Vec<bool> {
        let mut draws = Stream { seed: self.options.seed, column }.from(block * count);
        sample(&mut draws, count as usize, total as usize)
    }

    fn reading(&self, reading: u64) -> Reading {
        let (number, place) =
            (reading / self.readings_per_interval(), reading % self.readings_per_interval());
        let metrics = METRICS.len() as u64;
        Reading { device: place / metrics, metric: place % metrics, number }
    }

    /// Microseconds since 1970. A device reads all its metrics at once, and the devices one after the other.
    fn time(&self, reading: u64) -> i64 {
        let Reading { device, number, .. } = self.reading(reading);
        let offset = u128::from(device) * u128::from(self.interval) / u128::from(self.options.devices);
        self.options.start.microseconds + (number * self.interval) as i64 + offset as i64
    }

    fn value(&self, reading: &Reading) -> f64 {
        let Metric { usual, step, .. } = METRICS[reading.metric as usize];
        let series = reading.device * METRICS.len() as u64 + reading.metric;
        let key = scramble(series ^ scramble(self.options.seed ^ u64::from(VALUE)));
        // Devices differ from each other by as much as each of them strays.
        let walk = walk(key, reading.number) + WALK_ENDS * Draw::of_key(key).bell();
        ((usual + step * walk) * 1_000.0).round() / 1_000.0
    }
}

fn quality(draw: Draw) -> &'static str {
    match draw.below(100) {
        ..97 => "good",
        97..99 => "uncertain",
        _ => "bad",
    }
}

/// Steps after which a walk is pinned, so that it never strays.
const WALK: u64 = 1_024;
/// The deviation of pinned steps, the root of `WALK / 2`: so their differences are those of a walk of `WALK` steps.
const WALK_ENDS: f64 = 22.627_416_997_969_522;

/// A random walk at one of its steps, with steps of deviation 1.
///
/// Summing all steps before would take longer and longer. This is Lévy's construction of Brownian motion: the ends of a
/// stretch are drawn, then the middle between them, with the deviation that a walk would have there, then the middle of the
/// half that the step is in, and so on: at most twelve draws for any step.
fn walk(key: u64, step: u64) -> f64 {
    let draw = |step: u64| Draw::of_key(key ^ scramble(step)).bell();
    let mut start = step - step % WALK;
    let (mut left, mut right) = (WALK_ENDS * draw(start), WALK_ENDS * draw(start + WALK));
    let mut half = WALK / 2;
    while start != step {
        // A walk of n steps between two known ends deviates by the root of n / 4 in its middle.
        let middle = (left + right) / 2.0 + (half as f64 / 2.0).sqrt() * draw(start + half);
        if step < start + half {
            right = middle;
        } else {
            start += half;
            left = middle;
        }
        half /= 2;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_moves_by_steps_and_stays_near() {
        let steps: Vec<f64> = (0..100_000).map(|step| walk(42, step)).collect();
        let moves: Vec<f64> = steps.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let variance =
            |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
        // One step changes it by 1, a hundred by 10, and it is never far.
        assert!((variance(&moves) - 1.0).abs() < 0.05, "{}", variance(&moves));
        let far: Vec<f64> = steps.windows(101).map(|window| window[100] - window[0]).collect();
        assert!((variance(&far) - 100.0).abs() < 15.0, "{}", variance(&far));
        assert!(steps.iter().all(|value| value.abs() < 150.0));
        // Steps do not repeat or reverse each other.
        let products: f64 = moves.windows(2).map(|pair| pair[0] * pair[1]).sum();
        assert!((products / moves.len() as f64).abs() < 0.03, "{}", products / moves.len() as f64);
    }
}
