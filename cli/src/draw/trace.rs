//! From a graph to its drawing. Knows what is known of each vertex only as it is told; asks nobody.
//!
//! Only what the targets need is drawn. The stage of a vertex is what its name has in brackets before the number of the
//! step, so that several platforms' stages of one name stay apart. A source that several stages begin with belongs to
//! none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use graph::{Graph, Op, SourceOp, Vertex, VertexId};
use oci::Reference;

use super::drawing::{Drawing, Edge, EdgeKind, Group, GroupId, Kind, Node, NodeId, State};
use super::words::one_line;

/// More of an instruction is not shown.
const INSTRUCTION: usize = 4096;

/// What is known of a vertex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub state: State,
    pub took: Option<Duration>,
    pub size: Option<u64>,
}

/// The drawing of what `targets` need in `graph`, which came from the Dockerfile of this name and text.
pub fn trace(
    graph: &Graph,
    targets: &[VertexId],
    known: &BTreeMap<VertexId, Known>,
    (name, text): (&str, &str),
) -> Drawing {
    let needed = needed(graph, targets);
    let at: BTreeMap<VertexId, NodeId> = needed.iter().enumerate().map(|(at, id)| (*id, NodeId(at))).collect();
    let mut drawing = Drawing { dockerfile: name.to_owned(), ..Drawing::default() };
    let mut groups = BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    for id in &needed {
        let vertex = graph.vertex(*id);
        let group = stage_of(vertex).map(|name| {
            *groups.entry(name.clone()).or_insert_with(|| {
                drawing.groups.push(Group { name });
                GroupId(drawing.groups.len() - 1)
            })
        });
        let mut node = node(vertex, known.get(id), &lines);
        node.group = group;
        node.is_target = targets.contains(id);
        drawing.nodes.push(node);
        let edges = graph.inputs(*id).into_iter().enumerate();
        let edges = edges.map(|(slot, input)| Edge { to: at[id], from: at[&input], kind: edge_kind(&vertex.op, slot) });
        drawing.edges.extend(edges.collect::<BTreeSet<_>>());
    }
    share_sources(&mut drawing);
    drawing
}

/// Inputs before what uses them.
fn needed(graph: &Graph, targets: &[VertexId]) -> BTreeSet<VertexId> {
    let mut needed = BTreeSet::new();
    let mut open = targets.to_vec();
    while let Some(id) = open.pop() {
        if needed.insert(id) {
            open.extend(graph.inputs(id));
        }
    }
    needed
}

fn node(vertex: &Vertex, known: Option<&Known>, text: &[&str]) -> Node {
    let (step, rest) = split(&vertex.meta.name);
    let title = match &vertex.op {
        Op::Source(SourceOp::Image { reference, .. }) => format!("FROM {}", familiar(reference)),
        Op::Source(_) | Op::Exec(_) | Op::File(_) | Op::Merge | Op::Diff => {
            rest.strip_prefix("[internal] load ").unwrap_or(rest).to_owned()
        }
    };
    // The digest of an image that is not here is not known.
    let is_absent = known.is_some_and(|known| known.state == State::Absent);
    let name = if is_absent && matches!(vertex.op, Op::Source(SourceOp::Image { .. })) {
        vertex.meta.name.split('@').next().unwrap_or_default()
    } else {
        &vertex.meta.name
    };
    let lines = vertex.meta.source.map(|source| (source.first_line, source.last_line));
    Node {
        name: name.to_owned(),
        step: step.map(|step| one_line(&step)),
        title: one_line(&title),
        group: None,
        kind: kind(&vertex.op),
        lines,
        instruction: lines.map(|lines| instruction(text, lines)).unwrap_or_default(),
        state: known.map_or(State::Unknown, |known| known.state.clone()),
        took: known.and_then(|known| known.took),
        size: known.and_then(|known| known.size),
        is_target: false,
    }
}

/// The number of a step, as it stands in brackets, and what comes after them: `build 2/5` and `RUN npm ci`. No number, no
/// brackets.
fn split(name: &str) -> (Option<String>, &str) {
    let bracketed = name.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    match bracketed {
        Some((step, rest)) if numbered(step).is_some() => (Some(one_line(step)), rest),
        Some(_) | None => (None, name),
    }
}

/// What stands before the number in `build 2/5`; nothing for the only stage of a file.
fn numbered(step: &str) -> Option<&str> {
    let (label, number) = step.rsplit_once(' ').unwrap_or(("", step));
    let (at, of) = number.split_once('/')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(at) && is_number(of)).then_some(label.trim_end())
}

fn stage_of(vertex: &Vertex) -> Option<String> {
    let stage = vertex.meta.stage.as_ref()?;
    let (step, _) = split(&vertex.meta.name);
    let label = step.as_deref().and_then(numbered).map(str::to_owned);
    Some(one_line(&label.unwrap_or_else(|| stage.clone())))
}

fn familiar(reference: &str) -> String {
    reference.parse::<Reference>().map_or_else(|_| reference.to_owned(), |reference| reference.familiar())
}

fn kind(op: &Op) -> Kind {
    match op {
        Op::Source(SourceOp::Image { .. }) => Kind::Image,
        Op::Source(SourceOp::Local { .. }) => Kind::Context,
        Op::Source(SourceOp::Git { .. } | SourceOp::Http { .. }) => Kind::Remote,
        Op::Exec(_) => Kind::Run,
        Op::File(_) => Kind::Files,
        Op::Merge | Op::Diff => Kind::Stack,
    }
}

/// What the input at `slot` is to `op`.
fn edge_kind(op: &Op, slot: usize) -> EdgeKind {
    let is_root = |root: Option<graph::Slot>| root.is_some_and(|root| usize::from(root.0) == slot);
    match op {
        Op::Exec(exec) if is_root(exec.root) => EdgeKind::Base,
        Op::Exec(_) => EdgeKind::Mount,
        Op::File(file) if is_root(file.base) => EdgeKind::Base,
        Op::Merge if slot == 0 => EdgeKind::Base,
        Op::File(_) | Op::Merge | Op::Diff | Op::Source(_) => EdgeKind::Copy,
    }
}

fn instruction(text: &[&str], (first, last): (u32, u32)) -> String {
    let (first, last) = (first.saturating_sub(1) as usize, (last as usize).min(text.len()));
    let mut shown = String::new();
    for line in text.get(first..last).unwrap_or_default() {
        if shown.len() + line.len() > INSTRUCTION {
            shown.push('…');
            break;
        }
        shown += line;
        shown.push('\n');
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// Takes sources that several stages use out of the stage that happens to come first.
fn share_sources(drawing: &mut Drawing) {
    let mut users: BTreeMap<NodeId, BTreeSet<Option<GroupId>>> = BTreeMap::new();
    for edge in &drawing.edges {
        users.entry(edge.from).or_default().insert(drawing.nodes[edge.to.0].group);
    }
    for (id, groups) in users {
        let node = &mut drawing.nodes[id.0];
        match node.kind {
            Kind::Image | Kind::Context | Kind::Remote if groups.len() > 1 => {
                node.group = None;
                node.step = None;
            }
            Kind::Image | Kind::Context | Kind::Remote | Kind::Run | Kind::Files | Kind::Stack => {}
        }
    }
}
