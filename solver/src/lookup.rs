//! Look-ups: the keys a step goes by, and what the store has under them. Runs nothing and writes nothing, so a build and
//! whoever only wants to know what a build would do share it.

use std::time::Duration;

use cache::{CacheKey, Store};
use graph::Manifest;
use oci::{ContentDigest, LayerId};

use crate::key;
use crate::port::{Executor, Failure, Job, Sight};

/// The keys of one step, as far as they have been asked for.
pub struct Keys {
    op: Manifest,
    whole: Option<(CacheKey, Manifest)>,
    seen: Option<(CacheKey, Manifest)>,
    /// The layer it would make, if that is known.
    layer: Option<LayerId>,
}

/// What a step came to, as the store knows it.
pub struct Hit {
    /// The key it was found by.
    pub key: CacheKey,
    pub layers: Vec<LayerId>,
    pub took: Option<Duration>,
}

impl Keys {
    /// The key of the whole inputs of `job`, where there is one.
    pub fn of_whole(job: Job<'_>) -> Self {
        let op = graph::fields(&job.vertex.op);
        let whole = key::whole(&op, job.inputs).map(|manifest| (CacheKey(manifest.digest()), manifest));
        Self { op, whole, seen: None, layer: None }
    }

    /// Adds the key of what `job` sees of its inputs.
    pub fn see(&mut self, job: Job<'_>, executor: &dyn Executor) -> Result<(), Failure> {
        if let Some(Sight { fields, layer }) = executor.sight(job)? {
            let manifest = key::seen(&self.op, &fields);
            self.seen = Some((CacheKey(manifest.digest()), manifest));
            self.layer = layer;
        }
        Ok(())
    }

    /// What is known under any of the keys, the narrowest first; else the very layer, where that can be told. A record
    /// that cannot be read is a miss, of which `warn` is told.
    pub fn find(&self, store: &Store, warn: &dyn Fn(&str)) -> Result<Option<Hit>, Failure> {
        for (key, _) in self.all() {
            match store.record(key) {
                Ok(Some(record)) => {
                    return Ok(Some(Hit { key: *key, layers: record.layers, took: record.took }));
                }
                Ok(None) => {}
                Err(error) => warn(&format!("a cache record is ignored: {error}")),
            }
        }
        let Some(layer) = self.layer else { return Ok(None) };
        let is_here = store.has_layer(&layer).map_err(|error| failure(error, "cannot look for the layer"))?;
        Ok(if is_here { Some(Hit { key: self.own()?, layers: vec![layer], took: None }) } else { None })
    }

    /// The narrowest key there is, which is the one to be locked and shown.
    pub fn own(&self) -> Result<CacheKey, Failure> {
        let (key, _) = self.all().next().ok_or_else(|| {
            Failure::other("a step that uses a local directory must say what it sees of it, and this one does not")
        })?;
        Ok(*key)
    }

    /// The narrowest first.
    pub fn all(&self) -> impl Iterator<Item = (&CacheKey, &Manifest)> {
        self.seen.iter().chain(&self.whole).map(|(key, manifest)| (key, manifest))
    }

    /// The digest of the op alone.
    pub fn step(&self) -> ContentDigest {
        self.op.digest()
    }
}

pub fn failure(error: cache::Error, what: &str) -> Failure {
    Failure::Other { message: format!("{what}: {error}"), hint: None, source: Some(Box::new(error)) }
}
