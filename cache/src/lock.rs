//! Locks between processes and threads: files held by `flock`. Knows not what they guard.
//!
//! A lock belongs to one open descriptor, so two threads of one process exclude each other like two processes do,
//! and the kernel frees it when its holder dies, however it dies. The file of a lock is removed by its holder, so
//! that they do not pile up. Whoever was waiting then holds the lock of a file that has no name any more, which
//! excludes nobody; so a lock counts only when, after it was got, the name still leads to the same file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::Error;

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// A lock, held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    path: PathBuf,
    file: File,
    after: After,
}

/// What becomes of a lock's file when the lock is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Removed,
    /// For names that are few, and used again.
    Kept,
}

impl FileLock {
    /// The lock at `path`; `None` when somebody else holds it.
    pub(crate) fn try_acquire(path: &Path, after: After) -> Result<Option<Self>, Error> {
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(path).map_err(Error::io("open the lock", path))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(Error::os("lock", path)(errno)),
            }
            if leads_to(path, &file).map_err(Error::io("look at the lock", path))? {
                return Ok(Some(Self { path: path.to_owned(), file, after }));
            }
        }
    }

    /// The lock at `path`, once it is free. `wait` is asked before every pause; `None` when it says `false`.
    pub(crate) fn acquire(path: &Path, wait: &mut dyn FnMut() -> bool) -> Result<Option<Self>, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(lock) = Self::try_acquire(path, After::Removed)? {
                return Ok(Some(lock));
            }
            if !wait() {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        match self.after {
            // While it is held: nobody else can have come to rely on it. A file that stays does no harm.
            After::Removed => drop(fs::remove_file(&self.path)),
            After::Kept => {}
        }
        // Closing alone would not do where a child has inherited the descriptor.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Whether `path` still names `file`.
fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((held.dev(), held.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
