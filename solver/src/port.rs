//! The ports: what the solver asks of the world. Knows no implementation of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use graph::{Manifest, SourceOp, Vertex, VertexId};
use oci::LayerId;

/// What a vertex comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A filesystem: a stack of layers, bottom first. Empty is scratch.
    Snapshot(Vec<LayerId>),
    /// A directory of this machine, by the name its source op gave. It has no digest as a whole: what uses it must
    /// say what it sees ([`Executor::sight`]).
    Local(String),
}

/// A vertex, and what its inputs came to.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    pub id: VertexId,
    pub vertex: &'a Vertex,
    pub inputs: &'a [Value],
    /// Where the job reports to.
    pub task: TaskId,
}

/// What an op can see of its inputs, told more narrowly than by their whole digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Stands in the key in the place of the inputs' digests.
    pub fields: Manifest,
    /// The layer the op would make, where that can be told without making it.
    pub layer: Option<LayerId>,
}

/// Tells what sources hold.
pub trait Resolver: Sync {
    fn resolve(&self, source: &SourceOp, task: TaskId) -> Result<Value, Failure>;
}

/// Does what ops say, on some machine.
pub trait Executor: Sync {
    /// What `job` sees of its inputs. `Ok(None)`: all of them, or it cannot be told without fetching what is not here.
    ///
    /// Called before [`Executor::execute`], and often instead of it.
    fn sight(&self, job: Job<'_>) -> Result<Option<Sight>, Failure>;

    /// Does it, and commits to the store what it made: the layers to stack on the op's root.
    fn execute(&self, job: Job<'_>, cancel: &Cancel) -> Result<Vec<LayerId>, Failure>;
}

/// Why a vertex came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A process of the build ended with another status than 0. An outcome, not an error of ours.
    #[error("process {command} did not complete successfully: exit code: {code}")]
    Exit {
        /// As shown: `"/bin/sh -c npm ci"`
        command: String,
        /// 128 + the signal's number when a signal ended it.
        code: i32,
    },
    #[error("canceled")]
    Canceled,
    /// A layer that a record promised is lost or damaged, and the store knows that by now: to solve again is to make it
    /// again.
    #[error("{message}")]
    Gone { message: String },
    /// The message is whole: subject, cause, way out.
    #[error("{message}")]
    Other {
        message: String,
        hint: Option<String>,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// Hears of what happens. Each line of the progress view is a task.
pub trait Progress: Send + Sync {
    fn begin(&self, name: &str) -> TaskId;
    fn update(&self, task: TaskId, update: Update<'_>);
}

/// A line of the progress view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update<'a> {
    /// Work on it starts now.
    Started,
    /// Its result was there already.
    Cached,
    Output {
        stream: Stream,
        bytes: &'a [u8],
    },
    /// Part `what` of the task (a blob, a file) is at `current` of `total` bytes.
    Bytes {
        what: &'a str,
        current: u64,
        total: Option<u64>,
    },
    Warning {
        message: &'a str,
    },
    Done,
    Failed {
        message: &'a str,
    },
    Canceled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// Says that everything is to stop. Cheap to clone and to ask.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
    /// Those it came from: any of them stops it too.
    parents: Vec<Arc<AtomicBool>>,
}

impl Cancel {
    pub fn new() -> Self {
        Self::default()
    }

    /// One that is canceled with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        let parents = self.parents.iter().chain([&self.flag]).cloned().collect();
        Self { flag: Arc::default(), parents }
    }

    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Release);
    }

    pub fn is_canceled(&self) -> bool {
        self.parents.iter().chain([&self.flag]).any(|flag| flag.load(Ordering::Acquire))
    }
}

impl Failure {
    /// A failure with a whole message and nothing beneath it.
    pub fn other(message: impl Into<String>) -> Self {
        Self::Other { message: message.into(), hint: None, source: None }
    }
}
