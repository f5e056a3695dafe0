//! TLS as libpq's parameters ask for it.

use super::settings::{Settings, home};
use crate::error::{Error, Result};
use nix::unistd::geteuid;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslFiletype, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::store::{X509Lookup, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use postgres::config::SslNegotiation;
use postgres::{CancelToken, Client, Config, NoTls};
use postgres_openssl::{MakeTlsConnector, set_postgresql_alpn};
use std::error::Error as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The root certificate that stands for those the system trusts.
const SYSTEM: &str = "system";

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

const MODES: [(&str, Mode); 6] = [
    ("prefer", Mode::Prefer),
    ("disable", Mode::Disable),
    ("allow", Mode::Allow),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];

impl Mode {
    /// The mode that is given. With the system's certificates the name must be checked, because anybody can get one of those.
    pub fn of(settings: &Settings) -> Result<Self> {
        let mode = settings.choice("sslmode", &MODES)?;
        let is_default = settings.get("sslmode").is_none();
        match settings.get("sslrootcert") == Some(SYSTEM) {
            true if is_default => Ok(Self::VerifyFull),
            true if mode != Self::VerifyFull => {
                Err(Error::usage("with sslrootcert=system, sslmode must be verify-full", ""))
            }
            _ => Ok(mode),
        }
    }
}

/// How to talk to a server: in the clear, or with what a TLS handshake needs.
#[derive(Clone)]
pub struct Tls(Option<MakeTlsConnector>);

impl Tls {
    pub fn none() -> Self {
        Self(None)
    }

    pub fn new(settings: &Settings, mode: Mode) -> Result<Self> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(broken("TLS"))?;
        let verifies = trust(&mut builder, settings, mode)?;
        builder.set_verify(if verifies { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
        show_certificate(&mut builder, settings)?;
        let versions = versions(settings)?;
        builder.set_min_proto_version(versions[0]).map_err(broken("ssl_min_protocol_version"))?;
        builder.set_max_proto_version(versions[1]).map_err(broken("ssl_max_protocol_version"))?;
        if negotiation(settings)? == SslNegotiation::Direct {
            set_postgresql_alpn(&mut builder).map_err(broken("sslnegotiation"))?;
        }
        let says_name = says_name(settings)?;
        let mut connector = MakeTlsConnector::new(builder.build());
        connector.set_callback(move |session, _| {
            session.set_verify_hostname(mode == Mode::VerifyFull);
            session.set_use_server_name_indication(says_name);
            Ok(())
        });
        Ok(Self(Some(connector)))
    }

    pub fn connect(&self, config: &Config) -> std::result::Result<Client, postgres::Error> {
        match &self.0 {
            Some(connector) => config.connect(connector.clone()),
            None => config.connect(NoTls),
        }
    }

    /// Asks the server to cancel what a session does, the way that the session talks to it.
    pub fn cancel(&self, session: &CancelToken) -> std::result::Result<(), postgres::Error> {
        match &self.0 {
            Some(connector) => session.cancel_query(connector.clone()),
            None => session.cancel_query(NoTls),
        }
    }
}

/// Reports settings that make no sense, even if TLS is only preferred.
pub fn check(settings: &Settings) -> Result<()> {
    versions(settings)?;
    shows_certificate(settings)?;
    says_name(settings)?;
    Ok(())
}

fn says_name(settings: &Settings) -> Result<bool> {
    settings.choice("sslsni", &[("1", true), ("0", false)])
}

fn shows_certificate(settings: &Settings) -> Result<bool> {
    settings.choice("sslcertmode", &[("allow", true), ("disable", false)])
}

/// `sslnegotiation`.
pub fn negotiation(settings: &Settings) -> Result<SslNegotiation> {
    settings.choice(
        "sslnegotiation",
        &[("postgres", SslNegotiation::Postgres), ("direct", SslNegotiation::Direct)],
    )
}

/// A file that is given, or one of ~/.postgresql.
fn file(settings: &Settings, keyword: &str, default: &str) -> Option<PathBuf> {
    let default = || Some(home()?.join(".postgresql").join(default));
    settings.get(keyword).map(PathBuf::from).or_else(default)
}

/// Which authorities are trusted; false if none are, and any server's certificate is accepted. If the file exists it is used
/// in every mode, so `require` is then like `verify-ca`.
fn trust(builder: &mut SslConnectorBuilder, settings: &Settings, mode: Mode) -> Result<bool> {
    if settings.get("sslrootcert") == Some(SYSTEM) {
        builder.set_default_verify_paths().map_err(broken("the system's certificates"))?;
        return Ok(true);
    }
    // The connector begins with those of the system, which were not asked for.
    let store = X509StoreBuilder::new().map_err(broken("TLS"))?;
    builder.set_cert_store(store.build());
    let root = file(settings, "sslrootcert", "root.crt");
    match root.filter(|root| root.exists()) {
        Some(root) => {
            builder.set_ca_file(&root).map_err(unreadable("root certificate file", &root))?;
            revocations(builder, settings)?;
            Ok(true)
        }
        None if mode >= Mode::VerifyCa => {
            let root = settings.get("sslrootcert").unwrap_or("~/.postgresql/root.crt");
            let hint =
                "Set sslrootcert to the file of the authority, or to system for those the system trusts.";
            Err(Error::usage(format!("root certificate file {root} does not exist"), hint))
        }
        None => Ok(false),
    }
}

/// Loads the revoked certificates, if a file or a folder lists them.
fn revocations(builder: &mut SslConnectorBuilder, settings: &Settings) -> Result<()> {
    let folder = settings.get("sslcrldir").map(PathBuf::from);
    let of_default = file(settings, "sslcrl", "root.crl");
    let list =
        of_default.filter(|list| list.exists() && (folder.is_none() || settings.get("sslcrl").is_some()));
    let store = builder.cert_store_mut();
    if let Some(list) = &list {
        let wrong = || unreadable("certificate revocation list", list);
        let lookup = store.add_lookup(X509Lookup::file()).map_err(wrong())?;
        lookup.load_crl_file(list, SslFiletype::PEM).map_err(wrong())?;
    }
    if let Some(folder) = &folder {
        let wrong = || unreadable("certificate revocation list folder", folder);
        let lookup = store.add_lookup(X509Lookup::hash_dir()).map_err(wrong())?;
        lookup.add_dir(&folder.to_string_lossy(), SslFiletype::PEM).map_err(wrong())?;
    }
    if list.is_some() || folder.is_some() {
        let flags = X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL;
        store.set_flags(flags).map_err(broken("sslcrl"))?;
    }
    Ok(())
}

/// The client's certificate, if there is one.
fn show_certificate(builder: &mut SslConnectorBuilder, settings: &Settings) -> Result<()> {
    let shows = shows_certificate(settings)?;
    let certificate = file(settings, "sslcert", "postgresql.crt");
    let Some(certificate) = certificate.filter(|path| shows && path.exists()) else { return Ok(()) };
    builder.set_certificate_chain_file(&certificate).map_err(unreadable("certificate file", &certificate))?;
    let path = file(settings, "sslkey", "postgresql.key").filter(|path| path.exists()).ok_or_else(|| {
        let message = format!("certificate {} has no private key file", certificate.display());
        Error::usage(message, "Name it with sslkey.")
    })?;
    require_private(&path)?;
    let key = private_key(&path, settings.get("sslpassword").unwrap_or_default())?;
    builder.set_private_key(&key).map_err(unreadable("private key file", &path))
}

/// Refuses a key that others can read.
fn require_private(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(Error::file(path.to_string_lossy()))?;
    // The system's administrator may share one with a group.
    let allowed = if metadata.uid() == 0 && !geteuid().is_root() { 0o640 } else { 0o600 };
    match metadata.mode() & 0o7777 & !allowed {
        0 if metadata.is_file() => Ok(()),
        _ if metadata.is_file() => {
            let message = format!("private key file {} can be read by others", path.display());
            Err(Error::usage(message, "chmod 0600 makes it private."))
        }
        _ => Err(Error::usage(format!("private key file {} is not a plain file", path.display()), "")),
    }
}

fn private_key(path: &Path, password: &str) -> Result<PKey<Private>> {
    let bytes = fs::read(path).map_err(Error::file(path.to_string_lossy()))?;
    let key = PKey::private_key_from_pem_passphrase(&bytes, password.as_bytes());
    key.or_else(|error| PKey::private_key_from_der(&bytes).map_err(|_| error))
        .map_err(unreadable("private key file", path))
}

/// The lowest and the highest version of TLS.
fn versions(settings: &Settings) -> Result<[Option<SslVersion>; 2]> {
    let known = [
        ("TLSv1", SslVersion::TLS1),
        ("TLSv1.1", SslVersion::TLS1_1),
        ("TLSv1.2", SslVersion::TLS1_2),
        ("TLSv1.3", SslVersion::TLS1_3),
    ];
    let version = |keyword: &str| settings.get(keyword).map(|_| settings.choice(keyword, &known)).transpose();
    Ok([
        Some(version("ssl_min_protocol_version")?.unwrap_or(SslVersion::TLS1_2)),
        version("ssl_max_protocol_version")?,
    ])
}

fn broken(what: &'static str) -> impl Fn(ErrorStack) -> Error {
    move |stack| Error::usage(format!("{what}: {}", reason(&stack)), "")
}

fn unreadable(what: &'static str, path: &Path) -> impl Fn(ErrorStack) -> Error {
    move |stack| Error::usage(format!("{what} {} cannot be used: {}", path.display(), reason(&stack)), "")
}

/// OpenSSL's reason, without where in its source it was found.
fn reason(stack: &ErrorStack) -> String {
    let reason = stack.errors().iter().find_map(|error| error.reason());
    reason.map_or_else(|| stack.to_string(), str::to_owned)
}

/// What went wrong in TLS, if that is why a session failed.
pub fn failure(error: &postgres::Error) -> Option<String> {
    let cause = error.source()?;
    let inner = cause.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
    let found = inner.and_then(|inner| inner.downcast_ref::<openssl::ssl::Error>());
    let found = found.or_else(|| cause.source()?.downcast_ref())?;
    let reason = found.ssl_error().map_or_else(|| found.to_string(), reason);
    // What was wrong with the certificate comes last.
    let verified = cause.to_string().strip_prefix(&found.to_string()).map(str::to_owned).unwrap_or_default();
    Some(format!("TLS: {reason}{verified}"))
}
