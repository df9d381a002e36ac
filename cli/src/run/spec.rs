//! What the command line says beyond the image, as the runner takes it. Looks at what `-v` names, and at the host's own
//! names; how all of it becomes a process is [`runner::container`]'s to say.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cache::Ingest;
use oci::Digest;
use runner::container::Overrides;
use runner::sandbox::spec::{File, Mount, MountKind, Network};

use super::NOT_STARTED;
use crate::args::run::{RunArgs, RunNetwork};
use crate::report::Problem;

/// The whole of it.
pub fn overrides(
    args: &RunArgs,
    changes: &Ingest,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Overrides, Problem> {
    if let Some(dir) = args.workdir.as_ref().filter(|dir| !dir.starts_with('/')) {
        return Err(Problem::new(NOT_STARTED, format!("the working directory `{dir}` does not begin with `/`")));
    }
    let hostname = hostname(args, changes);
    Ok(Overrides {
        entrypoint: args.entrypoint.clone(),
        args: args.command.clone(),
        env: args.env.iter().filter_map(|entry| with_value(entry, variable)).collect(),
        workdir: args.workdir.clone(),
        user: args.user.clone(),
        files: network_files(args, &hostname),
        hostname,
        mounts: args.volumes.iter().map(|text| volume(text)).collect::<Result<_, _>>()?,
        network: Some(network(args)),
        read_only: args.read_only,
        terminal: args.tty,
        privileged: false,
        // As Docker: `sudo` and `ping` are to work.
        no_new_privileges: false,
    })
}

/// A variable without a value has that of our own environment, if any.
fn with_value(entry: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    if entry.contains('=') {
        return Some(entry.to_owned());
    }
    variable(entry).map(|value| format!("{entry}={value}"))
}

/// What was typed; on the host's network the host's own; else twelve digits that no other container has now.
fn hostname(args: &RunArgs, changes: &Ingest) -> String {
    match (&args.hostname, args.network) {
        (Some(name), _) => name.clone(),
        (None, RunNetwork::Host) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        (None, RunNetwork::None) => Digest::of(changes.fs().as_os_str().as_bytes()).hex()[..12].to_owned(),
    }
}

/// The files that tell how to reach others. On the host's network they are the host's.
fn network_files(args: &RunArgs, hostname: &str) -> Vec<File> {
    let (hosts, resolvers) = match args.network {
        RunNetwork::Host => (std::fs::read("/etc/hosts").ok(), std::fs::read("/etc/resolv.conf").unwrap_or_default()),
        RunNetwork::None => (None, Vec::new()),
    };
    let hosts = hosts.unwrap_or_else(|| {
        format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n").into_bytes()
    });
    [("/etc/hosts", hosts), ("/etc/resolv.conf", resolvers), ("/etc/hostname", format!("{hostname}\n").into_bytes())]
        .map(|(target, contents)| File { target: target.to_owned(), contents, mode: 0o644 })
        .into()
}

/// `HOST:CTR[:ro|:rw]`
fn volume(text: &str) -> Result<Mount, Problem> {
    let wrong = |what: &str| {
        Problem::new(NOT_STARTED, format!("invalid volume `{text}`: {what}")).hint("`-v HOST:CTR` or `-v HOST:CTR:ro`")
    };
    let mut parts = text.split(':');
    let (host, target, options) = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(target), options, None) => (host, target, options.unwrap_or("rw")),
        _ => return Err(wrong("expected a path here and one in the container")),
    };
    let readonly = match options {
        "ro" => true,
        "rw" => false,
        _ => return Err(wrong(&format!("`{options}` is neither `ro` nor `rw`"))),
    };
    if !target.starts_with('/') {
        return Err(wrong(&format!("the path in the container, `{target}`, does not begin with `/`")));
    }
    if !host.starts_with(['/', '.', '~']) {
        return Err(wrong("named volumes are not there yet; a path begins with `/` or `.`"));
    }
    let source = Path::new(host)
        .canonicalize()
        .map_err(|error| wrong(&format!("`{host}`: {}", crate::report::reason(&error))))?;
    Ok(Mount { target: target.to_owned(), kind: MountKind::Bind { source }, readonly })
}

fn network(args: &RunArgs) -> Network {
    match args.network {
        RunNetwork::Host => Network::Host,
        RunNetwork::None => Network::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_without_a_value_come_from_the_environment() {
        let variable = |name: &str| (name == "HERE").then(|| "yes".to_owned());
        let values = ["A=2", "HERE", "UNSET", "B="].map(|entry| with_value(entry, &variable));
        assert_eq!(values, [Some("A=2".to_owned()), Some("HERE=yes".to_owned()), None, Some("B=".to_owned())]);
    }

    #[test]
    fn volumes() {
        let here = std::env::current_dir().expect("there is one").canonicalize().expect("it exists");
        let mount = volume(".:/src:ro").expect("valid");
        assert_eq!((mount.kind, mount.readonly), (MountKind::Bind { source: here }, true));
        for wrong in ["/tmp", "/tmp:relative", "/tmp:/x:rx", "data:/x", "/does-not-exist:/x", "/a:/b:ro:z"] {
            assert!(volume(wrong).is_err(), "{wrong}");
        }
    }
}
