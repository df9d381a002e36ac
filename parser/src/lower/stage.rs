//! A stage, from top to bottom: what each instruction does to the filesystem, the environment and the image config.
//! Knows nothing of other stages but their last vertices. `RUN` is in `run`, `COPY` and `ADD` are in `copy`,
//! what changes the config alone is in `config`.

mod judge;
mod names;
mod sources;
mod state;

use std::collections::BTreeMap;

use graph::{FileAction, FileOp, Graph, Meta, Op, Slot, VertexId};
use oci::image::History;
use oci::{ImageConfig, Platform};

use super::args::{Settled, expanded};
use super::env::{self, Env};
use super::index::Index;
use super::parameters::Parameters;
use super::plan::{Origin, Plan, Planned, PlannedCommand};
use super::{Built, Request, Step, history, refuse};
use crate::expand::Noting;
use crate::instruction::Instruction;
use crate::lint::{Findings, Phase};
use crate::outline::Outline;
use crate::text::Text;
use crate::{Span, path};
use judge::Subject;
use names::{lines, numbered, stage_name};
use state::scratch;
pub(super) use state::{State, arguments, with_shell};

/// How many bytes of environments, histories and expanded words a build may come to.
const MAX_TEXT: usize = 512 << 20;

/// What a process finds where the image sets no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the images of several platforms have in common.
#[derive(Default)]
pub(super) struct Shared {
    pub graph: Graph,
    /// By the name that the executor knows it by.
    pub locals: BTreeMap<String, VertexId>,
    empty: Option<VertexId>,
    /// How many bytes of text are held.
    spent: usize,
}

/// Makes the graph.
pub(super) struct Builder<'p> {
    plan: &'p Plan<'p>,
    pub settled: &'p Settled,
    pub request: &'p Request,
    shared: &'p mut Shared,
    /// By stage: its filesystem, once it is built.
    roots: Vec<Option<Option<VertexId>>>,
    /// By stage: its state, while stages that stand on it are to come.
    states: Vec<Option<State>>,
    pub parameters: Parameters,
    findings: &'p mut Findings,
    subject: Subject,
}

/// The stage being built.
pub(super) struct Current<'p> {
    pub planned: &'p Planned<'p>,
    pub state: State,
    /// The number of the last step shown.
    step: usize,
    /// The last of each in this stage.
    pub cmd: Option<Span>,
    pub entrypoint: Option<Span>,
    pub healthcheck: Option<Span>,
}

/// The instruction being lowered.
#[derive(Clone, Copy)]
pub(super) struct Place<'c> {
    pub span: Span,
    /// The instruction's name as written.
    pub keyword: &'c Text,
    /// As written.
    pub source: &'c Text,
    pub trigger: bool,
}

impl<'p> Builder<'p> {
    pub fn new(plan: &'p Plan<'p>, settled: &'p Settled, shared: &'p mut Shared, findings: &'p mut Findings) -> Self {
        Self {
            plan,
            settled,
            request: plan.job().request,
            shared,
            roots: vec![None; plan.stages.len()],
            states: plan.stages.iter().map(|_| None).collect(),
            parameters: Parameters::of_stages(plan.stages.len()),
            findings,
            subject: Subject::default(),
        }
    }

    /// The image, if there is no mistake.
    pub fn build(mut self) -> Option<(Built, Outline)> {
        let mut uses = vec![0_usize; self.plan.stages.len()];
        uses[self.plan.target] = 1;
        let walked = |at: &usize| self.plan.walked[*at];
        let order: Vec<usize> = (0..self.plan.stages.len()).filter(walked).collect();
        for at in &order {
            if let Origin::Stage(base) = self.plan.stages[*at].base {
                uses[base] += 1;
            }
        }
        for at in order {
            match self.stage(at, &mut uses) {
                Ok(state) => {
                    self.roots[at] = Some(state.root);
                    self.states[at] = (uses[at] > 0).then_some(state);
                }
                Err(error) => {
                    self.findings.error(Phase::Stages, *error);
                    return None;
                }
            }
        }
        let target = self.states[self.plan.target].take().filter(|_| !self.findings.has_errors());
        target.map(|state| self.finish(state))
    }

    fn finish(self, mut state: State) -> (Built, Outline) {
        let platform =
            if self.settled.implicit_platform { state.image.platform() } else { self.settled.target_platform.clone() };
        if !self.settled.implicit_platform {
            let same = state.image.os == platform.os && state.image.architecture == platform.architecture;
            state.image.os.clone_from(&platform.os);
            state.image.architecture.clone_from(&platform.architecture);
            if platform.variant.is_some() || !same {
                state.image.variant.clone_from(&platform.variant);
            }
            if platform.os_version.is_some() || !same {
                state.image.os_version.clone_from(&platform.os_version);
            }
        }
        if !self.request.labels.is_empty() {
            state.image.config.labels.get_or_insert_default().extend(self.request.labels.clone());
        }
        let outline = self.parameters.outline(self.plan, self.settled);
        let epoch = self.settled.epoch;
        (Built { platform, target: state.root, config: state.image, source_date_epoch: epoch }, outline)
    }

    fn stage(&mut self, at: usize, uses: &mut [usize]) -> Step<State> {
        self.parameters.enter(at);
        let planned = &self.plan.stages[at];
        let step = planned.base_step.0;
        let state = self.begin(planned, uses)?;
        let mut current = Current { planned, state, step, cmd: None, entrypoint: None, healthcheck: None };
        let state = &mut current.state;
        let environment = state.image.config.env.get_or_insert_default();
        if state.platform.os != "windows" && !environment.iter().any(|variable| env::split(variable).0 == "PATH") {
            environment.push(["PATH=", DEFAULT_PATH].concat());
        }
        self.charge(
            environment.iter().map(|variable| variable.len() + size_of::<String>()).sum(),
            planned.stage.head.span,
        )?;
        state.take_environment();
        let workdir = &mut state.image.config.working_dir;
        if !workdir.is_empty() {
            *workdir = path::resolve("/", workdir);
        }
        state.image.history.reserve(planned.commands.len());
        for command in &planned.commands {
            self.turn_to(&mut current, command);
            if let Err(error) = self.command(&mut current, command) {
                if self.shared.spent > MAX_TEXT || self.findings.full() {
                    return Err(error);
                }
                self.mistake(&mut current, &command.command.instruction, *error);
            }
        }
        Ok(current.state)
    }

    /// The state that a stage starts from.
    fn begin(&mut self, planned: &Planned<'_>, uses: &mut [usize]) -> Step<State> {
        let span = planned.stage.head.span;
        let platform = planned.platform.as_ref().unwrap_or(&self.settled.target_platform);
        let fresh = |root, image: ImageConfig, platform: &Platform| State {
            root,
            env: Env::default(),
            image,
            platform: platform.clone(),
            env_at: Index::default(),
            build_args: Vec::new(),
            arg_at: Index::default(),
            workdir_set: false,
            whole: planned.whole && !self.settled.partial,
        };
        match &planned.base {
            Origin::Stage(base) => {
                uses[*base] -= 1;
                // The last that stands on it takes it over; the size of a long history is not even looked at then.
                let state = match uses[*base] {
                    0 => self.states[*base].take(),
                    _ => {
                        let size = self.states[*base].as_ref().map_or(0, State::size);
                        self.charge(size, span)?;
                        self.states[*base].clone()
                    }
                };
                let mut state = state.expect("a base stands earlier in the file, and its uses are counted");
                state.image.config.on_build = None;
                Ok(state)
            }
            origin @ (Origin::Image(_) | Origin::Context(_)) => {
                let root = self.base(planned, platform)?;
                let Some(image) = self.plan.image_of(origin, Some(platform)) else {
                    // Of an image: it cannot be had, or is not asked for since there are mistakes.
                    let whole = self.plan.asked(origin).is_none();
                    let fresh = fresh(root, scratch(platform), platform);
                    return Ok(State { whole: fresh.whole && whole, ..fresh });
                };
                let mut config = image.config.clone();
                config.created = None;
                config.config.on_build = None;
                Ok(fresh(root, config, platform))
            }
            Origin::Scratch => Ok(fresh(None, scratch(&self.settled.target_platform), &self.settled.target_platform)),
        }
    }

    /// Counts text that the build holds; hostile files make it grow without end.
    pub fn charge(&mut self, bytes: usize, span: Span) -> Step<()> {
        self.shared.spent = self.shared.spent.saturating_add(bytes);
        if self.shared.spent <= MAX_TEXT {
            return Ok(());
        }
        refuse(
            "TooMuchText",
            span,
            format!("the environments and histories of this build exceed {} MiB", MAX_TEXT >> 20),
        )
    }

    /// `text` with the variables of the stage.
    pub fn expand(&mut self, current: &Current<'_>, text: &str, span: Span) -> Step<String> {
        let noting = Noting::new(&current.state.env);
        let result = self.settled.lexer.word(text, &noting);
        self.unset(current, noting.into_missed());
        let text = expanded(result, span)?;
        self.charge(text.len(), span)?;
        Ok(text)
    }

    pub fn expand_all(&mut self, current: &Current<'_>, texts: &[Text], span: Span) -> Step<Vec<String>> {
        texts.iter().map(|text| self.expand(current, text, span)).collect()
    }

    /// Adds a line to the history.
    pub fn commit(&mut self, current: &mut Current<'_>, created_by: String, layer: Layer, span: Span) -> Step<()> {
        self.charge(created_by.len(), span)?;
        current.state.image.history.push(History {
            created: self.settled.epoch.and_then(history::timestamp),
            created_by: Some(created_by),
            author: None,
            comment: Some("buildkit.dockerfile.v0".to_owned()),
            empty_layer: layer == Layer::Empty,
        });
        Ok(())
    }

    /// `text` as the progress view names a step.
    pub fn step_name(&mut self, current: &mut Current<'_>, text: &str, place: Place<'_>) -> Step<String> {
        self.charge(text.len(), place.span)?;
        let (keyword, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
        let trigger = if place.trigger { "ONBUILD " } else { "" };
        let mut name = String::new();
        if current.planned.total > 0 {
            current.step += 1;
            let platforms = self.settled.name_platforms.then(|| names::platforms(&current.state));
            name = numbered(current.planned, (current.step, current.planned.total), platforms.as_deref());
            name.push_str(trigger);
        }
        name.reserve(text.len());
        let start = name.len();
        name.push_str(keyword);
        name[start..].make_ascii_uppercase();
        name.push_str(rest);
        Ok(name)
    }

    pub fn meta(&self, current: &Current<'_>, name: String, span: Span) -> Meta {
        Meta { name, stage: Some(stage_name(current.planned)), source: Some(lines(span)), no_cache: false }
    }

    fn command(&mut self, current: &mut Current<'p>, planned: &PlannedCommand<'_>) -> Step<()> {
        let head = &planned.command.head;
        let place = Place { span: head.span, keyword: &head.keyword, source: &head.source, trigger: planned.trigger };
        let span = head.span;
        match &planned.command.instruction {
            Instruction::Add(add) => self.add(current, add, place),
            Instruction::Copy(copy) => {
                let from = planned.sources.first().and_then(Option::as_ref);
                self.copy(current, copy, from, place)
            }
            Instruction::Run(run) => self.run(current, run, &planned.sources, place),
            Instruction::Workdir(dir) => self.workdir(current, dir, place),
            Instruction::Arg(arg) => self.arg(current, arg, span),
            Instruction::Env(pairs) => self.env(current, pairs, place),
            Instruction::Label(pairs) => self.label(current, pairs, place),
            Instruction::Cmd(line) => self.cmd(current, line, place),
            Instruction::Entrypoint(line) => self.entrypoint(current, line, place),
            Instruction::Expose(expose) => self.expose(current, &expose.ports, span),
            Instruction::Healthcheck(check) => self.healthcheck(current, check, place),
            Instruction::Maintainer(name) => {
                current.state.image.author = Some(name.to_string()).filter(|name| !name.is_empty());
                self.commit(current, format!("MAINTAINER {name}"), Layer::Empty, span)
            }
            Instruction::Onbuild(onbuild) => {
                current.state.image.config.on_build.get_or_insert_default().push(onbuild.expression.to_string());
                Ok(())
            }
            Instruction::Shell(shell) => {
                current.state.image.config.shell = Some(shell.iter().map(String::from).collect());
                self.commit(current, format!("SHELL {}", history::list(shell)), Layer::Empty, span)
            }
            Instruction::StopSignal(signal) => self.stop_signal(current, signal, span),
            Instruction::User(user) => self.user(current, user, span),
            Instruction::Volume(volumes) => self.volume(current, volumes, span),
        }
    }

    fn workdir(&mut self, current: &mut Current<'_>, dir: &str, place: Place<'_>) -> Step<()> {
        let dir = self.expand(current, dir, place.span)?;
        self.check_workdir(current, &dir);
        current.state.workdir_set = true;
        // An absolute directory stays as it is written; an empty one is the one it was.
        let dir = match dir.as_str() {
            "" => current.state.workdir().to_owned(),
            dir => path::resolve(current.state.workdir(), dir),
        };
        current.state.image.config.working_dir.clone_from(&dir);
        let shown = format!("WORKDIR {dir}");
        if dir == "/" {
            return self.commit(current, shown, Layer::Empty, place.span);
        }
        let owner = Some(current.state.image.config.user.as_str()).filter(|user| !user.is_empty());
        let action = FileAction::Mkdir {
            path: path::clean(&dir),
            mode: 0o755,
            make_parents: true,
            owner: owner.map(super::ownership::owner),
            mtime: self.settled.epoch,
        };
        let source =
            self.settled.lexer.word(place.source, &current.state.env).unwrap_or_else(|_| place.source.to_string());
        let name = self.step_name(current, &source, place)?;
        let meta = self.meta(current, name, place.span);
        let op = Op::File(FileOp { base: current.state.root.map(|_| Slot(0)), actions: vec![action] });
        let inputs: Vec<VertexId> = current.state.root.into_iter().collect();
        current.state.root = Some(self.add_vertex(op, meta, &inputs));
        self.commit(current, shown, Layer::Made, place.span)
    }
}

/// Whether a line of history has a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Made,
    Empty,
}
