//! Rows split by the values of a column, for files in folders as Hive names them: `column=value`.

use crate::Error;
use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The most files that are open at once.
pub const MOST: usize = 256;

/// The folder of rows without a value.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The column whose values are the folders' names. It is not in the files.
pub struct Partitioning {
    pub column: usize,
    name: String,
    pub others: Vec<usize>,
}

impl Partitioning {
    pub fn new(column: usize, schema: &SchemaRef) -> Self {
        let others = (0..schema.fields().len()).filter(|&other| other != column).collect();
        Self { column, name: schema.field(column).name().clone(), others }
    }

    /// The rows of each folder, in the folders' order.
    pub fn split(&self, rows: &RecordBatch) -> Result<Vec<(String, RecordBatch)>, Error> {
        let values = cast(rows.column(self.column), &DataType::Utf8)?;
        let mut numbers: BTreeMap<Option<&str>, Vec<u32>> = BTreeMap::new();
        for (number, value) in values.as_string::<i32>().iter().enumerate() {
            numbers.entry(value).or_default().push(number as u32);
        }
        if numbers.len() > MOST {
            return Err(too_many(&self.name));
        }
        let others = rows.project(&self.others)?;
        let split = |(value, numbers)| {
            Ok((folder(&self.name, value), take_record_batch(&others, &UInt32Array::from(numbers))?))
        };
        numbers.into_iter().map(split).collect()
    }
}

pub fn too_many(column: &str) -> Error {
    Error::Options(format!("`partition_by`: column \"{column}\" has more than {MOST} values"))
}

fn folder(column: &str, value: Option<&str>) -> String {
    let value = value.filter(|value| !value.is_empty()).unwrap_or(NO_VALUE);
    let mut folder = format!("{column}=");
    for character in value.chars() {
        if character.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(character) {
            // Writing to memory does not fail.
            let _ = write!(folder, "%{:02X}", character as u32);
        } else {
            folder.push(character);
        }
    }
    folder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_named_as_hive_does() {
        assert_eq!(folder("mode", Some("REG AIR")), "mode=REG AIR");
        assert_eq!(folder("p", Some("a/../b=%")), "p=a%2F..%2Fb%3D%25");
        assert_eq!(folder("p", None), "p=__HIVE_DEFAULT_PARTITION__");
    }
}
