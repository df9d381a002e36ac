//! What cannot be known of a file that was not wholly understood: so that a mistake is told, and not what follows from it.
//!
//! An instruction that was not understood may have begun a stage, set a variable, or neither. Where it is misspelt, the
//! nearest name counts; where it is like none, anything may be missing.

use std::collections::BTreeSet;

use crate::keyword::Keyword;
use crate::nearest::nearest;
use crate::{Diagnostic, Dockerfile, Severity, Span};

/// Mistakes after which the text is not read on, or not as it was meant.
const ENDS: [&str; 5] = ["UnterminatedHeredoc", "LineTooLong", "InvalidEscape", "DuplicateDirective", "FileTooLarge"];

/// Places of instructions that were not understood, by their offsets.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// What begins a stage, or hides what does.
    stages: Vec<u32>,
    /// The names of those stages, as far as they can be read, in lower case.
    names: BTreeSet<String>,
    /// What may change what later instructions mean: variables, the shell, the directory.
    changes: Vec<u32>,
}

impl Gaps {
    pub fn of(dockerfile: &Dockerfile) -> Self {
        let mut gaps = Self::default();
        for error in dockerfile.diagnostics.iter().filter(|found| found.severity == Severity::Error) {
            gaps.add(error, &dockerfile.source);
        }
        gaps
    }

    fn add(&mut self, error: &Diagnostic, source: &str) {
        let Span { start, end, .. } = error.span;
        if ENDS.contains(&error.code.0) {
            self.stages.push(start);
            return;
        }
        let mut words = source.get(start as usize..end as usize).unwrap_or_default().split_whitespace();
        let word = words.next().unwrap_or_default();
        let meant = nearest(word, Keyword::ALL.map(Keyword::as_str)).unwrap_or(word);
        match Keyword::parse(meant) {
            Some(Keyword::From) => {
                self.stages.push(start);
                let named = words.skip_while(|word| !word.eq_ignore_ascii_case("as")).nth(1);
                self.names.extend(named.map(str::to_lowercase));
            }
            Some(Keyword::Arg | Keyword::Env | Keyword::Shell | Keyword::Workdir) | None => self.changes.push(start),
            Some(_) => {}
        }
    }

    /// Whether stages are missing, so that names and numbers may be theirs.
    pub fn hide_stages(&self) -> bool {
        !self.stages.is_empty()
    }

    /// Whether `name` is that of a missing stage.
    pub fn hide(&self, name: &str) -> bool {
        !self.names.is_empty() && self.names.contains(&name.to_lowercase())
    }

    /// Whether a stage is missing between its `FROM` and `place`, which then is not in it.
    pub fn part(&self, from: Span, place: Span) -> bool {
        self.stages.iter().any(|at| (from.start..place.start).contains(at))
    }

    /// Whether what `place` means depends on something between it and the stage's `FROM` that was not understood.
    pub fn change(&self, from: Span, place: Span) -> bool {
        self.changes.iter().any(|at| (from.start..place.start).contains(at))
    }

    /// Whether the variables before the first `FROM` are not all known.
    pub fn change_globals(&self, first: Span) -> bool {
        self.changes.iter().chain(&self.stages).any(|at| *at < first.start)
    }
}
