//! What a build is given beside its context: secrets, which are read at once, and the names in `/etc/hosts`. Knows not
//! which step wants which.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use runner::executor::HOSTNAME;

use super::request::{AddedHost, HostAddress, Secret, SecretFrom};
use crate::report::{self, Kind, Problem};

/// As in BuildKit.
const MAX_SECRET: u64 = 500 << 10;

/// The secrets, by id. A variable that is not set is an empty one, as in buildx.
pub fn secrets(wanted: &[Secret]) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
    let read = |secret: &Secret| {
        let bytes = match &secret.from {
            SecretFrom::Variable(name) => std::env::var_os(name).unwrap_or_default().into_vec(),
            SecretFrom::File(path) => file(&secret.id, path)?,
        };
        if bytes.len() as u64 > MAX_SECRET {
            return Err(Problem::build(format!(
                "the secret `{}` is too long: {MAX_SECRET} bytes are the most",
                secret.id
            ))
            .hint("share it another way: a named context is read-only too (`--build-context`)"));
        }
        Ok((secret.id.clone(), bytes))
    };
    wanted.iter().map(read).collect()
}

fn file(id: &str, path: &Path) -> Result<Vec<u8>, Problem> {
    let failed = |error: std::io::Error| {
        let what = format!("read the secret `{id}`: open");
        report::io(Kind::Build, &what, path, &error)
            .hint(format!("`--secret id={id},src=FILE`, or `--secret id={id},env=VARIABLE`"))
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_SECRET + 1).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(bytes)
}

/// `/etc/hosts` of the steps: this machine's names for itself, and what `--add-host` says. The steps share this
/// machine's network, so that it is its own gateway.
pub fn hosts(added: &[AddedHost]) -> Vec<u8> {
    let mut text = format!("127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for host in added {
        let address = match host.address {
            HostAddress::Is(address) => address,
            HostAddress::Gateway => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        text += &format!("{address}\t{}\n", host.name);
    }
    text.into_bytes()
}
