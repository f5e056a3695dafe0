//! Every way a command fails, as it is told to the user: a message, a hint, an exit code.

use crate::{interrupt, output};
use postgres::error::SqlState;
use std::io;
use std::process::ExitCode;

pub type Result<T> = std::result::Result<T, Error>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arguments or environment that make no sense.
    #[error("{message}")]
    Usage { message: String, hint: &'static str },
    /// Something the command needs is missing or broken.
    #[error("{message}")]
    Failed { message: String, hint: String },
    /// No session could be opened.
    #[error("could not connect to the server: {message}")]
    Connect { message: String, error: Option<postgres::Error>, hint: &'static str },
    /// The server refused a statement, or went away.
    #[error("{}", causes(.0))]
    Server(#[from] postgres::Error),
    /// A file or folder.
    #[error("{what}: {source}")]
    File { what: String, source: io::Error },
    /// A figure is slower than the user allows.
    #[error("{message}")]
    Slower { message: String },
    /// Nobody reads standard output any more.
    #[error("standard output is closed")]
    Closed,
    /// Ctrl-C, and what to do about it.
    #[error("interrupted")]
    Interrupted { hint: Option<String> },
}

impl Error {
    pub fn usage(message: impl Into<String>, hint: &'static str) -> Self {
        Self::Usage { message: message.into(), hint }
    }

    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: hint.into() }
    }

    pub fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }

    /// What to do about wrong arguments.
    pub fn hint(&self) -> &'static str {
        if let Self::Usage { hint, .. } = self { hint } else { "" }
    }

    /// Tells the user, and gives the code to exit with.
    pub fn report(self) -> ExitCode {
        let error = if self.is_our_cancel() { Self::Interrupted { hint: None } } else { self };
        if !matches!(error, Self::Closed) {
            output::note(&format!("millrace: {error}"));
        }
        for line in error.remarks() {
            output::note(&line);
        }
        error.exit_code()
    }

    /// A failure that follows from Ctrl-C is an interruption.
    fn is_our_cancel(&self) -> bool {
        interrupt::count() > 0
            && match self {
                Self::Server(error) | Self::Connect { error: Some(error), .. } => {
                    error.code() == Some(&SqlState::QUERY_CANCELED)
                }
                Self::Failed { .. } | Self::File { .. } => true,
                _ => false,
            }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::from(2),
            Self::Slower { .. } => ExitCode::from(3),
            Self::Interrupted { .. } => ExitCode::from(130),
            _ => ExitCode::FAILURE,
        }
    }

    fn remarks(&self) -> Vec<String> {
        let hint = |hint: &str| if hint.is_empty() { vec![] } else { vec![format!("HINT:  {hint}")] };
        match self {
            Self::Usage { hint: text, .. } => hint(text),
            Self::Failed { hint: text, .. } | Self::Interrupted { hint: Some(text) } => hint(text),
            Self::Server(error) => error.as_db_error().map(server_remarks).unwrap_or_default(),
            Self::Connect { error, hint: text, .. } => {
                let theirs = error.as_ref().and_then(postgres::Error::as_db_error).map(server_remarks);
                theirs.unwrap_or_else(|| hint(text))
            }
            _ => vec![],
        }
    }
}

fn server_remarks(error: &postgres::error::DbError) -> Vec<String> {
    let part = |name: &str, text: Option<&str>| text.map(|text| format!("{name}:  {text}"));
    [part("SQLSTATE", Some(error.code().code())), part("DETAIL", error.detail()), part("HINT", error.hint())]
        .into_iter()
        .flatten()
        .collect()
}

/// The server's message, or the client library's chain of errors.
pub fn causes(error: &postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
