//! The syntax tree: one node an instruction, its words split but nothing understood. Knows no instruction's meaning.

use crate::diagnostic::Span;
use crate::text::Text;

/// What a Dockerfile consists of, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    pub directives: Vec<Directive>,
    pub escape: Escape,
    pub nodes: Vec<Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree { directives: Vec::new(), escape: Escape::Backslash, nodes: Vec::new() }
    }
}

/// The character that escapes the next one and continues lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    #[default]
    Backslash,
    Backtick,
}

impl Escape {
    pub fn char(self) -> char {
        char::from(self.byte())
    }

    pub fn byte(self) -> u8 {
        match self {
            Escape::Backslash => b'\\',
            Escape::Backtick => b'`',
        }
    }
}

/// `# name=value` at the very top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    pub name: DirectiveName,
    pub value: Text,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectiveName {
    Syntax,
    Escape,
    Check,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The instruction's name as written.
    pub keyword: Text,
    /// `--name[=value]` words before the arguments, quotes removed.
    pub flags: Vec<Text>,
    pub args: Args,
    pub heredocs: Vec<Heredoc>,
    /// The logical line: continuations joined, comments inside left out, heredoc contents excluded.
    pub original: Text,
    /// The comment lines right above.
    pub comments: Vec<Text>,
    pub span: Span,
}

/// The arguments, in the form that the instruction reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Args {
    /// There are none, or the instruction is unknown.
    None,
    /// Split at blanks (`FROM`, `EXPOSE`, `COPY`, …), or like shell words (`ARG`).
    Words(Vec<Text>),
    /// Everything as one word.
    Line(Text),
    /// A JSON array of strings.
    Json(Vec<Text>),
    /// `ENV` and `LABEL`.
    Pairs(Vec<Pair>),
    /// `HEALTHCHECK`: its type, then `None`, `Line` or `Json`.
    Health { kind: Text, command: Box<Args> },
    /// `ONBUILD`.
    Trigger(Box<Node>),
}

/// A key and its value, quotes and variables as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub key: Text,
    pub value: Text,
    pub form: PairForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairForm {
    /// `key=value`
    Equals,
    /// `key value`, the legacy form.
    Blank,
}

/// `<<NAME` and the lines that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    pub name: Text,
    pub file_descriptor: u64,
    /// Whether variables in the contents are expanded (the name was not quoted).
    pub expand: bool,
    /// `<<-`: leading tabs are to be removed.
    pub chomp: bool,
    /// As written.
    pub content: Text,
}
