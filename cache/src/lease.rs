//! Leases: what a live process is making, and how to tell that it lives. Knows not what is made.
//!
//! A process that opens the store takes a lease: the first number that nobody holds, a lock on `leases/<number>` as
//! long as it lives, and `ingest/<number>/` to make things in. Where there is such a directory and the lock is free,
//! the process is dead, and the directory is rubbish. Rubbish is moved to `trash/` at once, which costs one rename;
//! deleting it is the keeper's ([`crate::keeper`]), because deleting is slow.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::boot;
use crate::error::Error;
use crate::layout::Layout;
use crate::lock::{After, FileLock};

/// One process's stay in the store.
#[derive(Debug)]
pub(crate) struct Lease {
    number: u32,
    layout: Layout,
    /// `ingest/<number>`, once it has been needed.
    made: OnceLock<()>,
    next: AtomicU64,
    // Last: it is freed when all that the lease covered has been put away.
    _lock: FileLock,
}

impl Lease {
    /// Takes a lease. What its last holder has left is to be put away before ([`dead`]).
    pub fn take(layout: &Layout) -> Result<Self, Error> {
        let mut number = 0;
        loop {
            let lock = FileLock::try_acquire(&layout.leases().join(number.to_string()), After::Kept)?;
            match lock {
                // Its holder may have died just now.
                Some(_) if layout.ingest().join(number.to_string()).exists() => {}
                Some(lock) => {
                    let (made, next) = (OnceLock::new(), AtomicU64::new(0));
                    return Ok(Self { number, layout: layout.clone(), made, next, _lock: lock });
                }
                None => {}
            }
            number += 1;
        }
    }

    /// A path under the lease's ingest directory that nothing is at.
    pub fn new_path(&self) -> Result<PathBuf, Error> {
        let dir = self.dir();
        if self.made.get().is_none() {
            make_dir(&dir)?;
            let _ = self.made.set(());
        }
        Ok(dir.join(self.next.fetch_add(1, Ordering::Relaxed).to_string()))
    }

    /// Puts away what is at `path`, to be deleted later.
    pub fn discard(&self, path: &Path) -> Result<(), Error> {
        put_away(&self.layout, path)
    }

    fn dir(&self) -> PathBuf {
        self.layout.ingest().join(self.number.to_string())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // When this fails, whoever opens the store next finds the lock free and does it.
        let _ = put_away(&self.layout, &self.dir());
    }
}

/// The lease of a process that died while it was making something.
pub(crate) struct Dead {
    pub name: String,
    // Nobody takes the lease before it is empty.
    _lock: FileLock,
}

/// The leases of dead processes that have left something.
pub(crate) fn dead(layout: &Layout) -> Result<Vec<Dead>, Error> {
    let mut dead = Vec::new();
    for name in names(&layout.ingest())? {
        if let Some(lock) = FileLock::try_acquire(&layout.leases().join(&name), After::Kept)? {
            dead.push(Dead { name, _lock: lock });
        }
    }
    Ok(dead)
}

impl Dead {
    /// Puts away what the process was making.
    pub fn put_away(&self, layout: &Layout) -> Result<(), Error> {
        put_away(layout, &layout.ingest().join(&self.name))
    }
}

/// Moves `path` to `trash/`. That there is nothing is no error.
pub(crate) fn put_away(layout: &Layout, path: &Path) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Whoever moves the same thing at the same time has another process id, or cannot find it any more.
    let target = layout.trash().join(format!("{name}.{}.{:x}", std::process::id(), boot::now()));
    match fs::rename(path, target) {
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
