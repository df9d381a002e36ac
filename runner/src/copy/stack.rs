//! Layers as something to copy from, and as a base to copy onto. Knows their trees, not their files.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use oci::tree::{Kind, Meta};
use oci::view::{Found, View};
use oci::{ContentDigest, LayerId};

use super::listing::{Child, FileNode, LinkId, Listing, Lookup, Node, NodeKind, Place, ReadFile};
use crate::context::ContextError;

/// A stack of layers, bottom first.
pub struct Stack {
    view: View,
    layers: Vec<LayerId>,
    /// The files that have further names, by layer.
    linked: OnceLock<BTreeSet<(usize, Box<[u8]>)>>,
}

impl Stack {
    /// `layers` are the ids of the layers of `view`.
    pub fn new(view: View, layers: Vec<LayerId>) -> Self {
        Self { view, layers, linked: OnceLock::new() }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn layers(&self) -> &[LayerId] {
        &self.layers
    }

    fn node(&self, found: Found<'_>) -> Option<Node> {
        let kind = match &found.node.kind {
            Kind::File { size, content } => {
                let link = self.linked().contains(&(found.layer, found.node.path.clone()));
                NodeKind::File(FileNode {
                    size: *size,
                    content: Some(*content),
                    link: link.then(|| link_id(found.layer, &found.node.path)),
                    place: Place::Layer(*self.layers.get(found.layer)?),
                })
            }
            Kind::Dir { .. } => NodeKind::Dir,
            Kind::Symlink { target } => NodeKind::Symlink { target: target.clone() },
            Kind::CharDevice { major, minor } => NodeKind::CharDevice { major: *major, minor: *minor },
            Kind::BlockDevice { major, minor } => NodeKind::BlockDevice { major: *major, minor: *minor },
            Kind::Fifo => NodeKind::Fifo,
            Kind::Whiteout | Kind::HardLink { .. } => return None,
        };
        Some(Node { kind, meta: found.node.meta.clone() })
    }

    fn linked(&self) -> &BTreeSet<(usize, Box<[u8]>)> {
        self.linked.get_or_init(|| {
            let mut linked = BTreeSet::new();
            for (layer, tree) in self.view.layers().iter().enumerate() {
                linked.extend(tree.entries().iter().filter_map(|entry| match &entry.kind {
                    Kind::HardLink { target } => Some((layer, target.clone())),
                    Kind::File { .. }
                    | Kind::Dir { .. }
                    | Kind::Symlink { .. }
                    | Kind::CharDevice { .. }
                    | Kind::BlockDevice { .. }
                    | Kind::Fifo
                    | Kind::Whiteout => None,
                }));
            }
            linked
        })
    }
}

fn link_id(layer: usize, path: &[u8]) -> LinkId {
    let digest = ContentDigest::of(path);
    let (first, _) = digest.as_bytes().split_first_chunk::<8>().expect("a digest has 32 bytes");
    LinkId(layer as u64, u64::from_le_bytes(*first))
}

impl Lookup for Stack {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, ContextError> {
        if path.is_empty() {
            return Ok(Some(Node { kind: NodeKind::Dir, meta: Meta { mode: 0o755, ..Meta::default() } }));
        }
        Ok(self.view.lookup(path).and_then(|found| self.node(found)))
    }
}

impl Listing for Stack {
    fn children(&self, path: &[u8]) -> Result<Vec<Child>, ContextError> {
        let child = |found: Found<'_>| Some((found.entry.name().into(), self.node(found)?));
        Ok(self.view.list(path).into_iter().filter_map(child).collect())
    }

    fn prefetch(&self, _path: &[u8]) -> Result<(), ContextError> {
        Ok(())
    }

    /// Never asked: the digest of every file is known.
    fn read(&self, paths: &[&[u8]]) -> Result<Vec<ReadFile>, ContextError> {
        match paths.first() {
            Some(path) => Err(ContextError::Gone { path: super::path::show(path) }),
            None => Ok(Vec::new()),
        }
    }

    fn hidden_by(&self, _path: &[u8]) -> Option<String> {
        None
    }
}
