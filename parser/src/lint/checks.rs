//! What a file, an instruction or the command line says of the rules: `skip=A,B;error=true;experimental=all`. Does not know
//! what the rules are about.
//!
//! The build argument stands in the place of the directive. A comment right above an instruction adds to either, for
//! this instruction alone.

use std::collections::BTreeMap;

use super::rule::{Origin, Rule, Rules, When};
use crate::ast::DirectiveName;
use crate::directive;
use crate::instruction::mount::boolean;
use crate::text::Text;
use crate::{Diagnostic, Dockerfile, Span};

/// The build argument that stands in the place of the `check` directive.
pub const BUILD_ARG: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Which rules are followed up, and what becomes of a build that breaks one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checks {
    skip_all: bool,
    skip: Rules,
    experimental_all: bool,
    /// Those of `experimental=` that are there; other names mean nothing.
    asked: Rules,
    /// `error=true`: a warning fails the build.
    pub error: bool,
}

/// Why it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksError {
    #[error("`{0}` is no option of `check`: expected `skip=`, `error=` or `experimental=`")]
    Unknown(String),
    #[error("`error` cannot be `{0}`: expected `true` or `false`")]
    NoBoolean(String),
}

impl Checks {
    /// Reads at most three options with `;` between.
    pub fn parse(text: &str) -> Result<Checks, ChecksError> {
        let mut checks = Checks::default();
        let text = text.trim();
        if text.is_empty() {
            return Ok(checks);
        }
        for part in text.splitn(3, ';') {
            let (key, value) = part.split_once('=').ok_or_else(|| ChecksError::Unknown(part.to_owned()))?;
            let value = value.trim();
            match key.trim() {
                "skip" if value == "all" => checks.skip_all = true,
                "skip" => checks.skip = rules(value),
                "experimental" if value == "all" => checks.experimental_all = true,
                "experimental" => checks.asked = rules(value),
                "error" => checks.error = boolean(value).ok_or_else(|| ChecksError::NoBoolean(value.to_owned()))?,
                other => return Err(ChecksError::Unknown(other.to_owned())),
            }
        }
        Ok(checks)
    }

    /// What holds for a whole build: what its arguments say, else what the file says.
    pub fn of(dockerfile: &Dockerfile, build_args: &BTreeMap<String, String>) -> Result<Checks, Box<Diagnostic>> {
        if let Some(given) = build_args.get(BUILD_ARG) {
            let top = Span { first_line: 1, last_line: 1, ..Span::default() };
            return Checks::parse(given).map_err(|error| {
                let message = format!("the build argument `{BUILD_ARG}` cannot be read: {error}");
                Box::new(Diagnostic::error("InvalidCheck", top, message))
            });
        }
        let Some((value, span)) = directive::find(&dockerfile.source, DirectiveName::Check) else {
            return Ok(Checks::default());
        };
        Checks::parse(value).map_err(|error| {
            let diagnostic = Diagnostic::error("InvalidCheck", span, error.to_string());
            let cut = dockerfile.source.get(span.start as usize..span.end as usize).is_some_and(|line| {
                let rest = line.split_once(value).map_or("", |(_, rest)| rest);
                !rest.trim().is_empty()
            });
            Box::new(match cut {
                true => diagnostic.with_hint("the value ends at its first space"),
                false => diagnostic,
            })
        })
    }

    /// Whether `rule` is followed up.
    pub fn allow(&self, rule: Rule) -> bool {
        match (rule.when(), rule.origin()) {
            (When::Always, _) => !self.skip_all && !self.skip.contains(rule),
            (When::Asked, Origin::BuildKit) => self.experimental_all || self.asked.contains(rule),
            (When::Asked, Origin::Kiln) => self.asked.contains(rule),
        }
    }

    /// Whether it was asked for by its name.
    pub fn asks_for(&self, rule: Rule) -> bool {
        self.asked.contains(rule)
    }

    /// These, and what the comments right above an instruction add: the first that says anything counts. None if they
    /// say nothing.
    pub(crate) fn with_comments(self, comments: &[Text]) -> Option<Checks> {
        let value = comments.iter().find_map(|comment| directive::value(comment, DirectiveName::Check))?;
        let here = Checks::parse(value).ok()?;
        Some(Checks {
            skip_all: self.skip_all || here.skip_all,
            skip: self.skip.union(here.skip),
            experimental_all: self.experimental_all || here.experimental_all,
            asked: self.asked.union(here.asked),
            error: self.error,
        })
    }
}

fn rules(names: &str) -> Rules {
    names.split(',').filter_map(|name| Rule::parse(name.trim())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Checks {
        Checks::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn options() {
        assert_eq!(read(" "), Checks::default());
        assert!(read("skip=all").skip_all);
        let checks = read("skip=UndefinedVar, StageNameCasing,Nothing ; error = T ;experimental=all");
        assert!(!checks.allow(Rule::UndefinedVar) && !checks.allow(Rule::StageNameCasing));
        assert!(checks.allow(Rule::FromAsCasing) && checks.error);
        assert!(checks.allow(Rule::InvalidDefinitionDescription));
        assert!(read("skip=all;experimental=InvalidDefinitionDescription").allow(Rule::InvalidDefinitionDescription));
        assert!(!read("").allow(Rule::InvalidDefinitionDescription));
    }

    #[test]
    fn what_is_wrong() {
        for (text, expected) in [
            ("skip", "`skip` is no option of `check`: expected `skip=`, `error=` or `experimental=`"),
            ("skip=all;", "`` is no option of `check`: expected `skip=`, `error=` or `experimental=`"),
            ("Skip=all", "`Skip` is no option of `check`: expected `skip=`, `error=` or `experimental=`"),
            ("error=yes", "`error` cannot be `yes`: expected `true` or `false`"),
        ] {
            assert_eq!(Checks::parse(text).map_err(|error| error.to_string()), Err(expected.to_owned()));
        }
        // The third option is the rest of the line.
        assert!(read("error=true;skip=all;experimental=a;error=false").error);
    }

    #[test]
    fn comments_add() {
        let comments = |lines: &[&str]| lines.iter().map(|line| Text::from(*line)).collect::<Vec<_>>();
        let with = |lines: &[&str]| {
            read("skip=UndefinedVar").with_comments(&comments(lines)).unwrap_or(read("skip=UndefinedVar"))
        };
        assert!(!with(&[]).allow(Rule::UndefinedVar));
        let both = with(&["a word", "check=skip=StageNameCasing;error=true rest", "check=skip=FromAsCasing"]);
        assert!(!both.allow(Rule::UndefinedVar) && !both.allow(Rule::StageNameCasing));
        assert!(both.allow(Rule::FromAsCasing) && !both.error);
        assert!(with(&["check=what", "check=skip=all"]).allow(Rule::FromAsCasing));
    }
}
