//! Collects what is wrong with one instruction.

use crate::ast::Node;
use crate::diagnostic::Diagnostic;
use crate::place;

/// Of one instruction, so many mistakes are told; a later one takes the last one's place.
const MAX_PROBLEMS: usize = 8;

/// The mistakes of one instruction.
pub(crate) struct Problems<'n, 'd> {
    source: &'n str,
    node: &'n Node,
    found: &'d mut Vec<Diagnostic>,
    before: usize,
}

/// The mistake just reported, to be told more about.
pub(crate) struct Problem<'d>(&'d mut Diagnostic);

impl<'n, 'd> Problems<'n, 'd> {
    pub fn new(source: &'n str, node: &'n Node, found: &'d mut Vec<Diagnostic>) -> Self {
        let before = found.len();
        Problems { source, node, found, before }
    }

    /// Something wrong with the whole instruction; its name is shown.
    pub fn whole(&mut self, code: &'static str, message: impl Into<String>) -> Problem<'_> {
        self.at(&self.node.keyword, code, message)
    }

    /// Something wrong with a word of it.
    pub fn at(&mut self, word: &str, code: &'static str, message: impl Into<String>) -> Problem<'_> {
        let mut diagnostic = Diagnostic::error(code, self.node.span, message);
        diagnostic.focus = place::of_word(self.source, self.node.span, word);
        if self.full() {
            self.found.pop();
        }
        self.found.push(diagnostic);
        let last = self.found.len() - 1;
        Problem(&mut self.found[last])
    }

    /// Whether it is of no use to look for more.
    pub fn full(&self) -> bool {
        self.found.len() - self.before >= MAX_PROBLEMS
    }

    pub fn keyword(&self) -> &'n str {
        &self.node.keyword
    }

    /// Whether anything was reported.
    pub fn any(&self) -> bool {
        self.found.len() > self.before
    }
}

impl Problem<'_> {
    pub fn expected(&mut self, expected: impl Into<String>) -> &mut Self {
        self.0.expected = Some(expected.into());
        self
    }

    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.0.hint = Some(hint.into());
        self
    }
}
