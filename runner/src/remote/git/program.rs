//! The `git` program, run so that neither this machine's configuration nor a hostile repository has a say in it. Knows
//! commands, not what they are for.
//!
//! Its environment is made here, whole: no configuration of the system or the user, no hooks, no prompts, no programs
//! but `git` and `ssh`, and a list of the protocols that it may speak. What authorises us is in the environment, not
//! among the arguments, which everybody on the machine can read. A command and all its children end when the build is
//! canceled.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use graph::op::Git;
use oci::web::redacted;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use solver::port::Cancel;

use super::super::{Remotes, Surroundings};

/// What may be spoken with a remote.
const PROTOCOLS: &str = "https:http:ssh:git";
/// What is kept of a command's output.
const MAX_OUTPUT: u64 = 16 << 20;
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Configuration that holds for every command.
const CONFIG: [(&str, &str); 13] = [
    ("advice.detachedHead", "false"),
    ("core.autocrlf", "false"),
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.logAllRefUpdates", "false"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    ("gc.auto", "0"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("init.defaultBranch", "master"),
    ("maintenance.auto", "false"),
    ("safe.directory", "*"),
];

#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("cannot fetch `{remote}`: {reason}")]
    Address { remote: String, reason: &'static str },
    #[error("cannot fetch `{remote}`: `{reference}` can be no reference of a repository")]
    BadReference { remote: String, reference: String },
    #[error("invalid checksum {checksum} for Git URL, expected hex commit hash")]
    BadChecksum { checksum: String },
    #[error("cannot fetch `{remote}`: fetch-by-commit requires a full commit SHA, as its checksum or its ref")]
    NothingPinned { remote: String },
    #[error(
        "cannot fetch `{remote}`: there is no `git` program\nhint: install Git: `apt-get install git`, `apk add git`, `dnf install git`"
    )]
    Missing { remote: String },
    #[error("cannot run `git {command}`")]
    Run { command: String, source: std::io::Error },
    #[error("cannot fetch `{remote}`: `git {command}` failed: {said}{}", hint(.said))]
    Failed { remote: String, command: String, said: String, local: bool },
    #[error(
        "cannot fetch `{remote}`: no SSH key \"{id}\" forwarded from the client\nhint: start an agent, add the key to it, and give it with `--ssh {id}`"
    )]
    NoAgent { remote: String, id: String },
    #[error("cannot fetch `{remote}`: the secret `{id}` is not text of one line")]
    Secret { remote: String, id: String },
    #[error("repository `{remote}` does not contain ref {reference}")]
    NoReference { remote: String, reference: String },
    #[error("repository `{remote}` does not contain the commit {commit}, or does not give it away by its name alone")]
    NoCommit { remote: String, commit: String },
    #[error("`{remote}`: expected checksum to match {expected}, got {found}")]
    Checksum { remote: String, expected: String, found: String },
    #[error("`{remote}`: invalid subdir {subdir}: {reason}")]
    Subdir { remote: String, subdir: String, reason: String },
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(Box<cache::Error>),
    #[error("canceled")]
    Canceled,
}

impl GitError {
    /// Whether it may be due to what is kept here.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Failed { local: true, .. })
    }

    /// Whether `git` said one of these words.
    pub fn says(&self, words: &[&str]) -> bool {
        matches!(self, Self::Failed { said, .. } if words.iter().any(|word| said.contains(word)))
    }
}

fn hint(said: &str) -> &'static str {
    if said.contains("could not read Username") || said.contains("Authentication failed") {
        "\nhint: if it is not public, give a token: `--secret id=GIT_AUTH_TOKEN,env=NAME`"
    } else {
        ""
    }
}

/// Where a command works.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub git_dir: &'a Path,
    pub work_tree: Option<&'a Path>,
}

/// `git`, for one remote.
pub(super) struct Program<'a> {
    surroundings: &'a Surroundings,
    store: &'a Path,
    remote: String,
    cancel: &'a Cancel,
    /// Lets us in: a field of the configuration.
    authorization: Option<(String, String)>,
    /// The id of the agent that the remote takes, and its socket if it was given.
    agent: Option<(String, Option<PathBuf>)>,
}

impl<'a> Program<'a> {
    pub fn new(remotes: &'a Remotes, source: &Git) -> Result<Self, GitError> {
        let remote = redacted(&source.url);
        let agent = source.ssh.as_ref().map(|id| (id.clone(), remotes.access.ssh.get(id).cloned()));
        let authorization = authorization(source, &|id| remotes.secret(id))?;
        Ok(Self {
            surroundings: &remotes.surroundings,
            store: remotes.store.root(),
            remote,
            cancel: &remotes.cancel,
            authorization,
            agent,
        })
    }

    /// Runs a command that may speak with the remote.
    pub fn remote(&self, args: &[&str], place: Option<Place<'_>>) -> Result<Vec<u8>, GitError> {
        let mut command = self.command(PROTOCOLS, self.authorization.iter().cloned());
        for (name, value) in &self.surroundings.proxies {
            command.env(name, value);
        }
        match &self.agent {
            None => {}
            Some((_, Some(socket))) => {
                command.env("SSH_AUTH_SOCK", socket);
            }
            Some((id, None)) => {
                return Err(GitError::NoAgent { remote: self.remote.clone(), id: id.clone() });
            }
        }
        command.env("GIT_SSH_COMMAND", self.ssh());
        self.run(command, args, place, false)
    }

    /// Runs a command on what is here.
    pub fn local(&self, args: &[&str], place: Place<'_>) -> Result<Vec<u8>, GitError> {
        self.run(self.command("file", []), args, Some(place), true)
    }

    fn command(&self, protocols: &str, more: impl IntoIterator<Item = (String, String)>) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", &self.surroundings.path)
            .env("LC_ALL", "C")
            .env("HOME", "/dev/null")
            .env("GIT_ALLOW_PROTOCOL", protocols)
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        let fixed = CONFIG.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config: Vec<(String, String)> = fixed.chain(more).collect();
        command.env("GIT_CONFIG_COUNT", config.len().to_string());
        for (n, (name, value)) in config.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{n}"), name).env(format!("GIT_CONFIG_VALUE_{n}"), value);
        }
        command
    }

    /// No configuration, no questions. The key of a host that is not known is believed, and noted in the store; one that
    /// has changed is refused.
    fn ssh(&self) -> String {
        let known: Vec<PathBuf> = [Some(self.store.join("remotes/known_hosts")), self.surroundings.known_hosts.clone()]
            .into_iter()
            .flatten()
            .collect();
        let files: Vec<String> = known.iter().map(|path| format!("\"{}\"", path.display())).collect();
        let option = format!("UserKnownHostsFile={}", files.join(" ")).replace('\'', "'\\''");
        format!("ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o '{option}'")
    }

    fn run(
        &self,
        mut command: Command,
        args: &[&str],
        place: Option<Place<'_>>,
        local: bool,
    ) -> Result<Vec<u8>, GitError> {
        let name = args.first().copied().unwrap_or_default().to_owned();
        if let Some(place) = place {
            command.arg("--git-dir").arg(place.git_dir);
            if let Some(work_tree) = place.work_tree {
                command.arg("--work-tree").arg(work_tree).current_dir(work_tree);
            }
        }
        command.args(args).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => GitError::Missing { remote: self.remote.clone() },
            _ => GitError::Run { command: name.clone(), source },
        })?;
        let (status, out, said) =
            self.follow(child).map_err(|source| GitError::Run { command: name.clone(), source })?;
        if self.cancel.is_canceled() {
            return Err(GitError::Canceled);
        }
        if status.success() {
            return Ok(out);
        }
        Err(GitError::Failed { remote: self.remote.clone(), command: name, said: plainly(&said), local })
    }

    fn follow(&self, mut child: Child) -> std::io::Result<(std::process::ExitStatus, Vec<u8>, Vec<u8>)> {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            let out = scope.spawn(move || all(out));
            let err = scope.spawn(move || all(err));
            let mut pause = FIRST_PAUSE;
            loop {
                if has_ended(&child)? {
                    break;
                }
                if self.cancel.is_canceled() {
                    end(&child);
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            // A child of its own that holds the pipes would hold us. As long as it is not waited for, the group is its.
            end(&child);
            let status = child.wait()?;
            Ok((status, out.join().unwrap_or_default(), err.join().unwrap_or_default()))
        })
    }
}

fn has_ended(child: &Child) -> std::io::Result<bool> {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Ok(true) };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

fn end(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // That none of it is left is no error.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// All of a pipe, of which so much is kept.
fn all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        // A pipe that breaks has ended.
        let _ = pipe.by_ref().take(MAX_OUTPUT).read_to_end(&mut kept);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    }
    kept
}

/// What `git` said, as one line: its errors, else the last it said.
fn plainly(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_error = |line: &&&str| ["fatal:", "error:", "remote:", "ssh:"].iter().any(|start| line.starts_with(start));
    let mut told: Vec<&str> = lines.iter().filter(is_error).copied().collect();
    if told.is_empty() {
        told = lines.iter().rev().take(3).rev().copied().collect();
    }
    let line = told.join("; ");
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect()
}

/// The header that lets us in, as a field of the configuration: of the secrets for this host, then of those for all; the
/// header, then the token.
fn authorization<'s>(
    source: &Git,
    secret: &dyn Fn(&str) -> Option<&'s [u8]>,
) -> Result<Option<(String, String)>, GitError> {
    let Some((scheme @ ("https" | "http"), rest)) = source.url.split_once("://") else { return Ok(None) };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (header, token) = (&source.auth_header_secret, &source.auth_token_secret);
    let names = [(format!("{header}.{host}"), false), (format!("{token}.{host}"), true)]
        .into_iter()
        .chain([(header.clone(), false), (token.clone(), true)]);
    for (id, is_token) in names {
        let Some(value) = secret(&id) else { continue };
        let value = std::str::from_utf8(value).ok().filter(|text| !text.trim_end().contains(char::is_control));
        let value = value.ok_or_else(|| GitError::Secret { remote: redacted(&source.url), id })?.trim_end();
        let value = match is_token {
            true => format!("basic {}", STANDARD.encode(format!("x-access-token:{value}"))),
            false => value.to_owned(),
        };
        // A token for one of GitHub's repositories is one for all of them, submodules as well.
        let scope = match (scheme, host) {
            ("https", "github.com" | "www.github.com") => format!("https://{host}/"),
            _ => source.url.clone(),
        };
        return Ok(Some((format!("http.{scope}.extraheader"), format!("Authorization: {value}"))));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_secret_lets_us_in() {
        let with = |url: &str, secrets: &[(&str, &'static str)]| {
            let secrets: Vec<_> = secrets.to_vec();
            let find = |id: &str| secrets.iter().find(|(name, _)| *name == id).map(|(_, value)| value.as_bytes());
            authorization(&Git::new(url, None), &find).unwrap()
        };
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        let all = [("GIT_AUTH_TOKEN", "t\n"), ("GIT_AUTH_HEADER", "Bearer h"), ("GIT_AUTH_TOKEN.h:1", "x")];
        assert_eq!(with("https://h/r.git", &[]), None);
        assert_eq!(with("git@h:r", &all), None);
        let basic = "Authorization: basic eC1hY2Nlc3MtdG9rZW46";
        assert_eq!(with("https://u@h:1/r", &all), pair("http.https://u@h:1/r.extraheader", &format!("{basic}eA==")));
        assert_eq!(with("https://h/r", &all), pair("http.https://h/r.extraheader", "Authorization: Bearer h"));
        let token = [("GIT_AUTH_TOKEN", "t\n")];
        let github = with("https://github.com/a/b.git", &token);
        assert_eq!(github, pair("http.https://github.com/.extraheader", &format!("{basic}dA==")));
    }

    #[test]
    fn what_git_says_is_one_line() {
        assert_eq!(plainly(b"Cloning\nfatal: no\x1b[2J\n"), "fatal: no [2J");
        assert_eq!(plainly(b"a\nb\nc\nd\n"), "b; c; d");
    }
}
