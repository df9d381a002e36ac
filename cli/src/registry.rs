//! What the registries have to know of the person at this machine: Docker's log-ins, the proxies, the registries without
//! TLS. Knows nothing of how registries are spoken to.
//!
//! Credentials are looked for in `$DOCKER_CONFIG/config.json`, by default in `~/.docker`, and only when a registry asks
//! who we are.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use oci::Network;
use oci::registry::{AuthFile, Credentials, Login, Registry, RegistryConfig, parse_helper_answer};

/// Opens no connection, reads no file and starts no thread.
pub fn registry() -> Registry {
    Registry::new(RegistryConfig { plain_http: plain_http(), credentials: Box::new(credentials), network: network() })
}

/// The proxies of this machine.
pub fn network() -> Network {
    Network {
        http_proxy: proxy("http_proxy"),
        https_proxy: proxy("https_proxy"),
        no_proxy: proxy("no_proxy"),
        ..Network::default()
    }
}

/// The same as other programs take them: variables, as they are set.
pub fn proxies() -> Vec<(String, String)> {
    let names = ["http_proxy", "https_proxy", "no_proxy", "all_proxy"];
    let names = names.into_iter().flat_map(|name| [name.to_owned(), name.to_uppercase()]);
    names.filter_map(|name| variable(&name).map(|value| (name, value))).collect()
}

fn proxy(name: &str) -> Option<String> {
    variable(name).or_else(|| variable(&name.to_uppercase()))
}

/// `KILN_PLAIN_HTTP=host:port,…`
fn plain_http() -> BTreeSet<String> {
    let list = variable("KILN_PLAIN_HTTP").unwrap_or_default();
    list.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect()
}

fn credentials(registry: &str) -> Result<Option<Credentials>, String> {
    let Some(path) = config_file() else { return Ok(None) };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("`{}`: {}", path.display(), crate::report::reason(&error))),
    };
    let file = AuthFile::parse(&text).map_err(|error| format!("`{}`: {error}", path.display()))?;
    for login in file.logins(registry) {
        match login {
            Login::Credentials(credentials) => return Ok(Some(credentials)),
            Login::Helper { name, server } => {
                if let Some(credentials) = ask(Path::new(&format!("docker-credential-{name}")), &server)? {
                    return Ok(Some(credentials));
                }
            }
        }
    }
    Ok(None)
}

fn config_file() -> Option<PathBuf> {
    let dir = variable("DOCKER_CONFIG").map(PathBuf::from);
    dir.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".docker"))).map(|dir| dir.join("config.json"))
}

/// Asks a credential helper; `None` when it knows nothing of `server`.
fn ask(helper: &Path, server: &str) -> Result<Option<Credentials>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the credential helper `{}`: {error}", helper.display());
    let mut child = Command::new(helper)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not want to know says why on its output.
        let _ = writeln!(stdin, "{server}");
    }
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return parse_helper_answer(&answer).map(Some).map_err(|error| failed(&error));
    }
    // The words are fixed by docker-credential-helpers' protocol.
    if answer.contains("credentials not found") {
        return Ok(None);
    }
    Err(failed(&answer.trim()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
