//! Solving: workers that take vertices from the schedule and rebuild them. Knows threads, not keys.
//!
//! The caller's thread is the first worker; another is started only when more than one vertex is ready, so a
//! cached chain of steps is walked without a thread being made. Misses of independent stages run side by side.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use cache::Store;
use graph::{Graph, VertexId};

use crate::port::{Cancel, Executor, Failure, Job, Progress, Resolver, TaskId, Update, Value};
use crate::rebuild::{Found, Step, rebuild};
use crate::schedule::Schedule;

/// The world the solver works in.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    pub executor: &'a dyn Executor,
    pub resolver: &'a dyn Resolver,
    pub progress: &'a dyn Progress,
}

#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many vertices may be worked on at once; at least one.
    pub parallelism: usize,
    pub on_failure: OnFailure,
}

/// What a failure does to the steps that do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    CancelRest,
    FinishRest,
}

/// What the targets came to.
#[derive(Debug)]
pub struct Solved {
    /// One for each target.
    pub values: Vec<Value>,
    pub steps: BTreeMap<VertexId, Step>,
}

/// The vertices that failed, first failure first. Never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.first().1)]
pub struct SolveError {
    pub failures: Vec<(VertexId, Failure)>,
}

impl SolveError {
    /// The failure that came first.
    pub fn first(&self) -> &(VertexId, Failure) {
        self.failures.first().expect("made with at least one failure")
    }
}

impl Default for Options {
    /// As BuildKit: steps mostly wait for others, so many more may run than there are cores.
    fn default() -> Self {
        Self { parallelism: 64, on_failure: OnFailure::CancelRest }
    }
}

/// Brings `targets` about, running what has no record.
pub fn solve(
    graph: &Graph,
    targets: &[VertexId],
    store: &Store,
    ports: Ports<'_>,
    cancel: &Cancel,
    options: Options,
) -> Result<Solved, SolveError> {
    let schedule = Schedule::new(graph, targets);
    let tasks = schedule.needed().map(|id| (id, ports.progress.begin(&graph.vertex(id).meta.name))).collect();
    let solving = Solving {
        graph,
        store,
        ports,
        options,
        tasks,
        cancel: cancel.child(),
        desk: Mutex::new(Desk { schedule, workers: 1, steps: BTreeMap::new(), failures: Vec::new() }),
        finished: Condvar::new(),
    };
    std::thread::scope(|scope| {
        solving.work(scope);
        solving.wait(scope);
    });
    let Desk { schedule, steps, failures, .. } = solving.desk.into_inner().unwrap_or_else(PoisonError::into_inner);
    let values: Option<Vec<Value>> = targets.iter().map(|target| schedule.value(*target).cloned()).collect();
    match values {
        Some(values) if failures.is_empty() => Ok(Solved { values, steps }),
        Some(_) | None => Err(SolveError { failures }),
    }
}

struct Solving<'a> {
    graph: &'a Graph,
    store: &'a Store,
    ports: Ports<'a>,
    options: Options,
    tasks: BTreeMap<VertexId, TaskId>,
    /// Stops this solve's steps; the caller's own stops it too.
    cancel: Cancel,
    desk: Mutex<Desk<'a>>,
    finished: Condvar,
}

/// What the workers share.
struct Desk<'a> {
    schedule: Schedule<'a>,
    workers: usize,
    steps: BTreeMap<VertexId, Step>,
    failures: Vec<(VertexId, Failure)>,
}

impl<'a> Solving<'a> {
    /// Works until there is nothing to take.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let mut desk = self.desk();
        while let Some(id) = desk.schedule.start_next() {
            self.hire(&mut desk, scope);
            let inputs: Vec<Value> =
                self.graph.inputs(id).iter().filter_map(|input| desk.schedule.value(*input).cloned()).collect();
            drop(desk);
            let result = self.rebuild(id, &inputs);
            desk = self.desk();
            self.settle(&mut desk, id, result);
            self.finished.notify_one();
        }
        desk.workers -= 1;
        self.finished.notify_one();
    }

    /// The caller's thread, having nothing to take, waits for the others or for something to take.
    fn wait<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        let mut desk = self.desk();
        while !desk.schedule.is_over() {
            if desk.schedule.ready() > 0 && desk.workers < self.options.parallelism.max(1) {
                desk.workers += 1;
                drop(desk);
                self.work(scope);
                desk = self.desk();
            } else {
                desk = self.finished.wait(desk).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Starts workers for what else is ready.
    fn hire<'scope>(&'scope self, desk: &mut Desk<'a>, scope: &'scope Scope<'scope, '_>) {
        let idle = self.options.parallelism.saturating_sub(desk.workers);
        for _ in 0..desk.schedule.ready().min(idle) {
            // Where no thread can be had, those there are do the work.
            if std::thread::Builder::new().spawn_scoped(scope, || self.work(scope)).is_err() {
                return;
            }
            desk.workers += 1;
        }
    }

    fn rebuild(&self, id: VertexId, inputs: &[Value]) -> Result<(Value, Step), Failure> {
        if self.cancel.is_canceled() {
            return Err(Failure::Canceled);
        }
        let job = Job { id, vertex: self.graph.vertex(id), inputs, task: self.tasks[&id] };
        let result = rebuild(job, self.store, self.ports, &self.cancel);
        let tell = |update| self.ports.progress.update(job.task, update);
        match &result {
            Ok((_, Step { found: Found::Hit, .. })) => tell(Update::Cached),
            Ok((_, Step { found: Found::Resolved | Found::Ran, .. })) => tell(Update::Done),
            Err(Failure::Canceled) => tell(Update::Canceled),
            Err(Failure::Gone { message }) => {
                tell(Update::Warning { message });
                tell(Update::Canceled);
            }
            Err(failure @ (Failure::Exit { .. } | Failure::Other { .. })) => {
                tell(Update::Failed { message: &failure.to_string() });
            }
        }
        result
    }

    fn settle(&self, desk: &mut Desk<'a>, id: VertexId, result: Result<(Value, Step), Failure>) {
        match result {
            Ok((value, step)) => {
                desk.steps.insert(id, step);
                desk.schedule.finish(id, value);
            }
            Err(failure) => {
                desk.schedule.fail(id);
                desk.failures.push((id, failure));
                if self.options.on_failure == OnFailure::CancelRest || self.cancel.is_canceled() {
                    self.cancel.cancel();
                    desk.schedule.stop();
                }
            }
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk<'a>> {
        // A worker that panicked has left its vertex running; the scope passes its panic on.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
