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
mod history;
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

use graph::{Graph, SourceOp, VertexId};
use oci::{Digest, ImageConfig, Platform, Reference};

use crate::ignore::Ignore;
use crate::outline::Outline;
use crate::{Diagnostic, Dockerfile, Severity};

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
    /// Seconds since 1970 that times are set to.
    pub source_date_epoch: Option<i64>,
    /// What the context leaves out, where that is known: copying it is warned of.
    pub ignored: Option<Ignore>,
    /// The time of what the main context was fetched as, a commit or an archive: `SOURCE_DATE_EPOCH=context` means it.
    pub context_time: Option<i64>,
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
    check(dockerfile)?;
    let one = |error: Box<Diagnostic>| vec![*error];
    let index = args::wants_index(dockerfile, request).map_err(one)?;
    let mut shared = stage::Shared::default();
    let (mut built, mut outlines) = (Vec::new(), Vec::new());
    for platform in platforms(request) {
        let settled = args::settle(dockerfile, request, platform, images).map_err(one)?;
        let mut plan = plan::Plan::new(dockerfile, request, &settled).map_err(one)?;
        plan.resolve(images).map_err(one)?;
        let (image, outline) = stage::Builder::new(&plan, &settled, request, &mut shared).build().map_err(one)?;
        built.push(image);
        outlines.push(outline);
    }
    let targets: Vec<Option<VertexId>> = built.iter().map(|image| image.target).collect();
    let (graph, targets) = graph::unify(shared.graph, &targets);
    for (image, target) in built.iter_mut().zip(targets) {
        image.target = target;
    }
    let contexts = shared.locals.into_keys().collect();
    let outline = outlines.into_iter().next().unwrap_or_default();
    Ok(Lowered { graph, images: built, index, contexts, warnings: Vec::new(), outline })
}

/// The images that `lower` will ask for, so that they can be fetched at once. Triggers of theirs may ask for more.
pub fn bases(dockerfile: &Dockerfile, request: &Request) -> Result<Vec<(Reference, Platform)>, Vec<Diagnostic>> {
    check(dockerfile)?;
    let one = |error: Box<Diagnostic>| vec![*error];
    let mut bases = BTreeSet::new();
    for platform in platforms(request) {
        let settled = args::settle(dockerfile, request, platform, &NoImages).map_err(one)?;
        bases.extend(plan::Plan::new(dockerfile, request, &settled).map_err(one)?.images());
    }
    Ok(bases.into_iter().collect())
}

/// The platforms to build for; `None` is the builder's own.
fn platforms(request: &Request) -> Vec<Option<&Platform>> {
    if request.platforms.is_empty() { vec![None] } else { request.platforms.iter().map(Some).collect() }
}

/// Knows nothing: for what is found out without it.
struct NoImages;

impl Images for NoImages {
    fn resolve(&self, name: &Reference, _platform: &Platform) -> Result<BaseImage, ImageError> {
        Err(ImageError { message: format!("`{name}` cannot be asked for here"), hint: None })
    }
}

fn check(dockerfile: &Dockerfile) -> Result<(), Vec<Diagnostic>> {
    let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    let errors: Vec<Diagnostic> = dockerfile.diagnostics.iter().filter(is_error).cloned().collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    if let Some(node) = dockerfile.tree.nodes.get(MAX_INSTRUCTIONS) {
        let count = dockerfile.tree.nodes.len();
        let message = format!("the Dockerfile has {count} instructions, and {MAX_INSTRUCTIONS} are the most");
        let hint = "one instruction can say many things: `ENV A=1 B=2`, or a here-document";
        return Err(vec![Diagnostic::error("TooManyInstructions", node.span, message).with_hint(hint)]);
    }
    if dockerfile.stages.is_empty() {
        let span = crate::Span { first_line: 1, last_line: 1, ..crate::Span::default() };
        let error = Diagnostic::error("NoStage", span, "the Dockerfile has no stage to build")
            .with_expected("`FROM image`")
            .with_hint("begin the file with a `FROM` instruction");
        return Err(vec![error]);
    }
    Ok(())
}

/// The result of a step here; a diagnostic is big.
type Step<T> = Result<T, Box<Diagnostic>>;

fn refuse<T>(code: &'static str, span: crate::Span, message: impl Into<String>) -> Step<T> {
    Err(Box::new(Diagnostic::error(code, span, message)))
}

#[cfg(test)]
mod tests;
