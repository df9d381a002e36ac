//! What came of one field of one case. Knows no kind of case.

use serde_json::Value;

use crate::difference;

/// One field of one case, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// `dockerfiles`, `builds`, …
    pub kind: &'static str,
    /// As in the corpus, with dots between levels: `instr.stages`.
    pub field: &'static str,
    /// The case's name.
    pub case: String,
    /// None: both agree.
    pub differences: Vec<Difference>,
}

/// One place where both differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// A file of the corpus.
    pub file: String,
    /// In that file, from 1.
    pub line: u64,
    /// Within the field: `[3].args[0]`, or a path in a root.
    pub at: String,
    /// What each side says.
    pub what: String,
}

/// Gathers the verdicts on one case.
pub(crate) struct Case {
    pub kind: &'static str,
    pub name: String,
    /// Where differences are, unless they know better.
    pub file: String,
    pub line: u64,
    pub verdicts: Vec<Verdict>,
}

impl Case {
    pub fn new(kind: &'static str, name: impl Into<String>, file: impl Into<String>, line: u64) -> Self {
        Self { kind, name: name.into(), file: file.into(), line, verdicts: Vec::new() }
    }

    /// Two values in one form.
    pub fn values(&mut self, field: &'static str, theirs: &Value, ours: &Value) {
        let found = difference::first(theirs, ours);
        self.differences(field, found.into_iter().map(|(at, what)| (self.line, at, what)).collect());
    }

    /// Agrees when there is no difference; each is its line, its place in the field, and what both say.
    pub fn differences(&mut self, field: &'static str, found: Vec<(u64, String, String)>) {
        let differences =
            found.into_iter().map(|(line, at, what)| Difference { file: self.file.clone(), line, at, what }).collect();
        self.verdicts.push(Verdict { kind: self.kind, field, case: self.name.clone(), differences });
    }

    /// A case that is there and cannot be compared: never one that agrees.
    pub fn broken(mut self, why: impl Into<String>) -> Vec<Verdict> {
        self.differences("case", vec![(self.line, String::new(), why.into())]);
        self.verdicts
    }
}
