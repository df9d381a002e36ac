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
mod env;
mod history;
mod inputs;
mod ownership;
mod parameters;
mod plan;
mod ports;
mod run;
mod signal;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use graph::{Graph, VertexId};
use oci::{Digest, ImageConfig, Platform, Reference};

use crate::ignore::Ignore;
use crate::outline::Outline;
use crate::{Diagnostic, Dockerfile, Severity};

/// What is asked of a Dockerfile.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--target`: a stage's name. The last stage when absent.
    pub target: Option<String>,
    /// `--build-arg`
    pub build_args: BTreeMap<String, String>,
    /// `--platform`. The builder's when empty; several are not supported yet.
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
    /// Seconds since 1970 that times are set to.
    pub source_date_epoch: Option<i64>,
    /// What the context leaves out, where that is known: copying it is warned of.
    pub ignored: Option<Ignore>,
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

/// What `--build-context name=…` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    Image(Reference),
    /// A directory, by the name that the executor knows it by.
    Local(String),
}

/// Tells what images are.
pub trait Images {
    fn resolve(&self, name: &Reference, platform: &Platform) -> Result<BaseImage, ImageError>;
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
    /// The vertex whose result is the image's filesystem; `None` when it is empty.
    pub target: Option<VertexId>,
    /// Without `rootfs` of what is built: it says what the base image's says.
    pub config: ImageConfig,
    pub platform: Platform,
    /// Names of the contexts that are used.
    pub contexts: BTreeSet<String>,
    pub source_date_epoch: Option<i64>,
    /// Rules of the linter that are broken. The code is the rule's name.
    pub warnings: Vec<Diagnostic>,
    /// What this build can be given.
    pub outline: Outline,
}

/// The main context's name in [`graph::SourceOp::Local`].
pub const CONTEXT: &str = "context";

/// More are refused: each adds to the image's config, which others read up to 8 MiB of.
const MAX_INSTRUCTIONS: usize = 250_000;

/// The graph and the image config of `dockerfile`, or what is wrong with it.
pub fn lower(dockerfile: &Dockerfile, request: &Request, images: &dyn Images) -> Result<Lowered, Vec<Diagnostic>> {
    check(dockerfile)?;
    let one = |error: Box<Diagnostic>| vec![*error];
    let settled = args::settle(dockerfile, request).map_err(one)?;
    let mut plan = plan::Plan::new(dockerfile, request, &settled).map_err(one)?;
    plan.resolve(images).map_err(one)?;
    stage::Builder::new(&plan, &settled, request).build().map_err(one)
}

/// The images that `lower` will ask for, so that they can be fetched at once. Triggers of theirs may ask for more.
pub fn bases(dockerfile: &Dockerfile, request: &Request) -> Result<Vec<(Reference, Platform)>, Vec<Diagnostic>> {
    check(dockerfile)?;
    let one = |error: Box<Diagnostic>| vec![*error];
    let settled = args::settle(dockerfile, request).map_err(one)?;
    Ok(plan::Plan::new(dockerfile, request, &settled).map_err(one)?.images())
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

/// What is understood, and not done yet.
fn not_yet<T>(span: crate::Span, what: &str) -> Step<T> {
    refuse("NotSupportedYet", span, format!("{what} is not supported yet"))
}

#[cfg(test)]
mod tests;
