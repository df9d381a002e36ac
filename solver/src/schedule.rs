//! The schedule: which vertex is next. Pure bookkeeping; knows no op, no key and no thread.
//!
//! Only what the targets need takes part. A vertex is ready when all its inputs are done; of those ready, the one
//! that was added to the graph first goes first, so that a run with one worker follows the Dockerfile. A failure
//! skips what depends on it.

use std::collections::BTreeSet;

use graph::{Graph, VertexId};

use crate::port::Value;

/// Where a vertex stands. [`Schedule::set`] alone changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// No target needs it.
    Unneeded,
    /// So many of its inputs are not done.
    Waiting(usize),
    Ready,
    Running,
    Done(Value),
    /// It failed, or an input did.
    Failed,
}

#[derive(Debug)]
pub struct Schedule<'g> {
    graph: &'g Graph,
    states: Vec<State>,
    ready: BTreeSet<VertexId>,
    running: usize,
}

impl<'g> Schedule<'g> {
    pub fn new(graph: &'g Graph, targets: &[VertexId]) -> Self {
        let mut schedule =
            Self { graph, states: vec![State::Unneeded; graph.len()], ready: BTreeSet::new(), running: 0 };
        let mut open: Vec<VertexId> = targets.to_vec();
        while let Some(id) = open.pop() {
            if schedule.states[id.index()] != State::Unneeded {
                continue;
            }
            let inputs: BTreeSet<VertexId> = graph.inputs(id).into_iter().collect();
            let state = if inputs.is_empty() { State::Ready } else { State::Waiting(inputs.len()) };
            schedule.set(id, state);
            open.extend(inputs);
        }
        schedule
    }

    /// The vertices that take part, inputs first.
    pub fn needed(&self) -> impl Iterator<Item = VertexId> + '_ {
        self.graph.ids().filter(|id| self.states[id.index()] != State::Unneeded)
    }

    /// Takes the next vertex that can run, if there is one now.
    pub fn start_next(&mut self) -> Option<VertexId> {
        let id = *self.ready.first()?;
        self.set(id, State::Running);
        Some(id)
    }

    /// How many more could run now.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether nothing runs and nothing can.
    pub fn is_over(&self) -> bool {
        self.running == 0 && self.ready.is_empty()
    }

    pub fn finish(&mut self, id: VertexId, value: Value) {
        self.set(id, State::Done(value));
        let users: BTreeSet<VertexId> = self.graph.users(id).collect();
        for user in users {
            match self.states[user.index()] {
                State::Waiting(1) => self.set(user, State::Ready),
                State::Waiting(more) => self.set(user, State::Waiting(more - 1)),
                State::Unneeded | State::Ready | State::Running | State::Done(_) | State::Failed => {}
            }
        }
    }

    /// `id` failed: so does all that needs it.
    pub fn fail(&mut self, id: VertexId) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if !matches!(self.states[id.index()], State::Unneeded | State::Failed) {
                self.set(id, State::Failed);
                open.extend(self.graph.users(id));
            }
        }
    }

    /// Nothing more is started.
    pub fn stop(&mut self) {
        for id in std::mem::take(&mut self.ready) {
            self.fail(id);
        }
    }

    pub fn value(&self, id: VertexId) -> Option<&Value> {
        match &self.states[id.index()] {
            State::Done(value) => Some(value),
            State::Unneeded | State::Waiting(_) | State::Ready | State::Running | State::Failed => None,
        }
    }

    fn set(&mut self, id: VertexId, state: State) {
        let old = std::mem::replace(&mut self.states[id.index()], state);
        self.running -= usize::from(old == State::Running);
        if old == State::Ready {
            self.ready.remove(&id);
        }
        match self.states[id.index()] {
            State::Ready => {
                self.ready.insert(id);
            }
            State::Running => self.running += 1,
            State::Unneeded | State::Waiting(_) | State::Done(_) | State::Failed => {}
        }
    }
}

#[cfg(test)]
mod tests;
