//! The synthetic sources: any range is the same rows, values follow their distributions, keys find their rows.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow::util::display::array_value_to_string;
use millrace_sources::{Source, registry};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

const SOURCES: [&str; 5] = ["cdr", "iot", "cell_towers", "rate_plans", "termination_reasons"];

fn open(name: &str, options: Value) -> Box<dyn Source> {
    registry::open(name, options).unwrap_or_else(|error| panic!("{error}"))
}

fn columns(source: &dyn Source) -> Vec<usize> {
    (0..source.schema().fields().len()).collect()
}

fn all_rows(name: &str, options: Value) -> RecordBatch {
    let source = open(name, options);
    source.batch(0..source.units(), &columns(source.as_ref())).unwrap()
}

fn integers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = &batch[name];
    match column.as_primitive_opt::<Int32Type>() {
        Some(values) => values.values().iter().map(|&value| i64::from(value)).collect(),
        None => column.as_primitive::<Int64Type>().values().to_vec(),
    }
}

fn decimals(batch: &RecordBatch, name: &str) -> Vec<i64> {
    batch[name].as_primitive::<Decimal128Type>().values().iter().map(|&value| value as i64).collect()
}

fn times(batch: &RecordBatch, name: &str) -> Vec<i64> {
    batch[name].as_primitive::<TimestampMicrosecondType>().values().to_vec()
}

fn strings<'a>(batch: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    batch[name].as_string::<i32>().iter().map(|value| value.expect("not null")).collect()
}

/// How far counts are from the shares expected: about as large as the number of groups.
fn chi_square(found: &[(f64, f64)]) -> f64 {
    found.iter().map(|(found, expected)| (found - expected).powi(2) / expected).sum()
}

/// Counts of values against the shares they should have, in percent.
fn assert_shares(values: &[&str], shares: &[(&str, f64)]) {
    let groups: Vec<_> = shares
        .iter()
        .map(|(name, percent)| {
            let found = values.iter().filter(|value| *value == name).count();
            (found as f64, values.len() as f64 * percent / 100.0)
        })
        .collect();
    assert_eq!(groups.iter().map(|(found, _)| found).sum::<f64>(), values.len() as f64, "{shares:?}");
    // Chi-squared of two degrees of freedom: larger once in 10,000 seeds.
    assert!(chi_square(&groups) < 18.4, "{groups:?}");
}

fn calls(rows: u64) -> RecordBatch {
    all_rows("cdr", json!({ "rows": rows }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_range_and_columns_are_those_of_the_whole(
        name in proptest::sample::select(&SOURCES[..]),
        seed in 0..3_u64,
        mut cuts in proptest::collection::vec(0..20_000_u64, 0..6),
        picked in proptest::collection::vec(0..18_usize, 0..5),
    ) {
        // Few devices and long delays, few calls a day: blocks, hours and days begin within the rows.
        let options = match name {
            "cdr" => json!({"rows": 20_000, "seed": seed, "rows_per_day": 7_001}),
            "iot" => json!({"rows": 20_000, "seed": seed, "devices": 37, "lost": 0.1, "late": 0.2, "delay": 300}),
            "cell_towers" => json!({"seed": seed}),
            _ => json!({}),
        };
        let source = open(name, options);
        let width = source.schema().fields().len();
        let picked: Vec<usize> = picked.into_iter().map(|column| column % width).collect();
        let whole = source.batch(0..source.units(), &columns(source.as_ref())).unwrap();
        let expected = whole.project(&picked).unwrap();
        cuts.extend([0, source.units()]);
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(source.units()));
        cuts.sort_unstable();
        let parts: Vec<_> =
            cuts.windows(2).map(|cut| source.batch(cut[0]..cut[1], &picked).unwrap()).collect();
        prop_assert_eq!(parts.iter().map(RecordBatch::num_rows).sum::<usize>(), whole.num_rows());
        if !picked.is_empty() {
            prop_assert_eq!(concat_batches(&expected.schema(), &parts).unwrap(), expected);
        }
    }
}

#[test]
fn the_rows_are_those_of_every_release() {
    // A change here makes tables loaded before differ from what stream_verify expects.
    fn hash(batch: &RecordBatch) -> u64 {
        let values = batch.columns().iter().flat_map(|column| {
            (0..batch.num_rows()).map(move |row| array_value_to_string(column, row).unwrap())
        });
        let bytes = values.flat_map(|value| value.into_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
    let hashes = SOURCES.map(|name| {
        let source = open(name, json!({}));
        let last = source.units();
        hash(&source.batch(last - 20.min(last)..last, &columns(source.as_ref())).unwrap())
    });
    let expected =
        [0x47c522d0148b46db, 0xab6751122ac1b02e, 0xde7fa2b5fe812093, 0x7a6e60dfd19c70d4, 0x540c77a2411c505e];
    assert_eq!(hashes, expected);
}

#[test]
fn every_foreign_key_of_cdr_finds_its_row() {
    let cdr = calls(200_000);
    for (table, key) in [
        ("cell_towers", "cell_tower_id"),
        ("rate_plans", "rate_plan_id"),
        ("termination_reasons", "termination_code"),
    ] {
        let dimension = all_rows(table, json!({}));
        let keys: HashSet<i64> = integers(&dimension, key).into_iter().collect();
        assert_eq!(keys.len(), dimension.num_rows(), "{key} is unique in {table}");
        let used: HashSet<i64> = integers(&cdr, key).into_iter().collect();
        assert!(used.is_subset(&keys), "{table}");
        // All plans and reasons are used, and most of the towers.
        assert!(used.len() * 10 >= keys.len() * 9, "{table}: {} of {}", used.len(), keys.len());
    }
}

#[test]
fn calls_are_distinct_and_in_the_order_of_time() {
    let cdr = calls(300_000);
    assert_eq!(strings(&cdr, "call_id").into_iter().collect::<HashSet<_>>().len(), 300_000);
    assert_eq!(integers(&cdr, "sequence_number"), (1..=300_000).collect::<Vec<_>>());
    let times = times(&cdr, "call_timestamp");
    assert!(times.is_sorted());
    let dates = cdr["call_date"].as_primitive::<Date32Type>().values();
    let hours = integers(&cdr, "call_hour");
    for ((&time, &date), &hour) in times.iter().zip(dates).zip(&hours) {
        assert_eq!((time / 86_400_000_000, time / 3_600_000_000 % 24), (i64::from(date), hour));
    }
    let (callers, callees) = (strings(&cdr, "caller_number"), strings(&cdr, "callee_number"));
    assert!(callers.iter().zip(&callees).all(|(caller, callee)| caller != callee));
    assert!(callers.iter().chain(&callees).all(|number| number.len() == 12 && number.starts_with("+1")));
}

#[test]
fn a_day_has_its_hours() {
    let cdr = all_rows("cdr", json!({"rows": 30_000, "rows_per_day": 10_000, "start": "2023-12-31"}));
    let mut calls: HashMap<(i32, i64), u64> = HashMap::new();
    let dates = cdr["call_date"].as_primitive::<Date32Type>().values();
    dates
        .iter()
        .zip(integers(&cdr, "call_hour"))
        .for_each(|(&date, hour)| *calls.entry((date, hour)).or_default() += 1);
    let first = 19_722; // 2023-12-31
    for day in first..first + 3 {
        assert_eq!((calls[&(day, 2)], calls[&(day, 8)], calls[&(day, 18)]), (60, 740, 740));
        assert_eq!((0..24).map(|hour| calls[&(day, hour)]).sum::<u64>(), 10_000);
    }
    // Fewer calls than hours are fine, too.
    assert!(times(&all_rows("cdr", json!({"rows": 50, "rows_per_day": 5})), "call_timestamp").is_sorted());
}

#[test]
fn calls_have_the_shares_they_should() {
    let cdr = calls(200_000);
    let types = strings(&cdr, "call_type");
    assert_shares(&types, &[("voice", 70.0), ("sms", 25.0), ("data", 5.0)]);
    assert_shares(&strings(&cdr, "network_type"), &[("4G", 30.0), ("5G", 60.0), ("5G-mmWave", 10.0)]);
    let yes_or_no = |values: Vec<bool>| -> Vec<&str> {
        values.into_iter().map(|value| if value { "yes" } else { "no" }).collect()
    };
    let roaming = cdr["is_roaming"].as_boolean().values().iter().collect();
    assert_shares(&yes_or_no(roaming), &[("yes", 10.0), ("no", 90.0)]);
    let codes = integers(&cdr, "termination_code");
    let normal = codes.iter().map(|&code| code == 16).collect();
    assert_shares(&yes_or_no(normal), &[("yes", 80.0), ("no", 20.0)]);
    let mut others: HashMap<i64, f64> = HashMap::new();
    codes.iter().filter(|&&code| code != 16).for_each(|&code| *others.entry(code).or_default() += 1.0);
    let expected = others.values().sum::<f64>() / 19.0;
    let groups: Vec<_> = others.values().map(|&found| (found, expected)).collect();
    assert_eq!(groups.len(), 19);
    assert!(chi_square(&groups) < 51.0, "{groups:?}");
    // Bytes belong to data, each power of two as often.
    let bytes = cdr["bytes_transferred"].as_primitive::<Int64Type>();
    assert!(types.iter().enumerate().all(|(row, &kind)| bytes.is_valid(row) == (kind == "data")));
    let mut powers = [0.0; 20];
    bytes.iter().flatten().for_each(|bytes| powers[bytes.ilog2() as usize - 10] += 1.0);
    let expected = powers.iter().sum::<f64>() / 20.0;
    let groups = powers.map(|found| (found, expected));
    assert!(chi_square(&groups) < 51.0, "{powers:?}");
}

#[test]
fn subscribers_and_towers_follow_zipf() {
    let cdr = calls(400_000);
    for (column, exponent, count) in
        [("caller_number", 0.8, 5_000_000_u64), ("callee_number", 0.8, 5_000_000)]
    {
        let mut often: HashMap<&str, u64> = HashMap::new();
        strings(&cdr, column).into_iter().for_each(|number| *often.entry(number).or_default() += 1);
        let mut often: Vec<u64> = often.into_values().collect();
        often.sort_unstable_by(|a, b| b.cmp(a));
        let total: f64 = (1..=count).map(|rank| (rank as f64).powf(-exponent)).sum();
        for ranks in [1_usize, 10, 100] {
            let share = (1..=ranks).map(|rank| (rank as f64).powf(-exponent)).sum::<f64>() / total;
            let found = often[..ranks].iter().sum::<u64>() as f64 / 400_000.0;
            assert!((found / share - 1.0).abs() < 0.06, "{column}: {ranks} make {found}, not {share}");
        }
        assert!(often.len() > 150_000, "{column}: {} subscribers", often.len());
    }
    let even = all_rows(
        "cdr",
        json!({"rows": 100_000, "seed": 1, "subscribers": 20, "exponent": 0, "tower_exponent": 0}),
    );
    let mut often: HashMap<&str, f64> = HashMap::new();
    strings(&even, "caller_number").into_iter().for_each(|number| *often.entry(number).or_default() += 1.0);
    let groups: Vec<_> = often.values().map(|&found| (found, 5_000.0)).collect();
    assert!(groups.len() == 20 && chi_square(&groups) < 50.0, "{groups:?}");
    let towers = integers(&even, "cell_tower_id");
    let (low, high) = (towers.iter().filter(|&&tower| tower <= 5_000).count(), towers.len() / 2);
    assert!(low.abs_diff(high) < 1_000, "{low}");
    let mut often = vec![0; 10_001];
    integers(&cdr, "cell_tower_id").into_iter().for_each(|tower| often[tower as usize] += 1);
    often.sort_unstable_by(|a, b| b.cmp(a));
    let busiest = often[..100].iter().sum::<i32>() as f64 / 400_000.0;
    let share = |ranks: i32| (1..=ranks).map(|rank| f64::from(rank).powf(-0.6)).sum::<f64>();
    assert!((busiest / (share(100) / share(10_000)) - 1.0).abs() < 0.06, "{busiest}");
}

#[test]
fn an_amount_follows_from_duration_type_and_plan() {
    let cdr = calls(100_000);
    let plans = all_rows("rate_plans", json!({}));
    let price = |name: &str| decimals(&plans, name);
    let (voice, data, sms) = (price("voice_per_minute"), price("data_per_minute"), price("sms_price"));
    let rows = strings(&cdr, "call_type").into_iter().zip(integers(&cdr, "duration_seconds"));
    let rows = rows.zip(integers(&cdr, "rate_plan_id")).zip(decimals(&cdr, "billing_amount"));
    let by_time = |price: i64, seconds: i64| (price as f64 * seconds as f64 / 60.0).round() as i64;
    for (((kind, seconds), plan), amount) in rows {
        let plan = plan as usize - 1;
        let expected = match kind {
            "voice" => by_time(voice[plan], seconds),
            "data" => by_time(data[plan], seconds),
            _ => sms[plan],
        };
        assert_eq!(amount, expected, "{kind} of {seconds} s on plan {plan}");
    }
    let plan_of: HashMap<&str, i64> =
        strings(&cdr, "caller_number").into_iter().zip(integers(&cdr, "rate_plan_id")).collect();
    let rows = strings(&cdr, "caller_number").into_iter().zip(integers(&cdr, "rate_plan_id"));
    rows.for_each(|(caller, plan)| assert_eq!(plan_of[caller], plan, "{caller} has one plan"));
}

#[test]
fn calls_last_and_sound_as_they_should() {
    let cdr = calls(200_000);
    let reasons = all_rows("termination_reasons", json!({}));
    let answered = reasons["answered"].as_boolean().values().iter();
    let answered: HashMap<i64, bool> =
        integers(&reasons, "termination_code").into_iter().zip(answered).collect();
    let rows = strings(&cdr, "call_type").into_iter().zip(integers(&cdr, "termination_code"));
    let mut lengths = [0.0; 3];
    for ((kind, code), seconds) in rows.zip(integers(&cdr, "duration_seconds")) {
        assert_eq!(seconds == 0, kind == "sms" || !answered[&code], "{kind} {code} {seconds}");
        match seconds {
            0 => {}
            1..=30 => lengths[0] += 1.0,
            31..=300 => lengths[1] += 1.0,
            _ => lengths[2] += 1.0,
        }
        assert!(seconds <= 3_600);
    }
    let answered: f64 = lengths.iter().sum();
    let groups = [(lengths[0], 0.2 * answered), (lengths[1], 0.65 * answered), (lengths[2], 0.15 * answered)];
    assert!(chi_square(&groups) < 18.4, "{groups:?}");
    // The cube of an even number: its quantiles are cubes.
    let mut losses = decimals(&cdr, "packet_loss_percent");
    let scores = decimals(&cdr, "call_quality_mos");
    assert!(scores.iter().all(|score| (200..=480).contains(score)));
    assert!(losses.iter().zip(&scores).all(|(loss, score)| (score - (440 - loss / 5)).abs() <= 40));
    losses.sort_unstable();
    for (quantile, expected) in [(0.25, 16), (0.5, 125), (0.9, 730), (1.0, 1_000)] {
        let found = losses[((losses.len() - 1) as f64 * quantile) as usize];
        assert!((found - expected).abs() <= 6, "{quantile}: {found}");
    }
}

#[test]
fn readings_are_distinct_and_arrive_in_order() {
    let options = json!({"rows": 100_000, "devices": 50, "lost": 0.05, "late": 0.1, "delay": 600});
    let iot = all_rows("iot", options);
    let (events, arrivals) = (times(&iot, "time"), times(&iot, "arrival"));
    assert!(arrivals.is_sorted());
    let rows = integers(&iot, "device").into_iter().zip(strings(&iot, "metric")).zip(&events);
    assert_eq!(rows.collect::<HashSet<_>>().len(), 100_000, "no reading arrives twice");
    // At 20 readings a second the delay is 12 blocks of 1,024, and a block lasts 51.2 seconds.
    let late: Vec<i64> =
        events.iter().zip(&arrivals).map(|(event, arrival)| arrival - event).filter(|&by| by > 0).collect();
    assert!(events.iter().zip(&arrivals).all(|(event, arrival)| event <= arrival));
    assert!(late.iter().all(|by| (550_000_000..=620_000_000).contains(by)), "{:?}", late.iter().max());
    // Late ones are missing from the first 12 blocks.
    let share = late.len() as f64 / 87_600.0;
    assert!((share - 0.105).abs() < 0.01, "{share}");
    // Of the time before the last delay, all but the lost have arrived.
    let full = *arrivals.last().unwrap() - 700_000_000;
    let expected = (full - events.iter().min().unwrap()) as f64 / 50_000.0 * 0.95;
    let found = events.iter().filter(|&&event| event < full).count() as f64;
    assert!((found / expected - 1.0).abs() < 0.005, "{found} of {expected}");
}

#[test]
fn values_walk() {
    let iot = all_rows("iot", json!({"rows": 40_000, "devices": 1, "lost": 0, "late": 0}));
    let values = iot["value"].as_primitive::<Float64Type>().values();
    let temperatures: Vec<f64> = values.iter().step_by(4).copied().collect();
    assert_eq!(strings(&iot, "metric")[4], "temperature");
    assert!(temperatures.windows(2).all(|pair| (pair[1] - pair[0]).abs() < 0.3));
    assert!(temperatures.iter().all(|value| (value - 20.0).abs() < 10.0));
    let (low, high) = temperatures
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
    assert!(high - low > 2.0, "{low} to {high}");
    let qualities = all_rows("iot", json!({"rows": 100_000}));
    assert_shares(&strings(&qualities, "quality"), &[("good", 97.0), ("uncertain", 2.0), ("bad", 1.0)]);
}

#[test]
fn wrong_options_are_refused_by_name() {
    for (name, options, message) in [
        ("cdr", json!({"rows": 0}), "rows must be from 1 to 1000000000000000, not 0"),
        ("cdr", json!({"rows": -1}), "invalid value: integer `-1`, expected u64"),
        ("cdr", json!({"row": 1}), "unknown field `row`, expected one of `rows`, `seed`, "),
        ("cdr", json!({"exponent": 4.5}), "exponent must be from 0 to 4, not 4.5"),
        ("cdr", json!({"subscribers": 1}), "subscribers must be from 2 to 1000000000, not 1"),
        (
            "cdr",
            json!({"start": "tomorrow"}),
            "\"tomorrow\" is not a timestamp from 1678 to 2261 such as 2024-01-01 00:00:00",
        ),
        ("cdr", json!({"rows_per_day": 1, "rows": 10_000_000}), "the rows would end after the year 9999"),
        ("iot", json!({"devices": 0}), "devices must be from 1 to 1000000000, not 0"),
        ("iot", json!({"interval": 0}), "interval must be from 0.001 to 86400, not 0"),
        ("iot", json!({"lost": 0.5}), "lost must be from 0 to 0.4, not 0.5"),
        ("iot", json!({"rows": 10_u64.pow(15), "devices": 1}), "the rows would end after the year 9999"),
        ("cell_towers", json!({"rows": 5}), "unknown field `rows`, expected `seed`"),
        ("rate_plans", json!({"rows": 5}), "unknown field `rows`, there are no fields"),
    ] {
        let error = registry::open(name, options).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(
            &error[..error.len().min(32)],
            &format!("invalid options for source \"{name}\": ")[..error.len().min(32)]
        );
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn every_option_is_documented_with_its_default() {
    for name in SOURCES {
        let definition = registry::find(name).unwrap();
        let options = definition.normalize(json!({})).unwrap();
        let documented: HashSet<_> = definition.options.iter().map(|option| option.name).collect();
        let taken: HashSet<_> = options.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(documented, taken, "{name}");
        for option in definition.options {
            let default =
                options[option.name].as_str().map_or(options[option.name].to_string(), str::to_owned);
            let default = default.strip_suffix(".0").unwrap_or(&default).to_owned();
            assert!(
                option.about.contains(&format!("default {default}")),
                "{name}: {}: {default}",
                option.about
            );
        }
    }
}

#[test]
fn the_last_row_of_the_largest_table_is_near() {
    for name in ["cdr", "iot"] {
        let options = json!({"rows": 10_u64.pow(15), "rows_per_day": 10_000_000_000_u64, "devices": 1_000_000_000, "interval": 10});
        let options = options.as_object().unwrap().iter().filter(|(key, _)| {
            registry::find(name).unwrap().options.iter().any(|option| option.name == key.as_str())
        });
        let source = open(name, options.map(|(key, value)| (key.clone(), value.clone())).collect());
        let last = source.units();
        assert_eq!(source.batch(last - 1..last, &columns(source.as_ref())).unwrap().num_rows(), 1);
    }
}
