//! The documented command builds for Apache Cloudberry with its fork of pgrx, and installs the result. A stand-in for cargo
//! notes what it is asked for.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    /// The files that the build reads, in a folder of their own.
    fn of_sources() -> Self {
        let folder = std::env::temp_dir().join(format!("millrace-cloudberry-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let folder = Self(folder.canonicalize().unwrap());
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let copied = Command::new("cp")
            .arg("-r")
            .args(["Makefile", "Cargo.lock", "scripts", "release"].map(|name| repository.join(name)))
            .arg(&folder.0)
            .status();
        assert!(copied.unwrap().success());
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\nset -e\n{text}\n")).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn the_documented_command_builds_with_the_fork() {
    let folder = Folder::of_sources();
    let here = folder.path("");
    let here = here.trim_end_matches('/');
    for name in ["server/lib", "server/share/extension"] {
        fs::create_dir_all(folder.path(name)).unwrap();
    }
    folder.script(
        "server/bin/pg_config",
        &format!(
            "case $1 in
             --version) echo PostgreSQL 14.4 ;;
             --pkglibdir) echo {here}/server/lib ;;
             --sharedir) echo {here}/server/share ;;
             *) exit 2 ;;
             esac"
        ),
    );
    // The fork's cargo-pgrx, which builds the library with the cargo that it is given.
    folder.script(
        "fork/cargo-pgrx/cargo-pgrx",
        &format!(
            "echo \"cargo-pgrx $*\" >> {here}/calls
             \"$CARGO\" build
             while [ \"$1\" != --out-dir ]; do shift; done
             mkdir -p $2{here}/server/lib $2{here}/server/share/extension
             touch $2{here}/server/lib/millrace.so $2{here}/server/share/extension/millrace.control"
        ),
    );
    folder.script(
        "path/cargo",
        &format!(
            "echo \"cargo $*\" >> {here}/calls
             if [ \"$1\" = install ]; then
                 mkdir -p target/cloudberry/bin
                 cp {here}/fork/cargo-pgrx/cargo-pgrx target/cloudberry/bin
             fi"
        ),
    );
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cloudberry.md");
    let document = fs::read_to_string(document).unwrap();
    let command = document.lines().find(|line| line.starts_with("make install")).unwrap();
    let command = command
        .replace("/usr/local/cloudberry/bin/pg_config", &folder.path("server/bin/pg_config"))
        .replace("/path/to/pgrx", &folder.path("fork"));
    let path = format!("{}:{}", folder.path("path"), std::env::var("PATH").unwrap());
    let lock = fs::read(folder.path("Cargo.lock")).unwrap();
    let made = Command::new("sh")
        .args(["-c", &command])
        .current_dir(&folder.0)
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let patches = ["pgrx", "pgrx-pg-sys"]
        .map(|name| format!("--config patch.crates-io.{name}.path=\"{here}/fork/{name}\""))
        .join(" ");
    // Nothing of the other pgrx: neither its cargo-pgrx nor its version in the lock, which stays as it was.
    let expected = [
        format!("cargo install --force --path {here}/fork/cargo-pgrx --root {here}/target/cloudberry"),
        format!("cargo {patches} update pgrx pgrx-pg-sys"),
        format!(
            "cargo-pgrx pgrx package --pg-config {here}/server/bin/pg_config --out-dir target/stage \
             --no-default-features --features pg14 cbdb pgrx/cbdb pgrx-pg-sys/cbdb"
        ),
        format!("cargo {patches} build"),
    ];
    let calls = fs::read_to_string(folder.path("calls")).unwrap();
    assert_eq!(calls.lines().collect::<Vec<_>>(), expected);
    assert_eq!(fs::read(folder.path("Cargo.lock")).unwrap(), lock);
    let installed = |name: &str| Path::new(&folder.path("server")).join(name).exists();
    assert!(installed("lib/millrace.so"));
    assert!(installed("share/extension/millrace.control"));
    assert!(installed("share/extension/millrace--0.1.0.sql"));
}
