//! A temporary server: a cluster of its own on a socket in a temporary folder, gone when dropped.

use crate::error::{Error, Result};
use crate::interrupt;
use nix::unistd::{User, geteuid};
use postgres::Config;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

const HINT: &str = "Set PG_CONFIG to another server's pg_config, or name a running server with --host, --dbname or the PG* variables.";

/// A running server that only this command uses.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    server_user: Option<User>,
}

impl Cluster {
    /// Creates a cluster with the server that pg_config names, and starts it.
    pub fn start() -> Result<Self> {
        let programs = PathBuf::from(pg_config("--bindir")?);
        require_extension()?;
        let server_user = server_user()?;
        interrupt::must_clean_up();
        let folder = tempfile::Builder::new()
            .prefix("millrace.")
            .tempdir()
            .map_err(Error::file("temporary folder"))?;
        if let Some(user) = &server_user {
            chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .map_err(Error::file("temporary folder"))?;
        }
        let cluster = Self { folder, programs, server_user };
        cluster.run("initdb", &["-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C"])?;
        let options = format!(
            "-k '{}' -c listen_addresses= -c shared_buffers=512MB -c max_wal_size=4GB",
            cluster.folder.path().display()
        );
        cluster
            .run("pg_ctl", &["-w", "-s", "-l", &cluster.log().to_string_lossy(), "-o", &options, "start"])?;
        Ok(cluster)
    }

    /// How to connect to it.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(self.folder.path()).user("postgres").dbname("postgres").application_name("millrace");
        config
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Runs a program of the server on the cluster.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        interrupt::check()?;
        let what = self.programs.join(program);
        // The server would inherit a pipe and keep it open, so what programs say goes to a file.
        let said = self.folder.path().join(format!("{program}.out"));
        let file = std::fs::File::create(&said).map_err(Error::file(said.to_string_lossy()))?;
        let errors = file.try_clone().map_err(Error::file(said.to_string_lossy()))?;
        let status = self
            .command(&what)
            .args(arguments)
            .stdout(file)
            .stderr(errors)
            .status()
            .map_err(Error::file(what.to_string_lossy()))?;
        if status.success() {
            return Ok(());
        }
        let words = [said, self.log()].map(|path| std::fs::read_to_string(path).unwrap_or_default()).concat();
        Err(Error::failed(format!("{program} failed ({status})\n{}", words.trim_end()), HINT))
    }

    /// A command as the user whom the server runs as, in a group of its own, out of Ctrl-C's reach.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("-D").arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.stdin(Stdio::null()).process_group(0);
        if let Some(user) = &self.server_user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).env("HOME", self.folder.path());
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.command(&self.programs.join("pg_ctl"));
        // Nothing in it will be needed again, and it may not even have started.
        let _ =
            stop.args(["-s", "-m", "immediate", "stop"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// The user to run the server as, if this one is root, which the server refuses.
fn server_user() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres").ok().flatten();
    user.map(Some).ok_or_else(|| {
        Error::failed(
            "the server cannot run as root, and there is no user postgres",
            "Run this as another user.",
        )
    })
}

fn require_extension() -> Result<()> {
    let control = Path::new(&pg_config("--sharedir")?).join("extension/millrace.control");
    if control.exists() {
        return Ok(());
    }
    let folder = control.parent().unwrap_or(&control).display();
    let hint = format!("Install it with `make install PG_CONFIG={}`. {HINT}", pg_config_program());
    Err(Error::failed(format!("extension millrace is not installed in {folder}"), hint))
}

fn pg_config_program() -> String {
    std::env::var("PG_CONFIG").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "pg_config".to_owned())
}

/// What pg_config says.
fn pg_config(question: &str) -> Result<String> {
    let program = pg_config_program();
    let failed = |why: String| Error::failed(format!("no server is named, and {program} {why}"), HINT);
    let output = Command::new(&program).arg(question).output();
    let output = output.map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
