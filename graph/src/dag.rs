//! The graph: vertices, and which is input to which. Knows ops only as the labels of vertices.

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::op::Op;

/// A vertex of one [`Graph`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VertexId(NodeIndex);

impl VertexId {
    /// Counts from 0 in the order of adding.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// The position of an input among its vertex's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

/// What to do, and how to speak of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vertex {
    pub op: Op,
    pub meta: Meta,
}

/// How to speak of a vertex. Enters no key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// `[build 2/5] RUN npm ci`
    pub name: String,
    /// The stage's name, or its number.
    pub stage: Option<String>,
    /// Where it was asked for.
    pub source: Option<Source>,
    /// `--no-cache` or `--no-cache-filter`: its record is not looked up.
    pub no_cache: bool,
}

/// Lines of the file a vertex came from, first and last, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub first_line: u32,
    pub last_line: u32,
}

/// The inputs of all vertices of a graph.
pub(crate) struct InputLists {
    starts: Vec<usize>,
    inputs: Vec<VertexId>,
}

impl InputLists {
    pub fn of(&self, id: VertexId) -> &[VertexId] {
        &self.inputs[self.starts[id.index()]..self.starts[id.index() + 1]]
    }
}

/// A directed acyclic graph of vertices. Inputs exist before what uses them, so no cycle can be made.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    dag: DiGraph<Vertex, Slot>,
}

impl Graph {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a vertex whose `Slot(i)` is `inputs[i]`.
    pub fn add(&mut self, vertex: Vertex, inputs: &[VertexId]) -> VertexId {
        let id = self.dag.add_node(vertex);
        for (slot, input) in inputs.iter().enumerate() {
            let slot = u16::try_from(slot).expect("an op has fewer than 65,536 inputs: the front end limits them");
            self.dag.add_edge(input.0, id, Slot(slot));
        }
        VertexId(id)
    }

    pub fn vertex(&self, id: VertexId) -> &Vertex {
        &self.dag[id.0]
    }

    pub fn vertex_mut(&mut self, id: VertexId) -> &mut Vertex {
        &mut self.dag[id.0]
    }

    pub fn len(&self) -> usize {
        self.dag.node_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All vertices, inputs before what uses them.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = VertexId> + use<> {
        self.dag.node_indices().map(VertexId)
    }

    /// The inputs of `id`, by slot.
    pub fn inputs(&self, id: VertexId) -> Vec<VertexId> {
        let mut inputs: Vec<_> = self
            .dag
            .edges_directed(id.0, Direction::Incoming)
            .map(|edge| (*edge.weight(), VertexId(edge.source())))
            .collect();
        inputs.sort_unstable();
        inputs.into_iter().map(|(_, input)| input).collect()
    }

    /// The inputs of every vertex, by slot, one list after the other, and where each begins.
    pub(crate) fn all_inputs(&self) -> InputLists {
        let mut lists = InputLists { starts: Vec::with_capacity(self.len() + 1), inputs: Vec::new() };
        // Edges are there in the order of adding: those of each vertex in the order of its slots.
        let mut edges = self.dag.raw_edges().iter().peekable();
        lists.inputs.reserve(edges.len());
        for id in self.ids() {
            lists.starts.push(lists.inputs.len());
            while let Some(edge) = edges.next_if(|edge| edge.target() == id.0) {
                lists.inputs.push(VertexId(edge.source()));
            }
        }
        lists.starts.push(lists.inputs.len());
        lists
    }

    /// The vertices that use `id`.
    pub fn users(&self, id: VertexId) -> impl Iterator<Item = VertexId> + '_ {
        self.dag.neighbors_directed(id.0, Direction::Outgoing).map(VertexId)
    }
}
