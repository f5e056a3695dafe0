//! libpq's parameters and where it finds them, in its order: the connection string, the program's options, the
//! service, the environment.

use super::{service, string};
use crate::error::{Error, Result};
use nix::unistd::{User, geteuid};
use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::str::FromStr;

/// What this program makes of a parameter.
#[derive(Clone, Copy)]
enum Use {
    Used,
    /// It has no effect: it is for GSSAPI, or for compression, which no server has.
    Ignored,
    /// Other values need what this program cannot do.
    Only(&'static [&'static str]),
}

use Use::{Ignored, Only, Used};

/// Keyword, variable, and what this program makes of it.
const PARAMETERS: [(&str, &str, Use); 49] = [
    ("application_name", "PGAPPNAME", Used),
    ("channel_binding", "PGCHANNELBINDING", Used),
    ("client_encoding", "PGCLIENTENCODING", Ignored),
    ("connect_timeout", "PGCONNECT_TIMEOUT", Used),
    ("dbname", "PGDATABASE", Used),
    ("fallback_application_name", "", Used),
    ("gssdelegation", "PGGSSDELEGATION", Ignored),
    ("gssencmode", "PGGSSENCMODE", Only(&["disable", "prefer"])),
    ("gsslib", "PGGSSLIB", Ignored),
    ("host", "PGHOST", Used),
    ("hostaddr", "PGHOSTADDR", Used),
    ("keepalives", "", Used),
    ("keepalives_count", "", Used),
    ("keepalives_idle", "", Used),
    ("keepalives_interval", "", Used),
    ("krbsrvname", "PGKRBSRVNAME", Ignored),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS", Used),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION", Ignored),
    ("min_protocol_version", "PGMINPROTOCOLVERSION", Only(&["3.0"])),
    ("oauth_client_id", "", Only(&[])),
    ("oauth_client_secret", "", Only(&[])),
    ("oauth_issuer", "", Only(&[])),
    ("oauth_scope", "", Only(&[])),
    ("options", "PGOPTIONS", Used),
    ("passfile", "PGPASSFILE", Used),
    ("password", "PGPASSWORD", Used),
    ("port", "PGPORT", Used),
    ("replication", "", Only(&["false", "off", "no", "0"])),
    ("require_auth", "PGREQUIREAUTH", Only(&[])),
    ("requirepeer", "PGREQUIREPEER", Only(&[])),
    ("scram_client_key", "", Only(&[])),
    ("scram_server_key", "", Only(&[])),
    ("service", "PGSERVICE", Used),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Used),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Used),
    ("sslcert", "PGSSLCERT", Used),
    ("sslcertmode", "PGSSLCERTMODE", Used),
    ("sslcompression", "PGSSLCOMPRESSION", Ignored),
    ("sslcrl", "PGSSLCRL", Used),
    ("sslcrldir", "PGSSLCRLDIR", Used),
    ("sslkey", "PGSSLKEY", Used),
    ("sslkeylogfile", "", Only(&[])),
    ("sslmode", "PGSSLMODE", Used),
    ("sslnegotiation", "PGSSLNEGOTIATION", Used),
    ("sslpassword", "", Used),
    ("sslrootcert", "PGSSLROOTCERT", Used),
    ("sslsni", "PGSSLSNI", Used),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", Used),
    ("user", "PGUSER", Used),
];

/// Parameters of the server that libpq takes from the environment.
const SESSION_VARIABLES: [(&str, &str); 3] =
    [("PGDATESTYLE", "DateStyle"), ("PGTZ", "TimeZone"), ("PGGEQO", "geqo")];

/// An environment variable that is set to something.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The home of the user.
pub fn home() -> Option<PathBuf> {
    let theirs = || User::from_uid(geteuid()).ok().flatten().map(|user| user.dir);
    variable("HOME").map(PathBuf::from).or_else(theirs)
}

/// The parameters that were given, by keyword. Those that come first stay.
#[derive(Default)]
pub struct Settings(BTreeMap<&'static str, String>);

impl Settings {
    /// Adds one, if it is not there.
    pub fn add(&mut self, keyword: &str, value: impl Into<String>) -> Result<()> {
        let known = PARAMETERS.iter().find(|(known, ..)| *known == keyword);
        let (known, ..) = known.ok_or_else(|| {
            Error::usage(
                format!("there is no connection parameter \"{keyword}\""),
                "Connection parameters are those of libpq.",
            )
        })?;
        self.0.entry(known).or_insert_with(|| value.into());
        Ok(())
    }

    fn add_all(&mut self, pairs: Vec<(String, String)>) -> Result<()> {
        pairs.into_iter().try_for_each(|(keyword, value)| self.add(&keyword, value))
    }

    /// Adds a database's name, or what a connection string has.
    pub fn add_database(&mut self, text: &str) -> Result<()> {
        if !string::is_one(text) {
            return self.add("dbname", text);
        }
        let pairs = string::parse(text);
        let mut pairs = pairs.map_err(|wrong| Error::usage(format!("connection string: {wrong}"), ""))?;
        // Of a string, unlike a service, the last one counts.
        pairs.reverse();
        self.add_all(pairs)
    }

    /// Adds what the service and the environment have.
    pub fn add_surroundings(&mut self) -> Result<()> {
        let service = self.get("service").map(str::to_owned).or_else(|| variable("PGSERVICE"));
        if let Some(service) = service {
            self.add_all(service::parameters(&service)?)?;
        }
        if let Some(text) = variable("PGDATABASE") {
            self.add_database(&text)?;
        }
        for (keyword, name, _) in PARAMETERS {
            if let Some(value) = variable(name) {
                self.add(keyword, value)?;
            }
        }
        self.check()
    }

    /// Refuses what it cannot do, because ignoring it could be unsafe.
    fn check(&self) -> Result<()> {
        for (keyword, _, how) in PARAMETERS {
            if let (Only(possible), Some(value)) = (how, self.get(keyword))
                && !possible.contains(&value)
            {
                return Err(Error::usage(format!("this program does not support {keyword}={value}"), ""));
            }
        }
        Ok(())
    }

    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.0.get(keyword).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Its parts between commas.
    pub fn list(&self, keyword: &str) -> Vec<&str> {
        self.get(keyword).map(|value| value.split(',').map(str::trim).collect()).unwrap_or_default()
    }

    pub fn number<T: FromStr>(&self, keyword: &str) -> Result<Option<T>> {
        let parsed = self.get(keyword).map(|value| value.trim().parse().map_err(|_| value));
        parsed
            .transpose()
            .map_err(|value| Error::usage(format!("{keyword}: \"{value}\" is not a number in range"), ""))
    }

    /// Which of several words it is; without it the first.
    pub fn choice<T: Copy>(&self, keyword: &str, choices: &[(&'static str, T)]) -> Result<T> {
        let value = self.get(keyword).unwrap_or(choices[0].0);
        choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice).ok_or_else(|| {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            Error::usage(format!("{keyword}: \"{value}\" is not one of {}", words.join(", ")), "")
        })
    }

    /// The role to connect as: the one given, or the system's user.
    pub fn user(&self) -> Result<String> {
        let theirs = || User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
        let nobody = || Error::usage("the user has no name", "Name a role with --username.");
        self.get("user").map(str::to_owned).or_else(theirs).ok_or_else(nobody)
    }

    /// Options for the session, those of the environment first, so that the others count.
    pub fn session_options(&self) -> Option<String> {
        let escaped = |value: String| value.replace('\\', "\\\\").replace(' ', "\\ ");
        let ours = SESSION_VARIABLES
            .iter()
            .filter_map(|(name, parameter)| Some(format!("-c {parameter}={}", escaped(variable(name)?))));
        let options: Vec<String> = ours.chain(self.get("options").map(str::to_owned)).collect();
        (!options.is_empty()).then(|| options.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_first_stays() -> Result<()> {
        let mut settings = Settings::default();
        settings.add_database("host=x sslrootcert='' host=a,b")?;
        settings.add("host", "c")?;
        settings.add("sslrootcert", "file")?;
        assert_eq!((settings.list("host"), settings.get("sslrootcert")), (vec!["a", "b"], None));
        assert!(settings.add("hots", "c").is_err());
        Ok(())
    }

    #[test]
    fn what_cannot_be_done_is_refused() -> Result<()> {
        for (keyword, value, fine) in [
            ("gssencmode", "prefer", true),
            ("gssencmode", "require", false),
            ("require_auth", "scram-sha-256", false),
            ("requirepeer", "", true),
        ] {
            let mut settings = Settings::default();
            settings.add(keyword, value)?;
            assert_eq!(settings.check().is_ok(), fine, "{keyword}={value}");
        }
        Ok(())
    }
}
