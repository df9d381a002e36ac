//! Leases: what a live process is making, and how to tell that it lives. Knows not what is made.
//!
//! A process that opens the store takes a lease: a name, a lock on `leases/<name>` that it holds as long as it
//! lives, and `ingest/<name>/` to make things in. Where the lock is free, the process is dead, and its ingest
//! directory is rubbish. Rubbish is moved to `trash/` at once, which costs one rename; deleting it is the keeper's
//! ([`crate::keeper`]), because deleting is slow.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::boot;
use crate::error::Error;
use crate::layout::Layout;
use crate::lock::FileLock;

/// One process's stay in the store.
#[derive(Debug)]
pub(crate) struct Lease {
    name: String,
    layout: Layout,
    /// `ingest/<name>`, once it has been needed.
    made: OnceLock<()>,
    next: AtomicU64,
    // Last: it is freed when all that the lease covered has been put away.
    _lock: FileLock,
}

impl Lease {
    pub fn take(layout: &Layout) -> Result<Self, Error> {
        loop {
            let name = format!("{}-{:x}", std::process::id(), boot::now());
            if let Some(lock) = FileLock::try_acquire(&layout.leases().join(&name))? {
                let (made, next) = (OnceLock::new(), AtomicU64::new(0));
                return Ok(Self { name, layout: layout.clone(), made, next, _lock: lock });
            }
        }
    }

    /// A path under the lease's ingest directory that nothing is at.
    pub fn new_path(&self) -> Result<PathBuf, Error> {
        let dir = self.layout.ingest().join(&self.name);
        if self.made.get().is_none() {
            make_dir(&dir)?;
            let _ = self.made.set(());
        }
        Ok(dir.join(self.next.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// Puts away what is at `path`, to be deleted later.
    pub fn discard(&self, path: &Path) -> Result<(), Error> {
        let name = format!("{}.{}", self.name, self.next.fetch_add(1, Ordering::Relaxed));
        put_away(&self.layout, path, &name)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // When this fails, whoever opens the store next finds the lock free and does it.
        let _ = put_away(&self.layout, &self.layout.ingest().join(&self.name), &self.name);
    }
}

/// The lease of a process that died while it was making something.
pub(crate) struct Dead {
    pub name: String,
    /// Names are not used twice: this keeps out only others who look for the dead.
    _lock: FileLock,
}

/// The leases of dead processes that have left something. None of them is the caller's own, as long as that has
/// not made anything yet or holds its lock.
pub(crate) fn dead(layout: &Layout) -> Result<Vec<Dead>, Error> {
    let mut dead = Vec::new();
    for name in names(&layout.ingest())? {
        if let Some(lock) = FileLock::try_acquire(&layout.leases().join(&name))? {
            dead.push(Dead { name, _lock: lock });
        }
    }
    Ok(dead)
}

impl Dead {
    /// Puts away what the process was making.
    pub fn put_away(&self, layout: &Layout) -> Result<(), Error> {
        put_away(layout, &layout.ingest().join(&self.name), &self.name)
    }
}

/// Removes the lock files of dead processes that made nothing.
pub(crate) fn sweep_locks(layout: &Layout) -> Result<(), Error> {
    for name in names(&layout.leases())? {
        // Dropping the lock removes its file.
        drop(FileLock::try_acquire(&layout.leases().join(&name))?);
    }
    Ok(())
}

/// Moves `path` to `trash/<name>`. That there is nothing is no error.
pub(crate) fn put_away(layout: &Layout, path: &Path, name: &str) -> Result<(), Error> {
    match fs::rename(path, layout.trash().join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("put away", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes a directory that only the store's owner can enter. That it is there is no error.
pub(crate) fn make_dir(path: &Path) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(Error::io("make the directory", path)),
    }
}

/// The names in a directory of the store, sorted. Ours are all UTF-8; a name that is not is none of ours.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
