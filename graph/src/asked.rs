//! What the ops of a graph ask a directory of this machine for. Knows no directory.

use crate::dag::{Graph, Slot, VertexId};
use crate::op::{Copy, FileAction, MountKind, Op, SourceOp};

/// The paths, with their wildcards, that copies and mounts take of the local source `name`, in the order of the ops.
pub fn asked(graph: &Graph, name: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for id in graph.ids() {
        let inputs = graph.inputs(id);
        let is_it = |input: &VertexId| matches!(&graph.vertex(*input).op, Op::Source(SourceOp::Local { name: it }) if it == name);
        let is_asked = |slot: Option<Slot>| slot.and_then(|slot| inputs.get(usize::from(slot.0))).is_some_and(is_it);
        match &graph.vertex(id).op {
            Op::File(op) => {
                let copies = op.actions.iter().filter_map(|action| match action {
                    FileAction::Copy(copy) if is_asked(copy.from) => Some(paths_of(copy)),
                    FileAction::Copy(_)
                    | FileAction::Mkdir { .. }
                    | FileAction::Mkfile { .. }
                    | FileAction::Symlink { .. }
                    | FileAction::Rm { .. } => None,
                });
                paths.extend(copies.flatten());
            }
            Op::Exec(op) => {
                let sources = op.mounts.iter().filter_map(|mount| match &mount.kind {
                    MountKind::Bind { from, source } | MountKind::Cache { from, source, .. } if is_asked(*from) => {
                        Some(source.clone())
                    }
                    MountKind::Bind { .. }
                    | MountKind::Cache { .. }
                    | MountKind::Tmpfs { .. }
                    | MountKind::Secret { .. }
                    | MountKind::Ssh { .. }
                    | MountKind::File { .. } => None,
                });
                paths.extend(sources);
            }
            Op::Source(_) | Op::Merge | Op::Diff => {}
        }
    }
    paths
}

/// A copy with patterns takes what they match below its source.
fn paths_of(copy: &Copy) -> Vec<String> {
    if copy.include_patterns.is_empty() {
        return vec![copy.src.clone()];
    }
    copy.include_patterns.iter().map(|pattern| format!("{}/{pattern}", copy.src)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Vertex;
    use crate::op::FileOp;

    #[test]
    fn copies_tell_what_they_take() {
        let mut graph = Graph::new();
        let mut add = |op: Op, inputs: &[VertexId]| graph.add(Vertex { op, meta: crate::dag::Meta::default() }, inputs);
        let local = |name: &str| Op::Source(SourceOp::Local { name: name.to_owned() });
        let copies = |copies: Vec<Copy>| {
            Op::File(FileOp {
                base: None,
                actions: copies.into_iter().map(|copy| FileAction::Copy(Box::new(copy))).collect(),
            })
        };
        let (context, other) = (add(local("context"), &[]), add(local("other"), &[]));
        let parents = Copy { include_patterns: vec!["x/*".to_owned()], ..Copy::new(Slot(0), "/src", "/") };
        add(copies(vec![Copy::new(Slot(0), "/a*", "/"), parents]), &[context]);
        add(copies(vec![Copy::new(Slot(1), "/b", "/"), Copy::new(Slot(0), "/c", "/")]), &[other, context]);
        assert_eq!(asked(&graph, "context"), ["/a*", "/src/x/*", "/b"]);
        assert_eq!(asked(&graph, "other"), ["/c"]);
    }
}
