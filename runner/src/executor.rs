//! The solver's ports on this machine: ops are done here, by processes in sandboxes and by copying files. Knows no
//! Dockerfile; decides nothing about hits and misses.
//!
//! * A file op is planned when the solver asks what it sees ([`Executor::sight`]). Its plan is the tree of the layer
//!   that it makes, so the answer is the layer's id, and where the store has that layer nothing is done at all. The
//!   plan is kept for [`Executor::execute`].
//! * A RUN gets an overlay of its input's layers, with a fresh upper directory; what is in that afterwards, read
//!   ([`crate::capture`]), is its layer, by rename.
//! * Layers that are not here are pulled when a step needs their files, never before.

mod agent;
mod exec;
mod file;
mod foreign;
pub mod limits;
mod mounts;
mod output;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cache::Store;
use graph::op::{Owner, UserRef};
use graph::{Manifest, Op, SourceOp};
use oci::view::View;
use oci::{ContentDigest, LayerId};
use solver::port::{self, Cancel, Failure, Job, Progress, Sight, TaskId, Update, Value};

use crate::context::Context;
use crate::copy::listing::Listing;
use crate::copy::stack::Stack;
use crate::remote::Remotes;
use crate::remote::http::HttpFile;
use crate::sandbox::Spawner;
use crate::source::Images;

pub use exec::HOSTNAME;

/// Does ops on this machine. Shared by all threads of a build.
pub struct LocalExecutor {
    store: Arc<Store>,
    images: Arc<Images>,
    progress: Arc<dyn Progress>,
    given: Given,
    contexts: Mutex<BTreeMap<String, Arc<Context>>>,
    spawner: OnceLock<Spawner>,
    starting: Mutex<()>,
    /// By vertex: what was planned for it.
    plans: Mutex<BTreeMap<usize, Arc<file::Planned>>>,
    stacks: Mutex<BTreeMap<Vec<LayerId>, Arc<Stack>>>,
    /// Where the layers are that have been found here. Each step's stack has all of its predecessors', and asking the
    /// store for each again would make the cost of a build grow with the square of its steps.
    here: Mutex<BTreeMap<LayerId, PathBuf>>,
}

/// What the caller gives to the ops of one build.
pub struct Given {
    /// A directory on the file system of the layers for the sandboxes, kept from run to run.
    pub scratch: PathBuf,
    /// Contents of `/etc/hosts` and `/etc/resolv.conf`.
    pub hosts: Vec<u8>,
    pub resolv_conf: Vec<u8>,
    /// What is elsewhere, with the secrets and agents that let us in.
    pub remotes: Arc<Remotes>,
}

/// One input of an op.
enum Input {
    Layers(Arc<Stack>),
    Local(Arc<Context>),
}

impl LocalExecutor {
    /// `contexts` are the directories that local sources name.
    pub fn new(
        store: Arc<Store>,
        images: Arc<Images>,
        progress: Arc<dyn Progress>,
        contexts: BTreeMap<String, Context>,
        given: Given,
    ) -> Self {
        let contexts = contexts.into_iter().map(|(name, context)| (name, Arc::new(context))).collect();
        Self {
            store,
            images,
            progress,
            given,
            contexts: Mutex::new(contexts),
            spawner: OnceLock::new(),
            starting: Mutex::new(()),
            plans: Mutex::default(),
            stacks: Mutex::default(),
            here: Mutex::default(),
        }
    }

    /// The context called `name`, with all that has been read of it.
    pub fn context(&self, name: &str) -> Option<Arc<Context>> {
        lock(&self.contexts).get(name).cloned()
    }

    fn spawner(&self) -> Result<&Spawner, Failure> {
        let _starting = lock(&self.starting);
        if let Some(spawner) = self.spawner.get() {
            return Ok(spawner);
        }
        let spawner = Spawner::start(&self.given.scratch).map_err(fail)?;
        Ok(self.spawner.get_or_init(|| spawner))
    }

    /// The inputs of `job`; `None` when a layer is not here.
    fn inputs(&self, job: &Job<'_>) -> Result<Option<Vec<Input>>, Failure> {
        job.inputs.iter().map(|value| self.input(value)).collect()
    }

    fn input(&self, value: &Value) -> Result<Option<Input>, Failure> {
        match value {
            Value::Snapshot(layers) => Ok(self.stack(layers)?.map(Input::Layers)),
            Value::Local(name) => {
                let context =
                    self.context(name).ok_or_else(|| Failure::other(format!("no build context is called `{name}`")))?;
                Ok(Some(Input::Local(context)))
            }
        }
    }

    /// The inputs with nothing in their snapshots, which `fields` name whole instead.
    fn local_inputs(&self, job: &Job<'_>, fields: &mut Manifest) -> Result<Vec<Input>, Failure> {
        let mut inputs = Vec::new();
        for (slot, value) in job.inputs.iter().enumerate() {
            match value {
                Value::Snapshot(layers) => {
                    push_snapshot(fields, slot, layers);
                    inputs.push(Input::Layers(Arc::new(Stack::new(View::default(), Vec::new()))));
                }
                Value::Local(_) => inputs.extend(self.input(value)?),
            }
        }
        Ok(inputs)
    }

    /// The trees of `layers`; `None` when one is not here.
    fn stack(&self, layers: &[LayerId]) -> Result<Option<Arc<Stack>>, Failure> {
        if let Some(stack) = lock(&self.stacks).get(layers) {
            return Ok(Some(Arc::clone(stack)));
        }
        let mut trees = Vec::with_capacity(layers.len());
        for layer in layers {
            if self.place(layer)?.is_none() {
                return Ok(None);
            }
            match self.store.tree(layer) {
                Ok(tree) => trees.push(tree),
                // Set aside by now: it is to be had again.
                Err(cache::Error::Damaged { .. } | cache::Error::Missing { .. }) => {
                    lock(&self.here).remove(layer);
                    return Ok(None);
                }
                Err(error) => return Err(fail(error)),
            }
        }
        let stack = Arc::new(Stack::new(View::new(trees), layers.to_vec()));
        lock(&self.stacks).insert(layers.to_vec(), Arc::clone(&stack));
        Ok(Some(stack))
    }

    /// Where the files of `layer` are; `None` when it is not here.
    fn place(&self, layer: &LayerId) -> Result<Option<PathBuf>, Failure> {
        if let Some(fs) = lock(&self.here).get(layer) {
            return Ok(Some(fs.clone()));
        }
        match self.store.layer_fs(layer) {
            Ok(fs) => {
                lock(&self.here).insert(*layer, fs.clone());
                Ok(Some(fs))
            }
            Err(cache::Error::Missing { .. }) => Ok(None),
            Err(error) => Err(fail(error)),
        }
    }

    /// [`LocalExecutor::place`] of a layer that must be here.
    fn layer_fs(&self, layer: &LayerId) -> Result<PathBuf, Failure> {
        self.place(layer)?.ok_or_else(|| Failure::other(format!("layer {layer} is not in the store any more")))
    }

    /// Gets the layers of all inputs here.
    fn fetch(&self, job: &Job<'_>, cancel: &Cancel) -> Result<Vec<Input>, Failure> {
        let mut missing = Vec::new();
        for value in job.inputs {
            let Value::Snapshot(layers) = value else { continue };
            for layer in layers {
                if self.place(layer)?.is_none() && !missing.contains(layer) {
                    missing.push(*layer);
                }
            }
        }
        self.images.fetch(&missing, job.task, cancel)?;
        self.inputs(job)?.ok_or_else(|| Failure::other("a layer that was just fetched is not in the store"))
    }

    fn warn(&self, task: TaskId, message: &str) {
        self.progress.update(task, Update::Warning { message });
    }
}

impl Input {
    fn listing(&self) -> &dyn Listing {
        match self {
            Self::Layers(stack) => &**stack,
            Self::Local(context) => &**context,
        }
    }
}

impl port::Executor for LocalExecutor {
    fn sight(&self, job: Job<'_>) -> Result<Option<Sight>, Failure> {
        match &job.vertex.op {
            Op::File(op) => self.sight_file(&job, op),
            Op::Exec(op) => self.sight_exec(&job, op),
            Op::Source(_) | Op::Merge | Op::Diff => Ok(None),
        }
    }

    fn execute(&self, job: Job<'_>, cancel: &Cancel) -> Result<Vec<LayerId>, Failure> {
        match &job.vertex.op {
            Op::File(op) => self.do_file(&job, op, cancel),
            Op::Exec(op) => self.do_exec(&job, op, cancel),
            Op::Source(_) | Op::Merge | Op::Diff => {
                Err(Failure::other("sources, merges and differences are the solver's to resolve"))
            }
        }
    }
}

impl port::Resolver for LocalExecutor {
    fn resolve(&self, source: &SourceOp, task: TaskId) -> Result<Value, Failure> {
        match source {
            SourceOp::Image { reference, digest, platform } => {
                Ok(Value::Snapshot(self.images.layers(reference, *digest, platform, task)?))
            }
            SourceOp::Local { name } => Ok(Value::Local(name.clone())),
            SourceOp::Git(git) => Ok(Value::Snapshot(vec![self.given.remotes.git(git, task)?])),
            SourceOp::Http { url, checksum, filename, mode, owner } => {
                let owner = ids(owner.as_ref())?;
                let file = HttpFile { url, checksum: *checksum, name: filename.as_deref(), mode: *mode, owner };
                Ok(Value::Snapshot(vec![self.given.remotes.http(file, task)?.layer]))
            }
        }
    }
}

/// The ids that `owner` tells. A file that comes alone has no accounts to look names up in.
pub(crate) fn ids(owner: Option<&Owner>) -> Result<(u32, u32), Failure> {
    let id = |of: Option<&UserRef>| match of {
        None => Ok(0),
        Some(UserRef::Id(id)) => Ok(*id),
        Some(UserRef::Name(name)) => {
            Err(Failure::other(format!("a file that is downloaded cannot belong to `{name}`: it takes a number")))
        }
    };
    Ok((id(owner.and_then(|owner| owner.user.as_ref()))?, id(owner.and_then(|owner| owner.group.as_ref()))?))
}

/// What the inputs of an op come to where it sees all of a snapshot.
fn push_snapshot(fields: &mut Manifest, slot: usize, layers: &[LayerId]) {
    let text: Vec<String> = layers.iter().map(LayerId::to_string).collect();
    fields.push(format!("input.{slot}"), text.join(" "));
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A failure that says what `error` says, with all beneath it.
pub(crate) fn fail(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        source = cause.source();
    }
    let error: &(dyn std::error::Error + 'static) = &error;
    if let Some(cache::Error::Damaged { .. } | cache::Error::Missing { .. }) = error.downcast_ref() {
        return Failure::Gone { message };
    }
    // A hint is a line of its own in the errors of all crates.
    let (message, hint) = match message.split_once("\nhint: ") {
        Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
        None => (message, None),
    };
    Failure::Other { message, hint, source: None }
}

fn built(digest: ContentDigest) -> LayerId {
    LayerId::Built(digest)
}

#[cfg(test)]
mod tests;
