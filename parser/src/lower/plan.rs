//! The plan of a build: which stage stands on what, what each command copies from, what the target needs. Makes no
//! vertex and expands nothing within a stage.

mod bases;
mod from;
mod reach;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt};
use oci::{Platform, Reference};

use super::args::Settled;
use super::{BaseImage, Job, Layout, NamedContext, Scope};
use crate::expand::NoVariables;
use crate::instruction::{Command, Instruction, Stage};
use crate::lint::{Findings, Phase};
use crate::nearest::nearest;
use crate::{Diagnostic, Span};

pub(super) struct Plan<'a> {
    job: &'a Job<'a>,
    pub stages: Vec<Planned<'a>>,
    pub target: usize,
    /// What is asked for is not there: the target is the last stage instead, and nothing is looked at for it.
    lost_target: bool,
    /// By stage: whether the target leads to it.
    pub reachable: Vec<bool>,
    /// By stage: whether it is looked at.
    pub walked: Vec<bool>,
    /// For each platform that it was asked for. `None`: it cannot be had.
    resolved: BTreeMap<Asked, BTreeMap<Platform, Option<BaseImage>>>,
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
    /// Whether its `FROM` has no mistake: else it stands on nothing that is known.
    pub whole: bool,
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
    Image(Rc<Reference>),
    /// A named context, by its name.
    Context(String),
}

/// An image that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Registry(Rc<Reference>),
    Layout(Layout),
}

impl<'a> Plan<'a> {
    /// As far as there are no mistakes; stages and commands with some are told of, and left aside.
    pub fn new(job: &'a Job<'a>, settled: &'a Settled, findings: &mut Findings) -> Self {
        let stages = &job.dockerfile.stages;
        let mut plan = Self {
            job,
            stages: Vec::with_capacity(stages.len()),
            target: stages.len() - 1,
            lost_target: false,
            reachable: Vec::new(),
            walked: Vec::new(),
            resolved: BTreeMap::new(),
            names: HashMap::new(),
            outside: Vec::new(),
            contexts: &job.request.contexts,
            settled,
        };
        for stage in stages {
            let planned = plan.stage(stage, findings);
            if let Some(name) = &stage.name {
                plan.names.insert(name.to_lowercase(), plan.stages.len());
            }
            plan.stages.push(planned);
        }
        plan.find_target(findings);
        plan.tie_commands(findings);
        if let Err(error) = plan.check_cycles() {
            findings.error(Phase::Circles, *error);
            plan.cut_circles();
        }
        // As BuildKit: the only filesystem of a build needs no name.
        if plan.stages.len() == 1 && plan.outside.is_empty() {
            plan.stages[0].label.clear();
        }
        plan.look_around();
        plan
    }

    pub fn job(&self) -> &'a Job<'a> {
        self.job
    }

    /// What the target leads to, and what is looked at.
    fn look_around(&mut self) {
        self.reachable = self.reach();
        self.walked = match self.job.scope {
            Scope::Target if self.lost_target => vec![false; self.stages.len()],
            Scope::Target => self.reachable.clone(),
            Scope::All => vec![true; self.stages.len()],
        };
    }

    /// What a context stands for.
    pub fn context(&self, name: &str) -> &'a NamedContext {
        self.contexts.get(name).expect("an origin is made of a context that is there")
    }

    /// The image that a filesystem is.
    pub fn asked(&self, origin: &Origin) -> Option<Asked> {
        match origin {
            Origin::Image(reference) => Some(Asked::Registry(Rc::clone(reference))),
            Origin::Context(name) => match self.context(name) {
                NamedContext::Image(reference) => Some(Asked::Registry(Rc::new(reference.clone()))),
                NamedContext::OciLayout(layout) => Some(Asked::Layout(layout.clone())),
                _ => None,
            },
            Origin::Scratch | Origin::Stage(_) => None,
        }
    }

    /// The last stage stands in for the one that is asked for and not there.
    fn find_target(&mut self, findings: &mut Findings) {
        let Some(target) = self.job.request.target.as_deref().filter(|target| !target.is_empty()) else { return };
        if let Some(stage) = self.names.get(&target.to_lowercase()) {
            self.target = *stage;
            return;
        }
        self.lost_target = true;
        if self.job.gaps.hide_stages() {
            return;
        }
        let span = self.stages.first().map_or_else(Span::default, |planned| planned.stage.head.span);
        let names: BTreeSet<&str> = self.names.keys().map(String::as_str).collect();
        let error = Diagnostic::error("UndefinedTarget", span, format!("no stage is named `{target}`"));
        let hint = match (nearest(target, names.iter().copied()), names.is_empty()) {
            (Some(meant), _) => format!("did you mean `{meant}`?"),
            (None, true) => "no stage of the file has a name: write `FROM … AS name`".to_owned(),
            (None, false) => {
                let names: Vec<&str> = names.into_iter().take(20).collect();
                format!("the stages are `{}`", names.join("`, `"))
            }
        };
        findings.error(Phase::Target, error.with_hint(hint));
    }

    /// Gives each command its sources. Those without are told of, and left aside.
    fn tie_commands(&mut self, findings: &mut Findings) {
        for at in 0..self.stages.len() {
            let mut untied = Vec::new();
            for command in 0..self.stages[at].commands.len() {
                match self.sources(&self.stages[at].commands[command].command) {
                    Ok(sources) => {
                        self.count_outside(&sources);
                        self.stages[at].commands[command].sources = sources;
                    }
                    Err(why) => {
                        why.tell(findings);
                        untied.push(command);
                    }
                }
            }
            if !untied.is_empty() {
                let commands = std::mem::take(&mut self.stages[at].commands).into_iter().enumerate();
                let tied = commands.filter(|(at, _)| untied.binary_search(at).is_err());
                self.stages[at].commands = tied.map(|(_, command)| command).collect();
            }
        }
    }

    fn count_outside(&mut self, sources: &[Option<Origin>]) {
        let outside = sources.iter().filter(|source| !matches!(source, Some(Origin::Stage(_))));
        // A mount without a source counts as one of nothing.
        self.outside.extend(outside.map(|source| source.clone().unwrap_or(Origin::Scratch)));
    }

    /// What a command copies or mounts from.
    fn sources(&self, command: &Command) -> Tied<Vec<Option<Origin>>> {
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

    fn copy_source(&self, from: &str, span: Span) -> Tied<Origin> {
        let wrong = |error| Err(Untied::Wrong(Phase::Sources, Box::new(error)));
        if self.settled.lexer.word(from, &NoVariables).as_deref() != Ok(from) {
            let error = Diagnostic::error("VariableInFrom", span, format!("`--from={from}` cannot hold variables"));
            let hint = "give the image a name of its own: `FROM image:$VERSION AS name`, then `--from=name`";
            return wrong(error.with_hint(hint));
        }
        if let Ok(index) = from.parse::<usize>() {
            let last = self.stages.len() - 1;
            return match (index <= last, self.outside.get(index.wrapping_sub(last + 1))) {
                _ if self.job.gaps.hide_stages() => Err(Untied::Hidden),
                (true, _) => Ok(Origin::Stage(index)),
                (false, Some(outside)) => Ok(outside.clone()),
                (false, None) => {
                    let message = format!("there is no stage {index}: the last one is {last}");
                    wrong(Diagnostic::error("UndefinedStage", span, message))
                }
            };
        }
        self.named(from, span)
    }

    fn mount_source(&self, mount: &str, span: Span) -> Tied<Option<Origin>> {
        let from = mount.split(',').filter_map(|option| option.trim().split_once('='));
        let from = from.filter(|(key, _)| key.eq_ignore_ascii_case("from")).map(|(_, value)| value).next_back();
        from.filter(|from| !from.is_empty()).map(|from| self.named(from, span)).transpose()
    }

    fn named(&self, name: &str, span: Span) -> Tied<Origin> {
        match self.names.get(&name.to_lowercase()) {
            Some(stage) => Ok(Origin::Stage(*stage)),
            None => self.image(name, span),
        }
    }
}

/// Why a name leads nowhere.
pub(super) enum Untied {
    /// It is wrong, and BuildKit says so in this phase.
    Wrong(Phase, Box<Diagnostic>),
    /// It may be right: something that was not understood is in the way.
    Hidden,
}

pub(super) type Tied<T> = Result<T, Untied>;

impl Untied {
    fn tell(self, findings: &mut Findings) {
        match self {
            Untied::Wrong(phase, error) => findings.error(phase, *error),
            Untied::Hidden => {}
        }
    }
}

/// Whether a command is counted among the steps of its stage.
fn is_step(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_))
}
