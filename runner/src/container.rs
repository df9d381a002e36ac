//! `kiln run`: an image's config and what was asked for on top of it, made into a [`RunSpec`]. Pure; knows no store.
//!
//! The rules are Docker's: arguments take the place of the command; another entrypoint drops the image's command;
//! variables are set over the image's; the user and the directory are the image's unless named.

use oci::image::RunConfig;

use crate::passwd::{AccountError, Accounts};
use crate::sandbox::spec::{File, Mount, Network, Root, RunSpec};

/// What a process gets when its image says no `PATH`.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What was asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The program that takes the entrypoint's place; an empty one takes it away.
    pub entrypoint: Option<String>,
    /// What follows the image's name.
    pub args: Vec<String>,
    /// `NAME=value`
    pub env: Vec<String>,
    pub workdir: Option<String>,
    pub user: Option<String>,
    pub hostname: String,
    pub mounts: Vec<Mount>,
    pub files: Vec<File>,
    pub network: Option<Network>,
    pub read_only: bool,
    pub privileged: bool,
    pub no_new_privileges: bool,
    pub terminal: bool,
}

/// Why a container cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("the image says nothing to run\nhint: give a command after the image's name")]
    NothingToRun,
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// The process of a container whose root is `root`.
pub fn spec(
    config: &RunConfig,
    overrides: &Overrides,
    accounts: &Accounts,
    root: Root,
) -> Result<RunSpec, ContainerError> {
    let args = command(config, overrides);
    if args.is_empty() {
        return Err(ContainerError::NothingToRun);
    }
    let login = accounts.login(overrides.user.as_deref().unwrap_or(&config.user))?;
    let cwd = overrides.workdir.as_deref().unwrap_or(&config.working_dir);
    Ok(RunSpec {
        root,
        readonly_root: overrides.read_only,
        args,
        env: environment(config, overrides, &login.home),
        cwd: if cwd.is_empty() { "/".to_owned() } else { cwd.to_owned() },
        user: login.credentials,
        hostname: overrides.hostname.clone(),
        network: overrides.network.unwrap_or(Network::Host),
        mounts: overrides.mounts.clone(),
        files: overrides.files.clone(),
        limits: Vec::new(),
        privileged: overrides.privileged,
        no_new_privileges: overrides.no_new_privileges,
    })
}

fn command(config: &RunConfig, overrides: &Overrides) -> Vec<String> {
    let (mut args, own_cmd) = match &overrides.entrypoint {
        Some(entrypoint) if entrypoint.is_empty() => (Vec::new(), false),
        Some(entrypoint) => (vec![entrypoint.clone()], false),
        None => (config.entrypoint.clone().unwrap_or_default(), true),
    };
    if !overrides.args.is_empty() {
        args.extend(overrides.args.iter().cloned());
    } else if own_cmd {
        args.extend(config.cmd.iter().flatten().cloned());
    }
    args
}

fn environment(config: &RunConfig, overrides: &Overrides, home: &str) -> Vec<String> {
    let mut env: Vec<String> = Vec::new();
    let mut set = |variable: &str| {
        let name = variable.split('=').next().unwrap_or_default();
        match env.iter_mut().find(|other| other.split('=').next() == Some(name)) {
            Some(other) => *other = variable.to_owned(),
            None => env.push(variable.to_owned()),
        }
    };
    set(PATH);
    set(&format!("HOSTNAME={}", overrides.hostname));
    if overrides.terminal {
        set("TERM=xterm");
    }
    config.env.iter().flatten().chain(&overrides.env).for_each(|variable| set(variable));
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={home}"));
    }
    env
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn config() -> RunConfig {
        RunConfig {
            entrypoint: Some(vec!["/init".to_owned()]),
            cmd: Some(vec!["serve".to_owned()]),
            env: Some(vec!["A=1".to_owned(), "PATH=/bin".to_owned()]),
            working_dir: "/srv".to_owned(),
            ..RunConfig::default()
        }
    }

    fn args(overrides: &Overrides) -> Vec<String> {
        spec(&config(), overrides, &Accounts::default(), Root::Dir(PathBuf::from("/r"))).unwrap().args
    }

    #[test]
    fn arguments_take_the_place_of_the_command() {
        assert_eq!(args(&Overrides::default()), ["/init", "serve"]);
        assert_eq!(args(&Overrides { args: vec!["x".to_owned()], ..Overrides::default() }), ["/init", "x"]);
        let sh = Overrides { entrypoint: Some("sh".to_owned()), ..Overrides::default() };
        assert_eq!(args(&sh), ["sh"]);
        let none = Overrides { entrypoint: Some(String::new()), args: vec!["ls".to_owned()], ..Overrides::default() };
        assert_eq!(args(&none), ["ls"]);
        let nothing = Overrides { entrypoint: Some(String::new()), ..Overrides::default() };
        let root = Root::Dir(PathBuf::from("/r"));
        assert!(matches!(spec(&config(), &nothing, &Accounts::default(), root), Err(ContainerError::NothingToRun)));
    }

    #[test]
    fn variables_are_set_over_the_image_s() {
        let overrides = Overrides {
            env: vec!["A=2".to_owned(), "B=3".to_owned()],
            hostname: "h".to_owned(),
            ..Overrides::default()
        };
        let spec = spec(&config(), &overrides, &Accounts::default(), Root::Dir(PathBuf::from("/r"))).unwrap();
        assert_eq!(spec.env, ["PATH=/bin", "HOSTNAME=h", "A=2", "B=3", "HOME=/"]);
        assert_eq!(spec.cwd, "/srv");
    }
}
