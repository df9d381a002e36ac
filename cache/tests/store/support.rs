//! Stores, layers and records for tests.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cache::{CacheKey, Ingest, Record, Store};
use oci::tree::{Entry, Kind, Meta, Mtime, TreeBuilder};
use oci::{ContentDigest, LayerId, Tree};

/// A directory for a store, removed at the end.
pub struct Dir(tempfile::TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub fn root(&self) -> PathBuf {
        self.0.path().join("store")
    }

    pub fn open(&self) -> Store {
        Store::open(&self.root()).expect("a store")
    }
}

/// An ingest with one file, and the tree of it.
pub fn ingest(store: &Store, name: &str, bytes: &[u8]) -> (Ingest, LayerId, Tree) {
    let ingest = store.ingest().expect("an ingest");
    let path = ingest.fs().join(name);
    fs::write(&path, bytes).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
    let tree = tree_of(&path, name, bytes);
    let id = LayerId::Built(tree.digest());
    (ingest, id, tree)
}

/// A committed layer with one file.
pub fn layer(store: &Store, name: &str, bytes: &[u8]) -> LayerId {
    let (ingest, id, tree) = ingest(store, name, bytes);
    store.commit_layer(ingest, id, &tree).expect("committed");
    id
}

pub fn key(name: &str) -> CacheKey {
    CacheKey(ContentDigest::of(name.as_bytes()))
}

pub fn record(layers: &[LayerId]) -> Record {
    Record {
        layers: layers.to_vec(),
        manifest: b"manifest".to_vec(),
        step: ContentDigest::of(b"step"),
        name: "RUN true".to_owned(),
        created: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        took: Some(Duration::from_millis(1500)),
    }
}

/// Changes one byte in the middle of a file.
pub fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).expect("written");
}

/// How many entries a directory of the store has.
pub fn count(dir: &Path) -> usize {
    fs::read_dir(dir).expect("a directory").count()
}

fn tree_of(path: &Path, name: &str, bytes: &[u8]) -> Tree {
    let metadata = fs::metadata(path).expect("a file");
    let kind = Kind::File { size: bytes.len() as u64, content: ContentDigest::of(bytes) };
    let mtime = Mtime { secs: metadata.mtime(), nanos: 0 };
    let meta = Meta { mode: 0o644, uid: metadata.uid(), gid: metadata.gid(), mtime, ..Meta::default() };
    let mut tree = TreeBuilder::new();
    tree.push(Entry { path: name.as_bytes().into(), kind, meta }).expect("an entry");
    tree.build().expect("a tree")
}
