//! A socket for a RUN that leads to an SSH agent of this machine. Knows no keys, and of the agent's protocol only how
//! long a message is and what kind it is of (draft-ietf-sshm-ssh-agent).
//!
//! The process may ask which keys there are, and have something signed. Whatever else it asks for (to add a key, to remove
//! them all, to lock the agent) fails here, and the agent never hears of it.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;
/// A message of one byte: `SSH_AGENT_FAILURE`.
const FAILURE: [u8; 5] = [0, 0, 0, 1, 5];
/// As OpenSSH's agent has it.
const MAX_MESSAGE: usize = 256 << 10;
const NAME: &str = "agent";

#[derive(Debug, thiserror::Error)]
pub(super) enum AgentError {
    #[error("cannot use the SSH agent's socket `{}`", path.display())]
    Look { path: PathBuf, source: io::Error },
    #[error("`{}` is no socket of an SSH agent\nhint: keys are not read: `eval $(ssh-agent)`, `ssh-add FILE`, and give `$SSH_AUTH_SOCK`", path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot make the socket `{}` for the SSH agent", path.display())]
    Make { path: PathBuf, source: io::Error },
}

/// A forwarded agent. Gone when this is dropped.
pub(super) struct Agent {
    socket: PathBuf,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Makes a socket in `dir` with this mode, owner and group that leads to the agent at `target`.
    pub fn forward(target: &Path, dir: &Path, (mode, uid, gid): (u32, u32, u32)) -> Result<Self, AgentError> {
        let look = |source| AgentError::Look { path: target.to_owned(), source };
        if !fs::metadata(target).map_err(look)?.file_type().is_socket() {
            return Err(AgentError::NotASocket { path: target.to_owned() });
        }
        let socket = dir.join(NAME);
        let listener = listen(dir, &socket, (mode, uid, gid))
            .map_err(|source| AgentError::Make { path: socket.clone(), source })?;
        let ended = Arc::new(AtomicBool::new(false));
        let (told, target) = (Arc::clone(&ended), target.to_owned());
        let thread = std::thread::spawn(move || {
            for caller in listener.incoming() {
                if told.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(caller), target) = (caller, target.clone()) else { continue };
                std::thread::spawn(move || drop(converse(caller, &target))); // whoever hangs up has ended it
            }
        });
        Ok(Self { socket, ended, thread: Some(thread) })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        let woken = short(&self.socket).is_ok_and(|(_dir, path)| UnixStream::connect(path).is_ok());
        // One that cannot be woken waits for ever, and holds nobody else up.
        if let (true, Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn listen(dir: &Path, socket: &Path, (mode, uid, gid): (u32, u32, u32)) -> io::Result<UnixListener> {
    let (_dir, path) = short(socket)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(socket, Permissions::from_mode(mode))?;
    let dir = fs::File::open(dir)?;
    crate::owner::set(&dir, NAME.as_bytes(), uid, gid)?;
    Ok(listener)
}

/// A name for `socket` that is short enough for the kernel, as long as the directory is open.
fn short(socket: &Path) -> io::Result<(fs::File, PathBuf)> {
    let dir = fs::File::open(socket.parent().unwrap_or(Path::new("/")))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd()));
    Ok((dir, path))
}

fn converse(mut caller: UnixStream, target: &Path) -> io::Result<()> {
    let mut agent = UnixStream::connect(target)?;
    loop {
        let request = message(&mut caller)?;
        match request.get(4) {
            Some(&REQUEST_IDENTITIES | &SIGN_REQUEST) => {
                agent.write_all(&request)?;
                let answer = message(&mut agent)?;
                caller.write_all(&answer)?;
            }
            Some(_) | None => caller.write_all(&FAILURE)?,
        }
    }
}

/// A message with its length before it.
fn message(from: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if size > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; 4 + size];
    message[..4].copy_from_slice(&length);
    from.read_exact(&mut message[4..])?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listing_and_signing_get_through() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("real");
        let real = UnixListener::bind(&target).unwrap();
        std::thread::spawn(move || {
            for caller in real.incoming() {
                let mut caller = caller.unwrap();
                while let Ok(request) = message(&mut caller) {
                    caller.write_all(&[0, 0, 0, 2, 99, request[4]]).unwrap();
                }
            }
        });
        let long = dir.path().join("x".repeat(200));
        fs::create_dir(&long).unwrap();
        let agent = Agent::forward(&target, &long, (0o600, 0, 0)).unwrap();
        assert_eq!(fs::metadata(agent.socket()).unwrap().permissions().mode() & 0o777, 0o600);
        let (_dir, path) = short(agent.socket()).unwrap();
        let mut caller = UnixStream::connect(path).unwrap();
        for (request, expected) in
            [(11, vec![0, 0, 0, 2, 99, 11]), (17, FAILURE.to_vec()), (13, vec![0, 0, 0, 2, 99, 13])]
        {
            caller.write_all(&[0, 0, 0, 1, request]).unwrap();
            assert_eq!(message(&mut caller).unwrap(), expected);
        }
        caller.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert!(message(&mut caller).is_err());
        drop(agent);
    }

    #[test]
    fn a_key_is_no_agent() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("id_ed25519");
        fs::write(&key, "-----BEGIN OPENSSH PRIVATE KEY-----").unwrap();
        let error = Agent::forward(&key, dir.path(), (0o600, 0, 0)).err().unwrap().to_string();
        assert!(error.contains("is no socket") && error.contains("ssh-add"), "{error}");
    }
}
