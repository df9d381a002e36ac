//! What `EXPOSE` says: ports, ranges of them, protocols. Knows no image.

/// `8080`, `80/udp`, `7000-7002/tcp` as `port/protocol`, one for each port.
///
/// An address and a host port before it (`127.0.0.1:80:8080`) are checked and forgotten, as Docker does.
pub(super) fn parse(text: &str) -> Result<Vec<String>, String> {
    let (outside, container) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, host) = outside.rsplit_once(':').unwrap_or(("", outside));
    let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
    let protocol = match protocol.to_lowercase() {
        empty if empty.is_empty() => "tcp".to_owned(),
        known if matches!(known.as_str(), "tcp" | "udp" | "sctp") => known,
        _ => return Err(format!("`{protocol}` in `{text}` is no protocol: expected `tcp`, `udp` or `sctp`")),
    };
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
            let found = parse(text);
            let expected = expected.map(|ports| ports.iter().map(|port| (*port).to_owned()).collect::<Vec<_>>());
            assert_eq!(found.map_err(|_| ()), expected, "{text}");
        }
    }
}
