//! What the stages ask to be given, noted while they are lowered, and put together for the target. Knows no graph.
//!
//! A target's outline is its own parameters, those of the stage it stands on, then those of the stages it copies and
//! mounts from. Of several of one name the first is told. An `ARG` before the first `FROM` counts where a stage's `FROM`
//! uses it or a stage takes it over, and with it those that its default is made of.

use std::collections::{BTreeMap, BTreeSet};

use super::args::Settled;
use super::plan::{Origin, Plan};
use crate::instruction::{ArgDefinition, Mount, MountKind};
use crate::outline::{Access, Argument, Outline};
use crate::{Span, path};

/// An `ARG` before the first `FROM`.
#[derive(Debug, Clone)]
pub(super) struct GlobalArg {
    pub argument: Argument,
    /// The variables that its default is made of.
    pub made_of: BTreeSet<String>,
}

/// By stage, and the one that is being lowered.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    stages: Vec<OfStage>,
    current: usize,
}

/// What one stage asks for.
#[derive(Debug, Default)]
struct OfStage {
    /// `None`: taken over from before the first `FROM`.
    args: BTreeMap<String, Option<Argument>>,
    secrets: Vec<Access>,
    ssh: Vec<Access>,
    caches: Vec<Access>,
}

impl Parameters {
    pub fn of_stages(count: usize) -> Self {
        let mut stages = Vec::new();
        stages.resize_with(count, OfStage::default);
        Self { stages, current: 0 }
    }

    /// What is noted from now on is of this stage.
    pub fn enter(&mut self, stage: usize) {
        self.current = stage;
    }

    /// An `ARG` with a value of its own, or none at all.
    pub fn declare(&mut self, arg: &ArgDefinition, value: Option<String>, span: Span) {
        let argument = Argument { name: arg.key.clone(), value, description: arg.doc.clone(), span };
        self.stages[self.current].args.insert(arg.key.to_string(), Some(argument));
    }

    /// An `ARG` that has its value from before the first `FROM`.
    pub fn inherit(&mut self, arg: &ArgDefinition) {
        self.stages[self.current].args.entry(arg.key.to_string()).or_insert(None);
    }

    pub fn mount(&mut self, mount: &Mount, span: Span) {
        let stage = &mut self.stages[self.current];
        let name = [&mount.source, &mount.id].into_iter().find(|name| !name.is_empty()).map(ToString::to_string);
        let (list, name) = match mount.kind {
            MountKind::Bind | MountKind::Tmpfs => return,
            MountKind::Secret => {
                let last = mount.target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                (&mut stage.secrets, name.unwrap_or_else(|| last.to_owned()))
            }
            MountKind::Ssh => (&mut stage.ssh, name.unwrap_or_else(|| "default".to_owned())),
            MountKind::Cache if mount.id.is_empty() => (&mut stage.caches, path::clean(&mount.target)),
            MountKind::Cache => (&mut stage.caches, mount.id.to_string()),
        };
        list.push(Access { name, required: mount.required, span });
    }

    /// What the plan's target can be given.
    pub fn outline(&self, plan: &Plan<'_>, settled: &Settled) -> Outline {
        let target = plan.stages[plan.target].stage;
        let mut told = Told {
            plan,
            settled,
            args: Vec::new(),
            names: BTreeSet::new(),
            from: vec![false; plan.stages.len()],
            globals: BTreeSet::new(),
        };
        let order = in_order(plan);
        for stage in &order {
            told.arguments(*stage, &self.stages[*stage].args);
        }
        told.args.sort_by_key(|argument| argument.span.first_line);
        let all = |list: fn(&OfStage) -> &[Access]| first_of_each(order.iter().flat_map(|at| list(&self.stages[*at])));
        Outline {
            name: target.name.clone(),
            description: target.doc.clone(),
            args: told.args.into_iter().cloned().collect(),
            secrets: all(|stage| &stage.secrets),
            ssh: all(|stage| &stage.ssh),
            caches: all(|stage| &stage.caches),
        }
    }
}

/// The arguments that were told, and what was looked at for them: each thing is looked at once, however many stages
/// there are.
struct Told<'a> {
    plan: &'a Plan<'a>,
    settled: &'a Settled,
    args: Vec<&'a Argument>,
    names: BTreeSet<&'a str>,
    /// By stage: its `FROM`.
    from: Vec<bool>,
    /// What these are made of.
    globals: BTreeSet<&'a str>,
}

impl<'a> Told<'a> {
    /// What a stage with these arguments of its own uses, and the `FROM`s that it stands on.
    fn arguments(&mut self, stage: usize, own: &'a BTreeMap<String, Option<Argument>>) {
        let mut used: Vec<&str> = own.keys().map(String::as_str).collect();
        let mut next = Some(stage);
        while let Some(at) = next.filter(|at| !std::mem::replace(&mut self.from[*at], true)) {
            used.extend(self.plan.stages[at].uses.iter().map(String::as_str));
            next = below(at, self.plan);
        }
        while let Some(name) = used.pop() {
            let argument = match own.get(name) {
                Some(Some(argument)) => argument,
                Some(None) | None => {
                    let Some(global) = self.settled.declared.get(name) else { continue };
                    if self.globals.insert(name) {
                        used.extend(global.made_of.iter().map(String::as_str));
                    }
                    &global.argument
                }
            };
            if self.names.insert(name) {
                self.args.push(argument);
            }
        }
    }
}

/// By line, without those whose name was there before.
fn first_of_each<'a>(all: impl Iterator<Item = &'a Access>) -> Vec<Access> {
    let mut names = BTreeSet::new();
    let mut first: Vec<Access> = all.filter(|access| names.insert(access.name.as_str())).cloned().collect();
    first.sort_by_key(|access| access.span.first_line);
    first
}

fn below(stage: usize, plan: &Plan<'_>) -> Option<usize> {
    match plan.stages[stage].base {
        Origin::Stage(base) => Some(base),
        Origin::Scratch | Origin::Image(_) | Origin::Context(_) => None,
    }
}

/// The target, and what it leads to: bases first, each stage once.
fn in_order(plan: &Plan<'_>) -> Vec<usize> {
    let mut order = Vec::new();
    let mut seen = vec![false; plan.stages.len()];
    let mut todo = vec![plan.target];
    while let Some(stage) = todo.pop() {
        if std::mem::replace(&mut seen[stage], true) {
            continue;
        }
        order.push(stage);
        let sources = plan.stages[stage].commands.iter().flat_map(|command| command.sources.iter().flatten());
        let mut needed: Vec<usize> = sources
            .filter_map(|source| match source {
                Origin::Stage(at) => Some(*at),
                Origin::Scratch | Origin::Image(_) | Origin::Context(_) => None,
            })
            .collect();
        needed.reverse();
        todo.extend(needed);
        todo.extend(below(stage, plan));
    }
    order
}
