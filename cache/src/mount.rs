//! Cache mounts: directories that outlive builds, by the id of their `--mount=type=cache`. Knows not what tools keep
//! in them.

use std::path::PathBuf;

use oci::ContentDigest;

use crate::error::Error;
use crate::lease::make_dir;
use crate::lock::FileLock;
use crate::store::{self, Store};

/// The right to use a cache mount alone. Given back when it is dropped, or when the process ends.
#[derive(Debug)]
pub struct MountLock {
    _lock: FileLock,
}

impl Store {
    /// The directory of a cache mount, made when it does not exist. Its mode and owner are the caller's to set.
    pub fn cache_mount(&self, id: &str) -> Result<PathBuf, Error> {
        let path = self.layout.mounts().join(name(id));
        make_dir(&path)?;
        Ok(path)
    }

    /// The right to use a cache mount alone, once nobody else has it: `sharing=locked`. `wait` is asked before
    /// every pause; `None` when it says `false`.
    pub fn lock_mount(&self, id: &str, wait: &mut dyn FnMut() -> bool) -> Result<Option<MountLock>, Error> {
        let lock = store::lock(&self.layout, &format!("mount-{}", name(id)), wait)?;
        Ok(lock.map(|lock| MountLock { _lock: lock }))
    }
}

/// An id may be any text; a file name may not.
fn name(id: &str) -> String {
    ContentDigest::of(id.as_bytes()).hex()
}
