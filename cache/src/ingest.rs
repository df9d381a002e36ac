//! Ingests: layers being made. Knows not what is put in them, nor what they are going to be called.
//!
//! ```text
//! ingest/<lease>/<n>/fs/     to be filled
//! ingest/<lease>/<n>/tree    empty, until the layer is committed
//! ingest/<lease>/<n>.work/   empty, for an overlay
//! ```
//!
//! `<n>` is what becomes `layers/<id>` by rename. Making four inodes is most of what a small step costs the store, so
//! a process that makes one layer after the other has the next ones made ahead by a thread.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;

use crate::error::Error;
use crate::keeper::Keeper;
use crate::lease::{Lease, make_dir};
use crate::store::Store;

/// How many are made ahead.
const AHEAD: usize = 2;

/// A layer being made. Dropped before [`Store::commit_layer`], it is put away.
pub struct Ingest {
    lease: Arc<Lease>,
    keeper: Arc<Keeper>,
    /// What becomes `layers/<id>`.
    layer: PathBuf,
    fs: PathBuf,
    work: PathBuf,
    rest: Rest,
}

/// What is left of an ingest when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// All that was made: to be put away, so that its space is soon free.
    Contents,
    /// Next to nothing: it can go with the lease's directory.
    Nothing,
}

/// The directories of an ingest that is to come, named by its layer's.
struct Spare(PathBuf);

/// Spares, made ahead from the second ingest on.
#[derive(Default)]
pub(crate) struct Spares {
    asked: AtomicBool,
    maker: OnceLock<Maker>,
}

/// The thread that makes spares, and those that are ready. When this goes, the thread has ended.
struct Maker {
    ready: Option<Mutex<Receiver<Spare>>>,
    thread: Option<JoinHandle<()>>,
}

impl Ingest {
    /// The directory to fill: the layer's root, an overlay's upper directory.
    pub fn fs(&self) -> &Path {
        &self.fs
    }

    /// An empty directory beside it on the same file system: an overlay's work directory.
    pub fn work(&self) -> &Path {
        &self.work
    }

    pub(crate) fn layer(&self) -> &Path {
        &self.layer
    }

    /// The layer has been moved away.
    pub(crate) fn keep_nothing(&mut self) {
        self.rest = Rest::Nothing;
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // What cannot be renamed stays under the lease, and goes with it; so does the work directory.
        if self.rest == Rest::Contents && self.lease.discard(&self.layer).is_ok() {
            self.keeper.poke();
        }
    }
}

impl Store {
    /// Starts a layer.
    pub fn ingest(&self) -> Result<Ingest, Error> {
        let Spare(layer) = self.spares.take(&self.lease)?;
        Ok(Ingest {
            lease: Arc::clone(&self.lease),
            keeper: Arc::clone(&self.keeper),
            fs: layer.join("fs"),
            work: work_of(&layer),
            layer,
            rest: Rest::Contents,
        })
    }
}

impl Spares {
    fn take(&self, lease: &Arc<Lease>) -> Result<Spare, Error> {
        if self.asked.swap(true, Ordering::Relaxed) {
            let maker = self.maker.get_or_init(|| make_ahead(Arc::downgrade(lease)));
            if let Some(spare) = maker.take() {
                return Ok(spare);
            }
        }
        Spare::make(lease)
    }
}

impl Maker {
    fn take(&self) -> Option<Spare> {
        self.ready.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).try_recv().ok()
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        // Nobody takes any more: the thread ends once it has made the spare it is at.
        self.ready = None;
        if let Some(thread) = self.thread.take() {
            // It does not panic; and if it did, that would be nobody's business here.
            let _ = thread.join();
        }
    }
}

/// Has a thread make spares as long as somebody may take them. Without the thread there are none.
fn make_ahead(lease: Weak<Lease>) -> Maker {
    let (made, ready) = sync_channel(AHEAD);
    let make = move || {
        while let Some(Ok(spare)) = lease.upgrade().map(|lease| Spare::make(&lease)) {
            if made.send(spare).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("ingests".to_owned()).spawn(make).ok();
    Maker { ready: Some(Mutex::new(ready)), thread }
}

impl Spare {
    fn make(lease: &Lease) -> Result<Self, Error> {
        let layer = lease.new_path()?;
        let (fs, tree) = (layer.join("fs"), layer.join("tree"));
        make_dir(&layer)?;
        make_dir(&fs)?;
        make_dir(&work_of(&layer))?;
        // It is the root directory that processes of any user see, whatever our umask is.
        fs::set_permissions(&fs, fs::Permissions::from_mode(0o755)).map_err(Error::io("set the mode of", &fs))?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&tree);
        made.map_err(Error::io("make", &tree))?;
        Ok(Self(layer))
    }
}

fn work_of(layer: &Path) -> PathBuf {
    layer.with_extension("work")
}
