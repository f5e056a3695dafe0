//! Scale factors, the one option of the TPC's tables.

use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::RangeInclusive;

/// The largest scale factor in the TPC's specifications.
pub const LARGEST: f64 = 100_000.0;

/// Options of every table of the TPC's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The scale factor.
    #[serde(default = "Options::default_sf")]
    pub sf: f64,
}

impl Options {
    fn default_sf() -> f64 {
        1.0
    }

    /// Reads the options of a source and checks the scale factor.
    pub fn read(
        source_name: &'static str,
        options: Value,
        range: RangeInclusive<f64>,
    ) -> Result<Self, Error> {
        let options: Self = serde_json::from_value(options)
            .map_err(|error| Error::Options { source_name, message: error.to_string() })?;
        check(options.sf, range)?;
        Ok(options)
    }
}

/// Refuses scale factors out of range.
pub fn check(sf: f64, range: RangeInclusive<f64>) -> Result<(), Error> {
    if range.contains(&sf) { Ok(()) } else { Err(Error::ScaleFactor { sf, least: *range.start() }) }
}
