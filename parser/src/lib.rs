//! Dockerfile text → syntax tree → typed instructions, with diagnostics. Does no I/O and never fails.
//!
//! [`parse`] takes any bytes. What can be understood is in the tree and the stages; everything else is a
//! [`Diagnostic`] with its place. Reading order: `text`, `diagnostic`, `ast`, `instruction`.

pub mod ast;
pub mod diagnostic;
pub mod expand;
pub mod git_url;
pub mod ignore;
pub mod instruction;
pub mod keyword;
pub mod lines;
pub mod lint;
pub mod lower;
pub mod nearest;
pub mod outline;
pub mod path;
pub mod text;

mod arguments;
mod directive;
mod duration;
mod heredoc;
mod json;
mod place;
mod quote;
mod stages;
mod tree;

pub use ast::{Heredoc, Node, Tree};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use directive::{detect_syntax, other_front_end};
pub use instruction::{Command, Instruction, Stage};
pub use keyword::Keyword;
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
pub fn parse(text: &[u8]) -> Dockerfile {
    if text.len() > MAX_FILE_SIZE {
        return too_large();
    }
    let mut diagnostics = Vec::new();
    let source = decode(text, &mut diagnostics);
    let tree = tree::read(&source, &mut diagnostics);
    let program = stages::build(&source, &tree, &mut diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.span.first_line);
    Dockerfile { source, tree, meta_args: program.meta_args, stages: program.stages, diagnostics }
}

/// Parses what an `ONBUILD` holds: one command, without a stage around it.
pub fn parse_trigger(expression: &str) -> Result<Command, Box<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let source = Text::from(expression);
    let tree = tree::read(&source, &mut diagnostics);
    let refuse = |message| Box::new(Diagnostic::error("OnbuildTrigger", Span::default(), message));
    let [node] = tree.nodes.as_slice() else {
        let found = diagnostics.into_iter().find(|d| d.severity == Severity::Error).map(Box::new);
        return Err(found.unwrap_or_else(|| refuse("an `ONBUILD` holds exactly one instruction")));
    };
    let head = stages::head(0, node);
    let mut problems = instruction::problems::Problems::new(&source, node, &mut diagnostics);
    match instruction::read::read(node, &head, &mut problems) {
        Some(instruction::read::Read::Command(instruction)) => Ok(Command { head, instruction }),
        Some(instruction::read::Read::Stage(_)) => Err(refuse("an `ONBUILD` cannot hold a `FROM`")),
        None => {
            let found = diagnostics.into_iter().find(|d| d.severity == Severity::Error).map(Box::new);
            Err(found.unwrap_or_else(|| refuse("an `ONBUILD` holds exactly one instruction")))
        }
    }
}

fn too_large() -> Dockerfile {
    let line = Span { first_line: 1, last_line: 1, ..Span::default() };
    let message = format!("the file is larger than {} MiB", MAX_FILE_SIZE >> 20);
    let diagnostic = Diagnostic::error("FileTooLarge", line, message)
        .with_hint("is it a Dockerfile? put data into files of their own");
    Dockerfile { diagnostics: vec![diagnostic], ..Dockerfile::default() }
}

/// What is no UTF-8 is replaced, and told once.
fn decode(bytes: &[u8], diagnostics: &mut Vec<Diagnostic>) -> Text {
    let invalid = match std::str::from_utf8(bytes) {
        Ok(text) => return Text::from(text),
        Err(error) => error.valid_up_to(),
    };
    let line = 1 + bytes[..invalid].iter().filter(|b| **b == b'\n').count() as u32;
    let place = Span { start: invalid as u32, end: invalid as u32 + 3, first_line: line, last_line: line };
    diagnostics.push(
        Diagnostic::warning("InvalidUtf8", place, "the file is not UTF-8; what is not was replaced by `\u{fffd}`")
            .with_hint("save the file as UTF-8"),
    );
    Text::from(String::from_utf8_lossy(bytes).as_ref())
}
