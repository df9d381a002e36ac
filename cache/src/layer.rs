//! Layers: committed by rename, looked up by id. Knows not how they are filled ([`crate::ingest`]) or mounted.
//!
//! A layer is named by its content, so two that have one name have the same content, and the first committed
//! stands: a step that was run again and made what is there already changes nothing downstream (early cut-off).
//! The rename and the row are one transaction; a directory without a valid row is what a crash has left, or what
//! another boot may have lost, and is exchanged for the new one.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use oci::tree::{Entry, Kind, Mtime};
use oci::{ContentDigest, DiffId, Digest, LayerId, Tree};
use rusqlite::{Connection, OptionalExtension, Row, params};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::blob::set_aside;
use crate::boot;
use crate::db::Fault;
use crate::error::Error;
use crate::ingest::Ingest;
use crate::store::Store;

/// Bytes of encoded trees that are kept decoded.
const TREE_BUDGET: usize = 16 << 20;
/// What a file of a layer occupies is a multiple of this on the file systems in use.
const DISK_BLOCK: u64 = 4096;

/// What the store knows of a layer besides its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRow {
    /// Known once its tar has been made or read.
    pub diff_id: Option<DiffId>,
    pub tar_size: Option<u64>,
    /// The bytes of its regular files.
    pub size: u64,
    /// About what it occupies.
    pub disk_size: u64,
    /// The newest modification time in it.
    pub newest: Mtime,
}

/// What became of a layer that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    New,
    /// The store had it already; the one handed in was dropped.
    Known,
}

/// Decoded trees, as many as the budget allows, oldest out first.
#[derive(Debug, Default)]
pub(crate) struct TreeCache {
    trees: HashMap<LayerId, (Arc<Tree>, usize)>,
    order: VecDeque<LayerId>,
    bytes: usize,
}

/// The row of a layer as far as it decides on its use.
struct Validity {
    valid: bool,
    used: i64,
    tree: Vec<u8>,
}

impl Store {
    /// Makes what was ingested the layer `id`, whose tree is `tree`.
    pub fn commit_layer(&self, mut ingest: Ingest, id: LayerId, tree: &Tree) -> Result<Committed, Error> {
        let bytes = tree.to_bytes();
        let source = ingest.layer();
        write_tree(&source.join("tree"), &bytes)?;
        let (row, checksum) = (LayerRow::of(&id, tree), ContentDigest::of(&bytes));
        let target = self.layout.layer(&id);
        let committed = self.db.write(|db| {
            if self.validity(db, &id)?.is_some_and(|known| known.valid) && target.join("fs").is_dir() {
                return Ok(Committed::Known);
            }
            move_in(source, &target)?;
            row.insert(db, &id, &checksum, self.boot.id())?;
            Ok(Committed::New)
        })?;
        match committed {
            Committed::New => ingest.keep_nothing(),
            Committed::Known => {}
        }
        self.keeper.poke();
        Ok(committed)
    }

    /// Whether the layer is here and can be relied on.
    pub fn has_layer(&self, id: &LayerId) -> Result<bool, Error> {
        let known = self.db.read(|db| self.validity(db, id))?;
        let Some(known) = known.filter(|known| known.valid && self.fs_of(id).is_dir()) else { return Ok(false) };
        self.note_layer_use(*id, known.used);
        Ok(true)
    }

    /// The layer's root, to be the lower directory of an overlay. Not to be written to.
    pub fn layer_fs(&self, id: &LayerId) -> Result<PathBuf, Error> {
        if self.has_layer(id)? { Ok(self.fs_of(id)) } else { Err(missing(id)) }
    }

    /// The layer's tree. A layer whose tree is damaged is set aside: then it is a layer that is not here.
    pub fn tree(&self, id: &LayerId) -> Result<Arc<Tree>, Error> {
        if let Some(tree) = self.trees.lock().unwrap_or_else(PoisonError::into_inner).find(id) {
            return Ok(tree);
        }
        let known = self.db.read(|db| self.validity(db, id))?.filter(|known| known.valid).ok_or_else(|| missing(id))?;
        let path = self.layout.layer(id).join("tree");
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.give_up(id, "its tree is gone"),
            other => other.map_err(Error::io("read", &path))?,
        };
        if ContentDigest::of(&bytes).as_bytes().as_slice() != known.tree {
            return self.give_up(id, "its tree is not what was written");
        }
        match Tree::from_bytes(&bytes) {
            Err(error) => self.give_up(id, &error.to_string()),
            Ok(tree) => {
                let tree = Arc::new(tree);
                self.trees.lock().unwrap_or_else(PoisonError::into_inner).keep(*id, Arc::clone(&tree), bytes.len());
                Ok(tree)
            }
        }
    }

    /// What else is known of a layer; `None` when it is not here.
    pub fn layer_row(&self, id: &LayerId) -> Result<Option<LayerRow>, Error> {
        self.db.read(|db| {
            let sql = "SELECT diff_id, tar_size, size, disk_size, newest_secs, newest_nanos FROM layers
                       WHERE id = ?1 AND (boot IS NULL OR boot = ?2)";
            let mut select = db.prepare_cached(sql)?;
            Ok(select.query_row(params![layer_to_sql(id), self.boot.id()], LayerRow::read).optional()?)
        })
    }

    /// Notes what the layer's tar comes to, now that it has been made.
    pub fn set_diff_id(&self, id: &LayerId, diff_id: DiffId, tar_size: u64) -> Result<(), Error> {
        self.db.write(|db| {
            let mut update = db.prepare_cached("UPDATE layers SET diff_id = ?2, tar_size = ?3 WHERE id = ?1")?;
            update.execute(params![layer_to_sql(id), diff_id.0.as_bytes(), to_sql_size(tar_size)])?;
            Ok(())
        })
    }

    /// A layer that is here and has this diff id, made here or pulled.
    pub fn layer_of_diff_id(&self, diff_id: &DiffId) -> Result<Option<LayerId>, Error> {
        let ids: Vec<Vec<u8>> = self.db.read(|db| {
            let mut select = db.prepare_cached("SELECT id FROM layers WHERE diff_id = ?1 ORDER BY id")?;
            let ids = select.query_map([diff_id.0.as_bytes()], |row| row.get(0))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })?;
        for id in ids.iter().filter_map(|id| layer_from_sql(id)) {
            if self.has_layer(&id)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Moves a layer aside and forgets it, and tells so as an error.
    fn give_up<T>(&self, id: &LayerId, reason: &str) -> Result<T, Error> {
        let aside = self.db.write(|db| {
            db.execute("DELETE FROM layers WHERE id = ?1", [layer_to_sql(id)])?;
            Ok(set_aside(&self.layout, &self.layout.layer(id))?)
        })?;
        Err(Error::Damaged { what: format!("layer `{id}`"), reason: reason.to_owned(), aside })
    }

    fn fs_of(&self, id: &LayerId) -> PathBuf {
        self.layout.layer(id).join("fs")
    }

    fn validity(&self, db: &Connection, id: &LayerId) -> Result<Option<Validity>, Fault> {
        let sql = "SELECT boot IS NULL OR boot = ?2, used, tree FROM layers WHERE id = ?1";
        let read = |row: &Row<'_>| Ok(Validity { valid: row.get(0)?, used: row.get(1)?, tree: row.get(2)? });
        Ok(db.prepare_cached(sql)?.query_row(params![layer_to_sql(id), self.boot.id()], read).optional()?)
    }
}

impl LayerRow {
    /// What the tree tells. A pulled layer's diff id is its name.
    fn of(id: &LayerId, tree: &Tree) -> Self {
        let diff_id = match id {
            LayerId::Pulled(diff_id) => Some(*diff_id),
            LayerId::Built(_) => None,
        };
        let mut row = Self { diff_id, tar_size: None, size: 0, disk_size: DISK_BLOCK, newest: Mtime::default() };
        for Entry { kind, meta, .. } in tree.entries() {
            match kind {
                Kind::File { size, .. } => {
                    row.size = row.size.saturating_add(*size);
                    row.disk_size = row.disk_size.saturating_add(size.div_ceil(DISK_BLOCK).saturating_mul(DISK_BLOCK));
                }
                Kind::Dir { .. } => row.disk_size = row.disk_size.saturating_add(DISK_BLOCK),
                Kind::HardLink { .. }
                | Kind::Symlink { .. }
                | Kind::CharDevice { .. }
                | Kind::BlockDevice { .. }
                | Kind::Fifo
                | Kind::Whiteout => {}
            }
            row.newest = row.newest.max(meta.mtime);
        }
        row
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            diff_id: row.get::<_, Option<[u8; 32]>>(0)?.map(|bytes| DiffId(Digest::from_bytes(bytes))),
            tar_size: row.get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
            size: row.get::<_, i64>(2)?.unsigned_abs(),
            disk_size: row.get::<_, i64>(3)?.unsigned_abs(),
            newest: Mtime { secs: row.get(4)?, nanos: row.get(5)? },
        })
    }

    fn insert(&self, db: &Connection, id: &LayerId, tree: &ContentDigest, boot: &str) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO layers
            (id, diff_id, tar_size, size, disk_size, newest_secs, newest_nanos, tree, boot, committed, used)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)";
        db.prepare_cached(sql)?.execute(params![
            layer_to_sql(id),
            self.diff_id.as_ref().map(|diff_id| diff_id.0.as_bytes()),
            self.tar_size.map(to_sql_size),
            to_sql_size(self.size),
            to_sql_size(self.disk_size),
            self.newest.secs,
            self.newest.nanos,
            tree.as_bytes(),
            boot,
            boot::now(),
        ])?;
        Ok(())
    }
}

impl TreeCache {
    fn find(&self, id: &LayerId) -> Option<Arc<Tree>> {
        self.trees.get(id).map(|(tree, _)| Arc::clone(tree))
    }

    fn keep(&mut self, id: LayerId, tree: Arc<Tree>, bytes: usize) {
        if self.trees.insert(id, (tree, bytes)).is_some() {
            return;
        }
        self.order.push_back(id);
        self.bytes += bytes;
        while self.bytes > TREE_BUDGET && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.trees.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
    }
}

/// Gives `source` the name `target`. What is there has no valid row, and is left at `source`.
fn move_in(source: &Path, target: &Path) -> Result<(), Error> {
    for flags in [RenameFlags::NOREPLACE, RenameFlags::EXCHANGE] {
        match renameat_with(CWD, source, CWD, target, flags) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::EXIST) => {}
            // A second attempt of the same transaction: the first has moved it.
            Err(rustix::io::Errno::NOENT) if target.join("fs").is_dir() => return Ok(()),
            Err(errno) => return Err(Error::os("rename to", target)(errno)),
        }
    }
    Ok(())
}

/// Into the file that was made with the ingest.
fn write_tree(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let opened = fs::OpenOptions::new().write(true).truncate(true).open(path);
    opened.and_then(|mut file| file.write_all(bytes)).map_err(Error::io("write", path))
}

/// A layer id as the database keeps it.
pub(crate) fn layer_to_sql(id: &LayerId) -> [u8; 33] {
    let (kind, digest) = match id {
        LayerId::Built(content) => (1, content.as_bytes()),
        LayerId::Pulled(diff_id) => (2, diff_id.0.as_bytes()),
    };
    let mut bytes = [kind; 33];
    bytes[1..].copy_from_slice(digest);
    bytes
}

/// `None` for what is no layer id.
pub(crate) fn layer_from_sql(bytes: &[u8]) -> Option<LayerId> {
    let (kind, digest) = bytes.split_first()?;
    let digest: [u8; 32] = digest.try_into().ok()?;
    match kind {
        1 => Some(LayerId::Built(ContentDigest::from_bytes(digest))),
        2 => Some(LayerId::Pulled(DiffId(Digest::from_bytes(digest)))),
        _ => None,
    }
}

/// Layer ids one after the other.
pub(crate) fn layers_to_sql(ids: &[LayerId]) -> Vec<u8> {
    ids.iter().flat_map(layer_to_sql).collect()
}

pub(crate) fn layers_from_sql(bytes: &[u8]) -> Option<Vec<LayerId>> {
    let ids = bytes.chunks_exact(33);
    if !ids.remainder().is_empty() {
        return None;
    }
    ids.map(layer_from_sql).collect()
}

/// SQLite's integers are signed.
pub(crate) fn to_sql_size(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn missing(id: &LayerId) -> Error {
    Error::Missing { what: format!("layer `{id}`") }
}
