//! What can be wrong with a request for data.

/// Every error of a source. None depends on the generated data: once a request is accepted, generating causes no error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No source of that name.
    #[error("source \"{name}\" does not exist")]
    UnknownSource {
        /// The name asked for.
        name: String,
        /// The sources there are.
        known: Vec<String>,
    },
    /// A scale factor that is not finite or out of range.
    #[error("scale factor {sf} is out of range")]
    ScaleFactor {
        /// The scale factor asked for.
        sf: f64,
        /// The smallest there is.
        least: f64,
    },
    /// A part outside `1..=parts`, or no parts at all.
    #[error("part {part} of {parts} does not exist")]
    Part {
        /// The part asked for, which should count from 1.
        part: i64,
        /// How many there are.
        parts: i64,
    },
    /// Options with an unknown key, or a value that the source does not accept.
    #[error("invalid options for source \"{source_name}\": {message}")]
    Options {
        /// The source.
        source_name: &'static str,
        /// What is wrong with them.
        message: String,
    },
    /// A query that a benchmark does not have.
    #[error("{title} query {query} does not exist")]
    Query {
        /// The benchmark.
        title: &'static str,
        /// The number asked for.
        query: i64,
        /// How many there are.
        count: usize,
    },
    /// A column number the source does not have.
    #[error("source \"{source_name}\" has no column {column}")]
    Column {
        /// The source.
        source_name: &'static str,
        /// The number of the column, counted from 0.
        column: usize,
    },
    /// Arrow refused to put a batch together.
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
}
