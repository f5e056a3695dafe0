//! `supplier`: 10,000 rows per scale factor.

use super::{SUPPLIERS, Scale, Table, array, refers, statistics, text};
use crate::lehmer::{Draws, Stream};
use crate::source::with_plain_strings;
use crate::{ColumnStatistics, Reference};
use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use std::ops::Range;
use tpchgen::generators::{SupplierGenerator, SupplierName};
use tpchgen_arrow::SupplierArrow;

const ADDRESS: Stream = Stream::new(706_178_559, 9);
const NATION: Stream = Stream::new(110_356_601, 1);
const PHONE: Stream = Stream::new(884_434_366, 3);
const BALANCE: Stream = Stream::new(962_338_209, 1);
const COMMENT: Stream = Stream::new(1_341_315_363, 2);
/// Which suppliers have a note of the Better Business Bureau.
const BUREAU: Stream = Stream::new(202_794_285, 1);
const BUREAU_NOISE: Stream = Stream::new(263_032_577, 1);
const BUREAU_OFFSET: Stream = Stream::new(715_851_524, 1);
const BUREAU_KIND: Stream = Stream::new(753_643_799, 1);

pub struct Supplier {
    scale: Scale,
}

impl Table for Supplier {
    const NAME: &'static str = "supplier";
    const ROW_TYPE: &'static str = "tpch_supplier";
    const ABOUT: &'static str = "TPC-H suppliers: 10,000 rows per scale factor";
    const REFERENCES: &'static [Reference] = &[refers(&["s_nationkey"], "nation", &["n_nationkey"])];

    type Rows = Range<u64>;

    fn schema() -> SchemaRef {
        with_plain_strings(&SupplierArrow::schema_ref())
    }

    fn new(scale: Scale) -> Self {
        Self { scale }
    }

    fn units(&self) -> u64 {
        self.scale.rows(SUPPLIERS)
    }

    fn rows(&self, units: Range<u64>) -> Range<u64> {
        units
    }

    fn column(&self, name: &str, units: &Range<u64>) -> ArrayRef {
        let nations = || array::numbers(NATION, units, 0, 24);
        match name {
            "s_suppkey" => array::int64(array::keys(units)),
            "s_name" => array::formatted(array::keys(units).map(SupplierName::new)),
            "s_address" => array::addresses(ADDRESS, units),
            "s_nationkey" => array::int64(nations()),
            "s_phone" => array::phones(PHONE, units, nations()),
            "s_acctbal" => array::decimal(array::numbers(BALANCE, units, -99_999, 999_999)),
            "s_comment" => comments(units),
            _ => unreachable!("supplier has no column {name}"),
        }
    }

    fn statistics(&self, name: &str, units: &Range<u64>) -> ColumnStatistics {
        let keys = statistics::key_ends(units);
        match name {
            "s_suppkey" => ColumnStatistics::unique().within(array::int64(statistics::ends(keys))),
            "s_name" => ColumnStatistics::unique()
                .within(array::formatted(statistics::steps(keys).into_iter().map(SupplierName::new))),
            "s_address" => statistics::addresses(),
            "s_nationkey" => ColumnStatistics::among(array::int64(0..=24)),
            "s_phone" => statistics::phones(),
            "s_acctbal" => statistics::balances((units.end - units.start) as f64),
            "s_comment" => statistics::texts(1.0, 63.0),
            _ => ColumnStatistics::default(),
        }
    }
}

/// Texts from the pool; ten suppliers in 10,000 have a note about customers written into theirs.
fn comments(units: &Range<u64>) -> ArrayRef {
    let bureau = array::numbers(BUREAU, units, 1, i64::from(SUPPLIERS));
    let remarks = array::draws(BUREAU_NOISE, units)
        .zip(array::draws(BUREAU_OFFSET, units))
        .zip(array::draws(BUREAU_KIND, units));
    array::formatted(array::draws(COMMENT, units).zip(bureau).zip(remarks).map(
        |((mut draws, bureau), ((noise, offset), kind))| {
            let comment = text::text(&mut draws, 63.0);
            if bureau <= i64::from(SupplierGenerator::BBB_COMMENTS_PER_SCALE_BASE) {
                with_remark(comment, noise, offset, kind).into()
            } else {
                std::borrow::Cow::Borrowed(comment)
            }
        },
    ))
}

/// Writes `Customer`, some noise and what they did over a part of `comment`.
fn with_remark(comment: &str, mut noise: Draws, mut offset: Draws, mut kind: Draws) -> String {
    const WHO: &str = SupplierGenerator::BBB_BASE_TEXT;
    let room = comment.len() - SupplierGenerator::BBB_COMMENT_LENGTH;
    let noise = noise.number(0, room as i64) as usize;
    let start = offset.number(0, (room - noise) as i64) as usize;
    let what = if kind.number(0, 100) < i64::from(SupplierGenerator::BBB_COMPLAINT_PERCENT) {
        SupplierGenerator::BBB_COMPLAINT_TEXT
    } else {
        SupplierGenerator::BBB_RECOMMEND_TEXT
    };
    let between = start + WHO.len();
    let end = between + noise;
    [&comment[..start], WHO, &comment[between..end], what, &comment[end + what.len()..]].concat()
}
