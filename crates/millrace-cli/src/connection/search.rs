//! Hosts are tried in order, each with and without TLS as the mode says.

use super::failure::{self, Failure, Then};
use super::password::PasswordFile;
use super::places::{Place, SOCKET_FOLDERS, places};
use super::session::Wanted;
use super::settings::Settings;
use super::tls::{self, Mode, Tls};
use crate::error::{Error, Result};
use postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use postgres::{Client, Config};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Duration;

const DEFAULT_TIMEOUT: i64 = 15;

/// A server that was found, and how to open more sessions with it.
#[derive(Clone)]
pub struct Link {
    pub config: Config,
    pub tls: Tls,
}

impl Link {
    /// A session with the same server.
    pub fn connect(&self, config: &Config) -> Result<Client> {
        self.tls.connect(config).map_err(|error| Failure::of(error).into_error())
    }
}

/// What all attempts have in common.
struct Search<'a> {
    settings: &'a Settings,
    mode: Mode,
    base: Config,
    passwords: PasswordFile,
    user: String,
    dbname: String,
    /// The failed attempts, in order.
    failures: Vec<(String, Failure)>,
}

/// Opens a session with the first server that takes one.
pub fn open(settings: &Settings) -> Result<(Link, Client)> {
    let mut places = places(settings)?;
    if settings.choice("load_balance_hosts", &[("disable", false), ("random", true)])? {
        let seed = RandomState::new();
        places.sort_by_cached_key(|place| seed.hash_one(place.name()));
    }
    let mut search = Search::new(settings)?;
    for wanted in Wanted::of(settings)?.rounds() {
        for place in &places {
            match search.try_place(place, wanted) {
                Tried::Found(found) => return Ok(*found),
                Tried::Elsewhere => {}
                Tried::Refused => return Err(failure::told(search.failures)),
            }
        }
    }
    Err(failure::told(search.failures))
}

/// The outcome for a place.
enum Tried {
    Found(Box<(Link, Client)>),
    /// The next one may do.
    Elsewhere,
    /// The others need not be tried.
    Refused,
}

impl<'a> Search<'a> {
    fn new(settings: &'a Settings) -> Result<Self> {
        let mode = Mode::of(settings)?;
        tls::check(settings)?;
        let user = settings.user()?;
        let dbname = settings.get("dbname").unwrap_or(&user).to_owned();
        let passwords = PasswordFile::read(settings);
        let base = base(settings, mode, &user, &dbname)?;
        Ok(Self { settings, mode, base, passwords, user, dbname, failures: Vec::new() })
    }

    fn try_place(&mut self, place: &Place, wanted: Wanted) -> Tried {
        let addresses = match place.addresses() {
            Ok(addresses) => addresses,
            Err(error) => {
                let failure = Failure::because(format!("no address for this name: {error}"), Then::OtherHost);
                self.failures.push((place.name(), failure));
                return Tried::Elsewhere;
            }
        };
        for address in addresses {
            let tried = self.try_address(place, address, wanted);
            if !matches!(tried, Tried::Elsewhere) {
                return tried;
            }
        }
        Tried::Elsewhere
    }

    /// Tries the ways that the mode allows, in its order.
    fn try_address(&mut self, place: &Place, address: Option<IpAddr>, wanted: Wanted) -> Tried {
        let encrypted: &[bool] = match self.mode {
            _ if place.is_socket() => &[false],
            Mode::Disable => &[false],
            Mode::Allow => &[false, true],
            Mode::Prefer => &[true, false],
            _ => &[true],
        };
        for (index, encrypted) in encrypted.iter().enumerate() {
            let failure = match self.attempt(place, address, *encrypted, wanted) {
                Ok((link, session)) => return Tried::Found(Box::new((link, session))),
                Err(failure) => failure,
            };
            let then = failure.then;
            let name = match (index, encrypted) {
                (0, _) => place.name(),
                (_, true) => "with TLS".to_owned(),
                (_, false) => "without TLS".to_owned(),
            };
            self.failures.push((name, failure));
            match then {
                Then::OtherHost => return Tried::Elsewhere,
                Then::OtherWay => {}
                Then::Nothing => break,
            }
        }
        Tried::Refused
    }

    fn attempt(
        &self,
        place: &Place,
        address: Option<IpAddr>,
        encrypted: bool,
        wanted: Wanted,
    ) -> std::result::Result<(Link, Client), Failure> {
        let link = self.link(place, address, encrypted)?;
        let mut session = link.tls.connect(&link.config).map_err(Failure::of)?;
        match wanted.objection(&mut session).map_err(Failure::of)? {
            Some(objection) => Err(Failure::because(objection, Then::OtherHost)),
            None => Ok((link, session)),
        }
    }

    fn link(
        &self,
        place: &Place,
        address: Option<IpAddr>,
        encrypted: bool,
    ) -> std::result::Result<Link, Failure> {
        let mut config = self.base.clone();
        let host = match address {
            Some(address) if place.host.is_empty() => address.to_string(),
            _ => place.host.clone(),
        };
        config.host(&host).port(place.port);
        if let Some(address) = address {
            config.hostaddr(address);
        }
        if let (None, Some(password)) = (config.get_password(), self.password(&host, place.port)) {
            config.password(password);
        }
        if !encrypted {
            config.ssl_mode(SslMode::Disable).ssl_negotiation(SslNegotiation::Postgres);
            return Ok(Link { config, tls: Tls::none() });
        }
        if self.mode == Mode::VerifyFull && place.host.is_empty() {
            return Err(Failure::because("with sslmode verify-full, host must be given", Then::Nothing));
        }
        config.ssl_mode(SslMode::Require);
        // A failure like others: if TLS is only preferred, it may not be needed.
        let failed = |error: Error| Failure {
            hint: error.hint(),
            ..Failure::because(error.to_string(), Then::OtherWay)
        };
        Ok(Link { config, tls: Tls::new(self.settings, self.mode).map_err(failed)? })
    }

    /// Password files know the usual sockets as localhost.
    fn password(&self, host: &str, port: u16) -> Option<String> {
        let known_as = if SOCKET_FOLDERS.contains(&host) { "localhost" } else { host };
        self.passwords.password([known_as, &port.to_string(), &self.dbname, &self.user])
    }
}

/// What does not depend on the host.
fn base(settings: &Settings, mode: Mode, user: &str, dbname: &str) -> Result<Config> {
    let mut config = Config::new();
    config.user(user).dbname(dbname);
    if let Some(password) = settings.get("password") {
        config.password(password);
    }
    if let Some(options) = settings.session_options() {
        config.options(&options);
    }
    let name = settings.get("application_name").or_else(|| settings.get("fallback_application_name"));
    config.application_name(name.unwrap_or("millrace"));
    // Zero and below are no limit.
    match settings.number("connect_timeout")?.unwrap_or(DEFAULT_TIMEOUT) {
        ..=0 => {}
        seconds => {
            config.connect_timeout(Duration::from_secs(seconds as u64));
        }
    }
    let binding = [
        ("prefer", ChannelBinding::Prefer),
        ("disable", ChannelBinding::Disable),
        ("require", ChannelBinding::Require),
    ];
    config.channel_binding(settings.choice("channel_binding", &binding)?);
    let negotiation = tls::negotiation(settings)?;
    if negotiation == SslNegotiation::Direct && mode < Mode::Require {
        return Err(Error::usage("with sslnegotiation=direct, sslmode must be require or stricter", ""));
    }
    config.ssl_negotiation(negotiation);
    keep_alive(&mut config, settings)?;
    Ok(config)
}

fn keep_alive(config: &mut Config, settings: &Settings) -> Result<()> {
    // Zero is the system's default.
    let number = |keyword| Ok::<_, Error>(settings.number::<u32>(keyword)?.filter(|number| *number > 0));
    config.keepalives(settings.number::<i32>("keepalives")? != Some(0));
    if let Some(seconds) = number("keepalives_idle")? {
        config.keepalives_idle(Duration::from_secs(seconds.into()));
    }
    if let Some(seconds) = number("keepalives_interval")? {
        config.keepalives_interval(Duration::from_secs(seconds.into()));
    }
    if let Some(count) = number("keepalives_count")? {
        config.keepalives_retries(count);
    }
    if let Some(limit) = number("tcp_user_timeout")? {
        config.tcp_user_timeout(Duration::from_millis(limit.into()));
    }
    Ok(())
}
