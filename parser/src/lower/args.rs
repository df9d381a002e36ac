//! What is settled before the first stage: platforms, the global `ARG`s, proxies, the epoch. Knows no stage's scope.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use oci::{Platform, Reference};

use super::env::Env;
use super::parameters::GlobalArg;
use super::{Images, Job, Request, Step, epoch, refuse};
use crate::expand::{ExpandError, Lexer, Variables};
use crate::instruction::mount::boolean;
use crate::lint::{At, Findings, Phase, Rule};
use crate::outline::Argument;
use crate::{Diagnostic, Dockerfile, Span};

/// What holds for all stages.
pub(super) struct Settled {
    pub target_platform: Platform,
    /// No platform was asked for: the image's own is kept.
    pub implicit_platform: bool,
    /// The predefined variables and the `ARG`s before the first `FROM`.
    pub globals: Env,
    /// The latter by name, as they were declared last.
    pub declared: BTreeMap<String, GlobalArg>,
    pub build_args: BTreeMap<String, String>,
    pub lexer: Lexer,
    pub epoch: Option<i64>,
    /// Before the names of steps stands what they are for.
    pub name_platforms: bool,
    /// Stands before the names of cache mounts.
    pub cache_namespace: Option<String>,
    pub hostname: Option<String>,
    /// What every process gets beside its environment.
    pub proxy_env: Vec<String>,
    /// Some of the `ARG`s could not be understood: what is not set may be.
    pub partial: bool,
}

pub(super) const EPOCH: &str = "SOURCE_DATE_EPOCH";
const MULTI_PLATFORM: &str = "BUILDKIT_MULTI_PLATFORM";
const CACHE_NAMESPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";
const HOSTNAME: &str = "BUILDKIT_SANDBOX_HOSTNAME";

/// Whether the images are to be told of by an index: those of several platforms, or as `BUILDKIT_MULTI_PLATFORM` says.
pub(super) fn wants_index(dockerfile: &Dockerfile, request: &Request) -> Step<bool> {
    let several = request.platforms.len() > 1;
    let Some(text) = request.build_args.get(MULTI_PLATFORM).filter(|text| !text.is_empty()) else { return Ok(several) };
    let message = match boolean(text) {
        Some(false) if several => "several platforms cannot be built without an index".to_owned(),
        Some(index) => return Ok(index),
        None => format!("`{text}` is no `{MULTI_PLATFORM}`: expected `true` or `false`"),
    };
    refuse("InvalidBuildArg", start(dockerfile), message)
}

fn start(dockerfile: &Dockerfile) -> Span {
    dockerfile.stages.first().map_or_else(Span::default, |stage| stage.head.span)
}

/// For one of the platforms that were asked for, or for the builder's own. As far as there are no mistakes.
pub(super) fn settle(
    job: &Job<'_>,
    platform: Option<&Platform>,
    images: &dyn Images,
    findings: &mut Findings,
) -> Settled {
    let (dockerfile, request) = (job.dockerfile, job.request);
    let build_platform = request.build_platform.clone().unwrap_or_else(|| OWN.0.clone());
    let target_platform = platform.unwrap_or(&build_platform).clone();
    let not_empty = |name: &str| request.build_args.get(name).filter(|value| !value.is_empty()).cloned();
    let mut settled = Settled {
        globals: predefined(&build_platform, &target_platform, request, dockerfile),
        declared: BTreeMap::new(),
        implicit_platform: platform.is_none(),
        target_platform,
        build_args: request.build_args.clone(),
        lexer: Lexer::new(dockerfile.tree.escape.char()),
        epoch: None,
        name_platforms: job.index,
        cache_namespace: not_empty(CACHE_NAMESPACE),
        hostname: not_empty(HOSTNAME).or_else(|| request.hostname.clone()),
        proxy_env: proxies(&request.build_args),
        partial: job.gaps.change_globals(start(dockerfile)),
    };
    let without_arguments = settled.is_overridden(dockerfile).then(|| settled.globals.clone());
    settled.read_global_args(dockerfile, findings);
    settled.check_defaults(dockerfile, without_arguments, findings);
    if let Err(error) = settled.read_epoch(dockerfile, request, images) {
        findings.error(Phase::Globals, *error);
    }
    settled
}

/// The builder's own platform, and what is predefined for it: most builds know no other, so it is made once.
static OWN: LazyLock<(Platform, Env)> = LazyLock::new(|| {
    let own = Platform::host();
    let env = of_platforms(&own, &own, &BTreeMap::new());
    (own, env)
});

fn predefined(build: &Platform, target: &Platform, request: &Request, dockerfile: &Dockerfile) -> Env {
    let last = dockerfile.stages.last().and_then(|stage| stage.name.as_deref());
    let stage = request.target.as_deref().filter(|name| !name.is_empty()).or(last).unwrap_or("default");
    let (own, of_own) = &*OWN;
    let mut globals = match request.build_args.is_empty() && build == own && target == own {
        true => of_own.clone(),
        false => of_platforms(build, target, &request.build_args),
    };
    let given = request.build_args.get("TARGETSTAGE").map(String::as_str);
    globals.set("TARGETSTAGE", given.unwrap_or(stage));
    globals
}

fn of_platforms(build: &Platform, target: &Platform, build_args: &BTreeMap<String, String>) -> Env {
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let without_version = Platform { os_version: None, ..build.clone() };
    let variables = [
        ("BUILDPLATFORM", without_version.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", or_empty(&build.os_version)),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", or_empty(&build.variant)),
        ("TARGETPLATFORM", target.to_string()),
        ("TARGETOS", target.os.clone()),
        ("TARGETOSVERSION", or_empty(&target.os_version)),
        ("TARGETARCH", target.architecture.clone()),
        ("TARGETVARIANT", or_empty(&target.variant)),
    ];
    let mut env = Env::default();
    for (name, value) in &variables {
        env.set(name, build_args.get(*name).unwrap_or(value));
    }
    env
}

impl Settled {
    fn read_global_args(&mut self, dockerfile: &Dockerfile, findings: &mut Findings) {
        for command in &dockerfile.meta_args {
            for arg in &command.instruction.args {
                let span = command.head.span;
                let mut made_of = BTreeSet::new();
                let value = match (self.build_args.get(&*arg.key), &arg.value) {
                    (Some(given), _) => Some(given.clone()),
                    (None, Some(default)) => match expanded(self.lexer.expand(default, &self.globals), span) {
                        Ok(default) => {
                            made_of = default.matched;
                            Some(default.text)
                        }
                        Err(error) => {
                            findings.error(Phase::Globals, *error);
                            self.partial = true;
                            None
                        }
                    },
                    (None, None) => None,
                };
                if let Some(value) = &value {
                    self.globals.set(&arg.key, value);
                }
                let before = self.declared.remove(&*arg.key);
                if made_of.remove(&*arg.key) {
                    // It is made of what it was made of before, too. That may be much, and so it is not copied.
                    let mut all = before.map(|before| before.made_of).unwrap_or_default();
                    all.append(&mut made_of);
                    made_of = all;
                }
                let argument = Argument { name: arg.key.clone(), value, description: arg.doc.clone(), span };
                self.declared.insert(arg.key.to_string(), GlobalArg { argument, made_of });
            }
        }
    }

    /// Whether a build argument stands in the place of an `ARG`'s value here.
    fn is_overridden(&self, dockerfile: &Dockerfile) -> bool {
        let mut args = dockerfile.meta_args.iter().flat_map(|command| &command.instruction.args);
        !self.build_args.is_empty() && args.any(|arg| self.build_args.contains_key(&*arg.key))
    }

    /// Whether each `FROM` names an image when no build argument is given: then the variables are `defaults` and the
    /// `ARG`s here, else they are the global ones as they are.
    fn check_defaults(&self, dockerfile: &Dockerfile, defaults: Option<Env>, findings: &mut Findings) {
        if self.partial {
            return;
        }
        let own = defaults.map(|mut globals| {
            for arg in dockerfile.meta_args.iter().flat_map(|command| &command.instruction.args) {
                let Some(default) = &arg.value else { continue };
                let value = self.lexer.word(default, &globals).ok()?;
                globals.set(&arg.key, &value);
            }
            Some(globals)
        });
        let globals = match &own {
            None => &self.globals,
            Some(Some(globals)) => globals,
            Some(None) => return,
        };
        for stage in &dockerfile.stages {
            let Ok(name) = self.lexer.word(&stage.base, globals) else { return };
            if !Reference::is_valid(&name) {
                let at = At { span: stage.head.span, node: None, word: &stage.base };
                findings.warn(Phase::File, Rule::InvalidDefaultArgInFrom, at, || {
                    format!("Default value for ARG {} results in empty or invalid base image name", stage.base)
                });
            }
        }
    }

    /// A `SOURCE_DATE_EPOCH` that is a build argument or a global `ARG`.
    fn read_epoch(&mut self, dockerfile: &Dockerfile, request: &Request, images: &dyn Images) -> Step<()> {
        let given = self.build_args.get(EPOCH).cloned();
        let default = || self.globals.get(EPOCH).filter(|value| !value.is_empty()).map(str::to_owned);
        let Some(value) = given.clone().or_else(default) else { return Ok(()) };
        let defined =
            dockerfile.meta_args.iter().find(|command| command.instruction.args.iter().any(|arg| arg.key == EPOCH));
        let span = defined.map_or_else(|| start(dockerfile), |command| command.head.span);
        self.epoch = epoch::Sources { dockerfile, request, settled: self, images }.resolve(&value, span)?;
        let seconds = self.epoch.map(|seconds| seconds.to_string());
        if given.is_some() {
            self.build_args.remove(EPOCH);
            self.build_args.extend(seconds.clone().map(|seconds| (EPOCH.to_owned(), seconds)));
        }
        match (self.globals.get(EPOCH).is_some(), seconds) {
            (true, Some(seconds)) => self.globals.set(EPOCH, &seconds),
            (true, None) => self.globals.unset(EPOCH),
            (false, _) => {}
        }
        Ok(())
    }
}

/// The proxy variables among the build arguments, in both cases each.
fn proxies(build_args: &BTreeMap<String, String>) -> Vec<String> {
    let mut env = Vec::new();
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"] {
        let given = build_args.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some((_, value)) = given.filter(|(_, value)| !value.is_empty()) {
            env.push(format!("{name}={value}"));
            env.push(format!("{}={value}", name.to_ascii_lowercase()));
        }
    }
    env
}

/// An expansion's outcome, placed in the file.
pub(super) fn expanded<T>(result: Result<T, ExpandError>, span: Span) -> Step<T> {
    result.map_err(|error| Box::new(Diagnostic::error("InvalidExpansion", span, error.to_string())))
}
