//! What kind of session is wanted: `target_session_attrs`.

use super::settings::Settings;
use crate::error::Result;
use postgres::Client;

/// `target_session_attrs`.
#[derive(Clone, Copy)]
pub enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl Wanted {
    pub fn of(settings: &Settings) -> Result<Self> {
        settings.choice(
            "target_session_attrs",
            &[
                ("any", Self::Any),
                ("read-write", Self::ReadWrite),
                ("read-only", Self::ReadOnly),
                ("primary", Self::Primary),
                ("standby", Self::Standby),
                ("prefer-standby", Self::PreferStandby),
            ],
        )
    }

    /// What to look for first, and then.
    pub fn rounds(self) -> Vec<Self> {
        match self {
            Self::PreferStandby => vec![Self::Standby, Self::Any],
            wanted => vec![wanted],
        }
    }

    /// Why a session is not what is looked for.
    pub fn objection(
        self,
        session: &mut Client,
    ) -> std::result::Result<Option<&'static str>, postgres::Error> {
        if matches!(self, Self::Any) {
            return Ok(None);
        }
        let query = "SELECT pg_catalog.pg_is_in_recovery(),
                            pg_catalog.current_setting('transaction_read_only') = 'on'";
        let row = session.query_one(query, &[])?;
        let (is_standby, is_read_only): (bool, bool) = (row.get(0), row.get(1));
        Ok(match self {
            Self::ReadWrite if is_read_only => Some("the session is read-only"),
            Self::ReadOnly if !is_read_only => Some("the session is not read-only"),
            Self::Primary if is_standby => Some("the server is a standby"),
            Self::Standby if !is_standby => Some("the server is no standby"),
            _ => None,
        })
    }
}
