//! What is kept of remote sources between builds: for a file of a server, what the server told of it; for a Git remote,
//! a repository. Knows no protocol, and not what is in either.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use oci::ContentDigest;

use crate::boot;
use crate::error::Error;
use crate::lease::{make_dir, put_away};
use crate::lock::FileLock;
use crate::store::{self, Store};

/// The directory kept for a remote, and the right to use it alone. Given back when it is dropped, or when the process
/// ends.
#[derive(Debug)]
pub struct RemoteDir {
    path: PathBuf,
    _lock: FileLock,
}

impl RemoteDir {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store {
    /// What was noted of the remote `id`. A note that cannot be read is none: it can be made again.
    pub fn remote_note(&self, id: &ContentDigest) -> Option<Vec<u8>> {
        fs::read(self.layout.remotes().join(id.hex())).ok()
    }

    pub fn set_remote_note(&self, id: &ContentDigest, note: &[u8]) -> Result<(), Error> {
        make_dir(&self.layout.remotes())?;
        let path = self.layout.remotes().join(id.hex());
        let aside = path.with_extension(format!("{}-{:x}", std::process::id(), boot::now()));
        let written = fs::write(&aside, note).and_then(|()| fs::rename(&aside, &path));
        written.map_err(|error| {
            let _ = fs::remove_file(&aside);
            Error::io("write", &path)(error)
        })
    }

    /// The directory of the remote `id`, empty at first, once nobody else uses it. `wait` is asked before every pause;
    /// `None` when it says `false`.
    pub fn lock_remote(&self, id: &ContentDigest, wait: &mut dyn FnMut() -> bool) -> Result<Option<RemoteDir>, Error> {
        let name = format!("{}.d", id.hex());
        let Some(lock) = store::lock(&self.layout, &format!("remote-{name}"), wait)? else { return Ok(None) };
        make_dir(&self.layout.remotes())?;
        let path = self.layout.remotes().join(name);
        make_dir(&path)?;
        Ok(Some(RemoteDir { path, _lock: lock }))
    }

    /// Throws away what a remote's directory holds.
    pub fn clear_remote(&self, dir: &RemoteDir) -> Result<(), Error> {
        put_away(&self.layout, &dir.path)?;
        self.keeper.poke();
        match fs::metadata(&dir.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_dir(&dir.path),
            other => other.map(drop).map_err(Error::io("look at", &dir.path)),
        }
    }
}
