//! The plan of a build: which stage stands on what, what each command copies from, what the target needs. Makes no
//! vertex and expands nothing within a stage.

mod bases;
mod reach;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use oci::{Platform, Reference};

use super::args::{Settled, expanded};
use super::{BaseImage, Layout, NamedContext, NoCache, Request, Step, named, refuse};
use crate::expand::{NoVariables, Variables};
use crate::instruction::{Command, Instruction, Stage};
use crate::{Diagnostic, Dockerfile, Span};

pub(super) struct Plan<'a> {
    pub stages: Vec<Planned<'a>>,
    pub target: usize,
    /// By stage: whether the target leads to it.
    pub reachable: Vec<bool>,
    resolved: BTreeMap<(Asked, String), BaseImage>,
    names: HashMap<String, usize>,
    /// What commands copy and mount that is no stage of the file, once for each time. It is counted on from the stages.
    outside: Vec<Origin>,
    contexts: &'a BTreeMap<String, NamedContext>,
    settled: &'a Settled,
}

pub(super) struct Planned<'a> {
    pub stage: &'a Stage,
    pub base: Origin,
    pub platform: Option<Platform>,
    pub commands: Vec<PlannedCommand<'a>>,
    /// Shown before the number of each step; empty for the only stage of a file.
    pub label: String,
    /// How many steps are shown.
    pub total: usize,
    /// The number of its base among them, and how many there were when the base was named. As in BuildKit, a base is
    /// named again each time the images are looked over before its stage is known to be needed.
    pub base_step: (usize, usize),
    base_named: bool,
    pub no_cache: bool,
    /// The variables that its `FROM` is made of.
    pub uses: BTreeSet<String>,
    triggered: bool,
}

pub(super) struct PlannedCommand<'a> {
    pub command: Cow<'a, Command>,
    /// Of `COPY --from`, the one; of `RUN`, one for each mount. `None` is the context.
    pub sources: Vec<Option<Origin>>,
    pub trigger: bool,
}

/// Where a filesystem comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Scratch,
    /// By position in the file.
    Stage(usize),
    Image(Reference),
    /// A named context, by its name.
    Context(String),
}

/// An image that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Registry(Reference),
    Layout(Layout),
}

impl<'a> Plan<'a> {
    pub fn new(dockerfile: &'a Dockerfile, request: &'a Request, settled: &'a Settled) -> Step<Self> {
        let mut plan = Self {
            stages: Vec::with_capacity(dockerfile.stages.len()),
            target: 0,
            reachable: Vec::new(),
            resolved: BTreeMap::new(),
            names: HashMap::new(),
            outside: Vec::new(),
            contexts: &request.contexts,
            settled,
        };
        for stage in &dockerfile.stages {
            let planned = plan.stage(stage, &request.no_cache)?;
            if let Some(name) = &stage.name {
                plan.names.insert(name.to_lowercase(), plan.stages.len());
            }
            plan.stages.push(planned);
        }
        plan.target = plan.find_target(request.target.as_deref(), dockerfile)?;
        plan.tie_commands()?;
        plan.check_cycles()?;
        // As BuildKit: the only filesystem of a build needs no name.
        if plan.stages.len() == 1 && plan.outside.is_empty() {
            plan.stages[0].label.clear();
        }
        plan.reachable = plan.reach();
        Ok(plan)
    }

    /// A stage with its base; its commands are tied once all names are known.
    fn stage(&self, stage: &'a Stage, no_cache: &NoCache) -> Step<Planned<'a>> {
        let span = stage.head.span;
        let base = expanded(self.settled.lexer.expand(&stage.base, &self.settled.globals), span)?;
        if base.text.is_empty() {
            let unset: Vec<String> = base.unmatched.iter().map(|name| format!("`{name}`")).collect();
            let error = Diagnostic::error("EmptyBaseName", span, format!("the base image `{}` is empty", stage.base));
            let hint = format!(
                "{} not set: give a default in an `ARG` before the first `FROM`, or a value with `--build-arg`",
                unset.join(", ")
            );
            return Err(Box::new(if unset.is_empty() { error } else { error.with_hint(hint) }));
        }
        let mut uses = base.matched;
        let platform =
            stage.platform.as_deref().map(|platform| self.platform(platform, span, &mut uses)).transpose()?;
        let replaced = stage.name.as_deref().and_then(|name| self.contexts.get_key_value(name));
        let base = match (replaced, self.names.get(&base.text)) {
            (Some((name, context)), _) => self.origin(name, context, span)?,
            (None, Some(stage)) => Origin::Stage(*stage),
            (None, None) => self.image(&base.text, span)?,
        };
        let index = self.stages.len();
        let own = |command: &'a Command| PlannedCommand {
            command: Cow::Borrowed(command),
            sources: Vec::new(),
            trigger: false,
        };
        let commands: Vec<_> = if replaced.is_some() { Vec::new() } else { stage.commands.iter().map(own).collect() };
        let base_step = usize::from(!matches!(base, Origin::Scratch | Origin::Stage(_)));
        let total = base_step + commands.iter().filter(|command| is_step(&command.command.instruction)).count();
        Ok(Planned {
            stage,
            base,
            platform,
            commands,
            label: stage.name.as_deref().map_or_else(|| format!("stage-{index}"), str::to_owned),
            total: if replaced.is_some() { 0 } else { total },
            base_step: (0, 0),
            base_named: false,
            no_cache: match no_cache {
                NoCache::None => false,
                NoCache::All => true,
                NoCache::Stages(names) => {
                    stage.name.as_deref().is_some_and(|name| names.iter().any(|asked| asked.eq_ignore_ascii_case(name)))
                }
            },
            uses: if replaced.is_some() { BTreeSet::new() } else { uses },
            triggered: replaced.is_some(),
        })
    }

    /// `written`, whose variables are added to `uses`.
    fn platform(&self, written: &str, span: Span, uses: &mut BTreeSet<String>) -> Step<Platform> {
        let expansion = expanded(self.settled.lexer.expand(written, &self.settled.globals), span)?;
        uses.extend(expansion.matched);
        expansion.text.parse().map_err(|error| {
            let error =
                Diagnostic::error("InvalidPlatform", span, format!("cannot use `--platform={written}`: {error}"));
            let asked =
                self.settled.lexer.expand(written, &self.settled.globals).map(|e| e.unmatched).unwrap_or_default();
            let unset: Vec<String> =
                asked.iter().filter(|name| self.settled.globals.get(name).is_none()).cloned().collect();
            let hint = format!("`{}` is not set before the first `FROM`", unset.join("`, `"));
            Box::new(if unset.is_empty() { error } else { error.with_hint(hint) })
        })
    }

    /// What a name means that is no stage's.
    fn image(&self, name: &str, span: Span) -> Step<Origin> {
        if name == "scratch" {
            return Ok(Origin::Scratch);
        }
        let reference: Reference = name.parse().map_err(|error: oci::reference::ReferenceError| {
            let known: Vec<&str> = self.names.keys().map(String::as_str).collect();
            let stage = known.iter().find(|known| known.eq_ignore_ascii_case(name));
            let error = Diagnostic::error("InvalidImageName", span, error.to_string());
            Box::new(match stage {
                Some(stage) => error.with_hint(format!("the stage is written `{stage}`")),
                None => error,
            })
        })?;
        match named::of_image(self.contexts, &reference) {
            Some((name, context)) => self.origin(name, context, span),
            None => Ok(Origin::Image(reference)),
        }
    }

    fn origin(&self, name: &str, context: &NamedContext, span: Span) -> Step<Origin> {
        match context {
            NamedContext::Scratch => Ok(Origin::Scratch),
            NamedContext::Target(stage) => match self.names.get(&stage.to_lowercase()) {
                Some(stage) => Ok(Origin::Stage(*stage)),
                None => refuse(
                    "UndefinedStage",
                    span,
                    format!("the context `{name}` is the stage `{stage}`, and no stage before this has that name"),
                ),
            },
            NamedContext::Image(_)
            | NamedContext::OciLayout(_)
            | NamedContext::Local(_)
            | NamedContext::Git(_)
            | NamedContext::Http(_) => Ok(Origin::Context(name.to_owned())),
        }
    }

    /// What a context stands for.
    pub fn context(&self, name: &str) -> &'a NamedContext {
        self.contexts.get(name).expect("an origin is made of a context that is there")
    }

    /// The image that a filesystem is.
    pub fn asked(&self, origin: &Origin) -> Option<Asked> {
        match origin {
            Origin::Image(reference) => Some(Asked::Registry(reference.clone())),
            Origin::Context(name) => match self.context(name) {
                NamedContext::Image(reference) => Some(Asked::Registry(reference.clone())),
                NamedContext::OciLayout(layout) => Some(Asked::Layout(layout.clone())),
                _ => None,
            },
            Origin::Scratch | Origin::Stage(_) => None,
        }
    }

    fn find_target(&self, target: Option<&str>, dockerfile: &Dockerfile) -> Step<usize> {
        let Some(target) = target.filter(|target| !target.is_empty()) else { return Ok(self.stages.len() - 1) };
        if let Some(stage) = self.names.get(&target.to_lowercase()) {
            return Ok(*stage);
        }
        let span = dockerfile.stages.first().map_or_else(Span::default, |stage| stage.head.span);
        let names: BTreeSet<&str> = self.names.keys().map(String::as_str).collect();
        let names: Vec<&str> = names.into_iter().take(20).collect();
        let error = Diagnostic::error("UndefinedTarget", span, format!("no stage is named `{target}`"));
        let hint = match names.as_slice() {
            [] => "no stage of the file has a name: write `FROM … AS name`".to_owned(),
            names => format!("the stages are `{}`", names.join("`, `")),
        };
        Err(Box::new(error.with_hint(hint)))
    }

    /// Gives each command its sources.
    fn tie_commands(&mut self) -> Step<()> {
        for at in 0..self.stages.len() {
            for command in 0..self.stages[at].commands.len() {
                let sources = self.sources(&self.stages[at].commands[command].command)?;
                self.count_outside(&sources);
                self.stages[at].commands[command].sources = sources;
            }
        }
        Ok(())
    }

    fn count_outside(&mut self, sources: &[Option<Origin>]) {
        let outside = sources.iter().filter(|source| !matches!(source, Some(Origin::Stage(_))));
        // A mount without a source counts as one of nothing.
        self.outside.extend(outside.map(|source| source.clone().unwrap_or(Origin::Scratch)));
    }

    /// What a command copies or mounts from.
    fn sources(&self, command: &Command) -> Step<Vec<Option<Origin>>> {
        let span = command.head.span;
        match &command.instruction {
            Instruction::Copy(copy) => match copy.from.as_deref().filter(|from| !from.is_empty()) {
                None => Ok(Vec::new()),
                Some(from) => Ok(vec![Some(self.copy_source(from, span)?)]),
            },
            Instruction::Run(run) => run.mounts.iter().map(|mount| self.mount_source(mount, span)).collect(),
            _ => Ok(Vec::new()),
        }
    }

    fn copy_source(&self, from: &str, span: Span) -> Step<Origin> {
        if self.settled.lexer.word(from, &NoVariables).as_deref() != Ok(from) {
            let error = Diagnostic::error("VariableInFrom", span, format!("`--from={from}` cannot hold variables"))
                .with_hint("give the image a name of its own: `FROM image:$VERSION AS name`, then `--from=name`");
            return Err(Box::new(error));
        }
        if let Ok(index) = from.parse::<usize>() {
            let last = self.stages.len() - 1;
            return match (index <= last, self.outside.get(index.wrapping_sub(last + 1))) {
                (true, _) => Ok(Origin::Stage(index)),
                (false, Some(outside)) => Ok(outside.clone()),
                (false, None) => {
                    refuse("UndefinedStage", span, format!("there is no stage {index}: the last one is {last}"))
                }
            };
        }
        self.named(from, span)
    }

    fn mount_source(&self, mount: &str, span: Span) -> Step<Option<Origin>> {
        let from = mount.split(',').filter_map(|option| option.trim().split_once('='));
        let from = from.filter(|(key, _)| key.eq_ignore_ascii_case("from")).map(|(_, value)| value).next_back();
        from.filter(|from| !from.is_empty()).map(|from| self.named(from, span)).transpose()
    }

    fn named(&self, name: &str, span: Span) -> Step<Origin> {
        match self.names.get(&name.to_lowercase()) {
            Some(stage) => Ok(Origin::Stage(*stage)),
            None => self.image(name, span),
        }
    }
}

/// Whether a command is counted among the steps of its stage.
fn is_step(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_))
}
