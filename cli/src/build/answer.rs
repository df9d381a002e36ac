//! What is asked of a Dockerfile instead of a build (`--call`), answered. Runs nothing and writes nothing into the store but
//! what it learns of base images.

use std::process::ExitCode;

use parser::lint::{self, Linted};
use parser::lower;
use parser::outline::Targets;
use runner::source::Pull;

use super::call::bases::IfPresent;
use super::call::{Call, Form, Format, Status, check, offers};
use super::mistakes::{self, Source};
use super::{Build, bases};
use crate::progress::End;
use crate::report::{Problem, did_you_mean};
use crate::terminal;

/// What was found.
struct Answer {
    text: String,
    /// The exit status, where nothing is wrong.
    status: u8,
    /// What is wrong.
    problem: Option<Problem>,
    /// What could not be looked at.
    missing: Vec<String>,
}

impl Build<'_> {
    /// Answers `call` on standard output.
    pub fn answer(&self, call: Call) -> Result<ExitCode, Problem> {
        let answer = self.find(call);
        let is_good = answer.as_ref().is_ok_and(|answer| answer.problem.is_none());
        self.view.close(if is_good { End::Finished } else { End::Failed });
        let answer = answer?;
        for missing in &answer.missing {
            terminal::complain(&format!("WARNING: {missing}\n"));
        }
        terminal::say(&answer.text)?;
        match answer.problem {
            Some(problem) => Err(problem),
            None => Ok(ExitCode::from(answer.status)),
        }
    }

    fn find(&self, call: Call) -> Result<Answer, Problem> {
        match call {
            Call::Check { format, status } => self.check(format, status),
            Call::Outline(form) => self.outline(form),
            Call::Targets(form) => self.targets(form),
        }
    }

    fn check(&self, format: Format, status: Status) -> Result<Answer, Problem> {
        let dockerfile = self.read();
        let source = Source { name: &self.input.dockerfile.name, text: &dockerfile.source };
        let (linted, missing) =
            self.with_images(&dockerfile, |images| Ok(lint::check(&dockerfile, &self.lower_request()?, images)))?;
        let Linted { warnings, errors, .. } = &linted;
        let problem = (!errors.is_empty()).then(|| mistakes::problem(errors, source.name, source.text));
        let status = u8::from(status == Status::OfWarnings && !warnings.is_empty());
        Ok(Answer { text: check::written(&linted, source, format), status, problem, missing })
    }

    fn outline(&self, form: Form) -> Result<Answer, Problem> {
        let dockerfile = self.read();
        let (outline, missing) = self.with_images(&dockerfile, |images| {
            let lowered = lower::lower(&dockerfile, &self.lower_request()?, images);
            lowered
                .map(|lowered| lowered.outline)
                .map_err(|errors| mistakes::problem(&errors, &self.input.dockerfile.name, &dockerfile.source))
        })?;
        let text = match form {
            Form::Text => offers::outline_as_text(&outline),
            Form::Json => format!("{:#}\n", offers::outline_as_json(&outline, &self.input.dockerfile.bytes)),
        };
        Ok(Answer { text, status: 0, problem: None, missing })
    }

    fn targets(&self, form: Form) -> Result<Answer, Problem> {
        let targets = Targets::of(&self.parse()?);
        let text = match form {
            Form::Text => offers::targets_as_text(&targets),
            Form::Json => format!("{:#}\n", offers::targets_as_json(&targets, &self.input.dockerfile.bytes)),
        };
        Ok(Answer { text, status: 0, problem: None, missing: Vec::new() })
    }

    /// What `work` comes to with the images that can be had, and which ones cannot.
    fn with_images<T>(
        &self,
        dockerfile: &parser::Dockerfile,
        work: impl FnOnce(&dyn lower::Images) -> Result<T, Problem>,
    ) -> Result<(T, Vec<String>), Problem> {
        let pull = if self.request.pull { Pull::Always } else { Pull::Missing };
        let bases = bases::Bases::new(self, pull);
        let images = IfPresent::new(&bases);
        let result = work(&images)?;
        let stages = || dockerfile.stages.iter().filter_map(|stage| stage.name.as_deref());
        let told = images.missing().into_iter().map(|(name, error)| {
            let hint = did_you_mean(&name.familiar_name(), stages()).or(error.hint);
            let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
            format!(
                "`{name}` cannot be looked at, and is taken for an image that sets nothing: {}{hint}",
                error.message
            )
        });
        Ok((result, told.collect()))
    }
}
