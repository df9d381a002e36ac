//! Typed instructions → graph and image config: what a Dockerfile asks for. Does no I/O: base images come in through
//! a port, and contexts are known by name only.
//!
//! First the whole file is planned (`plan`): the global `ARG`s are settled, every stage's base is expanded, and every
//! `COPY --from` and `RUN --mount=from=` is tied to the stage or image it names. What the target does not lead to is
//! then forgotten: its images are not asked for. The bases of the rest are resolved, which may bring `ONBUILD`
//! triggers, and with them further stages and images, until nothing new appears.
//!
//! Then each stage is walked from top to bottom (`stage`), with the state that BuildKit keeps: a filesystem (a
//! vertex), an environment, a working directory, a user, and the image config in the making.

mod args;
mod config;
mod copy;
mod entitlement;
mod env;
mod epoch;
mod gaps;
mod history;
mod index;
mod inputs;
mod mounts;
mod named;
mod ownership;
mod parameters;
mod plan;
mod ports;
mod remote;
mod run;
mod signal;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use graph::{Graph, Op, SourceOp, VertexId};
use oci::{Digest, ImageConfig, Platform, Reference};

use crate::ignore::Ignore;
use crate::lint::{self, Checks, Findings, Linted, Phase};
use crate::outline::Outline;
use crate::{Diagnostic, Dockerfile};
use gaps::Gaps;

pub use entitlement::Entitlement;
pub use named::{Layout, NamedContext, Version};

/// What is asked of a Dockerfile.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--target`: a stage's name. The last stage when absent.
    pub target: Option<String>,
    /// `--build-arg`
    pub build_args: BTreeMap<String, String>,
    /// `--platform`. The builder's when empty.
    pub platforms: Vec<Platform>,
    /// What the builder runs on; this machine when absent.
    pub build_platform: Option<Platform>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    pub no_cache: NoCache,
    pub hostname: Option<String>,
    /// `--network`
    pub network: graph::op::Network,
    /// `--build-context`: what a name means instead of an image or a stage.
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--allow`
    pub entitlements: BTreeSet<Entitlement>,
    /// What the context leaves out, where that is known: copying it is warned of.
    pub ignored: Option<Ignore>,
    /// What the main context was fetched as, a commit or a file: `SOURCE_DATE_EPOCH=context` means its time.
    pub context_source: Option<SourceOp>,
    /// `--ulimit`, by name.
    pub limits: Vec<graph::op::Limit>,
    /// `--shm-size`: the bytes that `/dev/shm` holds, where that was asked for.
    pub shm_size: Option<u64>,
}

/// Which stages' records are not looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NoCache {
    #[default]
    None,
    All,
    /// `--no-cache-filter`: names of stages.
    Stages(BTreeSet<String>),
}

/// Tells what images are, and what else of a build must be known before its graph can be made.
pub trait Images {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError>;

    /// An image of a layout that a named context is. The reference of what is returned is asked for when its layers are
    /// needed, with the digest: whoever answers sees to it that it is found then.
    fn resolve_layout(&self, layout: &Layout, _platform: &Platform) -> Result<BaseImage, ImageError> {
        let message = format!("the image layout `{}` cannot be read here", layout.path);
        Err(ImageError { message, hint: None })
    }

    /// The time of a commit or of a file on the web, in seconds since 1970, where it has one.
    fn source_time(&self, _source: &SourceOp) -> Result<Option<i64>, ImageError> {
        Ok(None)
    }
}

/// An image that a build starts from.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImage {
    /// The name it was found under.
    pub reference: Reference,
    /// Its manifest's digest.
    pub digest: Digest,
    pub config: ImageConfig,
}

/// Why an image cannot be had. The message is whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImageError {
    pub message: String,
    pub hint: Option<String>,
}

/// What a Dockerfile comes to.
#[derive(Debug, Clone)]
pub struct Lowered {
    pub graph: Graph,
    /// One for each platform, in the order they were asked for.
    pub images: Vec<Built>,
    /// Whether they are to be told of by an index, if there is only one, too.
    pub index: bool,
    /// Names of the local contexts that are used.
    pub contexts: BTreeSet<String>,
    /// Rules of the linter that are broken. The code is the rule's name.
    pub warnings: Vec<Diagnostic>,
    /// What this build can be given; for the first platform.
    pub outline: Outline,
}

/// An image that comes of a build.
#[derive(Debug, Clone)]
pub struct Built {
    pub platform: Platform,
    /// The vertex whose result is the image's filesystem; `None` when it is empty.
    pub target: Option<VertexId>,
    /// Without `rootfs` of what is built: it says what the base image's says.
    pub config: ImageConfig,
    pub source_date_epoch: Option<i64>,
}

/// The main context's name in [`graph::SourceOp::Local`].
pub const CONTEXT: &str = "context";

/// More are refused: each adds to the image's config, which others read up to 8 MiB of.
const MAX_INSTRUCTIONS: usize = 250_000;

/// The graph of `dockerfile` and the images that come of it, or what is wrong with it.
pub fn lower(dockerfile: &Dockerfile, request: &Request, images: &dyn Images) -> Result<Lowered, Vec<Diagnostic>> {
    lower_and_lint(dockerfile, request, images).map_err(|linted| linted.errors)
}

/// As [`lower`]; where it fails, with the warnings that belong to the mistakes.
pub fn lower_and_lint(dockerfile: &Dockerfile, request: &Request, images: &dyn Images) -> Result<Lowered, Linted> {
    let (lowered, linted) = Job::new(dockerfile, request, Scope::Target).run(images);
    match lowered {
        Some(lowered) if linted.errors.is_empty() => match without_command(dockerfile, &lowered.graph) {
            None => Ok(Lowered { warnings: linted.warnings, ..lowered }),
            Some(error) => Err(Linted { errors: vec![error], ..linted }),
        },
        Some(_) | None => Err(linted),
    }
}

/// `RUN []` runs nothing. As in BuildKit, a build refuses it, and checks let it pass.
fn without_command(dockerfile: &Dockerfile, graph: &Graph) -> Option<Diagnostic> {
    let is_without = |id: &VertexId| matches!(&graph.vertex(*id).op, Op::Exec(exec) if exec.args.is_empty());
    let source = graph.vertex(graph.ids().find(is_without)?).meta.source?;
    let node = dockerfile.tree.nodes.iter().find(|node| node.span.first_line == source.first_line);
    let span = node.map(|node| node.span).unwrap_or_default();
    Some(
        Diagnostic::error("NoCommand", span, "there is no command to run")
            .with_expected("`RUN [\"program\", \"argument\"]`"),
    )
}

/// What is found in all stages, or in those that lead to the target if one is asked for; for the first platform.
pub(crate) fn look(dockerfile: &Dockerfile, request: &Request, images: &dyn Images) -> Linted {
    let asked = request.target.as_deref().is_some_and(|target| !target.is_empty());
    let mut job = Job::new(dockerfile, request, if asked { Scope::Target } else { Scope::All });
    job.platforms.truncate(1);
    job.run(images).1
}

/// The images that `lower` will ask for, so that they can be fetched at once. Triggers of theirs may ask for more; where
/// there are mistakes, it asks for none.
pub fn bases(dockerfile: &Dockerfile, request: &Request) -> Vec<(Reference, Platform)> {
    let job = Job::new(dockerfile, request, Scope::Target);
    let mut findings = Findings::new(dockerfile, Ok(Checks::default()));
    if dockerfile.has_errors() || !job.check(&mut findings) {
        return Vec::new();
    }
    let mut bases = BTreeSet::new();
    for platform in &job.platforms {
        let settled = args::settle(&job, *platform, &NoImages, &mut findings);
        bases.extend(plan::Plan::new(&job, &settled, &mut findings).images());
    }
    if findings.has_errors() { Vec::new() } else { bases.into_iter().collect() }
}

/// What is to be done, and how far it can be judged.
struct Job<'a> {
    dockerfile: &'a Dockerfile,
    request: &'a Request,
    /// What to build for; `None` is the builder's own.
    platforms: Vec<Option<&'a Platform>>,
    scope: Scope,
    /// Whether the images are to be told of by an index.
    index: bool,
    gaps: Gaps,
}

/// Which stages are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Those that the target needs.
    Target,
    All,
}

impl<'a> Job<'a> {
    fn new(dockerfile: &'a Dockerfile, request: &'a Request, scope: Scope) -> Self {
        let platforms = match request.platforms.as_slice() {
            [] => vec![None],
            platforms => platforms.iter().map(Some).collect(),
        };
        let index = args::wants_index(dockerfile, request).unwrap_or(false);
        Self { dockerfile, request, platforms, scope, index, gaps: Gaps::of(dockerfile) }
    }

    /// Does all of it, as far as mistakes let it.
    fn run(&self, images: &dyn Images) -> (Option<Lowered>, Linted) {
        let checks = Checks::of(self.dockerfile, &self.request.build_args);
        let mut findings = Findings::new(self.dockerfile, checks);
        lint::check_file(self.dockerfile, &mut findings);
        if !self.check(&mut findings) {
            return (None, findings.finish());
        }
        let mut shared = stage::Shared::default();
        let mut built = Vec::with_capacity(self.platforms.len());
        for platform in &self.platforms {
            let image = self.image(*platform, images, &mut shared, &mut findings);
            built.extend(image);
            if findings.has_errors() {
                return (None, findings.finish());
            }
            findings.repeat();
        }
        (Some(self.finish(shared, built)), findings.finish())
    }

    /// What comes of it on one platform. No image is asked for once there is a mistake.
    fn image(
        &self,
        platform: Option<&Platform>,
        images: &dyn Images,
        shared: &mut stage::Shared,
        findings: &mut Findings,
    ) -> Option<(Built, Outline)> {
        let offered = |findings: &Findings| (!findings.has_errors()).then_some(images);
        let settled = args::settle(self, platform, offered(findings).unwrap_or(&NoImages), findings);
        let mut plan = plan::Plan::new(self, &settled, findings);
        let images = offered(findings);
        plan.resolve(images, findings);
        stage::Builder::new(&plan, &settled, shared, findings).build()
    }

    fn finish(&self, shared: stage::Shared, built: Vec<(Built, Outline)>) -> Lowered {
        let targets: Vec<Option<VertexId>> = built.iter().map(|(image, _)| image.target).collect();
        let (graph, targets) = graph::unify(shared.graph, &targets);
        let mut outline = None;
        let mut images = Vec::with_capacity(built.len());
        for ((image, told), target) in built.into_iter().zip(targets) {
            outline.get_or_insert(told);
            images.push(Built { target, ..image });
        }
        let contexts = shared.locals.into_keys().collect();
        let outline = outline.unwrap_or_default();
        Lowered { graph, images, index: self.index, contexts, warnings: Vec::new(), outline }
    }

    /// Whether there is anything to look at.
    fn check(&self, findings: &mut Findings) -> bool {
        if let Some(node) = self.dockerfile.tree.nodes.get(MAX_INSTRUCTIONS) {
            let count = self.dockerfile.tree.nodes.len();
            let message = format!("the Dockerfile has {count} instructions, and {MAX_INSTRUCTIONS} are the most");
            let hint = "one instruction can say many things: `ENV A=1 B=2`, or a here-document";
            let error = Diagnostic::error("TooManyInstructions", node.span, message).with_hint(hint);
            findings.error(Phase::Instructions, error);
            return false;
        }
        if self.dockerfile.stages.is_empty() {
            if !findings.has_errors() {
                let span = crate::Span { first_line: 1, last_line: 1, ..crate::Span::default() };
                let error = Diagnostic::error("NoStage", span, "the Dockerfile has no stage to build")
                    .with_expected("`FROM image`")
                    .with_hint("begin the file with a `FROM` instruction");
                findings.error(Phase::Instructions, error);
            }
            return false;
        }
        if let Err(error) = args::wants_index(self.dockerfile, self.request) {
            findings.error(Phase::Checks, *error);
        }
        true
    }
}

/// Knows nothing: for what is found out without it.
struct NoImages;

impl Images for NoImages {
    fn resolve(&self, name: &Reference, _platform: &Platform) -> Result<BaseImage, ImageError> {
        Err(ImageError { message: format!("`{name}` cannot be asked for here"), hint: None })
    }
}

/// The result of a step here; a diagnostic is big.
type Step<T> = Result<T, Box<Diagnostic>>;

fn refuse<T>(code: &'static str, span: crate::Span, message: impl Into<String>) -> Step<T> {
    Err(Box::new(Diagnostic::error(code, span, message)))
}

#[cfg(test)]
mod tests;
