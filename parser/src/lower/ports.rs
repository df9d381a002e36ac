//! What `EXPOSE` says: ports, ranges of them, protocols. Knows no image.

/// One port or range as it is written: `127.0.0.1:80:8080/tcp`.
pub(super) struct Port<'t> {
    pub text: &'t str,
    address: &'t str,
    host: &'t str,
    range: &'t str,
    /// Empty when none is given.
    protocol: &'t str,
}

impl<'t> Port<'t> {
    pub fn parse(text: &'t str) -> Result<Self, String> {
        let (outside, container) = text.rsplit_once(':').unwrap_or(("", text));
        let (address, host) = outside.rsplit_once(':').unwrap_or(("", outside));
        let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
        if range.is_empty() {
            return Err(format!("`{text}` names no port"));
        }
        if !["", "tcp", "udp", "sctp"].contains(&&*protocol.to_lowercase()) {
            return Err(format!("`{protocol}` in `{text}` is no protocol: expected `tcp`, `udp` or `sctp`"));
        }
        Ok(Self { text, address, host, range, protocol })
    }

    /// Whether an address or a host port stands before it.
    pub fn is_mapped(&self) -> bool {
        !self.address.is_empty() || !self.host.is_empty()
    }

    /// Whether its protocol is in lower case.
    pub fn is_lower(&self) -> bool {
        self.protocol == self.protocol.to_lowercase()
    }

    /// `8080/tcp` for each port. What stands before it is checked and forgotten, as Docker does.
    pub fn list(&self) -> Result<Vec<String>, String> {
        let Port { text, address, host, range, .. } = self;
        let protocol = if self.protocol.is_empty() { "tcp".to_owned() } else { self.protocol.to_lowercase() };
        check_address(address)?;
        let (first, last) = parse_range(range)?;
        if !host.is_empty() {
            let (first_host, last_host) = parse_range(host)?;
            if last - first != last_host - first_host && first != last {
                return Err(format!("`{range}` and `{host}` in `{text}` are ranges of different lengths"));
            }
        }
        Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
    }
}

fn check_address(address: &str) -> Result<(), String> {
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if address.is_empty() || bare.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    Err(format!("`{address}` is no IP address"))
}

fn parse_range(text: &str) -> Result<(u16, u16), String> {
    let bad = || format!("`{text}` is no port: expected a number from 0 to 65535, or two with a `-` between");
    let number = |text: &str| {
        let digits = text.strip_prefix('+').unwrap_or(text);
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u16>().ok()).flatten().ok_or_else(bad)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = (number(first)?, number(last)?);
    if range.0 > range.1 { Err(format!("the range of ports `{text}` is upside down")) } else { Ok(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        let table: [(&str, Result<&[&str], ()>); 13] = [
            ("80", Ok(&["80/tcp"])),
            ("53/UDP", Ok(&["53/udp"])),
            ("80/", Ok(&["80/tcp"])),
            ("80-82/sctp", Ok(&["80/sctp", "81/sctp", "82/sctp"])),
            ("127.0.0.1:8080:80", Ok(&["80/tcp"])),
            ("[::1]:8080:80", Ok(&["80/tcp"])),
            ("8000-9000:80", Ok(&["80/tcp"])),
            ("8000-9000:80-81", Err(())),
            ("65536", Err(())),
            ("82-80", Err(())),
            ("80/icmp", Err(())),
            ("", Err(())),
            ("x:1:80", Err(())),
        ];
        for (text, expected) in table {
            let found = Port::parse(text).and_then(|port| port.list());
            let expected = expected.map(|ports| ports.iter().map(|port| (*port).to_owned()).collect::<Vec<_>>());
            assert_eq!(found.map_err(|_| ()), expected, "{text}");
        }
    }
}
