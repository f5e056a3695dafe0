//! Why a session could not be opened, and what may still help.

use super::tls;
use crate::error::{Error, causes};
use postgres::error::SqlState;
use std::error::Error as _;
use std::io::{self, ErrorKind};

const NOBODY_THERE: &str = "Is it running there? --host, --port, --username and --dbname, the PG* variables or a \
                            postgres:// URI say where.";
/// Not shown if the server then answers without TLS.
const NO_TLS: &str = "the server does not support TLS";

/// What may still help when an attempt failed.
#[derive(Clone, Copy, PartialEq)]
pub enum Then {
    OtherHost,
    /// With TLS or without it, whichever was not tried.
    OtherWay,
    Nothing,
}

/// Why no session could be opened.
pub struct Failure {
    pub message: String,
    pub error: Option<postgres::Error>,
    pub then: Then,
    pub hint: &'static str,
}

impl Failure {
    pub fn because(message: impl Into<String>, then: Then) -> Self {
        Self { message: message.into(), error: None, then, hint: "" }
    }

    pub fn of(error: postgres::Error) -> Self {
        if let Some(message) = tls::failure(&error) {
            return Self::because(message, Then::OtherWay);
        }
        match error.source().map(ToString::to_string).as_deref() {
            Some("server does not support TLS") => return Self::because(NO_TLS, Then::OtherWay),
            Some("password missing") => {
                let hint = "Set PGPASSWORD, or give it in a password file or a URI.";
                return Self { hint, ..Self::because("the server asks for a password", Then::Nothing) };
            }
            _ => {}
        }
        let then = what_helps(&error);
        let hint = if error.code().is_none() && then == Then::OtherHost { NOBODY_THERE } else { "" };
        Self { message: causes(&error), error: Some(error), then, hint }
    }

    pub fn into_error(self) -> Error {
        Error::Connect { message: self.message, error: self.error, hint: self.hint }
    }
}

fn what_helps(error: &postgres::Error) -> Then {
    if let Some(code) = error.code() {
        return match code {
            code if *code == SqlState::CANNOT_CONNECT_NOW => Then::OtherHost,
            // pg_hba.conf may depend on it.
            code if code.code().starts_with("28") => Then::OtherWay,
            _ => Then::Nothing,
        };
    }
    let broken = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
    match error.source().and_then(|cause| cause.downcast_ref::<io::Error>()) {
        Some(error) if broken.contains(&error.kind()) => Then::OtherWay,
        Some(_) => Then::OtherHost,
        None if error.is_closed() => Then::OtherWay,
        None => Then::Nothing,
    }
}

/// All failures in a line, each with the name of its place.
pub fn told(mut failures: Vec<(String, Failure)>) -> Error {
    if failures.iter().any(|(_, failure)| failure.message != NO_TLS) {
        failures.retain(|(_, failure)| failure.message != NO_TLS);
    }
    failures.dedup_by(|later, earlier| later.1.message == earlier.1.message);
    let several = failures.len() > 1;
    let message = |(name, failure): &(String, Failure)| match several {
        true => format!("{name}: {}", failure.message),
        false => failure.message.clone(),
    };
    let message = failures.iter().map(message).collect::<Vec<_>>().join("; ");
    // The hint for the first one holds for all.
    match failures.into_iter().next() {
        Some((_, first)) => Failure { message, ..first }.into_error(),
        None => Failure::because("there is no host", Then::Nothing).into_error(),
    }
}
