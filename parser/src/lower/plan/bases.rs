//! The images that a build stands on, and the `ONBUILD` triggers they and the stages bring. Asks for images through the
//! port, and for each once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use oci::{Platform, Reference};

use super::{Asked, Origin, Plan, Planned, PlannedCommand, Tied, Untied};
use crate::instruction::{Command, Head, Instruction};
use crate::lint::{At, Findings, Phase, Rule};
use crate::lower::{BaseImage, Images, Step, refuse};
use crate::nearest::nearest;
use crate::quote::quoted;
use crate::{Diagnostic, Span};

/// How many triggers a build may take up: stages times triggers is a product that a small file can make large.
const MAX_TRIGGERS: usize = 100_000;

/// How often triggers may lead to stages and images with triggers of their own.
const MAX_ROUNDS: usize = 100;

impl<'a> Plan<'a> {
    fn walked_stages(&self) -> impl Iterator<Item = &Planned<'a>> {
        self.stages.iter().zip(&self.walked).filter(|(_, walked)| **walked).map(|(stage, _)| stage)
    }

    /// The images that the target needs, as far as triggers are known.
    pub fn images(&self) -> Vec<(Reference, Platform)> {
        let in_registry = |(asked, platform)| match asked {
            Asked::Registry(reference) => Some((Rc::unwrap_or_clone(reference), Platform::clone(platform))),
            Asked::Layout(_) => None,
        };
        self.wanted().into_keys().filter_map(in_registry).collect()
    }

    /// With the first place that each is asked for in.
    fn wanted(&self) -> BTreeMap<(Asked, &Platform), Span> {
        let mut wanted = BTreeMap::new();
        for planned in self.walked_stages() {
            let base_platform = planned.platform.as_ref().unwrap_or(&self.settled.target_platform);
            let base = (&planned.base, base_platform, planned.stage.head.span);
            let sources = planned.commands.iter().flat_map(|command| {
                let span = command.command.head.span;
                command.sources.iter().flatten().map(move |source| (source, &self.settled.target_platform, span))
            });
            for (origin, platform, span) in std::iter::once(base).chain(sources) {
                if let Some(asked) = self.asked(origin) {
                    wanted.entry((asked, platform)).or_insert(span);
                }
            }
        }
        wanted
    }

    /// Asks for every image that is needed, and takes up their triggers, until nothing new appears. Without `images`, what
    /// stands on one stays unknown.
    pub fn resolve(&mut self, images: Option<&dyn Images>, findings: &mut Findings) {
        for _ in 0..MAX_ROUNDS {
            if let Some(images) = images {
                self.ask(images, findings);
            }
            self.name_bases();
            match self.take_triggers(findings) {
                Ok(true) => self.look_around(),
                Ok(false) => return self.check_platforms(findings),
                Err(error) => return findings.error(Phase::Images, *error),
            }
        }
        let span = self.stages[self.target].stage.head.span;
        let message = format!("triggers lead to further triggers more than {MAX_ROUNDS} times");
        findings.error(Phase::Images, Diagnostic::error("TooManyTriggers", span, message));
    }

    fn ask(&mut self, images: &dyn Images, findings: &mut Findings) {
        let is_known = |asked: &Asked, platform: &Platform| {
            self.resolved.get(asked).is_some_and(|by_platform| by_platform.contains_key(platform))
        };
        let wanted = self.wanted().into_iter().filter(|((asked, platform), _)| !is_known(asked, platform));
        let new: Vec<_> = wanted.map(|((asked, platform), span)| (asked, platform.clone(), span)).collect();
        for (asked, platform, span) in new {
            let found = match &asked {
                Asked::Registry(name) => images.resolve(name, &platform),
                Asked::Layout(layout) => images.resolve_layout(layout, &platform),
            };
            let image = found.map_err(|error| {
                let meant = if findings.full() { None } else { self.stage_like(&asked) };
                let hint = meant.or(error.hint);
                let error = Diagnostic::error("ImageUnavailable", span, error.message);
                let error = match hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                };
                findings.error(Phase::Images, error);
            });
            self.resolved.entry(asked).or_default().insert(platform, image.ok());
        }
    }

    /// An image may have come for another platform than it was asked for.
    fn check_platforms(&self, findings: &mut Findings) {
        for planned in self.walked_stages() {
            let platform = planned.platform.as_ref().unwrap_or(&self.settled.target_platform);
            self.check_image(&planned.base, platform, &planned.stage.head, &planned.stage.base, findings);
            for command in &planned.commands {
                let written = match &command.command.instruction {
                    Instruction::Copy(copy) => copy.from.as_deref().unwrap_or_default(),
                    _ => "",
                };
                for source in command.sources.iter().flatten() {
                    let platform = &self.settled.target_platform;
                    self.check_image(source, platform, &command.command.head, written, findings);
                }
            }
        }
    }

    fn check_image(&self, base: &Origin, wanted: &Platform, head: &Head, written: &str, findings: &mut Findings) {
        let (Origin::Image(reference), Some(image)) = (base, self.image_of(base, Some(wanted))) else { return };
        let config = &image.config;
        if (config.os == wanted.os && config.architecture == wanted.architecture) || !image.has_layers() {
            return;
        }
        let at = At { span: head.span, node: None, word: written };
        findings.warn(Phase::Images, Rule::InvalidBaseImagePlatform, at, || {
            let name = self.settled.lexer.word(written, &self.settled.globals).ok().filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| reference.familiar());
            let (actual, wanted) = (config.platform().normalized(), wanted.normalized());
            format!(
                "Base image {name} was pulled with platform {}, expected {} for current build",
                quoted(&actual.to_string()),
                quoted(&wanted.to_string())
            )
        });
    }

    /// Whoever misspells a stage's name asks for an image of that name.
    fn stage_like(&self, image: &Asked) -> Option<String> {
        let Asked::Registry(image) = image else { return None };
        let names = self.stages.iter().filter_map(|planned| planned.stage.name.as_deref());
        nearest(&image.familiar_name(), names).map(|stage| format!("did you mean the stage `{stage}`?"))
    }

    /// Gives each base that has no name yet its number among the steps.
    fn name_bases(&mut self) {
        for at in 0..self.stages.len() {
            let planned = &self.stages[at];
            let is_numbered = match &planned.base {
                Origin::Scratch | Origin::Stage(_) => continue,
                _ if planned.base_named || planned.total == 0 => continue,
                _ if !self.reachable[at] => true,
                Origin::Context(_) => false,
                Origin::Image(_) => {
                    self.image_of(&planned.base, planned.platform.as_ref()).is_some_and(BaseImage::has_layers)
                }
            };
            let needed = self.reachable[at];
            let planned = &mut self.stages[at];
            planned.base_named = needed;
            if is_numbered {
                planned.base_step = (planned.base_step.0 + 1, planned.total);
            }
        }
    }

    /// Puts the triggers of bases before the commands of the stages that stand on them. Says whether any
    /// of them takes from somewhere.
    fn take_triggers(&mut self, findings: &mut Findings) -> Step<bool> {
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
                match self.trigger(&expression, span) {
                    Ok(trigger) => triggers.push(trigger),
                    Err(Untied::Wrong(_, error)) => findings.error(Phase::Images, *error),
                    Err(Untied::Hidden) => {}
                }
            }
            new |= triggers.iter().any(|trigger| !trigger.sources.is_empty());
            for trigger in &triggers {
                self.count_outside(&trigger.sources);
            }
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
            Origin::Image(_) | Origin::Context(_) => {
                let image = self.image_of(&planned.base, planned.platform.as_ref());
                image.and_then(|image| image.config.config.on_build.clone()).unwrap_or_default()
            }
            Origin::Scratch => Vec::new(),
        }
    }

    fn trigger(&self, expression: &str, span: Span) -> Tied<PlannedCommand<'a>> {
        let mut command = crate::parse_trigger(expression).map_err(|error| {
            let error = Diagnostic { span, focus: None, ..*error };
            let error = error.with_label(span, format!("from `ONBUILD {expression}` of the base"));
            Untied::Wrong(Phase::Images, Box::new(error))
        })?;
        command.head.span = span;
        let sources = self.sources(&command)?;
        Ok(PlannedCommand { command: Cow::Owned(command), sources, trigger: true })
    }

    /// What was resolved for `origin` on `platform`, or on the target's.
    pub fn image_of(&self, origin: &Origin, platform: Option<&Platform>) -> Option<&BaseImage> {
        let platform = platform.unwrap_or(&self.settled.target_platform);
        self.resolved.get(&self.asked(origin)?)?.get(platform)?.as_ref()
    }
}

impl BaseImage {
    /// Whether it is more than a config. Old images do not tell their layers' digests, but their history.
    pub(in crate::lower) fn has_layers(&self) -> bool {
        !self.config.rootfs.diff_ids.is_empty() || self.config.history.iter().any(|line| !line.empty_layer)
    }
}
