//! A reader who types what a document says, with a server and a folder of their own.

use crate::document::{Block, Kind};
use millrace_tests::Cluster;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where documents have the server write files: a folder of the server's user, for which this name stands.
const FILES: &str = "/data";

pub struct Reader {
    cluster: Cluster,
    /// Where they are.
    home: PathBuf,
    /// What [`FILES`] stands for.
    files: PathBuf,
}

impl Reader {
    /// With the extension created, or as for the first time.
    pub fn new(root: &Path, has_extension: bool) -> Self {
        let cluster = Cluster::new();
        if !has_extension {
            cluster.connect().batch_execute("DROP EXTENSION millrace").unwrap();
        }
        let [home, files] = ["home", "files"].map(|name| cluster.folder().join(name));
        let owner = fs::metadata(cluster.folder()).unwrap();
        for folder in [home.join("bin"), files.join("tpch"), files.join("tpcds")] {
            fs::create_dir_all(&folder).unwrap();
        }
        for folder in [files.clone(), files.join("tpch"), files.join("tpcds")] {
            chown(folder, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
        symlink(root.join("examples"), home.join("examples")).unwrap();
        symlink(variable("MILLRACE_CLI"), home.join("bin/millrace")).unwrap();
        Self { cluster, home, files }
    }

    /// Types a block, and returns what is printed, including standard error. Fails if an error is printed that the document
    /// does not have.
    pub fn types(&self, block: &Block) -> Result<String, String> {
        let psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"];
        let shell = ["bash", "-eu", "-o", "pipefail"];
        let program: &[&str] = if block.kind == Kind::Sql { &psql } else { &shell };
        let files = self.files.to_string_lossy();
        let input = self.home.join("input");
        fs::write(&input, block.text.replace(FILES, &files)).unwrap();
        // Both in one stream, in the order in which they come.
        let printed = fs::File::create(self.home.join("printed")).unwrap();
        let status = self
            .command(program)
            .stdin(Stdio::from(fs::File::open(&input).unwrap()))
            .stdout(Stdio::from(printed.try_clone().unwrap()))
            .stderr(Stdio::from(printed))
            .status()
            .unwrap();
        let printed = fs::read_to_string(self.home.join("printed")).unwrap().replace(&*files, FILES);
        match status.success() || block.output.contains("ERROR:") {
            true => Ok(printed),
            false => Err(format!("line {}: {status}\n{}\n{printed}", block.line, block.text)),
        }
    }

    fn command(&self, program: &[&str]) -> Command {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).current_dir(&self.home);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG") && name != "PG_CONFIG") {
            command.env_remove(name);
        }
        let bin = self.home.join("bin").to_string_lossy().into_owned();
        // Its Python has what examples read files with.
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench/bin").to_owned();
        let path = [bin, python, variable("MILLRACE_BIN"), variable("PATH")].join(":");
        command
            .env("PATH", path)
            .env("PGHOST", self.cluster.folder())
            .env("PGUSER", "postgres")
            .env("PGDATABASE", "postgres");
        command
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // The server's user, who removes the rest, may not be the one who made it.
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`"))
}
