//! Layers seen as one filesystem, as overlayfs shows them. Pure; knows no disk.
//!
//! A directory is the merge of the directories at its path, from the top layer down to the first layer that has
//! something else there, or marks its own opaque. So a look-up goes down component by component, and keeps for each
//! layer where it is: at the entries below that directory, or out of sight. What the topmost layer in sight says of
//! a name counts; a whiteout says that there is none.
//!
//! [`View::resolve`] follows symbolic links as a process would whose root this is: `..` stops at the root, absolute
//! links start again at it. [`View::merged`] makes one tree of all layers.

mod resolve;

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

pub use resolve::{Last, Place, ResolveError, Resolved};

use crate::tree::{Entry, Kind, Tree, path};

/// Layers, bottom first, seen as one filesystem.
#[derive(Debug, Clone, Default)]
pub struct View {
    layers: Vec<Arc<Tree>>,
}

/// An entry as it is seen, and where it is from.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The index of its layer, from the bottom.
    pub layer: usize,
    /// What the layer has at the path.
    pub entry: &'a Entry,
    /// The file that `entry` is a further name of; `entry` itself otherwise.
    pub node: &'a Entry,
}

/// The one filesystem that a view shows.
#[derive(Debug, Clone, Default)]
pub struct Merged {
    /// Without whiteouts and opaque marks.
    pub tree: Tree,
    /// For each entry of `tree`, the index of its layer, which has it at the same path.
    pub layer_of: Vec<usize>,
}

impl View {
    /// `layers` bottom first.
    pub fn new(layers: Vec<Arc<Tree>>) -> Self {
        Self { layers }
    }

    pub fn layers(&self) -> &[Arc<Tree>] {
        &self.layers
    }

    /// What is at `path`, taken literally: no link is followed. `None` of the root, which is no entry.
    pub fn lookup(&self, path: &[u8]) -> Option<Found<'_>> {
        let mut sight = Sight::of_root(&self.layers);
        let mut found = None;
        for end in component_ends(path) {
            if found.is_some_and(|found: Found<'_>| !found.entry.is_dir()) {
                return None;
            }
            found = Some(sight.enter(&path[..end])?);
        }
        found
    }

    /// What the directory at `path` holds, by name; of the root when `path` is empty, nothing when it is no directory.
    pub fn list(&self, path: &[u8]) -> Vec<Found<'_>> {
        let mut sight = Sight::of_root(&self.layers);
        for end in component_ends(path) {
            if sight.enter(&path[..end]).is_none_or(|found| !found.entry.is_dir()) {
                return Vec::new();
            }
        }
        let mut names: BTreeMap<&[u8], Found<'_>> = BTreeMap::new();
        for layer in sight.layers.iter().rev() {
            for entry in layer.tree.children(path) {
                names.entry(entry.name()).or_insert_with(|| Found::new(layer.index, layer.tree, entry));
            }
        }
        names.into_values().filter(|found| found.entry.kind != Kind::Whiteout).collect()
    }

    /// All layers as one tree.
    pub fn merged(&self) -> Merged {
        let mut below: Vec<(usize, &Entry)> = Vec::new();
        for (layer, tree) in self.layers.iter().enumerate() {
            below = apply(&below, layer, tree.entries());
        }
        let layer_of = below.iter().map(|(layer, _)| *layer).collect();
        Merged { tree: flatten(&self.layers, &below), layer_of }
    }
}

impl<'a> Found<'a> {
    fn new(layer: usize, tree: &'a Tree, entry: &'a Entry) -> Self {
        Self { layer, entry, node: tree.file_of(entry) }
    }
}

/// The ends of the components of `path`: `usr/bin` has 3 and 7.
fn component_ends(path: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes.chain((!path.is_empty()).then_some(path.len()))
}

/// The layers that are in sight in one directory, bottom first.
struct Sight<'a> {
    layers: Vec<LayerInSight<'a>>,
}

#[derive(Clone, Copy)]
struct LayerInSight<'a> {
    index: usize,
    tree: &'a Tree,
}

impl<'a> Sight<'a> {
    fn of_root(layers: &'a [Arc<Tree>]) -> Self {
        let layers = layers.iter().enumerate().map(|(index, tree)| LayerInSight { index, tree }).collect();
        Self { layers }
    }

    /// What is at `path`, which is in the directory this is the sight of; then this is the sight of `path`.
    fn enter(&mut self, path: &[u8]) -> Option<Found<'a>> {
        let mut top: Option<Found<'a>> = None;
        let mut inside = Vec::with_capacity(self.layers.len());
        for layer in self.layers.iter().rev() {
            let Some(entry) = layer.tree.get(path) else { continue };
            let Kind::Dir { opaque } = entry.kind else {
                if top.is_none() && entry.kind != Kind::Whiteout {
                    top = Some(Found::new(layer.index, layer.tree, entry));
                }
                break;
            };
            top = top.or(Some(Found { layer: layer.index, entry, node: entry }));
            inside.push(*layer);
            if opaque {
                break;
            }
        }
        inside.reverse();
        self.layers = inside;
        top
    }
}

/// Puts the entries of a layer over what is below. Both are in tree order, and so is the result.
fn apply<'a>(below: &[(usize, &'a Entry)], layer: usize, above: &'a [Entry]) -> Vec<(usize, &'a Entry)> {
    let mut merged = Vec::with_capacity(below.len() + above.len());
    let mut lower = below.iter().peekable();
    for entry in above {
        while let Some(kept) = lower.next_if(|(_, kept)| path::compare(&kept.path, &entry.path).is_lt()) {
            merged.push(*kept);
        }
        let replaced = lower.next_if(|(_, kept)| kept.path == entry.path);
        let merges = entry.kind == Kind::Dir { opaque: false } && replaced.is_some_and(|(_, kept)| kept.is_dir());
        if !merges {
            while lower.next_if(|(_, hidden)| path::is_below(&hidden.path, &entry.path)).is_some() {}
        }
        if entry.kind != Kind::Whiteout {
            merged.push((layer, entry));
        }
    }
    merged.extend(lower.copied());
    merged
}

/// The tree of entries that are seen. Of the names of one file, the `File` may be hidden: then the first name that is
/// seen takes its place.
fn flatten(layers: &[Arc<Tree>], seen: &[(usize, &Entry)]) -> Tree {
    let mut first_seen: BTreeMap<(usize, &[u8]), &[u8]> = BTreeMap::new();
    let is_seen = |layer: usize, target: &[u8]| {
        let at = seen.binary_search_by(|(_, entry)| path::compare(&entry.path, target));
        at.is_ok_and(|at| seen[at].0 == layer)
    };
    let mut entries = Vec::with_capacity(seen.len());
    for &(layer, seen) in seen {
        let kind = match &seen.kind {
            Kind::Dir { .. } => Kind::Dir { opaque: false },
            Kind::HardLink { target } if !is_seen(layer, target) => match first_seen.entry((layer, target)) {
                btree_map::Entry::Occupied(first) => Kind::HardLink { target: (*first.get()).into() },
                btree_map::Entry::Vacant(none) => {
                    none.insert(&seen.path);
                    layers[layer].file_of(seen).kind.clone()
                }
            },
            kind => kind.clone(),
        };
        entries.push(Entry { path: seen.path.clone(), kind, meta: seen.meta.clone() });
    }
    Tree::from_sorted(entries)
}

#[cfg(test)]
mod tests;
