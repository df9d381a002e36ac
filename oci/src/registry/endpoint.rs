//! Where a registry is reached: scheme, host and port. Pure; knows no client.
//!
//! Plain HTTP is for loopback and for the registries that the configuration names. The same rule judges every
//! address that a registry sends us on to: nobody else may take the encryption away.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// Docker Hub's name is not the name of its registry.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// The root of one registry's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
}

impl Endpoint {
    pub fn of(registry: &str, plain_http: &BTreeSet<String>) -> Self {
        let host = if registry == HUB.0 { HUB.1 } else { registry };
        let plain = plain_http.contains(registry) || is_loopback(host_of(host));
        let scheme = if plain { "http" } else { "https" };
        Self { base: format!("{scheme}://{host}/v2") }
    }

    /// `kind` is `manifests` or `blobs`; `name` a tag or a digest.
    pub fn url(&self, repository: &str, kind: &str, name: &str) -> String {
        format!("{}/{repository}/{kind}/{name}", self.base)
    }
}

/// Whether a request may go to `url`.
pub fn is_allowed(url: &Url, plain_http: &BTreeSet<String>) -> bool {
    let Some(host) = url.host_str() else { return false };
    match url.scheme() {
        "https" => true,
        "http" => {
            let with_port = url.port().map(|port| format!("{host}:{port}"));
            is_loopback(host)
                || plain_http.contains(host)
                || with_port.is_some_and(|with_port| plain_http.contains(&with_port))
        }
        _ => false,
    }
}

fn host_of(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => registry,
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host == "localhost"
        || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_and_for_named_registries() {
        let plain = BTreeSet::from(["reg.lan:5000".to_owned()]);
        for (registry, expected) in [
            ("docker.io", "https://registry-1.docker.io/v2/a/b/manifests/x"),
            ("ghcr.io", "https://ghcr.io/v2/a/b/manifests/x"),
            ("localhost:5000", "http://localhost:5000/v2/a/b/manifests/x"),
            ("127.3.2.1", "http://127.3.2.1/v2/a/b/manifests/x"),
            ("[::1]:5000", "http://[::1]:5000/v2/a/b/manifests/x"),
            ("reg.lan:5000", "http://reg.lan:5000/v2/a/b/manifests/x"),
            ("reg.lan", "https://reg.lan/v2/a/b/manifests/x"),
            ("127.0.0.1.evil.example", "https://127.0.0.1.evil.example/v2/a/b/manifests/x"),
            ("localhost.evil.example:80", "https://localhost.evil.example:80/v2/a/b/manifests/x"),
        ] {
            assert_eq!(Endpoint::of(registry, &plain).url("a/b", "manifests", "x"), expected);
        }
    }

    #[test]
    fn nobody_takes_the_encryption_away() {
        let plain = BTreeSet::from(["reg.lan:5000".to_owned()]);
        let allowed = |url: &str| is_allowed(&url.parse().unwrap(), &plain);
        assert!(allowed("https://cdn.example/x") && allowed("http://[::1]:1/x") && allowed("http://reg.lan:5000/x"));
        assert!(!allowed("http://cdn.example/x") && !allowed("http://reg.lan/x") && !allowed("ftp://localhost/x"));
    }
}
