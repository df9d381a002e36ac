//! What is wrong, where, and what to do about it, as data. Knows no terminal and no colour.

mod render;

pub use render::render;

/// More errors than this are not looked for: reading stops there.
pub(crate) const MAX_ERRORS: usize = 100;

/// More warnings than this are not kept.
pub(crate) const MAX_WARNINGS: usize = 1000;

/// A place in the source: bytes `start..end`, on lines `first_line..=last_line` (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
    pub first_line: u32,
    pub last_line: u32,
}

impl Span {
    /// From here to the end of `last`, which stands behind.
    pub fn to(self, last: Self) -> Self {
        Self { end: last.end, last_line: last.last_line, ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Warning,
    Error,
}

/// The kind of a diagnostic: a lint rule's name (`NoEmptyContinuation`), or the same style of name for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// A second place that has to do with the diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub message: String,
}

/// One mistake, or one thing to think about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub code: Code,
    pub message: String,
    /// The whole instruction, for lines that agree with what other builders say.
    pub span: Span,
    /// The words in it that are meant, if it can be said closer than `span`.
    pub focus: Option<Span>,
    /// What would have been right here.
    pub expected: Option<String>,
    /// A way out; "did you mean …" included.
    pub hint: Option<String>,
    pub labels: Vec<Label>,
}

impl Diagnostic {
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message.into())
    }

    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message.into())
    }

    fn new(severity: Severity, code: &'static str, span: Span, message: String) -> Self {
        Diagnostic {
            severity,
            code: Code(code),
            message,
            span,
            focus: None,
            expected: None,
            hint: None,
            labels: Vec::new(),
        }
    }

    pub fn with_focus(mut self, focus: Span) -> Self {
        self.focus = Some(focus);
        self
    }

    pub fn with_expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn with_label(mut self, span: Span, message: impl Into<String>) -> Self {
        self.labels.push(Label { span, message: message.into() });
        self
    }
}
