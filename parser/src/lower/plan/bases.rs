//! The images that a build stands on, and the `ONBUILD` triggers they and the stages bring. Asks for images through the
//! port, and for each once.

use std::borrow::Cow;
use std::collections::BTreeMap;

use oci::{Platform, Reference};

use super::{Asked, Origin, Plan, Planned, PlannedCommand};
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
        let in_registry = |((asked, _), (platform, _))| match asked {
            Asked::Registry(reference) => Some((reference, platform)),
            Asked::Layout(_) => None,
        };
        self.wanted().into_iter().filter_map(in_registry).collect()
    }

    fn wanted(&self) -> BTreeMap<(Asked, String), (Platform, Span)> {
        let mut wanted = BTreeMap::new();
        for planned in self.reachable_stages() {
            let base_platform = planned.platform.as_ref().unwrap_or(&self.settled.target_platform);
            let base = (&planned.base, base_platform, planned.stage.head.span);
            let sources = planned.commands.iter().flat_map(|command| {
                let span = command.command.head.span;
                command.sources.iter().flatten().map(move |source| (source, &self.settled.target_platform, span))
            });
            for (origin, platform, span) in std::iter::once(base).chain(sources) {
                if let Some(asked) = self.asked(origin) {
                    wanted.entry((asked, platform.to_string())).or_insert_with(|| (platform.clone(), span));
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
                let found = match &key.0 {
                    Asked::Registry(name) => images.resolve(name, &platform),
                    Asked::Layout(layout) => images.resolve_layout(layout, &platform),
                };
                let image = found.map_err(|error| {
                    let hint = self.stage_like(&key.0).or(error.hint);
                    let error = Diagnostic::error("ImageUnavailable", span, error.message);
                    Box::new(match hint {
                        Some(hint) => error.with_hint(hint),
                        None => error,
                    })
                })?;
                self.resolved.insert(key, image);
            }
            self.name_bases();
            if !self.take_triggers()? {
                return Ok(());
            }
            self.reachable = self.reach();
        }
        let span = self.stages[self.target].stage.head.span;
        refuse("TooManyTriggers", span, format!("triggers lead to further triggers more than {MAX_ROUNDS} times"))
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

    /// What was resolved for `origin` on `platform`, or on the target's.
    pub fn image_of(&self, origin: &Origin, platform: Option<&Platform>) -> Option<&BaseImage> {
        let platform = platform.unwrap_or(&self.settled.target_platform);
        self.resolved.get(&(self.asked(origin)?, platform.to_string()))
    }
}

impl BaseImage {
    /// Whether it is more than a config. Old images do not tell their layers' digests, but their history.
    pub(in crate::lower) fn has_layers(&self) -> bool {
        !self.config.rootfs.diff_ids.is_empty() || self.config.history.iter().any(|line| !line.empty_layer)
    }
}
