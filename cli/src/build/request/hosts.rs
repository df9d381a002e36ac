//! `--add-host`: names for `/etc/hosts` of the steps. Pure.

use std::net::IpAddr;

use crate::report::Problem;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedHost {
    pub name: String,
    pub address: HostAddress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAddress {
    Is(IpAddr),
    /// Where a step reaches this machine.
    Gateway,
}

/// `NAME:IP`, or `NAME=IP`, which newer Dockers prefer; several addresses have commas between.
pub fn parse(text: &str) -> Result<Vec<AddedHost>, Problem> {
    let wrong = || {
        Problem::usage(format!("invalid `--add-host {text}`: expected a name and an address"))
            .hint("`--add-host NAME:IP`, or `--add-host NAME:host-gateway` for this machine")
    };
    let (name, addresses) = text.split_once('=').or_else(|| text.split_once(':')).ok_or_else(wrong)?;
    if name.is_empty() {
        return Err(wrong());
    }
    let host = |address| AddedHost { name: name.to_lowercase(), address };
    if addresses == "host-gateway" {
        return Ok(vec![host(HostAddress::Gateway)]);
    }
    let parse = |text: &str| {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        bare.parse().map(|address| host(HostAddress::Is(address))).map_err(|_| wrong())
    };
    addresses.split(',').map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        let said = |text: &str| {
            let shown = |host: AddedHost| match host.address {
                HostAddress::Is(address) => format!("{} {address}", host.name),
                HostAddress::Gateway => format!("{} gateway", host.name),
            };
            parse(text).map(|hosts| hosts.into_iter().map(shown).collect::<Vec<_>>().join("; ")).ok()
        };
        for (text, meant) in [
            ("db:10.0.0.1", Some("db 10.0.0.1")),
            ("DB=10.0.0.1", Some("db 10.0.0.1")),
            ("db:::1", Some("db ::1")),
            ("db=[::1]", Some("db ::1")),
            ("db=10.0.0.1,[::1]", Some("db 10.0.0.1; db ::1")),
            ("db:host-gateway", Some("db gateway")),
            ("db", None),
            (":10.0.0.1", None),
            ("db:", None),
            ("db:10.0.0", None),
        ] {
            assert_eq!(said(text).as_deref(), meant, "{text}");
        }
    }
}
