//! The inputs of one vertex, while its op is made: each vertex once, in the order of their first use.

use std::collections::HashMap;

use graph::{Slot, VertexId};

/// How many inputs an instruction may name. An op numbers them with 16 bits, and has some of its own.
pub(super) const MAX_INPUTS: usize = 60_000;

/// So many are looked through one by one.
const FEW: usize = 16;

pub(super) struct Inputs {
    vertices: Vec<VertexId>,
    /// Where each is, once there are more than a few.
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
        // Whoever fills this has refused what names more than `MAX_INPUTS`.
        let slot = |at: usize| Slot(u16::try_from(at).unwrap_or(u16::MAX));
        let known = match self.at.is_empty() {
            true => self.vertices.iter().position(|known| *known == vertex).map(slot),
            false => self.at.get(&vertex).copied(),
        };
        known.unwrap_or_else(|| {
            let new = slot(self.vertices.len());
            self.vertices.push(vertex);
            if self.vertices.len() == FEW {
                self.at = self.vertices.iter().enumerate().map(|(at, vertex)| (*vertex, slot(at))).collect();
            } else if self.vertices.len() > FEW {
                self.at.insert(vertex, new);
            }
            new
        })
    }

    pub fn vertices(&self) -> &[VertexId] {
        &self.vertices
    }
}
