//! A running sandbox, as its caller sees it: followed to its end by its own socket and the pidfd of its init.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, openat2, unlinkat};
use rustix::process::{Signal, pidfd_send_signal};

use super::error::SandboxError;
use super::spec::Outcome;
use super::wire::{self, Reply};

/// A running sandbox. Dropping it kills everything in it.
#[derive(Debug)]
pub struct Process {
    program: String,
    run: OwnedFd,
    pidfd: OwnedFd,
    terminal: Option<OwnedFd>,
    end: Mutex<End>,
}

#[derive(Debug)]
enum End {
    NotYet(Made),
    Known(Outcome),
}

impl Process {
    pub(super) fn new(program: String, run: OwnedFd, pidfd: OwnedFd, terminal: Option<OwnedFd>, made: Made) -> Process {
        Process { program, run, pidfd, terminal, end: Mutex::new(End::NotYet(made)) }
    }

    /// Waits until the process has ended and nothing of its sandbox lives: no process, no mount.
    /// So whoever reads its pipes gets their end too. May be called again, and from another thread than `kill`.
    /// A sandbox that was killed as a whole ends as a process that got SIGKILL.
    pub fn wait(&self) -> Result<Outcome, SandboxError> {
        let mut end = self.end.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let made = match &*end {
            End::NotYet(made) => made,
            End::Known(outcome) => return Ok(*outcome),
        };
        let failed = |source| SandboxError::Wait { program: self.program.clone(), source };
        let outcome = self.outcome().map_err(failed)?;
        wait_for_init(&self.pidfd).map_err(failed)?;
        made.remove();
        *end = End::Known(outcome);
        Ok(outcome)
    }

    /// Kills everything in the sandbox at once.
    pub fn kill(&self) {
        // The one way to fail is that it is dead.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: i32) {
        let _ = wire::send(self.run.as_fd(), &wire::Signal(signal), &[]);
    }

    /// Tells the terminal its new size.
    pub fn resize(&self, rows: u16, columns: u16) {
        if let Some(terminal) = &self.terminal {
            let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(terminal, size);
        }
    }

    /// The master side of the terminal, when there is one.
    pub fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.terminal.as_ref().map(AsFd::as_fd)
    }

    /// Readable when the sandbox is dead.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    fn outcome(&self) -> io::Result<Outcome> {
        loop {
            match wire::recv(self.run.as_fd())? {
                Some((Reply::Ended(outcome), _)) => return Ok(outcome),
                Some(_) => {}
                None => return Ok(Outcome::Signaled(libc::SIGKILL)),
            }
        }
    }
}

/// An init is dead only when all in its pid namespace is.
pub(super) fn wait_for_init(pidfd: &OwnedFd) -> io::Result<()> {
    let mut ready = [PollFd::new(pidfd, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut ready, None))?;
    Ok(())
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = self.wait();
    }
}

/// Mountpoints that had to be made, because no layer had them and the bottom one was hidden.
#[derive(Debug)]
pub(super) struct Made {
    pub base: PathBuf,
    /// Relative to the base, outermost first.
    pub paths: Vec<String>,
}

impl Made {
    /// Removes them, innermost first, as far as they are empty still. What is not removed belongs to the process.
    pub fn remove(&self) {
        for path in self.paths.iter().rev() {
            let _ = self.remove_one(path);
        }
    }

    fn remove_one(&self, path: &str) -> io::Result<()> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base = rustix::fs::open(&self.base, flags, Mode::empty())?;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let parent = openat2(&base, parent, flags, Mode::empty(), inside)?;
        let found = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match rustix::fs::FileType::from_raw_mode(found.st_mode) {
            rustix::fs::FileType::Directory => Ok(unlinkat(&parent, name, AtFlags::REMOVEDIR)?),
            rustix::fs::FileType::RegularFile if found.st_size == 0 => Ok(unlinkat(&parent, name, AtFlags::empty())?),
            _ => Ok(()),
        }
    }
}
