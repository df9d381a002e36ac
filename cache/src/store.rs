//! A store, opened. Knows how one is recognised, made and closed; what is in it is told by the modules below.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use oci::{ContentDigest, LayerId};
use rusqlite::params;

use crate::boot::{self, Boot};
use crate::db::Db;
use crate::error::Error;
use crate::ingest::Spares;
use crate::keeper::{Chores, Due, Keeper};
use crate::layer::{TreeCache, layer_to_sql};
use crate::layout::{DIRECTORIES, FORMAT, Layout};
use crate::lease::{self, Lease};
use crate::lock::FileLock;
use crate::orphans;
use crate::record::CacheKey;

/// A use is not written down when a use within this long before it has been.
const USE_GRAIN: i64 = 600 * 1_000_000_000;

/// The store at one directory. One per process, shared by its threads; any number of processes may have the same
/// directory open.
pub struct Store {
    pub(crate) layout: Layout,
    pub(crate) db: Arc<Db>,
    pub(crate) boot: Boot,
    pub(crate) lease: Arc<Lease>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) spares: Spares,
    pub(crate) trees: Mutex<TreeCache>,
    used: Mutex<Used>,
}

/// What has been used and not yet written down.
#[derive(Debug, Default)]
struct Used {
    layers: BTreeSet<LayerId>,
    records: BTreeSet<CacheKey>,
}

impl Store {
    /// Opens the store at `root`; makes one where there is nothing or an empty directory.
    pub fn open(root: &Path) -> Result<Self, Error> {
        Self::open_in_boot(root, Boot::current()?)
    }

    /// [`Store::open`], as if `boot` were the running boot of the machine.
    pub fn open_in_boot(root: &Path, boot: Boot) -> Result<Self, Error> {
        let layout = Layout::new(root);
        recognise(&layout)?;
        let db = Arc::new(Db::open(&layout)?);
        let swept = sweep(&layout, &db)?;
        let lease = Arc::new(Lease::take(&layout)?);
        let keeper = Keeper::new(Chores { layout: layout.clone(), db: Arc::clone(&db), boot: boot.clone() });
        if swept == Swept::Something || keeper.chores().is_pressing() {
            keeper.poke();
        }
        Ok(Self {
            layout,
            db,
            boot,
            lease,
            keeper: Arc::new(keeper),
            spares: Spares::default(),
            trees: Mutex::default(),
            used: Mutex::default(),
        })
    }

    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Where the stat records of a build context are kept ([`crate::contexts`]).
    pub fn context_file(&self, id: &ContentDigest) -> PathBuf {
        self.layout.context(id)
    }

    /// Does now, and waits for, all that is else done in the background: deletes rubbish, makes what was written
    /// durable, and writes the database's log back.
    pub fn tidy(&self) -> Result<(), Error> {
        self.keeper.chores().tidy(Due::All)
    }

    /// Notes that a layer was used now, where it was last used at `before`.
    pub(crate) fn note_layer_use(&self, layer: LayerId, before: i64) {
        if boot::now().saturating_sub(before) > USE_GRAIN {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).layers.insert(layer);
        }
    }

    /// Notes that a record was used now, where it was last used at `before`.
    pub(crate) fn note_record_use(&self, key: CacheKey, before: i64) {
        if boot::now().saturating_sub(before) > USE_GRAIN {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).records.insert(key);
        }
    }

    /// Forgets what has been used so far: to look something up only to show it is no use.
    pub fn forget_uses(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Used::default();
    }

    fn write_uses(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.layers.is_empty() && used.records.is_empty() {
            return Ok(());
        }
        let now = boot::now();
        self.db.write(|db| {
            let mut layer = db.prepare_cached("UPDATE layers SET used = ?2 WHERE id = ?1")?;
            for id in &used.layers {
                layer.execute(params![layer_to_sql(id), now])?;
            }
            let mut record = db.prepare_cached("UPDATE records SET used = ?2 WHERE key = ?1")?;
            for key in &used.records {
                record.execute(params![key.0.as_bytes(), now])?;
            }
            Ok(())
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Nothing depends on it but what is told of uses.
        if let Err(error) = self.write_uses() {
            tracing::debug!("the uses of records could not be written down: {error}");
        }
        if let Err(error) = self.keeper.chores().shorten_log() {
            tracing::debug!("the database's log could not be written back: {error}");
        }
    }
}

/// Makes sure that a store of our format is at the root, and makes one where nothing is.
fn recognise(layout: &Layout) -> Result<(), Error> {
    let path = layout.version();
    match fs::read_to_string(&path) {
        Ok(text) if text.trim_end() == FORMAT => Ok(()),
        Ok(text) => {
            let found = text.trim_end().chars().take(60).collect();
            Err(Error::Version { root: layout.root().to_owned(), found, expected: FORMAT })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(layout),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// Makes a store. The version file comes last: what has none is not finished, and is made (again).
fn make(layout: &Layout) -> Result<(), Error> {
    let root = layout.root();
    if let Some(parent) = root.parent() {
        fs::create_dir_all(parent).map_err(Error::io("make the directory", parent))?;
    }
    lease::make_dir(root)?;
    // Somebody else may be making it just now, and be further.
    let is_ours = |name: &String| {
        ["version", "kiln.db"].iter().any(|ours| name.starts_with(ours)) || DIRECTORIES.iter().any(|ours| ours == name)
    };
    if !lease::names(root)?.iter().all(is_ours) {
        return Err(Error::NotAStore { root: root.to_owned() });
    }
    for dir in DIRECTORIES {
        lease::make_dir(&root.join(dir))?;
    }
    let aside = root.join(format!("version.{}-{:x}", std::process::id(), boot::now()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|mut file| writeln!(file, "{FORMAT}"))
        .and_then(|()| fs::rename(&aside, layout.version()));
    written.map_err(Error::io("write", &layout.version()))
}

/// Whether dead processes had left something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Swept {
    Nothing,
    Something,
}

/// Puts away what dead processes have left.
fn sweep(layout: &Layout, db: &Db) -> Result<Swept, Error> {
    let dead = lease::dead(layout)?;
    if dead.is_empty() {
        return Ok(Swept::Nothing);
    }
    // First, because the dead are what tells that there may be any.
    orphans::put_away(layout, db)?;
    for dead in &dead {
        dead.put_away(layout)?;
    }
    Ok(Swept::Something)
}

/// Takes the lock named `name` once it is free, asking `wait` before each pause.
pub(crate) fn lock(layout: &Layout, name: &str, wait: &mut dyn FnMut() -> bool) -> Result<Option<FileLock>, Error> {
    FileLock::acquire(&layout.locks().join(name), wait)
}
