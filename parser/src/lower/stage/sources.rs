//! The vertices that a stage's instructions take from: images, contexts, other stages, nothing. Each is made once.

use graph::{FileAction, FileOp, Meta, Op, Slot, SourceOp, Vertex, VertexId};
use oci::{Platform, Reference};

use super::{Builder, lines, numbered, stage_name};
use crate::Span;
use crate::lower::plan::{Origin, Planned};
use crate::lower::{CONTEXT, Step, copy, refuse};

impl Builder<'_> {
    /// The vertex of an image; `None` when it holds no layer. `base_of`: the stage it is the base of.
    pub(super) fn image(
        &mut self,
        name: &Reference,
        platform: &Platform,
        base_of: Option<&Planned<'_>>,
    ) -> Step<Option<VertexId>> {
        let key = (name.clone(), platform.to_string());
        if let Some(vertex) = self.images.get(&key) {
            return Ok(*vertex);
        }
        let image = self.plan.base_image(name, Some(platform)).expect("what is reachable was resolved");
        let pinned = image.reference.with_digest(image.digest);
        let has_layers =
            !image.config.rootfs.diff_ids.is_empty() || image.config.history.iter().any(|line| !line.empty_layer);
        let vertex = has_layers.then(|| {
            let op = Op::Source(SourceOp::Image {
                reference: image.reference.to_string(),
                digest: image.digest,
                platform: platform.clone(),
            });
            let mut meta = Meta { name: format!("FROM {pinned}"), ..Meta::default() };
            if let Some(planned) = base_of {
                meta.name = format!("{}{}", numbered(planned, 1), meta.name);
                meta.stage = Some(stage_name(planned));
                meta.source = Some(lines(planned.stage.head.span));
            }
            self.graph.add(Vertex { op, meta }, &[])
        });
        self.images.insert(key, vertex);
        Ok(vertex)
    }

    pub(in crate::lower) fn local(&mut self, name: &str) -> VertexId {
        if let Some(vertex) = self.locals.get(name) {
            return *vertex;
        }
        let shown = if name == CONTEXT { "build context".to_owned() } else { format!("build context {name}") };
        let meta = Meta { name: format!("[internal] load {shown}"), ..Meta::default() };
        let vertex = self.graph.add(Vertex { op: Op::Source(SourceOp::Local { name: name.to_owned() }), meta }, &[]);
        self.locals.insert(name.to_owned(), vertex);
        vertex
    }

    /// A directory as the filesystem of a stage: a copy of it, since it is no stack of layers.
    pub(super) fn local_root(&mut self, name: &str, span: Span) -> Step<VertexId> {
        let local = self.local(name);
        let op = Op::File(FileOp { base: None, actions: vec![FileAction::Copy(Box::new(copy::whole(Slot(0))))] });
        let meta = Meta { name: format!("[context {name}] load"), source: Some(lines(span)), ..Meta::default() };
        Ok(self.graph.add(Vertex { op, meta }, &[local]))
    }

    /// The filesystem that a source names; `None` is scratch.
    pub(in crate::lower) fn origin(&mut self, origin: &Origin, span: Span) -> Step<Option<VertexId>> {
        match origin {
            Origin::Scratch => Ok(None),
            Origin::Local(name) => Ok(Some(self.local(name))),
            Origin::Image(reference) => self.image(reference, &self.settled.target_platform, None),
            Origin::Stage(index) => match self.roots[*index] {
                Some(root) => Ok(root),
                None => {
                    let name = &self.plan.stages[*index].label;
                    refuse(
                        "StageNotDefinedYet",
                        span,
                        format!("the stage `{name}` is defined later: it must stand before what uses it"),
                    )
                }
            },
        }
    }

    /// A filesystem with nothing in it, where an op needs an input.
    pub(in crate::lower) fn empty(&mut self) -> VertexId {
        if let Some(vertex) = self.empty {
            return vertex;
        }
        let meta = Meta { name: "[internal] scratch".to_owned(), ..Meta::default() };
        let vertex = self.graph.add(Vertex { op: Op::File(FileOp { base: None, actions: Vec::new() }), meta }, &[]);
        self.empty = Some(vertex);
        vertex
    }
}
