//! Each `FROM`: what its base and its platform are once variables are known, and the rules about them. Knows no image's
//! contents.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

use oci::{Platform, Reference};

use super::{Origin, Plan, Planned, PlannedCommand, Tied, Untied, is_step};
use crate::expand::{Expansion, Noting, Variables};
use crate::instruction::{Command, Stage};
use crate::lint::words::meant;
use crate::lint::{At, Findings, Phase, Rule};
use crate::lower::args::expanded;
use crate::lower::{NamedContext, NoCache, named};
use crate::quote::quoted;
use crate::{Diagnostic, Span};

impl<'a> Plan<'a> {
    /// A stage with its base; its commands are tied once all names are known.
    pub(super) fn stage(&self, stage: &'a Stage, findings: &mut Findings) -> Planned<'a> {
        let mut uses = BTreeSet::new();
        let read = self.from(stage, &mut uses, findings);
        let whole = read.is_ok();
        let (base, platform) = read.unwrap_or_else(|untied| {
            untied.tell(findings);
            (Origin::Scratch, None)
        });
        let replaced = stage.name.as_deref().is_some_and(|name| self.contexts.contains_key(name));
        let (hidden, from) = (self.job.gaps.hide_stages(), stage.head.span);
        let own = |command: &'a Command| {
            let is_here = !hidden || !self.job.gaps.part(from, command.head.span);
            is_here.then(|| PlannedCommand { command: Cow::Borrowed(command), sources: Vec::new(), trigger: false })
        };
        let commands: Vec<_> = if replaced { Vec::new() } else { stage.commands.iter().filter_map(own).collect() };
        let base_step = usize::from(!matches!(base, Origin::Scratch | Origin::Stage(_)));
        let total = base_step + commands.iter().filter(|command| is_step(&command.command.instruction)).count();
        Planned {
            stage,
            base,
            platform,
            commands,
            label: stage.name.as_deref().map_or_else(|| format!("stage-{}", self.stages.len()), str::to_owned),
            total: if replaced { 0 } else { total },
            base_step: (0, 0),
            base_named: false,
            no_cache: match &self.job.request.no_cache {
                NoCache::None => false,
                NoCache::All => true,
                NoCache::Stages(names) => {
                    stage.name.as_deref().is_some_and(|name| names.iter().any(|asked| asked.eq_ignore_ascii_case(name)))
                }
            },
            uses: if replaced { BTreeSet::new() } else { uses },
            whole,
            triggered: replaced,
        }
    }

    /// What a stage stands on, and for which platform. The variables that this depends on are added to `uses`.
    fn from(
        &self,
        stage: &Stage,
        uses: &mut BTreeSet<String>,
        findings: &mut Findings,
    ) -> Tied<(Origin, Option<Platform>)> {
        let base = self.word(stage, &stage.base, findings)?;
        if base.text.is_empty() {
            return Err(self.unset(&base, empty_base(stage, &base)));
        }
        uses.extend(base.matched);
        let platform = match stage.platform.as_deref() {
            Some(platform) => Some(self.platform(stage, platform, uses, findings)?),
            None => None,
        };
        let replaced = stage.name.as_deref().and_then(|name| self.contexts.get_key_value(name));
        let base = match (replaced, self.names.get(&base.text)) {
            (Some((name, context)), _) => self.origin(name, context, stage.head.span)?,
            (None, Some(stage)) => Origin::Stage(*stage),
            (None, None) => self.image(&base.text, stage.head.span)?,
        };
        Ok((base, platform))
    }

    /// `error`, unless it may come from a variable that is not known for another mistake.
    fn unset(&self, expansion: &Expansion, error: Diagnostic) -> Untied {
        match self.settled.partial && !expansion.unmatched.is_empty() {
            true => Untied::Hidden,
            false => Untied::Wrong(Phase::From, Box::new(error)),
        }
    }

    /// `written` with the variables from before the first `FROM`. Those that nobody declares are warned of.
    fn word(&self, stage: &Stage, written: &str, findings: &mut Findings) -> Tied<Expansion> {
        let noting = Noting::new(&self.settled.globals);
        let result = self.settled.lexer.expand(written, &noting);
        for name in noting.into_missed() {
            self.undeclared(stage, &name, findings);
        }
        expanded(result, stage.head.span).map_err(|error| Untied::Wrong(Phase::From, error))
    }

    fn undeclared(&self, stage: &Stage, name: &str, findings: &mut Findings) {
        if self.settled.partial || self.settled.declared.contains_key(name) {
            return;
        }
        let word = format!("${name}");
        let at = At { span: stage.head.span, node: Some(stage.head.node), word: &word };
        let suggest = findings.may_compare(self.settled.declared.len() + self.settled.globals.size());
        findings.warn(Phase::From, Rule::UndefinedArgInFrom, at, || {
            let declared = self.settled.declared.keys().map(String::as_str);
            let detail = format!("FROM argument '{name}' is not declared");
            match suggest.then(|| meant(name, declared.chain(self.settled.globals.names()))).flatten() {
                Some(meant) => format!("{detail} (did you mean {meant}?)"),
                None => detail,
            }
        });
    }

    fn platform(
        &self,
        stage: &Stage,
        written: &str,
        uses: &mut BTreeSet<String>,
        findings: &mut Findings,
    ) -> Tied<Platform> {
        let mut expansion = self.word(stage, written, findings)?;
        self.check_platform(stage, written, &expansion, findings);
        uses.append(&mut expansion.matched);
        expansion.text.parse().map_err(|error| {
            let message = format!("cannot use `--platform={written}`: {error}");
            let error = Diagnostic::error("InvalidPlatform", stage.head.span, message);
            let names: Vec<&str> = expansion.unmatched.iter().map(String::as_str).collect();
            let hint = format!("`{}` is not set before the first `FROM`", names.join("`, `"));
            self.unset(&expansion, if names.is_empty() { error } else { error.with_hint(hint) })
        })
    }

    /// A platform that says what is so anyway, and one that no variable is in.
    fn check_platform(&self, stage: &Stage, written: &str, expansion: &Expansion, findings: &mut Findings) {
        let at = At { span: stage.head.span, node: Some(stage.head.node), word: "--platform" };
        if !expansion.unmatched.is_empty() {
            return;
        }
        if expansion.matched.is_empty() {
            let Ok(platform) = expansion.text.parse::<Platform>() else { return };
            let name = stage.name.as_deref().unwrap_or_default();
            if !name.contains(&platform.os) && !name.contains(&platform.architecture) {
                findings.warn(Phase::From, Rule::FromPlatformFlagConstDisallowed, at, || {
                    format!("FROM --platform flag should not use constant value {}", quoted(&expansion.text))
                });
            }
        } else if expansion.matched.iter().eq(["TARGETPLATFORM"])
            && self.settled.globals.get("TARGETPLATFORM") == Some(&expansion.text)
        {
            findings.warn(Phase::From, Rule::RedundantTargetPlatform, at, || {
                format!("Setting platform to predefined {written} in FROM is redundant as this is the default behavior")
            });
        }
    }

    /// What a name means that is no stage's.
    pub(super) fn image(&self, name: &str, span: Span) -> Tied<Origin> {
        if name == "scratch" {
            return Ok(Origin::Scratch);
        }
        if self.job.gaps.hide(name) {
            return Err(Untied::Hidden);
        }
        let reference: Reference = name.parse().map_err(|error: oci::reference::ReferenceError| {
            if self.job.gaps.hide_stages() {
                return Untied::Hidden;
            }
            let stage = self.names.get_key_value(&name.to_lowercase()).map(|(known, _)| known);
            let error = Diagnostic::error("InvalidImageName", span, error.to_string());
            let error = match stage {
                Some(stage) => error.with_hint(format!("the stage is written `{stage}`")),
                None => error,
            };
            // Names are taken apart when images are asked for.
            Untied::Wrong(Phase::Images, Box::new(error))
        })?;
        match named::of_image(self.contexts, &reference) {
            Some((name, context)) => self.origin(name, context, span),
            None => Ok(Origin::Image(Rc::new(reference))),
        }
    }

    fn origin(&self, name: &str, context: &NamedContext, span: Span) -> Tied<Origin> {
        match context {
            NamedContext::Scratch => Ok(Origin::Scratch),
            NamedContext::Target(stage) => match self.names.get(&stage.to_lowercase()) {
                Some(stage) => Ok(Origin::Stage(*stage)),
                None if self.job.gaps.hide_stages() => Err(Untied::Hidden),
                None => {
                    let message =
                        format!("the context `{name}` is the stage `{stage}`, and no stage before this has that name");
                    let error = Diagnostic::error("UndefinedStage", span, message);
                    Err(Untied::Wrong(Phase::From, Box::new(error)))
                }
            },
            NamedContext::Image(_)
            | NamedContext::OciLayout(_)
            | NamedContext::Local(_)
            | NamedContext::Git(_)
            | NamedContext::Http(_) => Ok(Origin::Context(name.to_owned())),
        }
    }
}

fn empty_base(stage: &Stage, base: &Expansion) -> Diagnostic {
    let error =
        Diagnostic::error("EmptyBaseName", stage.head.span, format!("the base image `{}` is empty", stage.base));
    if base.unmatched.is_empty() {
        return error;
    }
    let unset: Vec<String> = base.unmatched.iter().map(|name| format!("`{name}`")).collect();
    error.with_hint(format!(
        "{} not set: give a default in an `ARG` before the first `FROM`, or a value with `--build-arg`",
        unset.join(", ")
    ))
}
