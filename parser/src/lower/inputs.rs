//! The inputs of one vertex, while its op is made: each vertex once, in the order of their first use.

use std::collections::HashMap;

use graph::{Slot, VertexId};

/// How many inputs an instruction may name. An op numbers them with 16 bits, and has some of its own.
pub(super) const MAX_INPUTS: usize = 60_000;

pub(super) struct Inputs {
    vertices: Vec<VertexId>,
    at: HashMap<VertexId, Slot>,
}

impl Inputs {
    /// With `root`, if there is one, as the first.
    pub fn on(root: Option<VertexId>) -> Self {
        let mut inputs = Self { vertices: Vec::new(), at: HashMap::new() };
        if let Some(root) = root {
            inputs.slot(root);
        }
        inputs
    }

    /// The slot of `vertex`, which is put last if it is new.
    pub fn slot(&mut self, vertex: VertexId) -> Slot {
        let vertices = &mut self.vertices;
        *self.at.entry(vertex).or_insert_with(|| {
            // Whoever fills this has refused what names more than `MAX_INPUTS`.
            let slot = Slot(u16::try_from(vertices.len()).unwrap_or(u16::MAX));
            vertices.push(vertex);
            slot
        })
    }

    pub fn vertices(&self) -> &[VertexId] {
        &self.vertices
    }
}
