//! Which server, and sessions on it.

mod failure;
mod password;
mod places;
mod search;
mod service;
mod session;
mod settings;
mod string;
mod tls;

use crate::embedded::Cluster;
use crate::error::{Error, Result};
use crate::interrupt;
use postgres::{Client, Config};
use settings::{Settings, variable};

pub use search::Link;
pub use tls::Tls;

/// Variables that name a server.
const VARIABLES: [&str; 6] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE"];

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Connection")]
// Its group would have the name of that of the command that it is part of.
#[group(skip)]
pub struct Arguments {
    /// Host name, address, or folder of the socket; several separated by commas
    #[arg(long, short = 'h', value_name = "HOST")]
    host: Option<String>,
    /// Port of the server
    #[arg(long, short = 'p', value_name = "PORT")]
    port: Option<u16>,
    /// Role to connect as
    #[arg(long, short = 'U', value_name = "NAME")]
    username: Option<String>,
    /// Database, or a postgres:// URI or connection string such as "service=bench sslmode=verify-full", which takes
    /// precedence over the other options
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

    fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::default();
        if let Some(text) = &self.dbname {
            settings.add_database(text)?;
        }
        let port = self.port.map(|port| port.to_string());
        for (keyword, value) in [("host", &self.host), ("port", &port), ("user", &self.username)] {
            if let Some(value) = value {
                settings.add(keyword, value)?;
            }
        }
        settings.add_surroundings()?;
        Ok(settings)
    }
}

/// A server, the user's or a temporary one, with the extension in it.
pub struct Server {
    link: Link,
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
        let (link, mut client) = search::open(&arguments.settings()?)?;
        let schema = extension_schema(&mut client)?;
        Ok(Self { link, schema, temporary: None })
    }

    fn temporary() -> Result<Self> {
        let cluster = Cluster::start()?;
        let link = Link { config: cluster.config(), tls: Tls::none() };
        let mut client = link.connect(&link.config)?;
        client.batch_execute("CREATE EXTENSION millrace")?;
        let schema = extension_schema(&mut client)?;
        Ok(Self { link, schema, temporary: Some(cluster) })
    }

    /// Whether everything that is done here is removed when the command ends.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// A session that Ctrl-C does not touch.
    pub fn observer(&self) -> Result<Client> {
        self.open(&self.link.config)
    }

    /// A session whose statements Ctrl-C cancels; `notice` gets what the server says beside results.
    pub fn session(&self, notice: impl Fn(&str) + Send + Sync + 'static) -> Result<Client> {
        let mut config = self.link.config.clone();
        config.notice_callback(move |message| {
            notice(&format!("{}:  {}", message.severity(), message.message()))
        });
        let client = self.open(&config)?;
        interrupt::watch(client.cancel_token(), self.link.tls.clone());
        Ok(client)
    }

    fn open(&self, config: &Config) -> Result<Client> {
        let mut client = self.link.connect(config)?;
        client.execute("SELECT pg_catalog.set_config('search_path', $1, false)", &[&self.schema])?;
        Ok(client)
    }
}

fn extension_schema(client: &mut Client) -> Result<String> {
    let query = "SELECT e.extnamespace::regnamespace::text FROM pg_catalog.pg_extension e WHERE e.extname = 'millrace'";
    client.query_opt(query, &[])?.map(|row| row.get(0)).ok_or_else(|| {
        Error::failed("the database does not have extension millrace", "Run CREATE EXTENSION millrace in it.")
    })
}
