//! What a drawing comes to as a whole: how many steps are cached, how long they took, and which chain of them took
//! longest. Knows no form.
//!
//! The slowest path is the one a build cannot be shorter than, however many steps run at once. Nodes stand after their
//! inputs, so one pass finds for each how long the slowest chain up to it is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::drawing::{Drawing, Edge, NodeId, State};
use crate::progress::seconds;

/// What is shown as more than `0.0s`; less is no time.
const LEAST: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub steps: usize,
    pub cached: usize,
    pub will_run: usize,
    pub unknown: usize,
    pub fails: usize,
    /// Sources that are not on this machine.
    pub absent: usize,
    /// Of the steps whose time is known.
    pub total: Duration,
    /// Steps whose time is not known.
    pub untimed: usize,
    pub slowest: Duration,
    /// The nodes of the slowest path, each with the one before it; empty when no step took any time.
    path: BTreeMap<NodeId, Option<NodeId>>,
}

impl Summary {
    pub fn of(drawing: &Drawing) -> Self {
        let mut summary = Self::default();
        for node in &drawing.nodes {
            summary.absent += usize::from(node.state == State::Absent);
            if !node.kind.is_step() {
                continue;
            }
            summary.steps += 1;
            match &node.state {
                State::Cached => summary.cached += 1,
                State::WillRun => summary.will_run += 1,
                State::Unknown => summary.unknown += 1,
                State::Fails(_) => summary.fails += 1,
                State::Here | State::Absent => {}
            }
            summary.untimed += usize::from(node.took.is_none());
            summary.total = summary.total.saturating_add(node.took.unwrap_or_default());
        }
        (summary.slowest, summary.path) = slowest(drawing);
        summary
    }

    /// Whether a node is on the slowest path.
    pub fn is_slow(&self, node: NodeId) -> bool {
        self.path.contains_key(&node)
    }

    /// Whether the slowest path runs along an edge.
    pub fn runs_along(&self, edge: &Edge) -> bool {
        self.path.get(&edge.to) == Some(&Some(edge.from))
    }

    /// In a line: `7 steps: 5 cached, 2 will run`.
    pub fn counts(&self) -> String {
        let parts: Vec<String> = [
            (self.cached, "cached"),
            (self.will_run, "will run"),
            (self.unknown, "not known yet"),
            (self.fails, "will fail"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        let steps = match self.steps {
            0 => return "no steps".to_owned(),
            1 => "1 step".to_owned(),
            many => format!("{many} steps"),
        };
        format!("{steps}: {}", parts.join(", "))
    }

    /// In a line: `slowest path: 12.3s of 14.1s in all`; `None` when no step took any.
    pub fn times(&self) -> Option<String> {
        if self.path.is_empty() {
            return None;
        }
        let untimed = match self.untimed {
            0 => String::new(),
            1 => ", 1 step has no time yet".to_owned(),
            many => format!(", {many} steps have no time yet"),
        };
        Some(format!("slowest path: {} of {} in all{untimed}", seconds(self.slowest), seconds(self.total)))
    }
}

fn slowest(drawing: &Drawing) -> (Duration, BTreeMap<NodeId, Option<NodeId>>) {
    let inputs = drawing.inputs();
    // By node: the time of the slowest chain up to and with it, and the node before it there.
    let mut chains: Vec<(Duration, Option<NodeId>)> = Vec::with_capacity(drawing.nodes.len());
    for id in drawing.ids() {
        let before = inputs[id.0].iter().map(|edge| edge.from).filter(|from| from.0 < id.0);
        // Of equals the first.
        let before = before.max_by_key(|from| (chains[from.0].0, std::cmp::Reverse(*from)));
        let until = before.map_or(Duration::ZERO, |from| chains[from.0].0);
        chains.push((until.saturating_add(drawing.node(id).took.unwrap_or_default()), before));
    }
    let last = drawing.ids().max_by_key(|id| (chains[id.0].0, std::cmp::Reverse(*id)));
    let Some(last) = last.filter(|id| chains[id.0].0 >= LEAST) else { return Default::default() };
    let path = std::iter::successors(Some(last), |id| chains[id.0].1).map(|id| (id, chains[id.0].1)).collect();
    (chains[last.0].0, path)
}
