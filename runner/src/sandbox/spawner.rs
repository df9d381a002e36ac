//! The caller's side: starts sandboxes through a small process, and follows them to their end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::error::SandboxError;
use super::spec::{Outcome, RunSpec, Stdio};

/// Starts sandboxes. Cheap to share: `spawn` may be called from many threads at once.
#[derive(Debug)]
pub struct Spawner {
    _control: OwnedFd,
}

/// A running sandbox. Dropping it kills everything in it.
#[derive(Debug)]
pub struct Process {
    pidfd: OwnedFd,
    terminal: Option<OwnedFd>,
}

impl Spawner {
    /// Forks the small process; best done before threads are started and much memory is used.
    /// `scratch` is a directory on the filesystem of the layers, kept from run to run; it is made when missing.
    pub fn start(scratch: &Path) -> Result<Spawner, SandboxError> {
        Err(SandboxError::Invalid { what: format!("not there yet: `{}`", scratch.display()) })
    }

    /// Returns when the program has been executed, or with the step that failed.
    /// A program that cannot be executed is no error: a line on its standard error, and the outcome 126 or 127.
    pub fn spawn(&self, spec: &RunSpec, _stdio: Stdio) -> Result<Process, SandboxError> {
        Err(SandboxError::Invalid { what: format!("not there yet: `{}`", spec.hostname) })
    }

    /// What this machine does not grant, one sentence each: for a `doctor` or a debug log.
    pub fn notes(&self) -> &[String] {
        &[]
    }
}

impl Process {
    /// Waits until the process has ended and nothing of its sandbox lives: no process, no mount.
    /// So whoever reads its pipes gets their end too. May be called again, and from another thread than `kill`.
    pub fn wait(&self) -> Result<Outcome, SandboxError> {
        Err(SandboxError::Killed { program: String::new() })
    }

    /// Kills everything in the sandbox at once.
    pub fn kill(&self) {}

    /// Sends a signal to the process.
    pub fn signal(&self, _signal: i32) {}

    /// Tells the terminal its new size.
    pub fn resize(&self, _rows: u16, _columns: u16) {}

    /// The master side of the terminal, when there is one.
    pub fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
    }

    /// Readable when the sandbox is dead.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
