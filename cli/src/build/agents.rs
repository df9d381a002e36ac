//! The SSH agents that a build may use: the sockets that were named, and for keys an agent that is started for this build
//! and holds nothing else. Knows not which step uses which.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::request::Agent;
use crate::report::{self, Kind, Problem, reason};

/// How long an agent may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sockets of agents, by the ids that the Dockerfile names them by.
#[derive(Default)]
pub struct Agents {
    pub sockets: BTreeMap<String, PathBuf>,
    _started: Vec<Started>,
}

/// An agent that ends with this.
struct Started {
    process: Child,
    dir: PathBuf,
}

impl Agents {
    pub fn of(wanted: &[Agent]) -> Result<Self, Problem> {
        let mut agents = Self::default();
        for Agent { id, paths } in wanted {
            let socket = match (paths.as_slice(), is_socket(id, paths)?) {
                ([socket], true) => std::path::absolute(socket).unwrap_or_else(|_| socket.clone()),
                (_, true) => {
                    return Err(Problem::usage(format!("`--ssh {id}` names a socket and something else"))
                        .hint("one agent is one socket, or any number of keys; another id makes another agent"));
                }
                (keys, false) => {
                    let (started, socket) = start(id, keys)?;
                    agents._started.push(started);
                    socket
                }
            };
            agents.sockets.insert(id.clone(), socket);
        }
        Ok(agents)
    }
}

/// Whether there is a socket among them.
fn is_socket(id: &str, paths: &[PathBuf]) -> Result<bool, Problem> {
    let mut any = false;
    for path in paths {
        let kind = fs::metadata(path).map_err(|error| {
            report::io(Kind::Build, &format!("the agent or key of `--ssh {id}`: open"), path, &error)
                .hint(format!("`--ssh {id}=SOCKET` or `--ssh {id}=KEY`"))
        })?;
        any |= kind.file_type().is_socket();
    }
    Ok(any)
}

fn start(id: &str, keys: &[PathBuf]) -> Result<(Started, PathBuf), Problem> {
    let dir =
        own_dir().map_err(|error| Problem::build(format!("make a directory for an agent: {}", reason(&error))))?;
    let socket = dir.join("socket");
    let process = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let process = match process {
        Ok(process) => process,
        Err(error) => {
            // It is empty.
            let _ = fs::remove_dir(&dir);
            return Err(not_there("ssh-agent", &error));
        }
    };
    let started = Started { process, dir };
    let begun = Instant::now();
    while !socket.exists() {
        if begun.elapsed() > PATIENCE {
            return Err(Problem::build(format!("the agent for `--ssh {id}` does not start")));
        }
        sleep(Duration::from_millis(2));
    }
    for key in keys {
        add(id, key, &socket)?;
    }
    Ok((started, socket))
}

/// A new directory that nobody else may look into. The store's may have too long a path for a socket.
fn own_dir() -> io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let dir = std::env::temp_dir().join(format!("kiln-agent-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            made => return made.map(|()| dir),
        }
    }
}

fn add(id: &str, key: &Path, socket: &Path) -> Result<(), Problem> {
    let out = Command::new("ssh-add")
        .arg("-q")
        .arg(key)
        .env("SSH_AUTH_SOCK", socket)
        // Nobody is there to be asked for a passphrase.
        .env("SSH_ASKPASS_REQUIRE", "never")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_there("ssh-add", &error))?;
    if out.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&out.stderr);
    Err(Problem::build(format!("the key `{}` of `--ssh {id}` cannot be used: {}", key.display(), said.trim()))
        .hint("a key with a passphrase is given through an agent: `ssh-add KEY`, then `--ssh default`"))
}

fn not_there(program: &str, error: &io::Error) -> Problem {
    Problem::build(format!("start `{program}`: {}", reason(error)))
        .hint("install it (on Debian, `apt-get install openssh-client`), or name an agent's socket")
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_held_by_an_agent_that_ends_with_the_build() {
        let dir = tempfile::tempdir().expect("a directory");
        let key = dir.path().join("key");
        let mut command = Command::new("ssh-keygen");
        let made = command.args(["-q", "-t", "ed25519", "-N", "", "-C", "of a test", "-f"]).arg(&key);
        assert!(made_by(made).status.success());
        let agents = Agents::of(&[Agent { id: "a".to_owned(), paths: vec![key] }]).expect("started");
        let socket = agents.sockets["a"].clone();
        let list = made_by(Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &socket));
        assert!(String::from_utf8_lossy(&list.stdout).contains("of a test (ED25519)"), "{list:?}");
        let both = [Agent { id: "b".to_owned(), paths: vec![socket.clone(), socket.clone()] }];
        assert!(Agents::of(&both).is_err_and(|problem| problem.message.contains("a socket and something else")));
        drop(agents);
        assert!(!socket.exists());
        let gone = [Agent { id: "c".to_owned(), paths: vec![socket] }];
        assert!(Agents::of(&gone).is_err_and(|problem| problem.message.contains("the agent or key of `--ssh c`")));
    }

    fn made_by(command: &mut Command) -> std::process::Output {
        command.output().expect("openssh-client is installed by `make test`")
    }
}
