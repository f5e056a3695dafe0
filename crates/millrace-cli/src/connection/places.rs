//! Where a server may be.

use super::settings::Settings;
use crate::error::{Error, Result};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;

/// Where the server's sockets usually are.
pub const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
const DEFAULT_PORT: u16 = 5432;

/// A host, or a folder with sockets.
#[derive(Debug, PartialEq)]
pub struct Place {
    /// What certificates and password files call it.
    pub host: String,
    address: Option<IpAddr>,
    pub port: u16,
}

impl Place {
    pub fn is_socket(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }

    pub fn name(&self) -> String {
        match (&self.address, self.host.as_str()) {
            (Some(address), "") => format!("{address} port {}", self.port),
            (_, host) => format!("{host} port {}", self.port),
        }
    }

    /// All addresses that the host has; none for a socket.
    pub fn addresses(&self) -> io::Result<Vec<Option<IpAddr>>> {
        if self.is_socket() || self.address.is_some() {
            return Ok(vec![self.address]);
        }
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.map(|address| Some(address.ip())).collect())
    }
}

/// All that are named; without any the usual sockets.
pub fn places(settings: &Settings) -> Result<Vec<Place>> {
    let (hosts, addresses) = (settings.list("host"), settings.list("hostaddr"));
    let ports = settings.list("port");
    let count = if addresses.is_empty() { hosts.len() } else { addresses.len() };
    if !addresses.is_empty() && !hosts.is_empty() && hosts.len() != count {
        let message = format!("{} hosts do not match {count} addresses", hosts.len());
        return Err(Error::usage(message, "Give as many hosts in host as addresses in hostaddr."));
    }
    if ports.len() > 1 && ports.len() != count {
        let message = format!("{} ports do not match {count} hosts", ports.len());
        return Err(Error::usage(message, "Give one port, or as many as hosts."));
    }
    let port = |index: usize| match ports.get(index).or(ports.first()).filter(|port| !port.is_empty()) {
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| Error::usage(format!("port: \"{port}\" is not a number in range"), "")),
        None => Ok(DEFAULT_PORT),
    };
    let socket = |folder: &str, port| Place { host: folder.to_owned(), address: None, port };
    let usual = || SOCKET_FOLDERS.into_iter().filter(|folder| Path::new(folder).is_dir());
    if count == 0 {
        let port = port(0)?;
        return Ok(usual().map(|folder| socket(folder, port)).collect());
    }
    let place = |index: usize| {
        let address = addresses.get(index).filter(|address| !address.is_empty());
        let address = address.map(|address| {
            let wrong = || Error::usage(format!("hostaddr: \"{address}\" is not an address"), "");
            address.parse().map_err(|_| wrong())
        });
        let host = hosts.get(index).copied().unwrap_or_default();
        match address.transpose()? {
            None if host.is_empty() => Ok(socket(usual().next().unwrap_or("/tmp"), port(index)?)),
            address => Ok(Place { host: host.to_owned(), address, port: port(index)? }),
        }
    };
    (0..count).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Vec<String>> {
        let mut settings = Settings::default();
        settings.add_database(text).ok()?;
        Some(places(&settings).ok()?.iter().map(Place::name).collect())
    }

    #[test]
    fn hosts_have_ports_and_addresses() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(found("host=a,/tmp port=1,"), names(&["a port 1", "/tmp port 5432"]));
        assert_eq!(found("host=a,b port=7"), names(&["a port 7", "b port 7"]));
        assert_eq!(found("host=a,b hostaddr=::1,::2"), names(&["a port 5432", "b port 5432"]));
        assert_eq!(found("hostaddr=::1"), names(&["::1 port 5432"]));
        for wrong in
            ["host=a port=1,2", "host=a hostaddr=::1,::2", "hostaddr=a", "host=a port=0", "host=a port=x"]
        {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }
}
