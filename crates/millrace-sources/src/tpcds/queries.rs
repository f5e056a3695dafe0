//! The 99 queries: their texts, their parameters and the orders in which streams run them.
//!
//! The texts are the specification's functional definitions (appendix B) in PostgreSQL's SQL, with names in
//! brackets where a parameter or a table goes; `docs/tpcds_queries.md` lists where they differ. Queries 14,
//! 23, 24 and 39 have two statements. The head of a text describes its parameters: name, the specification's
//! value for validation, and the rule by which dsqgen's template draws it. Rules and word lists are dsqgen's,
//! its stream of random numbers is not: values are drawn with PCG, in a stream of each query's own.

use crate::kit::queries::{Choice, Parameters, Queries};
use crate::synthetic::random::{Draw, Stream};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use tpcdsgen::config::{Scaling, Table};
use tpcdsgen::distribution::calendar_distribution::{CalendarDistribution, CalendarWeights};
use tpcdsgen::distribution::file_loader::DistributionFileLoader;
use tpcdsgen::pseudo_table_scaling_infos::PseudoTableScalingInfos;
use tpcdsgen::scaling_info::{ScalingInfo, ScalingModel};
use tpcdsgen::types::Date;

const COUNT: usize = 99;

macro_rules! texts {
    ($($number:literal)*) => { [$(include_str!(concat!("queries/", $number, ".sql"))),*] };
}

/// The texts, each with its title and its parameters at the head.
static TEXTS: [&str; COUNT] = texts!(
    "01" "02" "03" "04" "05" "06" "07" "08" "09" "10" "11" "12" "13" "14" "15" "16" "17" "18" "19" "20"
    "21" "22" "23" "24" "25" "26" "27" "28" "29" "30" "31" "32" "33" "34" "35" "36" "37" "38" "39" "40"
    "41" "42" "43" "44" "45" "46" "47" "48" "49" "50" "51" "52" "53" "54" "55" "56" "57" "58" "59" "60"
    "61" "62" "63" "64" "65" "66" "67" "68" "69" "70" "71" "72" "73" "74" "75" "76" "77" "78" "79" "80"
    "81" "82" "83" "84" "85" "86" "87" "88" "89" "90" "91" "92" "93" "94" "95" "96" "97" "98" "99"
);

/// Queries that PostgreSQL plans badly in the specification's form: with a correlated subquery that runs once for each row,
/// a CTE that is estimated at one row and joined with itself, or one scan of a table for each column.
static DECORRELATED: [(usize, &str); 16] = [
    (1, include_str!("queries/01.decorrelated.sql")),
    (4, include_str!("queries/04.decorrelated.sql")),
    (6, include_str!("queries/06.decorrelated.sql")),
    (9, include_str!("queries/09.decorrelated.sql")),
    (10, include_str!("queries/10.decorrelated.sql")),
    (11, include_str!("queries/11.decorrelated.sql")),
    (14, include_str!("queries/14.decorrelated.sql")),
    (30, include_str!("queries/30.decorrelated.sql")),
    (35, include_str!("queries/35.decorrelated.sql")),
    (41, include_str!("queries/41.decorrelated.sql")),
    (54, include_str!("queries/54.decorrelated.sql")),
    (59, include_str!("queries/59.decorrelated.sql")),
    (74, include_str!("queries/74.decorrelated.sql")),
    (81, include_str!("queries/81.decorrelated.sql")),
    (88, include_str!("queries/88.decorrelated.sql")),
    (95, include_str!("queries/95.decorrelated.sql")),
];

pub const QUERIES: Queries =
    Queries { texts: &TEXTS, decorrelated: &DECORRELATED, parameters, seeds: 0..=i64::MAX, order };

/// The values of a list are named `STATE.1`, `STATE.2` and so on.
fn parameters(query: usize, choice: Choice) -> Parameters {
    let mut parameters = Parameters::new();
    let stream = |seed: i64| Stream { seed: seed as u64, column: query as u32 }.from(0);
    let mut drawing = match choice {
        Choice::Validation => None,
        Choice::Drawn { seed, sf } => Some((stream(seed), sf)),
    };
    for described in described(TEXTS[query - 1]) {
        let values = match &mut drawing {
            None => described.validation.clone(),
            Some((draws, sf)) => described.rule(*sf, &parameters).draw(described.count, draws),
        };
        let name = described.name;
        if described.quoted {
            // Validation gives the list as it stands in the text.
            let quoted = |value: &String| format!("'{value}'");
            let list = match choice {
                Choice::Validation => values.join(""),
                Choice::Drawn { .. } => values.iter().map(quoted).collect::<Vec<_>>().join(", "),
            };
            parameters.push((name, list));
        } else if values.len() == 1 {
            parameters.extend(values.into_iter().map(|value| (name.clone(), value)));
        } else {
            let numbered = values.into_iter().enumerate();
            parameters.extend(numbered.map(|(index, value)| (format!("{name}.{}", index + 1), value)));
        }
    }
    parameters
}

/// The order in which a query stream runs the queries: stream 0 is the power test's. The first 21 are the
/// specification's (appendix D), further ones are shuffled, each in its own way.
fn order(stream: usize) -> Vec<usize> {
    let words = include_str!("queries/order").split_ascii_whitespace();
    let mut numbers: Vec<usize> = words.map(|word| word.parse().expect("a number")).collect();
    if let Some(order) = numbers.chunks_exact(COUNT).nth(stream) {
        return order.to_vec();
    }
    numbers.truncate(COUNT);
    // Columns up to the last query's belong to parameters.
    let mut draws = Stream { seed: 0, column: (COUNT + stream) as u32 }.from(0);
    for place in 0..COUNT {
        numbers.swap(place, place + below(&mut draws, (COUNT - place) as u64) as usize);
    }
    numbers
}

/// A parameter as the head of a text describes it: `-- NAME = VALUE from RULE`, or
/// `-- NAME = VALUE | VALUE | ... from COUNT of RULE`. A long line continues, indented, in the next.
#[derive(Debug)]
struct Described {
    name: String,
    validation: Vec<String>,
    /// How many values are drawn, all different as long as the rule has others.
    count: usize,
    /// Whether the values go into the text as one list of literals.
    quoted: bool,
    rule: String,
}

fn described(text: &str) -> impl Iterator<Item = Described> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines().skip(1).map_while(|line| line.strip_prefix("-- ")) {
        match (line.strip_prefix("    "), lines.last_mut()) {
            (Some(continuation), Some(last)) => *last += &format!(" {continuation}"),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.into_iter().map(|line| {
        let (name, rest) = line.split_once(" = ").expect("a name");
        let (validation, rule) = rest.rsplit_once(" from ").expect("a rule");
        let (quoted, rule) = rule.strip_prefix("quoted ").map_or((false, rule), |rule| (true, rule));
        let counted = rule.split_once(" of ").and_then(|(count, rule)| Some((count.parse().ok()?, rule)));
        let (count, rule) = counted.unwrap_or((1, rule));
        Described {
            name: name.to_owned(),
            validation: validation.split(" | ").map(str::to_owned).collect(),
            count,
            quoted,
            rule: rule.to_owned(),
        }
    })
}

/// How values are drawn.
#[derive(Debug)]
enum Rule {
    /// A number; all are equally likely.
    Number(RangeInclusive<i64>),
    /// A word, with the weight of each.
    Word(Vec<(String, u64)>),
    /// Values that depend on another parameter's: each of those has its own words.
    Each(Vec<Vec<(String, u64)>>),
}

impl Described {
    fn rule(&self, scale: f64, earlier: &Parameters) -> Rule {
        let value =
            |name: &str| earlier.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        if let Some(words) = self.rule.strip_prefix("one of ") {
            return Rule::Word(words.split(" | ").map(|word| (word.to_owned(), 1)).collect());
        }
        let (name, arguments) = self.rule.split_once('(').expect("a rule has arguments");
        let arguments: Vec<&str> = arguments.trim_end_matches(')').split(", ").collect();
        match name {
            // A number; the upper bound may be a table's number of rows.
            "uniform" => Rule::Number(bound(arguments[0], scale)..=bound(arguments[1], scale)),
            // A word of one of dsdgen's lists.
            "word" => Rule::Word(words(arguments[0])),
            // A word of one of dsdgen's lists, among the places where there are stores.
            "active" => Rule::Word(active(arguments[0], scale)),
            // A class of each category drawn before.
            "class" => {
                let list = arguments[0].trim_matches(['[', ']']);
                let numbered = (1..).map_while(|number| value(&format!("{list}.{number}")));
                Rule::Each(value(list).into_iter().chain(numbered).map(classes).collect())
            }
            // A manager of items, as skewed as items are.
            "manager" => Rule::Word(managers()),
            // A day between two days of a year, with the probability of sales on it.
            "date" => {
                let year: i32 = value("YEAR").and_then(|year| year.parse().ok()).expect("a year comes first");
                Rule::Word(days(year, arguments[0], arguments[1]))
            }
            other => unreachable!("no rule {other}: a test draws all"),
        }
    }
}

impl Rule {
    fn draw(&self, count: usize, draws: &mut impl Iterator<Item = Draw>) -> Vec<String> {
        let mut values: Vec<String> = Vec::with_capacity(count);
        match self {
            Rule::Each(lists) => values.extend(lists.iter().map(|words| word(draws, words))),
            Rule::Number(range) => {
                let numbers = (range.end() - range.start() + 1) as u64;
                fill(&mut values, count, numbers as usize, || {
                    (range.start() + below(draws, numbers) as i64).to_string()
                });
            }
            Rule::Word(words) => {
                let different: HashSet<_> = words.iter().map(|(word, _)| word).collect();
                fill(&mut values, count, different.len(), || word(draws, words));
            }
        }
        values
    }
}

/// Draws values, all different until there are no others.
fn fill(values: &mut Vec<String>, count: usize, different: usize, mut draw: impl FnMut() -> String) {
    while values.len() < count {
        let value = draw();
        if values.len() >= different || !values.contains(&value) {
            values.push(value);
        }
    }
}

fn below(draws: &mut impl Iterator<Item = Draw>, count: u64) -> u64 {
    draws.next().expect("streams do not end").below(count)
}

fn word(draws: &mut impl Iterator<Item = Draw>, words: &[(String, u64)]) -> String {
    let mut left = below(draws, words.iter().map(|(_, weight)| weight).sum());
    let drawn = words.iter().find(|(_, weight)| {
        let found = left < *weight;
        left = left.saturating_sub(*weight);
        found
    });
    // A name such as O'Brien County goes into a literal.
    drawn.expect("less than the sum of weights").0.replace('\'', "''")
}

/// A number, the rows of table `store`, or a fifth of the rows of `store_sales`.
fn bound(text: &str, scale: f64) -> i64 {
    // dsdgen counts tickets of the stores; they have 12 lines on average.
    let tickets = || Scaling::new(scale).get_row_count(Table::StoreSales);
    match text {
        "store" => Scaling::new(scale).get_row_count(Table::Store) as i64,
        "store_sales / 5" => (tickets() * 12 / 5) as i64,
        number => number.parse().expect("a number"),
    }
}

/// The words of one of dsdgen's lists: a column of the list, weighted by a column of weights.
fn words(list: &str) -> Vec<(String, u64)> {
    let (file, value, weight) = match list {
        "carrier" => ("ship_mode_carrier.dst", 0, 0),
        "category" => ("categories.dst", 0, 0),
        "city" => ("cities.dst", 0, 1),
        "color" => ("colors.dst", 0, 0),
        "county" => ("fips.dst", 1, 0),
        "education" => ("education.dst", 0, 0),
        "gender" => ("genders.dst", 0, 0),
        "gmt" => ("fips.dst", 5, 0),
        "large_city" => ("cities.dst", 0, 2),
        "marital_status" => ("marital_statuses.dst", 0, 0),
        "reason" => ("return_reasons_c.dst", 0, 0),
        "size" => ("sizes.dst", 0, 0),
        "state" => ("fips.dst", 2, 0),
        "unit" => ("units.dst", 0, 0),
        other => unreachable!("no list {other}: a test draws all"),
    };
    let lines = lines(file).into_iter();
    lines
        .map(|(values, weights)| (values[value].clone(), weights[weight].parse().expect("a weight")))
        .collect()
}

fn lines(file: &str) -> Vec<(Vec<String>, Vec<String>)> {
    DistributionFileLoader::load_distribution_file(file).expect("a list of dsdgen's: a test reads all")
}

/// The places where there are stores: dsdgen takes the first of its lists, more at larger scale factors.
fn active(list: &str, scale: f64) -> Vec<(String, u64)> {
    let places = match list {
        "city" => PseudoTableScalingInfos::get_active_cities(),
        "state" => {
            let states = [0, 1, 3, 9, 13, 21, 29, 34, 42, 47];
            ScalingInfo::new(0, ScalingModel::Logarithmic, &states, 0).expect("as many as scale factors")
        }
        _ => PseudoTableScalingInfos::get_active_counties(),
    };
    let places = places.get_row_count_for_scale(scale).expect("a scale factor");
    // Places are taken by number, so all are equally likely.
    words(list).into_iter().take(places as usize).map(|(place, _)| (place, 1)).collect()
}

fn classes(category: &str) -> Vec<(String, u64)> {
    let categories = lines("categories.dst").into_iter();
    let list = categories.map(|(values, _)| values).find(|values| values[0] == category).expect("a category");
    let classes = lines(&format!("{}.dst", list[1])).into_iter();
    classes.map(|(values, weights)| (values[0].clone(), weights[0].parse().expect("a weight"))).collect()
}

fn managers() -> Vec<(String, u64)> {
    let ranges = lines("item_manager_id.dst").into_iter().map(|(values, weights)| {
        let number = |text: &str| text.trim().parse::<u64>().expect("a number");
        (number(&values[1])..=number(&values[2]), number(&weights[0]))
    });
    // A range has 33 or 34 managers who share its weight.
    let shared = |(range, weight): (RangeInclusive<u64>, u64)| {
        let share = weight * 33 * 34 / range.clone().count() as u64;
        range.map(move |manager| (manager.to_string(), share))
    };
    ranges.flat_map(shared).collect()
}

/// The days of a year from one to another, both given as `[YEAR]-MM-DD`.
fn days(year: i32, first: &str, last: &str) -> Vec<(String, u64)> {
    let julian = |day: &str| {
        let numbers: Vec<i32> = day.split('-').skip(1).map(|part| part.parse().expect("a number")).collect();
        Date::new(year, numbers[0], numbers[1]).to_julian_days()
    };
    let likely =
        if Date::is_leap_year(year) { CalendarWeights::SalesLeapYear } else { CalendarWeights::Sales };
    let weighted = |day| {
        let date = Date::from_julian_days(day);
        let weight = CalendarDistribution::get_weight_for_day_number(
            CalendarDistribution::get_index_for_date(&date),
            likely,
        );
        (date.to_string(), weight as u64)
    };
    (julian(first)..=julian(last)).map(weighted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tpcds::KIT;

    const DRAWN: Choice = Choice::Drawn { seed: 7, sf: 1.0 };

    fn names(parameters: &Parameters) -> Vec<&str> {
        parameters.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn four_queries_are_two_statements_and_all_have_parameters() {
        for query in 1..=COUNT {
            let expected = if [14, 23, 24, 39].contains(&query) { 2 } else { 1 };
            assert_eq!(KIT.statement_count(query), expected, "query {query}");
            assert!(described(TEXTS[query - 1]).count() > 0, "query {query}");
        }
    }

    #[test]
    fn heads_are_removed_and_titles_stay() {
        let text = KIT.text(3, Choice::Validation, false, str::to_owned);
        assert!(text.starts_with("-- Brands of a Manufacturer in a Month\nSELECT dt.d_year"), "{text}");
        assert!(text.contains("AND i_manufact_id = 128\n"), "{text}");
    }

    #[test]
    fn drawn_values_are_those_that_the_rule_allows() {
        for (seed, sf) in [(0, 0.01), (1, 1.0), (2, 1.0), (3, 100.0), (i64::MAX, 1000.0)] {
            for query in 1..=COUNT {
                let parameters = parameters(query, Choice::Drawn { seed, sf });
                for described in described(TEXTS[query - 1]) {
                    check(query, &described, &parameters, sf);
                }
            }
        }
    }

    fn check(query: usize, described: &Described, parameters: &Parameters, scale: f64) {
        let name = &described.name;
        let list = parameters.iter().filter(|(other, _)| other.split('.').next() == Some(name));
        let mut values: Vec<&str> = list.map(|(_, value)| value.as_str()).collect();
        if described.quoted {
            values = values[0].split(", ").map(|value| value.trim_matches('\'')).collect();
        }
        let rule = described.rule(scale, parameters);
        let escaped = |word: &String| word.replace('\'', "''");
        let different = match &rule {
            Rule::Each(lists) => {
                for (value, words) in values.iter().zip(lists) {
                    assert!(words.iter().any(|(word, _)| escaped(word) == **value), "query {query}: {value}");
                }
                return assert_eq!(values.len(), lists.len(), "query {query}: {name}");
            }
            Rule::Number(range) => {
                for value in &values {
                    assert!(range.contains(&value.parse().unwrap()), "query {query}: {name} = {value}");
                }
                (range.end() - range.start() + 1) as usize
            }
            Rule::Word(words) => {
                for value in &values {
                    let has = |(word, weight): &(String, u64)| escaped(word) == **value && *weight > 0;
                    assert!(words.iter().any(has), "query {query}: {name} = {value}");
                }
                words.iter().map(|(word, _)| word).collect::<HashSet<_>>().len()
            }
        };
        assert_eq!(values.len(), described.count, "query {query}: {name}");
        let found = values.iter().collect::<HashSet<_>>().len();
        assert_eq!(found, described.count.min(different), "query {query}: {name} = {values:?}");
    }

    #[test]
    fn validation_has_as_many_values_as_are_drawn() {
        for query in 1..=COUNT {
            let drawn = parameters(query, DRAWN);
            assert_eq!(names(&parameters(query, Choice::Validation)), names(&drawn), "query {query}");
        }
        let of = |query, name: &str| {
            let parameters = parameters(query, Choice::Validation);
            parameters.into_iter().find(|(other, _)| other == name).unwrap().1
        };
        // The specification's appendix B prints these.
        assert_eq!(of(1, "STATE"), "TN");
        assert_eq!(of(13, "STATE.2"), "OH");
        assert_eq!(of(36, "STATE.8"), "TN");
        assert_eq!(of(41, "UNIT.16"), "Bundle");
        assert_eq!(of(47, "SELECTONE"), "v1.i_category, v1.i_brand, v1.s_store_name, v1.s_company_name");
        assert_eq!(of(8, "ZIP").split(", ").count(), 400);
        assert!(of(8, "ZIP").starts_with("'24128', '76232'"));
    }

    #[test]
    fn seeds_and_queries_have_draws_of_their_own() {
        let seeded = |seed| parameters(28, Choice::Drawn { seed, sf: 1.0 });
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
        // Both draw a manufacturer by the same rule.
        let of = |query| parameters(query, DRAWN).into_iter().find(|(name, _)| name == "IMID").unwrap();
        assert_ne!(of(32), of(92));
        // More stores are in more places.
        let states = |sf| parameters(27, Choice::Drawn { seed: 1, sf });
        let different = |sf: f64| {
            let states = states(sf);
            let states = states.iter().filter(|(name, _)| name.starts_with("STATE"));
            states.map(|(_, state)| state.clone()).collect::<HashSet<_>>().len()
        };
        assert_eq!((different(1.0), different(10.0), different(100.0)), (1, 3, 6));
    }

    #[test]
    fn days_are_as_likely_as_sales_on_them() {
        let days = days(2000, "[YEAR]-01-31", "[YEAR]-12-31");
        assert_eq!(days.len(), 366 - 30);
        let weight = |date: &str| days.iter().find(|(day, _)| day == date).unwrap().1;
        assert!(weight("2000-12-15") > 2 * weight("2000-02-29"));
    }

    #[test]
    fn streams_run_in_the_specifications_orders() {
        assert_eq!(order(0)[..5], [96, 7, 75, 44, 39]);
        assert_ne!(order(21), order(22));
    }
}
