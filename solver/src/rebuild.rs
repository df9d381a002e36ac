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
use graph::{Op, Slot};
use oci::LayerId;

use crate::lookup::{Hit, Keys, failure};
use crate::port::{Cancel, Failure, Job, Update, Value};
use crate::solve::Ports;
use crate::stack;

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

pub fn rebuild(job: Job<'_>, store: &Store, ports: Ports<'_>, cancel: &Cancel) -> Result<(Value, Step), Failure> {
    let begun = Instant::now();
    let rebuild = Rebuild { job, store, ports, cancel };
    let (value, found, key) = match &job.vertex.op {
        Op::Source(source) => (ports.resolver.resolve(source, job.task)?, Found::Resolved, None),
        Op::Merge => (Value::Snapshot(stack::merged(job)?), Found::Resolved, None),
        Op::Diff => (Value::Snapshot(stack::difference(job)?), Found::Resolved, None),
        Op::Exec(exec) => rebuild.step(exec.root)?,
        Op::File(file) => rebuild.step(file.base)?,
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
    fn step(&self, root: Option<Slot>) -> Result<(Value, Found, Option<CacheKey>), Failure> {
        let mut stack = stack::below(self.job, root)?;
        let (layers, found, key) = self.find_or_run()?;
        stack.extend(layers);
        Ok((Value::Snapshot(stack), found, Some(key)))
    }

    fn find_or_run(&self) -> Result<(Vec<LayerId>, Found, CacheKey), Failure> {
        let mut keys = Keys::of_whole(self.job);
        if let Some(hit) = self.find(&keys)? {
            return Ok((hit.layers, Found::Hit, hit.key));
        }
        keys.see(self.job, self.ports.executor)?;
        let key = keys.own()?;
        if let Some(hit) = self.find_and_record(&keys)? {
            return Ok((hit.layers, Found::Hit, key));
        }
        let lock = self
            .store
            .lock_key(&key, &mut || !self.cancel.is_canceled())
            .map_err(|error| failure(error, "cannot lock the step"))?;
        let Some(_lock) = lock else { return Err(Failure::Canceled) };
        if let Some(hit) = self.find_and_record(&keys)? {
            return Ok((hit.layers, Found::Hit, key));
        }
        self.update(Update::Started);
        let begun = Instant::now();
        let layers = self.ports.executor.execute(self.job, self.cancel)?;
        self.record(&keys, &layers, Some(begun.elapsed()))?;
        Ok((layers, Found::Ran, key))
    }

    /// What is known under any of `keys`, unless it is to run in any case.
    fn find(&self, keys: &Keys) -> Result<Option<Hit>, Failure> {
        if self.job.vertex.meta.no_cache {
            return Ok(None);
        }
        keys.find(self.store, &|message| self.update(Update::Warning { message }))
    }

    /// [`Rebuild::find`], recorded under all of `keys`.
    fn find_and_record(&self, keys: &Keys) -> Result<Option<Hit>, Failure> {
        let hit = self.find(keys)?;
        if let Some(hit) = &hit {
            self.record(keys, &hit.layers, hit.took)?;
        }
        Ok(hit)
    }

    fn record(&self, keys: &Keys, layers: &[LayerId], took: Option<Duration>) -> Result<(), Failure> {
        for (key, manifest) in keys.all() {
            let record = Record {
                layers: layers.to_vec(),
                manifest: manifest.to_bytes(),
                step: keys.step(),
                name: self.job.vertex.meta.name.clone(),
                created: SystemTime::now(),
                took,
            };
            self.store.put_record(key, &record).map_err(|error| failure(error, "cannot record the step"))?;
        }
        Ok(())
    }

    fn update(&self, update: Update<'_>) {
        self.ports.progress.update(self.job.task, update);
    }
}
