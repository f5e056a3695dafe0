//! Connection strings: `keyword=value …`, or a URI, taken apart as libpq does.

use std::iter::Peekable;
use std::str::Chars;

type Result<T> = std::result::Result<T, String>;

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];

/// Whether a database's name is in fact a connection string.
pub fn is_one(text: &str) -> bool {
    text.contains('=') || without_scheme(text).is_some()
}

/// Its parameters; or what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<(String, String)>> {
    match without_scheme(text) {
        Some(rest) => uri(rest),
        None => pairs(text),
    }
}

fn without_scheme(text: &str) -> Option<&str> {
    SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme))
}

fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let mut rest = text.chars().peekable();
    let mut found = Vec::new();
    loop {
        skip_space(&mut rest);
        if rest.peek().is_none() {
            return Ok(found);
        }
        let mut keyword = String::new();
        while let Some(character) = rest.next_if(|c| *c != '=' && !c.is_whitespace()) {
            keyword.push(character);
        }
        skip_space(&mut rest);
        if rest.next() != Some('=') {
            return Err(format!("\"{keyword}\" has no \"=\" and no value"));
        }
        skip_space(&mut rest);
        found.push((keyword, value(&mut rest)?));
    }
}

fn skip_space(rest: &mut Peekable<Chars>) {
    while rest.next_if(|c| c.is_whitespace()).is_some() {}
}

/// A value, in quotes or up to a space; a backslash takes the next character as it is.
fn value(rest: &mut Peekable<Chars>) -> Result<String> {
    let quoted = rest.next_if_eq(&'\'').is_some();
    let mut value = String::new();
    loop {
        match rest.next() {
            Some('\'') if quoted => return Ok(value),
            None if quoted => return Err("a quote is not closed".to_owned()),
            None => return Ok(value),
            Some(character) if !quoted && character.is_whitespace() => return Ok(value),
            Some('\\') => value.extend(rest.next()),
            Some(character) => value.push(character),
        }
    }
}

/// `[user[:password]@][host[:port],…][/database][?keyword=value&…]`
fn uri(text: &str) -> Result<Vec<(String, String)>> {
    let before_path = text.split('/').next().unwrap_or_default();
    let (user, rest) = match before_path.split_once('@') {
        Some((user, _)) => (user, &text[user.len() + 1..]),
        None => ("", text),
    };
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, dbname) = rest.split_once('/').unwrap_or((rest, ""));
    let places = hosts.split(',').map(host_and_port).collect::<Result<Vec<_>>>()?;
    let list = |names: Vec<&str>| match names.iter().all(|name| name.is_empty()) {
        true => String::new(),
        false => names.join(","),
    };
    let (hosts, ports): (Vec<_>, Vec<_>) = places.into_iter().unzip();
    let parts = [
        ("user", user),
        ("password", password),
        ("host", &list(hosts)),
        ("port", &list(ports)),
        ("dbname", dbname),
    ];
    let given = parts.into_iter().filter(|(_, value)| !value.is_empty());
    let mut found = given
        .map(|(keyword, value)| Ok((keyword.to_owned(), decoded(value)?)))
        .collect::<Result<Vec<_>>>()?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        found.push(parameter(pair)?);
    }
    Ok(found)
}

fn host_and_port(text: &str) -> Result<(&str, &str)> {
    let Some(address) = text.strip_prefix('[') else {
        return Ok(text.split_once(':').unwrap_or((text, "")));
    };
    let (address, rest) = address.split_once(']').ok_or("an address in brackets has no \"]\"")?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if rest.is_empty() => Ok((address, "")),
        None => Err(format!("\"{rest}\" follows an address in brackets")),
    }
}

fn parameter(pair: &str) -> Result<(String, String)> {
    let (keyword, value) =
        pair.split_once('=').ok_or_else(|| format!("\"{pair}\" has no \"=\" and no value"))?;
    Ok(match (decoded(keyword)?, decoded(value)?) {
        // As JDBC says it.
        (keyword, value) if keyword == "ssl" && value == "true" => {
            ("sslmode".to_owned(), "require".to_owned())
        }
        pair => pair,
    })
}

/// With %XX as the byte it stands for.
fn decoded(text: &str) -> Result<String> {
    let wrong = || format!("\"{text}\" has a % without two hexadecimal digits, or bytes that are not UTF-8");
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.filter(|byte| *byte != 0).ok_or_else(wrong)?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<String>> {
        Ok(parse(text)?.iter().map(|(keyword, value)| format!("{keyword}={value}")).collect())
    }

    fn are(pairs: &[&str]) -> Result<Vec<String>> {
        Ok(pairs.iter().map(|pair| (*pair).to_owned()).collect())
    }

    #[test]
    fn values_are_quoted_and_escaped() {
        assert_eq!(parsed("host=db port = 5433  dbname=''"), are(&["host=db", "port=5433", "dbname="]));
        assert_eq!(parsed(r"password='a b\'\\' user=x\ y"), are(&[r"password=a b'\", "user=x y"]));
        for wrong in ["host", "host=a port", "password='a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn uris_have_several_hosts_and_escapes() {
        assert_eq!(
            parsed("postgresql://me:s%40e:c@a:1,[::1]:2,c/db%20x?sslmode=verify-full&application_name=%25"),
            are(&[
                "user=me",
                "password=s@e:c",
                "host=a,::1,c",
                "port=1,2,",
                "dbname=db x",
                "sslmode=verify-full",
                "application_name=%"
            ])
        );
        assert_eq!(
            parsed("postgres://%2Ftmp/x?ssl=true"),
            are(&["host=/tmp", "dbname=x", "sslmode=require"])
        );
        assert_eq!(parsed("postgres://"), are(&[]));
        for wrong in
            ["postgres://[", "postgres://[::1]x", "postgres:///%4", "postgres:///%00", "postgres:///a?b"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
