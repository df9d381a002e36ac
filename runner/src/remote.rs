//! Sources that are elsewhere: files of HTTP servers and commits of Git repositories, brought into the store as layers.
//! Knows no Dockerfile and no graph but its ops.
//!
//! A source comes to one layer, named by its content, so it does not matter where it was fetched from, nor when. What
//! the source says of itself without being fetched (a commit's name, a file's checksum) leads to a record of that layer;
//! where the record is there, nothing is fetched ([`Remotes::recorded`]). In one build, a reference or a file is asked
//! for once: whoever asks again is told the same.

pub mod git;
pub mod http;
mod time;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use cache::{CacheKey, Ingest, Record, Store};
use graph::{Manifest, SourceOp};
use oci::{LayerId, Web};
use solver::port::{Cancel, Failure, Progress};

use crate::capture::capture;
use crate::executor::{fail, ids};

/// What whoever builds lets its steps have: never part of a key, a layer or a log.
#[derive(Default)]
pub struct Access {
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Sockets of agents.
    pub ssh: BTreeMap<String, PathBuf>,
}

/// What has to be known of this machine to fetch from elsewhere.
#[derive(Default)]
pub struct Surroundings {
    /// `PATH`, where `git` and `ssh` are looked for.
    pub path: String,
    /// Proxy variables, `NAME` and value.
    pub proxies: Vec<(String, String)>,
    /// The user's `known_hosts`, if there is one.
    pub known_hosts: Option<PathBuf>,
}

/// Fetches sources. Shared by all threads of a build.
pub struct Remotes {
    store: Arc<Store>,
    progress: Arc<dyn Progress>,
    web: Web,
    access: Access,
    surroundings: Surroundings,
    cancel: Cancel,
    /// What files and references have come to in this build.
    files: Mutex<BTreeMap<String, http::Note>>,
    references: Mutex<BTreeMap<(String, Option<String>), git::Resolved>>,
}

impl Remotes {
    pub fn new(
        (store, progress): (Arc<Store>, Arc<dyn Progress>),
        web: Web,
        access: Access,
        surroundings: Surroundings,
        cancel: Cancel,
    ) -> Self {
        let (files, references) = (Mutex::default(), Mutex::default());
        Self { store, progress, web, access, surroundings, cancel, files, references }
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The layer that `key` is known to come to.
    fn recorded(&self, key: &Manifest) -> Result<Option<LayerId>, Failure> {
        let record = self.store.record(&CacheKey(key.digest())).map_err(fail)?;
        Ok(record.and_then(|record| record.layers.first().copied()))
    }

    /// The layer that `source` is known to come to, without asking anybody: what was told last time still counts.
    pub fn remembered(&self, source: &SourceOp) -> Result<Option<LayerId>, Failure> {
        match source {
            SourceOp::Git(source) => git::remembered(self, source),
            SourceOp::Http { url, checksum, filename, mode, owner } => {
                let owner = ids(owner.as_ref())?;
                let file = http::HttpFile { url, checksum: *checksum, name: filename.as_deref(), mode: *mode, owner };
                self.http_remembered(file)
            }
            SourceOp::Image { .. } | SourceOp::Local { .. } => Ok(None),
        }
    }

    /// Makes what is in `ingest` a layer, and records that `key` comes to it.
    fn commit(&self, ingest: Ingest, key: &Manifest, name: &str) -> Result<LayerId, Failure> {
        let tree = capture(ingest.fs()).map_err(fail)?;
        let layer = LayerId::Built(tree.digest());
        self.store.commit_layer(ingest, layer, &tree).map_err(fail)?;
        let record = Record {
            layers: vec![layer],
            manifest: key.to_bytes(),
            step: key.digest(),
            name: name.to_owned(),
            created: SystemTime::now(),
            took: None,
        };
        self.store.put_record(&CacheKey(key.digest()), &record).map_err(fail)?;
        Ok(layer)
    }

    /// The layer of what is in the archive that was fetched.
    pub fn unpacked(&self, fetched: &http::Fetched) -> Result<LayerId, Failure> {
        let mut key = Manifest::default();
        key.push("version", graph::VERSION);
        key.push("op", "unpack");
        key.push("archive", fetched.layer.to_string());
        if let Some(layer) = self.recorded(&key)? {
            return Ok(layer);
        }
        let path = self.store.layer_fs(&fetched.layer).map_err(fail)?.join(&fetched.name);
        let unreadable = |error| Failure::other(format!("cannot unpack what was fetched: {error}"));
        let file = File::open(&path).map_err(unreadable)?;
        let (_format, tar) = oci::compress::decompress(file).map_err(unreadable)?;
        let ingest = self.store.ingest().map_err(fail)?;
        oci::unpack::unpack(tar, ingest.fs(), &oci::unpack::Options::archive()).map_err(fail)?;
        self.commit(ingest, &key, &format!("unpack {}", fetched.layer))
    }

    fn secret(&self, id: &str) -> Option<&[u8]> {
        self.access.secrets.get(id).map(Vec::as_slice)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
