//! The rebuilder: whether a vertex must run at all, and what it comes to. Knows ports and records, not the schedule.
//!
//! For one vertex whose inputs are done, cheapest first:
//!
//! 1. the record under the key of its *whole* inputs: one look-up, nothing is opened;
//! 2. the record under the key of what it *sees* of them, or the very layer it would make;
//! 3. the lock of its key, so that it runs once whoever asks; then 1 and 2 again; then it runs.
//!
//! What ran, or was found at 2, is recorded under both keys.

use std::time::{Duration, Instant, SystemTime};

use cache::{CacheKey, Record, Store};
use graph::{Manifest, Op};
use oci::{ContentDigest, LayerId};

use crate::key;
use crate::port::{Cancel, Failure, Job, Sight, Update, Value};
use crate::solve::Ports;

/// How a vertex came to its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub found: Found,
    /// The key that its record is under; none for sources, which are never recorded.
    pub key: Option<CacheKey>,
    pub took: Duration,
}

/// Whether it had to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A source, a merge, a diff: nothing to run.
    Resolved,
    /// There was a record of it, or the layer itself.
    Hit,
    Ran,
}

/// The names a step is known by.
struct Keys {
    /// Of the op alone.
    step: ContentDigest,
    whole: Option<(CacheKey, Manifest)>,
    seen: Option<(CacheKey, Manifest)>,
    /// The layer it would make, if that is known.
    layer: Option<LayerId>,
}

pub fn rebuild(job: Job<'_>, store: &Store, ports: Ports<'_>, cancel: &Cancel) -> Result<(Value, Step), Failure> {
    let begun = Instant::now();
    let rebuild = Rebuild { job, store, ports, cancel };
    let (value, found, key) = match &job.vertex.op {
        Op::Source(source) => (ports.resolver.resolve(source, job.task)?, Found::Resolved, None),
        Op::Merge => (Value::Snapshot(rebuild.merged()?), Found::Resolved, None),
        Op::Diff => (Value::Snapshot(rebuild.difference()?), Found::Resolved, None),
        Op::Exec(exec) => rebuild.step(exec.root.map(|slot| slot.0))?,
        Op::File(file) => rebuild.step(file.base.map(|slot| slot.0))?,
    };
    Ok((value, Step { found, key, took: begun.elapsed() }))
}

struct Rebuild<'a> {
    job: Job<'a>,
    store: &'a Store,
    ports: Ports<'a>,
    cancel: &'a Cancel,
}

impl Rebuild<'_> {
    /// The value of an op that stacks layers on its input at `root`.
    fn step(&self, root: Option<u16>) -> Result<(Value, Found, Option<CacheKey>), Failure> {
        let mut stack = match root {
            None => Vec::new(),
            Some(slot) => self.layers(usize::from(slot))?.to_vec(),
        };
        let (layers, found, key) = self.find_or_run()?;
        stack.extend(layers);
        Ok((Value::Snapshot(stack), found, Some(key)))
    }

    fn find_or_run(&self) -> Result<(Vec<LayerId>, Found, CacheKey), Failure> {
        let op = graph::fields(&self.job.vertex.op);
        let mut keys = Keys { step: op.digest(), whole: None, seen: None, layer: None };
        keys.whole = key::whole(&op, self.job.inputs).map(|manifest| (CacheKey(manifest.digest()), manifest));
        let fresh = self.job.vertex.meta.no_cache;
        if !fresh
            && let Some((key, _)) = &keys.whole
            && let Some(layers) = self.recorded(key)
        {
            return Ok((layers, Found::Hit, *key));
        }
        if let Some(Sight { fields, layer }) = self.ports.executor.sight(self.job)? {
            let manifest = key::seen(&op, &fields);
            keys.seen = Some((CacheKey(manifest.digest()), manifest));
            keys.layer = layer;
        }
        let key = keys.own()?;
        if !fresh && let Some(layers) = self.known(&keys)? {
            return Ok((layers, Found::Hit, key));
        }
        let lock = self
            .store
            .lock_key(&key, &mut || !self.cancel.is_canceled())
            .map_err(|error| failure(error, "cannot lock the step"))?;
        let Some(_lock) = lock else { return Err(Failure::Canceled) };
        if !fresh && let Some(layers) = self.known(&keys)? {
            return Ok((layers, Found::Hit, key));
        }
        self.update(Update::Started);
        let layers = self.ports.executor.execute(self.job, self.cancel)?;
        self.record(&keys, &layers)?;
        Ok((layers, Found::Ran, key))
    }

    /// What is known under any of `keys`, recorded under all of them.
    fn known(&self, keys: &Keys) -> Result<Option<Vec<LayerId>>, Failure> {
        for (key, _) in keys.all() {
            if let Some(layers) = self.recorded(key) {
                self.record(keys, &layers)?;
                return Ok(Some(layers));
            }
        }
        let Some(layer) = keys.layer else { return Ok(None) };
        if !self.store.has_layer(&layer).map_err(|error| failure(error, "cannot look for the layer"))? {
            return Ok(None);
        }
        self.record(keys, &[layer])?;
        Ok(Some(vec![layer]))
    }

    /// A record that cannot be read is a miss, and is told.
    fn recorded(&self, key: &CacheKey) -> Option<Vec<LayerId>> {
        match self.store.record(key) {
            Ok(record) => record.map(|record| record.layers),
            Err(error) => {
                self.update(Update::Warning { message: &format!("a cache record is ignored: {error}") });
                None
            }
        }
    }

    fn record(&self, keys: &Keys, layers: &[LayerId]) -> Result<(), Failure> {
        for (key, manifest) in keys.all() {
            let record = Record {
                layers: layers.to_vec(),
                manifest: manifest.to_bytes(),
                step: keys.step,
                name: self.job.vertex.meta.name.clone(),
                created: SystemTime::now(),
            };
            self.store.put_record(key, &record).map_err(|error| failure(error, "cannot record the step"))?;
        }
        Ok(())
    }

    fn merged(&self) -> Result<Vec<LayerId>, Failure> {
        let mut stack = Vec::new();
        for slot in 0..self.job.inputs.len() {
            stack.extend_from_slice(self.layers(slot)?);
        }
        Ok(stack)
    }

    fn difference(&self) -> Result<Vec<LayerId>, Failure> {
        let (lower, upper) = (self.layers(0)?, self.layers(1)?);
        let above = upper.strip_prefix(lower).ok_or_else(|| {
            Failure::other("a difference of two filesystems, neither of which is built on the other, is not supported")
        })?;
        Ok(above.to_vec())
    }

    fn layers(&self, slot: usize) -> Result<&[LayerId], Failure> {
        match self.job.inputs.get(slot) {
            Some(Value::Snapshot(layers)) => Ok(layers),
            Some(Value::Local(name)) => {
                Err(Failure::other(format!("the local directory `{name}` cannot be a root filesystem")))
            }
            None => Err(Failure::other(format!("`{}` has no input {slot}", self.job.vertex.meta.name))),
        }
    }

    fn update(&self, update: Update<'_>) {
        self.ports.progress.update(self.job.task, update);
    }
}

impl Keys {
    /// The narrowest key there is, which is the one to be locked and shown.
    fn own(&self) -> Result<CacheKey, Failure> {
        let (key, _) = self.all().next().ok_or_else(|| {
            Failure::other("a step that uses a local directory must say what it sees of it, and this one does not")
        })?;
        Ok(*key)
    }

    fn all(&self) -> impl Iterator<Item = (&CacheKey, &Manifest)> {
        self.seen.iter().chain(&self.whole).map(|(key, manifest)| (key, manifest))
    }
}

fn failure(error: cache::Error, what: &str) -> Failure {
    Failure::Other { message: format!("{what}: {error}"), hint: None, source: Some(Box::new(error)) }
}
