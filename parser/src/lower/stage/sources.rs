//! The vertices that a stage's instructions take from: images, contexts, other stages, nothing.

use graph::{FileAction, FileOp, Meta, Op, Slot, SourceOp, Vertex, VertexId};
use oci::Platform;

use super::names::{lines, numbered, stage_name};
use super::{Builder, Planned};
use crate::Span;
use crate::lower::named::NamedContext;
use crate::lower::plan::Origin;
use crate::lower::{CONTEXT, Step, copy, refuse, remote};

impl Builder<'_> {
    pub(in crate::lower) fn add_vertex(&mut self, op: Op, meta: Meta, inputs: &[VertexId]) -> VertexId {
        self.shared.graph.add(Vertex { op, meta }, inputs)
    }

    /// The image that a stage starts from; `None` when it holds no layer.
    pub(super) fn base(&mut self, planned: &Planned<'_>, platform: &Platform) -> Step<Option<VertexId>> {
        let span = planned.stage.head.span;
        match &planned.base {
            Origin::Context(name) => match self.plan.context(name) {
                NamedContext::Local(_) => self.local_root(name, span).map(Some),
                _ => self.context(name, platform, span),
            },
            origin => {
                let shown = self.settled.name_platforms.then(|| platform.to_string());
                let prefix = numbered(planned, planned.base_step, shown.as_deref());
                let meta = Meta {
                    name: prefix,
                    stage: Some(stage_name(planned)),
                    source: Some(lines(span)),
                    ..Meta::default()
                };
                Ok(self.image(origin, platform, meta))
            }
        }
    }

    /// The vertex of an image, `FROM` it after the name in `meta`; `None` when it holds no layer.
    fn image(&mut self, origin: &Origin, platform: &Platform, mut meta: Meta) -> Option<VertexId> {
        // Where it cannot be had, that was told already.
        let image = self.plan.image_of(origin, Some(platform))?;
        if !image.has_layers() {
            return None;
        }
        if matches!(origin, Origin::Image(_)) {
            meta.name.push_str(&format!("FROM {}", image.reference.with_digest(image.digest)));
        }
        let op = Op::Source(SourceOp::Image {
            reference: image.reference.to_string(),
            digest: image.digest,
            platform: platform.clone(),
        });
        Some(self.add_vertex(op, meta, &[]))
    }

    /// A named context, as a source.
    fn context(&mut self, name: &str, platform: &Platform, span: Span) -> Step<Option<VertexId>> {
        let meta = |shown: &str| Meta { name: shown.to_owned(), source: Some(lines(span)), ..Meta::default() };
        let origin = Origin::Context(name.to_owned());
        Ok(match self.plan.context(name) {
            NamedContext::Scratch => None,
            NamedContext::Image(image) => {
                self.image(&origin, platform, meta(&format!("[context {name}] {}", image.familiar())))
            }
            NamedContext::OciLayout(_) => {
                self.image(&origin, platform, meta(&format!("[context {name}] OCI load from client")))
            }
            NamedContext::Local(dir) => Some(self.local(dir, &format!("[context {name}] load from client"))),
            NamedContext::Git(git) => {
                let source = git.source();
                let shown = format!("[internal] load git source {}", source.url);
                Some(self.add_vertex(Op::Source(SourceOp::Git(Box::new(source))), meta(&shown), &[]))
            }
            NamedContext::Http(url) => {
                let op = Op::Source(remote::http(url, CONTEXT, None));
                Some(self.add_vertex(op, meta(&format!("[context {name}] {url}")), &[]))
            }
            NamedContext::Target(stage) => {
                return refuse("UndefinedStage", span, format!("the stage `{stage}` is not known here"));
            }
        })
    }

    /// The main context.
    pub(in crate::lower) fn main_context(&mut self) -> VertexId {
        self.local(CONTEXT, "[internal] load build context")
    }

    fn local(&mut self, name: &str, shown: &str) -> VertexId {
        if let Some(vertex) = self.shared.locals.get(name) {
            return *vertex;
        }
        let meta = Meta { name: shown.to_owned(), ..Meta::default() };
        let vertex = self.add_vertex(Op::Source(SourceOp::Local { name: name.to_owned() }), meta, &[]);
        self.shared.locals.insert(name.to_owned(), vertex);
        vertex
    }

    /// A directory as the filesystem of a stage: a copy of it, since it is no stack of layers.
    fn local_root(&mut self, name: &str, span: Span) -> Step<VertexId> {
        let local: Vec<VertexId> = self.context(name, &self.settled.target_platform, span)?.into_iter().collect();
        let op = Op::File(FileOp { base: None, actions: vec![FileAction::Copy(Box::new(copy::whole(Slot(0))))] });
        let meta = Meta { name: format!("[context {name}] load"), source: Some(lines(span)), ..Meta::default() };
        Ok(self.add_vertex(op, meta, &local))
    }

    /// The filesystem that a source names; `None` is scratch.
    pub(in crate::lower) fn origin(&mut self, origin: &Origin, span: Span) -> Step<Option<VertexId>> {
        match origin {
            Origin::Scratch => Ok(None),
            Origin::Context(name) => self.context(name, &self.settled.target_platform, span),
            Origin::Image(_) => {
                let meta = Meta { source: Some(lines(span)), ..Meta::default() };
                Ok(self.image(origin, &self.settled.target_platform, meta))
            }
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
        if let Some(vertex) = self.shared.empty {
            return vertex;
        }
        let meta = Meta { name: "[internal] scratch".to_owned(), ..Meta::default() };
        let vertex = self.add_vertex(Op::File(FileOp { base: None, actions: Vec::new() }), meta, &[]);
        self.shared.empty = Some(vertex);
        vertex
    }
}
