//! Looking: what a solve would find, without running, recording or fetching anything. Knows no schedule but its order.
//!
//! The vertices are walked inputs first, with the look-ups of a solve ([`crate::lookup`]). A step whose inputs are all
//! known hits or does not. What comes after one that does not, nobody can know: it may come to the same contents again.
//! Only a step of which the store has no record at all will run. (Or it copies what somebody else has made a layer of
//! already; that is as good as nothing to do.)

use std::collections::BTreeMap;
use std::time::Duration;

use cache::{CacheKey, Record, Store};
use graph::{Graph, Op, SourceOp, VertexId};
use oci::{ContentDigest, LayerId};

use crate::lookup::{Keys, failure};
use crate::port::{Executor, Failure, Job, Progress, Update, Value};
use crate::schedule::Schedule;
use crate::stack;

/// What a solve would make of a vertex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// A source that is here, a merge or a difference of what is known.
    Here,
    /// A source of which nothing is known here.
    Absent,
    Hit {
        /// The layers it stacks on its root.
        layers: Vec<LayerId>,
        took: Option<Duration>,
    },
    /// It would run.
    Miss { last: Option<Duration> },
    /// What it depends on has to run first.
    Open {
        /// How long it took when it last ran, whatever its inputs were then.
        last: Option<Duration>,
    },
    /// It would not even begin: what it is to copy is not there, say.
    Fails { message: String },
}

/// What looking asks of the world.
#[derive(Clone, Copy)]
pub struct Eyes<'a> {
    pub executor: &'a dyn Executor,
    /// What is known of a source without asking anybody for it.
    pub source: &'a dyn Fn(&SourceOp) -> Option<Value>,
    pub progress: &'a dyn Progress,
}

/// What a solve of `targets` would find, vertex by vertex.
pub fn look(
    graph: &Graph,
    targets: &[VertexId],
    store: &Store,
    eyes: Eyes<'_>,
) -> Result<BTreeMap<VertexId, Look>, Failure> {
    let task = eyes.progress.begin("look up what is known");
    let mut values: BTreeMap<VertexId, Value> = BTreeMap::new();
    let mut looks = BTreeMap::new();
    for id in Schedule::new(graph, targets).needed() {
        let vertex = graph.vertex(id);
        let wanted = graph.inputs(id);
        let inputs: Vec<Value> = wanted.iter().filter_map(|input| values.get(input).cloned()).collect();
        let looking = Looking { job: Job { id, vertex, inputs: &inputs, task }, store, eyes };
        let (look, value) = if inputs.len() == wanted.len() { looking.known()? } else { (looking.open()?, None) };
        values.extend(value.map(|value| (id, value)));
        looks.insert(id, look);
    }
    eyes.progress.update(task, Update::Done);
    Ok(looks)
}

struct Looking<'a> {
    job: Job<'a>,
    store: &'a Store,
    eyes: Eyes<'a>,
}

impl Looking<'_> {
    /// What is to be told of a vertex whose inputs are known, and what it comes to if that is known too.
    fn known(&self) -> Result<(Look, Option<Value>), Failure> {
        let root = match &self.job.vertex.op {
            Op::Source(source) => {
                let value = (self.eyes.source)(source);
                return Ok((if value.is_some() { Look::Here } else { Look::Absent }, value));
            }
            Op::Merge => return Ok((Look::Here, Some(Value::Snapshot(stack::merged(self.job)?)))),
            Op::Diff => return Ok((Look::Here, Some(Value::Snapshot(stack::difference(self.job)?)))),
            Op::Exec(exec) => exec.root,
            Op::File(file) => file.base,
        };
        let mut stack = stack::below(self.job, root)?;
        match self.step() {
            Ok(look) => {
                let value = if let Look::Hit { layers, .. } = &look {
                    stack.extend(layers);
                    Some(Value::Snapshot(stack))
                } else {
                    None
                };
                Ok((look, value))
            }
            Err(failure) => Ok((Look::Fails { message: failure.to_string() }, None)),
        }
    }

    fn step(&self) -> Result<Look, Failure> {
        let mut keys = Keys::of_whole(self.job);
        if !self.job.vertex.meta.no_cache {
            let warn = |message: &str| self.eyes.progress.update(self.job.task, Update::Warning { message });
            let mut hit = keys.find(self.store, &warn)?;
            if hit.is_none() {
                keys.see(self.job, self.eyes.executor)?;
                hit = keys.find(self.store, &warn)?;
            }
            if let Some(hit) = hit {
                return Ok(Look::Hit { layers: hit.layers, took: hit.took });
            }
        }
        Ok(Look::Miss { last: newest(&self.records(&keys.step())?) })
    }

    /// What is to be told of a vertex whose inputs are not all known.
    fn open(&self) -> Result<Look, Failure> {
        let records = self.records(&graph::fields(&self.job.vertex.op).digest())?;
        let last = newest(&records);
        let is_step = matches!(self.job.vertex.op, Op::Exec(_) | Op::File(_));
        let is_new = is_step && records.is_empty();
        Ok(if self.job.vertex.meta.no_cache || is_new { Look::Miss { last } } else { Look::Open { last } })
    }

    /// What is recorded of the step, whatever its inputs were.
    fn records(&self, step: &ContentDigest) -> Result<Vec<(CacheKey, Record)>, Failure> {
        self.store.nearest_records(step).map_err(|error| failure(error, "cannot look for what is known of a step"))
    }
}

/// How long a step took when it last ran.
fn newest(records: &[(CacheKey, Record)]) -> Option<Duration> {
    records.iter().find_map(|(_, record)| record.took)
}
