//! Temporary clusters for tests that need what only a client sees: commits, cancels, crashes.
//!
//! `scripts/test` makes a private copy of PostgreSQL with the extension in it and names it in the
//! environment; each [`Cluster`] is a server of its own, on a socket, removed when dropped.
#![deny(unsafe_code)]

use postgres::{Client, Config, NoTls, SimpleQueryMessage};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server for one test.
pub struct Cluster {
    folder: PathBuf,
    /// Where the programs of its version are.
    programs: String,
    /// Also in the name of the socket.
    port: u16,
}

/// A port that only the socket's name contains.
const PORT: u16 = 5432;

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// Starts a server with the extension created in database `postgres`.
    pub fn new() -> Self {
        Self::with_settings(&[])
    }

    /// As [`Cluster::new`], with lines added to `postgresql.conf`.
    pub fn with_settings(settings: &[&str]) -> Self {
        Self::begin(PORT, &[], settings)
    }

    /// As [`Cluster::with_settings`], but it also listens on localhost. Of the files, which are written to its data folder,
    /// `pg_hba.conf` has to let postgres in by the socket.
    pub fn listening(files: &[(&str, &str)], settings: &[&str]) -> Self {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let listen = [format!("port = {port}"), "listen_addresses = '127.0.0.1'".to_owned()];
        let settings: Vec<&str> = settings.iter().copied().chain(listen.iter().map(String::as_str)).collect();
        Self::begin(port, files, &settings)
    }

    fn begin(port: u16, files: &[(&str, &str)], settings: &[&str]) -> Self {
        let mut cluster = Self::empty(path_of("MILLRACE_BIN"));
        cluster.port = port;
        run(&["cp", "-r", &path_of("MILLRACE_TEMPLATE"), &cluster.data()]);
        for (name, text) in files {
            let script = format!("umask 077; cat > {}/{name} <<'END'\n{text}\nEND", cluster.data());
            run(&["sh", "-c", &script]);
        }
        cluster.launched(settings)
    }

    /// With its server started, and the extension created in database `postgres`.
    fn launched(self, settings: &[&str]) -> Self {
        self.configure(settings);
        self.start();
        self.connect().batch_execute("CREATE EXTENSION millrace").unwrap();
        self
    }

    /// The port that it listens on, if it does.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// As [`Cluster::new`], with checksums on its pages.
    pub fn with_checksums() -> Self {
        let cluster = Self::empty(path_of("MILLRACE_BIN"));
        cluster.init(&["-k"]);
        cluster.launched(&[])
    }

    /// As [`Cluster::new`], for each older version that `scripts/older-server` has made a server of.
    pub fn of_older_versions() -> Vec<Self> {
        let servers = path_of("MILLRACE_OLDER");
        let start = |programs: &str| {
            let cluster = Self::empty(programs.to_owned());
            cluster.init(&[]);
            cluster.launched(&[])
        };
        servers.split(':').map(start).collect()
    }

    /// Upgrades this server with pg_upgrade and stops it for good; returns the new one.
    pub fn upgraded(&self) -> Self {
        self.stop("fast");
        let upgraded = Self::empty(path_of("MILLRACE_BIN"));
        // Older servers have no checksums unless they were asked for.
        upgraded.init(if run(&[&upgraded.program("initdb"), "--help"]).contains("no-data-checksums") {
            &["--no-data-checksums"]
        } else {
            &[]
        });
        upgraded.configure(&[]);
        let socket = upgraded.folder.to_string_lossy();
        let old = [
            ("-b", self.programs.as_str()),
            ("-B", upgraded.programs.as_str()),
            ("-U", "postgres"),
            ("-s", &socket),
        ];
        let (from, to) = (self.data(), upgraded.data());
        let arguments = old.into_iter().chain([("-d", from.as_str()), ("-D", to.as_str())]);
        let arguments: Vec<_> = arguments.flat_map(|(option, value)| [option, value]).collect();
        // It writes to its current folder, and its logs say what went wrong.
        let command = format!(
            "cd {socket} && \"$0\" \"$@\" || {{ tail -n 50 {to}/pg_upgrade_output.d/*/log/*; exit 1; }}"
        );
        run(&[&["sh", "-c", &command, &upgraded.program("pg_upgrade")], &arguments[..]].concat());
        upgraded.start();
        upgraded
    }

    fn empty(programs: String) -> Self {
        Self { folder: new_folder(), programs, port: PORT }
    }

    fn init(&self, options: &[&str]) {
        let how = ["-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"];
        run(&[&[self.program("initdb").as_str(), "-D", &self.data()], &how[..], options].concat());
    }

    fn program(&self, name: &str) -> String {
        format!("{}/{name}", self.programs)
    }

    /// A physical standby of this server, streaming from it.
    pub fn standby(&self) -> Self {
        let standby = Self::empty(self.programs.clone());
        let host = self.folder.to_string_lossy();
        run(&[
            &self.program("pg_basebackup"),
            "-h",
            &host,
            "-U",
            "postgres",
            "-R",
            "-c",
            "fast",
            "-D",
            &standby.data(),
        ]);
        standby.configure(&[]);
        standby.start();
        standby
    }

    fn configure(&self, settings: &[&str]) {
        let folder = self.folder.display();
        let ours = [
            "listen_addresses = ''".to_owned(),
            format!("unix_socket_directories = '{folder}'"),
            "fsync = off".to_owned(),
            "wal_level = replica".to_owned(),
        ];
        let lines: Vec<&str> = ours.iter().map(String::as_str).chain(settings.iter().copied()).collect();
        let script = format!("cat >> {}/postgresql.conf <<'END'\n{}\nEND", self.data(), lines.join("\n"));
        run(&["sh", "-c", &script]);
    }

    fn data(&self) -> String {
        self.folder.join("data").to_string_lossy().into_owned()
    }

    /// The folder of the cluster, which the server may write to.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server and waits until it takes connections.
    pub fn start(&self) {
        let log = self.folder.join("log").to_string_lossy().into_owned();
        run(&[&self.program("pg_ctl"), "-D", &self.data(), "-w", "-s", "-l", &log, "start"]);
    }

    /// Stops the server: `fast`, or `immediate` for what a crash leaves.
    pub fn stop(&self, mode: &str) {
        run(&[&self.program("pg_ctl"), "-D", &self.data(), "-w", "-s", "-m", mode, "stop"]);
    }

    /// Kills one of the server's processes, as the kernel does when memory runs out, and waits until the server has recovered.
    ///
    /// A process's own client learns of its end before the server does, which takes connections until then and ends them with
    /// all others: so the end of an idle session tells that the server knows.
    pub fn crash(&self, pid: i32) {
        let mut idle = self.connect();
        run(&["kill", "-9", &pid.to_string()]);
        wait_until("the server to notice", || idle.batch_execute("").is_err());
        self.wait_for_recovery();
    }

    /// Waits until the server takes connections again.
    pub fn wait_for_recovery(&self) {
        wait_until("recovery", || {
            self.config().connect(NoTls).is_ok_and(|mut client| client.batch_execute("SELECT 1").is_ok())
        });
    }

    /// What every connection needs.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(&self.folder).port(self.port).user("postgres").dbname("postgres");
        config
    }

    /// A session as superuser.
    pub fn connect(&self) -> Client {
        self.config().connect(NoTls).unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// A session as another role.
    pub fn connect_as(&self, role: &str) -> Client {
        self.config().user(role).connect(NoTls).unwrap()
    }

    /// Runs a client program of PostgreSQL against this server and returns what it printed.
    pub fn client_program(&self, name: &str, arguments: &[&str]) -> String {
        let host = self.folder.to_string_lossy();
        let name = self.program(name);
        let connection = [name.as_str(), "-h", &host, "-U", "postgres"];
        run(&connection.iter().chain(arguments).copied().collect::<Vec<_>>())
    }

    /// Runs a program of PostgreSQL on the files of this server, which must be stopped, and returns what it printed.
    pub fn offline_program(&self, name: &str, arguments: &[&str]) -> String {
        run(&[&[self.program(name).as_str(), "-D", &self.data()], arguments].concat())
    }

    /// Copies the extension's files into a folder of the cluster's: below it `share/extension` and `lib`.
    pub fn copy_extension(&self, folder: &str) {
        let folder = self.folder.join(folder);
        let installed = |what: &str| run(&[&self.program("pg_config"), what]).trim().to_owned();
        let script = format!(
            "mkdir -p {0}/share/extension {0}/lib && cp {1}/extension/millrace* {0}/share/extension && cp {2}/millrace.so {0}/lib",
            folder.display(),
            installed("--sharedir"),
            installed("--pkglibdir")
        );
        run(&["sh", "-c", &script]);
    }

    /// Creates a database with the extension, with these `options` of CREATE DATABASE, and connects to it.
    pub fn database(&self, name: &str, options: &str) -> Client {
        self.connect().batch_execute(&format!("CREATE DATABASE {name} {options}")).unwrap();
        let mut client = self.connect_to(name, "postgres");
        client.batch_execute("CREATE EXTENSION millrace").unwrap();
        client
    }

    /// A session of a role in a database.
    pub fn connect_to(&self, database: &str, role: &str) -> Client {
        self.config().dbname(database).user(role).connect(NoTls).unwrap()
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may have been stopped by the test.
        let _ = as_server_user(&[&self.program("pg_ctl"), "-D", &self.data(), "-m", "immediate", "stop"])
            .output();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(30)..].join("\n"));
        }
        let _ = as_server_user(&["rm", "-rf", &self.folder.to_string_lossy()]).output();
    }
}

/// A small file system that the server may write to. Mounting takes root, or a user who may use sudo.
pub struct SmallDisk {
    /// Where it is mounted.
    pub path: String,
}

impl SmallDisk {
    /// Mounts one of `megabytes` MiB in the cluster's folder.
    pub fn mount(cluster: &Cluster, megabytes: u32) -> Self {
        let path = cluster.folder().join("disk").to_string_lossy().into_owned();
        std::fs::create_dir(&path).unwrap();
        let owner = std::fs::metadata(cluster.folder()).unwrap().uid();
        let options = format!("size={megabytes}m,uid={owner},mode=700");
        as_root(&["mount", "-t", "tmpfs", "-o", &options, "tmpfs", &path]);
        Self { path }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        as_root(&["umount", "--lazy", &self.path]);
    }
}

fn as_root(command: &[&str]) {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let command = if is_root { command.to_vec() } else { [&["sudo"], command].concat() };
    assert!(Command::new(command[0]).args(&command[1..]).status().unwrap().success(), "{command:?}");
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{number}", std::process::id());
    let folder = Path::new(&path_of("MILLRACE_CLUSTERS")).join(name);
    run(&["mkdir", "-p", &folder.to_string_lossy()]);
    folder
}

fn path_of(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests with `make test`"))
}

fn as_server_user(command: &[&str]) -> Command {
    let mut run = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/as-server-user"));
    run.args(command).current_dir("/tmp");
    run
}

/// Runs a command as the user the server runs as and returns what it printed.
fn run(command: &[&str]) -> String {
    // pg_ctl's server inherits the pipes of `output()`, which would then never end.
    if command[0].ends_with("pg_ctl") {
        let status = as_server_user(command).stdout(std::process::Stdio::null()).status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
        return String::new();
    }
    let output = as_server_user(command).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// Polls until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The SQLSTATE and message of a statement's error. The statement's transaction is over when this returns, although an error
/// is sent a moment before that.
pub fn error_of(client: &mut Client, statement: &str) -> Option<(String, String)> {
    let error = client.batch_execute(statement).err()?;
    // There is no next statement if the connection is gone.
    let _ = client.batch_execute("");
    Some(told(&error))
}

/// An error's SQLSTATE, and its message with detail and hint.
fn told(error: &postgres::Error) -> (String, String) {
    match error.as_db_error() {
        Some(error) => {
            let hint = error.hint().map(|hint| format!(" HINT: {hint}")).unwrap_or_default();
            let detail = error.detail().map(|detail| format!(" DETAIL: {detail}")).unwrap_or_default();
            (error.code().code().to_owned(), format!("{}{detail}{hint}", error.message()))
        }
        None => ("connection".to_owned(), error.to_string()),
    }
}

/// The rows of a query as text, sorted, or its error's SQLSTATE and message.
pub fn rows_of(client: &mut Client, query: &str) -> Result<Vec<String>, (String, String)> {
    let messages = client.simple_query(query).map_err(|error| told(&error))?;
    let mut rows: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|column| row.get(column).unwrap_or("null"));
                Some(values.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        })
        .collect();
    rows.sort();
    Ok(rows)
}

/// Sends a text of several statements one by one: a procedure that commits cannot come with others.
pub trait Script {
    /// Runs all of them, or up to the first that fails.
    fn script(&mut self, text: &str) -> Result<(), postgres::Error>;
}

impl Script for Client {
    fn script(&mut self, text: &str) -> Result<(), postgres::Error> {
        let mut rest = text;
        while !rest.trim().is_empty() {
            let (statement, after) = rest.split_at(end_of_statement(rest));
            self.batch_execute(statement)?;
            rest = after.strip_prefix(';').unwrap_or(after);
        }
        Ok(())
    }
}

/// The position of the first semicolon outside quotes.
fn end_of_statement(text: &str) -> usize {
    let mut quote = None;
    for (place, character) in text.char_indices() {
        let dollars = text[place..].starts_with("$$");
        match quote {
            None if character == ';' => return place,
            None if dollars => quote = Some('$'),
            None if matches!(character, '\'' | '"') => quote = Some(character),
            Some('$') if dollars && !text[..place].ends_with('$') => quote = None,
            Some(open) if open == character && open != '$' => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// The first column of a query's only row.
pub fn one<T: for<'a> postgres::types::FromSql<'a>>(client: &mut Client, query: &str) -> T {
    client.query_one(query, &[]).unwrap().get(0)
}

/// The first column of a query's rows.
pub fn texts(client: &mut Client, query: &str) -> Vec<String> {
    client.query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// Whether the target of a run, its only one, holds what the committed batches should.
pub fn verified(client: &mut Client, run: &str) -> bool {
    client.query_one("SELECT matches FROM stream_verify($1)", &[&run]).unwrap().get(0)
}

/// The state of a run with one target.
pub fn state(client: &mut Client, run: &str) -> String {
    client.query_one("SELECT state FROM stream_progress WHERE run = $1", &[&run]).unwrap().get(0)
}

/// Waits until no run is under way. The server reports an error before it ends the transaction and releases the run's lock.
pub fn wait_until_free(client: &mut Client) {
    wait_until("the runs to be free", || one(client, "SELECT count(*) = 0 FROM millrace.running"));
}

/// The nearest rank, as `percentile_disc` has it.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted[((share * sorted.len() as f64).ceil() as usize).max(1) - 1]
}

/// A small generator, seeded by the clock; the seed is printed, so that a failure can be repeated.
pub struct Dice(u64);

impl Dice {
    /// Takes a new seed, or that of `MILLRACE_SEED`.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let seed = std::env::var("MILLRACE_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = seed.unwrap_or(clock);
        println!("MILLRACE_SEED={seed}");
        Self(seed | 1)
    }

    /// A number from 0 up to but not including `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Passes on what COPY prints for a statement, piece by piece.
pub fn copy_out(client: &mut Client, statement: &str, mut take: impl FnMut(&[u8])) {
    let mut reader = client.copy_out(statement).unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => break,
            length => take(&buffer[..length]),
        }
    }
}

/// All queries of a benchmark pass, with as many rows as their answers have. The call is `tpch_validate` or
/// `tpcds_validate`.
pub fn assert_valid(client: &mut Client, call: &str, sf: f64) {
    let (family, queries) = if call.starts_with("tpch_") { ("tpch", 22) } else { ("tpcds", 99) };
    let query = format!(
        "SELECT v.query, v.pass, v.rows, coalesce(v.difference, ''),
                (SELECT count(*) FROM {family}_answers(v.query, {sf})) FROM {call} v ORDER BY 1"
    );
    let rows = client.query(&query, &[]).unwrap();
    assert_eq!(rows.len(), queries);
    for (number, row) in (1..).zip(rows) {
        assert_eq!(row.get::<_, i32>(0), number);
        assert!(row.get::<_, bool>(1), "{call}, query {number}: {}", row.get::<_, String>(3));
        assert_eq!(row.get::<_, i64>(2), row.get::<_, i64>(4), "{call}, query {number}");
    }
}

/// Runs a call in its own session and strikes when the call has come as far as `reached` says: in even rounds it kills the
/// session, which crashes the server, in odd ones it stops the server at once. When the server has recovered, returns whether
/// the call was still running.
pub fn strike(cluster: &Cluster, round: usize, call: &str, reached: impl Fn(&mut Client) -> bool) -> bool {
    let mut watcher = cluster.connect();
    let mut session = cluster.connect();
    let pid: i32 = one(&mut session, "SELECT pg_backend_pid()");
    std::thread::scope(|scope| {
        let running = scope.spawn(|| error_of(&mut session, call));
        wait_until("the stage to strike at", || running.is_finished() || reached(&mut watcher));
        if round.is_multiple_of(2) {
            cluster.crash(pid);
        } else {
            cluster.stop("immediate");
            cluster.start();
        }
        running.join().unwrap().is_some()
    })
}

/// A hash of a table's rows that does not depend on their order.
pub fn content(client: &mut Client, table: &str) -> (i64, Option<String>) {
    let query = format!("SELECT count(*), sum(hashtextextended(t::text, 0))::text FROM {table} t");
    let row = client.query_one(&query, &[]).unwrap();
    (row.get(0), row.get(1))
}

/// Fills the ledger with `runs` finished runs of `batches` batches each, named `history 1` and so on.
pub fn fill_ledger(client: &mut Client, runs: u32, batches: u32) {
    let fill = include_str!("../history.sql");
    let fill: String = fill.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
    client
        .script(&fill.replace("{runs}", &runs.to_string()).replace("{batches}", &batches.to_string()))
        .unwrap();
}
