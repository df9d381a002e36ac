//! The syntax tree: one node an instruction, its words split but nothing understood. Knows no instruction's meaning.

use crate::diagnostic::Span;
use crate::quote::quoted;
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
    None,
    /// Not read, since the instruction is unknown.
    Unknown,
    /// Split at blanks (`FROM`, `EXPOSE`, `COPY`, …), or like shell words (`ARG`).
    Words(Vec<Text>),
    /// Everything as one word.
    Line(Text),
    /// A JSON array of strings.
    Json(Vec<Text>),
    /// `ENV` and `LABEL`.
    Pairs(Vec<Pair>),
    /// `HEALTHCHECK`: its type, then `None`, `Line` or `Json`.
    Health {
        kind: Text,
        command: Box<Args>,
    },
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

impl Node {
    /// The arguments as one flat list, the form in which BuildKit's tree has them.
    pub fn words(&self) -> Vec<&str> {
        let mut words = Vec::new();
        self.args.flatten(&mut words);
        words
    }

    /// Whether the arguments are a JSON array.
    pub fn is_json(&self) -> bool {
        self.args.is_json()
    }
}

impl Args {
    fn flatten<'a>(&'a self, words: &mut Vec<&'a str>) {
        match self {
            Args::None | Args::Trigger(_) => {}
            Args::Unknown => words.push(""),
            Args::Words(list) | Args::Json(list) => words.extend(list.iter().map(Text::as_str)),
            Args::Line(line) => words.push(line),
            Args::Pairs(pairs) => {
                for pair in pairs {
                    words.extend([pair.key.as_str(), pair.value.as_str(), pair.form.delimiter()]);
                }
            }
            Args::Health { kind, command } => {
                words.push(kind);
                command.flatten(words);
            }
        }
    }

    fn is_json(&self) -> bool {
        match self {
            Args::Json(_) => true,
            Args::Health { command, .. } => command.is_json(),
            Args::None | Args::Unknown | Args::Words(_) | Args::Line(_) | Args::Pairs(_) | Args::Trigger(_) => false,
        }
    }
}

impl PairForm {
    pub fn delimiter(self) -> &'static str {
        match self {
            PairForm::Equals => "=",
            PairForm::Blank => "",
        }
    }
}

impl Tree {
    /// One instruction a line, as BuildKit's dumper writes them: `(run ["--network=none"] "make")`.
    pub fn dump(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("({})", node.dump())).collect();
        nodes.join("\n")
    }
}

impl Node {
    fn dump(&self) -> String {
        let mut out = self.keyword.to_lowercase();
        if !self.flags.is_empty() {
            let flags: Vec<_> = self.flags.iter().map(|flag| quoted(flag)).collect();
            out += &format!(" [{}]", flags.join(" "));
        }
        if let Args::Trigger(inner) = &self.args {
            out += &format!(" ({})", inner.dump());
        }
        for word in self.words() {
            out += " ";
            out += &quoted(word);
        }
        // An instruction's name can be empty: a line that begins with an escape.
        out.trim_start().to_owned()
    }
}
