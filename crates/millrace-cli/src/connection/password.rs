//! Password files: lines `host:port:database:user:password`; the first that fits has the password.

use super::settings::{Settings, home};
use crate::output;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The text of the file, if there is one that only its owner can read.
pub struct PasswordFile(String);

impl PasswordFile {
    /// The one that is named, or ~/.pgpass.
    pub fn read(settings: &Settings) -> Self {
        let path = settings.get("passfile").map(PathBuf::from).or_else(|| Some(home()?.join(".pgpass")));
        Self(path.and_then(|path| private_text(&path)).unwrap_or_default())
    }

    /// The password for a host, a port, a database and a user.
    pub fn password(&self, wanted: [&str; 4]) -> Option<String> {
        self.0.lines().find_map(|line| password_of(line, wanted))
    }
}

fn private_text(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let wrong = match metadata.permissions().mode() & 0o077 {
        _ if !metadata.is_file() => "is not a plain file",
        0 => return fs::read_to_string(path).ok(),
        _ => "can be read by others; chmod 0600 makes it private",
    };
    output::note(&format!("millrace: password file {} is not used: it {wrong}", path.display()));
    None
}

/// The password of a line, if the line is for this server.
fn password_of(line: &str, wanted: [&str; 4]) -> Option<String> {
    let mut rest = line.strip_suffix('\r').unwrap_or(line);
    if rest.starts_with('#') {
        return None;
    }
    for wanted in wanted {
        rest = match rest.strip_prefix("*:") {
            Some(rest) => rest,
            None => after_field(rest, wanted)?,
        };
    }
    Some(unescaped(rest).collect())
}

/// What follows a field and its colon, if the field is the text wanted.
fn after_field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    let mut escaped = false;
    let end = line.find(|character| {
        let ends = character == ':' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    unescaped(&line[..end]).eq(wanted.chars()).then(|| &line[end + 1..])
}

/// With the characters that backslashes protect.
fn unescaped(text: &str) -> impl Iterator<Item = char> {
    let mut characters = text.chars();
    std::iter::from_fn(move || match characters.next()? {
        '\\' => characters.next(),
        character => Some(character),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_password_file_are_for_a_server() {
        let password = |line| password_of(line, ["db.example", "5432", "be:nch", "ann"]);
        assert_eq!(password("db.example:5432:be\\:nch:ann:secret").as_deref(), Some("secret"));
        assert_eq!(password("*:*:*:*:a\\:b:c\\\\\r").as_deref(), Some("a:b:c\\"));
        for other in [
            "db.example:5433:*:*:x",
            "# db.example:*:*:*:x",
            "db.example:5432",
            "\\*:*:*:*:x",
            "db*:*:*:*:x",
            "db.example:5432:be:nch:ann:x",
        ] {
            assert_eq!(password(other), None, "{other}");
        }
    }

    #[test]
    fn an_escaped_star_is_a_star() {
        assert_eq!(password_of("\\*:1:d:u:x", ["*", "1", "d", "u"]).as_deref(), Some("x"));
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = PasswordFile("h:1:d:u:first\n*:*:*:*:last\n".to_owned());
        assert_eq!(file.password(["h", "1", "d", "u"]).as_deref(), Some("first"));
        assert_eq!(file.password(["h", "2", "d", "u"]).as_deref(), Some("last"));
    }
}
