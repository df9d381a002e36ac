//! Dockerfile text → syntax tree → typed instructions, with diagnostics. Does no I/O and never fails.
//!
//! [`parse`] takes any bytes. What can be understood is in the tree and the stages; everything else is a
//! [`Diagnostic`] with its place. Reading order: `text`, `diagnostic`, `ast`, `instruction`.

pub mod ast;
pub mod diagnostic;
pub mod instruction;
pub mod text;

pub use ast::{Heredoc, Node, Tree};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use instruction::{Command, Instruction, Stage};
pub use text::Text;

/// Larger files are refused; a reader needs to take at most one byte more than this.
pub const MAX_FILE_SIZE: usize = 16 << 20;

/// One Dockerfile, as far as it could be understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dockerfile {
    /// The whole text that spans point into (invalid UTF-8 replaced).
    pub source: Text,
    pub tree: Tree,
    /// The `ARG`s before the first `FROM`.
    pub meta_args: Vec<Command<instruction::Arg>>,
    pub stages: Vec<Stage>,
    /// In the order of their places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Dockerfile {
    /// Whether anything in it is wrong; then `stages` hold only what could be understood.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Parses any bytes.
pub fn parse(_text: &[u8]) -> Dockerfile {
    Dockerfile::default()
}

/// Parses what an `ONBUILD` holds: commands without a stage around them.
pub fn parse_trigger(_expression: &str) -> Result<Vec<Command>, Diagnostic> {
    Ok(Vec::new())
}
