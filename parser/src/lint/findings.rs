//! What is found while a Dockerfile is read and lowered: mistakes and broken rules, in the order in which BuildKit comes by
//! them. Knows no rule's reason.
//!
//! BuildKit looks at a file in phases and stops at the first mistake. Here everything is looked at, in whatever order is
//! handy, and each finding carries its phase; put in order at the end, the first error is BuildKit's, and the warnings
//! before it are those that BuildKit has given by then.

use super::Linted;
use std::collections::BTreeMap;

use super::checks::Checks;
use super::rule::{Origin, Rule, Rules};
use crate::diagnostic::MAX_ERRORS;
use crate::text::Text;
use crate::{Diagnostic, Dockerfile, Span, place};

/// More warnings than this are not kept.
const MAX_WARNINGS: usize = 10_000;

/// So many bytes are searched for what is to be underlined. After that nothing is: many warnings may be of one long
/// instruction, and each would search all of it.
const MAX_SEARCHED: usize = 1 << 24;

/// So many names are compared with misspelt ones. After that nothing is suggested.
const MAX_COMPARISONS: usize = 1 << 20;

/// When BuildKit would come by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The checks themselves cannot be read.
    Checks,
    /// The text falls into instructions.
    Text,
    /// Each instruction by itself.
    Instructions,
    /// All of them together.
    File,
    /// The `ARG`s before the first `FROM`.
    Globals,
    /// Each `FROM`.
    From,
    Target,
    /// What `COPY --from` and mounts name.
    Sources,
    /// Whether a stage needs itself.
    Circles,
    /// What the stages stand on, and the triggers of that.
    Images,
    /// The stages from top to bottom.
    Stages,
    /// Whether warnings are errors.
    Verdict,
}

/// Where a warning stands, and what it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'w> {
    pub span: Span,
    /// The instruction whose comments have a say in it.
    pub node: Option<usize>,
    /// What is to be underlined.
    pub word: &'w str,
}

#[derive(Default)]
pub(crate) struct Findings {
    source: Text,
    checks: Checks,
    /// Of the instructions whose comments have a say.
    own_checks: BTreeMap<usize, Checks>,
    found: Vec<(Phase, Found)>,
    errors: usize,
    broken: Rules,
    /// How many bytes were searched, and how many names compared.
    searched: usize,
    compared: usize,
    /// What was warned of is not warned of again.
    repeating: bool,
}

enum Found {
    Warning(Diagnostic),
    Error(Diagnostic),
}

impl Findings {
    pub fn new(dockerfile: &Dockerfile, checks: Result<Checks, Box<Diagnostic>>) -> Self {
        let mut findings = Self { source: dockerfile.source.clone(), ..Self::default() };
        match checks {
            Ok(checks) => findings.checks = checks,
            Err(error) => findings.error(Phase::Checks, *error),
        }
        for (index, node) in dockerfile.tree.nodes.iter().enumerate().filter(|(_, node)| !node.comments.is_empty()) {
            if let Some(checks) = findings.checks.with_comments(&node.comments) {
                findings.own_checks.insert(index, checks);
            }
        }
        findings
    }

    pub fn error(&mut self, phase: Phase, mut error: Diagnostic) {
        self.errors += 1;
        if self.errors <= MAX_ERRORS {
            error.focus = error.focus.or_else(|| self.subject(&error));
            self.found.push((phase, Found::Error(error)));
        }
    }

    /// Where in the instruction the words are that a message names: its subject is in backticks.
    fn subject(&self, error: &Diagnostic) -> Option<Span> {
        let words = error.message.split('`').skip(1).step_by(2);
        words.filter(|word| !word.is_empty()).find_map(|word| place::of_word(&self.source, error.span, word))
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether it is of no use to look for more.
    pub fn full(&self) -> bool {
        self.errors >= MAX_ERRORS
    }

    /// `rule` is broken.
    pub fn warn(&mut self, phase: Phase, rule: Rule, at: At<'_>, detail: impl FnOnce() -> String) {
        let source = self.source.clone();
        let may_search = self.searched < MAX_SEARCHED;
        let mut searched = 0;
        self.tell(phase, rule, at.node, || {
            let warning = Diagnostic::warning(rule.name(), at.span, detail());
            searched = (at.span.end - at.span.start) as usize;
            match may_search.then(|| place::of_word(&source, at.span, at.word)).flatten() {
                Some(focus) => warning.with_focus(focus),
                None => warning,
            }
        });
        self.searched += searched;
    }

    /// Whether another misspelt name may be compared with so many.
    pub fn may_compare(&mut self, names: usize) -> bool {
        let may = self.compared < MAX_COMPARISONS;
        self.compared += if may { names } else { 0 };
        may
    }

    /// Whether anybody wants to know if `rule` is broken there.
    pub fn follows(&self, rule: Rule, node: Option<usize>) -> bool {
        let own = node.and_then(|node| self.own_checks.get(&node));
        own.unwrap_or(&self.checks).allow(rule)
    }

    /// `rule` is broken, which is told by `make`; unless it is off, or the comments of `node` skip it.
    pub fn tell(&mut self, phase: Phase, rule: Rule, node: Option<usize>, make: impl FnOnce() -> Diagnostic) {
        if !self.follows(rule, node) {
            return;
        }
        if rule.origin() == Origin::BuildKit || self.checks.asks_for(rule) {
            self.broken.insert(rule);
        }
        if self.found.len() >= MAX_WARNINGS {
            return;
        }
        let warning = make();
        let again = |(_, found): &(Phase, Found)| matches!(found, Found::Warning(known) if *known == warning);
        if !self.repeating || !self.found.iter().any(again) {
            self.found.push((phase, Found::Warning(warning)));
        }
    }

    /// The same file is looked at for another platform.
    pub fn repeat(&mut self) {
        self.repeating = true;
    }

    /// The end: `error=true` makes an error of what was warned of.
    pub fn finish(mut self) -> Linted {
        if self.checks.error && !self.broken.is_empty() && self.errors == 0 {
            let error = self.verdict();
            self.error(Phase::Verdict, error);
        }
        self.found.sort_by_key(|(phase, _)| *phase);
        let mut linted = Linted::default();
        for (_, found) in self.found {
            match found {
                Found::Error(error) => linted.errors.push(error),
                Found::Warning(warning) if linted.errors.is_empty() => linted.warnings.push(warning),
                Found::Warning(warning) => linted.later.push(warning),
            }
        }
        linted
    }

    fn verdict(&self) -> Diagnostic {
        let names: Vec<&str> = self.broken.iter().map(Rule::name).collect();
        let first = self.found.iter().find_map(|(_, found)| match found {
            Found::Warning(warning) => Some(warning.span),
            Found::Error(_) => None,
        });
        let message = format!("lint violation found for rules: {}", names.join(", "));
        Diagnostic::error("LintViolation", first.unwrap_or_default(), message)
            .with_hint("`error=true` makes warnings errors; `skip=` turns rules off")
    }
}
