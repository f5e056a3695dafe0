//! Connection service files: sections of connection parameters under names.

use super::settings::{home, variable};
use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Where packages of libpq have the file of all users, unless PGSYSCONFDIR says.
const SYSTEM_FOLDERS: [&str; 2] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql"];

/// The parameters of a service: of the user's file, or else of the system's.
pub fn parameters(service: &str) -> Result<Vec<(String, String)>> {
    for path in files() {
        let text =
            fs::read_to_string(&path).map_err(Error::file(format!("service file {}", path.display())))?;
        if let Some(found) = section(&text, service).map_err(|line| wrong_line(&path, line))? {
            return Ok(found);
        }
    }
    let hint = "Define it in PGSERVICEFILE, ~/.pg_service.conf, or pg_service.conf in PGSYSCONFDIR.";
    Err(Error::usage(format!("definition of service \"{service}\" not found"), hint))
}

/// A file that PGSERVICEFILE names has to be there, the others may.
fn files() -> Vec<PathBuf> {
    let users = variable("PGSERVICEFILE")
        .map(PathBuf::from)
        .or_else(|| Some(home()?.join(".pg_service.conf")).filter(|path| path.exists()));
    let folders = match variable("PGSYSCONFDIR") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => SYSTEM_FOLDERS.map(PathBuf::from).to_vec(),
    };
    let systems = folders.into_iter().map(|folder| folder.join("pg_service.conf"));
    users.into_iter().chain(systems.filter(|path| path.exists())).collect()
}

fn wrong_line(path: &Path, line: usize) -> Error {
    let message = format!("syntax error in service file {}, line {line}", path.display());
    Error::usage(message, "A line is [service], keyword=value, empty, or a comment that begins with #.")
}

/// The parameters under `[service]`, if it is there; or the number of a line that makes no sense.
fn section(text: &str, service: &str) -> std::result::Result<Option<Vec<(String, String)>>, usize> {
    let mut found: Option<Vec<(String, String)>> = None;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let name = line.strip_prefix('[').map(|rest| rest.strip_suffix(']').ok_or(number)).transpose()?;
        match (name, &mut found) {
            (Some(_), Some(_)) => return Ok(found),
            (Some(name), None) => found = (name == service).then(Vec::new),
            (None, Some(parameters)) if !line.is_empty() && !line.starts_with('#') => {
                let (keyword, value) = line.split_once('=').ok_or(number)?;
                // A service that names a service could be looked up endlessly.
                if keyword == "service" {
                    return Err(number);
                }
                parameters.push((keyword.to_owned(), value.to_owned()));
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# services\nstray\n\n[a]\n host=one \nport=1\n#user=x\n[b]\nhost=two\ndbname=d=e\n[b]\nuser=no\n[c]\nhost\n[d]\nservice=a\n";

    fn found(service: &str) -> std::result::Result<Option<Vec<String>>, usize> {
        let text = |(keyword, value): (String, String)| format!("{keyword}={value}");
        Ok(section(FILE, service)?.map(|parameters| parameters.into_iter().map(text).collect()))
    }

    #[test]
    fn sections_are_found_by_name() {
        assert_eq!(found("a"), Ok(Some(vec!["host=one".to_owned(), "port=1".to_owned()])));
        assert_eq!(found("b"), Ok(Some(vec!["host=two".to_owned(), "dbname=d=e".to_owned()])));
        assert_eq!(found("x"), Ok(None));
    }

    #[test]
    fn lines_without_sense_are_refused_where_they_matter() {
        assert_eq!(found("c"), Err(14));
        assert_eq!(found("d"), Err(16));
        assert_eq!(section("[a", "b"), Err(1));
    }
}
