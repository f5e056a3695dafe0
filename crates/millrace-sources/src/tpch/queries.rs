//! The 22 queries: the specification's functional definitions (clause 2.4), their parameters and the orders of streams.
//!
//! Parameters are the specification's validation values, or
//! drawn from a seed as qgen 2.14 draws them, even where it leaves the specification's ranges: query 4's
//! month is one later, query 22's country codes are 20 to 44.

use super::array;
use crate::kit::queries::{Choice, Parameters, Queries};
use crate::lehmer::{Draws, Stream};
use tpchgen::dates::{MIN_GENERATE_DATE, TPCHDate};
use tpchgen::distribution::{Distribution, Distributions};

macro_rules! texts {
    ($($number:literal),*) => { [$(include_str!(concat!("queries/", $number, ".sql"))),*] };
}

static TEXTS: [&str; 22] = texts!(
    "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "17",
    "18", "19", "20", "21", "22"
);

/// Decorrelated texts of the queries whose subquery would run once for each row of another table.
static DECORRELATED: [(usize, &str); 3] = [
    (2, include_str!("queries/02.decorrelated.sql")),
    (17, include_str!("queries/17.decorrelated.sql")),
    (20, include_str!("queries/20.decorrelated.sql")),
];

pub const QUERIES: Queries = Queries {
    texts: &TEXTS,
    decorrelated: &DECORRELATED,
    parameters,
    // A generator modulo 2^31 - 1 has no other states.
    seeds: 1..=(1 << 31) - 2,
    order,
};

fn parameters(query: usize, choice: Choice) -> Parameters {
    match choice {
        Choice::Validation => validation(query),
        Choice::Drawn { seed, sf } => {
            // qgen gives each query a stream of its own, seeded by one draw after the other.
            let draws = Stream::new(seed as u64, 1).rows(query as u64).next();
            let drawn = drawn(query, draws.expect("streams do not end"), sf);
            drawn.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        }
    }
}

/// The order in which a query stream runs the queries: stream 0 is the power run's (appendix A).
fn order(stream: usize) -> Vec<usize> {
    let words = include_str!("queries/order").split_ascii_whitespace();
    let numbers: Vec<usize> = words.map(|word| word.parse().expect("a number")).collect();
    let streams: Vec<_> = numbers.chunks_exact(TEXTS.len()).collect();
    streams[stream % streams.len()].to_vec()
}

fn validation(query: usize) -> Parameters {
    let pairs: &[(&'static str, &str)] = match query {
        1 => &[("DELTA", "90")],
        2 => &[("SIZE", "15"), ("TYPE", "BRASS"), ("REGION", "EUROPE")],
        3 => &[("SEGMENT", "BUILDING"), ("DATE", "1995-03-15")],
        4 => &[("DATE", "1993-07-01")],
        5 => &[("REGION", "ASIA"), ("DATE", "1994-01-01")],
        6 => &[("DATE", "1994-01-01"), ("DISCOUNT", "0.06"), ("QUANTITY", "24")],
        7 => &[("NATION1", "FRANCE"), ("NATION2", "GERMANY")],
        8 => &[("NATION", "BRAZIL"), ("REGION", "AMERICA"), ("TYPE", "ECONOMY ANODIZED STEEL")],
        9 => &[("COLOR", "green")],
        10 => &[("DATE", "1993-10-01")],
        11 => &[("NATION", "GERMANY"), ("FRACTION", "0.0001")],
        12 => &[("SHIPMODE1", "MAIL"), ("SHIPMODE2", "SHIP"), ("DATE", "1994-01-01")],
        13 => &[("WORD1", "special"), ("WORD2", "requests")],
        14 => &[("DATE", "1995-09-01")],
        15 => &[("DATE", "1996-01-01")],
        16 => &[
            ("BRAND", "Brand#45"),
            ("TYPE", "MEDIUM POLISHED"),
            ("SIZE1", "49"),
            ("SIZE2", "14"),
            ("SIZE3", "23"),
            ("SIZE4", "45"),
            ("SIZE5", "19"),
            ("SIZE6", "3"),
            ("SIZE7", "36"),
            ("SIZE8", "9"),
        ],
        17 => &[("BRAND", "Brand#23"), ("CONTAINER", "MED BOX")],
        18 => &[("QUANTITY", "300")],
        19 => &[
            ("BRAND1", "Brand#12"),
            ("BRAND2", "Brand#23"),
            ("BRAND3", "Brand#34"),
            ("QUANTITY1", "1"),
            ("QUANTITY2", "10"),
            ("QUANTITY3", "20"),
        ],
        20 => &[("COLOR", "forest"), ("DATE", "1994-01-01"), ("NATION", "CANADA")],
        21 => &[("NATION", "SAUDI ARABIA")],
        _ => &[
            ("I1", "13"),
            ("I2", "31"),
            ("I3", "23"),
            ("I4", "29"),
            ("I5", "30"),
            ("I6", "18"),
            ("I7", "17"),
        ],
    };
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn drawn(query: usize, mut draws: Draws, sf: f64) -> Vec<(&'static str, String)> {
    let words = Distributions::static_default();
    let draws = &mut draws;
    match query {
        1 => vec![("DELTA", draws.number(60, 120).to_string())],
        2 => {
            let size = draws.number(1, 50).to_string();
            let kind = word(draws, words.part_types());
            let material = kind.rsplit(' ').next().unwrap_or_default().to_owned();
            vec![("SIZE", size), ("TYPE", material), ("REGION", word(draws, words.regions()))]
        }
        3 => {
            let segment = word(draws, words.market_segments());
            // A day of March 1995, counted from dbgen's first day.
            let day = TPCHDate::new(MIN_GENERATE_DATE + 1155 + draws.number(0, 30) as i32);
            vec![("SEGMENT", segment), ("DATE", day.to_string())]
        }
        4 => vec![("DATE", month(draws.number(1, 58)))],
        5 => vec![("REGION", word(draws, words.regions())), ("DATE", year(draws))],
        6 => {
            let date = year(draws);
            let discount = format!("0.{:02}", draws.number(2, 9));
            vec![("DATE", date), ("DISCOUNT", discount), ("QUANTITY", draws.number(24, 25).to_string())]
        }
        7 => {
            let [first, second] = different(draws, nation);
            vec![("NATION1", name_of(first)), ("NATION2", name_of(second))]
        }
        8 => {
            let nation = nation(draws);
            let region = words.regions().get_value(words.nations().get_weight(nation) as usize).to_owned();
            let kind = word(draws, words.part_types());
            vec![("NATION", name_of(nation)), ("REGION", region), ("TYPE", kind)]
        }
        9 => vec![("COLOR", word(draws, words.part_colors()))],
        10 => vec![("DATE", month(draws.number(1, 24)))],
        11 => {
            let fraction = format!("{:.10}", 0.0001 / sf);
            vec![("NATION", name_of(nation(draws))), ("FRACTION", fraction)]
        }
        12 => {
            let [first, second] = different(draws, |draws| word(draws, words.ship_modes()));
            vec![("SHIPMODE1", first), ("SHIPMODE2", second), ("DATE", year(draws))]
        }
        13 => {
            let first = ["special", "pending", "unusual", "express"];
            let second = ["packages", "requests", "accounts", "deposits"];
            vec![
                ("WORD1", first[(draws.number(1, 80) - 1) as usize / 20].to_owned()),
                ("WORD2", second[(draws.number(1, 160) - 1) as usize / 40].to_owned()),
            ]
        }
        14 => vec![("DATE", month(draws.number(0, 59)))],
        15 => vec![("DATE", month(draws.number(0, 57)))],
        16 => {
            const SIZES: [&str; 8] = ["SIZE1", "SIZE2", "SIZE3", "SIZE4", "SIZE5", "SIZE6", "SIZE7", "SIZE8"];
            let brand = brand(draws);
            let kind = word(draws, words.part_types());
            let coating = kind.rsplit_once(' ').map_or(kind.as_str(), |(coating, _)| coating).to_owned();
            let mut parameters = vec![("BRAND", brand), ("TYPE", coating)];
            parameters.extend(SIZES.into_iter().zip(shuffled(draws, 1..=50)));
            parameters
        }
        17 => vec![("BRAND", brand(draws)), ("CONTAINER", word(draws, words.part_containers()))],
        18 => vec![("QUANTITY", draws.number(312, 315).to_string())],
        19 => {
            let brands = [brand(draws), brand(draws), brand(draws)];
            let quantities = [draws.number(1, 10), draws.number(10, 20), draws.number(20, 30)];
            let mut parameters: Vec<_> = ["BRAND1", "BRAND2", "BRAND3"].into_iter().zip(brands).collect();
            let quantities = quantities.map(|quantity| quantity.to_string());
            parameters.extend(["QUANTITY1", "QUANTITY2", "QUANTITY3"].into_iter().zip(quantities));
            parameters
        }
        20 => {
            let color = word(draws, words.part_colors());
            let date = year(draws);
            vec![("COLOR", color), ("DATE", date), ("NATION", name_of(nation(draws)))]
        }
        21 => vec![("NATION", name_of(nation(draws)))],
        _ => {
            const CODES: [&str; 7] = ["I1", "I2", "I3", "I4", "I5", "I6", "I7"];
            CODES.into_iter().zip(shuffled(draws, 20..=44)).collect()
        }
    }
}

fn word(draws: &mut Draws, list: &'static Distribution) -> String {
    array::word(draws, list).to_owned()
}

/// The key of a nation; all are equally likely.
fn nation(draws: &mut Draws) -> usize {
    (draws.number(1, 25) - 1) as usize
}

fn name_of(nation: usize) -> String {
    Distributions::static_default().nations().get_value(nation).to_owned()
}

fn brand(draws: &mut Draws) -> String {
    let manufacturer = draws.number(1, 5);
    format!("Brand#{manufacturer}{}", draws.number(1, 5))
}

/// The first day of a year.
fn year(draws: &mut Draws) -> String {
    format!("19{}-01-01", draws.number(93, 97))
}

/// The first day of a month, `months` after January 1993.
fn month(months: i64) -> String {
    format!("19{}-{:02}-01", 93 + months / 12, months % 12 + 1)
}

/// Two draws, the second repeated until it differs from the first.
fn different<V: PartialEq>(draws: &mut Draws, draw: impl Fn(&mut Draws) -> V) -> [V; 2] {
    let first = draw(draws);
    loop {
        let second = draw(draws);
        if second != first {
            return [first, second];
        }
    }
}

/// The numbers in a drawn order.
fn shuffled(draws: &mut Draws, numbers: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = String> {
    let mut numbers: Vec<i64> = numbers.collect();
    for place in 0..numbers.len() {
        let other = draws.number(place as i64, numbers.len() as i64 - 1) as usize;
        numbers.swap(place, other);
    }
    numbers.into_iter().map(|number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_run_in_the_specifications_orders() {
        assert_eq!(order(0)[..5], [14, 2, 9, 20, 6]);
        assert_eq!(order(41), order(0));
    }
}
