//! The images that a build stands on, and the `ONBUILD` triggers they and the stages bring. Asks for images through the
//! port, and for each once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use oci::{Platform, Reference};

use super::{Origin, Plan, Planned, PlannedCommand};
use crate::instruction::{Command, Instruction};
use crate::lower::{BaseImage, Images, Step, refuse};
use crate::nearest::nearest;
use crate::{Diagnostic, Span};

/// How many triggers a build may take up: stages times triggers is a product that a small file can make large.
const MAX_TRIGGERS: usize = 100_000;

/// How often triggers may lead to stages and images with triggers of their own.
const MAX_ROUNDS: usize = 100;

impl<'a> Plan<'a> {
    fn reachable_stages(&self) -> impl Iterator<Item = &Planned<'a>> {
        self.stages.iter().zip(&self.reachable).filter(|(_, reachable)| **reachable).map(|(stage, _)| stage)
    }

    /// The images that the target needs, as far as triggers are known.
    pub fn images(&self) -> Vec<(Reference, Platform)> {
        self.wanted().into_iter().map(|((reference, _), (platform, _))| (reference, platform)).collect()
    }

    fn wanted(&self) -> BTreeMap<(Reference, String), (Platform, Span)> {
        let mut wanted = BTreeMap::new();
        for planned in self.reachable_stages() {
            let base_platform = planned.platform.as_ref().unwrap_or(&self.settled.target_platform);
            let base = (&planned.base, base_platform, planned.stage.head.span);
            let sources = planned.commands.iter().flat_map(|command| {
                let span = command.command.head.span;
                command.sources.iter().flatten().map(move |source| (source, &self.settled.target_platform, span))
            });
            for (origin, platform, span) in std::iter::once(base).chain(sources) {
                if let Origin::Image(reference) = origin {
                    let key = (reference.clone(), platform.to_string());
                    wanted.entry(key).or_insert_with(|| (platform.clone(), span));
                }
            }
        }
        wanted
    }

    /// Asks for every image that the target needs, and takes up their triggers, until nothing new appears.
    pub fn resolve(&mut self, images: &dyn Images) -> Step<()> {
        for _ in 0..MAX_ROUNDS {
            for (key, (platform, span)) in self.wanted() {
                if self.resolved.contains_key(&key) {
                    continue;
                }
                let image = images.resolve(&key.0, &platform).map_err(|error| {
                    let hint = self.stage_like(&key.0).or(error.hint);
                    let error = Diagnostic::error("ImageUnavailable", span, error.message);
                    Box::new(match hint {
                        Some(hint) => error.with_hint(hint),
                        None => error,
                    })
                })?;
                self.resolved.insert(key, image);
            }
            if !self.take_triggers()? {
                return Ok(());
            }
            self.reachable = self.reach();
        }
        let span = self.stages[self.target].stage.head.span;
        refuse("TooManyTriggers", span, format!("triggers lead to further triggers more than {MAX_ROUNDS} times"))
    }

    /// Whoever misspells a stage's name asks for an image of that name.
    fn stage_like(&self, image: &Reference) -> Option<String> {
        let names = self.stages.iter().filter_map(|planned| planned.stage.name.as_deref());
        nearest(&image.familiar_name(), names).map(|stage| format!("did you mean the stage `{stage}`?"))
    }

    /// Puts the triggers of bases before the commands of the stages that stand on them. Says whether there were any.
    fn take_triggers(&mut self) -> Step<bool> {
        let mut new = false;
        let mut taken: usize =
            self.stages.iter().flat_map(|stage| &stage.commands).filter(|command| command.trigger).count();
        for at in 0..self.stages.len() {
            if !self.reachable[at] || self.stages[at].triggered {
                continue;
            }
            self.stages[at].triggered = true;
            let span = self.stages[at].stage.head.span;
            let mut triggers = Vec::new();
            for expression in self.triggers(at) {
                taken += 1;
                if taken > MAX_TRIGGERS {
                    return refuse(
                        "TooManyTriggers",
                        span,
                        format!("the bases of this build have more than {MAX_TRIGGERS} triggers"),
                    );
                }
                triggers.push(self.trigger(&expression, span)?);
            }
            new |= !triggers.is_empty();
            self.stages[at].total += triggers.len();
            self.stages[at].commands.splice(0..0, triggers);
        }
        Ok(new)
    }

    fn triggers(&self, at: usize) -> Vec<String> {
        let planned = &self.stages[at];
        match &planned.base {
            Origin::Stage(base) => {
                let onbuild = |command: &Command| match &command.instruction {
                    Instruction::Onbuild(onbuild) => Some(onbuild.expression.to_string()),
                    _ => None,
                };
                self.stages[*base].stage.commands.iter().filter_map(onbuild).collect()
            }
            Origin::Image(reference) => {
                let image = self.base_image(reference, planned.platform.as_ref());
                image.and_then(|image| image.config.config.on_build.clone()).unwrap_or_default()
            }
            Origin::Scratch | Origin::Local(_) => Vec::new(),
        }
    }

    fn trigger(&self, expression: &str, span: Span) -> Step<PlannedCommand<'a>> {
        let mut command = crate::parse_trigger(expression).map_err(|error| {
            Box::new(
                Diagnostic { span, focus: None, ..*error }
                    .with_label(span, format!("from `ONBUILD {expression}` of the base")),
            )
        })?;
        command.head.span = span;
        let sources = self.sources(&command)?;
        Ok(PlannedCommand { command: Cow::Owned(command), sources, trigger: true })
    }

    /// What was resolved for `reference` on `platform`, or on the target's.
    pub fn base_image(&self, reference: &Reference, platform: Option<&Platform>) -> Option<&BaseImage> {
        let platform = platform.unwrap_or(&self.settled.target_platform);
        self.resolved.get(&(reference.clone(), platform.to_string()))
    }
}
