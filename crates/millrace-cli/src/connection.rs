//! Which server, and sessions on it.

use crate::embedded::Cluster;
use crate::error::{Error, Result};
use crate::interrupt;
use postgres::config::SslMode;
use postgres::{Client, Config, NoTls};
use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// Where the server's sockets usually are.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
/// Variables that name a server.
const VARIABLES: [&str; 6] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE"];

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Connection")]
pub struct Arguments {
    /// Host name, address, or folder of the socket
    #[arg(long, short = 'h', value_name = "HOST")]
    host: Option<String>,
    /// Port of the server
    #[arg(long, short = 'p', value_name = "PORT")]
    port: Option<u16>,
    /// Role to connect as
    #[arg(long, short = 'U', value_name = "NAME")]
    username: Option<String>,
    /// Database, or a postgres:// URI or connection string, which goes before the other options
    #[arg(long, short = 'd', value_name = "DBNAME")]
    dbname: Option<String>,
}

impl Arguments {
    /// Whether they, or the environment, name a server.
    pub fn name_a_server(&self) -> bool {
        let given =
            self.host.is_some() || self.port.is_some() || self.username.is_some() || self.dbname.is_some();
        given || VARIABLES.iter().any(|name| variable(name).is_some())
    }

    fn config(&self) -> Result<Config> {
        if variable("PGSERVICE").is_some() {
            let hint = "Unset it, and give --host, --port, --username and --dbname or a postgres:// URI.";
            return Err(Error::usage("PGSERVICE: this program does not read service files", hint));
        }
        let name = self.dbname.clone().or_else(|| variable("PGDATABASE"));
        let mut config = match &name {
            Some(text) if text.contains("://") || text.contains('=') => {
                text.parse().map_err(|error: postgres::Error| {
                    Error::usage(format!("connection string: {}", error_chain(&error)), "")
                })?
            }
            _ => Config::new(),
        };
        if let (None, Some(name)) = (config.get_dbname(), name.filter(|name| !name.contains(['=', ':']))) {
            config.dbname(&name);
        }
        if let (None, Some(user)) = (config.get_user(), self.username.clone().or_else(|| variable("PGUSER")))
        {
            config.user(&user);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            match self.host.clone().or_else(|| variable("PGHOSTADDR")).or_else(|| variable("PGHOST")) {
                Some(host) => {
                    config.host(&host);
                }
                None => {
                    for folder in SOCKET_FOLDERS.iter().filter(|folder| PathBuf::from(folder).is_dir()) {
                        config.host_path(folder);
                    }
                }
            }
        }
        if config.get_ports().is_empty() {
            config.port(self.port.map_or_else(|| number("PGPORT", 5432), Ok)?);
        }
        if let (None, Some(options)) = (config.get_options(), variable("PGOPTIONS")) {
            config.options(&options);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(number("PGCONNECT_TIMEOUT", 15)?));
        }
        let strict = |mode: String| matches!(mode.as_str(), "require" | "verify-ca" | "verify-full");
        if config.get_ssl_mode() == SslMode::Require || variable("PGSSLMODE").is_some_and(strict) {
            return Err(Error::usage("this program does not speak TLS", "Connect by a socket or a tunnel."));
        }
        let password = || variable("PGPASSWORD").or_else(|| password_file(&config));
        if let (None, Some(password)) = (config.get_password(), password()) {
            config.password(password);
        }
        config.application_name("millrace");
        Ok(config)
    }
}

/// An environment variable that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> Result<T> {
    variable(name).map_or(Ok(default), |value| {
        value.parse().map_err(|_| Error::usage(format!("{name}: \"{value}\" is not a number in range"), ""))
    })
}

fn error_chain(error: &postgres::Error) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The password that PGPASSFILE or ~/.pgpass has for this server.
fn password_file(config: &Config) -> Option<String> {
    let path = variable("PGPASSFILE").map(PathBuf::from);
    let path = path.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".pgpass")))?;
    let host = match config.get_hosts().first() {
        Some(postgres::config::Host::Tcp(host)) => host.clone(),
        _ => "localhost".to_owned(),
    };
    let port = config.get_ports().first()?.to_string();
    let user = config.get_user().map(str::to_owned).or_else(|| variable("USER"))?;
    let wanted = [host.as_str(), &port, config.get_dbname().unwrap_or(&user), &user];
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| password_of(line, wanted))
}

/// The password of a line `host:port:database:user:password`, if the line is for this server.
fn password_of(line: &str, wanted: [&str; 4]) -> Option<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut()?.extend(characters.next()),
            _ => fields.last_mut()?.push(character),
        }
    }
    let password = fields.get(4)?;
    let matches = fields.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
    (matches && !line.starts_with('#')).then(|| password.clone())
}

/// A server, the user's or a temporary one, with the extension in it.
pub struct Server {
    config: Config,
    /// The schema of the extension's functions, quoted.
    schema: String,
    temporary: Option<Cluster>,
}

impl Server {
    /// The server that is named, else a temporary one.
    pub fn find(arguments: &Arguments) -> Result<Self> {
        if arguments.name_a_server() { Self::named(arguments) } else { Self::temporary() }
    }

    /// The server that is named.
    pub fn named(arguments: &Arguments) -> Result<Self> {
        let config = arguments.config()?;
        let schema = extension_schema(&mut connect(&config)?)?;
        Ok(Self { config, schema, temporary: None })
    }

    fn temporary() -> Result<Self> {
        let cluster = Cluster::start()?;
        let config = cluster.config();
        let mut client = connect(&config)?;
        client.batch_execute("CREATE EXTENSION millrace")?;
        let schema = extension_schema(&mut client)?;
        Ok(Self { config, schema, temporary: Some(cluster) })
    }

    /// Whether everything that is done here is gone when the command ends.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// A session that Ctrl-C does not touch.
    pub fn observer(&self) -> Result<Client> {
        self.open(self.config.clone())
    }

    /// A session whose statements Ctrl-C cancels; `notice` gets what the server says beside results.
    pub fn session(&self, notice: impl Fn(&str) + Send + Sync + 'static) -> Result<Client> {
        let mut config = self.config.clone();
        config.notice_callback(move |message| {
            notice(&format!("{}:  {}", message.severity(), message.message()))
        });
        let client = self.open(config)?;
        interrupt::watch(client.cancel_token());
        Ok(client)
    }

    fn open(&self, config: Config) -> Result<Client> {
        let mut client = connect(&config)?;
        client.execute("SELECT pg_catalog.set_config('search_path', $1, false)", &[&self.schema])?;
        Ok(client)
    }
}

fn connect(config: &Config) -> Result<Client> {
    config.connect(NoTls).map_err(Error::Connect)
}

fn extension_schema(client: &mut Client) -> Result<String> {
    let query = "SELECT e.extnamespace::regnamespace::text FROM pg_catalog.pg_extension e WHERE e.extname = 'millrace'";
    client.query_opt(query, &[])?.map(|row| row.get(0)).ok_or_else(|| {
        Error::failed("the database does not have extension millrace", "Run CREATE EXTENSION millrace in it.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file_are_for_a_server() {
        let wanted = ["db.example", "5432", "bench", "ann"];
        let password = |line| password_of(line, wanted);
        assert_eq!(password("db.example:5432:bench:ann:secret").as_deref(), Some("secret"));
        assert_eq!(password("*:*:*:*:a\\:b:c").as_deref(), Some("a:b:c"));
        assert_eq!(password("db.example:5433:*:*:secret"), None);
        assert_eq!(password("# db.example:*:*:*:secret"), None);
        assert_eq!(password("db.example:5432"), None);
    }
}
